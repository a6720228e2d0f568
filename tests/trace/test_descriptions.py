# SPDX-License-Identifier: Apache-2.0
"""The line that a driver developer reads, for every kind."""

from __future__ import annotations

import pytest

from tests.story import Story
from uvtrace.trace import enums, texts
from uvtrace.trace.descriptions import line, summary
from uvtrace.trace.enums import Kind

XMIT = "e1000_xmit_frame+0x5d0"
LINES = [
    (
        Story().mmio_write("0x3818", 0x1C, site=XMIT),
        "MMIO write BAR0+0x3818 (4) = 0x0000001c   e1000_xmit_frame+0x5d0 [e1000]",
    ),
    (Story().mmio_read(8, 3, width=8, ip=0), "MMIO read BAR0+0x8 (8) = 0x0000000000000003, 900 ns"),
    (Story().mmio_write(0, 1, bar=0xFF, address=0x99, ip=0), "MMIO write 0x99 (4) = 0x00000001"),
    (Story().pio_write(4, 1, width=1, ip=0), "port write BAR1+0x4 (1) = 0x01"),
    (Story().config_write(4, 7, ip=0), "config write 0x04 Command (2) = 0x0007"),
    (Story().config_read(0x44, 7, ip=0), "config read 0x44 (4) = 0x00000007"),
    (
        Story().mmio_write(0, 1, string_index=2, string_count=16, ip=0),
        "MMIO write BAR0+0x0 (4) = 0x00000001, 3 of 16",
    ),
    (
        Story().mmio_read(0, status="REFUSED", flags="STALE", duration_ns=0, ip=0),
        "MMIO read BAR0+0x0 (4) = 0x00000000 [not let onto the bus; after iounmap, not executed]",
    ),
    (
        Story().mmio_read(
            0, flags="UNDECODED", insn=b"\x0f\x0b".ljust(16), insn_length=2, duration_ns=0, ip=0
        ),
        "MMIO read BAR0+0x0 (4) = unknown (0f 0b) [not decoded]",
    ),
    (Story().dma_read(0x1000, 64, requester=0x18), "DMA read 0x1000 (64) by 00:03.0"),
    (Story().dma_write(0x1000, 64), "DMA write 0x1000 (64)"),
    (Story().msix(3), "MSI-X vector 3, 0x4024 to 0xfee00000"),
    (Story().intx_assert(), "INTx assert"),
    (
        Story().handler_enter(24, type="MSIX", vector=1, ip=0),
        "handler enter 24 (MSI-X vector 1) e1000_intr+0x0 [e1000]",
    ),
    (
        Story().handler_exit(11, 0, duration_ns=1500, ip=0),
        "handler exit 11 (INTx, shared): not ours, 1.5 µs",
    ),
    (Story().map(0x1000, 256, ip=0), "map 0x1000 (256) TO_DEVICE"),
    (
        Story().map(0, 256, status="FAILED", result=-12, ip=0),
        "map 0x0 (256) TO_DEVICE failed: -12 ENOMEM",
    ),
    (
        Story().map_sg([(0x1000, 8), (0x2000, 9)], ip=0),
        "map 0x1000 (8) TO_DEVICE scatterlist, segment 1 of 2",
    ),
    (Story().sync_for_cpu(0x1000, 8, ip=0), "sync for CPU 0x1000 (8) FROM_DEVICE"),
    (Story().memory(0x1000, b"\1\2", ip=0), "memory 0x1000 (2): 01 02"),
    (Story().memory(0x1000, b"\1\2", value=1, ip=0), "memory 0x1000 (2) for the device: 01 02"),
    (Story().memory(0x1000, b"\1\2", value=2, ip=0), "memory 0x1000 (2) for the CPU: 01 02"),
    (Story().iomap(ip=0), "iomap BAR0 (0x20000) at 0xfeb80000, uncached"),
    (Story().vector_alloc(2, ip=0), "vector alloc: 2 MSI-X, at least 1"),
    (
        Story().irq_request(11, status="FAILED", result=-16, ip=0),
        "request irq 11 (INTx, shared) e1000_intr+0x0 [e1000] failed: -16 EBUSY",
    ),
    (Story().dma_mask(32, ip=0), "DMA mask 0xffffffff (32 bits)"),
    (Story().segment_limit(65536, ip=0), "segment limit 65536, boundary 0xffffffff"),
    (Story().probe(ip=0), "probe by e1000 begins"),
    (Story().probe_failed(ip=0), "probe by e1000 failed: -19 ENODEV"),
    (Story().bind(ip=0), "bound to e1000"),
    (Story().remove(ip=0), "remove begins"),
    (Story().unbound(ip=0), "unbound"),
    (Story().power(0, 3, ip=0), "power D0 to D3hot"),
    (Story().error(0x4000, 1, ip=0), "AER error, fatal, status 0x4000"),
    (
        Story().module_load("e1000", b"\xab\xcd"),
        "module load e1000 as 1 (1048576 bytes of text), build ID abcd",
    ),
    (Story().snapshot_driver(), "snapshot: driver none"),
    (Story().snapshot_bars(), "snapshot: BAR0 0xfeb80000 (0x20000), BAR1 0xc000 (0x40)"),
    (Story().snapshot_delays(10, 100), "snapshot: delays D3hot 10 ms, D3cold 100 ms"),
    (Story().mark("here"), "mark: here"),
    (Story().loss(5), "loss: 5 records, ring full"),
    (
        Story().loss(0, "NOT_HOOKED", payload=b"dma_map_sg"),
        "loss: this kernel lacks a hook: dma_map_sg",
    ),
    (
        Story().loss(0, "NOT_TRAPPED", address=0x1000, length=0x100),
        "loss: a mapping was left alone: 0x1000 (0x100)",
    ),
    (
        Story().loss(1, "MEMORY", address=0x1000, length=16, payload=b"it cannot be read"),
        "loss: contents of memory were not recorded: 0x1000 (16): it cannot be read",
    ),
]


