# SPDX-License-Identifier: Apache-2.0
"""What each story shows of which rule: the table of docs/rules-table.md is true of every run.

``stories.json`` names, for each rule, a test in which it fires and one in which it judges and finds
nothing. Each of these tests fails if it does not do so any more. ``python -m tools.rule_stories``
chooses them anew.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from uvtrace.check.engine import Sweep
from uvtrace.check.results import Results, Verdict

STORIES = json.loads(Path(__file__).with_name("stories.json").read_text(encoding="utf-8"))
FIRES, SILENT = "fires", "silent"


class Shown:
    """The rules that fired in a test, and those that judged and found nothing.

    By rule: the fewest rules that were judged with it, as a measure of whom the test is about.
    """

    def __init__(self) -> None:
        self.of: dict[str, dict[str, int]] = {FIRES: {}, SILENT: {}}

    def see(self, sweep: Sweep, results: Results) -> None:
        """Take note of a check."""
        together = len({rule.id for rule in sweep.rules})
        fired = {finding.rule for finding in results.findings}
        passed = {each.rule for each in results.verdicts if each.verdict is Verdict.PASS}
        for kind, rules in ((FIRES, fired), (SILENT, passed - fired)):
            for rule in rules:
                self.of[kind][rule] = min(together, self.of[kind].get(rule, together))


@pytest.fixture(autouse=True)
def stories(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Follows a test's checks, and holds it to what the table says of it."""
    shown, finish = Shown(), Sweep.finish

    def followed(sweep: Sweep, begin: float) -> Results:
        results = finish(sweep, begin)
        shown.see(sweep, results)
        return results

    monkeypatch.setattr(Sweep, "finish", followed)
    yield
    name = f"{request.path.name}::{request.node.name}"
    told = os.environ.get("UVTRACE_STORIES")
    if told is not None:
        with Path(told).open("a", encoding="utf-8") as file:
            file.write(json.dumps({"test": name, **shown.of}) + "\n")
        return
    for rule, tests in STORIES.items():
        for kind in (FIRES, SILENT):
            assert tests.get(kind) != name or rule in shown.of[kind], (
                f"docs/rules-table.md says that {rule} {kind} here: python -m tools.rule_stories"
            )
