# SPDX-License-Identifier: Apache-2.0
"""Numbers that earlier events told: what a register was given, or said."""

from __future__ import annotations

from dataclasses import dataclass

from uvtrace.check.expression import Number, Truth


@dataclass(frozen=True, eq=False)
class Latest:
    """A number that an earlier event of the function told, such as one that a register holds.

    Attributes:
        event: the events that tell it.
        value: the number, of such an event.
    """

    event: Truth
    value: Number

    def terms(self) -> tuple[Truth | Number, ...]:
        """Every term in it."""
        return self.event, self.value
