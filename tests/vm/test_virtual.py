# SPDX-License-Identifier: Apache-2.0
"""Drivers on devices that exist in Python only: recorded, judged, and contained when they fail."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest

from tests.vm.conftest import RUN_TIMEOUT_S, command_line
from uvtrace.record.session import Result
from uvtrace.testing import Recorder, Run, Verdicts
from uvtrace.trace.enums import Kind, Phase, Status

pytestmark = pytest.mark.vm

MODELS = Path(__file__).with_name("models")
FUNCTION = "10000:00:00.0"
MISBEHAVE = """
ping -c 10 -i 0.3 -W 2 10.0.2.2
control=CAP_MSIX+2.w
setpci -s 10000:00:00.0 $control=4000:4000
sleep 1
setpci -s 10000:00:00.0 $control=0:4000
setpci -s 10000:00:00.0 $control=0:8000
sleep 1
"""


@pytest.fixture(scope="module")
def carried(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The 1-in-1-out NIC and its driver under pings."""
    record = Recorder(tmp_path_factory.mktemp("carried"))
    command = "lspci -v -d 5556:; ping -c 3 10.0.2.2 && ping -f -q -c 200 10.0.2.2"
    return record("model:uvnic1", command)


def test_lspci_shows_the_device_that_does_not_exist(carried: Run) -> None:
    assert re.search(rf"^{FUNCTION} Ethernet controller: ", carried.output, re.M), carried.output
    assert "Capabilities: [48] MSI: Enable+" in carried.output
    assert "Kernel driver in use: uvnic1" in carried.output


def test_a_ping_flood_runs_through_python(carried: Run) -> None:
    assert "200 packets transmitted, 200 received" in carried.output


def test_no_rule_is_broken_and_those_of_the_device_s_side_are_judged(carried: Run) -> None:
    Verdicts(carried).clean()
    Verdicts(carried).passes("DMA001", "DMA004", "IRQ001", "CPL001", "CPL005", "ORD001", "ORD005")


def test_the_device_s_accesses_are_there_with_what_they_moved(carried: Run) -> None:
    trace = carried.trace
    kind, phase = trace.column("kind"), trace.column("phase")
    sent = np.flatnonzero((kind == Kind.DMA_READ) & (phase == Phase.COMPLETION))
    received = np.flatnonzero(kind == Kind.DMA_WRITE)
    payloads = [trace.payload(int(row)) for row in (*sent, *received)]
    assert sum(b"\x08\x00\x45" in payload for payload in payloads) >= 400, "frames of IPv4"
    assert (kind == Kind.MSI).sum() > 200


def test_every_request_has_its_completion(carried: Run) -> None:
    trace = carried.trace
    kind, phase, tag = (trace.column(name) for name in ("kind", "phase", "tag"))
    for each in (Kind.MMIO_READ, Kind.DMA_READ):
        requests = tag[(kind == each) & (phase == Phase.REQUEST)]
        answers = tag[(kind == each) & (phase == Phase.COMPLETION)]
        assert len(requests)
        assert set(requests) == set(answers)