@pytest.mark.parametrize(("story", "expected"), LINES, ids=[expected for _, expected in LINES])
def test_a_record_reads_as(story: Story, expected: str) -> None:
    assert line(story.trace(), 0) == expected


@pytest.mark.parametrize("kind", [kind for kind in Kind if kind < Kind.PAD])
def test_every_kind_has_a_line_that_begins_with_its_name(kind: Kind) -> None:
    told = summary(Story().record(kind, ip=0).trace(), 0)
    first = texts.kind_text(kind).split()[0]
    expected = {"bind": "bound", "unbind": "remove"}.get(first, first)
    assert told.startswith(expected)


def test_an_unknown_kind_is_told_by_its_number() -> None:
    assert "kind 99 of version 1" in line(Story().record(99).trace(), 0)


def test_text_from_a_trace_cannot_reach_the_terminal_s_controls() -> None:
    told = line(Story().mark("red \x1b[31m\r\n\u202e\u2028end").trace(), 0)
    assert told == r"mark: red \x1b[31m\r\n\u202e\u2028end"
    assert told.isprintable()


def test_a_long_text_is_cut() -> None:
    assert line(Story().mark("x" * 5000).trace(), 0) == "mark: " + "x" * 119 + "…"


def test_every_known_number_has_a_text_and_an_unknown_one_is_told_as_a_number() -> None:
    tables = {
        texts.kind_text: enums.Kind,
        texts.phase_text: enums.Phase,
        texts.status_text: enums.Status,
        texts.flavour_text: enums.Flavour,
        texts.direction_text: enums.Direction,
        texts.memory_type_text: enums.MemoryType,
        texts.irq_type_text: enums.IrqType,
        texts.memory_moment_text: enums.MemoryMoment,
        texts.snapshot_text: enums.Snapshot,
        texts.topic_text: enums.Topic,
        texts.loss_cause_text: enums.LossCause,
    }
    for text, enum in tables.items():
        assert len({text(int(number)) for number in enum}) == len(enum)
        assert "200" in text(200)


def test_flags_are_named_and_an_unknown_bit_is_numbered() -> None:
    assert texts.flag_names(0x3 | 1 << 31) == ("HARDIRQ", "SOFTIRQ", "bit 31")
