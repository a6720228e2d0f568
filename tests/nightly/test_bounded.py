# SPDX-License-Identifier: Apache-2.0
"""A command that takes too much is ended, with all that it has started."""

from __future__ import annotations

import sys
import threading
import time
from pathlib import Path

import pytest

from uvtrace.nightly.bounded import Bounds, Ending, run_bounded

ENOUGH = Bounds(seconds=60, memory_bytes=1 << 30, file_bytes=1 << 20)


def run(tmp_path: Path, program: str, bounds: Bounds = ENOUGH, grace_s: float = 0.3) -> Ending:
    command = [sys.executable, "-c", program]
    log = tmp_path / "log"
    return run_bounded(command, bounds, log=log, watched=[tmp_path / "out"], grace_s=grace_s)


def test_who_ends_in_time_is_left_alone_and_his_words_are_kept(tmp_path: Path) -> None:
    ending = run(tmp_path, "import sys; print('said', file=sys.stderr); sys.exit(7)")
    assert (ending.exit_code, ending.exceeded, ending.stopped) == (7, "", False)
    assert (tmp_path / "log").read_text() == "said\n"


def test_who_takes_too_long_is_asked_to_end(tmp_path: Path) -> None:
    program = (
        "import signal, time\nsignal.signal(signal.SIGTERM, signal.default_int_handler)\n"
        "try:\n    time.sleep(60)\nexcept KeyboardInterrupt:\n    raise SystemExit(5)"
    )
    bounds = Bounds(seconds=1.5, memory_bytes=1 << 30, file_bytes=1 << 20)
    ending = run(tmp_path, program, bounds, grace_s=20)
    assert (ending.exit_code, ending.exceeded) == (5, "more than 1.5 s")


def test_who_does_not_listen_is_killed_with_his_children_of_other_sessions(tmp_path: Path) -> None:
    child = tmp_path / "child"
    program = (
        "import signal, subprocess, time\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "child = subprocess.Popen(['sleep', '300'], start_new_session=True)\n"
        f"open({str(child)!r}, 'w').write(str(child.pid))\n"
        "time.sleep(300)"
    )
    bounds = Bounds(seconds=2, memory_bytes=1 << 30, file_bytes=1 << 20)
    ending = run(tmp_path, program, bounds)
    assert ending.exit_code == -9
    status = Path(f"/proc/{child.read_text()}/stat")
    for _ in range(50):
        # Whoever inherits orphans here may not have buried it yet.
        if not status.exists() or status.read_text().rpartition(")")[2].split()[0] == "Z":
            return
        time.sleep(0.1)
    pytest.fail("the child still runs")


def test_memory_of_children_counts(tmp_path: Path) -> None:
    hog = "import time; held = bytearray(200 << 20); time.sleep(60)"
    program = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {hog!r}])"
    ending = run(tmp_path, program, Bounds(seconds=60, memory_bytes=150 << 20, file_bytes=1 << 20))
    assert ending.exceeded == "more than 150 MB of memory"
    assert ending.seconds < 50


def test_a_file_that_grows_without_end_ends_its_writer(tmp_path: Path) -> None:
    program = (
        "import time\n"
        f"with open({str(tmp_path / 'out')!r}, 'wb', buffering=0) as out:\n"
        "    while True:\n        out.write(b'x' * 65536)\n        time.sleep(0.01)"
    )
    ending = run(tmp_path, program)
    assert ending.exceeded == "more than 1024 kB in out"


def test_another_thread_may_end_it(tmp_path: Path) -> None:
    stop = threading.Event()
    threading.Timer(0.5, stop.set).start()
    ending = run_bounded(["sleep", "60"], ENOUGH, log=tmp_path / "log", stop=stop, grace_s=5)
    assert (ending.stopped, ending.exceeded, ending.exit_code) == (True, "", -15)
