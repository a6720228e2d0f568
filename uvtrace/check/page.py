# SPDX-License-Identifier: Apache-2.0
"""What a renderer is: an entry point of the group ``uvtrace.reports``, named as the format."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from uvtrace.check.results import Results


class Page(NamedTuple):
    """What the text is written on.

    Attributes:
        width: columns at which lines are to be wrapped; None for a file: lines stay whole.
        colour: whether ANSI colours are understood.
    """

    width: int | None = None
    colour: bool = False


PLAIN = Page()


class Renderer(Protocol):
    """Turns the results of one or more traces into text."""

    def __call__(self, results: Sequence[Results], page: Page = PLAIN) -> str:
        """The whole text, with a line break at its end.

        Args:
            results: one per trace, in the order they were named; explained.
            page: what it is written on; machine formats do not look at it.
        """
