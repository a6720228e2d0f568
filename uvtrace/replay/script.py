# SPDX-License-Identifier: Apache-2.0
"""A recording as a script: what its function was told, and what it said, in order.

What is told to the device stands where the host issued it (or where it was handed over, if the
recording tells that apart); what the device said, where it was delivered. Records of other things
(mappings, handlers, metadata) only tell what memory held, and when.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from uvtrace.device.messages import ResetKind, Seen
from uvtrace.errors import InputError, UsageError
from uvtrace.replay.history import History
from uvtrace.replay.said import Said, facts_of
from uvtrace.trace import texts
from uvtrace.trace.enums import (
    Direction,
    Flag,
    Flavour,
    Kind,
    MemoryMoment,
    Phase,
    Snapshot,
    Status,
)
from uvtrace.trace.layout import BAR, BAR_NONE, VIEW_OF_KIND, VIEWS
from uvtrace.trace.trace import Trace

Record = dict[str, Any]
"""A record's fields by name; ``raw`` is the union's bytes."""
_NOT_EXECUTED: Final = int(Flag.OUTSIDE | Flag.STALE | Flag.UNDECODED)
_UNSURE: Final = 0
_FAR, _APART = int(Flag.FAR), int(Flag.APART)
_READS: Final = frozenset({Kind.MMIO_READ, Kind.PIO_READ})


@dataclass(slots=True)
class Told:
    """What the host does to the device.

    Attributes:
        kind: CONFIG_WRITE, MMIO_READ, MMIO_WRITE, PIO_READ, PIO_WRITE, CONFIG_READ, RESET, or
            DMA_READ for (a part of) an answer to one of the device's reads.
        place: BAR and offset of an access.
        address: in config space, or of the memory that was read.
        tag: of the access; of an answer, the one that the recorded device had given its read.
        data: what memory held; ``status`` and ``left`` are the completion's.
    """

    kind: Kind
    place: tuple[int, int] = (-1, 0)
    address: int = 0
    length: int = 0
    value: int = 0
    tag: int = 0
    data: bytes = b""
    status: Status = Status.OK
    left: int = 0

    def __str__(self) -> str:
        what = texts.kind_text(self.kind)
        if self.kind == Kind.DMA_READ:
            return f"DMA read completion {self.address:#x} ({self.length})"
        if self.kind == Kind.RESET:
            return what
        if self.kind in (Kind.CONFIG_READ, Kind.CONFIG_WRITE):
            where = f"{self.address:#04x} {texts.config_register_text(self.address)}".rstrip()
        else:
            where = f"{texts.bar_text(self.place[0])}+{self.place[1]:#x}"
        if self.kind in (Kind.CONFIG_READ, Kind.MMIO_READ, Kind.PIO_READ):
            return f"{what} {where} ({self.length})"
        return f"{what} {where} ({self.length}) = {self.value:#0{2 * self.length + 2}x}"


@dataclass(slots=True)
class Step:
    """A step of the script: either something told, or something said, or a handler entered."""

    row: int
    time_ns: int
    told: Told | None = None
    said: Said | None = None
    handler: bool = False


@dataclass(frozen=True)
class Limits:
    """What the recorded bus allowed, bytes; 0: not told."""

    payload: int = 0
    read_request: int = 0


@dataclass
class Script:
    """What happened to one function.

    Attributes:
        function: its index in the trace.
        steps: in order.
        history: what memory held when.
        config: its config space when recording began; empty if it was not recorded.
        bars: number and length of its BARs, and the address that each had.
        shows_device: the recording has the device's own transactions (DMA, interrupts).
        shows_memory: it has contents of memory.
        uses_memory: the driver has shared memory with the device.
        cut: payloads that were cut by a snap length.
        ends_unbound: the driver was unbound at last: nothing is under way any more.
        begins_bound: the driver was bound already when the recording began.
    """

    function: int
    name: str
    steps: list[Step] = field(default_factory=list)
    history: History = field(default_factory=History)
    config: bytes = b""
    bars: dict[int, tuple[int, int]] = field(default_factory=dict)
    limits: Limits = Limits()
    shows_device: bool = False
    shows_memory: bool = False
    uses_memory: bool = False
    cut: int = 0
    begins_bound: bool = False
    ends_unbound: bool = False
    start_ns: int = 0

    def accesses(self) -> list[Seen]:
        """What the driver wrote, and what it read, in order."""
        seen = []
        for step in self.steps:
            told, said = step.told, step.said
            if told is not None and told.kind in (Kind.MMIO_WRITE, Kind.PIO_WRITE):
                seen.append(Seen(True, *told.place, told.length, told.value))
            elif said is not None and said.kind in _READS and said.status == Status.OK:
                seen.append(Seen(False, *said.place, said.length, said.value))
        return seen


def script_of(trace: Trace, function: int | None = None) -> Script:
    """The script of a function, or of the only one that has accesses.

    Raises:
        UsageError: no such function, or the trace has several and none was chosen.
        InputError: the trace has nothing that a device could be told.
    """
    index = _chosen(trace, function)
    script = Script(index, trace.functions[index].name)
    _Reader(trace, script).read()
    if not any(step.told is not None for step in script.steps):
        raise InputError("no access to a device is in it", path=trace.path)
    return script


def _chosen(trace: Trace, function: int | None) -> int:
    kinds, functions = trace.column("kind"), trace.column("function")
    accesses = (kinds >= Kind.CONFIG_READ) & (kinds <= Kind.PIO_WRITE)
    known = [int(index) for index in np.unique(functions[accesses]) if index < len(trace.functions)]
    if function is not None:
        if function not in known:
            raise UsageError(f"function {function} has no accesses", where=trace.path)
        return function
    if not known:
        raise InputError("no access to a device is in it", path=trace.path)
    if len(known) > 1:
        names = ", ".join(trace.functions[index].name for index in known)
        raise UsageError(
            f"has {len(known)} functions", where=trace.path, hint=f"--function: one of {names}"
        )
    return known[0]


class _Reader:
    """Reads the records of one function."""

    def __init__(self, trace: Trace, script: Script) -> None:
        self._trace = trace
        self._script = script
        self._apart: dict[tuple[int, int, int, int], tuple[Told, int]] = {}
        self._places: dict[int, tuple[int, int]] = {}

    def read(self) -> None:
        base = 0
        for part in self._trace.chunks(1 << 16):
            self._part(part, base)
            base += len(part)

    def _part(self, part: Trace, base: int) -> None:
        records = part.records
        mine = np.flatnonzero(records["function"] == self._script.function)
        names = records.dtype.names or ()
        for at, values in zip(mine.tolist(), records[mine].tolist(), strict=True):
            record: Record = dict(zip(names, values, strict=True))
            read = _READERS.get(record["kind"])
            if read is not None:
                if not self._script.start_ns:
                    self._script.start_ns = record["time_ns"]
                read(self, part, at, base + at, record)

    # ------------------------------------------------------------- accesses

    def _access(self, part: Trace, at: int, row: int, record: Record) -> None:
        kind, flags = Kind(record["kind"]), record["flags"]
        facts = _union(record)
        place = (facts["bar"], facts["offset"])
        if flags & _NOT_EXECUTED or (place[0] == BAR_NONE and kind >= Kind.MMIO_READ):
            return
        if record["status"] == Status.REFUSED:
            return
        phase = record["phase"]
        if phase == Phase.COMPLETION:
            self._answered(row, record, kind)
            return
        told = Told(
            kind,
            place,
            record["address"],
            facts["width"] or record["length"],
            record["value"],
            self._tag_of(row, record, kind),
        )
        self._tell(row, record, told)
        if phase == Phase.REQUEST:
            self._places[told.tag] = place
        elif phase == Phase.WHOLE and (kind in _READS or kind == Kind.CONFIG_READ):
            self._say(row, record, _answer(told, record))

    def _tag_of(self, row: int, record: Record, kind: Kind) -> int:
        if record["phase"] == Phase.REQUEST:
            return int(record["tag"])
        return -row - 1 if kind in _READS or kind == Kind.CONFIG_READ else 0

    def _answered(self, row: int, record: Record, kind: Kind) -> None:
        tag = record["tag"]
        place = self._places.pop(tag, None)
        if record["flags"] & _FAR or place is None:
            if place is not None:
                self._places[tag] = place
            return
        width = _union(record)["width"] or record["length"]
        told = Told(kind, place, record["address"], width, 0, tag)
        self._say(row, record, _answer(told, record))

    def _tell(self, row: int, record: Record, told: Told) -> None:
        flags = record["flags"]
        key = (record["kind"], record["phase"], record["tag"], told.address)
        if flags & _FAR:
            known = self._apart.pop(key, None)
            if known is None or record["status"] in (Status.TIMEOUT, Status.REFUSED):
                return
            told = known[0]
        elif flags & _APART:
            self._apart[key] = (told, row)
            return
        self._script.steps.append(Step(row, record["time_ns"], told=told))

    def _say(self, row: int, record: Record, said: Said) -> None:
        if record["flags"] & _FAR:
            return
        said.facts = facts_of(said.kind, record["flags"])
        self._script.steps.append(Step(row, record["time_ns"], said=said))

    # ------------------------------------------------------ the device's own

    def _dma_read(self, part: Trace, at: int, row: int, record: Record) -> None:
        self._script.shows_device = True
        address, length = record["address"], record["length"]
        tag, status = record["tag"], Status(record["status"])
        if record["phase"] != Phase.COMPLETION:
            if status != Status.REFUSED:
                said = Said(Kind.DMA_READ, address=address, length=length, tag=tag)
                self._say(row, record, said)
            return
        data = self._payload(part, at, length)
        if status == Status.OK and not record["flags"] & _FAR:
            self._script.shows_memory = True
            self._script.history.read(row, address, data)
        left = _union(record)["byte_count"] or length
        told = Told(
            Kind.DMA_READ,
            address=address,
            length=length,
            tag=tag,
            data=data.ljust(length if status == Status.OK else 0, b"\0"),
            status=status,
            left=left,
        )
        self._tell(row, record, told)

    def _dma_write(self, part: Trace, at: int, row: int, record: Record) -> None:
        self._script.shows_device = True
        address, length = record["address"], record["length"]
        data = self._payload(part, at, length)
        if record["flags"] & _FAR or record["status"] == Status.REFUSED:
            return
        self._script.history.written(row, address, data)
        said = Said(Kind.DMA_WRITE, address=address, length=length, data=data)
        self._say(row, record, said)

    def _interrupt(self, part: Trace, at: int, row: int, record: Record) -> None:
        self._script.shows_device = True
        if record["status"] == Status.REFUSED:
            return
        kind = Kind(record["kind"])
        vector = _union(record)["vector"] if kind in (Kind.MSI, Kind.MSIX) else 0
        self._say(row, record, Said(kind, value=vector))

    def _payload(self, part: Trace, at: int, length: int) -> bytes:
        data = part.payload(at)
        if len(data) < min(length, part.payload_length(at)):
            self._script.cut += 1
        return data[:length]

    # ------------------------------------------------- what else is of use

    def _handler(self, part: Trace, at: int, row: int, record: Record) -> None:
        step = Step(row, record["time_ns"], handler=True)
        self._script.steps.append(step)

    def _memory(self, part: Trace, at: int, row: int, record: Record) -> None:
        self._script.shows_memory = True
        data = self._payload(part, at, record["length"])
        address = record["address"]
        self._script.history.known(row, address, data)
        moment = int(MemoryMoment.TO_DEVICE)
        if record["value"] == MemoryMoment.TO_CPU:
            # The driver changes coherent memory, too: only at a handler's entry it had no time to.
            coherent = _union(record)["flavour"] in (Flavour.COHERENT, Flavour.POOL)
            sure = not coherent or self._is_before_handler(part, at)
            moment = MemoryMoment.TO_CPU if sure else _UNSURE
        said = Said(Kind.MEMORY, address=address, length=len(data), value=moment, data=data)
        self._script.steps.append(Step(row, record["time_ns"], said=said))

    def _is_before_handler(self, part: Trace, at: int) -> bool:
        kinds = part.column("kind")
        while at < len(kinds) and kinds[at] in (Kind.MEMORY, Kind.METADATA):
            at += 1
        return at < len(kinds) and bool(kinds[at] == Kind.HANDLER_ENTER)

    def _unmapped(self, part: Trace, at: int, row: int, record: Record) -> None:
        self._script.history.forgotten(row, record["address"], record["length"])

    def _mapped(self, part: Trace, at: int, row: int, record: Record) -> None:
        self._script.uses_memory = True
        facts = _union(record)
        if facts["direction"] != Direction.NONE:
            self._script.history.forgotten(row, record["address"], record["length"])

    def _allocated(self, part: Trace, at: int, row: int, record: Record) -> None:
        self._script.uses_memory = True

    def _snapshot(self, part: Trace, at: int, row: int, record: Record) -> None:
        topic = _union(record)["topic"]
        payload = part.payload(at)
        if topic == Snapshot.CONFIG and not self._script.config:
            self._script.config = payload
        elif topic == Snapshot.BARS and not self._script.bars:
            bars = np.frombuffer(payload[: len(payload) // BAR.itemsize * BAR.itemsize], BAR)
            self._script.bars = {
                int(bar["index"]): (int(bar["bus_address"]), int(bar["length"]))
                for bar in bars
                if bar["length"]
            }
        elif topic == Snapshot.DRIVER:
            self._script.begins_bound = bool(payload)
        elif topic == Snapshot.LIMITS:
            self._script.limits = Limits(record["value"], record["address"])

    def _bound(self, part: Trace, at: int, row: int, record: Record) -> None:
        self._script.ends_unbound = record["kind"] == Kind.UNBIND

    def _reset(self, part: Trace, at: int, row: int, record: Record) -> None:
        if record["phase"] in (Phase.COMPLETION, Phase.WHOLE):
            told = Told(Kind.RESET, value=ResetKind.BUS)
            self._script.steps.append(Step(row, record["time_ns"], told=told))


def _structs() -> dict[int, tuple[struct.Struct, tuple[str, ...]]]:
    """How the union of each kind is unpacked: much faster than numpy, one record at a time."""
    found = {}
    for kind, view in VIEW_OF_KIND.items():
        names = VIEWS[view].names or ()
        codes = (_CODES.get(VIEWS[view][name].str) for name in names)
        sizes = (VIEWS[view][name].itemsize for name in names)
        text = "".join(code or f"{size}s" for code, size in zip(codes, sizes, strict=True))
        found[kind] = (struct.Struct("<" + text), names)
    return found


_CODES: Final = {"|u1": "B", "<u2": "H", "<u4": "I", "<u8": "Q", "<i4": "i"}
_STRUCTS: Final = _structs()


def _union(record: Record) -> dict[str, Any]:
    layout, names = _STRUCTS[record["kind"]]
    return dict(zip(names, layout.unpack_from(record["raw"]), strict=True))


def _answer(told: Told, record: Record) -> Said:
    return Said(
        told.kind,
        told.place,
        told.address,
        told.length,
        record["value"],
        tag=told.tag,
        status=Status(record["status"]),
    )


_Read = Callable[[_Reader, Trace, int, int, Any], None]
_READERS: Final[dict[int, _Read]] = {
    **dict.fromkeys(range(Kind.CONFIG_READ, Kind.PIO_WRITE + 1), _Reader._access),
    Kind.DMA_READ: _Reader._dma_read,
    Kind.DMA_WRITE: _Reader._dma_write,
    **dict.fromkeys(range(Kind.MSI, Kind.INTX_DEASSERT + 1), _Reader._interrupt),
    Kind.HANDLER_ENTER: _Reader._handler,
    Kind.MEMORY: _Reader._memory,
    Kind.UNMAP: _Reader._unmapped,
    Kind.FREE: _Reader._unmapped,
    Kind.POOL_FREE: _Reader._unmapped,
    Kind.MAP: _Reader._mapped,
    Kind.ALLOC: _Reader._allocated,
    Kind.POOL_ALLOC: _Reader._allocated,
    Kind.SNAPSHOT: _Reader._snapshot,
    Kind.RESET: _Reader._reset,
    Kind.BIND: _Reader._bound,
    Kind.UNBIND: _Reader._bound,
}
