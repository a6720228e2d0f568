# SPDX-License-Identifier: Apache-2.0
"""How fast a trace is read and written, beside the tools that people know.

    python -m benchmarks.read_speed --records 1000000

One file, made for the occasion, one run: every tool reads the same bytes, warm. pyshark gets a
prefix, as it would take minutes; rates are per record, so they compare.

Ours are the median of many runs with the worst beside it, never the best: the best hides what a
caller meets. ``touch fresh memory`` is a control without any reader: if ours is slow and it is not,
the reader is at fault (it once kept dropped traces alive, and every run got new pages).
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from uvtrace.trace.enums import Kind
from uvtrace.trace.layout import COMMON, RECORD, make_records, view_of
from uvtrace.trace.trace import open_trace
from uvtrace.trace.writer import PcapngWriter

REPEATS = 25
WRITE_REPEATS = 5
PYSHARK_RECORDS = 10_000
FIELDS = ("frame.number", "frame.time_epoch", "frame.len", "data.data")


def make_file(path: Path, count: int, payload_every: int) -> float:
    """Write ``count`` MMIO and DMA records; returns seconds."""
    random = np.random.default_rng(1)
    kinds = random.choice([Kind.MMIO_READ, Kind.MMIO_WRITE, Kind.MAP, Kind.UNMAP], count)
    records = make_records(count, kind=kinds, function=0, seq=np.arange(count))
    records["time_ns"] = np.arange(count) * 1000
    records["address"] = random.integers(0, 1 << 40, count)
    records["value"] = random.integers(0, 1 << 32, count)
    view_of(records, "access")["width"] = 4
    payloads = {row: bytes(60) for row in range(0, count, payload_every)} if payload_every else None
    started = time.perf_counter()
    with PcapngWriter(path, functions=[("0000:00:03.0", "e1000, 8086:100e")]) as writer:
        writer.write(records, payloads)
    return time.perf_counter() - started


@dataclass(frozen=True)
class Timing:
    """Seconds of wall clock over some runs, and of this process' CPU."""

    median_s: float
    worst_s: float
    cpu_s: float


def timed(action: Callable[[], object], repeats: int = REPEATS) -> Timing:
    """Time an action after a run that does not count; ``cpu_s`` is a median too."""
    wall, cpu = [], []
    if repeats > 1:
        action()
    for _ in range(repeats):
        started, started_cpu = time.perf_counter(), time.process_time()
        action()
        wall.append(time.perf_counter() - started)
        cpu.append(time.process_time() - started_cpu)
    return Timing(statistics.median(wall), max(wall), statistics.median(cpu))


def once(action: Callable[[], object]) -> float:
    """Seconds that an action takes, once."""
    return timed(action, 1).median_s


def touch_fresh_memory(count: int) -> None:
    """Touch as much new memory as the columns of ``count`` records take."""
    size = count * sum(RECORD[name].itemsize for name in COMMON)
    np.empty(size, np.uint8)[::4096] = 1


def our_columns(path: Path) -> None:
    """Open the file and put every common field of every record into an array of its own."""
    assert open_trace(path).columns()["seq"].flags.c_contiguous


def our_chunks(path: Path) -> None:
    """The same in chunks, as for a trace larger than memory."""
    for chunk in open_trace(path).chunks(1 << 17):
        chunk.columns()


def our_frame(path: Path) -> None:
    """Open the file and make a data frame."""
    open_trace(path).to_pandas()


def tshark(path: Path, *arguments: str) -> None:
    """tshark over the whole file, its output thrown away; without a dissector of ours."""
    command = ["tshark", "-n", "-r", str(path), *arguments]
    environment = {**os.environ, "HOME": "/nonexistent", "XDG_CONFIG_HOME": "/nonexistent"}
    subprocess.run(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True, env=environment
    )


def dpkt_packets(path: Path) -> None:
    """dpkt's pcapng reader, packets not looked at."""
    import dpkt

    with path.open("rb") as file:
        for _ in dpkt.pcapng.Reader(file):
            pass


def scapy_packets(path: Path) -> None:
    """scapy's raw reader, packets not dissected."""
    from scapy.utils import RawPcapNgReader

    with RawPcapNgReader(str(path)) as reader:
        for _ in reader:
            pass


def pyshark_packets(path: Path, count: int) -> None:
    """pyshark, packets kept no longer than seen."""
    import pyshark

    with pyshark.FileCapture(str(path), keep_packets=False) as capture:
        for number, _ in enumerate(capture, 1):
            if number == count:
                break


