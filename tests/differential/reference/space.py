# SPDX-License-Identifier: Apache-2.0
"""The reference's config space of one function: bytes, which of them are known, what they mean.

Sources: PCI Express Base Specification 5.0, 7.5.1 (header), 7.5.2 (power management), 7.5.3 (PCI
Express capability), 7.7.1 (MSI), 7.7.2 (MSI-X).
"""

from __future__ import annotations

from collections.abc import Iterator

from uvtrace.trace.enums import Kind, Snapshot

from .records import CONFIG, Event, Lost

SIZE = 4096
HEADER_END = 0x40
POWER, MSI, EXPRESS, MSIX, ADVANCED = 0x01, 0x05, 0x10, 0x11, 0x13
COMMAND, STATUS, FIRST_BAR, POINTER = 0x04, 0x06, 0x10, 0x34
_D3COLD, _UNKNOWN_STATE = 4, 5

# Of each register: offset, bytes, the bits that are read-only, reserved, cleared by writing 1.
_HEADER = (
    (0x00, 4, 0xFFFFFFFF, 0, 0),  # vendor and device ID
    (0x04, 2, 0, 0xF800, 0),  # Command
    (0x06, 2, 0x06FF, 0, 0xF900),  # Status
    (0x08, 4, 0xFFFFFFFF, 0, 0),  # revision and class
    (0x0E, 1, 0xFF, 0, 0),  # header type
    (0x28, 8, 2**64 - 1, 0, 0),  # CIS pointer, subsystem IDs
    (0x30, 4, 0, 0x7FE, 0),  # expansion ROM
    (0x34, 1, 0xFF, 0, 0),  # capabilities pointer
    (0x35, 7, 0, 2**56 - 1, 0),
    (0x3D, 3, 0xFFFFFF, 0, 0),  # interrupt pin, Min_Gnt, Max_Lat
)
_OF_CAPABILITY = {
    POWER: ((0, 4, 0xFFFFFFFF, 0, 0), (4, 2, 0x6008, 0x00F4, 0x8000)),
    MSI: ((0, 2, 0xFFFF, 0, 0), (2, 2, 0x018E, 0xFE00, 0)),
    MSIX: ((0, 2, 0xFFFF, 0, 0), (2, 2, 0x07FF, 0x3800, 0), (4, 8, 2**64 - 1, 0, 0)),
    EXPRESS: (
        (0x00, 8, 2**64 - 1, 0, 0),  # Device Capabilities
        (0x0A, 2, 0x0030, 0, 0x004F),  # Device Status
        (0x0C, 4, 0xFFFFFFFF, 0, 0),  # Link Capabilities
        (0x12, 2, 0x3FFF, 0, 0xC000),  # Link Status
        (0x24, 4, 0xFFFFFFFF, 0, 0),  # Device Capabilities 2
        (0x2C, 4, 0xFFFFFFFF, 0, 0),  # Link Capabilities 2
    ),
}


