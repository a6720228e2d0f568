# SPDX-License-Identifier: Apache-2.0
"""What ``record --memory`` costs a stock driver: the same ping flood with and without it, in turn.

    python -m benchmarks.memory_cost --rounds 3

Each recording is a VM of its own (e1000 of QEMU, 500 echo requests of 1400 bytes, one behind the
other). Told are the median round-trip time as ``ping`` reports it, the records, and the bytes of
the trace; the third line is the ratio. What is compared at each doorbell is 8 KiB of descriptors.
"""

from __future__ import annotations

import argparse
import re
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import uvtrace

COUNT = 500
WORKLOAD = f"ping -f -q -s 1400 -c {COUNT} 10.0.2.2"
RECORD = "from uvtrace.cli.main import run; run()"
TIMES = re.compile(r"rtt min/avg/max/mdev = [\d.]+/([\d.]+)/")
TIMEOUT_S = 400


@dataclass(frozen=True)
class Run:
    """One recording: round trip in milliseconds, records, and bytes of the file."""

    rtt_ms: float
    records: int
    size: int


def run(path: Path, *options: str) -> Run:
    """Record once.

    Raises:
        SystemExit: the recording failed, or ``ping`` lost frames.
    """
    words = [sys.executable, "-c", RECORD, "record", "-q", "--vm", "--device", "qemu:e1000"]
    words += [*options, "-o", str(path), "--", "sh", "-c", WORKLOAD]
    done = subprocess.run(words, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    found = TIMES.search(done.stdout)
    if done.returncode or found is None:
        sys.exit(f"{done.stdout}\n{done.stderr}")
    return Run(float(found[1]), len(uvtrace.open(path)), path.stat().st_size)


def median(runs: list[Run]) -> Run:
    """The median of each figure."""
    return Run(
        statistics.median(each.rtt_ms for each in runs),
        int(statistics.median(each.records for each in runs)),
        int(statistics.median(each.size for each in runs)),
    )


def report(label: str, one: Run) -> None:
    """A line of the table."""
    print(f"{label:20} {one.rtt_ms:8.3f} ms {one.records:8} records {one.size:10} bytes")


def main() -> int:
    """Measure."""
    assert __doc__
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=3, help="pairs of recordings")
    rounds = parser.parse_args().rounds
    plain, whole = [], []
    with tempfile.TemporaryDirectory(prefix="uvtrace-") as folder:
        for number in range(rounds):
            plain.append(run(Path(folder) / f"plain{number}.pcapng"))
            whole.append(run(Path(folder) / f"memory{number}.pcapng", "--memory"))
    without, with_memory = median(plain), median(whole)
    report("without", without)
    report("with --memory", with_memory)
    print(
        f"{'ratio':20} {with_memory.rtt_ms / without.rtt_ms:8.2f}    "
        f"{with_memory.records / without.records:8.2f}         "
        f"{with_memory.size / without.size:10.2f}"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
