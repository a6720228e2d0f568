# SPDX-License-Identifier: Apache-2.0
"""The sweep: passes fill the columns, rules look at them, chunk by chunk."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import Final

import numpy as np

from uvtrace.check.baseline import Baseline
from uvtrace.check.catalogue import installed_rules
from uvtrace.check.chunk import Chunk
from uvtrace.check.contract import Contract
from uvtrace.check.contract_rules import contracts_of, sights_given, with_contracts
from uvtrace.check.expression import INT_MAX
from uvtrace.check.facts import Facts
from uvtrace.check.findings import Findings
from uvtrace.check.judging import Judgement
from uvtrace.check.loss import Losses, LossFollower
from uvtrace.check.message import Witness
from uvtrace.check.passes import PASSES, Pass, needed, with_inputs
from uvtrace.check.places import Places
from uvtrace.check.program import Program
from uvtrace.check.results import WHOLE_TRACE, Results
from uvtrace.check.rule import END, Rule
from uvtrace.check.rules import Selection, Sight
from uvtrace.check.sight import Shown
from uvtrace.check.verdicts import verdicts_of
from uvtrace.registers import RegisterMap
from uvtrace.trace.events import is_event
from uvtrace.trace.layout import FUNCTION_NONE, make_records
from uvtrace.trace.room import FIELDS, Room
from uvtrace.trace.trace import Trace

CHUNK = 1 << 19
"""Records per step of the sweep. A step costs some milliseconds by itself, however few they are;
with twice as many the sweep is not faster any more, and takes more memory."""

_EVENT_KINDS: Final = frozenset(np.flatnonzero(is_event(np.arange(256))).tolist())
_BASE_COLUMNS: Final = frozenset({"function", "site", "seq", "time_ns", "kind"})


def check(
    trace: Trace,
    *,
    selection: Selection | None = None,
    rules: Sequence[Rule] | None = None,
    parameters: Mapping[str, int] | None = None,
    registers: RegisterMap | None = None,
    contract: Contract | None = None,
    baseline: Baseline | None = None,
    facts: bool = False,
    progress: Callable[[int], None] | None = None,
) -> Results:
    """Judge a trace.

    Args:
        trace: what :func:`uvtrace.open` gives.
        selection: the rules to judge; all by default.
        rules: the rules to choose from; those of the installed packs by default.
        parameters: values of parameters by name; others have those that the recorder has noted
            down, else their defaults.
        registers: what the device's registers are.
        contract: what the drivers must keep to; by default the installed one for each function.
        baseline: what accepted runs did; without one what is new cannot be told.
        facts: ask z3 for the fewest facts that prove each of the first findings.
        progress: told how many records have been judged, after each step.

    Returns:
        Verdicts for every selected rule and function, and findings in the order of the trace.

    Raises:
        EnvironmentLacksError: facts are asked for, and z3 is not installed.
    """
    judge = partial(
        checker_of,
        selection=selection,
        rules=rules,
        parameters=parameters,
        registers=registers,
        contract=contract,
        baseline=baseline,
    )
    # What a long file says of itself mostly stands at its beginning: it is gone through once.
    beginning = trace.beginning
    results = judge(beginning).check_from(beginning, trace, facts=facts, progress=progress)
    if results is not None and _says_no_more(beginning, trace, contract):
        return results
    return judge(trace).check(trace, facts=facts, progress=progress)


def _says_no_more(beginning: Trace, trace: Trace, contract: Contract | None) -> bool:
    """Whether what a checker is made by, of what a file says of itself, stands at its beginning."""
    if beginning is trace:
        return True
    same_functions = beginning.functions == trace.functions
    same_session = beginning.metadata.session == trace.metadata.session
    if not same_functions or not same_session:
        return False
    return contracts_of(beginning, contract) == contracts_of(trace, contract)


def checker_of(
    trace: Trace,
    *,
    selection: Selection | None = None,
    rules: Sequence[Rule] | None = None,
    parameters: Mapping[str, int] | None = None,
    registers: RegisterMap | None = None,
    contract: Contract | None = None,
    baseline: Baseline | None = None,
) -> Checker:
    """What judges a trace, and parts of it, as :func:`check` does; it has the same arguments."""
    chosen = selection or Selection()
    known = installed_rules() if rules is None else rules
    wanted = tuple(rule for rule in known if chosen.takes(rule.id))
    # Who decides what another rule leaves to it must run, too, if only silently.
    silent = tuple(
        rule
        for rule in known
        if not chosen.takes(rule.id) and any(chosen.takes(loser) for loser in rule.supersedes)
    )
    asks = any(rule.of_contract is not None for rule in wanted)
    contracts = contracts_of(trace, contract) if asks else {}
    wanted = with_contracts(wanted, contracts, baseline)
    given = sights_given(contracts, baseline)
    return Checker(wanted, parameters or {}, silent=silent, registers=registers, given=given)


class Checker:
    """Judges one trace after another by the same rules, which are compiled once.

    Args:
        rules: none of them is about contracts but the variants that those have made.
        parameters: values of parameters by name; others have those that the recorder has noted
            down, else their defaults.
        silent: rules that only decide what others leave to them.
        registers: what the device's registers are.
        given: what is known beside the records of some functions, by index.

    Attributes:
        rules: those that it judges by.
    """

    def __init__(
        self,
        rules: Iterable[Rule],
        parameters: Mapping[str, int],
        *,
        silent: Iterable[Rule] = (),
        registers: RegisterMap | None = None,
        given: Mapping[int, frozenset[Sight]] = MappingProxyType({}),
    ) -> None:
        self.rules = tuple(rules)
        self._silent = tuple(silent)
        self._parameters = dict(parameters)
        self._registers = registers
        self._given = given
        self._program: Program | None = None

    def check(
        self,
        trace: Trace,
        *,
        facts: bool = False,
        progress: Callable[[int], None] | None = None,
        look: Callable[[Chunk], None] | None = None,
    ) -> Results:
        """Judge a trace, as :func:`check` does.

        Args:
            trace: what is judged.
            facts: ask z3 for the fewest facts that prove each of the first findings.
            progress: told how many records have been judged, after each step.
            look: shown every step's records with their derived columns, which it must not keep.
        """
        results = self.check_from(trace, trace, facts=facts, progress=progress, look=look)
        assert results is not None
        return results

    def check_from(
        self,
        beginning: Trace,
        trace: Trace,
        *,
        facts: bool = False,
        progress: Callable[[int], None] | None = None,
        look: Callable[[Chunk], None] | None = None,
    ) -> Results | None:
        """Judge a trace as what its :attr:`beginning` says of it, while it is read.

        Returns:
            As :meth:`check`; None as soon as a function turns out to be declared only later.
        """
        begin = time.perf_counter()
        sweep = Sweep(
            trace,
            beginning,
            self.rules,
            _of_recording(beginning, self.rules) | self._parameters,
            self._registers,
            silent=self._silent,
            given=self._given,
            facts=facts,
            program=self._program,
            look=look,
        )
        if self._program is None:
            self._program = sweep.program.copy()
        first = 0
        for part in trace.chunks(CHUNK, Room.of(min(trace.most, CHUNK))):
            if len(part.functions) != len(beginning.functions):
                return None
            sweep.take(first, part)
            first += len(part)
            if progress is not None:
                progress(first)
        return sweep.finish(begin)


def _of_recording(trace: Trace, rules: Iterable[Rule]) -> dict[str, int]:
    """The values that parameters have by where and how the trace was recorded."""
    session = trace.metadata.session
    terms = (term for rule in rules for term in rule.terms())
    named = {parameter for term in terms for parameter in term.parameters()}
    values = {}
    if session.get("source") == "vm":
        values = {each.name: each.in_vm for each in named if each.in_vm is not None}
    told = session.get("parameters")
    if isinstance(told, dict):
        names = {each.name for each in named}
        values |= {
            name: value
            for name, value in told.items()
            if name in names and isinstance(value, int) and 0 <= value <= INT_MAX
        }
    return values


class Sweep:
    """One check on its way through a trace.

    Args:
        trace: what is judged.
        beginning: what says of which functions it is.
        rules: by what.
        parameters: values of parameters by name.
        registers: what the device's registers are.
        silent: rules that only decide what others leave to them.
        given: what is known beside the records of some functions, by index.
        facts: whether to find what proves the first findings.
        program: one that terms of the rules were added to before; it is not changed.
        look: shown every chunk with its derived columns, which it must not keep.
    """

    def __init__(
        self,
        trace: Trace,
        beginning: Trace,
        rules: Iterable[Rule],
        parameters: Mapping[str, int],
        registers: RegisterMap | None = None,
        silent: Iterable[Rule] = (),
        given: Mapping[int, frozenset[Sight]] = MappingProxyType({}),
        facts: bool = False,
        program: Program | None = None,
        look: Callable[[Chunk], None] | None = None,
    ) -> None:
        self.trace = trace
        self.rules = (*rules, *silent)
        self.functions = [*(function.name for function in beginning.functions), WHOLE_TRACE]
        self.shown = Shown()
        self.losses = LossFollower(trace)
        self.transactions = 0
        self.program = Program(parameters) if program is None else program.copy(parameters)
        witness = Witness(trace, registers)
        needed_facts = Facts(dict(parameters)) if facts else None
        self.findings = Findings(witness, self.program, self.functions, needed_facts)
        self.judgement = Judgement(
            tuple(rules), tuple(silent), self.program, self.findings, len(beginning.functions)
        )
        columns = with_inputs({column.name for rule in self.rules for column in rule.columns()})
        wanted = columns | _BASE_COLUMNS
        self._passes: list[Pass] = [
            make(beginning, wanted, registers) for make in PASSES if needed(make, wanted)
        ]
        self._places = Places()
        self._first = 0
        self._registers = registers
        self._given = given
        self._look = look

    def take(self, first: int, part: Trace) -> None:
        """Judge a part of the trace that begins at position ``first``."""
        records = part.records
        parts = {name: part.column(name) for name in FIELDS}
        losses = self.losses.take(first, records, parts)
        chunk = Chunk(records, first, losses, part.payload, parts, self._places)
        self.shown.see(parts, chunk.kinds)
        self.transactions += sum(len(chunk.rows((kind,))) for kind in chunk.kinds & _EVENT_KINDS)
        for each in self._passes:
            each.run(chunk)
        self.judgement.take(chunk)
        if self._look is not None:
            self._look(chunk)
        chunk.release()
        self._first = first + len(records)

    def finish(self, begin: float) -> Results:
        """Judge what can only be judged at the end; ``begin`` is when the check began."""
        self._take_end()
        self.judgement.finish(max(self._first - 1, 0))
        sights = self.shown.sights
        if self._registers is not None:
            sights |= {Sight.REGS}
        return Results(
            file=self.trace.path,
            transactions=self.transactions,
            lost=self.losses.lost,
            seconds=time.perf_counter() - begin,
            verdicts=verdicts_of(self.judgement, self.findings, self.losses, sights, self._given),
            findings=tuple(self.findings.all()),
            damage=None if self.trace.damage is None else str(self.trace.damage),
        )

    def _take_end(self) -> None:
        """Put an event of no kind behind the last one, for each function and for the trace."""
        count = len(self.functions)
        records = make_records(count, kind=END)
        records["function"] = [*range(count - 1), FUNCTION_NONE]
        if self._first:
            records["seq"] = self.trace[self._first - 1 : self._first].records["seq"][0]
        for part, whole in ((records[:-1], False), (records[-1:], True)):
            last = max(self._first - 1, 0)
            chunk = Chunk(part, last, Losses.none(), lambda _: b"")
            for each in self._passes:
                each.run(chunk)
            self.judgement.take_end(chunk, whole=whole)
