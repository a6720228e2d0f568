# SPDX-License-Identifier: Apache-2.0
"""A trace that can be passed on: without the machine's addresses, data and names.

``docs/disclosure.md`` says what a trace discloses, and what is left after this.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from uvtrace.trace.documents import document_records
from uvtrace.trace.enums import Kind, LossCause, Snapshot, Status, Topic
from uvtrace.trace.layout import (
    BAR,
    BAR_NONE,
    SITE_MODULE_SHIFT,
    SITE_MODULE_UNKNOWN,
    SITE_OFFSET_MASK,
    VIEW_OF_KIND,
    kinds_of,
    view_of,
)
from uvtrace.trace.relocate import AddressSpace
from uvtrace.trace.trace import Trace
from uvtrace.trace.writer import PcapngWriter

CHUNK: Final = 1 << 16

_DMA_CALLS: Final = kinds_of("dma")
_DMA: Final = (Kind.DMA_READ, Kind.DMA_WRITE, *_DMA_CALLS)
_MMIO: Final = (Kind.MMIO_READ, Kind.MMIO_WRITE)
_WINDOWS: Final = (Kind.IOMAP, Kind.IOUNMAP, Kind.REGION_REQUEST, Kind.REGION_RELEASE)
_CONFIG: Final = (Kind.CONFIG_READ, Kind.CONFIG_WRITE)
_VALUED: Final = (*_MMIO, Kind.PIO_READ, Kind.PIO_WRITE)
_POOLS: Final = (Kind.POOL_CREATE, Kind.POOL_DESTROY, Kind.POOL_ALLOC, Kind.POOL_FREE)
# Names without which nothing can be explained.
_KEPT_PAYLOAD: Final = (Kind.MODULE_LOAD, Kind.MODULE_UNLOAD, Kind.LOSS, Kind.PROBE, Kind.BIND)
_KEPT_SESSION: Final = ("tool", "source", "kernel", "acceleration", "cpus", "policy")
_KEPT_RESULT: Final = ("exit_code", "ended", "statistics", "cpus", "lost")

PORTS: Final = 0x10000
"""Addresses below are I/O ports, which tell nothing."""
CONFIG_HEADER: Final = 64
"""Bytes of config space that are kept; capabilities hold serial numbers and addresses."""
_CONFIG_NUMBERS: Final = 16
"""Config offsets from here on may hold addresses; before them are IDs, Command and Status."""
_BAR_REGISTERS: Final = ((0x10, 0x28), (0x30, 0x34))


@dataclass(frozen=True)
class _Place:
    """A field that holds an address: in records of these kinds, in which space, how long it is."""

    space: str
    kinds: tuple[int, ...]
    member: str | None
    field: str


_PLACES: Final = (
    _Place("dma", _DMA, None, "address"),
    _Place("kernel", _DMA_CALLS, "dma", "cpu_address"),
    _Place("physical", tuple(kind for kind in _DMA_CALLS if kind not in _POOLS), "dma", "phys"),
    _Place("bus", (*_MMIO, *_WINDOWS, Kind.LOSS, Kind.SNAPSHOT), None, "address"),
)
# Code addresses of logs whose tool knows no modules are kernel addresses.
_SITES: Final = (
    *((None, "ip"), (None, "caller")),
    *(("irq", "handler"), ("irq", "thread")),
)


def scrub(
    trace: Trace, target: str | os.PathLike[str], *, drop_values: bool = False
) -> dict[str, int]:
    """Write a copy of a trace without what it need not tell a stranger.

    Addresses (DMA, bus, physical, kernel virtual) are moved consistently within each space, so
    that containment, overlap and page crossing stay; payload is dropped but for names of symbols,
    modules and drivers and the shape of BARs; host, command, console, marks and comments go, and
    so does the wall clock. Config space is cut to its header, without BARs.

    Args:
        trace: what :func:`uvtrace.open` gives.
        target: the file to write; ``.gz`` and ``.zst`` compress.
        drop_values: also zero the values of MMIO, port I/O and config accesses: an address that a
            driver writes into a register cannot be told from other data.

    Returns:
        What was done: records written, payloads dropped, values dropped.
    """
    return _Scrubber(trace, drop_values).write(target)


class _Scrubber:
    def __init__(self, trace: Trace, drop_values: bool) -> None:
        self._trace = trace
        self._drop_values = drop_values
        self._spaces = {
            name: AddressSpace() for name in ("dma", "kernel", "physical", "bus", "site")
        }
        self._done = {"records": 0, "payloads_dropped": 0, "values_dropped": 0}
        self._removed = 0
        """Records left out so far."""

    def write(self, target: str | os.PathLike[str]) -> dict[str, int]:
        for start, records in self._chunks():
            self._collect(start, records)
        functions = [(function.name, function.description) for function in self._trace.functions]
        header = self._trace.sections[0] if self._trace.sections else None
        with PcapngWriter(target, functions=functions, os=header.os if header else "") as writer:
            added = self._write_documents(writer)
            for start, records in self._chunks():
                self._write_chunk(writer, start, records.copy(), added)
        return self._done

    def _chunks(self) -> Any:
        start = 0
        for chunk in self._trace.chunks(CHUNK):
            yield start, chunk.records
            start += len(chunk)

    # ------------------------------------------------------------ what there is

    def _collect(self, start: int, records: NDArray[np.void]) -> None:
        for place in _PLACES:
            rows, values = _values(records, place)
            self._spaces[place.space].add(values, records["length"][rows])
        self._collect_registers(records)
        for row in _rows_of_snapshot(records, Snapshot.BARS):
            bars = _bars(self._trace.payload(start + row))
            for field in ("bus_address", "phys_address"):
                memory = bars[field] >= PORTS
                self._spaces["bus"].add(bars[field][memory], bars["length"][memory])
        for member, field in _SITES:
            sites = _unknown_sites(records, member, field)[1]
            self._spaces["site"].add(sites, np.ones(len(sites), np.uint64))
        symbols = _rows_of_topic(records, Topic.SYMBOL)
        sites = _code_addresses(records["address"][symbols])
        self._spaces["site"].add(sites, np.ones(len(sites), np.uint64))

    def _collect_registers(self, records: NDArray[np.void]) -> None:
        """An access past its BAR's end must stay at the same distance from the BAR."""
        mmio = records[np.isin(records["kind"], _MMIO)]
        access = view_of(mmio, "access")
        inside = (access["bar"] != BAR_NONE) & (access["offset"] <= mmio["address"])
        start = mmio["address"][inside] - access["offset"][inside]
        length = access["offset"][inside] + mmio["length"][inside]
        real = start >= PORTS
        self._spaces["bus"].add(start[real], length[real])

    # ------------------------------------------------------------ what is written

    def _write_documents(self, writer: PcapngWriter) -> int:
        """The documents that replace the trace's own; returns their number of records."""
        metadata = self._trace.metadata
        texts = {
            Topic.SESSION: _json_of(metadata.session, _KEPT_SESSION),
            Topic.RESULT: _json_of(metadata.result, _KEPT_RESULT),
            Topic.CONVERTED: "scrubbed: addresses moved, data and names dropped",
        }
        count = 0
        for number, (topic, text) in enumerate(texts.items()):
            records, payloads = document_records(topic, text, number + 1)
            records["seq"] = count + np.arange(len(records))
            writer.write(records, payloads)
            count += len(records)
        return count

    def _write_chunk(
        self, writer: PcapngWriter, start: int, records: NDArray[np.void], added: int
    ) -> None:
        for place in _PLACES:
            self._move(records, place)
        self._move_sites(records)
        self._drop(records)
        payloads = self._payloads(start, records)
        is_document = (records["kind"] == Kind.METADATA) & (
            view_of(records, "meta")["topic"] != Topic.SYMBOL
        )
        # Every record is numbered anew by what was left out before it: gaps, which are loss, stay.
        removed = self._removed + np.cumsum(is_document) - is_document
        records["seq"] += np.uint64(added)
        records["seq"] -= np.minimum(removed.astype(np.uint64), records["seq"])
        self._removed += int(np.count_nonzero(is_document))
        kept = np.flatnonzero(~is_document)
        records["payload"] = 0
        writer.write(records[kept], [payloads.get(row) for row in kept.tolist()])
        self._done["records"] += len(kept)

    def _move(self, records: NDArray[np.void], place: _Place) -> None:
        rows, values = _values(records, place)
        moved = self._spaces[place.space].move(values)
        target = records if place.member is None else view_of(records, place.member)
        target[place.field][rows] = moved

    def _move_sites(self, records: NDArray[np.void]) -> None:
        for member, field in _SITES:
            rows, offsets = _unknown_sites(records, member, field)
            target = records if member is None else view_of(records, member)
            target[field][rows] = self._moved_sites(offsets)
        symbols = _rows_of_topic(records, Topic.SYMBOL)
        unknown = symbols[_is_unknown(records["address"][symbols])]
        offsets = _code_addresses(records["address"][unknown])
        records["address"][unknown] = self._moved_sites(offsets)

    def _moved_sites(self, offsets: NDArray[np.uint64]) -> NDArray[np.uint64]:
        moved = self._spaces["site"].move(offsets) & np.uint64(SITE_OFFSET_MASK)
        return np.uint64(SITE_MODULE_UNKNOWN << SITE_MODULE_SHIFT) | moved

    def _drop(self, records: NDArray[np.void]) -> None:
        """Zero the values that are data, and those that are known to be addresses."""
        kinds = records["kind"]
        records["value"][np.isin(kinds, (Kind.DMA_READ, Kind.DMA_WRITE, Kind.MEMORY))] = 0
        config = np.isin(kinds, _CONFIG)
        offset = records["address"]
        bars = config & np.any(
            [(offset >= low) & (offset < high) for low, high in _BAR_REGISTERS], axis=0
        )
        # Sizing writes all ones, which is no address and worth knowing.
        self._forget(records, bars & (records["value"] != 0xFFFFFFFF))
        if self._drop_values:
            self._forget(records, np.isin(kinds, _VALUED) | config & (offset >= _CONFIG_NUMBERS))

    def _forget(self, records: NDArray[np.void], rows: NDArray[np.bool_]) -> None:
        self._done["values_dropped"] += int(np.count_nonzero(rows))
        records["value"][rows] = 0
        records["status"][rows & (records["status"] == Status.OK)] = Status.UNKNOWN

    def _payloads(self, start: int, records: NDArray[np.void]) -> dict[int, bytes]:
        had = np.flatnonzero(records["payload"])
        payloads: dict[int, bytes] = {}
        for row in had.tolist():
            kept = self._payload(records[row : row + 1], start + row)
            if kept is None:
                self._done["payloads_dropped"] += 1
            else:
                payloads[row] = kept
        return payloads

    def _payload(self, one: NDArray[np.void], position: int) -> bytes | None:
        """What is kept of a record's payload; None: nothing."""
        kind = int(one["kind"][0])
        topic = int(view_of(one, "meta")["topic"][0]) if VIEW_OF_KIND.get(kind) == "meta" else 0
        if kind in _KEPT_PAYLOAD or (kind, topic) in (
            (Kind.METADATA, Topic.SYMBOL),
            (Kind.SNAPSHOT, Snapshot.DRIVER),
        ):
            return self._named(one, position)
        if (kind, topic) == (Kind.SNAPSHOT, Snapshot.BARS):
            return self._moved_bars(self._trace.payload(position))
        if (kind, topic) == (Kind.SNAPSHOT, Snapshot.CONFIG):
            return _config_header(self._trace.payload(position), view_of(one, "meta")[0])
        return None

    def _named(self, one: NDArray[np.void], position: int) -> bytes | None:
        # The name of a site that has no module is its address.
        nameless = one["kind"][0] == Kind.METADATA and _is_unknown(one["address"])[0]
        return None if nameless else self._trace.payload(position)

    def _moved_bars(self, payload: bytes) -> bytes:
        bars = _bars(payload).copy()
        for field in ("bus_address", "phys_address"):
            memory = bars[field] >= PORTS
            bars[field][memory] = self._spaces["bus"].move(bars[field][memory])
        return bars.tobytes()