@pytest.fixture(scope="module")
def misbehaved(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A NIC that breaks one rule after the other while it carries traffic."""
    record = Recorder(tmp_path_factory.mktemp("misbehaved"))
    return record(f"model:{MODELS / 'faulty_nic.py'}", MISBEHAVE, may_fail=True)


@pytest.mark.parametrize(
    "rule", ["DMA001", "DMA002", "DMA003", "DMA004", "CPL002", "IRQ001", "IRQ002"]
)
def test_what_a_faulty_device_does_is_reported_under_its_rule(misbehaved: Run, rule: str) -> None:
    findings = [each for each in misbehaved.check().findings if each.rule == rule]
    assert findings, sorted({each.rule for each in misbehaved.check().findings})


def test_no_access_that_may_not_be_reaches_memory(misbehaved: Run) -> None:
    trace = misbehaved.trace
    status, kind = trace.column("status"), trace.column("kind")
    refused = (status == Status.REFUSED) & np.isin(kind, (Kind.DMA_READ, Kind.DMA_WRITE, Kind.MSIX))
    assert refused.sum() >= 6
    wrong = [f for f in misbehaved.check().findings if f.rule.startswith(("DMA00", "IRQ00"))]
    for finding in wrong:
        row = int(np.flatnonzero(trace.column("seq") == finding.seq)[0])
        assert status[row] != Status.OK, finding


def test_a_faulty_device_does_no_harm_to_the_kernel(misbehaved: Run) -> None:
    assert misbehaved.result.ended == "command"
    assert not any("the kernel said" in warning for warning in misbehaved.result.warnings)
    assert misbehaved.output.count("bytes from 10.0.2.2") >= 5, "the traffic goes on"


# What the guest does while its device's process is killed, and stopped.
SURVIVE = """
bdf=10000:00:00.0
driver=/sys/bus/pci/drivers/uvnic1
again() {
	n=0
	until [ $n -eq 100 ]; do
		echo $bdf >$driver/unbind
		echo $bdf >$driver/bind
		ip address replace 10.0.2.15/24 dev eth0
		ip link set eth0 up && ping -c 2 -W 2 10.0.2.2 && break
		n=$((n + 1))
		sleep 1
	done
	echo "again $1"
}
ping -c 2 10.0.2.2
echo "kill me"
sleep 3
ip link set eth0 down
again killed
echo "stop me"
sleep 1
ip link set eth0 down
sleep 1
echo "go on"
sleep 2
again stopped
"""


def model_of(recorder: int) -> int:
    """The process that runs a recorder's model."""
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes().split(b"\0")
            parent = int((process / "stat").read_text().rpartition(")")[2].split()[1])
        except (FileNotFoundError, ProcessLookupError):
            continue
        if parent == recorder and b"uvtrace.device.host" in words:
            return int(process.name)
    raise AssertionError("there is no model")


@pytest.fixture(scope="module")
def survived(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A model killed in mid-traffic, another one stopped for longer than the timeout."""
    path = tmp_path_factory.mktemp("survived") / "run.pcapng"
    words = command_line(path, "model:uvnic1,restart=2", "sh", "-c", SURVIVE)
    signals = {
        "kill me": signal.SIGKILL,
        "stop me": signal.SIGSTOP,
        "go on": signal.SIGCONT,
    }
    output, deadline = [], time.monotonic() + RUN_TIMEOUT_S
    with subprocess.Popen(
        words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as recorder:
        assert recorder.stdout is not None
        for line in recorder.stdout:
            output.append(line)
            if number := signals.get(line.strip()):
                os.kill(model_of(recorder.pid), number)
            assert time.monotonic() < deadline
        errors = recorder.stderr.read() if recorder.stderr else ""
    return Run(path, Result(path), "".join(output), errors)


def test_a_killed_model_comes_back_and_its_driver_can_be_bound_again(survived: Run) -> None:
    before, after = survived.output.split("kill me")
    assert "2 received" in before
    assert re.search(r"2 received[^!]*again killed", after), survived.output


def test_a_stopped_model_is_given_up_once_and_comes_back(survived: Run) -> None:
    after = survived.output.split("stop me")[1]
    assert re.search(r"2 received[^!]*again stopped", after), survived.output
    assert "did not answer the driver in time" in survived.errors


def test_a_driver_finds_a_dead_device_not_a_dead_machine(survived: Run) -> None:
    trace = survived.trace
    kind, phase, status = (trace.column(name) for name in ("kind", "phase", "status"))
    reads = kind == Kind.MMIO_READ
    timeouts = (reads & (phase == Phase.COMPLETION) & (status == Status.TIMEOUT)).sum()
    assert 1 <= timeouts <= 4, "one for each death, not one for each access"
    assert (reads & (status == Status.REFUSED)).any(), "later ones fail at once"
    assert "the kernel said" not in survived.errors
    findings = {each.rule for each in survived.check().findings}
    assert findings & {"CPL001", "CPL005"}
