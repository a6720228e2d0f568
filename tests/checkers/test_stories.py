# SPDX-License-Identifier: Apache-2.0
"""Every rule has its stories, and a planted fault or a reason: the table leaves nothing out."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.checkers.conftest import FIRES, SILENT, STORIES
from tools.rule_stories import chosen
from tools.rules_table import planted_or_why_not
from traces.record_faulty import document
from uvtrace.check.catalogue import installed_rules

FOLDER = Path(__file__).parent
RULES = sorted({rule.id for rule in installed_rules()})


@pytest.mark.parametrize("rule", RULES)
def test_a_rule_has_a_story_that_breaks_it_and_one_that_does_not(rule: str) -> None:
    for kind in (FIRES, SILENT):
        file, _, test = STORIES[rule][kind].partition("::")
        tree = ast.parse((FOLDER / file).read_text(encoding="utf-8"))
        names = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
        assert test.partition("[")[0] in names, "run: python -m tools.rule_stories"


def test_the_table_is_about_installed_rules_only() -> None:
    assert sorted(STORIES) == RULES


@pytest.mark.parametrize("rule", RULES)
def test_a_rule_has_a_planted_fault_or_a_reason_why_tap_cannot_show_one(rule: str) -> None:
    assert planted_or_why_not(rule, document())


def test_of_several_stories_the_one_that_names_the_rule_is_chosen() -> None:
    def shown(test: str, fires: str = "", silent: str = "") -> dict[str, object]:
        return {
            "test": f"test_x.py::test_{test}",
            FIRES: {fires: 1} if fires else {},
            SILENT: {silent: 1} if silent else {},
        }

    stories = chosen(
        [
            shown("something_else", fires="DMA001"),
            shown("this_breaks_dma001", fires="DMA001"),
            shown("after_loss_nothing_is_known", silent="DMA001"),
            shown("that_passes_dma001", silent="DMA001"),
        ]
    )
    assert stories == {
        "DMA001": {
            FIRES: "test_x.py::test_this_breaks_dma001",
            SILENT: "test_x.py::test_that_passes_dma001",
        }
    }
