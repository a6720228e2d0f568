# SPDX-License-Identifier: Apache-2.0
"""The table of docs/rules-table.md: what shows each rule at work."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

from uvtrace.check.catalogue import installed_rules

_ROOT = Path(__file__).resolve().parent.parent
STORIES = _ROOT / "tests/checkers/stories.json"
FAULTS = _ROOT / "kmod/faulty/faults.toml"
_HEAD = "| rule | fires in | judges and is silent in | planted in kmod/faulty |\n|-|-|-|-|\n"


def rules_table(family: str) -> str:
    """The rules of a family, ``all`` for every rule: two stories and the planted faults."""
    stories = json.loads(STORIES.read_text(encoding="utf-8"))
    with FAULTS.open("rb") as file:
        document = tomllib.load(file)
    ids = sorted({rule.id for rule in installed_rules()})
    wanted = [rule for rule in ids if family == "all" or rule.startswith(family)]
    return _HEAD + "".join(_row(rule, stories.get(rule, {}), document) for rule in wanted)


def planted_or_why_not(rule: str, document: dict[str, Any]) -> str:
    """The faults of a rule in ``faults.toml``, or why there can be none; empty: neither."""
    names = [fault["name"] for fault in document["fault"] if fault["rule"] == rule]
    if names:
        return ", ".join(f"`{name}`" for name in names)
    reasons = (entry["reason"] for entry in document["unseen"] if rule in entry["rules"])
    return next(reasons, "")


def _row(rule: str, tests: dict[str, str], document: dict[str, Any]) -> str:
    cells = [_test(tests.get(kind, "")) for kind in ("fires", "silent")]
    return f"| {rule} | {cells[0]} | {cells[1]} | {planted_or_why_not(rule, document)} |\n"


def story_name(test: str) -> str:
    """A test's name without its file, parameters and ``test_``; empty for none."""
    return test.partition("[")[0].partition("::")[2].removeprefix("test_")


def _test(name: str) -> str:
    return f"`{story_name(name)}`" if name else ""
