# SPDX-License-Identifier: Apache-2.0
"""How fast a long trace is checked, and in how much memory; tshark and RTAMT beside it.

    python -m benchmarks.check_speed --records 20000000

The traces are made for the occasion: whole lives of real drivers, recorded from traces/, again and
again with new addresses (benchmarks/looped.py). Long lives are those of traces/long/, a boot with
more than a hundred thousand records each; of short ones there are twelve thousand in a life, so
that beginnings and ends, of which any long recording has few, are one record in a hundred. One run:
the whole catalogue on it, and on one of twice the length, each in a process of its own, which tells
its peak memory; tshark, with our dissector if that is installed, reading two million packets of the
same file; and one rule (CFG003: no DMA while Bus Master Enable is 0) by itself, beside the same
rule in RTAMT, a library for monitoring signal temporal logic, which is given its two signals ready
made. RTAMT does not go together with our parser's ANTLR: it gets a venv of its own.

Rates are by CPU time, which a busy machine changes less than the clock does. It does change them:
who shares a core and its caches can make them a third lower.

Measured on 2026-11-22, on one of two virtual CPUs (Xeon, 2.5 GHz) of a host that others use, too
(the same plain loop in Python takes between 0.8 and 1.3 s there), nothing else running; in M
records/s: 10 468 095 records of long lives, 24 % map and unmap, 14 % device DMA, 34 % MMIO, all
rules 2.27 (peak 441 MiB), 20 238 317 records 2.11 (444 MiB), 10 008 427 of short lives 1.73;
tshark, on two million records, 0.047; CFG003 alone 2.82, in RTAMT, on 200 000 events, 0.040. The
20 238 317 records, minutes before: 2.26, 2.33 and 2.74; an hour before, 2.57 to 2.67.
"""

from __future__ import annotations

import argparse
import json
import resource
import shutil
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

import uvtrace
from benchmarks.looped import count_of, mix_of, parts_of, write
from uvtrace.check.engine import check
from uvtrace.check.rules import Selection
from uvtrace.trace.enums import Kind
from uvtrace.trace.trace import Trace

ROOT = Path(__file__).resolve().parent.parent
LONG = (
    "long/e1000-6.12",
    *["long/vmxnet3-6.12", "long/model-uvnic1-6.12"] * 2,
)
SHORT = ("e1000-6.12", "vmxnet3-6.12", *["model-uvnic1-6.12"] * 3)
RULE = "CFG003"
RTAMT_EVENTS = 200_000
TSHARK_RECORDS = 2_000_000
VM = {"CPL005.timeout_ns": 1_000_000_000}
"""The loop does not say that it was recorded in a VM, whose models may take so long."""
DEVICE = (Kind.DMA_READ, Kind.DMA_WRITE)

MONITOR = """
import array, json, sys, time
import rtamt
dma, master = (array.array("b", open(name, "rb").read()) for name in sys.argv[1:])
signals = {
    "time": list(range(len(dma))), "dma": list(map(float, dma)), "master": list(map(float, master))
}
rule = rtamt.StlDiscreteTimeSpecification()
rule.declare_var("dma", "float")
rule.declare_var("master", "float")
rule.spec = "(dma >= 1) implies (master >= 1)"
rule.parse()
begin = time.process_time()
told = rule.evaluate(signals)
broken = sum(robustness < 0 for _, robustness in told)
print(json.dumps([time.process_time() - begin, broken]))
"""


@dataclass(frozen=True)
class Checked:
    """One check.

    Attributes:
        records: in the trace.
        findings: of them.
        cpu_s: user and system time, reading the file included.
        peak_mib: memory of the process.
    """

    records: int
    findings: int
    cpu_s: float
    peak_mib: int

    @property
    def rate(self) -> float:
        """Records per second."""
        return self.records / self.cpu_s


def check_here(path: Path, rules: Sequence[str]) -> Checked:
    """Check a file in this process."""
    begin = time.process_time()
    trace = uvtrace.open(path)
    results = check(trace, selection=Selection(tuple(rules)), parameters=VM)
    seconds = time.process_time() - begin
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    return Checked(len(trace), len(results.findings), seconds, peak)


def check_apart(path: Path, rules: Sequence[str] = ()) -> Checked:
    """Check a file in a new process."""
    words = [sys.executable, "-m", "benchmarks.check_speed", "--one", str(path), *rules]
    done = subprocess.run(words, check=True, capture_output=True, text=True, cwd=ROOT)
    return Checked(**json.loads(done.stdout))


