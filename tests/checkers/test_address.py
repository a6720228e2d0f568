# SPDX-License-Identifier: Apache-2.0
"""The ADR rules."""

from __future__ import annotations

from tests.checkers.verdicts import judge
from tests.story import Story
from uvtrace.check.results import Verdict
from uvtrace.trace.enums import Flag

BARS = {0: (0xFEB80000, 0x1000)}


def test_an_access_that_uvbus_found_outside_its_mapping_breaks_adr001() -> None:
    verdict, findings = judge(Story().mmio_read(0x30000, flags="OUTSIDE"), "ADR001")
    assert verdict is Verdict.FAIL
    assert "BAR 0 + 0x30000" in findings[0].message


def test_the_last_dword_of_a_bar_passes_adr001_and_the_next_breaks_it() -> None:
    last = Story(bars=BARS).snapshot_bars().mmio_write(0xFFC, 1)
    beyond = Story(bars=BARS).snapshot_bars().mmio_write(0xFFE, 1)
    assert judge(last, "ADR001")[0] is Verdict.PASS
    verdict, findings = judge(beyond, "ADR001")
    assert verdict is Verdict.FAIL
    assert findings[0].message == "write of 4 bytes at BAR 0 + 0xffe, which ends at 0x1000"


def test_an_access_after_iounmap_breaks_adr004_and_names_the_iounmap() -> None:
    story = Story().iomap(mapping=3).mmio_read(8, mapping=3).iounmap(mapping=3)
    story.mmio_read(8, mapping=3, flags=Flag.STALE, status="REFUSED")
    verdict, findings = judge(story, "ADR004")
    assert verdict is Verdict.FAIL
    assert [(f.seq, [(e.seq, e.role) for e in f.evidence]) for f in findings] == [
        (3, [(2, "unmapped")])
    ]


def test_an_access_after_iounmap_is_not_also_outside() -> None:
    story = Story().mmio_read(8, flags=Flag.STALE | Flag.OUTSIDE)
    assert judge(story, "ADR001")[0] is Verdict.PASS


def test_an_access_through_a_second_mapping_passes_adr004_when_the_first_is_gone() -> None:
    story = Story().iomap(mapping=1).iomap(mapping=2).iounmap(mapping=1).mmio_read(8, mapping=2)
    assert judge(story, "ADR004")[0] is Verdict.PASS


def test_an_imported_log_cannot_show_adr004() -> None:
    story = Story().iomap(flags=Flag.IMPORTED).mmio_read(8, flags=Flag.IMPORTED)
    assert judge(story, "ADR004")[0] is Verdict.UNKNOWN
