# SPDX-License-Identifier: Apache-2.0
"""Which records minimising leaves of faults planted in a real recording, and in how many tests.

The recording is one of the stock e1000 driver: 17,555 events.
"""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest

import uvtrace
from benchmarks import looped
from tests.quality.planting import TRACES, Planting
from uvtrace.check.engine import check, checker_of
from uvtrace.check.explain import first_of_each
from uvtrace.check.results import Finding
from uvtrace.check.rules import Selection
from uvtrace.minimize.minimize import Minimal, minimize, nothing_new
from uvtrace.minimize.written import small_trace
from uvtrace.replay.api import replay
from uvtrace.trace import descriptions
from uvtrace.trace.enums import Flag, Kind, Phase
from uvtrace.trace.layout import make_records
from uvtrace.trace.slice import slice_trace
from uvtrace.trace.trace import Trace
from uvtrace.trace.writer import PcapngWriter

RECORDING = "e1000-6.12.pcapng.zst"
TESTS_MAX = 40
NO_DRIVER = "snapshot: driver none"
CONFIG = "snapshot: config space, 256 bytes"
BAR0 = 0xFEBC0000
TDBAL, TDT = BAR0 + 0x3800, BAR0 + 0x3818


def minimised(trace: Trace, finding: Finding) -> Minimal:
    return minimize(trace, finding, checker_of(trace, selection=Selection((finding.rule,))))


def left_of(planting: Planting, rule: str) -> tuple[list[str], int]:
    """What the records say that are left of the first finding of a rule, and the tests it took."""
    trace = planting.trace()
    finding = next(each for each in check(trace).findings if each.rule == rule)
    minimal = minimised(trace, finding)
    assert not minimal.stopped
    told = [
        descriptions.summary(trace[position : position + 1], 0)
        for position in minimal.kept.tolist()
    ]
    return told, minimal.tests


@pytest.fixture
def planting() -> Planting:
    return Planting(RECORDING)


def test_a_read_after_unmap_needs_the_map_the_unmap_and_the_read(planting: Planting) -> None:
    unmap = planting.nth(Kind.UNMAP, 300)
    address = planting.field(unmap, "address")
    planting.happens(unmap, Kind.DMA_READ, phase=Phase.WHOLE, address=address, length=64)
    assert left_of(planting, "DMA002") == (
        [
            # That the driver was not there before tells that no mapping was missed.
            NO_DRIVER,
            "map 0x30aadc0 (1522) FROM_DEVICE",
            "unmap 0x30aadc0 (1522) FROM_DEVICE",
            "DMA read 0x30aadc0 (64)",
        ],
        6,
    )


def test_a_write_to_what_the_device_may_only_read_needs_its_map(planting: Planting) -> None:
    made = planting.nth(Kind.MAP, -1, length=90)
    address = planting.field(made, "address")
    planting.happens(made, Kind.DMA_WRITE, phase=Phase.POSTED, address=address, length=64)
    assert left_of(planting, "DMA004") == (
        ["map 0x29bf002 (90) TO_DEVICE", "DMA write 0x29bf002 (64)"],
        1,
    )


def test_dma_without_bus_mastering_needs_the_writes_that_set_and_cleared_it_and_its_map(
    planting: Planting,
) -> None:
    made = planting.nth(Kind.MAP, 400)
    address = planting.field(made, "address")
    planting.again(made - 50, planting.nth(Kind.CONFIG_WRITE, 0), value=0x103)
    planting.happens(made, Kind.DMA_READ, phase=Phase.WHOLE, address=address, length=64)
    assert left_of(planting, "CFG003") == (
        [
            "config write 0x04 Command (2) = 0x0107",
            "config write 0x04 Command (2) = 0x0103",
            # Without it the read would be one of memory that was never mapped.
            "map 0x2992640 (1522) FROM_DEVICE",
            "DMA read 0x2992640 (64)",
        ],
        1,
    )