def _values(
    records: NDArray[np.void], place: _Place
) -> tuple[NDArray[np.intp], NDArray[np.uint64]]:
    """Rows whose field is an address of the place's space, and the addresses."""
    kinds = records["kind"]
    chosen = np.isin(kinds, place.kinds)
    source = records if place.member is None else view_of(records, place.member)
    values = source[place.field]
    if place.space == "bus":
        topic = view_of(records, "meta")["topic"]
        chosen &= values >= PORTS
        chosen &= (kinds != Kind.LOSS) | (topic == LossCause.NOT_TRAPPED)
        chosen &= (kinds != Kind.SNAPSHOT) | (topic == Snapshot.REGISTERS)
    rows = np.flatnonzero(chosen)
    return rows, values[rows]


def _unknown_sites(
    records: NDArray[np.void], member: str | None, field: str
) -> tuple[NDArray[np.intp], NDArray[np.uint64]]:
    """Rows whose site has no module, and the kernel addresses in them."""
    sites = (records if member is None else view_of(records, member))[field]
    chosen = _is_unknown(sites)
    if member is not None:
        chosen &= np.isin(records["kind"], kinds_of(member))
    rows = np.flatnonzero(chosen)
    return rows, sites[rows] & np.uint64(SITE_OFFSET_MASK)


