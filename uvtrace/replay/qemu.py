# SPDX-License-Identifier: Apache-2.0
"""A device of QEMU's as the target of a replay.

QEMU's device reads and writes guest memory at once, while an access is under way, and nobody sees
it: memory is made to hold what the recorded device found there before the access that leads to the
read, and what the recorded device wrote is looked for in memory. Interrupts are seen as the line
that goes into the I/O APIC; messages (MSI, MSI-X) are not.
"""

from __future__ import annotations

import socket
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from uvtrace.device.find import options_of
from uvtrace.errors import UsageError, UvtraceError
from uvtrace.replay.function import unpredictable_config
from uvtrace.replay.qtest import Qtest
from uvtrace.replay.said import Said
from uvtrace.replay.script import Script, Told
from uvtrace.trace.enums import Kind

_SLOT: Final = 4
_CONFIG_BYTES: Final = 256
_BRIDGE: Final = 1 << 11
"""The ISA bridge of the machine ``pc``, 00:01.0, as a config address."""
_ROUTES: Final = 0x60
_LINE: Final = 11
_RAM_MAX: Final = 3 << 30
"""Of the machine ``pc``; what is above lies behind 4 GiB."""
_RAM_MIN: Final = 64 << 20
_BAR_MEMORY, _BAR_PORTS = 0xE000_0000, 0xC000
_WAIT_S: Final = 0.025
"""How long it is left to itself when something is waited for."""
_ROUNDS: Final = 4
_COMMAND, _BARS, _CACHE_LINE, _INTERRUPT_LINE = 0x04, range(0x10, 0x28), 0x0C, 0x3C


@dataclass(frozen=True)
class Qemu:
    """What to start.

    Attributes:
        model: QEMU's name of the device.
        properties: of the device.
        ram: bytes.
    """

    model: str
    properties: dict[str, str]
    ram: int

    def arguments(self, network: Path) -> list[str]:
        """QEMU's, with a network whose other end is a socket of ours."""
        properties = "".join(f",{name}={value}" for name, value in self.properties.items())
        here, there = network / "device", network / "wire"
        return [
            *("-machine", "pc", "-m", f"{self.ram >> 20}M"),
            *(
                "-netdev",
                f"dgram,id=wire,local.type=unix,local.path={here},"
                f"remote.type=unix,remote.path={there}",
            ),
            # No option ROM: nobody would run it.
            *("-device", f"{self.model},addr={_SLOT},romfile={self._wire()}{properties}"),
        ]

    def _wire(self) -> str:
        return ",netdev=wire" if self.model in _NETWORK else ""


_NETWORK: Final = frozenset(
    {"e1000", "e1000-82544gc", "e1000-82545em", "e1000e", "rtl8139", "pcnet", "vmxnet3", "igb",
     "ne2k_pci", "tulip", "i82550", "i82551", "i82557a", "i82557b", "i82557c", "i82558a",
     "i82558b", "i82559a", "i82559b", "i82559c", "i82559er", "i82562", "i82801"}
)  # fmt: skip


def qemu_of(text: str, script: Script) -> Qemu:
    """What ``MODEL[,property=value…]`` means, for a recording.

    Raises:
        UsageError: no model, or the recording uses memory that the machine does not have.
    """
    model, _, options = text.partition(",")
    if not model:
        raise UsageError("which device of QEMU's?", where="qemu:", hint="as in qemu:e1000")
    highest = script.history.end
    if highest > _RAM_MAX:
        raise UsageError(
            f"the recording's device uses memory at {highest:#x}, QEMU's has {_RAM_MAX >> 30} GiB",
            where=f"qemu:{model}",
            hint="record with DMA addresses below that",
        )
    ram = max(_RAM_MIN, highest + (1 << 20) - 1 >> 20 << 20)
    return Qemu(model, options_of(options), ram)


@dataclass
class _Bars:
    """Where BARs are in this machine: address, and whether it is one of ports."""

    places: dict[int, tuple[int, bool]] = field(default_factory=dict)