def test_a_handler_after_free_irq_needs_the_request_and_the_free(planting: Planting) -> None:
    freed = planting.nth(Kind.IRQ_FREE, -1)
    planting.again(freed, planting.nth(Kind.HANDLER_ENTER, -1))
    assert left_of(planting, "IRQ006") == (
        [
            NO_DRIVER,
            "request irq 20 (INTx, shared) e1000_intr+0x0 [e1000]",
            "request irq 20 (INTx, shared) e1000_intr+0x0 [e1000]",
            "free irq 20 (INTx, shared) e1000_intr+0x0 [e1000]",
            "handler enter 20 (INTx, shared) e1000_intr+0x0 [e1000]",
        ],
        6,
    )


def test_an_access_after_iounmap_needs_the_iounmap(planting: Planting) -> None:
    gone = planting.nth(Kind.IOUNMAP, -1)
    planting.again(gone, planting.nth(Kind.MMIO_READ, -1), flags=Flag.STALE)
    assert left_of(planting, "ADR004") == (
        [
            "iounmap BAR0 (0x20000) at 0xfebc0000",
            "MMIO read BAR0+0x8 (4) = 0x80080781, 802 ns [after iounmap, not executed]",
        ],
        1,
    )


def test_an_unmap_that_is_too_short_needs_its_map(planting: Planting) -> None:
    unmap = planting.nth(Kind.UNMAP, 100)
    planting.change(unmap, length=1520)
    assert left_of(planting, "DMA007") == (
        [
            NO_DRIVER,
            "map 0x2aa7140 (1522) FROM_DEVICE",
            "unmap 0x2aa7140 (1520) FROM_DEVICE",
        ],
        6,
    )


def test_a_second_unmap_needs_the_map_and_the_first(planting: Planting) -> None:
    unmap = planting.nth(Kind.UNMAP, 200)
    planting.again(unmap, unmap)
    assert left_of(planting, "DMA010") == (
        [
            NO_DRIVER,
            "map 0x30880c0 (1522) FROM_DEVICE",
            "unmap 0x30880c0 (1522) FROM_DEVICE",
            "unmap 0x30880c0 (1522) FROM_DEVICE",
        ],
        6,
    )


def test_a_leaked_mapping_needs_its_map_and_the_unbinding(planting: Planting) -> None:
    planting.leave_out(planting.nth(Kind.UNMAP, -1))
    assert left_of(planting, "DMA011") == (
        [NO_DRIVER, "map 0x2fdf140 (1522) FROM_DEVICE", "unbound"],
        6,
    )


def test_a_leaked_interrupt_needs_its_request_and_the_unbinding(planting: Planting) -> None:
    planting.leave_out(planting.nth(Kind.IRQ_FREE, -1))
    assert left_of(planting, "RES002") == (
        [
            "request irq 20 (INTx, shared) e1000_intr+0x0 [e1000]",
            "request irq 20 (INTx, shared) e1000_intr+0x0 [e1000]",
            "unbound",
        ],
        1,
    )


def test_an_access_with_memory_decoding_off_needs_what_switched_it_off(planting: Planting) -> None:
    read = planting.nth(Kind.MMIO_READ, 7000)
    write = planting.nth(Kind.CONFIG_WRITE, 0)
    planting.again(read - 1, write, value=0x105).again(read, write)
    assert left_of(planting, "CFG001") == (
        [
            CONFIG,
            "config write 0x04 Command (2) = 0x0105",
            "MMIO read BAR0+0x8 (4) = 0x80080783, 170 ns",
        ],
        1,
    )


def test_what_is_left_out_makes_nothing_else_look_wrong() -> None:
    """Without the write that switched decoding off, BARs would seem to be sized with it on."""
    trace = uvtrace.open(TRACES / "faulty" / "nvme-6.12.pcapng.zst")
    whole = checker_of(trace)
    findings = whole.check(trace).findings
    finding = next(each for each in findings if each.rule == "CFG009")
    own = checker_of(trace, selection=Selection(("CFG009",)))
    plain = minimize(trace, finding, own)
    known = {each.signature for each in findings}
    honest = minimize(trace, finding, own, also=nothing_new(whole, known))
    assert set(small_trace(trace, plain, whole).found) - known
    assert not set(small_trace(trace, honest, whole).found) - known
    (added,) = set(honest.kept.tolist()) - set(plain.kept.tolist())
    told = descriptions.summary(trace[added : added + 1], 0)
    assert told == "config write 0x04 Command (2) = 0x0105"
    assert honest.tests <= TESTS_MAX


