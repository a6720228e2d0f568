# SPDX-License-Identifier: Apache-2.0
"""What the bus keeps of a virtual function: config space, and what becomes of its interrupts.

As ``kmod/virtconfig.c`` and ``kmod/virtirq.c`` do it for a live driver: a model is told of what was
written, and says "interrupt"; which message that is, or whether it waits, is decided here.
"""

from __future__ import annotations

from collections.abc import Iterator

from uvtrace.device.config import ConfigSpace, Msi, MsiX, PciExpress, PowerManagement
from uvtrace.device.messages import ConfigWritten, Event, PowerChanged, Reset, ResetKind
from uvtrace.replay.said import Said
from uvtrace.trace.enums import Kind

_COMMAND, _STATUS, _BARS, _ROM, _LINE = 0x04, 0x06, range(0x10, 0x28), range(0x30, 0x34), 0x3C
_MASTER, _INTX_DISABLE = 1 << 2, 1 << 10
_INTERRUPT_STATUS = 1 << 3
_FLR = 1 << 15
_MSI_ENABLE, _MSIX_ENABLE, _MSIX_MASK_ALL = 1, 1 << 15, 1 << 14
_VECTOR_BYTES, _VECTOR_CONTROL = 16, 12


class VirtualFunction:
    """A function's config space and interrupts.

    Args:
        space: what it is.
        begin: what config space held when the recording began; empty: as at power-on.
    """

    def __init__(self, space: ConfigSpace, begin: bytes = b"") -> None:
        images = space.images()
        self._reset_values = bytes(images.values)
        self._writable, self._clearable = bytes(images.writable), bytes(images.clearable)
        self.values = bytearray(images.values)
        self._power = self._msi = self._msix = self._express = 0
        self._vectors = 1
        self._maskable = self._wide = False
        self._table: MsiX | None = None
        for at, capability in zip(space.offsets(), space.capabilities, strict=True):
            self._note(at, capability)
        self._adopt(begin)
        self._entries = self._masked_entries()
        self._pending: set[int] = set()
        self._asserted = False
        self._line = False

    def _masked_entries(self) -> bytearray:
        """The MSI-X table after a reset: every vector is masked."""
        vectors = self._table.vectors if self._table else 0
        return bytearray(b"\0" * _VECTOR_CONTROL + b"\1\0\0\0") * vectors

    def _note(self, at: int, capability: object) -> None:
        if isinstance(capability, PowerManagement):
            self._power = at
        elif isinstance(capability, Msi):
            self._msi, self._vectors = at, capability.vectors
            self._maskable, self._wide = capability.maskable, capability.wide
        elif isinstance(capability, MsiX):
            self._msix, self._vectors, self._table = at, capability.vectors, capability
        elif isinstance(capability, PciExpress):
            self._express = at

    def _adopt(self, begin: bytes) -> None:
        """What software had written before the recording began."""
        for at in range(min(len(begin), len(self.values))):
            writable = self._writable[at]
            self.values[at] = self.values[at] & ~writable | begin[at] & writable

    def initial_writes(self) -> Iterator[ConfigWritten]:
        """What the model must be told of, when it begins in the middle of a life."""
        for at in range(0, len(self.values), 4):
            if self.values[at : at + 4] != self._reset_values[at : at + 4]:
                yield ConfigWritten(at, 4, self.get(at, 4))

    # ---------------------------------------------------------- config space

    def get(self, offset: int, length: int) -> int:
        """What config space holds."""
        return int.from_bytes(self.values[offset : offset + length], "little")

    def put(self, offset: int, length: int, value: int) -> None:
        """The model changes it."""
        self.values[offset : offset + length] = value.to_bytes(length, "little")

    def write(self, offset: int, length: int, value: int) -> tuple[list[Event], list[Said]]:
        """Software writes: what the model is told, and what interrupts come of it."""
        if offset + length > len(self.values):
            return [], []
        writable = int.from_bytes(self._writable[offset : offset + length], "little")
        clearable = int.from_bytes(self._clearable[offset : offset + length], "little")
        before = self._state()
        new = (self.get(offset, length) & ~writable | value & writable) & ~(value & clearable)
        self.put(offset, length, new)
        events: list[Event] = [ConfigWritten(offset, length, new)]
        if self._starts_flr(offset, length, value):
            self.reset()
            events.append(Reset(ResetKind.FLR))
        after = self._state()
        if after != before:
            events.append(PowerChanged(after))
            if before == 3 and after == 0 and not self.get(self._power + 4, 2) & 8:
                self.reset()
                events.append(Reset(ResetKind.D3HOT))
        return events, [*self._line_update(), *self._send_pending()]

    def _state(self) -> int:
        return self.get(self._power + 4, 2) & 3 if self._power else 0

    def _starts_flr(self, offset: int, length: int, value: int) -> bool:
        at = self._express + 8
        if not self._express or not offset <= at + 1 < offset + length:
            return False
        capable = self.get(self._express + 4, 4) & 1 << 28
        return bool(capable and value >> 8 * (at + 1 - offset) & _FLR >> 8)

    def reset(self) -> None:
        """Config space and interrupts as at power-on; BARs keep their addresses."""
        bars = self.values[_BARS.start : _BARS.stop]
        self.values[:] = self._reset_values
        self.values[_BARS.start : _BARS.stop] = bars
        self._pending.clear()
        self._asserted = self._line = False
        self._entries = self._masked_entries()

    # ------------------------------------------------------------ interrupts

    @property
    def _mode(self) -> Kind:
        if self._msix and self.get(self._msix + 2, 2) & _MSIX_ENABLE:
            return Kind.MSIX
        if self._msi and self.get(self._msi + 2, 2) & _MSI_ENABLE:
            return Kind.MSI
        return Kind.INTX_ASSERT

    def interrupt(self, vector: int) -> list[Said]:
        """The model interrupts."""
        mode = self._mode
        if mode == Kind.INTX_ASSERT:
            self._asserted = True
            return self._line_update()
        if vector >= self._vectors:
            return []
        if mode == Kind.MSI:
            vector &= (1 << (self.get(self._msi + 2, 2) >> 4 & 7)) - 1
        self._pending.add(vector)
        return self._send_pending()

    def intx(self, asserted: bool) -> list[Said]:
        """The model sets its line."""
        disabled = self.get(_COMMAND, 2) & _INTX_DISABLE
        if not asserted or (self._mode == Kind.INTX_ASSERT and not disabled):
            self._asserted = asserted
        return self._line_update()

    def _line_update(self) -> list[Said]:
        disabled = self.get(_COMMAND, 2) & _INTX_DISABLE
        line = self._asserted and not disabled and self._mode == Kind.INTX_ASSERT
        if line == self._line:
            return []
        self._line = line
        return [Said(Kind.INTX_ASSERT if line else Kind.INTX_DEASSERT)]

    def _send_pending(self) -> list[Said]:
        mode = self._mode
        if mode == Kind.INTX_ASSERT or not self.get(_COMMAND, 2) & _MASTER:
            return []
        ready = sorted(each for each in self._pending if not self._is_masked(mode, each))
        self._pending -= set(ready)
        return [Said(mode, value=vector) for vector in ready]

    def _is_masked(self, mode: Kind, vector: int) -> bool:
        if mode == Kind.MSI:
            at = self._msi + (16 if self._wide else 12)
            return self._maskable and bool(self.get(at, 4) >> vector & 1)
        if self.get(self._msix + 2, 2) & _MSIX_MASK_ALL:
            return True
        return bool(self._entries[vector * _VECTOR_BYTES + _VECTOR_CONTROL] & 1)

    def holds_table(self, bar: int, offset: int) -> bool:
        """Whether an access goes to the MSI-X table or the pending bits, which the bus keeps."""
        table = self._table
        if table is None:
            return False
        if bar == table.bar and table.table <= offset < table.table + _VECTOR_BYTES * table.vectors:
            return True
        pending_bar = table.bar if table.pending_bar is None else table.pending_bar
        first = table.pending_offset
        return bar == pending_bar and first <= offset < first + (table.vectors + 63) // 64 * 8

    def read_table(self, bar: int, offset: int, length: int) -> int:
        """What the MSI-X table holds."""
        at = self._table_offset(bar, offset)
        return 0 if at is None else int.from_bytes(self._entries[at : at + length], "little")

    def write_table(self, bar: int, offset: int, length: int, value: int) -> list[Said]:
        """Software writes the MSI-X table."""
        at = self._table_offset(bar, offset)
        if at is not None:
            self._entries[at : at + length] = value.to_bytes(length, "little")
        return self._send_pending()

    def is_pending_array(self, bar: int, offset: int) -> bool:
        """Whether an access goes to the pending bits, which come and go unseen."""
        return self.holds_table(bar, offset) and self._table_offset(bar, offset) is None

    def _table_offset(self, bar: int, offset: int) -> int | None:
        table = self._table
        if table is None or bar != table.bar:
            return None
        at = offset - table.table
        return at if 0 <= at < len(self._entries) else None

    def unmask_all(self) -> None:
        """The recording does not show the table: what came is what was let through."""
        for at in range(_VECTOR_CONTROL, len(self._entries), _VECTOR_BYTES):
            self._entries[at] = 0


def unpredictable_config(offset: int, length: int) -> int:
    """Bits of a read that a replay does not decide: addresses, and what the bus sets."""
    mask = 0
    for at in range(offset, offset + length):
        byte = 0xFF if at in _BARS or at in _ROM or at == _LINE else 0
        byte |= _INTERRUPT_STATUS if at == _STATUS else 0
        byte |= 0xF9 if at == _STATUS + 1 else 0
        mask |= byte << 8 * (at - offset)
    return mask
