# SPDX-License-Identifier: Apache-2.0
"""Findings as they come: few are kept of each kind, all are counted, memory stays bounded."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from uvtrace.check.chunk import Chunk, Frame
from uvtrace.check.facts import Facts
from uvtrace.check.message import Values, Witness, render
from uvtrace.check.program import Program
from uvtrace.check.results import Evidence, Finding
from uvtrace.check.rule import Rule
from uvtrace.check.signature import signature

KEPT_PER_SITE: Final = 16
"""Findings that are kept in full of each rule, function and site."""
SITES_MAX: Final = 4096
"""Sites of which findings are kept, of each rule."""

Key = tuple[str, str, int]


class Findings:
    """Gathers the findings of a check; ``facts`` finds what the first of them need.

    Attributes:
        counts: every finding there was, by rule ID and function.
    """

    def __init__(
        self,
        witness: Witness,
        program: Program,
        functions: list[str],
        facts: Facts | None = None,
    ) -> None:
        self._witness = witness
        self._facts = facts
        self._program = program
        self._functions = functions
        self._kept: dict[Key, list[Finding]] = {}
        self._further: Counter[Key] = Counter()
        self._sites: Counter[str] = Counter()
        self.counts: Counter[tuple[str, str]] = Counter()

    def all(self) -> list[Finding]:
        """The findings kept, the first of each rule, function and site telling of the rest."""
        result: list[Finding] = []
        for key, kept in self._kept.items():
            result += [replace(kept[0], further=self._further[key]), *kept[1:]]
        return sorted(result, key=lambda finding: (finding.seq, finding.rule, finding.message))

    def at_events(self, rule: Rule, frame: Frame, hits: NDArray[np.int64]) -> None:
        """Events of a frame break a rule.

        Args:
            rule: what they break.
            frame: where they are.
            hits: their indices in the frame, ascending.
        """
        sites = frame.column("site")[hits]
        functions = frame.column("function")[hits].astype(np.int64)
        if rule.whole_trace:
            functions[:] = len(self._functions) - 1
            sites = np.zeros_like(sites)
        pairs = np.stack((functions.astype(np.uint64), sites), axis=1)
        groups, inverse = np.unique(pairs, axis=0, return_inverse=True)
        for number, (function, site) in enumerate(groups.tolist()):
            of_group = hits[inverse.reshape(-1) == number]
            key = (rule.id, self._functions[int(function)], int(site))
            for hit in of_group[: self._room(key, len(of_group))].tolist():
                values = Values(self._witness, frame.chunk, frame.row(hit))
                self.keep(key, self._finding(rule, key, frame.chunk, frame.row(hit), values))

    def _room(self, key: Key, wanted: int) -> int:
        """How many more to keep of those that are wanted; all of them are counted."""
        rule, function, _ = key
        self.counts[rule, function] += wanted
        if key not in self._kept:
            if self._sites[rule] >= SITES_MAX:
                return 0
            self._sites[rule] += 1
            self._kept[key] = []
        room = min(max(KEPT_PER_SITE - len(self._kept[key]), 0), wanted)
        self._further[key] += wanted - room
        return room

    def keep(self, key: Key, finding: Finding) -> None:
        """Keep a finding for which there is room."""
        self._kept[key].append(finding)

    def at_window(self, rule: Rule, frame: Frame, hit: int, measured: int, first: int) -> None:
        """An event makes an aggregate exceed its limit.

        Args:
            rule: what is broken.
            frame: where the event is.
            hit: its index in the frame.
            measured: what was measured.
            first: position of the event that the aggregate began with.
        """
        words = {"measured": measured, "first": f"#{self._witness.seq(first)}"}
        self.at_event(rule, frame, hit, words, (self.evidence(first, "first"),))

    def at_event(
        self,
        rule: Rule,
        frame: Frame,
        hit: int,
        words: Mapping[str, Any],
        evidence: tuple[Evidence, ...] = (),
    ) -> None:
        """One event of a frame breaks a rule.

        Args:
            rule: what is broken.
            frame: where the event is.
            hit: its index in the frame.
            words: what the message names besides columns.
            evidence: what proves it besides the rule's roles.
        """
        function = int(frame.column("function")[hit])
        if function >= len(self._functions) - 1:
            return
        key = (rule.id, self._functions[function], int(frame.column("site")[hit]))
        if self._room(key, 1):
            values = Values(self._witness, frame.chunk, frame.row(hit), words)
            found = self._finding(rule, key, frame.chunk, frame.row(hit), values)
            self.keep(key, replace(found, evidence=(*evidence, *found.evidence)))

    def record(self, position: int) -> np.void:
        """The record at a position of the trace."""
        return self._witness.record(position)

    def evidence(self, position: int, role: str) -> Evidence:
        """The record at a position of the trace, in a role."""
        return Evidence(self._witness.seq(position), role)

    def tell(
        self,
        rule: Rule,
        function: int,
        position: int,
        opened: Iterable[int],
        words: Mapping[str, Any],
    ) -> None:
        """Tell of a finding that is more than one event.

        Args:
            rule: what is broken.
            function: of which function.
            position: the event at which it shows.
            opened: events that prove it, oldest first; the first one's site is to blame.
            words: what the message names besides columns, which are of the first of them.
        """
        proof = list(opened)
        site = self._witness.site(proof[0])
        key = (rule.id, self._functions[function], site)
        if not self._room(key, 1):
            return
        values = Values(self._witness, self._witness.chunk(proof[0]), 0, words)
        record = self._witness.record(position)
        evidence = [(each, rule.role) for each in proof if each != position]
        self.keep(
            key,
            Finding(
                rule=rule.id,
                severity=rule.severity,
                function=key[1],
                seq=int(record["seq"]),
                time_ns=int(record["time_ns"]),
                site=self._witness.symbol(site),
                message=render(rule.message, values),
                signature=self._signature(rule, site, ()),
                evidence=tuple(Evidence(self._witness.seq(at), role) for at, role in evidence),
            ),
        )

    def _finding(self, rule: Rule, key: Key, chunk: Chunk, row: int, values: Values) -> Finding:
        proof = [(values.value(column.name), role) for role, column in rule.roles.items()]
        proof = sorted((position, role) for position, role in proof if position >= 0)
        return Finding(
            rule=rule.id,
            severity=rule.severity,
            function=key[1],
            seq=values.value("seq"),
            time_ns=values.value("time_ns"),
            site=self._witness.symbol(key[2]),
            message=render(self._message(rule, chunk, row), values),
            signature=self._signature(rule, key[2], proof),
            evidence=tuple(Evidence(self._witness.seq(at), role) for at, role in proof),
            facts=() if self._facts is None else self._facts.of(rule, values),
        )

    def _signature(self, rule: Rule, site: int, proof: Iterable[tuple[int, str]]) -> str:
        sites = [(rule.role, site)] + [(role, self._witness.site(at)) for at, role in proof]
        named = [(role, self._witness.symbol(where)) for role, where in sites if where]
        # Ten buffers leaked at one site are one fault: every role and site counts once.
        return signature(rule.id, dict.fromkeys(named))

    def _message(self, rule: Rule, chunk: Chunk, row: int) -> str:
        if rule.cases:
            run = self._program.start(Frame(chunk, np.array([row], np.int64)))
            for case in rule.cases:
                if run.truth(self._program.add(case.when)).certain[0]:
                    return case.message
        return rule.message
