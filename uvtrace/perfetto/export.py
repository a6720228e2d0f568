# SPDX-License-Identifier: Apache-2.0
"""Writes a recording as a timeline: who did what, on which CPU, and how long it lasted.

What the driver does lies on the track of its thread, or in interrupt context of its CPU, within
the slice of the handler: reads last as long as they took, writes are instants. Each function has
a group: what its device does, how its driver lives, its mappings and windows from when they are
made to when they are gone, and the bytes that are mapped. An arrow leads from an interrupt to the
handler that it causes.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass, field
from typing import IO, Any, Final

import numpy as np

from uvtrace.check.contract_rules import contracts_of
from uvtrace.errors import UvtraceError
from uvtrace.graph.accesses import RegisterNames
from uvtrace.perfetto.lanes import Lanes, Nest
from uvtrace.perfetto.proto import Events, first_packet, track
from uvtrace.registers import RegisterMap, load
from uvtrace.trace import texts
from uvtrace.trace.enums import Flag, Kind, Phase, Status
from uvtrace.trace.events import is_event
from uvtrace.trace.layout import FUNCTION_NONE, kinds_of, view_of
from uvtrace.trace.trace import Trace

CHUNK: Final = 1 << 16
ABOUTS_MAX: Final = 1 << 16
"""Places of which what is told of them is kept."""
_BAR_SHIFT: Final = 56
# Plain numbers: they are looked at for every record.
_CONTEXT: Final = int(Flag.HARDIRQ | Flag.SOFTIRQ)
_FAR: Final = int(Flag.FAR)
_REQUEST, _COMPLETION, _OK = int(Phase.REQUEST), int(Phase.COMPLETION), int(Status.OK)
_CPUS, _THREADS, _RECORDING = 1_000_001, 1_000_002, 1_000_003
"""Groups that belong to no function; functions are numbered from 1."""

_CONFIG: Final = frozenset({int(Kind.CONFIG_READ), int(Kind.CONFIG_WRITE)})
_READS: Final = frozenset({int(Kind.CONFIG_READ), int(Kind.MMIO_READ), int(Kind.PIO_READ)})
_ACCESSES: Final = frozenset(kinds_of("access"))
_INTERRUPTS: Final = (Kind.MSI, Kind.MSIX, Kind.INTX_ASSERT)
_DMA: Final = (Kind.DMA_READ, Kind.DMA_WRITE)
_MAKES: Final = {Kind.MAP: "streaming", Kind.ALLOC: "coherent", Kind.POOL_ALLOC: "pool"}
_REMOVES: Final = {Kind.UNMAP: "streaming", Kind.FREE: "coherent", Kind.POOL_FREE: "pool"}
_SYNCS: Final = (Kind.SYNC_FOR_CPU, Kind.SYNC_FOR_DEVICE, Kind.MEMORY)

_COLUMNS: Final = (
    *("kind", "phase", "status", "flags", "seq", "time_ns", "tid", "cpu", "function"),
    *("address", "length", "value", "tag", "ip", "caller", "duration_ns"),
)


@dataclass(slots=True)
class _Record:
    """A record's common fields, in the order of ``_COLUMNS``, and its position."""

    kind: int
    phase: int
    status: int
    flags: int
    seq: int
    time_ns: int
    tid: int
    cpu: int
    function: int
    address: int
    length: int
    value: int
    tag: int
    ip: int
    caller: int
    duration_ns: int
    position: int


@dataclass(frozen=True)
class Summary:
    """What was written: slices and instants, on how many tracks."""

    slices: int
    instants: int
    tracks: int


