# SPDX-License-Identifier: Apache-2.0
"""A million changed files through the reader: no crash, no hang, bounded memory.

    python -m benchmarks.fuzz_reader --count 1000000 --processes 2

Every file is made from its number, so ``--first N --count 1`` repeats the one that failed.
"""

from __future__ import annotations

import argparse
import contextlib
import faulthandler
import json
import logging
import os
import resource
import sys
import time
from collections import Counter
from dataclasses import dataclass
from random import Random

from tests.mutations import base_files, mutate
from uvtrace.errors import InputError
from uvtrace.trace.descriptions import line
from uvtrace.trace.trace import Trace, open_bytes

HANG_S = 20
RSS_LIMIT_MB = 200
PLAIN_SIZE_MAX = 1 << 20
"""No file made here is larger, decompressed."""
_ROWS = 3


@dataclass(frozen=True)
class Share:
    """What one process has found."""

    outcomes: Counter[str]
    slowest_s: float
    rss_mb: float
    """Peak resident memory, pages shared with other processes included."""
    pss_mb: float
    """Memory at the end, shared pages in proportion: these add up to a total."""


def exercise(trace: Trace, random: Random, size: int) -> None:
    """Ask a trace of ``size`` bytes for everything that it reads from its file."""
    columns = trace.columns()
    records = trace.records
    assert len(records) == len(trace)
    assert (records["seq"] == columns["seq"]).all()
    assert (records["function"] == columns["function"]).all()
    assert all(0 <= row < len(trace) for row in (*trace.comments, *trace.drops))
    _ = trace.metadata, trace.lost, str(trace.damage)
    for _ in range(min(_ROWS, len(trace))):
        row = random.randrange(len(trace))
        assert len(trace.payload(row)) < size
        assert trace.payload_length(row) >= 0
        trace.wall_time_ns(row)
        text = line(trace, row)
        assert text.isprintable(), text
    part = trace[:: random.choice((2, -1))]
    assert len(part.records) == len(part)


def run_one(number: int, bases: list[bytes]) -> str:
    """Make file ``number``, read it, and say what came of it."""
    random = Random(number)
    mutated = mutate(random.choice(bases), random)
    structure = "structured" if mutated.structured else "blind"
    try:
        trace = open_bytes(mutated.data)
    except InputError as error:
        text = str(error)
        assert "\n" not in text
        return f"{structure}, refused"
    exercise(trace, random, PLAIN_SIZE_MAX)
    if trace.damage is None:
        return f"{structure}, read to the end"
    return f"{structure}, {'cut' if trace.damage.partial_tail else 'damaged'}"


def run_share(first: int, count: int) -> Share:
    """Files ``first`` to ``first + count``; stops at the first that fails."""
    bases = base_files()
    outcomes: Counter[str] = Counter()
    slowest = 0.0
    for number in range(first, first + count):
        if number % 256 == 0:
            faulthandler.dump_traceback_later(HANG_S, exit=True)
        started = time.perf_counter()
        with contextlib.ExitStack() as on_failure:
            on_failure.callback(_tell_how_to_repeat, number)
            outcomes[run_one(number, bases)] += 1
            on_failure.pop_all()
        slowest = max(slowest, time.perf_counter() - started)
    faulthandler.cancel_dump_traceback_later()
    rss = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return Share(outcomes, slowest, rss, _pss_mb())


def _tell_how_to_repeat(number: int) -> None:
    print(f"file {number} failed: repeat with --first {number} --count 1", file=sys.stderr)


def _pss_mb() -> float:
    """This process' part of memory, pages shared with others counted in proportion."""
    with open("/proc/self/smaps_rollup") as file:
        return next(int(text.split()[1]) for text in file if text.startswith("Pss:")) / 1024


def _run_child(first: int, count: int) -> tuple[int, int]:
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        status = 1
        try:
            share = run_share(first, count)
            report = [share.outcomes, share.slowest_s, share.rss_mb, share.pss_mb]
            os.write(writing, json.dumps(report).encode())
            status = 0
        finally:
            sys.stderr.flush()
            os._exit(status)
    os.close(writing)
    return child, reading


def run(first: int, count: int, processes: int) -> list[Share]:
    """All files, spread over processes.

    Raises:
        SystemExit: a process crashed, hung or found a failure.
    """
    run_share(first, 1)  # compiles, so that the children share it
    step = -(-count // processes)
    starts = range(first + step, first + count, step)
    children = [_run_child(start, min(step, first + count - start)) for start in starts]
    # This process works too, so that no process is left out of the memory figures.
    own = run_share(first, min(step, count))
    shares = [own]
    failed = False
    for child, reading in children:
        with os.fdopen(reading, "rb") as pipe:
            report = pipe.read()
        _, status = os.waitpid(child, 0)
        if status != 0 or not report:
            failed = True
            continue
        outcomes, slowest, rss, pss = json.loads(report)
        shares.append(Share(Counter(outcomes), slowest, rss, pss))
    if failed:
        raise SystemExit("a process failed")
    return shares


def main() -> None:
    """Run, and print what came of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=1_000_000)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--processes", type=int, default=2)
    options = parser.parse_args()
    logging.disable()  # what is wrong with a trace's metadata is no news here
    started = time.perf_counter()
    shares = run(options.first, options.count, options.processes)
    elapsed = time.perf_counter() - started
    outcomes = sum((share.outcomes for share in shares), Counter[str]())
    total = outcomes.total()
    structured = sum(n for text, n in outcomes.items() if text.startswith("structured"))
    print(f"{total} files in {elapsed:.0f} s ({total / elapsed:.0f}/s), no crash, no hang")
    for text, number in sorted(outcomes.items()):
        print(f"  {text:28} {number:9}  {number / total:6.1%}")
    print(f"structurally plausible: {structured / total:.1%}")
    print(f"slowest file: {max(share.slowest_s for share in shares) * 1e3:.1f} ms")
    rss = max(share.rss_mb for share in shares)
    print(
        f"peak RSS: {rss:.0f} MB at most; all processes together (PSS): {_sum_pss(shares):.0f} MB"
    )
    if structured < total / 2:
        raise SystemExit("fewer than half of the files were structurally plausible")
    if max(rss, _sum_pss(shares)) > RSS_LIMIT_MB:
        raise SystemExit(f"more than {RSS_LIMIT_MB} MB")


def _sum_pss(shares: list[Share]) -> float:
    return sum(share.pss_mb for share in shares)


if __name__ == "__main__":
    main()
