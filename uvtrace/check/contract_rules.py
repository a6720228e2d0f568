# SPDX-License-Identifier: Apache-2.0
"""The rules that contracts make: a variant of a rule for each automaton of each contract."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from uvtrace.check.automaton import FORBIDDEN, Automaton, Edge
from uvtrace.check.columns import life, record
from uvtrace.check.columns.life import DriverState
from uvtrace.check.contract import Contract, class_codes, contract_for, installed_contracts
from uvtrace.check.expression import TRUE, Truth
from uvtrace.check.rule import Rule
from uvtrace.check.terms import is_end, is_unbound
from uvtrace.trace.trace import Trace

# Behind an unbinding the end has nothing to add: what was wrong then is told.
_ends_bound = is_end & (life.driver_state != DriverState.UNBOUND)


def steps(automaton: Automaton) -> tuple[Truth, Automaton]:
    """What judges the steps of an automaton: all its events, by itself."""
    return TRUE, automaton


def final_states(automaton: Automaton) -> tuple[Truth, Automaton] | None:
    """What judges in which state an automaton ends; None where every state will do.

    Automata with keys are not judged: neither an unbinding nor the end of a trace has a key.
    """
    if not automaton.accepting or automaton.key:
        return None
    ends = ((is_unbound, "unbound"), (_ends_bound, "the trace ends"))
    forbidden = tuple(
        Edge(state, FORBIDDEN, guard, label)
        for state in automaton.states
        if state not in automaton.accepting
        for guard, label in ends
    )
    # A forbidden step is FSM001's to report; here the end alone is.
    allowed = tuple(edge for edge in automaton.edges if edge.target != FORBIDDEN)
    relevant = automaton.relevant | is_unbound | is_end
    edges = tuple(replace(edge, guard=automaton.relevant & edge.guard) for edge in allowed)
    judged = replace(automaton, edges=forbidden + edges, relevant=relevant, strict=False)
    return is_unbound | _ends_bound, judged


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


def with_contracts(rules: Iterable[Rule], contracts: Mapping[int, Contract]) -> tuple[Rule, ...]:
    """Rules, and the variants that contracts make of those that are about contracts.

    Args:
        rules: of a catalogue.
        contracts: by index of the function.
    """
    named = {contract.name: contract for contract in contracts.values()}
    found: list[Rule] = []
    for rule in rules:
        found.append(rule)
        for name, contract in named.items():
            of = [index for index, each in contracts.items() if each.name == name]
            found += _variants(rule, contract.automata, of)
    return tuple(found)


def _variants(rule: Rule, automata: Sequence[Automaton], functions: list[int]) -> Iterator[Rule]:
    for automaton in automata if rule.of_contract is not None else ():
        assert rule.of_contract is not None
        judged = rule.of_contract(automaton)
        if judged is None:
            continue
        applies, machine = judged
        here = record.function.is_in(functions)
        name = automaton.name.replace("{", "{{").replace("}", "}}")
        yield replace(
            rule,
            variant=automaton.name,
            applies=applies if applies is TRUE else applies & here,
            violation=replace(machine, relevant=machine.relevant & here),
            message=f"{name}: {rule.message}",
            of_contract=None,
        )
