# SPDX-License-Identifier: Apache-2.0
"""Chooses, for each rule, the test that shows it fire and the one that shows it keep silent.

usage: python -m tools.rule_stories

Runs tests/checkers (a minute or two), takes note of what every test's checks gave, and writes
tests/checkers/stories.json. Preferred are tests that name the rule, and tests that judge by few
rules; of those the first.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

TESTS = Path(__file__).resolve().parent.parent / "tests" / "checkers"
STORIES = TESTS / "stories.json"
KINDS = ("fires", "silent")
_NOT_STORIES = ("test_recordings.py", "test_stories.py")
_LOSS = re.compile(r"loss|unknown|missing_hook|chunks")


def chosen(shown: list[dict[str, Any]]) -> dict[str, dict[str, str]]:
    """Rule to test by kind, of what each test showed."""
    stories: dict[str, dict[str, str]] = {}
    rules = {rule for test in shown for kind in KINDS for rule in test[kind]}
    for rule in sorted(rules):
        for kind in KINDS:
            able = [test for test in shown if rule in test[kind]]
            if able:
                best = min(able, key=lambda test: _rank(test, rule, kind))
                stories.setdefault(rule, {})[kind] = best["test"]
    return stories


def _rank(test: dict[str, Any], rule: str, kind: str) -> tuple[bool, bool, bool, bool, int]:
    name = test["test"]
    words = ("break",) if kind == "fires" else ("pass", "does_not", "no_matter", "no_finding")
    return (
        rule in test["fires"] and kind == "silent",
        rule.lower() not in name,
        not any(word in name for word in words),
        bool(_LOSS.search(name)),
        test[kind][rule],
    )


def main() -> int:
    """Run the tests and write the choice; fails where they do."""
    with tempfile.TemporaryDirectory() as folder:
        told = Path(folder) / "told.jsonl"
        ignored = [f"--ignore={TESTS / name}" for name in _NOT_STORIES]
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", TESTS, *ignored],
            env={**os.environ, "UVTRACE_STORIES": str(told)},
        )
        if done.returncode:
            return done.returncode
        shown = [json.loads(line) for line in told.read_text(encoding="utf-8").splitlines()]
    text = json.dumps(chosen(shown), indent=1, sort_keys=True)
    STORIES.write_text(text + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
