# SPDX-License-Identifier: Apache-2.0
"""What the proofs came to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from uvtrace.trace.enums import Kind

_KINDS: Final = {int(kind): kind.name for kind in Kind}


class Shown(StrEnum):
    """By what it is shown that a rule can fire."""

    TRACE = "trace"
    """z3's events, written as a trace: the engine fires on it."""
    COLUMNS = "columns"
    """z3's events, given to the engine as columns: its judgement fires on them."""
    GUARDS = "guards"
    """It is an automaton, of which the edges are what is proven about."""
    NOT = "-"


@dataclass(frozen=True)
class RuleLine:
    """A rule, and what is proven of it.

    Attributes:
        rule: its ID, with the variant.
        shown: by what it is shown that it can fire.
        checks: what else was proven, in a few words each.
    """

    rule: str
    shown: Shown
    checks: tuple[str, ...] = ()


@dataclass(frozen=True)
class AutomatonLine:
    """An automaton, and what is proven of it.

    Attributes:
        name: of the automaton.
        states, edges: how many it has.
        stays: by state, an event without an edge there, which leaves the state as it is (or, of
            a strict automaton, breaks FSM001 where another state has an edge for it).
    """

    name: str
    states: int
    edges: int
    stays: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Problem:
    """A proof that failed, or that was not done.

    Attributes:
        about: the rule, automaton or window.
        reason: why, in one line, with the counterexample where there is one.
    """

    about: str
    reason: str

    def __str__(self) -> str:
        return f"{self.about}: {self.reason}"


@dataclass(frozen=True)
class Report:
    """Everything that was proven.

    Attributes:
        rules, automata: a line for each.
        windows: what is proven of address windows, a sentence each.
        failures: what was found to be wrong.
        unknown: what was neither proven nor refuted, within the time given.
    """

    rules: tuple[RuleLine, ...]
    automata: tuple[AutomatonLine, ...]
    windows: tuple[str, ...]
    failures: tuple[Problem, ...]
    unknown: tuple[Problem, ...]


def event_text(event: Mapping[str, int]) -> str:
    """An event of a counterexample, the columns that are 0 left out: ``MMIO_READ, offset=0x8``."""
    shown = [f"{name}={value:#x}" for name, value in event.items() if value and name != "kind"]
    return ", ".join((_KINDS.get(event["kind"], "the end"), *shown))
