# SPDX-License-Identifier: Apache-2.0
"""``uvtrace rules --lint``: passes on what is installed, fails on a pack that is unsound."""

from __future__ import annotations

from pathlib import Path

import pytest

from checkers import address, dma_device
from tests.cli.running import run
from uvtrace.errors import ExitCode

UNSOUND = """
from uvtrace.check.automaton import Automaton, Edge
from uvtrace.check.columns import record
from uvtrace.check.rule import rule
from uvtrace.check.terms import is_mmio

def declare(id, violation):
    return rule(id, "wrong", applies=is_mmio, violation=violation, message="no", source="test")

RULES = (
    declare("BAD001", (record.offset > 8) & (record.offset < 8)),
    declare("BAD002", (record.offset > 8) | (record.offset < 9)),
    declare("BAD003", record.offset == 16),
    declare("BAD004", record.offset > 8),
    rule("BAD005", "wrong", message="no", source="test", violation=Automaton(
        name="bad", states=("off", "on"), initial="off", edges=(
            Edge("off", "on", is_mmio & (record.offset < 9), "low"),
            Edge("off", "off", is_mmio & (record.offset > 7), "high"),
        ),
    )),
)
"""


def test_every_installed_rule_and_contract_is_proven_sound() -> None:
    outcome = run("rules", "--lint", "--timeout", "120")
    lines = outcome.out.splitlines()
    assert outcome.code == ExitCode.OK, [line for line in lines if line.startswith("failed")]
    assert lines[-1].endswith(" 0 failures, 0 unknown")
    rules = lines[1 : lines.index("")]
    assert f"{len(rules)} rules" in lines[-1]
    assert len(rules) >= len(address.RULES) + len(dma_device.RULES)
    assert not [line for line in rules if line.split()[-1] == "-"]


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the rules that see windows that overlap are installed."""
    monkeypatch.setattr("uvtrace.cli.rules.installed_contracts", tuple)
    monkeypatch.setattr(
        "uvtrace.cli.rules.installed_rules", lambda: (*address.RULES, *dma_device.RULES)
    )


@pytest.mark.usefixtures("few")
def test_a_pack_that_is_unsound_is_refused_rule_by_rule(tmp_path: Path) -> None:
    pack = tmp_path / "unsound.py"
    pack.write_text(UNSOUND)
    outcome = run("rules", "--lint", "--timeout", "120", "--pack", pack)
    assert outcome.code == ExitCode.FAILED
    failed = [line for line in outcome.out.splitlines() if line.startswith("failed: ")]
    assert failed[:-1] == [
        "failed: BAD001: it can never fire: violation is contradictory",
        "failed: BAD002: it accuses every event that it applies to",
        "failed: BAD003: it is implied by BAD002, which reports every event that it reports:"
        ' declare supersedes={"BAD002"}, or tell them apart',
        "failed: BAD003: it is implied by BAD004, which reports every event that it reports:"
        ' declare supersedes={"BAD004"}, or tell them apart',
        "failed: BAD004: it is implied by BAD002, which reports every event that it reports:"
        ' declare supersedes={"BAD002"}, or tell them apart',
    ]
    assert failed[-1].startswith("failed: automaton bad: the guards out of 'off' overlap: ")
    assert "offset=0x8" in failed[-1]


def test_lint_of_one_rule_is_refused_as_rules_are_compared() -> None:
    outcome = run("rules", "ADR001", "--lint")
    assert outcome.code == ExitCode.USAGE
    assert "--lint proves every rule" in outcome.err