class Space:
    """Config space as far as it is known."""

    def __init__(self) -> None:
        self.told = False
        """A snapshot has told of it."""
        self.size = SIZE
        self.bytes = [0] * SIZE
        self.known = [False] * SIZE
        self.read_only = [0] * SIZE
        self.reserved = [0] * SIZE
        self.clears = [0] * SIZE
        self.capabilities: dict[int, int] = {}
        """Where each capability begins, by ID; the first of each."""
        self.extents: list[tuple[int, int, int]] = []
        """Begin, end and ID of each."""
        self.faulty = False
        self.wide_bars: set[int] = set()
        self.power: int | None = None
        self.last_read: dict[int, int] = {}
        """What the last read of each dword gave."""
        self._mark(0, _HEADER)

    def _mark(self, base: int, registers: tuple[tuple[int, int, int, int, int], ...]) -> None:
        for offset, size, read_only, reserved, clears in registers:
            for number in range(size):
                at = base + offset + number
                if at < SIZE:
                    self.read_only[at] = read_only >> 8 * number & 0xFF
                    self.reserved[at] = reserved >> 8 * number & 0xFF
                    self.clears[at] = clears >> 8 * number & 0xFF

    @classmethod
    def of_snapshot(cls, contents: bytes, total: int) -> Space:
        """What a snapshot tells of it."""
        space = cls()
        space.told = True
        space.size = total if total in (256, SIZE) else SIZE
        for at, value in enumerate(contents[:SIZE]):
            space.bytes[at], space.known[at] = value, True
        if len(contents) >= HEADER_END:
            space._find_bars()
        space._find_capabilities(contents)
        power = space.capabilities.get(POWER)
        space.power = 0 if power is None else space.bytes[power + 4] & 3
        return space

    def _find_bars(self) -> None:
        bar = 0
        while bar < 6:
            at = FIRST_BAR + 4 * bar
            is_io = self.bytes[at] & 1
            self.read_only[at] = 0x3 if is_io else 0xF
            if not is_io and self.bytes[at] >> 1 & 3 == 2:
                self.wide_bars.add(bar)
                bar += 1
            bar += 1

    def _find_capabilities(self, contents: bytes) -> None:
        starts: dict[int, int] = {}
        if len(contents) >= HEADER_END and contents[STATUS] & 0x10:
            at = contents[POINTER]
            while at and at + 2 <= len(contents):
                if at % 4 or at < HEADER_END or at in starts:
                    self.faulty = True
                    break
                starts[at] = contents[at]
                at = contents[at + 1]
        for start, number in starts.items():
            end = min([other for other in starts if other > start] + [0x100])
            self.extents.append((start, end, number))
            self.capabilities.setdefault(number, start)
            self._mark(start, _OF_CAPABILITY.get(number, ()))

    # ------------------------------------------------------------- looking

    def place(self, offset: int) -> tuple[int | None, int]:
        """The capability that an offset is in, and how far; 0 of the header; None not known."""
        for start, end, number in self.extents:
            if start <= offset < end:
                return number, offset - start
        if offset >= SIZE or (offset >= HEADER_END and not self.told):
            return None, 0
        return 0, offset

    def value(self, offset: int | None, size: int) -> int | None:
        """A register's value; None where it is not known."""
        if offset is None or offset + size > SIZE:
            return None
        if not all(self.known[offset : offset + size]):
            return None
        return int.from_bytes(bytes(self.bytes[offset : offset + size]), "little")

    def bit(self, offset: int | None, number: int) -> bool | None:
        """A bit; None where its byte is not known."""
        if offset is None:
            return None
        byte = self.value(offset + number // 8, 1)
        return None if byte is None else bool(byte >> number % 8 & 1)

    def covered(self, event: Event, which: list[int]) -> int:
        """The bits of an access to which one of the arrays of bits says yes."""
        width = min(event.length, 4, SIZE - event.address)
        return int.from_bytes(bytes(which[event.address : event.address + max(width, 0)]), "little")

    def before(self, event: Event) -> int | None:
        """What the bytes of an access hold before it."""
        width = min(event.length, 4, SIZE - event.address)
        return self.value(event.address, width) if width > 0 else None

    def _at(self, capability: int, offset: int) -> int | None:
        start = self.capabilities.get(capability)
        return None if start is None else start + offset

    def _flag(self, capability: int, register: int, number: int) -> bool | None:
        """A bit of a capability's 16-bit register: off in a function that lacks the capability."""
        if capability not in self.capabilities:
            return False if self.told else None
        word = self.value(self._at(capability, register), 2)
        return None if word is None else bool(word >> number & 1)

    @property
    def memory_enable(self) -> bool | None:
        return self.bit(COMMAND, 1)

    @property
    def io_enable(self) -> bool | None:
        return self.bit(COMMAND, 0)

    @property
    def bus_master(self) -> bool | None:
        return self.bit(COMMAND, 2)

    @property
    def intx_disable(self) -> bool | None:
        return self.bit(COMMAND, 10)

    @property
    def msi_enable(self) -> bool | None:
        return self._flag(MSI, 2, 0)

    @property
    def msix_enable(self) -> bool | None:
        return self._flag(MSIX, 2, 15)

    @property
    def msix_function_mask(self) -> bool | None:
        return self._flag(MSIX, 2, 14)

    @property
    def msi_vectors(self) -> int | None:
        """How many vectors MSI is enabled for."""
        if MSI not in self.capabilities:
            return 1 if self.told else None
        control = self.value(self._at(MSI, 2), 2)
        return None if control is None else 1 << (control >> 4 & 7)

    @property
    def _msi_is_wide(self) -> bool | None:
        return self._flag(MSI, 2, 7)

    @property
    def msi_address(self) -> int | None:
        address = self.value(self._at(MSI, 4), 8 if self._msi_is_wide else 4)
        return None if address is None else address & ~3  # two reserved bits

    @property
    def msi_data(self) -> int | None:
        return self.value(self._at(MSI, 12 if self._msi_is_wide else 8), 2)

    @property
    def msix_size(self) -> int | None:
        control = self.value(self._at(MSIX, 2), 2)
        return None if control is None else (control & 0x7FF) + 1

    def _msix_place(self, offset: int) -> tuple[int, int] | None:
        value = self.value(self._at(MSIX, offset), 4)
        return None if value is None else (value & 7, value & ~7)

    @property
    def msix_table(self) -> tuple[int, int] | None:
        """BAR and offset."""
        return self._msix_place(4)

    @property
    def msix_pending(self) -> tuple[int, int] | None:
        """BAR and offset of the PBA."""
        return self._msix_place(8)

    @property
    def max_payload(self) -> int | None:
        control = self.value(self._at(EXPRESS, 8), 2)
        return None if control is None else 128 << (control >> 5 & 7)

    @property
    def max_read_request(self) -> int | None:
        control = self.value(self._at(EXPRESS, 8), 2)
        return None if control is None else 128 << (control >> 12 & 7)

    @property
    def max_payload_supported(self) -> int | None:
        capabilities = self.value(self._at(EXPRESS, 4), 1)
        return None if capabilities is None else 128 << (capabilities & 7)

    @property
    def relaxed_enable(self) -> bool | None:
        return self._flag(EXPRESS, 8, 4)

    @property
    def id_ordered_request_enable(self) -> bool | None:
        return self._flag(EXPRESS, 0x28, 8)

    @property
    def id_ordered_completion_enable(self) -> bool | None:
        return self._flag(EXPRESS, 0x28, 9)

    @property
    def no_soft_reset(self) -> bool | None:
        return self.bit(self._at(POWER, 4), 3)

    # ----------------------------------------------------------- following

    def follow(self, event: Event) -> None:
        """An event that is no snapshot has happened."""
        if event.is_a(*CONFIG):
            self._access(event)
        elif event.kind == Kind.POWER:
            self._change_power(event)
        elif event.kind == Kind.RESET:
            self._forget()

    def _bytes_of(self, event: Event) -> Iterator[tuple[int, int]]:
        for number in range(min(event.length, 8)):
            if event.address + number < SIZE:
                yield event.address + number, event.value >> 8 * number & 0xFF

    def _access(self, event: Event) -> None:
        answered = event.returned and event.ok
        told = dict(self._bytes_of(event))
        if event.kind == Kind.CONFIG_READ and not answered:
            for at in told:
                self.known[at] = False
            return
        if not answered:
            return
        if event.kind == Kind.CONFIG_READ:
            if told.get(COMMAND) == 0xFF:
                # What has gone away answers with ones.
                self._forget()
                return
            for at, value in told.items():
                self.bytes[at], self.known[at] = value, True
            if event.address < SIZE:
                self.last_read[event.address // 4] = event.value & 0xFFFFFFFF
        else:
            for at, value in told.items():
                self._write_byte(at, value)
        power = self._at(POWER, 4)
        if power in told and self.known[power]:
            self.power = self.bytes[power] & 3

    def _write_byte(self, at: int, value: int) -> None:
        fixed, clears, old = self.read_only[at], self.clears[at], self.bytes[at]
        self.bytes[at] = old & fixed | old & clears & ~value | value & ~fixed & ~clears
        if clears == 0 and fixed != 0xFF:
            self.known[at] = True

    def _change_power(self, event: Event) -> None:
        before = event.old_state if event.old_state < _UNKNOWN_STATE else self.power
        slept = before is None or before >= 3
        keeps = self.no_soft_reset is True and before != _D3COLD
        if event.new_state < 3 and slept and not keeps:
            self._forget()
        self.power = event.new_state if event.new_state < _UNKNOWN_STATE else None

    def _forget(self) -> None:
        """A reset may have changed everything that can change."""
        for at in range(SIZE):
            if self.read_only[at] != 0xFF:
                self.known[at] = False
        self.last_read.clear()

    def lose(self, lost: Lost) -> None:
        """Accesses may have been missed."""
        if "cfg" in lost.sights:
            self._forget()
            self.power = None


def snapshot_of_config(event: Event) -> bool:
    """It tells of config space, from its beginning."""
    is_config = event.kind == Kind.SNAPSHOT and event.topic == Snapshot.CONFIG
    return is_config and event.offset == 0
