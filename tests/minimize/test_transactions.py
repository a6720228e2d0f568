# SPDX-License-Identifier: Apache-2.0
"""What goes together is kept or left out together."""

from __future__ import annotations

import numpy as np

from tests.story import Story
from uvtrace.minimize.transactions import Transaction, transactions


def groups(story: Story) -> list[Transaction]:
    trace = story.trace()
    events = len(story._events)
    return sorted(transactions(trace, np.arange(events)), key=lambda each: each.positions)


def test_a_mapping_goes_with_its_syncs_accesses_and_unmap() -> None:
    story = Story().map(0x1000, 256).map(0x2000, 256).sync_for_cpu(0x1000, 64)
    story.dma_write(0x1080, 16).unmap(0x1000, 256).dma_write(0x2000, 16)
    assert groups(story) == [
        Transaction((0, 2, 3, 4), ((2,), (3,))),
        Transaction((1, 5), ((5,),)),
    ]


def test_an_access_after_the_unmap_goes_with_the_mapping_that_went_last() -> None:
    story = Story().map(0x1000, 256).unmap(0x1000, 256).dma_read(0x1010, 4)
    assert [each.positions for each in groups(story)] == [(0, 1, 2)]


def test_an_address_that_is_mapped_again_is_another_mapping() -> None:
    story = Story().map(0x1000, 256).unmap(0x1000, 256).map(0x1000, 256).dma_read(0x1000, 4)
    assert [each.positions for each in groups(story)] == [(0, 1), (2, 3)]


def test_mappings_of_other_functions_are_other_mappings() -> None:
    story = Story().map(0x1000, 256).function("0000:00:04.0").dma_read(0x1000, 4)
    assert [each.positions for each in groups(story)] == [(0,), (1,)]


def test_a_request_goes_with_its_completion() -> None:
    story = Story().mmio_read(0x8, phase="REQUEST", tag=5).mmio_read(0x8, phase="REQUEST", tag=6)
    story.mmio_read(0x8, phase="COMPLETION", tag=5)
    assert [each.positions for each in groups(story)] == [(0, 2), (1,)]


def test_a_large_mapping_holds_what_is_far_behind_its_beginning() -> None:
    story = Story().map(0x1000000, 64 << 20).dma_write(0x1000000 + (48 << 20), 16)
    assert [each.positions for each in groups(story)] == [(0, 1)]


def test_an_iomap_goes_with_its_iounmap_and_a_region_with_its_release() -> None:
    story = Story().region_request().iomap().iounmap().region_release()
    assert [each.positions for each in groups(story)] == [(0, 3), (1, 2)]
