# SPDX-License-Identifier: Apache-2.0
"""The pass of what sizing, resets and sleep leave to be put right.

It follows only config accesses, resets and snapshots, which are few; and most config accesses
concern nothing that it follows.
"""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import repeat
from typing import Final, NamedTuple

import numpy as np

from uvtrace.check.chunk import Chunk
from uvtrace.check.columns import recovery
from uvtrace.check.columns.recovery import COMMAND_LOST, MSI_LOST
from uvtrace.check.expression import Column
from uvtrace.check.passes.config_layout import Layout, Place, layout_of
from uvtrace.check.passes.snapshots import config_snapshots
from uvtrace.check.passes.versions import Versions
from uvtrace.check.rules import Sight
from uvtrace.trace.enums import Kind, Phase, Status
from uvtrace.trace.trace import Trace

_KINDS: Final = (Kind.CONFIG_READ, Kind.CONFIG_WRITE, Kind.RESET, Kind.SNAPSHOT)
_FIELDS: Final = (
    *("bars_left", "bars_split", "bars_left_since", "reset_begun", "immediate_ready"),
    *("woken", "lost_state", "lost_since", "bars_wide", "retried", "reset_begun_ns", "woken_ns"),
)
_BEGUN_NS, _WOKEN_NS = _FIELDS.index("reset_begun_ns"), _FIELDS.index("woken_ns")
_BARS: Final = {0x10 + 4 * bar: bar for bar in range(6)}
_COMMAND, _STATUS = 4, 6
_ONES: Final = 0xFFFFFFFF
_FLAG_BITS: Final = 0xF
_MEMORY_ENABLE, _READY = 1 << 1, 1 << 0
_FLR, _ADVANCED_FLR = 1 << 15, 1 << 0
_ADVANCED_FEATURES: Final = 0x13
_NO_SOFT_RESET: Final = 1 << 3
_LAST_OF_HEADER: Final = 0x3F
_MSI_ON, _MSIX_ON = 1 << 0, 1 << 15
_RETRY_ID: Final = 0x0001
_ACCESS_MAX: Final = 8
_REMEMBERED: Final = 1 << 12
"""Accesses of which it is remembered what they carry."""
_READ, _WRITE = int(Kind.CONFIG_READ), int(Kind.CONFIG_WRITE)
_RESET, _SNAPSHOT = int(Kind.RESET), int(Kind.SNAPSHOT)
_REQUEST, _COMPLETION = int(Phase.REQUEST), int(Phase.COMPLETION)
_OK, _RETRY = int(Status.OK), int(Status.RETRY)


class _Event(NamedTuple):
    """What the pass follows; of a config access also what it carries."""

    position: int
    kind: int
    phase: int
    status: int
    function: int
    time_ns: int
    offset: int
    width: int
    value: int
    total: int
    """Of a snapshot of config space, its size."""

    def register(self, at: int, size: int) -> int | None:
        """The bytes of a register as the access carries them; None where it does not."""
        if at < 0 or self.offset > at or self.offset + self.width < at + size:
            return None
        return self.value >> 8 * (at - self.offset) & (1 << 8 * size) - 1


def _other_places(msi_at: int, msix_at: int) -> list[tuple[int, int]]:
    found = [(_COMMAND, 2)]
    if msi_at >= 0:
        found += [(msi_at + 2, 2), (msi_at + 4, 4)]
    if msix_at >= 0:
        found.append((msix_at + 2, 2))
    return found


@lru_cache(_REMEMBERED)
def _carried(
    offset: int, width: int, msi_at: int, msix_at: int
) -> tuple[tuple[int, int, int], ...]:
    """Offset, place in the value, and mask of what is followed and an access carries.

    Drivers make the same accesses again and again.
    """
    places = [*((at, 4) for at in _BARS), *_other_places(msi_at, msix_at)]
    return tuple(
        (at, 8 * (at - offset), (1 << 8 * size) - 1)
        for at, size in places
        if offset <= at and at + size <= offset + width
    )


