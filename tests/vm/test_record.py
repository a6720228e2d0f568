# SPDX-License-Identifier: Apache-2.0
"""The stock e1000 driver, recorded in a VM: everything is there, nothing is lost."""

from __future__ import annotations

import numpy as np
import pytest

from tests.vm.conftest import Recorded
from uvtrace.trace.enums import Flag, Kind, Phase

pytestmark = pytest.mark.vm


def test_the_recorder_ends_well_and_says_so(e1000: Recorded) -> None:
    assert e1000.code == 0, e1000.stderr
    assert "0 lost, COMMAND's exit code 0" in e1000.stderr


def test_the_command_s_output_is_passed_on(e1000: Recorded) -> None:
    assert "5 packets transmitted" in e1000.stdout


@pytest.mark.parametrize(
    "kind",
    [
        Kind.CONFIG_READ,
        Kind.CONFIG_WRITE,
        Kind.MMIO_READ,
        Kind.MMIO_WRITE,
        Kind.PIO_WRITE,
        Kind.MAP,
        Kind.UNMAP,
        Kind.SYNC_FOR_CPU,
        Kind.ALLOC,
        Kind.FREE,
        Kind.HANDLER_ENTER,
        Kind.HANDLER_EXIT,
        Kind.IRQ_REQUEST,
        Kind.IRQ_FREE,
        Kind.IOMAP,
        Kind.IOUNMAP,
        Kind.MODULE_LOAD,
        Kind.PROBE,
        Kind.BIND,
        Kind.UNBIND,
        Kind.SNAPSHOT,
    ],
    ids=lambda kind: kind.name,
)
def test_every_kind_that_the_driver_causes_is_present(e1000: Recorded, kind: Kind) -> None:
    assert (e1000.trace.column("kind") == kind).any(), kind.name


def test_nothing_is_lost(e1000: Recorded) -> None:
    trace = e1000.trace
    assert trace.damage is None
    assert not (trace.column("kind") == Kind.LOSS).any()
    assert np.array_equal(trace.column("seq"), np.arange(len(trace)))
    assert trace.metadata.result["statistics"]["lost"] == 0


def test_every_access_is_decoded(e1000: Recorded) -> None:
    assert not (e1000.trace.column("flags") & Flag.UNDECODED).any()
    assert e1000.trace.metadata.result["statistics"]["undecoded"] == 0


def test_both_processors_stay_online_and_are_seen(e1000: Recorded) -> None:
    assert e1000.trace.metadata.result["cpus"] == [2, 2]
    assert set(e1000.trace.column("cpu")) == {0, 1}


def test_every_mmio_access_carries_symbol_and_offset_in_the_driver(e1000: Recorded) -> None:
    trace = e1000.trace
    kinds = trace.column("kind")
    sites = set(trace.column("ip")[(kinds == Kind.MMIO_READ) | (kinds == Kind.MMIO_WRITE)])
    assert sites
    for site in sites:
        symbol = trace.symbol(site)
        assert "+0x" in symbol, symbol
        assert symbol.endswith("[e1000]"), symbol


def test_every_mapping_of_the_driver_is_undone(e1000: Recorded) -> None:
    kinds = e1000.trace.column("kind")
    maps, unmaps = (int((kinds == kind).sum()) for kind in (Kind.MAP, Kind.UNMAP))
    assert maps == unmaps > 0
    allocs, frees = (int((kinds == kind).sum()) for kind in (Kind.ALLOC, Kind.FREE))
    assert allocs == frees > 0


def test_the_recording_begins_with_the_session_and_snapshots_before_probe(
    e1000: Recorded,
) -> None:
    kinds = list(e1000.trace.column("kind"))
    assert kinds[0] == Kind.METADATA
    assert kinds.index(Kind.SNAPSHOT) < kinds.index(Kind.PROBE) < kinds.index(Kind.MMIO_READ)


def test_the_driver_is_unbound_before_recording_stops(e1000: Recorded) -> None:
    trace = e1000.trace
    unbinds = np.flatnonzero(trace.column("kind") == Kind.UNBIND)
    assert list(trace.column("phase")[unbinds]) == [Phase.REQUEST, Phase.COMPLETION]


def test_the_file_explains_itself(e1000: Recorded) -> None:
    trace = e1000.trace
    (function,) = trace.functions
    assert function.name == "0000:00:10.0"
    assert (function.driver, function.vendor, function.device) == ("e1000", 0x8086, 0x100E)
    session = trace.metadata.session
    assert session["command"] == ["ping", "-c", "5", "10.0.2.2"]
    assert session["devices"] == ["qemu:e1000"]
    assert session["cpus"] == 2
    assert session["qemu"]
    assert trace.metadata.result["exit_code"] == 0
