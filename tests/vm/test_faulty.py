# SPDX-License-Identifier: Apache-2.0
"""Planted faults, committed by kmod/faulty in a VM: what is wrong is recorded, at its function."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.faulty import events_at, spans
from tests.vm.conftest import Recorded, complete_kernels, record
from traces import record_faulty
from uvtrace.record import kernels
from uvtrace.trace.enums import Kind
from uvtrace.trace.trace import Trace

pytestmark = pytest.mark.vm

DEVICES = sorted(record_faulty.document()["devices"])


def commit(path: Path, device: str, release: str) -> Recorded:
    """All faults of a device, in one VM."""
    planted = record_faulty.Recording(device, "", release)
    options = record_faulty.options_for(device, planted.faults, release, path)
    words = ["--kernel", release, "--driver", str(options.driver), "--no-setup"]
    return record(path, str(options.devices[0]), *options.command, options=words)


def assert_all_is_recorded(recorded: Recorded, device: str) -> None:
    assert recorded.code == 0, recorded.stderr
    trace = recorded.trace
    assert trace.metadata.result["exit_code"] == 0, recorded.stderr
    assert trace.metadata.result["lost"] == 0
    found = spans(trace)
    listed = [*record_faulty.faults(), *record_faulty.near_misses(), *record_faulty.history()]
    assert list(found) == [fault.name for fault in listed if fault.device == device]
    missing = [
        fault.name
        for fault in listed
        if fault.device == device
        and fault.event
        and Kind[fault.event] not in set(events_at(trace, found[fault.name], fault.symbol))
    ]
    assert missing == []
    assert_each_is_bound_and_unbound(trace)


def assert_each_is_bound_and_unbound(trace: Trace) -> None:
    """So that leaks of one fault are not taken for the next one's."""
    kinds = trace.column("kind")
    for name, span in spans(trace).items():
        inside = kinds[span.begin : span.end + 1]
        assert np.count_nonzero(inside == Kind.BIND) == 1, name
        assert np.count_nonzero(inside == Kind.UNBIND) == 2, name


def test_every_planted_fault_is_recorded_at_its_function(tmp_path: Path) -> None:
    release = kernels.find(None).release
    assert_all_is_recorded(commit(tmp_path / "run.pcapng", "edu", release), "edu")


@pytest.mark.long
@pytest.mark.parametrize("release", complete_kernels())
@pytest.mark.parametrize("device", DEVICES)
def test_every_planted_fault_is_recorded_on_every_kernel(
    device: str, release: str, tmp_path: Path
) -> None:
    assert_all_is_recorded(commit(tmp_path / "run.pcapng", device, release), device)
