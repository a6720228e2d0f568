# SPDX-License-Identifier: Apache-2.0
"""How fast a trace is checked, and in how much memory.

usage: python benchmarks/check_speed.py [--records N] [--select IDS] [--profile] [RUN...]

A recording (by default those under traces/; without any, a synthetic one) is looped to N records,
mixed so that at least 20 % are map and unmap, 10 % accesses of the device and 30 % MMIO. Addresses
move with every round, so that no table profits from seeing the same ones again. The loop lives in
memory in pieces: what is measured is checking, without reading the file.
"""

from __future__ import annotations

import argparse
import cProfile
import pstats
import resource
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import uvtrace
from uvtrace.check.catalogue import installed_rules
from uvtrace.check.engine import CHUNK, Sweep
from uvtrace.check.rules import Selection
from uvtrace.trace.enums import Direction, Flag, Kind, Phase
from uvtrace.trace.layout import view_of
from uvtrace.trace.trace import Trace

TRACES = Path(__file__).resolve().parent.parent / "traces"
MAPS = (Kind.MAP, Kind.UNMAP)
DEVICE = (Kind.DMA_READ, Kind.DMA_WRITE)
MMIO = (Kind.MMIO_READ, Kind.MMIO_WRITE)
ROUND_STEP = np.uint64(1 << 21)


def loop_of(trace: Trace) -> NDArray[np.void]:
    """The steady part of a recording, with maps repeated and the device's accesses added."""
    records = np.array(trace.records)
    kind = records["kind"]
    steady = np.isin(kind, (*MAPS, *MMIO, Kind.HANDLER_ENTER, Kind.HANDLER_EXIT))
    steady &= (records["function"] == 0) & (records["flags"] & (Flag.OUTSIDE | Flag.STALE) == 0)
    kept = records[steady]
    mmio = kept[np.isin(kept["kind"], MMIO)]
    others = kept[~np.isin(kept["kind"], (*MMIO, *MAPS))]
    maps = kept[kept["kind"] == Kind.MAP][: 1 << 12]
    rounds = [_mapped(maps)]
    count = sum(len(part) for part in rounds)
    return np.concatenate((*rounds, mmio[:count], others[: count // 8]))


def _mapped(maps: NDArray[np.void]) -> NDArray[np.void]:
    """Each map with the device's access to it, and its unmap, some others in between."""
    access = maps.copy()
    to_device = view_of(maps, "dma")["direction"] == Direction.TO_DEVICE
    access["kind"] = np.where(to_device, Kind.DMA_READ, Kind.DMA_WRITE)
    access["phase"] = np.where(to_device, Phase.WHOLE, Phase.POSTED)
    access["length"] = np.minimum(access["length"], 64)
    access["raw"] = np.zeros(len(maps), "V40")
    access["ip"], access["caller"], access["tag"] = 0, 0, 0
    unmaps = maps.copy()
    unmaps["kind"], unmaps["phase"] = Kind.UNMAP, Phase.POSTED
    # One address at a time, as no table could tell two mappings of it apart.
    _, first = np.unique(maps["address"], return_index=True)
    order = np.sort(first)
    return np.concatenate((maps[order], access[order], unmaps[order]))


def rounds(
    start: NDArray[np.void], loop: NDArray[np.void], total: int
) -> Iterator[NDArray[np.void]]:
    """The recording's start, then the loop again and again, in chunks, numbered and timed."""
    seq, now_ns = 0, int(start["time_ns"].max()) if len(start) else 0
    yield start
    seq = int(start["seq"][-1]) + 1 if len(start) else 0
    addressed = np.isin(loop["kind"], (*MAPS, *DEVICE))
    made, pending, filled = 0, [], 0
    turn = np.uint64(0)
    while made < total:
        part = loop.copy()
        part["address"][addressed] += ROUND_STEP * (turn % np.uint64(1 << 20))
        part["seq"] = np.arange(seq, seq + len(part), dtype=np.uint64)
        part["time_ns"] = now_ns + 1000 * np.arange(1, len(part) + 1, dtype=np.uint64)
        now_ns, seq = int(part["time_ns"][-1]), seq + len(part)
        turn += np.uint64(1)
        made += len(part)
        pending.append(part)
        filled += len(part)
        if filled >= 4 * CHUNK or made >= total:
            joined = np.concatenate(pending)
            for begin in range(0, len(joined), CHUNK):
                yield joined[begin : begin + CHUNK]
            pending, filled = [], 0


def start_of(trace: Trace) -> NDArray[np.void]:
    """What happens before the steady part: snapshots, probe, enabling."""
    records = np.array(trace.records)
    mapped = np.flatnonzero(records["kind"] == Kind.MAP)
    return records[: int(mapped[0])] if len(mapped) else records[:0]


def measure(trace: Trace, total: int, selection: Selection) -> tuple[int, float, int]:
    """Records checked, seconds of checking alone, findings."""
    rules = [rule for rule in installed_rules() if selection.takes(rule.id)]
    sweep = Sweep(trace, rules, {})
    loop, begun = loop_of(trace), start_of(trace)
    first, seconds = 0, 0.0
    for records in rounds(begun, loop, total):
        begin = time.perf_counter()
        sweep.take(first, records)
        seconds += time.perf_counter() - begin
        first += len(records)
    return first, seconds, sum(sweep.findings.counts.values())


def main() -> int:
    """Measure each recording and print a line for it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", nargs="*", metavar="RUN")
    parser.add_argument("--records", type=int, default=5_000_000)
    parser.add_argument("--select", default="")
    parser.add_argument("--profile", action="store_true")
    arguments = parser.parse_args()
    runs = arguments.runs or [str(path) for path in sorted(TRACES.glob("*.pcapng*"))]
    selection = Selection(tuple(filter(None, arguments.select.split(","))))
    for run in runs:
        trace = uvtrace.open(run)
        measure(trace, CHUNK, selection)  # compiles what is not compiled yet
        profile = cProfile.Profile()
        if arguments.profile:
            profile.enable()
        count, seconds, findings = measure(trace, arguments.records, selection)
        profile.disable()
        kinds = loop_of(trace)["kind"]
        share = [np.isin(kinds, each).mean() for each in (MAPS, DEVICE, MMIO)]
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        print(
            f"{Path(run).name}: {count} records in {seconds:.2f} s,"
            f" {count / seconds / 1e6:.2f} M/s;"
            f" map/unmap {share[0]:.0%}, device {share[1]:.0%}, MMIO {share[2]:.0%};"
            f" {findings} findings, peak memory {peak} MiB"
        )
        if arguments.profile:
            pstats.Stats(profile).sort_stats("tottime").print_stats(25)
    return 0


if __name__ == "__main__":
    sys.exit(main())