def _is_unknown(sites: NDArray[np.uint64]) -> NDArray[np.bool_]:
    unknown: NDArray[np.bool_] = sites >> np.uint64(SITE_MODULE_SHIFT) == SITE_MODULE_UNKNOWN
    return unknown


def _code_addresses(sites: NDArray[np.uint64]) -> NDArray[np.uint64]:
    return sites[_is_unknown(sites)] & np.uint64(SITE_OFFSET_MASK)


def _rows_of_topic(records: NDArray[np.void], topic: Topic) -> NDArray[np.intp]:
    chosen = (records["kind"] == Kind.METADATA) & (view_of(records, "meta")["topic"] == topic)
    return np.flatnonzero(chosen)


def _rows_of_snapshot(records: NDArray[np.void], topic: Snapshot) -> list[int]:
    chosen = (records["kind"] == Kind.SNAPSHOT) & (view_of(records, "meta")["topic"] == topic)
    return np.flatnonzero(chosen).tolist()


def _bars(payload: bytes) -> NDArray[np.void]:
    return np.frombuffer(payload, BAR, len(payload) // BAR.itemsize)


def _config_header(payload: bytes, meta: np.void) -> bytes | None:
    """The header of config space without its BARs; the record still tells the full length."""
    if meta["offset"] != 0:
        return None
    header = bytearray(payload[:CONFIG_HEADER])
    for low, high in _BAR_REGISTERS:
        header[low:high] = bytes(len(header[low:high]))
    return bytes(header)


def _json_of(document: Mapping[str, Any], keys: tuple[str, ...]) -> str:
    return json.dumps({key: document[key] for key in keys if key in document})
