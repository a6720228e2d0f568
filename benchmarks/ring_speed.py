# SPDX-License-Identifier: Apache-2.0
"""What a record costs in the trace ring, beside other queues in the same run.

Needs gcc, libck-dev and liburcu-dev. Peers: the same slots under a mutex and under a spinlock,
Concurrency Kit's ck_ring (bounded, multi-producer) and liburcu's wfcqueue (unbounded list). All
carry the same 128-byte records to one consumer, which checks them. Rounds are interleaved; the
median counts. Also: the rate up to which a ring of 65,536 slots (8 MiB) loses nothing, with 8
producers, plain and under ThreadSanitizer.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from collections import defaultdict
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).parent
QUEUES = ("uvring", "mutex", "spinlock", "ck", "urcu")
WITHOUT_PAYLOAD = ("ck",)
TIMEOUT_S = 10
SLOTS = 65536
PACED_PRODUCERS = 8


class Cost(NamedTuple):
    """Nanoseconds per record: of the producers' CPU time, and until it was consumed."""

    producer_ns: float
    through_ns: float
    dropped: int


def compile_benchmark(output: Path, *flags: str) -> Path:
    command = ["gcc", "-std=gnu11", "-g", *flags, "-I", str(HERE.parent / "kmod")]
    command += [str(HERE / "ring_speed.c"), "-o", str(output)]
    subprocess.run([*command, "-pthread", "-lck", "-lurcu-common"], check=True)
    return output


def measure(program: Path, queue: str, *arguments: int) -> Cost | None:
    """One run; None when it took too long."""
    command = ["setarch", "-R", str(program), queue, *map(str, arguments)]
    try:
        done = subprocess.run(
            command, check=True, capture_output=True, text=True, timeout=TIMEOUT_S
        )
    except subprocess.TimeoutExpired:
        return None
    producer_ns, through_ns, dropped = done.stdout.split()
    return Cost(float(producer_ns), float(through_ns), int(dropped))


def compare(program: Path, payload_bytes: int, records: int, rounds: int) -> None:
    """Print a table: a line per number of producers, a column per queue."""
    queues = [queue for queue in QUEUES if not payload_bytes or queue not in WITHOUT_PAYLOAD]
    print(f"\nns per record, {payload_bytes} bytes of payload: producer CPU / until consumed")
    print(f"{'producers':>9}" + "".join(f"{queue:>24}" for queue in queues))
    for producers in (1, 2, 4, 8):
        costs: dict[str, list[Cost | None]] = defaultdict(list)
        for _ in range(rounds):
            for queue in queues:
                if None not in costs[queue]:  # what has hung once is not waited for again
                    costs[queue].append(
                        measure(program, queue, producers, records // producers, payload_bytes)
                    )
        print(f"{producers:>9}" + "".join(f"{cell:>24}" for cell in cells(queues, costs)))


def cells(queues: list[str], costs: dict[str, list[Cost | None]]) -> list[str]:
    """Medians, and for the peers how many times the ring's producer cost that is."""
    medians: dict[str, float] = {}
    texts = []
    for queue in queues:
        finished = [cost for cost in costs[queue] if cost is not None]
        if len(finished) < len(costs[queue]):
            texts.append(f"> {TIMEOUT_S} s")
            continue
        medians[queue] = statistics.median(cost.producer_ns for cost in finished)
        through = statistics.median(cost.through_ns for cost in finished)
        ratio = "" if queue == "uvring" else f" ({medians[queue] / medians['uvring']:.1f}x)"
        texts.append(f"{medians[queue]:.1f} / {through:.1f}{ratio}")
    return texts


def lossless_rate(program: Path, rounds: int, limit: int) -> float:
    """The highest rate reached, of doubling ones, without a drop in any round; records a second.

    What counts is the rate that producers reached in their slowest round, not the one asked for.
    """
    best, asked = 0.0, 62_500
    while asked <= limit:
        records = asked // 2 // PACED_PRODUCERS  # half a second
        costs = [
            measure(program, "uvring", PACED_PRODUCERS, records, 0, SLOTS, asked)
            for _ in range(rounds)
        ]
        reached = [1e9 / cost.through_ns for cost in costs if cost and not cost.dropped]
        if len(reached) < rounds:
            break
        best = max(best, min(reached))
        asked *= 2
    return best


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--records", type=int, default=1_000_000, help="per run, of all producers")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    print(f"{os.cpu_count()} CPUs, {options.records} records a run, median of {options.rounds}")
    with tempfile.TemporaryDirectory() as folder:
        plain = compile_benchmark(Path(folder) / "plain", "-O2")
        threads = compile_benchmark(Path(folder) / "threads", "-O2", "-fsanitize=thread")
        compare(plain, 0, options.records, options.rounds)
        compare(plain, 256, options.records // 4, options.rounds)
        print(f"\nno loss with {PACED_PRODUCERS} producers and {SLOTS} slots, records a second:")
        print(f"  plain              {lossless_rate(plain, options.rounds, 32_000_000):>12,.0f}")
        print(f"  ThreadSanitizer    {lossless_rate(threads, options.rounds, 32_000_000):>12,.0f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