def to_perfetto(
    trace: Trace,
    target: str | os.PathLike[str] | IO[bytes],
    *,
    registers: RegisterMap | None = None,
    progress: Callable[[int], None] | None = None,
) -> Summary:
    """Write a trace for the Perfetto UI, in its own format (protobuf).

    Args:
        trace: what :func:`uvtrace.open` gives.
        target: the file, or an open binary one.
        registers: what the device's registers are; by default the contract says.
        progress: told how many records have been written.

    Raises:
        UvtraceError: the file cannot be written.
    """
    if not isinstance(target, str | os.PathLike):
        return _write(trace, target, registers, progress)
    try:
        with open(target, "wb") as file:
            return _write(trace, file, registers, progress)
    except OSError as error:
        raise UvtraceError(f"cannot write: {error.strerror}", where=os.fspath(target)) from error


def _write(
    trace: Trace,
    file: IO[bytes],
    registers: RegisterMap | None,
    progress: Callable[[int], None] | None,
) -> Summary:
    timeline = _Timeline(trace, registers)
    for packet in timeline.head():
        file.write(packet)
    first = 0
    for part in trace.chunks(CHUNK):
        file.writelines(timeline.take(first, part))
        first += len(part)
        if progress is not None:
            progress(first)
    file.writelines(timeline.tail())
    return Summary(timeline.slices, timeline.instants, len(timeline.tracks))


