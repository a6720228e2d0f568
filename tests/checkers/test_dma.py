# SPDX-License-Identifier: Apache-2.0
"""The DMA rules."""

from __future__ import annotations

import pytest

from tests.checkers.verdicts import judge
from tests.story import Story
from uvtrace.check.results import Verdict

RULES = ("DMA006", "DMA007", "DMA010", "DMA011")


def test_unmap_of_what_was_never_mapped_breaks_dma006() -> None:
    story = Story().probe().map(0x1000, 256).unmap(0x2000, 256, site="e1000_clean+0x5c")
    verdict, findings = judge(story, "DMA006")
    assert verdict is Verdict.FAIL
    assert findings[0].message == "unmap of 0x2000 (256 bytes), which is not mapped"
    assert findings[0].signature == "DMA006:unmap=e1000_clean [e1000]"


def test_unmap_of_what_is_mapped_passes_all() -> None:
    story = Story().probe().map(0x1000, 256).unmap(0x1000, 256).remove().unbound()
    assert [judge(story, rule)[0] for rule in RULES] == [Verdict.PASS] * 4


def test_one_address_mapped_twice_is_unmapped_twice_by_best_fit() -> None:
    story = Story().probe().map(0x1000, 256).map(0x1000, 64, "FROM_DEVICE")
    story.unmap(0x1000, 64, "FROM_DEVICE").unmap(0x1000, 256).remove().unbound()
    assert [judge(story, rule)[0] for rule in RULES] == [Verdict.PASS] * 4


def test_unmap_with_another_size_breaks_dma007_and_names_the_map() -> None:
    story = Story().probe().map(0x1000, 2048).unmap(0x1000, 1522)
    verdict, findings = judge(story, "DMA007")
    assert verdict is Verdict.FAIL
    assert findings[0].message == "unmap of 1522 bytes at 0x1000, where #1 mapped 2048"
    assert [(e.seq, e.role) for e in findings[0].evidence] == [(1, "mapped")]


def test_freeing_coherent_memory_with_another_size_is_dma023_s_and_not_dma007_s() -> None:
    story = Story().probe().alloc(0x8000, 4096).free(0x8000, 256)
    assert judge(story, "DMA007")[1] == []
    assert judge(story, "DMA023")[0] is Verdict.FAIL


def test_a_second_unmap_breaks_dma010_and_not_dma006() -> None:
    story = Story().probe().map(0x1000, 256).unmap(0x1000, 256).unmap(0x1000, 256)
    verdict, findings = judge(story, "DMA010")
    assert verdict is Verdict.FAIL
    assert [(e.seq, e.role) for e in findings[0].evidence] == [(1, "mapped"), (2, "unmapped")]
    assert judge(story, "DMA006")[0] is Verdict.PASS


def test_mapping_again_after_an_unmap_passes_dma010() -> None:
    story = Story().probe().map(0x1000, 256).unmap(0x1000, 256).map(0x1000, 256)
    assert judge(story.unmap(0x1000, 256), "DMA010")[0] is Verdict.PASS


def test_mappings_held_at_unbind_break_dma011_once_per_site() -> None:
    story = Story().probe()
    for page in range(20):
        story.map(0x1000 * (page + 1), 2048, site="e1000_alloc_rx_buffers+0x1f0")
    story.alloc(0x90000, 4096, site="e1000_setup_tx+0x44").remove().unbound()
    verdict, findings = judge(story, "DMA011")
    assert verdict is Verdict.FAIL
    assert sorted(f.signature for f in findings) == [
        "DMA011:mapped=e1000_alloc_rx_buffers [e1000]",
        "DMA011:mapped=e1000_setup_tx [e1000]",
    ]
    assert "20 x mapping" in next(f.message for f in findings if "rx" in f.site)


def test_what_devres_frees_after_remove_is_no_leak() -> None:
    story = Story().probe().alloc(0x8000, 4096).remove().free(0x8000, 4096).unbound()
    assert judge(story, "DMA011")[0] is Verdict.PASS


def test_blocks_of_a_destroyed_pool_are_no_leak() -> None:
    story = Story().probe().pool_create(1, 64).alloc(0x8000, 4096, flavour="POOL")
    story.pool_alloc(1, 0x8000, 64).free(0x8000, 4096, flavour="POOL").pool_destroy(1)
    assert judge(story.remove().unbound(), "DMA011")[0] is Verdict.PASS


def test_a_failed_map_holds_nothing() -> None:
    story = Story().probe().map(2**64 - 1, 256, status="FAILED").remove().unbound()
    assert judge(story, "DMA011")[0] is Verdict.PASS


def test_freeing_nothing_is_legal() -> None:
    assert judge(Story().probe().free(0, 4096), "DMA006")[0] is Verdict.VACUOUS


def test_a_scatterlist_is_unmapped_segment_by_segment() -> None:
    segments = [(0x1000, 512), (0x5000, 4096)]
    story = Story().probe().map_sg(segments).unmap_sg(segments).remove().unbound()
    assert [judge(story, rule)[0] for rule in RULES] == [Verdict.PASS] * 4


def test_a_driver_bound_before_recording_is_not_accused() -> None:
    story = Story().unmap(0x1000, 256).remove().unbound()
    assert [judge(story, rule) for rule in RULES] == [(Verdict.UNKNOWN, [])] * 4


def test_after_loss_an_unknown_unmap_is_not_accused_until_the_next_probe() -> None:
    story = Story().probe().map(0x1000, 256).unmap(0x1000, 256).loss(3).unmap(0x2000, 64)
    assert judge(story, "DMA006") == (Verdict.UNKNOWN, [])
    story.remove().unbound().probe().unmap(0x3000, 64)
    verdict, findings = judge(story, "DMA006")
    assert (verdict, [f.seq for f in findings]) == (Verdict.FAIL, [11])


@pytest.mark.parametrize("hook", [b"dma_map_page_attrs", b""])
def test_a_missing_hook_makes_the_dma_rules_unknown(hook: bytes) -> None:
    story = Story().loss(0, cause="NOT_HOOKED", payload=hook).probe().unmap(0x1000, 256)
    assert judge(story.remove().unbound(), "DMA006") == (Verdict.UNKNOWN, [])


def test_each_function_has_mappings_of_its_own() -> None:
    story = Story().probe().map(0x1000, 64).function("0000:00:04.0", driver="nvme").probe()
    story.unmap(0x1000, 64)
    assert judge(story, "DMA006", "0000:00:04.0")[0] is Verdict.FAIL
    assert judge(story, "DMA006", "0000:00:03.0")[0] is Verdict.VACUOUS