class QemuTarget:
    """One device of QEMU's."""

    shows_reads = False
    shows_writes = False

    def __init__(self, qemu: Qemu, script: Script) -> None:
        self._script = script
        self.frames: list[bytes] = []
        network = _Network()
        try:
            self._qtest = Qtest(qemu.arguments(network.folder))
        except UvtraceError:
            network.close()
            raise
        self._network = network
        self._bars = _Bars()
        try:
            self._route_interrupts()
            self._place_bars()
            self._begin_as(script.config)
        except UvtraceError:
            self.close()
            raise
        self._said()

    def close(self) -> None:
        """End QEMU."""
        self._qtest.close()
        self._network.close()

    # ------------------------------------------------------------- set-up

    def _config(self, offset: int, function: int = _SLOT << 11) -> int:
        self._qtest.port_out(0xCF8, 4, 1 << 31 | function | offset & ~3)
        return 0xCFC + (offset & 3)

    def _read_config(self, offset: int, length: int) -> int:
        return self._qtest.port_in(self._config(offset), length)

    def _write_config(self, offset: int, length: int, value: int) -> None:
        self._qtest.port_out(self._config(offset), length, value)

    def _route_interrupts(self) -> None:
        """All lines of PCI to one of the I/O APIC: nothing else is there."""
        self._qtest.intercept("ioapic")
        self._qtest.port_out(self._config(_ROUTES, _BRIDGE), 4, _LINE * 0x01010101)

    def _place_bars(self) -> None:
        memory, ports, number = _BAR_MEMORY, _BAR_PORTS, 0
        while number < 6:
            at = _BARS.start + 4 * number
            kind = self._read_config(at, 4)
            self._write_config(at, 4, 0xFFFF_FFFF)
            mask = self._read_config(at, 4)
            is_port = bool(kind & 1)
            size = -(mask & ~(3 if is_port else 15)) & (0xFFFF if is_port else 0xFFFF_FFFF)
            wide = not is_port and kind & 6 == 4
            if mask and size:
                base = ports if is_port else (memory + size - 1) // size * size
                self._write_config(at, 4, base)
                if wide:
                    self._write_config(at + 4, 4, 0)
                self._bars.places[number] = (base, is_port)
                ports, memory = (
                    (ports + max(size, 256), memory) if is_port else (ports, base + size)
                )
            number += 2 if wide else 1

    def _begin_as(self, config: bytes) -> None:
        """What software had written before the recording began."""
        for offset, length in ((_COMMAND, 2), (_CACHE_LINE, 1), (_INTERRUPT_LINE, 1)):
            if len(config) >= offset + length:
                value = int.from_bytes(config[offset : offset + length], "little")
                self._write_config(offset, length, value)

    # ------------------------------------------------------- being a target

    @property
    def deadline_ns(self) -> int | None:
        """Its clock is not ours."""
        return None

    def wait(self) -> list[Said] | None:
        """Leave it to itself for a while."""
        time.sleep(_WAIT_S)
        self.frames += self._network.receive()
        self._qtest.command("read 0 1")
        return self._said()

    @property
    def settled(self) -> bool:
        """There is no copying QEMU."""
        return False

    def tell(self, told: Told, now_ns: int | None) -> list[Said]:
        """The host does something."""
        said = [] if now_ns is None else self.advance(now_ns)
        if told.kind == Kind.CONFIG_READ:
            value = self._read_config(told.address, told.length)
            answer = Said(told.kind, told.place, told.address, told.length, value, tag=told.tag)
            return [*said, answer]
        if told.kind == Kind.CONFIG_WRITE:
            if told.address not in _BARS:
                self._write_config(told.address, told.length, told.value)
            return said + self._said()
        if told.kind == Kind.RESET:
            return said  # a function level reset is a config write; there is no bus to reset
        return said + self._access(told)

    def _access(self, told: Told) -> list[Said]:
        bar, offset = told.place
        if bar not in self._bars.places:
            raise UvtraceError(f"QEMU's device has no BAR{bar}", where="qemu")
        base, is_port = self._bars.places[bar]
        address = base + offset
        if told.kind in (Kind.MMIO_READ, Kind.PIO_READ):
            value = (self._qtest.port_in if is_port else self._qtest.read)(address, told.length)
            answer = Said(told.kind, told.place, 0, told.length, value, tag=told.tag)
            return [*self._said(), answer]
        (self._qtest.port_out if is_port else self._qtest.write)(address, told.length, told.value)
        said = self._said()
        if told.kind == Kind.PIO_WRITE and told.tag:
            said.append(Said(told.kind, told.place, 0, told.length, tag=told.tag))
        return said

    def _said(self) -> list[Said]:
        """What the interrupt line has done."""
        taken, self._qtest.interrupts = self._qtest.interrupts, []
        return [
            Said(Kind.INTX_ASSERT if raised else Kind.INTX_DEASSERT)
            for line, raised in taken
            if line == _LINE
        ]

    def answer(self, tag: int, told: Told) -> list[Said]:
        """It never asks."""
        return []

    def set_memory(self, address: int, data: bytes) -> None:
        """The driver has put this into memory."""
        self._qtest.set_memory(address, data)

    def memory(self, address: int, length: int) -> bytes:
        """What memory holds."""
        return self._qtest.memory(address, length)

    def frame(self, frame: bytes, now_ns: int | None) -> list[Said]:
        """A frame comes in."""
        said = [] if now_ns is None else self.advance(now_ns)
        self._network.send(frame)
        return said + self._rounds()

    def advance(self, now_ns: int) -> list[Said]:
        """Its clock goes on by itself."""
        return []

    def _rounds(self) -> list[Said]:
        """Let QEMU look at its sockets."""
        for _ in range(_ROUNDS):
            self._qtest.command("read 0 1")
        self.frames += self._network.receive()
        return self._said()

    def unpredictable(self, said: Said) -> int:
        """What stands in BARs and the like; 0xCF8 does not reach extended config space."""
        if said.kind == Kind.CONFIG_READ:
            beyond = said.address >= _CONFIG_BYTES
            return -1 if beyond else unpredictable_config(said.address, said.length)
        return 0


class _Network:
    """The other end of the device's wire."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="uvtrace-wire-")
        self.folder = Path(self._folder.name)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(self.folder / "wire"))
        self._socket.setblocking(False)

    def send(self, frame: bytes) -> None:
        self._socket.sendto(frame, str(self.folder / "device"))

    def receive(self) -> list[bytes]:
        frames = []
        while True:
            try:
                frames.append(self._socket.recv(1 << 16))
            except BlockingIOError:
                return frames

    def close(self) -> None:
        self._socket.close()
        self._folder.cleanup()