def prefix(path: Path, count: int) -> Path:
    """A file of the first ``count`` packets."""
    short = path.with_name("prefix.pcapng")
    with PcapngWriter(short, functions=[("0000:00:03.0", "e1000, 8086:100e")]) as writer:
        writer.write(open_trace(path)[:count].records)
    return short


def others(path: Path, count: int) -> list[tuple[str, int, float]]:
    """Name, records and seconds of each tool that is installed."""
    rows = []
    if shutil.which("tshark"):
        plain = ("-o", 'gui.column.format:"No.","%m"')
        rows.append(("tshark, one column", count, once(lambda: tshark(path, *plain))))
        fields = [word for field in FIELDS for word in ("-e", field)]
        rows.append(
            ("tshark -T fields", count, once(lambda: tshark(path, "-T", "fields", *fields)))
        )
    if importlib.util.find_spec("dpkt"):
        rows.append(("dpkt", count, once(lambda: dpkt_packets(path))))
    if importlib.util.find_spec("scapy"):
        rows.append(("scapy, raw", count, once(lambda: scapy_packets(path))))
    if importlib.util.find_spec("pyshark") and shutil.which("tshark"):
        some = min(count, PYSHARK_RECORDS)
        short = prefix(path, some)
        rows.append(("pyshark", some, once(lambda: pyshark_packets(short, some))))
    return rows


def first_use_s(path: Path, cache: Path) -> tuple[float, float]:
    """Wall and CPU seconds from starting Python to columns in hand, with this code cache."""
    code = "import sys, uvtrace; uvtrace.open(sys.argv[1]).columns()"
    environment = {**os.environ, "XDG_CACHE_HOME": str(cache)}
    started, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-c", code, str(path)], check=True, env=environment)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    return time.perf_counter() - started, cpu


def print_ours(name: str, count: int, timing: Timing) -> None:
    """One of our lines: rates by median and worst wall clock, and by CPU time."""
    rates = (count / s / 1e6 for s in (timing.median_s, timing.worst_s, timing.cpu_s))
    print(f"{name:32}" + "".join(f"{rate:10.2f}" for rate in rates))


def report(title: str, path: Path, count: int) -> float:
    """Our lines for one file; returns the median seconds for columns."""
    columns = timed(lambda: our_columns(path))
    print(f"\n{title}: {count:,} records, {path.stat().st_size / 1e6:.0f} MB; M records/s")
    print(f"{'':32}{'median':>10}{'worst':>10}{'CPU time':>10}")
    print_ours("18 columns", count, columns)
    print_ours("18 columns, in chunks", count, timed(lambda: our_chunks(path)))
    print_ours("to_pandas", count, timed(lambda: our_frame(path)))
    print_ours("locate only", count, timed(lambda: len(open_trace(path))))
    print_ours("(touch fresh memory, no reader)", count, timed(lambda: touch_fresh_memory(count)))
    return columns.median_s


def report_others(path: Path, count: int, ours_s: float) -> None:
    """The other tools' lines."""
    print(f"\n{'':22}{'records':>11}{'seconds':>9}{'records/s':>12}{'slower than 18 columns':>24}")
    for name, some, seconds in others(path, count):
        ratio = (count / ours_s) / (some / seconds)
        print(f"{name:22}{some:11,}{seconds:9.2f}{some / seconds:12,.0f}{ratio:23.0f}x")


def main() -> None:
    """Make the files, run everything, print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=1_000_000)
    parser.add_argument("--ours-only", action="store_true")
    options = parser.parse_args()
    count = options.records
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "run.pcapng"
        varied = Path(directory) / "varied.pcapng"
        make_file(path, 1000, 0)
        cache = Path(directory) / "cache"
        print(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} CPUs")
        for what in ("first use ever, compiling", "first use in a process, compiled code cached"):
            print("{}: {:.1f} s, {:.1f} s of CPU".format(what, *first_use_s(path, cache)))
        for target, every, what in ((path, 0, "no payload"), (varied, 10, "every 10th a payload")):
            times = [make_file(target, count, every) for _ in range(WRITE_REPEATS)]
            rates = (count / s / 1e6 for s in (statistics.median(times), max(times)))
            print("write, {}: median {:.2f}, worst {:.2f} M records/s".format(what, *rates))
        ours_s = report("equally spaced packets", path, count)
        if not options.ours_only:
            report_others(path, count, ours_s)
        report("packets of varying length", varied, count)


if __name__ == "__main__":
    main()
