# SPDX-License-Identifier: Apache-2.0
"""However a recording ends, what was recorded is kept and can be read."""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path

import numpy as np
import pytest

from tests.vm.conftest import Recorded, record, record_and_signal, wait_until
from uvtrace.trace.enums import Kind

pytestmark = [pytest.mark.vm, pytest.mark.long]

PROBED_BYTES = 1_500_000
"""A file of this size holds an e1000's probe."""


def emulators() -> set[str]:
    """Process numbers of QEMUs that belong to recordings."""
    found = subprocess.run(
        ["pgrep", "-f", "memory-backend-file,id=uvring"],
        capture_output=True,
        text=True,
        check=False,
    )
    return set(found.stdout.split())


def assert_whole(recorded: Recorded) -> None:
    trace = recorded.trace
    assert len(trace) > 1000
    assert trace.damage is None
    assert np.array_equal(trace.column("seq"), np.arange(len(trace)))
    assert (trace.column("kind") == Kind.PROBE).any()


def test_a_killed_recorder_leaves_a_valid_file_and_no_emulator(tmp_path: Path) -> None:
    before = emulators()
    recorded = record_and_signal(
        tmp_path / "run.pcapng", "qemu:e1000", signal.SIGKILL, bytes_written=PROBED_BYTES
    )
    assert recorded.code == -signal.SIGKILL
    wait_until(lambda: emulators() <= before, 10)
    assert_whole(recorded)


def test_an_interrupted_recorder_keeps_the_trace_and_ends_the_emulator(tmp_path: Path) -> None:
    before = emulators()
    recorded = record_and_signal(
        tmp_path / "run.pcapng", "qemu:e1000", signal.SIGINT, bytes_written=PROBED_BYTES
    )
    assert recorded.code == 130
    assert "interrupted; what was recorded is kept" in recorded.stderr
    assert emulators() <= before
    assert_whole(recorded)
    assert recorded.trace.metadata.result["ended"] == "interrupted"


def test_a_guest_that_panics_in_mid_workload_leaves_its_trace_and_last_words(
    tmp_path: Path,
) -> None:
    recorded = record(
        tmp_path / "run.pcapng",
        "qemu:e1000",
        *("sh", "-c", "ping -c 2 10.0.2.2; echo c >/proc/sysrq-trigger; sleep 60"),
    )
    assert recorded.code == 1
    assert "panicked: Kernel panic - not syncing: sysrq triggered crash" in recorded.stderr
    assert_whole(recorded)
    assert "Call Trace" in recorded.trace.metadata.console
    assert recorded.trace.metadata.result["ended"] == "panic"
    # The pings were the last thing that happened.
    assert (recorded.trace.column("kind") == Kind.HANDLER_ENTER).any()


def test_a_command_that_hangs_is_ended_in_time(tmp_path: Path) -> None:
    recorded = record(
        tmp_path / "run.pcapng", "qemu:e1000", "sleep", "1000", options=["--timeout", "3"]
    )
    assert recorded.code == 0
    assert "did not end within 3 s" in recorded.stderr
    assert_whole(recorded)
    assert recorded.trace.metadata.result["exit_code"] == 124


def test_a_flight_recorder_keeps_the_newest_and_tells_what_it_overwrote(tmp_path: Path) -> None:
    recorded = record(
        tmp_path / "run.pcapng",
        "qemu:e1000",
        *("ping", "-c", "5", "10.0.2.2"),
        options=["--flight-recorder", "256K"],
    )
    assert recorded.code == 0, recorded.stderr
    trace = recorded.trace
    kinds = list(trace.column("kind"))
    slots = (256 << 10) // 128
    assert len(trace) <= slots + 20
    assert kinds.count(Kind.LOSS) == 1
    assert Kind.PROBE not in kinds
    assert Kind.UNBIND in kinds
    # What is kept is named although its names were first told long before.
    mmio = np.isin(trace.column("kind"), [Kind.MMIO_READ, Kind.MMIO_WRITE])
    assert mmio.any()
    for site in set(trace.column("ip")[mmio]):
        assert trace.symbol(site).endswith("[e1000]")


def test_a_driver_that_does_not_exist_is_told_and_nothing_hangs(tmp_path: Path) -> None:
    recorded = record(
        tmp_path / "run.pcapng", "qemu:e1000", "true", options=["--driver", "no_such_driver"]
    )
    assert recorded.code == 1
    assert "no_such_driver does not load" in recorded.stderr


def test_a_device_that_qemu_does_not_know_is_told_in_qemu_s_words(tmp_path: Path) -> None:
    recorded = record(tmp_path / "run.pcapng", "qemu:no-such-device", "true")
    assert recorded.code == 5
    assert "no-such-device" in recorded.stderr
    assert not recorded.path.exists()


def test_a_guest_that_crashes_before_recording_is_booted_again_and_then_given_up(
    tmp_path: Path,
) -> None:
    # A driver that a kernel needs to boot cannot be faked; a machine without memory can.
    recorded = record(tmp_path / "run.pcapng", "qemu:e1000", "true", options=["--ram", "72M"])
    assert recorded.code == 5, recorded.stderr
    assert recorded.stderr.count("crashed before recording began, booting again") == 2
    assert "Kernel panic" in recorded.stderr
    assert not (tmp_path / "run.pcapng").exists()


def test_a_guest_that_resets_its_machine_without_a_word_is_booted_again(tmp_path: Path) -> None:
    recorded = record(tmp_path / "run.pcapng", "qemu:e1000", "true", options=["--ram", "48M"])
    assert recorded.code == 5, recorded.stderr
    assert recorded.stderr.count("crashed before recording began, booting again") == 2
    assert "it ended after boot" in recorded.stderr
    assert not (tmp_path / "run.pcapng").exists()
