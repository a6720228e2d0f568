# SPDX-License-Identifier: Apache-2.0
"""The limits in force for DMA calls: told once for all calls under the same ones."""

from __future__ import annotations

import pytest

from tests.check.passes.running import columns_of
from tests.story import Story

LOW, HIGH = (1 << 32) - 1, (1 << 64) - 1


@pytest.mark.parametrize("size", [1 << 16, 2, 1])
def test_every_call_is_told_the_mask_in_force_and_what_set_it(size: int) -> None:
    story = Story().probe().map(0x1000, 64).dma_mask(32).map(0x2000, 64).map(0x3000, 64)
    story.dma_mask(64).map(0x4000, 64).unmap(0x4000, 64)
    told = columns_of(story, "mapping", ("dma_mask", "dma_mask_since"), size=size)
    maps = (1, 3, 4, 6)
    assert [told["dma_mask"][at] for at in maps] == [0, LOW, LOW, HIGH]
    since = [told["dma_mask_since"][at] for at in maps]
    assert since[0] == -1
    assert since[1] == since[2] < since[3]


def test_a_mask_from_before_a_loss_is_not_told() -> None:
    story = Story().probe().dma_mask(32).map(0x1000, 64).loss().map(0x2000, 64)
    told = columns_of(story, "mapping", ("dma_mask",))["dma_mask"]
    assert told[2] == LOW
    assert told[-1] == 0
