# SPDX-License-Identifier: Apache-2.0
"""kmod/faulty: its table and faults.toml speak of the same faults."""

from __future__ import annotations

import re

import pytest

from traces import record_faulty
from uvtrace.trace.enums import Kind

SOURCES = {path.name: path.read_text() for path in record_faulty.FAULTS.parent.glob("*.c")}
DOCUMENT = record_faulty.document()
LISTED = [*record_faulty.faults(), *record_faulty.history()]
RULE = re.compile(r"(CFG|ADR|DMA|RES|IRQ|PWR|REG)\d{3}")


def test_the_module_knows_every_name_of_the_list_and_no_other() -> None:
    known = re.findall(r"FAULTY\((\w+)\)", "".join(SOURCES.values()))
    listed = [fault.name for fault in [*LISTED, *record_faulty.near_misses()]]
    assert len(known) == len(set(known))
    assert sorted(known) == sorted(listed)


@pytest.mark.parametrize("fault", LISTED, ids=[fault.name for fault in LISTED])
def test_a_finding_can_name_the_function(fault: record_faulty.Fault) -> None:
    """It is never inlined, and the kind of its event is one that is recorded."""
    defined = re.compile(rf"^static (noinline )?\w+ {fault.symbol}\(", re.MULTILINE)
    found = [match for text in SOURCES.values() for match in defined.finditer(text)]
    assert len(found) == 1
    assert found[0][1] == "noinline " or fault.symbol.endswith("_handler")
    assert fault.event in Kind.__members__


def test_every_planted_fault_bears_the_number_of_its_rule() -> None:
    for fault in record_faulty.faults():
        assert fault.name.startswith(f"faulty_{fault.rules[0].lower()}_"), fault.name
        assert RULE.fullmatch(fault.rules[0])


def test_no_rule_is_both_planted_and_unseen() -> None:
    planted = {rule for fault in record_faulty.faults() for rule in fault.rules}
    unseen = [rule for entry in DOCUMENT["unseen"] for rule in entry["rules"]]
    assert len(unseen) == len(set(unseen))
    assert planted.isdisjoint(unseen)
    assert all(entry["reason"] for entry in DOCUMENT["unseen"])


def test_history_cites_the_commit_that_fixed_it() -> None:
    entries = DOCUMENT["history"]
    assert len(entries) >= 10
    for entry in entries:
        assert re.fullmatch(r"[0-9a-f]{40}", entry["commit"]), entry["name"]
        assert entry["title"]
    assert len({entry["commit"] for entry in entries}) == len(entries)
