# SPDX-License-Identifier: Apache-2.0
"""How fast a report of a long trace is made, how large it is, and how fast a browser opens it.

    python -m benchmarks.report_open --records 1000000

The trace is made for the occasion: whole lives of real drivers, again and again with new addresses
(benchmarks/looped.py). The page is opened from its file in the system's Chromium, a fresh context
each time: until the browser has painted something (first contentful paint) and read the document,
until the table can be used, and how long filters and a jump to the last row take then.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.looped import parts_of, write
from tests.report.browser import Browser, chromium
from uvtrace.cli.main import exit_code_of
from uvtrace.errors import ExitCode

TRACES = Path(__file__).resolve().parent.parent / "traces"
ROUND = ("e1000-6.12", "model-uvnic1-6.12", "model-e1000-6.12", "nvme-6.12", "e1000e-6.12")
TIMES = 5
LIMIT_S = 2.0
"""What opening a page of a million transactions may take."""

_PAINTED = "() => performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? NaN"
_FILTER = """async word => {
    const input = document.getElementById('filter-text');
    const count = document.getElementById('table-count');
    const before = count.textContent;
    input.value = word;
    const begin = performance.now();
    document.getElementById('filter').requestSubmit();
    return [performance.now() - begin, count.textContent];
}"""
_LAST = """async () => {
    const begin = performance.now();
    document.getElementById('table').dispatchEvent(new KeyboardEvent('keydown', {key: 'End'}));
    await new Promise(requestAnimationFrame);
    return performance.now() - begin;
}"""


@dataclass(frozen=True)
class Opened:
    """Seconds from asking for the page; ``cpu`` is what the page's process has worked."""

    painted: float
    read: float
    ready: float
    cpu: float


def main() -> None:
    """Make, open, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=1_000_000)
    wish = parser.parse_args()
    if chromium() is None:
        print("there is no Chromium: apt-get install chromium")
        return
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder, Browser() as browser:
        page = _report(Path(folder), wish.records)
        opened = [_open(browser, page) for _ in range(TIMES)]
        for name in ("painted", "read", "ready", "cpu"):
            seconds = [getattr(each, name) for each in opened]
            low, middle, high = min(seconds), statistics.median(seconds), max(seconds)
            print(f"{name:8} {middle:6.2f} s   ({low:.2f} to {high:.2f}, {TIMES} times)")
        worst = max(each.ready for each in opened)
        print(f"{wish.records:,} transactions in {worst:.2f} s at worst; the limit is {LIMIT_S} s")
        for line in _used(browser, page):
            print(line)


def _report(folder: Path, records: int) -> Path:
    parts = parts_of([TRACES / f"{name}.pcapng.zst" for name in ROUND])
    count = write(folder / "long.pcapng", parts, records)
    begin = time.perf_counter()
    cpu = time.process_time()
    out = folder / "report"
    code = exit_code_of(["report", "-q", str(folder / "long.pcapng"), "-o", str(out)])
    if code not in (ExitCode.OK, ExitCode.FAILED):
        raise SystemExit(code)
    page = out / "index.html"
    passed, used = time.perf_counter() - begin, time.process_time() - cpu
    print(f"{count:,} records: made in {passed:.1f} s ({used:.1f} s of CPU time)")
    print(f"the page has {page.stat().st_size / 1e6:.1f} MB")
    return page


def _open(browser: Browser, path: Path) -> Opened:
    with browser.page() as page:
        session = page.page.context.new_cdp_session(page.page)
        session.send("Performance.enable", {"timeDomain": "threadTicks"})
        read_s, ready_s = page.open(path)
        measured = session.send("Performance.getMetrics")["metrics"]
        cpu_s = next(each["value"] for each in measured if each["name"] == "ProcessTime")
        return Opened(float(page.run(_PAINTED)) / 1e3, read_s, ready_s, float(cpu_s))


def _used(browser: Browser, path: Path) -> Iterator[str]:
    with browser.page() as page:
        page.open(path)
        for word in ("map", "0x1c", "e1000 write"):
            milliseconds, count = page.run(_FILTER, word)
            yield f"filter {word!r}: {milliseconds:.0f} ms, {count}"
        page.run(_FILTER, "")
        yield f"to the last row: {float(page.run(_LAST)):.0f} ms"
        yield f"complaints: {page.complaints or 'none'}"


if __name__ == "__main__":
    main()
