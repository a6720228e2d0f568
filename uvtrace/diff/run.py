# SPDX-License-Identifier: Apache-2.0
"""What a recording did, in a form in which two recordings can be compared.

Numbers that change from run to run (addresses, records, bus numbers) are left out: functions are
named by their driver and device, places by register, findings by signature.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from uvtrace.check.contract import Contract
from uvtrace.check.contract_rules import contracts_of
from uvtrace.check.engine import check
from uvtrace.check.explain import first_of_each
from uvtrace.check.results import WHOLE_TRACE, Finding, Results, Verdict
from uvtrace.check.rule import Rule
from uvtrace.check.rules import Selection
from uvtrace.diff.latency import Distribution, distributions
from uvtrace.graph.accesses import RegisterNames, accesses
from uvtrace.graph.sweep import cover
from uvtrace.registers import RegisterMap, load
from uvtrace.trace.functions import Function
from uvtrace.trace.trace import Trace

Step = tuple[str, str, str, str]
"""An edge: automaton, source, target, label."""
State = tuple[str, str]
"""Automaton and state."""
Access = tuple[str, str, str]
"""Function, ``read`` or ``write``, register."""


@dataclass(frozen=True, kw_only=True)
class Run:
    """What a recording did.

    Attributes:
        results: of checking it.
        findings: the first of each signature.
        counts: how often each signature was found.
        verdicts: of rules that did not pass or fail everywhere, by ID: ``unknown``, ``vacuous``.
        automata: the state machines that it was run through.
        states: how often each was entered.
        steps: how often each edge was taken; of forbidden ones, attempted.
        accesses: how often each register was read and written.
        latencies: by function and what took so long.
    """

    results: Results
    findings: Mapping[str, Finding]
    counts: Mapping[str, int]
    verdicts: Mapping[str, Verdict]
    automata: frozenset[str]
    states: Mapping[State, int]
    steps: Mapping[Step, int]
    accesses: Mapping[Access, int]
    latencies: Mapping[tuple[str, str], Distribution]


def run_of(
    trace: Trace,
    *,
    selection: Selection | None = None,
    rules: Sequence[Rule] | None = None,
    registers: RegisterMap | None = None,
    contract: Contract | None = None,
    progress: Callable[[int], None] | None = None,
) -> Run:
    """Look at a recording.

    Args:
        trace: what :func:`uvtrace.open` gives.
        selection: the rules to judge; all by default.
        rules: to judge by; those of the installed packs by default.
        registers: what the device's registers are; by default the contract says.
        contract: what the drivers must keep to; by default the installed one for each function.
        progress: told how many records have been judged.
    """
    results = check(
        trace,
        selection=selection,
        rules=rules,
        registers=registers,
        contract=contract,
        progress=progress,
    )
    firsts, _ = first_of_each(results.findings)
    counts: Counter[str] = Counter()
    for finding in results.findings:
        counts[finding.signature] += finding.occurrences
    contracts = contracts_of(trace, contract)
    names = function_names(trace.functions)
    steps, states, automata = _covered(trace, contracts)
    return Run(
        results=results,
        findings={finding.signature: finding for finding in reversed(firsts)},
        counts=counts,
        verdicts=_undecided(results),
        automata=automata,
        states=states,
        steps=steps,
        accesses=_accesses(trace, contracts, registers, names),
        latencies={
            (names.get(function, WHOLE_TRACE), what): measured
            for (function, what), measured in distributions(trace).items()
        },
    )


def function_names(functions: Sequence[Function]) -> dict[int, str]:
    """What functions are called wherever they are plugged in: ``e1000 8086:100e``, ``… #2``."""
    seen: Counter[str] = Counter()
    names = {}
    for function in functions:
        name = f"{function.driver} {function.vendor:04x}:{function.device:04x}".strip()
        seen[name] += 1
        names[function.index] = name if seen[name] == 1 else f"{name} #{seen[name]}"
    return names


def _undecided(results: Results) -> dict[str, Verdict]:
    """The verdicts of rules that nowhere passed or failed."""
    by_rule: dict[str, set[Verdict]] = {}
    for each in results.verdicts:
        by_rule.setdefault(each.rule, set()).add(each.verdict)
    order = (Verdict.FAIL, Verdict.PASS, Verdict.UNKNOWN, Verdict.VACUOUS)
    best = {rule: min(found, key=order.index) for rule, found in by_rule.items()}
    return {
        rule: verdict
        for rule, verdict in best.items()
        if verdict in (Verdict.UNKNOWN, Verdict.VACUOUS)
    }


def _covered(
    trace: Trace, contracts: Mapping[int, Contract]
) -> tuple[Counter[Step], Counter[State], frozenset[str]]:
    steps: Counter[Step] = Counter()
    states: Counter[State] = Counter()
    automata: set[str] = set()
    named = {contract.name: contract for contract in contracts.values()}
    for name, contract in named.items():
        own = [each for each in trace.functions if contracts.get(each.index) is not None]
        own = [each for each in own if contracts[each.index].name == name]
        for machine in cover(trace, contract, own).merged():
            automata.add(machine.automaton.name)
            for edge in machine.edges:
                declared = edge.edge
                for source, count in edge.by_source:
                    step = machine.automaton.name, source, declared.target, declared.label
                    steps[step] += count
            for state in machine.states:
                states[machine.automaton.name, state.state] += state.visits
    return +steps, +states, frozenset(automata)


def _accesses(
    trace: Trace,
    contracts: Mapping[int, Contract],
    registers: RegisterMap | None,
    names: Mapping[int, str],
) -> Counter[Access]:
    counts: Counter[Access] = Counter()
    for function in trace.functions:
        contract = contracts.get(function.index)
        described = registers
        if described is None and contract is not None and contract.registers is not None:
            described = load(contract.registers)
        register = RegisterNames(described)
        for part in accesses(trace, function, reads=True):
            places = np.stack([part.place, part.write.astype(np.uint64)], axis=1)
            found, often = np.unique(places, axis=0, return_counts=True)
            for (place, write), count in zip(found.tolist(), often.tolist(), strict=True):
                what = "write" if write else "read"
                key = names[function.index], what, register.name(place, write=bool(write))
                counts[key] += count
    return counts