def tshark_s(path: Path, count: int) -> float | None:
    """CPU seconds that tshark takes to dissect some packets; None: there is no tshark."""
    if not shutil.which("tshark"):
        return None
    words = ["tshark", "-n", "-r", str(path), "-c", str(count), "-T", "fields", "-e"]
    words.append("frame.number")
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def signals_of(trace: Trace, count: int) -> tuple[bytes, bytes]:
    """Of each event: is it DMA, and is Bus Master Enable 1? The second is made up: always."""
    kind = trace.column("kind")[:count]
    dma = np.isin(kind, DEVICE).astype(np.int8)
    return dma.tobytes(), np.ones(len(dma), np.int8).tobytes()


def rtamt_rate(trace: Trace, count: int, folder: Path) -> float:
    """Events per second that RTAMT judges by one rule."""
    home = folder / "rtamt"
    venv.create(home, with_pip=True)
    python = str(home / "bin" / "python")
    subprocess.run([python, "-m", "pip", "install", "-q", "rtamt"], check=True)
    names = []
    for name, signal in zip(("dma", "master"), signals_of(trace, count), strict=True):
        (folder / name).write_bytes(signal)
        names.append(str(folder / name))
    done = subprocess.run(
        [python, "-c", MONITOR, *names], check=True, capture_output=True, text=True
    )
    seconds, broken = json.loads(done.stdout)
    assert broken == 0, "it has accused a correct driver"
    return count / float(seconds)


def report(label: str, rate: float, than: float | None = None, note: str = "") -> None:
    """A line: a rate, and how it compares."""
    ratio = f"{rate / than:10.2f}x" if than else " " * 11
    print(f"{label:34} {rate / 1e6:9.3f} M/s {ratio}  {note}", flush=True)


def made(path: Path, lives: Sequence[str], total: int) -> int:
    """Make a long trace and say what it is; returns the number of its records."""
    parts = parts_of([ROOT / "traces" / f"{name}.pcapng.zst" for name in lives])
    count = write(path, parts, total)
    life = count_of(parts) // len(parts)
    print(
        f"{count} records, {life} in a life, {mix_of(parts)}, {path.stat().st_size >> 20} MiB",
        flush=True,
    )
    return count


def checked(label: str, path: Path, than: float | None = None) -> Checked:
    """Check a file by all rules, and report it."""
    ours = check_apart(path)
    note = f"{ours.findings} findings, peak {ours.peak_mib} MiB"
    report(label, ours.rate, than, note)
    return ours


def measure(total: int, folder: Path) -> None:
    """The whole comparison."""
    path = folder / "looped.pcapng"
    check_apart(ROOT / "traces" / f"{SHORT[0]}.pcapng.zst")  # compiles what is not compiled yet
    made(path, SHORT, total)
    checked("uvtrace check, short lives", path)
    count = made(path, LONG, total)
    ours = checked("uvtrace check, all rules", path)
    dissected = min(count, TSHARK_RECORDS)
    if (seconds := tshark_s(path, dissected)) is not None:
        report("tshark, frame numbers only", dissected / seconds, ours.rate)
    alone = check_apart(path, [RULE])
    report(f"uvtrace check, {RULE} only", alone.rate, note=f"peak {alone.peak_mib} MiB")
    theirs = rtamt_rate(uvtrace.open(path), min(count, RTAMT_EVENTS), folder)
    report(f"RTAMT, {RULE} only", theirs, alone.rate)
    made(path, LONG, 2 * total)
    checked("uvtrace check, twice the length", path, ours.rate)


def main() -> int:
    """Measure, or check one file for a measuring process."""
    assert __doc__
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--records", type=int, default=5_000_000, help="of the shorter trace")
    parser.add_argument("--folder", type=Path, help="for the long traces, 500 bytes for a record")
    parser.add_argument("--one", nargs="+", metavar=("FILE", "RULE"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        path, *rules = arguments.one
        print(json.dumps(asdict(check_here(Path(path), rules))))
        return 0
    with tempfile.TemporaryDirectory(prefix="uvtrace-", dir=arguments.folder) as folder:
        measure(arguments.records, Path(folder))
    return 0


if __name__ == "__main__":
    sys.exit(main())
