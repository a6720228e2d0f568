# SPDX-License-Identifier: Apache-2.0
"""The pass of what sizing, resets and sleep leave to be put right."""

from __future__ import annotations

import pytest

from tests.check.passes.running import columns_of
from tests.story import Story

_ONES = 0xFFFFFFFF


def test_a_bar_is_left_until_something_is_written_to_it_again() -> None:
    story = Story().config_write(0x10, _ONES, width=4).config_read(0x10, 0xFFFFF000)
    story.config_write(0x3C, 11, width=1).config_write(0x10, 0xFEB00000, width=4).config_read(0, 0)
    assert columns_of(story, "recovery", ["bars_left"])["bars_left"] == [0, 1, 1, 1, 0]


@pytest.mark.parametrize("width", [0, 9, 1 << 61])
def test_an_access_of_a_width_that_none_has_is_survived(width: int) -> None:
    story = Story().config_write(0x14, _ONES, width=4)
    story.config_read(0, _ONES, width=4, length=width).config_write(0x40, 0, length=width)
    story.config_read(0, 0)
    assert columns_of(story, "recovery", ["bars_left"])["bars_left"] == [0, 2, 2, 2]
