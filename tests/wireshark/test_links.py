# SPDX-License-Identifier: Apache-2.0
"""What the dissector tells of one record because of others."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.wireshark.story import Story, tshark_rows
from uvtrace.trace.enums import Kind, Phase
from uvtrace.trace.layout import site


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "run.pcapng"


def _link(path: Path, field: str) -> dict[int, int]:
    """Frame to linked frame."""
    rows = tshark_rows(path, ["frame.number", field])
    return {int(row[0]): int(row[1]) for row in rows if len(row) > 1 and row[1]}


def test_a_request_and_its_completion_point_at_each_other_by_tag(path: Path) -> None:
    story = Story()
    first = story.add(Kind.DMA_READ, phase=Phase.REQUEST, tag=7, time_ns=1000)
    other = story.add(Kind.DMA_READ, phase=Phase.REQUEST, tag=8, time_ns=1500)
    late = story.add(Kind.DMA_READ, phase=Phase.COMPLETION, tag=8, time_ns=2000)
    done = story.add(Kind.DMA_READ, phase=Phase.COMPLETION, tag=7, time_ns=3_000_001_000)
    story.write(path)
    assert _link(path, "uvbus.request_in") == {late: other, done: first}
    assert _link(path, "uvbus.response_in") == {other: late, first: done}
    times = tshark_rows(path, ["uvbus.response_time"], f"frame.number == {done}")
    assert times == [["3.000000000"]]


def test_split_completions_all_point_at_the_request_and_it_at_the_first(path: Path) -> None:
    story = Story()
    request = story.add(Kind.DMA_READ, phase=Phase.REQUEST, tag=9)
    parts = [story.add(Kind.DMA_READ, phase=Phase.COMPLETION, tag=9) for _ in range(3)]
    story.write(path)
    assert _link(path, "uvbus.request_in") == dict.fromkeys(parts, request)
    assert _link(path, "uvbus.response_in") == {request: parts[0]}


def test_a_tag_pairs_within_its_function_and_kind_only(path: Path) -> None:
    story = Story()
    story.add(Kind.DMA_READ, phase=Phase.REQUEST, tag=7, function=0)
    story.add(Kind.DMA_READ, phase=Phase.COMPLETION, tag=7, function=1)
    story.add(Kind.MMIO_READ, phase=Phase.COMPLETION, tag=7, function=0)
    story.write(path)
    assert _link(path, "uvbus.request_in") == {}


def test_records_without_a_tag_are_not_paired(path: Path) -> None:
    story = Story()
    story.add(Kind.DMA_READ, phase=Phase.REQUEST)
    story.add(Kind.DMA_READ, phase=Phase.COMPLETION)
    story.write(path)
    assert _link(path, "uvbus.request_in") == {}


def test_the_exit_of_a_handler_points_at_its_entry(path: Path) -> None:
    story = Story()
    outer = story.add(Kind.HANDLER_ENTER, irq=11, tag=1)
    inner = story.add(Kind.HANDLER_ENTER, irq=12, tag=2)
    inner_exit = story.add(Kind.HANDLER_EXIT, irq=12, tag=2, result=1)
    outer_exit = story.add(Kind.HANDLER_EXIT, irq=11, tag=1, result=1)
    story.write(path)
    assert _link(path, "uvbus.request_in") == {inner_exit: inner, outer_exit: outer}
    assert _link(path, "uvbus.response_in") == {outer: outer_exit, inner: inner_exit}


def test_map_and_unmap_point_at_each_other_and_a_reused_address_starts_anew(path: Path) -> None:
    story = Story()
    old = story.map(0x7F3A000, 1514)
    old_end = story.unmap(0x7F3A000, 1514)
    new = story.map(0x7F3A000, 64)
    new_end = story.unmap(0x7F3A000, 64)
    story.write(path)
    assert _link(path, "uvbus.map_in") == {old_end: old, new_end: new}
    assert _link(path, "uvbus.unmap_in") == {old: old_end, new: new_end}


def test_of_several_mappings_of_one_address_an_unmap_ends_the_one_that_fits(path: Path) -> None:
    story = Story()
    small = story.map(0x5000, 64, direction=1)
    large = story.map(0x5000, 4096, direction=2)
    small_end = story.unmap(0x5000, 64, direction=1)
    large_end = story.unmap(0x5000, 4096, direction=2)
    story.write(path)
    assert _link(path, "uvbus.map_in") == {small_end: small, large_end: large}


def test_an_unmap_of_nothing_is_noted_and_linked_to_nothing(path: Path) -> None:
    story = Story()
    story.map(0x5000, 64, function=0)
    stray = story.unmap(0x5000, 64, function=1)
    story.write(path)
    assert _link(path, "uvbus.map_in") == {}
    noted = tshark_rows(path, ["frame.number"], "uvbus.expert.not_mapped")
    assert noted == [[str(stray)]]


def test_a_failed_map_opens_no_mapping(path: Path) -> None:
    story = Story()
    story.map(0x5000, 64, status=9, result=-12)
    story.unmap(0x5000, 64)
    story.write(path)
    assert _link(path, "uvbus.map_in") == {}


@pytest.mark.parametrize("length", [0x1000, 0x10_0000], ids=["one page", "256 pages"])
def test_accesses_and_syncs_within_a_mapping_point_at_its_map(path: Path, length: int) -> None:
    story = Story()
    whole = story.map(0x7F3A0010, length, direction=2)
    inside = story.add(Kind.DMA_WRITE, address=0x7F3A0010 + length - 1, length=1)
    outside = story.add(Kind.DMA_WRITE, address=0x7F3A0010 + length, length=1)
    sync = story.add(Kind.SYNC_FOR_CPU, address=0x7F3A0110, length=64)
    end = story.unmap(0x7F3A0010, length, direction=2)
    late = story.add(Kind.DMA_WRITE, address=0x7F3A0010, length=1)
    story.write(path)
    assert _link(path, "uvbus.map_in") == {inside: whole, sync: whole, end: whole}
    assert outside not in _link(path, "uvbus.map_in")
    assert late not in _link(path, "uvbus.map_in")


def test_addresses_above_53_bits_are_told_apart(path: Path) -> None:
    story = Story()
    first = story.map(0xFFFF_FFFF_FFFF_F000, 16)
    second = story.map(0xFFFF_FFFF_FFFF_F001, 16)
    second_end = story.unmap(0xFFFF_FFFF_FFFF_F001, 16)
    first_end = story.unmap(0xFFFF_FFFF_FFFF_F000, 16)
    story.write(path)
    assert _link(path, "uvbus.map_in") == {second_end: second, first_end: first}


def test_accesses_and_iounmap_point_at_the_iomap_they_go_through(path: Path) -> None:
    story = Story()
    iomap = story.add(Kind.IOMAP, phase=Phase.COMPLETION, mapping=3, bar=0, trapped=1)
    write = story.mmio_write(0x10, 1, mapping=3)
    foreign = story.mmio_write(0x10, 1, mapping=4)
    iounmap = story.add(Kind.IOUNMAP, mapping=3, bar=0)
    story.write(path)
    assert _link(path, "uvbus.iomap_in") == {write: iomap, iounmap: iomap}
    assert _link(path, "uvbus.iounmap_in") == {iomap: iounmap}
    assert foreign not in _link(path, "uvbus.iomap_in")


def test_segments_of_one_call_point_at_its_first(path: Path) -> None:
    story = Story()
    segments = [
        story.map(0x1000 * i, 512, flavour=1, entry=i, entries=3, nents=3, tag=5) for i in range(3)
    ]
    story.write(path)
    assert _link(path, "uvbus.call_in") == dict.fromkeys(segments[1:], segments[0])


def test_a_site_has_the_name_that_a_later_record_tells(path: Path) -> None:
    story = Story()
    early = story.mmio_write(0x3818, 1, ip=site(1, 0x5D0), caller=site(2, 0x10))
    story.symbol(site(1, 0x5D0), "e1000_xmit_frame+0x5d0/0xdb0 [e1000]")
    story.add(Kind.MODULE_LOAD, index=2, function=0xFFFF, payload=b"usbcore")
    story.write(path)
    rows = tshark_rows(
        path, ["uvbus.site", "uvbus.caller_site", "uvbus.ip.module"], f"frame.number == {early}"
    )
    assert rows == [["e1000_xmit_frame+0x5d0 [e1000]", "0x10 [usbcore]", "1"]]


def test_missing_records_are_told_and_a_loss_record_accounts_for_its_own(path: Path) -> None:
    story = Story()
    story.mmio_write(0, 0, seq=0)
    story.add(Kind.LOSS, topic=1, value=10, seq=1)
    accounted = story.mmio_write(0, 0, seq=12)
    gap = story.mmio_write(0, 0, seq=15)
    story.write(path)
    assert tshark_rows(path, ["frame.number"], "uvbus.expert.lost") == [["2"]]
    assert tshark_rows(path, ["frame.number"], "uvbus.expert.gap") == [[str(gap)]]
    assert accounted != gap


def test_a_second_file_starts_without_the_first_ones_names(tmp_path: Path) -> None:
    named = Story()
    named.symbol(site(1, 0x10), "first_file+0x10/0x20 [one]")
    named.write(tmp_path / "first.pcapng")
    nameless = Story()
    nameless.mmio_write(0, 0, ip=site(1, 0x10))
    second = nameless.write(tmp_path / "second.pcapng")
    assert tshark_rows(second, ["uvbus.site"]) == [["0x10 [module 1]"]]
