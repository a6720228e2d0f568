# SPDX-License-Identifier: Apache-2.0
"""The TRC rules."""

from __future__ import annotations

import pytest

from tests.checkers.verdicts import judge
from tests.story import Story
from uvtrace.check.engine import check
from uvtrace.check.results import Verdict
from uvtrace.trace.trace import open_bytes


def test_told_loss_breaks_trc001_with_its_count() -> None:
    verdict, findings = judge(Story().mmio_write(0, 1).loss(7).mmio_write(0, 2), "TRC001")
    assert verdict is Verdict.FAIL
    assert [(f.seq, f.message.split()[0]) for f in findings] == [(1, "7")]


def test_a_gap_in_the_sequence_breaks_trc001_with_its_length() -> None:
    verdict, findings = judge(Story().mmio_write(0, 1).mmio_write(0, 2, seq=5), "TRC001")
    assert verdict is Verdict.FAIL
    assert findings[0].message == "4 records are missing before #5"


def test_a_hook_that_the_kernel_lacks_is_no_lost_record() -> None:
    story = Story().loss(0, cause="NOT_HOOKED", payload=b"dma_map_resource").mmio_write(0, 1)
    assert judge(story, "TRC001")[0] is Verdict.PASS


def test_consecutive_records_pass_trc001_and_trc002() -> None:
    story = Story().mmio_write(0, 1).mmio_write(0, 2)
    assert judge(story, "TRC001")[0] is Verdict.PASS
    assert judge(story, "TRC002")[0] is Verdict.PASS


def test_a_sequence_that_runs_backwards_breaks_trc002_but_is_no_loss() -> None:
    story = Story().mmio_write(0, 1).mmio_write(0, 2, seq=9).mmio_write(0, 3, seq=4)
    verdict, findings = judge(story, "TRC002")
    assert verdict is Verdict.FAIL
    assert "#4 follows #9" in [f.message for f in findings]
    lost = judge(story, "TRC001")[1]
    assert [f.message for f in lost] == ["8 records are missing before #9"]


def test_time_that_runs_back_by_a_second_on_one_cpu_breaks_trc002() -> None:
    story = Story().mmio_write(0, 1).wait(2_000_000_000).mmio_write(0, 2)
    story.wait(-1_000_000_000).mmio_write(0, 3)
    verdict, findings = judge(story, "TRC002")
    assert verdict is Verdict.FAIL
    assert [f.seq for f in findings] == [2]


def test_time_may_run_back_from_cpu_to_cpu() -> None:
    story = Story().mmio_write(0, 1, cpu=0).wait(2_000_000_000).mmio_write(0, 2, cpu=0)
    story.wait(-1_000_000_000).mmio_write(0, 3, cpu=1)
    assert judge(story, "TRC002")[0] is Verdict.PASS


def test_what_took_long_is_logged_when_it_ends() -> None:
    # The recorder's clock is read when a record is made: a second of waiting lies before it.
    story = Story().mmio_write(0, 1).wait(1_100_000_000).map(0x1000, 64, duration_ns=1_100_000_000)
    story.wait(1_000).mmio_write(0, 2)
    assert judge(story, "TRC002")[0] is Verdict.PASS


def test_a_file_cut_inside_a_record_breaks_trc003_which_is_a_warning() -> None:
    whole = Story().mmio_write(0, 1).mmio_write(0, 2).to_bytes()
    results = check(open_bytes(whole[:-20]))
    assert [(f.rule, f.severity) for f in results.findings] == [("TRC003", "warning")]
    assert results.ok


def test_a_whole_file_passes_trc003() -> None:
    assert judge(Story().mmio_write(0, 1), "TRC003")[0] is Verdict.PASS


@pytest.mark.parametrize(("kind", "version"), [(200, 1), (4, 9)])
def test_an_unknown_kind_or_version_breaks_trc004(kind: int, version: int) -> None:
    verdict, findings = judge(Story().record(kind, version=version), "TRC004")
    assert verdict is Verdict.FAIL
    assert findings[0].seq == 0


def test_known_kinds_and_versions_pass_trc004() -> None:
    assert judge(Story().mmio_write(0, 1).map(0x1000, 1), "TRC004")[0] is Verdict.PASS