@dataclass
class _Function:
    """What is known of one function."""

    power_at: int = -1
    express_at: int = -1
    advanced_at: int = -1
    msi_at: int = -1
    msix_at: int = -1
    wide: int = 0
    values: dict[int, int] = field(default_factory=dict)
    """The last known value of Command, each BAR and MSI's registers, by offset."""
    power_state: int = -1
    no_soft_reset: bool = True
    ready: int = -1
    left: int = 0
    left_since: int = -1
    begun: tuple[int, int] = (-1, -1)
    woken: tuple[int, int] = (-1, -1)
    unseen: set[int] = field(default_factory=set)
    """What a reset may have changed: it is lost when it is seen to be, or the reset ends well."""
    lost: set[int] = field(default_factory=set)
    lost_since: int = -1
    resetting: int = -1
    retried: int = -1

    # ------------------------------------------------------------------ events

    def lose_sight(self) -> None:
        """Records are missing: what was not put back may have been since."""
        self.values.clear()
        self.unseen.clear()
        self.lost.clear()
        self.left, self.power_state, self.retried = 0, -1, -1

    def read(self, event: _Event) -> bool:
        """The function has answered a config read; whether that can have changed its fields."""
        if event.offset > 0 and self.retried < 0 and not self._carried(event):
            return False
        if event.register(0, 2) == _RETRY_ID:
            self.retried = event.position
            return True
        touched = bool(self.retried >= 0 or self.unseen or self.lost)
        # All ones are what the host makes of no answer.
        if event.width > _ACCESS_MAX or event.value != (1 << 8 * event.width) - 1:
            self.retried = -1
        for at, value in self._told(event):
            before = self.values.get(at)
            changed = before is not None and self._differs(at, before, value)
            if at in self.unseen | self.lost and changed:
                self.unseen.discard(at)
                self.lost.add(at)
                continue
            self.unseen.discard(at)
            self.lost.discard(at)
            # The answer to sizing is no address.
            if not self.left >> _BARS.get(at, 31) & 1:
                self.values[at] = value
        return touched

    def write(self, event: _Event) -> bool:
        """Config space is written; whether that can have changed the function's fields."""
        told = self._told(event)
        for at, value in told:
            self.unseen.discard(at)
            self.lost.discard(at)
            bar = _BARS.get(at)
            if bar is not None and value == _ONES:
                self.left |= 1 << bar
                self.left_since = event.position
            else:
                self.left &= ~(1 << bar) if bar is not None else ~0
                self.values[at] = value
        touched = self._write_power(event) or bool(told)
        if self._begins_reset(event):
            self.begun = (event.position, event.time_ns)
            self._lose(event.position)
            return True
        return touched

    def reset(self, phase: int, ok: bool, position: int, time_ns: int) -> None:
        """The kernel resets the function: it waits as long as it must, so only the state counts."""
        if phase == _REQUEST:
            self.resetting = position
            self._doubt(position)
        elif phase == _COMPLETION:
            self.resetting = -1
            self.lost |= self.unseen if ok else set()
            self.unseen.clear()
        elif ok:
            self.begun = (position, time_ns)
            self._lose(position)

    # ----------------------------------------------------------------- helpers

    def _carried(self, event: _Event) -> tuple[tuple[int, int, int], ...]:
        return _carried(event.offset, event.width, self.msi_at, self.msix_at)

    def _told(self, event: _Event) -> list[tuple[int, int]]:
        """Offset and value of what is followed and an access carries."""
        return [(at, event.value >> shift & mask) for at, shift, mask in self._carried(event)]

    def other_places(self) -> list[tuple[int, int]]:
        """Offset and size of what is followed besides BARs."""
        return _other_places(self.msi_at, self.msix_at)

    def _switch(self, at: int) -> int:
        """The bit that turns on what a register is about; 0 where it is an address."""
        if at == _COMMAND:
            return _MEMORY_ENABLE
        if self.msi_at >= 0 and at == self.msi_at + 2:
            return _MSI_ON
        return _MSIX_ON if self.msix_at >= 0 and at == self.msix_at + 2 else 0

    def _differs(self, at: int, before: int, now: int) -> bool:
        switch = self._switch(at)
        if switch:
            return bool(before & switch & ~now)
        return (before ^ now) & ~_FLAG_BITS != 0

    def _begins_reset(self, event: _Event) -> bool:
        control = event.register(self.express_at + 8, 2) if self.express_at >= 0 else None
        advanced = event.register(self.advanced_at + 4, 1) if self.advanced_at >= 0 else None
        return bool((control or 0) & _FLR or (advanced or 0) & _ADVANCED_FLR)

    def _write_power(self, event: _Event) -> bool:
        """Carry out a write to the power state; whether it is one."""
        value = event.register(self.power_at + 4, 1) if self.power_at >= 0 else None
        if value is None:
            return False
        if self.power_state == 3 and value & 3 == 0:
            self.woken = (event.position, event.time_ns)
            if not self.no_soft_reset:
                self._doubt(event.position)
        self.power_state = value & 3
        return True

    def _at_risk(self) -> set[int]:
        """What a reset would change: what is turned on, and addresses."""
        found = {at for at in _BARS if self.values.get(at, 0) & ~_FLAG_BITS}
        found |= {at for at, _ in self.other_places() if self.values.get(at, 0) & self._switch(at)}
        if self.msi_at + 2 in found and self.values.get(self.msi_at + 4, 0):
            found.add(self.msi_at + 4)
        return found

    def _doubt(self, position: int) -> None:
        self.unseen = self._at_risk()
        self.lost_since = position

    def _lose(self, position: int) -> None:
        self.lost = self._at_risk()
        self.unseen.clear()
        self.left = 0
        self.lost_since = position

    def fields(self) -> tuple[int, ...]:
        """In the order of ``_FIELDS``."""
        split, lost = 0, 0
        for bar in range(5):
            if self.wide >> bar & 1:
                split |= (self.left >> bar & 3 in (1, 2)) << bar
        for at in self.lost:
            bar = _BARS.get(at, -1)
            is_high = bar > 0 and self.wide >> (bar - 1) & 1
            if bar < 0:
                lost |= COMMAND_LOST if at == _COMMAND else MSI_LOST
            else:
                lost |= 1 << (bar - 1 if is_high else bar)
        return (
            *(self.left, split, self.left_since, self.begun[0], self.ready),
            *(self.woken[0], lost, self.lost_since if lost else -1),
            *(self.wide, self.retried, self.begun[1], self.woken[1]),
        )


