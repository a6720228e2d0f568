# SPDX-License-Identifier: Apache-2.0
"""--require: only a pass is a pass."""

from __future__ import annotations

from tests.reports.samples import clean, sample
from uvtrace.check.requirement import unmet


def test_everything_but_a_pass_is_told_with_trace_and_reason() -> None:
    assert unmet([sample()], ["ADR", "DMA", "CFG007", "TRC"]) == [
        "ADR005 is fail for 0000:00:03.0 in runs/e1000-6.1.pcapng.zst: 1 finding",
        "CFG007 is vacuous for 0000:00:03.0 in runs/e1000-6.1.pcapng.zst: "
        "nothing happened that the rule judges",
        "DMA001 is unknown for 0000:00:03.0 in runs/e1000-6.1.pcapng.zst: "
        "the recording does not show #1, the device",
        "DMA007 is fail for 0000:00:03.0 in runs/e1000-6.1.pcapng.zst: 2 findings",
    ]


def test_a_rule_that_was_not_judged_is_not_met() -> None:
    assert unmet([clean()], ["ADR001", "TRC001"]) == ["TRC001 was not judged in clean.pcapng"]


def test_it_holds_for_every_trace() -> None:
    assert unmet([clean()], ["DMA007"]) == []
    assert len(unmet([clean(), sample()], ["DMA007"])) == 1


def test_nothing_required_is_always_met() -> None:
    assert unmet([sample()], []) == []
