# SPDX-License-Identifier: Apache-2.0
"""Each planted fault is reported under its own rule, at its function; near misses stay silent.

What must be said of each is in kmod/faulty/faults.toml. Faults whose rule the catalogue does not
have yet, or which need a contract that the device does not have, are counted in the name of the
first test.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest
from click.testing import CliRunner

import uvtrace
from tests.faulty import Span, function_of, spans
from traces.record_faulty import FOLDER, Fault, faults, history, near_misses
from uvtrace import registers
from uvtrace.check import engine
from uvtrace.check.results import Finding
from uvtrace.cli.rules import command as rules_command
from uvtrace.trace.enums import Kind
from uvtrace.trace.trace import Trace

RECORDINGS = sorted(FOLDER.glob("*.pcapng.zst"))
CATALOGUE = {line.split()[0] for line in CliRunner().invoke(rules_command).output.splitlines()}
PLANTED = faults()
DEVICES = FOLDER.parents[1] / "devices"
CONTRACTS = {path.parent.name for path in DEVICES.glob("*/contract.py")}
IMPLEMENTED = [
    fault
    for fault in PLANTED
    if fault.rules[0] in CATALOGUE and (not fault.contract or fault.device in CONTRACTS)
]
HISTORY = [fault for fault in history() if CATALOGUE & set(fault.rules)]
COUNTS = f"{len(IMPLEMENTED)}-planted-{len(PLANTED) - len(IMPLEMENTED)}-not-yet"

Case = tuple[Path, Fault]


def cases(chosen: list[Fault]) -> list[Case]:
    """Each fault in each recording of its device."""
    return [
        (path, fault)
        for fault in chosen
        for path in RECORDINGS
        if path.name.startswith(f"{fault.device}-")
    ]


def name_of(value: Path | Fault) -> str:
    return value.name.removesuffix(".pcapng.zst")


@cache
def checked(path: Path) -> tuple[Trace, dict[str, Span], tuple[Finding, ...]]:
    """A recording, checked once for all tests; with its registers where they are described."""
    trace = uvtrace.open(path)
    description = DEVICES / path.name.partition("-")[0] / "registers.rdl"
    known = registers.load(description) if description.is_file() else None
    return trace, spans(trace), tuple(engine.check(trace, registers=known).findings)


def findings_of(path: Path, fault: Fault) -> list[Finding]:
    """What was found between the fault's marks; the index is the seq: nothing was lost."""
    _, found, findings = checked(path)
    span = found[fault.name]
    return [finding for finding in findings if finding.seq in span]


def functions_named(path: Path, finding: Finding) -> set[str]:
    """The finding's function; of what is left at the unbinding, those that acquired it."""
    trace = checked(path)[0]
    named = {function_of(finding.site)}
    if trace.records[finding.seq]["kind"] == Kind.UNBIND:
        records = trace.records[[evidence.seq for evidence in finding.evidence]]
        sites = [int(record["caller"]) or int(record["ip"]) for record in records]
        named |= {function_of(trace.symbol(site)) for site in sites if site}
    return named - {""}


@pytest.mark.parametrize("counts", [COUNTS])
def test_the_catalogue_has_rules_for_planted_faults(counts: str) -> None:
    assert IMPLEMENTED
    assert HISTORY
    assert RECORDINGS
    assert {fault.device for fault in PLANTED} == {path.name.split("-")[0] for path in RECORDINGS}


@pytest.mark.parametrize(("path", "fault"), cases(IMPLEMENTED), ids=name_of)
def test_a_planted_fault_is_reported_under_its_rule_at_its_function(
    path: Path, fault: Fault
) -> None:
    findings = findings_of(path, fault)
    own = [finding for finding in findings if finding.rule in fault.rules]
    assert own, [finding.message for finding in findings]
    assert {str(finding.severity) for finding in own} == {fault.severity}
    assert all(fault.symbol in functions_named(path, finding) for finding in own)
    others = {finding.rule for finding in findings} - set(fault.rules) - set(fault.also)
    assert others == set()


@pytest.mark.parametrize(("path", "fault"), cases(HISTORY), ids=name_of)
def test_a_fault_that_a_stock_driver_had_is_found_at_its_function(path: Path, fault: Fault) -> None:
    findings = findings_of(path, fault)
    own = [finding for finding in findings if finding.rule in fault.rules]
    assert own, [finding.message for finding in findings]
    assert any(fault.symbol in functions_named(path, finding) for finding in own)


@pytest.mark.parametrize(("path", "fault"), cases(near_misses()), ids=name_of)
def test_nothing_is_said_of_a_near_miss(path: Path, fault: Fault) -> None:
    assert [finding.message for finding in findings_of(path, fault)] == []
