# SPDX-License-Identifier: Apache-2.0
"""The rules that contracts make: a variant of a rule for each automaton of each contract."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace

from uvtrace.check.automaton import FORBIDDEN, Automaton, Edge
from uvtrace.check.baseline import Baseline
from uvtrace.check.columns import life, record
from uvtrace.check.columns.life import DriverState
from uvtrace.check.contract import Contract, class_codes, contract_for, installed_contracts
from uvtrace.check.expression import FALSE, TRUE, Number, Truth, any_of
from uvtrace.check.latest import Latest
from uvtrace.check.obligation import AtEnd, Obligation
from uvtrace.check.rule import Judged, OfContract, Rule
from uvtrace.check.rules import Sight
from uvtrace.check.terms import (
    is_end,
    is_first_part,
    is_return,
    is_unbound,
    probe_begins,
    removes_mapping,
    succeeded,
)
from uvtrace.trace.enums import Kind
from uvtrace.trace.trace import Trace

_ends_bound = is_end & (life.driver_state == DriverState.BOUND)
_probe_failed = (record.kind == Kind.PROBE) & is_return & ~succeeded
_is_reset = (record.kind == Kind.RESET) & is_return

_ByAutomaton = Callable[[Automaton, Baseline | None], tuple[Truth, Automaton] | None]


def of_automata(judge: _ByAutomaton) -> OfContract:
    """Makes a variant of each automaton of a contract.

    Args:
        judge: gives what a variant applies to and what breaks it; None where there is nothing.
    """

    def variants(contract: Contract, baseline: Baseline | None) -> Iterator[Judged]:
        for automaton in contract.automata:
            judged = judge(automaton, baseline)
            if judged is not None:
                yield Judged(automaton.name, *judged)

    return variants


def engines(contract: Contract, _: Baseline | None) -> Iterator[Judged]:
    """What judges that memory stays mapped while an engine of the device may use it."""
    for engine in contract.engines:
        given = record.address
        if len(engine.address) == 2:
            address: tuple[Number, ...] = (given.bits(0, 32), given.bits(32, 32))
        else:
            address = (given,)
        duty = Obligation(
            opened_by=engine.starts,
            discharged_by=FALSE,
            key=engine.address,
            discharge_key=address,
            broken_by=removes_mapping & is_first_part,
            break_key=address,
            # A second start, of the same memory or of other, begins anew.
            forgotten_by=engine.stops | engine.starts | probe_begins | is_unbound | _is_reset,
            at_end=AtEnd.KEPT,
        )
        yield Judged(engine.name, TRUE, duty)


def steps(automaton: Automaton, _: Baseline | None) -> tuple[Truth, Automaton]:
    """What judges the steps of an automaton: all its events, by itself."""
    return TRUE, replace(automaton, time_limits_ns={})


def stays(automaton: Automaton, _: Baseline | None) -> tuple[Truth, Automaton] | None:
    """What judges how long an automaton stays in its states; None where that is free.

    Behind the unbinding nobody waits for the device any more: that ends every stay.
    """
    if not automaton.time_limits_ns:
        return None
    over = automaton.starts_over | is_unbound
    edges = _allowed(automaton)
    return TRUE, replace(automaton, edges=edges, starts_over=over, strict=False)


def novelties(automaton: Automaton, baseline: Baseline | None) -> tuple[Truth, Automaton] | None:
    """What judges whether an automaton does what it did before; None where that is not known.

    A state that is new is one that a new step leads to.
    """
    if baseline is None or not baseline.covers(automaton.name):
        return None
    known = baseline.steps[automaton.name]
    edges = tuple(
        replace(
            edge,
            told_from=frozenset(
                state for state in automaton.states if (state, edge.label, edge.target) not in known
            ),
        )
        for edge in _allowed(automaton)
    )
    return TRUE, replace(automaton, edges=edges, strict=False, time_limits_ns={})


def final_states(automaton: Automaton, _: Baseline | None) -> tuple[Truth, Automaton] | None:
    """What judges in which state an automaton ends; None where every state will do.

    Automata with keys are not judged: neither an unbinding nor the end of a trace has a key.
    """
    ends = (
        (is_unbound, "unbound", automaton.accepting),
        (_probe_failed, "the probe has failed", automaton.accepting),
        (_ends_bound, "the trace ends", automaton.accepting_bound),
    )
    judged_by = [end for end in ends if end[2]]
    if not judged_by or automaton.key:
        return None
    forbidden = tuple(
        Edge(state, FORBIDDEN, guard, label)
        for guard, label, accepting in judged_by
        for state in automaton.states
        if state not in accepting
    )
    judged_at = any_of(*(guard for guard, _, _ in judged_by))
    judged = replace(
        automaton,
        edges=forbidden + _allowed(automaton),
        relevant=automaton.relevant | judged_at,
        strict=False,
        time_limits_ns={},
    )
    return judged_at, judged


def _allowed(automaton: Automaton) -> tuple[Edge, ...]:
    """The edges without those that must not be: a forbidden step is FSM001's to report."""
    allowed = (edge for edge in automaton.edges if edge.target != FORBIDDEN)
    return tuple(replace(edge, guard=automaton.relevant & edge.guard) for edge in allowed)


