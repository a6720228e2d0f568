# SPDX-License-Identifier: Apache-2.0
"""What a story's check says of one rule."""

from __future__ import annotations

from collections.abc import Sequence

from tests.story import Story
from uvtrace.check.engine import check
from uvtrace.check.results import WHOLE_TRACE, Finding, Verdict
from uvtrace.check.rule import Rule
from uvtrace.check.rules import Selection
from uvtrace.registers import RegisterMap


def judge(
    story: Story,
    rule: str,
    function: str = "0000:00:03.0",
    *,
    rules: Sequence[Rule] | None = None,
    registers: RegisterMap | None = None,
) -> tuple[Verdict, list[Finding]]:
    """The verdict of one rule on a function of a story, and its findings.

    ``rules`` are those to choose from, the installed ones by default.
    """
    selection = Selection(select=(rule,))
    results = check(story.trace(), selection=selection, rules=rules, registers=registers)
    scope = WHOLE_TRACE if rule.startswith("TRC") else function
    verdicts = [v.verdict for v in results.verdicts if v.function == scope and v.rule == rule]
    assert len(verdicts) == 1
    return verdicts[0], [f for f in results.findings if f.function == scope]
