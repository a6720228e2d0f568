# SPDX-License-Identifier: Apache-2.0
"""What is wrong only in numbers: too many, too fast, ever more."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from uvtrace.check.expression import FALSE, Number, Truth


class Measure(StrEnum):
    """What a window measures."""

    COUNT = "count"
    """How many events there were within the span."""
    SUM = "sum"
    """The sum of ``of`` over them."""
    GROWTH = "growth"
    """Over how many spans on end the least value of ``of`` has only ever risen."""


@dataclass(frozen=True, kw_only=True)
class Window:
    """An aggregate, kept per function and key, that must not exceed a limit.

    It is broken by the event that makes it exceed ``limit``; after that it must be reset, or
    a whole span must pass without an event, before it can be broken again. ``{measured}`` in the
    rule's message is what was measured, ``{first}`` the first event that counts (a role, too).

    Attributes:
        counts: the events that count.
        limit: what must not be exceeded.
        key: what is kept apart besides functions; at most ``keys`` of them, the least recently
            used make room.
        measure: what is measured.
        of: the number that is summed, or must not grow.
        span_ns: length of the window. COUNT and SUM start over with the first event after it;
            0: only ``reset_by`` ends it.
        reset_by: the aggregate of the function (with ``reset_key``, of that key) starts over.
        reset_key: the key evaluated on resetting events.
    """

    counts: Truth
    limit: Number
    key: tuple[Number, ...] = ()
    measure: Measure = Measure.COUNT
    of: Number | None = None
    span_ns: Number | int = 0
    reset_by: Truth = FALSE
    reset_key: tuple[Number, ...] | None = None
    keys: int = 1 << 16

    def __post_init__(self) -> None:
        if (self.of is None) is not (self.measure is Measure.COUNT):
            raise TypeError("a sum or growth is of something, a count is not")
        if self.reset_key is not None and len(self.reset_key) != len(self.key):
            raise TypeError("the keys of a window must have the same length")

    def terms(self) -> tuple[Truth | Number, ...]:
        """Every term in it."""
        of = () if self.of is None else (self.of,)
        span = (self.span_ns,) if isinstance(self.span_ns, Number) else ()
        keys = (*self.key, *(self.reset_key or ()))
        return (self.counts, self.reset_by, self.limit, *keys, *of, *span)
