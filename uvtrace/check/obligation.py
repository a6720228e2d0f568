# SPDX-License-Identifier: Apache-2.0
"""A duty that one event opens and another discharges: what one event alone cannot show."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from uvtrace.check.expression import FALSE, Number, Truth
from uvtrace.check.latest import Latest


class AtEnd(StrEnum):
    """What becomes of a duty that is open when the trace ends."""

    UNKNOWN = "unknown"
    """The recording may have stopped too early: the rule's verdict is unknown."""
    BROKEN = "broken"
    KEPT = "kept"


@dataclass(frozen=True, kw_only=True)
class Obligation:
    """A duty, kept per function and key.

    It is opened by an event, discharged by a later one of the same function and key, and broken
    by a deadline or by another event while it is open. The finding is about the opening event;
    those that one event breaks at once and that were opened at the same site are one finding,
    in whose message ``{count}`` says how many there are. Where records that the rule needs are
    lost, what is open is forgotten.

    Attributes:
        opened_by: opens a duty (a duty already open with the same key is counted as another).
        discharged_by: discharges the one with its key that was opened first.
        key: what ties the events together, evaluated on opening events, or told by an event
            before them; empty: the function.
        discharge_key: the same on discharging events, where that is another term.
        broken_by: breaks what is open, of the function, or with ``break_key`` of that key.
        break_key: the key evaluated on breaking events.
        deadline_ns: time in which it must be discharged; seen when a later event of the trace
            comes, or at its end.
        at_end: what becomes of it at the end of the trace.
        forgotten_by: what is open of the function is forgotten without a verdict (a reset).
        limit: how many may be open at once; beyond that the oldest become unknown.
    """

    opened_by: Truth
    discharged_by: Truth
    key: tuple[Number | Latest, ...] = ()
    discharge_key: tuple[Number, ...] | None = None
    broken_by: Truth = FALSE
    break_key: tuple[Number, ...] | None = None
    deadline_ns: Number | None = None
    at_end: AtEnd = AtEnd.UNKNOWN
    forgotten_by: Truth = FALSE
    limit: int = 1 << 20

    def __post_init__(self) -> None:
        if self.discharge_key is None and any(isinstance(part, Latest) for part in self.key):
            raise TypeError("a key that earlier events tell needs a discharge_key of its own")
        for other in (self.discharge_key, self.break_key):
            if other is not None and len(other) != len(self.key):
                raise TypeError("the keys of an obligation must have the same length")

    def terms(self) -> tuple[Truth | Number, ...]:
        """Every term in it."""
        keys = (*self.key, *(self.discharge_key or ()), *(self.break_key or ()))
        deadline = () if self.deadline_ns is None else (self.deadline_ns,)
        truths = (self.opened_by, self.discharged_by, self.broken_by, self.forgotten_by)
        told = (term for part in self.key if isinstance(part, Latest) for term in part.terms())
        numbers = (part for part in keys if not isinstance(part, Latest))
        return (*truths, *numbers, *deadline, *told)

    def truths(self) -> tuple[Truth, ...]:
        """The terms that say which events are looked at."""
        told = (part.event for part in self.key if isinstance(part, Latest))
        return (self.opened_by, self.discharged_by, self.broken_by, self.forgotten_by, *told)