def _told_by(layout: Layout) -> _Function:
    """A function whose config space has just been told."""
    function = _Function(
        power_at=int(layout.places[Place.POWER]),
        express_at=int(layout.places[Place.EXPRESS]),
        msi_at=int(layout.places[Place.MSI]),
        msix_at=int(layout.places[Place.MSIX]),
        wide=max(int(layout.places[Place.BARS_64]), 0),
    )
    found = np.flatnonzero(layout.capability == _ADVANCED_FEATURES)
    function.advanced_at = int(found[0]) if len(found) else -1
    content = layout.content.tobytes()
    if layout.known[_LAST_OF_HEADER]:
        function.values = {at: int.from_bytes(content[at : at + 4], "little") for at in _BARS}
        for at, size in function.other_places():
            if layout.known[at + size - 1]:
                function.values[at] = int.from_bytes(content[at : at + size], "little")
        function.ready = content[_STATUS] & _READY
    if function.power_at >= 0 and layout.known[function.power_at + 4]:
        function.power_state = content[function.power_at + 4] & 3
        function.no_soft_reset = bool(content[function.power_at + 4] & _NO_SOFT_RESET)
    return function


class RecoveryPass:
    """Fills ``columns.recovery``."""

    columns: tuple[Column, ...] = recovery.COLUMNS

    def __init__(self, trace: Trace, wanted: AbstractSet[str]) -> None:
        self._functions = [_Function() for _ in trace.functions]

    def run(self, chunk: Chunk) -> None:
        """Fill the columns of one chunk."""
        begin = [function.fields() for function in self._functions]
        begin.append(_Function().fields())
        changes: list[tuple[int, int, tuple[int, ...]]] = []
        lost, lost_of = chunk.losses.of([Sight.CFG, Sight.LIFE])
        losses = list(zip(lost.tolist(), lost_of.tolist(), strict=True))
        fields = begin[:-1]
        for event in _events(chunk):
            while losses and losses[0][0] <= event.position - chunk.first:
                changes += self._lose_sight(*losses.pop(0), fields)
            number = event.function
            if number < len(self._functions) and self._follow(chunk, event):
                now = self._functions[number].fields()
                if now != fields[number]:
                    fields[number] = now
                    changes.append((event.position - chunk.first + 1, number, now))
        for row, of in losses:
            changes += self._lose_sight(row, of, fields)
        self._tell(chunk, begin, changes)

    def _lose_sight(
        self, row: int, of: int, fields: list[tuple[int, ...]]
    ) -> list[tuple[int, int, tuple[int, ...]]]:
        numbers = range(len(self._functions)) if of < 0 else [of]
        numbers = [number for number in numbers if number < len(self._functions)]
        for number in numbers:
            self._functions[number].lose_sight()
            fields[number] = self._functions[number].fields()
        return [(row, number, fields[number]) for number in numbers]

    def _follow(self, chunk: Chunk, event: _Event) -> bool:
        """Carry out an event; whether that can have changed the fields of its function."""
        function, kind = self._functions[event.function], event.kind
        if kind == _SNAPSHOT:
            space = chunk.payload(event.position - chunk.first)
            self._functions[event.function] = _told_by(layout_of(space, event.total))
            return True
        if kind == _RESET:
            ok = event.status == _OK
            function.reset(event.phase, ok, event.position, event.time_ns)
            return True
        if kind == _WRITE:
            return event.phase != _COMPLETION and function.write(event)
        if event.phase != _REQUEST and event.status == _OK:
            return function.read(event)
        if event.status == _RETRY:
            function.retried = event.position
            return True
        return False

    def _tell(
        self,
        chunk: Chunk,
        begin: list[tuple[int, ...]],
        changes: list[tuple[int, int, tuple[int, ...]]],
    ) -> None:
        table = np.array([*begin, *(values for _, _, values in changes)], np.int64)
        rows = np.array([row for row, _, _ in changes], np.int64)
        changed = np.array([number for _, number, _ in changes], np.int64)
        versions = Versions(chunk, table, rows, changed)
        versions.tell(chunk, _FIELDS)
        for name, field_ in (("since_reset_begun_ns", _BEGUN_NS), ("since_woken_ns", _WOKEN_NS)):
            versions.tell_since(chunk, name, field_, clamped=False)


def _events(chunk: Chunk) -> Iterator[_Event]:
    if chunk.kinds.isdisjoint(_KINDS):
        return iter(())
    totals = dict(config_snapshots(chunk))
    rows = chunk.rows(_KINDS)
    followed = (chunk.kind[rows] != _SNAPSHOT) | np.isin(rows, list(totals))
    rows = rows[followed]
    records = chunk.records[rows]
    first = (records[name].tolist() for name in ("kind", "phase", "status", "function"))
    time_ns = records["time_ns"].astype(np.int64).tolist()
    last = (records[name].tolist() for name in ("address", "length", "value"))
    told = map(totals.get, rows.tolist(), repeat(0))
    return map(_Event, (chunk.first + rows).tolist(), *first, time_ns, *last, told)