@dataclass
class _Timeline:
    """A recording on its way to packets."""

    trace: Trace
    registers: RegisterMap | None
    slices: int = 0
    instants: int = 0
    tracks: dict[Hashable, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._events = Events()
        self._out: list[bytes] = []
        self._nests: dict[int, Nest] = defaultdict(Nest)
        self._lanes: dict[tuple[int, str], Lanes] = defaultdict(Lanes)
        self._alive: dict[tuple[int, str, int], list[int]] = defaultdict(list)
        self._mapped: dict[int, int] = defaultdict(int)
        self._lengths: dict[Hashable, int] = {}
        self._asked: dict[tuple[int, int, int], _Record] = {}
        self._flows: dict[int, list[int]] = defaultdict(list)
        self._sites: dict[int, str] = {}
        self._abouts: dict[tuple[int, int, int, int], bytes] = {}
        self._access_names: dict[tuple[int, int, int], str] = {}
        self._last_ns = 0
        self._names = self._register_names()

    # ---------------------------------------------------------------- the whole

    def head(self) -> Iterator[bytes]:
        """What comes before every event: the clock, and the groups."""
        start_ns, real_ns = self._start()
        yield first_packet(start_ns, real_ns)
        self._last_ns = start_ns
        for rank, function in enumerate(self.trace.functions):
            name = f"{function.name} {function.driver}".strip()
            yield self._group(function.index + 1, texts.printable(name), rank)
        for rank, (pid, name) in enumerate(
            ((_CPUS, "CPUs"), (_THREADS, "threads"), (_RECORDING, "recording")), 1000
        ):
            yield self._group(pid, name, rank)

    def take(self, first: int, part: Trace) -> list[bytes]:
        """The packets of some records."""
        records = part.records
        columns = [records[name].tolist() for name in _COLUMNS]
        access, irq = view_of(records, "access"), view_of(records, "irq")
        life = view_of(records, "life")
        places = access["bar"].astype(np.uint64) << np.uint64(_BAR_SHIFT)
        places |= access["offset"] & np.uint64((1 << _BAR_SHIFT) - 1)
        for row, (place, *fields) in enumerate(zip(places.tolist(), *columns, strict=True)):
            record = _Record(*(*fields, first + row))
            if record.kind < Kind.SNAPSHOT:
                self._last_ns = max(self._last_ns, record.time_ns)
            if record.kind in _ACCESSES:
                self._tell_access(record, place)
            else:
                self._tell(record, row, irq, life)
        packets, self._out = self._out, []
        return packets

    def tail(self) -> list[bytes]:
        """What ends with the recording."""
        for uuid, nest in self._nests.items():
            while nest.depth:
                self._out.append(self._events.end(uuid, nest.end(self._last_ns)))
        for (function, what), lanes in self._lanes.items():
            for lane in lanes.left().values():
                uuid = self._lane_track(function, what, lane)
                self._out.append(self._events.end(uuid, self._last_ns))
        packets, self._out = self._out, []
        return packets

    def _start(self) -> tuple[int, int | None]:
        """Time of the first event, monotonic and of the day."""
        for position, kind in enumerate(self.trace.column("kind").tolist()):
            if is_event(np.array([kind]))[0]:
                time_ns = int(self.trace[position]["time_ns"])
                return time_ns, self.trace.wall_time_ns(position)
        return 0, None

    def _register_names(self) -> dict[int, RegisterNames]:
        contracts = contracts_of(self.trace)
        names = {}
        for function in self.trace.functions:
            contract = contracts.get(function.index)
            described = self.registers
            if described is None and contract is not None and contract.registers is not None:
                described = load(contract.registers)
            names[function.index] = RegisterNames(described)
        return names

    # ---------------------------------------------------------------- tracks

    def _group(self, pid: int, name: str, rank: int) -> bytes:
        uuid = self.tracks.setdefault(("group", pid), len(self.tracks) + 1)
        return track(uuid, name, pid=pid, rank=rank)

    def _track(
        self, key: Hashable, name: str, pid: int, rank: int = 0, *, counts_bytes: bool = False
    ) -> int:
        """The number of a track, which is told of when it is first needed."""
        uuid = self.tracks.get(key)
        if uuid is None:
            uuid = self.tracks[key] = len(self.tracks) + 1
            parent = self.tracks["group", pid]
            told = track(uuid, name, parent, rank=rank, counts_bytes=counts_bytes)
            self._out.append(told)
        return uuid

    def _of_function(self, function: int, name: str, rank: int) -> int:
        pid = _RECORDING if function == FUNCTION_NONE else function + 1
        return self._track((function, name), name, pid, rank)

    def _lane_track(self, function: int, what: str, lane: int) -> int:
        # Siblings of one name are one group in the UI.
        pid = _RECORDING if function == FUNCTION_NONE else function + 1
        return self._track((function, what, lane), what, pid, 20 + lane)

    def _of_context(self, record: _Record) -> int:
        """The track of the CPU in interrupt context, else of the thread."""
        in_interrupt = record.flags & _CONTEXT
        number = record.cpu if in_interrupt else record.tid
        pid, name = (_CPUS, "CPU") if in_interrupt else (_THREADS, "thread")
        return self._track((pid, number), f"{name} {number}", pid, number % 1_000_000)

    def _of_cpu(self, cpu: int) -> int:
        return self._track((_CPUS, cpu), f"CPU {cpu}", _CPUS, cpu)

    # ---------------------------------------------------------------- events

    def _tell(self, record: _Record, row: int, irq: Any, life: Any) -> None:
        kind = record.kind
        if kind in (Kind.HANDLER_ENTER, Kind.HANDLER_EXIT):
            self._tell_handler(record, irq[row])
        elif kind in _MAKES or kind in _REMOVES or kind in _SYNCS:
            self._tell_mapping(record)
        elif kind in _DMA:
            self._tell_dma(record)
        elif kind in (*_INTERRUPTS, Kind.INTX_DEASSERT):
            self._tell_interrupt(record)
        elif kind in (Kind.IOMAP, Kind.IOUNMAP):
            self._tell_window(record, int(life[row]["bar"]), int(life[row]["mapping"]))
        elif kind in (Kind.PROBE, Kind.BIND, Kind.UNBIND):
            self._tell_life(record)
        elif kind in (Kind.MARK, Kind.LOSS):
            self._tell_mark(record)
        elif kind < Kind.MODULE_LOAD or Kind.POWER <= kind <= Kind.ERROR:
            uuid = self._of_function(record.function, "driver", 1)
            self._instant(uuid, record, texts.kind_text(kind))

    def _tell_access(self, record: _Record, place: int) -> None:
        config = record.kind in _CONFIG
        key_of_name = record.function, record.kind, record.address if config else place
        name = self._access_names.get(key_of_name)
        if name is None:
            name = self._access_names[key_of_name] = self._access_name(*key_of_name)
        if record.flags & _FAR:
            uuid = self._of_function(record.function, "device", 0)
            self._instant(uuid, record, f"{name} arrives")
            return
        key = record.function, record.kind, record.tag
        if record.phase == _REQUEST:
            self._asked[key] = record
        elif record.phase == _COMPLETION and key in self._asked:
            asked = self._asked.pop(key)
            self._slice(self._of_context(asked), asked.time_ns, record, name)
        elif record.kind in _READS:
            begins = record.time_ns - record.duration_ns
            self._slice(self._of_context(record), begins, record, name)
        else:
            self._instant(self._of_context(record), record, name)

    def _access_name(self, function: int, kind: int, place: int) -> str:
        if kind in _CONFIG:
            register = texts.config_register_text(place) or f"{place:#x}"
            return f"{texts.kind_text(kind)} {register}"
        names = self._names.get(function)
        write = kind in (Kind.MMIO_WRITE, Kind.PIO_WRITE)
        register = "" if names is None else names.name(place, write=write)
        return f"{'write' if write else 'read'} {register}"

    def _tell_handler(self, record: _Record, irq: Any) -> None:
        uuid = self._of_cpu(record.cpu)
        nest = self._nests[uuid]
        if record.kind == Kind.HANDLER_EXIT:
            if nest.depth:
                self._out.append(self._events.end(uuid, nest.end(record.time_ns)))
            return
        name = self._site(int(irq["handler"])).partition("+")[0] or f"irq {int(irq['irq'])}"
        flows = self._flows.pop(record.function, [])
        begins = nest.begin(record.time_ns)
        about = self._about(record)
        self._out.append(self._events.begin(uuid, begins, f"handler {name}", about, flows))
        self.slices += 1

    def _tell_mapping(self, record: _Record) -> None:
        family = _MAKES.get(Kind(record.kind)) or _REMOVES.get(Kind(record.kind)) or "streaming"
        place = record.function, family, record.address
        if record.kind in _SYNCS:
            uuid = self._of_function(record.function, "syncs", 2)
            self._instant(uuid, record, texts.kind_text(record.kind))
        elif record.kind in _MAKES:
            if record.status == Status.FAILED:
                uuid = self._of_function(record.function, "driver", 1)
                self._instant(uuid, record, f"{texts.kind_text(record.kind)} failed")
                return
            self._alive[place].append(record.position)
            self._lengths[record.position] = record.length
            self._begin_lane(record, f"{family} mappings", record.position, family)
            self._count_bytes(record, record.length)
        elif self._alive.get(place):
            made = self._alive[place].pop()
            self._end_lane(record, f"{family} mappings", made)
            self._count_bytes(record, -self._lengths.pop(made, 0))
            if not self._alive[place]:
                del self._alive[place]

    def _count_bytes(self, record: _Record, change: int) -> None:
        self._mapped[record.function] += change
        key = record.function, "mapped"
        pid = _RECORDING if record.function == FUNCTION_NONE else record.function + 1
        uuid = self._track(key, "mapped bytes", pid, 3, counts_bytes=True)
        value = self._mapped[record.function]
        self._out.append(self._events.count(uuid, record.time_ns, value))

    def _tell_dma(self, record: _Record) -> None:
        name = texts.kind_text(record.kind)
        key = record.kind, record.tag
        if record.flags & _FAR:
            return
        if record.phase == _REQUEST and record.tag:
            self._begin_lane(record, "device requests", key, name)
        elif record.phase == _COMPLETION:
            self._end_lane(record, "device requests", key)
        else:
            uuid = self._of_function(record.function, "device", 0)
            self._instant(uuid, record, name)

    def _tell_interrupt(self, record: _Record) -> None:
        uuid = self._of_function(record.function, "device", 0)
        flows = []
        if record.kind in _INTERRUPTS and not record.flags & _FAR:
            flows = [record.position + 1]
            self._flows[record.function] += flows
        self._instant(uuid, record, texts.kind_text(record.kind), flows)

    def _tell_window(self, record: _Record, bar: int, mapping: int) -> None:
        if record.kind == Kind.IOMAP:
            self._begin_lane(record, "windows", mapping, f"iomap {texts.bar_text(bar)}")
        else:
            self._end_lane(record, "windows", mapping)

    def _tell_life(self, record: _Record) -> None:
        """Probing, bound, removing: one after the other."""
        lanes = self._lanes[record.function, "driver's life"]
        for stage in ("probe", "bound", "remove"):
            if lanes.holds(stage):
                self._end_lane(record, "driver's life", stage)
        if record.kind == Kind.PROBE and record.phase == _REQUEST:
            self._begin_lane(record, "driver's life", "probe", "probe")
        elif record.kind == Kind.UNBIND and record.phase == _REQUEST:
            self._begin_lane(record, "driver's life", "remove", "remove")
        elif record.kind == Kind.BIND:
            self._begin_lane(record, "driver's life", "bound", "bound")

    def _tell_mark(self, record: _Record) -> None:
        name = texts.kind_text(record.kind)
        if record.kind == Kind.MARK:
            payload = self.trace.payload(record.position)
            name = texts.printable(payload.decode(errors="replace").rstrip("\0")) or name
        uuid = self._track(("recording", record.kind), texts.kind_text(record.kind), _RECORDING)
        self._instant(uuid, record, name)

    # ---------------------------------------------------------------- packets

    def _slice(self, uuid: int, begins_ns: int, record: _Record, name: str) -> None:
        begins, ends = self._nests[uuid].add(begins_ns, record.time_ns)
        self._out.append(self._events.begin(uuid, begins, name, self._about(record)))
        self._out.append(self._events.end(uuid, ends))
        self.slices += 1

    def _instant(
        self, uuid: int, record: _Record, name: str, flows: list[int] | None = None
    ) -> None:
        about = self._about(record)
        self._out.append(self._events.instant(uuid, record.time_ns, name, about, flows or ()))
        self.instants += 1

    def _begin_lane(self, record: _Record, what: str, key: Hashable, name: str) -> None:
        lanes = self._lanes[record.function, what]
        if lanes.holds(key):
            self._end_lane(record, what, key)
        uuid = self._lane_track(record.function, what, lanes.take(key))
        self._out.append(self._events.begin(uuid, record.time_ns, name, self._about(record)))
        self.slices += 1

    def _end_lane(self, record: _Record, what: str, key: Hashable) -> None:
        lane = self._lanes[record.function, what].give(key)
        if lane is not None:
            uuid = self._lane_track(record.function, what, lane)
            self._out.append(self._events.end(uuid, record.time_ns))

    def _about(self, record: _Record) -> bytes:
        """What is told of every event; the same place is met again and again."""
        site = record.caller or record.ip
        key = record.address, record.length, record.status, site
        known = self._abouts.get(key)
        if known is None:
            if len(self._abouts) >= ABOUTS_MAX:
                self._abouts.clear()
            known = self._abouts[key] = self._events.annotations(self._place(record, site))
        own: dict[str, int | str] = {"seq": record.seq}
        if record.kind in _ACCESSES:
            own["value"] = record.value
        return self._events.annotations(own) + known

    def _place(self, record: _Record, site: int) -> dict[str, int | str]:
        about: dict[str, int | str] = {}
        if record.address:
            about["address"] = record.address
        if record.length:
            about["length"] = record.length
        if record.status != _OK:
            about["status"] = texts.status_text(record.status)
        if name := self._site(site):
            about["site"] = name
        return about

    def _site(self, site: int) -> str:
        known = self._sites.get(site)
        if known is None:
            known = self._sites[site] = texts.printable(self.trace.symbol(site))
        return known
