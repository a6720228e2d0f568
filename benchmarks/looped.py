# SPDX-License-Identifier: Apache-2.0
"""A long trace made of real recordings: whole lives of drivers, again and again.

Every round is the recordings one after the other, each from its snapshot to its driver's
unbinding, so that a clean recording stays clean however often it is repeated. Bus addresses of
memory, tags, numbers of mappings of registers, sequence numbers and times are new in every round,
so that no table of the checker profits from having seen the same ones before. Payloads are left
out, but for those of snapshots.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import uvtrace
from uvtrace.trace.enums import Kind
from uvtrace.trace.layout import FUNCTION_NONE, kinds_of, view_of
from uvtrace.trace.trace import Trace
from uvtrace.trace.writer import PcapngWriter

MAPS = (Kind.MAP, Kind.UNMAP)
DEVICE = (Kind.DMA_READ, Kind.DMA_WRITE)
SYNCS = (Kind.SYNC_FOR_CPU, Kind.SYNC_FOR_DEVICE)
MMIO = (Kind.MMIO_READ, Kind.MMIO_WRITE)
MEMORY = (*MAPS, *SYNCS, *DEVICE, Kind.ALLOC, Kind.FREE, Kind.POOL_ALLOC, Kind.POOL_FREE)
ADDRESS_STEP = np.uint64(1 << 12)
TAG_STEP = np.uint64(1 << 32)
MAPPING_STEP = 64
MAPPINGS = 1 << 24
GAP_NS = 1_000_000_000
"""Between one driver's life and the next: longer than any device needs after a reset."""


@dataclass(frozen=True)
class Part:
    """One recording of a round.

    Attributes:
        records: of its functions, numbered as in the whole trace.
        payloads: of its snapshots, by row.
        functions: names and descriptions.
    """

    records: NDArray[np.void]
    payloads: dict[int, bytes]
    functions: list[tuple[str, str]]


@dataclass(frozen=True)
class Mix:
    """How many of every hundred records are what."""

    maps: float
    device: float
    mmio: float

    def __str__(self) -> str:
        return (
            f"{self.maps:.0f} % map and unmap, {self.device:.0f} % device DMA,"
            f" {self.mmio:.0f} % MMIO"
        )


def part_of(trace: Trace, first_function: int) -> Part:
    """A recording without what tells of the trace itself."""
    records = np.array(trace.records)
    kind, function = records["kind"], records["function"]
    kept = np.flatnonzero((function != FUNCTION_NONE) & (kind != Kind.LOSS))
    payloads = {
        row: trace.payload(int(kept[row]))
        for row in np.flatnonzero(kind[kept] == Kind.SNAPSHOT).tolist()
    }
    records = records[kept]
    records["function"] += first_function
    functions = [(each.name, each.description) for each in trace.functions]
    return Part(records, payloads, functions)


def parts_of(paths: Sequence[Path]) -> list[Part]:
    """The recordings of a round; each has functions of its own, the same when it comes again."""
    made: dict[Path, Part] = {}
    for path in paths:
        if path not in made:
            first = sum(len(part.functions) for part in made.values())
            made[path] = part_of(uvtrace.open(path), first)
    return [made[path] for path in paths]


def count_of(parts: Sequence[Part]) -> int:
    """Records in a round."""
    return sum(len(part.records) for part in parts)


def mix_of(parts: Sequence[Part]) -> Mix:
    """What a round is made of."""
    kind = np.concatenate([part.records["kind"] for part in parts])
    return Mix(*(100 * float(np.isin(kind, each).mean()) for each in (MAPS, DEVICE, MMIO)))


def rounds(
    parts: Sequence[Part], total: int
) -> Iterator[tuple[NDArray[np.void], dict[int, bytes]]]:
    """Whole lives, until there are at least ``total`` records."""
    made, now_ns, turn = 0, 0, 0
    while made < total:
        for part in parts:
            records = _renewed(part.records, turn)
            records["seq"] = np.arange(made, made + len(records), dtype=np.uint64)
            began = int(part.records["time_ns"].min())
            records["time_ns"] = records["time_ns"] - np.uint64(began) + np.uint64(now_ns)
            now_ns = int(records["time_ns"].max()) + GAP_NS
            made += len(records)
            yield records, part.payloads
        turn += 1


def _renewed(original: NDArray[np.void], turn: int) -> NDArray[np.void]:
    """A life with addresses and numbers that no life before had."""
    records = original.copy()
    kind = records["kind"]
    memory = np.isin(kind, MEMORY)
    # 32-bit addresses stay so: a mask is in force.
    low = ADDRESS_STEP * np.uint64(turn % (1 << 16))
    records["address"][memory] += low
    tagged = records["tag"] != 0
    records["tag"][tagged] += TAG_STEP * np.uint64(turn)
    for view in ("access", "life"):
        rows = np.flatnonzero(np.isin(kind, kinds_of(view)))
        part = view_of(records, view)
        mapping = part["mapping"][rows]
        part["mapping"][rows] = np.where(mapping, (mapping + MAPPING_STEP * turn) % MAPPINGS, 0)
    return records


def write(path: Path, parts: Sequence[Part], total: int) -> int:
    """Write the long trace; returns the number of its records."""
    distinct = {id(part): part for part in parts}.values()
    functions = [each for part in distinct for each in part.functions]
    count = 0
    with PcapngWriter(path, functions=functions) as writer:
        for records, payloads in rounds(parts, total):
            writer.write(records, payloads)
            count += len(records)
    return count
