# SPDX-License-Identifier: Apache-2.0
"""The trap carries out every form of access rightly, and lets no stray one through.

kmod/tests/uvselftest.c does the accesses against a frame buffer and checks their effect; here
what it found and what was recorded of it are looked at.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from tests.vm.conftest import Recorded, complete_kernels, record
from uvtrace.record import build, kernels
from uvtrace.trace import layout
from uvtrace.trace.enums import Flag, Kind, Status

pytestmark = pytest.mark.vm

DEVICE = "qemu:bochs-display"
FORMS = 40
"""Checks that the self-test makes under uvbus."""

UNLOAD_UNDER_LOAD = r"""
ping -f -w 30 10.0.2.2 >/dev/null & flood=$!
sleep 1
uvctl stop && echo stopped
rmmod uvbus 2>/dev/null && echo unloaded while in use
ping -c 2 10.0.2.2 >/dev/null && echo still working
echo 0000:00:10.0 >/sys/bus/pci/drivers/e1000/unbind
kill $flood 2>/dev/null
uvctl stats | grep trapped_mappings
rmmod uvbus && echo unloaded when free
dmesg | grep -E 'BUG|WARNING|Oops|general protection' | head
"""


def run_self_test(path: Path, release: str | None = None) -> Recorded:
    kernel = kernels.find(release)
    module = build.module_from(build.source_directory() / "tests", "uvselftest", kernel)
    options = ["--driver", str(module), "--kernel", kernel.release]
    return record(path, DEVICE, "sh", "-c", "dmesg | grep selftest", options=options)


def assert_self_test_passed(recorded: Recorded) -> None:
    assert recorded.code == 0, recorded.stderr
    results = re.findall(r"selftest (.+): (ok|FAILED)", recorded.stdout)
    assert [name for name, result in results if result != "ok"] == []
    assert len(results) == FORMS
    assert "selftest: 0 failed" in recorded.stdout


@pytest.fixture(scope="module")
def self_test(tmp_path_factory: pytest.TempPathFactory) -> Recorded:
    return run_self_test(tmp_path_factory.mktemp("selftest") / "run.pcapng")


def test_every_form_of_access_has_the_effect_that_it_has_untraced(self_test: Recorded) -> None:
    assert_self_test_passed(self_test)


def test_an_access_that_is_not_decoded_is_recorded_with_its_bytes(self_test: Recorded) -> None:
    trace = self_test.trace
    undecoded = trace.records[(trace.column("flags") & Flag.UNDECODED) != 0]
    views = layout.view_of(undecoded, "access")
    instructions = [bytes(view["insn"][: view["insn_length"]]) for view in views]
    # behind a REX prefix: add, cmp, xchg, lock or, movdqu load and store, push
    opcodes = {code.lstrip(bytes(range(0x40, 0x50)))[:1] for code in instructions}
    assert opcodes == {b"\x01", b"\x83", b"\x87", b"\xf0", b"\xf3", b"\xff"}
    assert len(undecoded) == trace.metadata.result["statistics"]["undecoded"] == 7


def test_strays_are_refused_and_recorded_as_what_they_are(self_test: Recorded) -> None:
    records = self_test.trace.records
    mmio = np.isin(records["kind"], [Kind.MMIO_READ, Kind.MMIO_WRITE])
    refused = records[mmio & (records["status"] == Status.REFUSED)]
    outside = refused[(refused["flags"] & Flag.OUTSIDE) != 0]
    stale = refused[(refused["flags"] & Flag.STALE) != 0]
    # in front and behind are read, behind is written; the unmapped one is read and written
    assert [int(kind) for kind in outside["kind"]] == [3, 3, 4]
    assert [int(kind) for kind in stale["kind"]] == [3, 4]
    assert set(refused[refused["kind"] == Kind.MMIO_READ]["value"]) == {0xFFFFFFFF}
    unmaps = records[records["kind"] == Kind.IOUNMAP]
    assert ((unmaps["flags"] & Flag.STALE) != 0).sum() == 1, "the second iounmap is told"


def test_a_string_instruction_gives_one_record_per_access(self_test: Recorded) -> None:
    trace = self_test.trace
    string = trace.records[(trace.column("flags") & Flag.STRING) != 0]
    views = layout.view_of(string, "access")
    # rep movsl of four dwords upwards
    four = string[(views["string_count"] == 4) & (views["width"] == 4)]
    assert list(layout.view_of(four, "access")["string_index"]) == [0, 1, 2, 3]
    assert list(np.diff(four["address"].astype(np.int64))) == [4, 4, 4]


def test_a_stack_segment_fault_is_taken(self_test: Recorded) -> None:
    assert self_test.trace.metadata.result["statistics"]["stack_faults"] == 1


@pytest.mark.long
@pytest.mark.parametrize("release", complete_kernels())
def test_the_trap_is_right_on_every_kernel(release: str, tmp_path: Path) -> None:
    assert_self_test_passed(run_self_test(tmp_path / "run.pcapng", release))


@pytest.mark.long
@pytest.mark.parametrize("release", complete_kernels())
def test_stop_and_unload_under_load_do_no_harm(release: str, tmp_path: Path) -> None:
    recorded = record(
        tmp_path / "run.pcapng",
        "qemu:e1000",
        *("sh", "-c", UNLOAD_UNDER_LOAD),
        options=["--kernel", release],
    )
    assert recorded.stdout.splitlines() == [
        "stopped",
        "still working",
        "trapped_mappings=0",
        "unloaded when free",
    ], recorded.stderr