def contracts_of(trace: Trace, given: Contract | None = None) -> dict[int, Contract]:
    """The contract of each function of a trace, by the function's index, where there is one.

    Args:
        trace: whose functions.
        given: the contract of all of them; by default each has the installed one that is for it.

    Raises:
        EnvironmentLacksError: a pack cannot be imported.
    """
    if given is not None:
        return {function.index: given for function in trace.functions}
    installed, codes = installed_contracts(), class_codes(trace)
    found = {
        function.index: contract_for(function, codes.get(function.index), installed)
        for function in trace.functions
    }
    return {index: contract for index, contract in found.items() if contract is not None}


def sights_given(
    contracts: Mapping[int, Contract], baseline: Baseline | None
) -> dict[int, frozenset[Sight]]:
    """What contracts and a baseline of accepted runs tell, by the function's index."""
    given = {}
    for index, contract in contracts.items():
        covered = baseline is not None and any(
            baseline.covers(automaton.name) for automaton in contract.automata
        )
        given[index] = frozenset({Sight.FSM, Sight.BASELINE} if covered else {Sight.FSM})
    return given


def with_contracts(
    rules: Iterable[Rule], contracts: Mapping[int, Contract], baseline: Baseline | None = None
) -> tuple[Rule, ...]:
    """Rules, and the variants that contracts make of those that are about contracts.

    Args:
        rules: of a catalogue.
        contracts: by index of the function.
        baseline: what accepted runs did.
    """
    named = {contract.name: contract for contract in contracts.values()}
    found: list[Rule] = []
    for rule in rules:
        found.append(rule)
        for name, contract in named.items():
            of = [index for index, each in contracts.items() if each.name == name]
            found += _variants(rule, contract, of, baseline)
    return tuple(found)


def _variants(
    rule: Rule, contract: Contract, functions: list[int], baseline: Baseline | None
) -> Iterator[Rule]:
    here = record.function.is_in(functions)
    for judged in () if rule.of_contract is None else rule.of_contract(contract, baseline):
        name = judged.name.replace("{", "{{").replace("}", "}}")
        yield replace(
            rule,
            variant=judged.name,
            applies=judged.applies if judged.applies is TRUE else judged.applies & here,
            violation=_only(judged.violation, here),
            message=f"{name}: {rule.message}",
            of_contract=None,
        )


def _only(violation: Automaton | Obligation, here: Truth) -> Automaton | Obligation:
    """What breaks a rule, at some functions only."""
    if isinstance(violation, Obligation):
        return replace(violation, opened_by=violation.opened_by & here)
    limits = {
        state: replace(limit, event=limit.event & here) if isinstance(limit, Latest) else limit
        for state, limit in violation.time_limits_ns.items()
    }
    over, relevant = violation.starts_over & here, violation.relevant & here
    return replace(violation, starts_over=over, relevant=relevant, time_limits_ns=limits)
