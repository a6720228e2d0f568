# SPDX-License-Identifier: Apache-2.0
"""A machine of QEMU's whose CPU does nothing: its ports, memory and interrupt lines, by qtest.

QEMU's ``docs/devel/qtest.rst``, and the comment at the head of ``softmmu/qtest.c``, describe the
protocol: a line per command, a line per answer, lines ``IRQ raise N`` in between.

QEMU's accelerator ``qtest``, with which the clock stands still unless it is told to go on, is not
in distributions' packages: the CPU is TCG's, and halts at once; the clock is that of the wall.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from uvtrace.errors import EnvironmentLacksError, UsageError, UvtraceError

PROGRAM: Final = "qemu-system-x86_64"
_START_S: Final = 60.0
_ANSWER_S: Final = 60.0
_LAST_WORDS_S: Final = 2.0
_SIZES: Final = {1: "b", 2: "w", 4: "l", 8: "q"}
_CHUNK: Final = 1 << 15
_ROM_BYTES: Final = 1 << 16
_HALT: Final = b"\xfa\xf4\xeb\xfd"
"""cli; hlt; jmp to hlt."""
_RESET_VECTOR: Final = 16
"""Bytes before the end of the firmware."""


class Qtest:
    """A running machine.

    Args:
        arguments: of QEMU, beside those that qtest needs.

    Attributes:
        interrupts: the lines that were raised (True) and lowered since they were taken last.

    Raises:
        EnvironmentLacksError: there is no QEMU.
        UsageError: QEMU does not like the arguments; its words are told.
    """

    def __init__(self, arguments: Sequence[str]) -> None:
        program = shutil.which(PROGRAM)
        if program is None:
            raise EnvironmentLacksError(
                f"{PROGRAM} is not installed", hint="apt install qemu-system-x86"
            )
        self.interrupts: list[tuple[int, bool]] = []
        self._folder = tempfile.TemporaryDirectory(prefix="uvtrace-qtest-")
        self._process: subprocess.Popen[bytes] | None = None
        path = os.path.join(self._folder.name, "qtest")
        firmware = self.folder / "firmware"
        firmware.write_bytes((bytes(_ROM_BYTES - _RESET_VECTOR) + _HALT).ljust(_ROM_BYTES, b"\0"))
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(path)
            listener.listen(1)
            listener.settimeout(0.2)
            self._process = subprocess.Popen(
                [
                    program,
                    *("-accel", "tcg", "-display", "none", "-nodefaults", "-no-user-config"),
                    *("-bios", str(firmware), "-qtest", f"unix:{path}", "-qtest-log", "none"),
                    *arguments,
                ],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
            )
            self._socket = self._accept(listener)
        self._socket.settimeout(_ANSWER_S)
        self._buffer = b""

    @property
    def folder(self) -> Path:
        """A folder of its own, for sockets."""
        return Path(self._folder.name)

    def _accept(self, listener: socket.socket) -> socket.socket:
        assert self._process is not None
        for _ in range(int(_START_S / 0.2)):
            try:
                return listener.accept()[0]
            except TimeoutError:
                if self._process.poll() is not None:
                    break
        raise self._last_words()

    def _last_words(self) -> UsageError:
        """QEMU has gone, or does not answer: say what it said last."""
        said = b""
        if self._process is not None:
            try:
                said = self._process.communicate(timeout=_LAST_WORDS_S)[1]
            except subprocess.TimeoutExpired:
                self._process.kill()
                said = self._process.communicate()[1]
        self._folder.cleanup()
        lines = said.decode(errors="replace").strip().splitlines()
        text = lines[-1].removeprefix(f"{PROGRAM}: ") if lines else "does not answer"
        return UsageError(text, where=PROGRAM)

    def close(self) -> None:
        """End it."""
        self._socket.close()
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
        self._folder.cleanup()

    # ------------------------------------------------------------ protocol

    def command(self, text: str) -> list[str]:
        """Send a command; gives the words of the answer behind OK.

        Raises:
            UvtraceError: QEMU refuses it.
            UsageError: QEMU has gone; its last words.
        """
        try:
            self._socket.sendall(text.encode() + b"\n")
            while True:
                word, *rest = self._line().split()
                if word == "OK":
                    return rest
                if word == "IRQ":
                    self.interrupts.append((int(rest[1]), rest[0] == "raise"))
                    continue
                raise UvtraceError(f"qtest: {word} {' '.join(rest)}", where=text.split()[0])
        except (OSError, ValueError) as error:
            raise self._last_words() from error

    def _line(self) -> str:
        while b"\n" not in self._buffer:
            got = self._socket.recv(1 << 16)
            if not got:
                raise ConnectionError("the connection was closed")
            self._buffer += got
        line, _, self._buffer = self._buffer.partition(b"\n")
        return line.decode()

    # ------------------------------------------------------------ accesses

    def port_in(self, port: int, size: int) -> int:
        """Read 1, 2 or 4 bytes from a port."""
        return int(self.command(f"in{_SIZES[size]} {port:#x}")[0], 0)

    def port_out(self, port: int, size: int, value: int) -> None:
        """Write them."""
        self.command(f"out{_SIZES[size]} {port:#x} {value:#x}")

    def read(self, address: int, size: int) -> int:
        """Read 1, 2, 4 or 8 bytes of memory-mapped registers."""
        return int(self.command(f"read{_SIZES[size]} {address:#x}")[0], 0)

    def write(self, address: int, size: int, value: int) -> None:
        """Write them."""
        self.command(f"write{_SIZES[size]} {address:#x} {value:#x}")

    def memory(self, address: int, length: int) -> bytes:
        """What memory holds."""
        parts = []
        for at in range(0, length, _CHUNK):
            size = min(_CHUNK, length - at)
            parts.append(bytes.fromhex(self.command(f"read {address + at:#x} {size:#x}")[0][2:]))
        return b"".join(parts)

    def set_memory(self, address: int, data: bytes) -> None:
        """Change memory."""
        for at in range(0, len(data), _CHUNK):
            part = data[at : at + _CHUNK]
            self.command(f"write {address + at:#x} {len(part):#x} 0x{part.hex()}")

    def intercept(self, path: str) -> None:
        """From now on, tell of the interrupt lines that go into a device."""
        self.command(f"irq_intercept_in {path}")
