# SPDX-License-Identifier: Apache-2.0
"""The pass of interrupts: the INTx line is told of every event, once for as long as it stays."""

from __future__ import annotations

import pytest

from tests.check.passes.running import columns_of
from tests.story import Story
from uvtrace.trace.enums import Flag

NAMES = ("intx_asserted", "intx_since", "handler_accesses")


@pytest.mark.parametrize("size", [1 << 16, 3, 1])
def test_the_line_is_told_as_it_was_before_each_event(size: int) -> None:
    story = Story().probe().mmio_write(0, 1).intx_assert().mmio_write(0, 1).mmio_write(0, 2)
    story.intx_deassert().mmio_write(0, 3)
    told = columns_of(story, "vectors", NAMES, after=("config",), size=size)
    assert told["intx_asserted"] == [-1, -1, -1, 1, 1, 1, 0]
    assert told["intx_since"] == [-1, -1, -1, 2, 2, 2, 5]


def test_a_handler_is_told_its_accesses_and_another_event_none() -> None:
    story = Story().probe().intx_assert().handler_enter(11)
    inside = Flag.HARDIRQ | Flag.WRITE
    story.mmio_write(0, 1, flags=inside).mmio_write(0, 2, flags=inside)
    story.handler_exit(11).mmio_write(0, 3)
    told = columns_of(story, "vectors", NAMES, after=("config",))
    assert told["handler_accesses"] == [-1, -1, -1, -1, -1, 2, -1]
    assert told["intx_asserted"][2:] == [1] * 5
