# SPDX-License-Identifier: Apache-2.0
"""The finding that a small trace shall prove, and where its records are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from uvtrace.check.automaton import Automaton
from uvtrace.check.columns import record
from uvtrace.check.explain import first_of_each
from uvtrace.check.expression import Column, EventColumn, Truth
from uvtrace.check.results import Finding, Results
from uvtrace.check.rule import Rule
from uvtrace.check.window import Window
from uvtrace.errors import UsageError
from uvtrace.trace.events import is_event
from uvtrace.trace.moments import rows_of
from uvtrace.trace.texts import printable
from uvtrace.trace.trace import Trace

LISTED = 12
"""Findings that a message about a wrong choice names."""

_RAW = {column.name for column in record.COLUMNS}
_SERIAL = {"mapping_id"}
"""Columns that number things in the order of the trace: only whether two are equal matters."""


@dataclass(frozen=True)
class Target:
    """What is to be proved.

    Attributes:
        finding: as it was found in the whole trace.
        position: of the record that breaks the rule.
        evidence: positions and roles of the records that prove it.
        at_end: it shows at the end of the trace, at no event.
        rules: the declarations of its rule that may have made it.
    """

    finding: Finding
    position: int
    evidence: tuple[tuple[int, str], ...]
    at_end: bool
    rules: tuple[Rule, ...]

    @cached_property
    def is_single(self) -> bool:
        """Whether its rule is about single events: all of its evidence is needed."""
        return all(isinstance(rule.violation, Truth) for rule in self.rules)

    @cached_property
    def says_states(self) -> bool:
        """Whether its message names the state of a machine, which is no column."""
        return all(isinstance(rule.violation, Automaton) for rule in self.rules)

    @cached_property
    def proof(self) -> tuple[int, ...]:
        """Positions of the record that breaks the rule and of its evidence, ascending."""
        own = () if self.at_end else (self.position,)
        return tuple(sorted({*own, *(position for position, _ in self.evidence)}))

    @cached_property
    def columns(self) -> tuple[Column, ...]:
        """The derived columns that its rule looks at, or takes evidence from."""
        several = [_looked_at(rule) for rule in self.rules]
        return tuple(column for column in several[0] if all(column in each for each in several))

    @property
    def event_columns(self) -> tuple[EventColumn, ...]:
        """Those of them that name other records."""
        return tuple(column for column in self.columns if isinstance(column, EventColumn))


def _looked_at(rule: Rule) -> dict[Column, None]:
    if isinstance(rule.violation, Window):
        # What an aggregate has counted so far is nothing that one event must keep.
        return {}
    terms = [column for term in rule.terms() for column in term.columns()]
    looked_at = dict.fromkeys([*terms, *rule.roles.values()])
    return {column: None for column in looked_at if column.name not in _RAW | _SERIAL}


def choose(results: Results, wanted: str) -> Finding:
    """The finding that a number, as ``uvtrace check`` counts from 1, or a signature names.

    Raises:
        UsageError: there is none, or not that one.
    """
    firsts, _ = first_of_each(results.findings)
    if not firsts:
        raise UsageError(
            "there is no finding to minimise", where=results.file, hint="uvtrace check is silent"
        )
    if wanted.isdecimal() and 1 <= int(wanted) <= len(firsts):
        return firsts[int(wanted) - 1]
    for finding in firsts:
        if wanted == finding.signature:
            return finding
    raise UsageError(
        f"no finding is {printable(wanted)}", where=results.file, hint=_there_are(firsts)
    )


def _there_are(firsts: Sequence[Finding]) -> str:
    named = [f"{n} {printable(each.signature)}" for n, each in enumerate(firsts[:LISTED], 1)]
    more = len(firsts) - len(named)
    return "there are " + ", ".join(named) + (f" and {more} more" if more else "")


def locate(trace: Trace, finding: Finding, rules: Sequence[Rule]) -> Target:
    """Where a finding's records are in the trace.

    Args:
        trace: what was judged.
        finding: one of its findings.
        rules: by which it was judged, with the variants that contracts make.

    Raises:
        UsageError: its records are not in the trace, which tells of nothing else.
    """
    rows = rows_of(trace, [finding.seq, *(each.seq for each in finding.evidence)])
    if len(rows) < len({finding.seq, *(each.seq for each in finding.evidence)}):
        raise UsageError("the finding is about records that the file does not hold")
    position = rows[finding.seq]
    kind = trace[position : position + 1].column("kind")
    last = position == len(trace) - 1
    return Target(
        finding=finding,
        position=position,
        evidence=tuple((rows[each.seq], each.role) for each in finding.evidence),
        at_end=last and not bool(is_event(kind)[0]),
        rules=_variants(finding, rules),
    )


def _variants(finding: Finding, rules: Sequence[Rule]) -> tuple[Rule, ...]:
    """The declarations whose roles are those of the finding."""
    of_id = [rule for rule in rules if rule.id == finding.rule]
    roles = {each.role for each in finding.evidence}
    fitting = [rule for rule in of_id if _role(finding) in ("", rule.role)]
    single = [rule for rule in fitting if isinstance(rule.violation, Truth)]
    telling = [rule for rule in single if roles <= set(rule.roles)]
    others = [rule for rule in fitting if not isinstance(rule.violation, Truth)]
    own = [rule for rule in others if roles <= {rule.role, *rule.roles, "first", "entered"}]
    return tuple(telling + own) or tuple(fitting) or tuple(of_id)


def _role(finding: Finding) -> str:
    """The role of the event's site in the signature; empty where it has no site."""
    _, _, rest = finding.signature.partition(":")
    role, equals, _ = rest.partition("=")
    return role if equals else ""