def test_a_forbidden_step_of_a_contract_needs_the_probe_that_began_it(planting: Planting) -> None:
    """The driver tells of a descriptor before it has told where the ring is."""
    ring = planting.nth(Kind.MMIO_WRITE, 0, address=TDBAL)
    tail = planting.nth(Kind.MMIO_WRITE, 5, address=TDT)
    planting.again(ring - 3, tail)
    assert left_of(planting, "FSM001") == (
        ["probe by e1000 begins", "MMIO write BAR0+0x3818 (4) = 0x00000005"],
        1,
    )


@pytest.mark.long
def test_a_part_that_a_model_confirms_holds_what_makes_the_device_do_it() -> None:
    """A driver of uvnic1 maps a frame that it sends FROM_DEVICE; the device reads it."""
    planting = Planting("model-uvnic1-6.12.pcapng.zst")
    made = planting.map_other_way(40)
    trace = planting.trace()
    finding = next(each for each in check(trace).findings if each.rule == "DMA004")
    own = checker_of(trace, selection=Selection(("DMA004",)))
    minimal = minimize(trace, finding, own, confirm="model:uvnic1")
    assert not minimal.stopped
    assert made in minimal.kept
    assert trace.column("kind")[minimal.kept].tolist() == [
        *(Kind.ALLOC, Kind.MMIO_WRITE, Kind.MAP, Kind.UNMAP, Kind.MAP, Kind.MMIO_WRITE),
        *(Kind.DMA_READ, Kind.DMA_READ, Kind.DMA_READ),
    ]
    outcome = replay(slice_trace(trace, minimal.kept), "model:uvnic1")
    assert outcome.agrees
    assert sum(outcome.agreed.values()) == 2


@pytest.mark.long
@pytest.mark.parametrize("recording", ["edu", "e1000e", "nvme"])
def test_every_planted_fault_of_the_kernel_module_becomes_small(recording: str) -> None:
    trace = uvtrace.open(TRACES / "faulty" / f"{recording}-6.12.pcapng.zst")
    for finding in first_of_each(check(trace).findings)[0]:
        minimal = minimised(trace, finding)
        # A storm, a poll and a growth are many events by their nature.
        limit = len(trace) if finding.rule in ("DMA026", "IRQ007", "PWR008") else 10
        assert len(minimal.kept) <= limit, finding.signature
        assert minimal.tests <= TESTS_MAX, finding.signature
        assert not minimal.stopped, finding.signature


def planted_at_the_end_of(path: Path, total: int) -> int:
    """Write a long trace whose device reads a buffer after its last unmap; the records it has."""
    parts = looped.parts_of([TRACES / RECORDING])
    rounds = list(looped.rounds(parts, total))
    count = 0
    with PcapngWriter(path, functions=parts[0].functions) as writer:
        for number, (records, payloads) in enumerate(rounds):
            if number == len(rounds) - 1:
                unmap = int(np.flatnonzero(records["kind"] == Kind.UNMAP)[-1])
                read = make_records(1, kind=Kind.DMA_READ, function=0, phase=Phase.WHOLE, length=64)
                for name in ("address", "time_ns"):
                    read[name] = records[name][unmap]
                records = np.insert(records, unmap + 1, read)
                records["seq"] = np.arange(count, count + len(records))
            writer.write(records, payloads)
            count += len(records)
    return count


@pytest.mark.long
def test_a_million_records_become_four_within_a_minute(tmp_path: Path) -> None:
    assert planted_at_the_end_of(tmp_path / "long.pcapng", 1_000_000) > 1_000_000
    trace = uvtrace.open(tmp_path / "long.pcapng")
    finding = next(each for each in check(trace).findings if each.rule == "DMA002")
    # What compiling takes is nothing that grows with a trace: the second time it is done.
    minimised(trace, finding)
    begun = time.monotonic()
    minimal = minimised(trace, finding)
    assert time.monotonic() - begun < 60
    assert minimal.tests <= TESTS_MAX
    kinds = trace.column("kind")[minimal.kept].tolist()
    assert kinds == [Kind.SNAPSHOT, Kind.MAP, Kind.UNMAP, Kind.DMA_READ]
