# SPDX-License-Identifier: Apache-2.0
"""A recording on a timeline: nothing is lost, nothing overlaps, arrows lead to handlers."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest

import uvtrace
from tests.perfetto.timeline import Timeline, read_timeline, tracks_of
from tests.story import Story
from uvtrace.perfetto.export import to_perfetto
from uvtrace.trace.enums import Flag, Kind, Phase
from uvtrace.trace.trace import Trace

TRACES = Path(__file__).parents[2] / "traces"
REGISTERS = {"STATUS": 0x8, "TDT": 0x3818}


def timeline_of(trace: Trace) -> Timeline:
    file = io.BytesIO()
    to_perfetto(trace, file)
    return read_timeline(file.getvalue())


def card() -> Story:
    return Story(registers=REGISTERS, start_ns=1_000_000_000, step_ns=10_000).begin()


def test_a_read_lasts_as_long_as_it_took_and_a_write_is_an_instant() -> None:
    story = card().mmio_read("STATUS", 5, duration_ns=800, tid=7).mmio_write("TDT", 3, tid=7)
    told = timeline_of(story.trace())
    (read,) = told.named("read STATUS")
    assert read.ends - read.begins == 800
    assert (read.track, read.group) == ("thread 7", "threads")
    assert read.about["value"] == 5
    assert read.about["site"] == "e1000_mmio_read+0x10 [e1000]"
    (write,) = told.named("write TDT")
    assert write.is_instant


def test_what_a_handler_does_lies_within_its_slice_on_its_cpu() -> None:
    story = card().handler_enter(20, cpu=1, handler="e1000_intr+0x0")
    story.mmio_read("STATUS", 1, duration_ns=500, cpu=1, flags=Flag.HARDIRQ)
    told = timeline_of(story.handler_exit(20, cpu=1).trace())
    (handler,), (read,) = told.named("handler e1000_intr"), told.named("read STATUS")
    assert handler.track == read.track == "CPU 1"
    assert (handler.depth, read.depth) == (0, 1)
    assert handler.begins <= read.begins <= read.ends <= handler.ends


def test_a_read_that_a_handler_interrupts_encloses_it() -> None:
    story = card().handler_enter(20, cpu=0).handler_exit(20, cpu=0)
    story.mmio_read("STATUS", 1, duration_ns=25_000, flags=Flag.SOFTIRQ)
    told = timeline_of(story.trace())
    (read,) = told.named("read STATUS")
    assert [each.depth for each in told.on("CPU 0")] == [0, 1]
    assert read.ends - read.begins == 25_000


def test_a_read_that_seems_to_begin_before_its_handler_is_cut() -> None:
    story = card().handler_enter(20, cpu=0)
    story.mmio_read("STATUS", 1, duration_ns=25_000, flags=Flag.HARDIRQ).handler_exit(20, cpu=0)
    told = timeline_of(story.trace())
    (read,) = told.named("read STATUS")
    assert read.ends - read.begins == 10_000
    assert read.depth == 1


def test_mappings_last_from_map_to_unmap_and_overlap_in_lanes() -> None:
    story = card().map(0x1000, 256).map(0x2000, 64).unmap(0x1000, 256).map(0x3000, 32)
    told = timeline_of(story.unmap(0x2000, 64).unmap(0x3000, 32).trace())
    mappings = told.on("streaming mappings")
    assert [(each.about["address"], each.ends - each.begins) for each in mappings] == [
        (0x1000, 20_000),
        (0x3000, 20_000),
        (0x2000, 30_000),
    ]
    (counted,) = told.counters.values()
    assert [value for _, value in counted] == [256, 320, 64, 96, 32, 0]


def test_what_never_ends_ends_with_the_recording() -> None:
    story = Story(start_ns=1_000_000_000).map(0x1000, 256).iomap()
    told = timeline_of(story.mmio_write(0x10, 1).record(Kind.MARK, payload=b"end").trace())
    (mapping,), (window,) = told.on("streaming mappings"), told.on("windows")
    last = told.on("thread 0")[0]
    assert mapping.begins < window.begins < mapping.ends == window.ends
    assert window.ends >= last.begins


def test_an_arrow_leads_from_the_interrupt_to_its_handler() -> None:
    story = card().intx_assert().handler_enter(20).handler_exit(20).intx_deassert()
    told = timeline_of(story.trace())
    (asserted,) = told.named("INTx assert")
    (handler,) = (each for each in told.slices if each.name.startswith("handler"))
    assert asserted.flows == handler.flows != ()


def test_requests_and_completions_are_slices() -> None:
    story = card().mmio_read("STATUS", phase="REQUEST", tag=3, tid=5)
    story.dma_read(0x1000, 64, phase="REQUEST", tag=9)
    story.dma_read(0x1000, 64, phase="COMPLETION", tag=9)
    story.mmio_read("STATUS", 1, phase="COMPLETION", tag=3, tid=0)
    told = timeline_of(story.trace())
    (read,), (dma,) = told.named("read STATUS"), told.on("device requests")
    assert (read.track, read.ends - read.begins) == ("thread 5", 30_000)
    assert (dma.name, dma.ends - dma.begins) == ("DMA read", 10_000)


def test_the_driver_probes_is_bound_and_removes() -> None:
    story = card().probe().mmio_write("TDT", 1).bind().mmio_write("TDT", 2)
    told = timeline_of(story.remove().unbound().trace())
    assert [each.name for each in told.on("driver's life")] == ["probe", "bound", "remove"]


def test_marks_bear_their_text_in_one_line() -> None:
    told = timeline_of(card().mark("calls\x1b[2J\nping").trace())
    assert [each.name for each in told.on("mark")] == ["calls\\x1b[2J\\nping"]


def test_the_clock_is_that_of_the_recording_and_knows_the_time_of_day() -> None:
    trace = uvtrace.open(TRACES / "e1000-6.12.pcapng.zst")
    told = timeline_of(trace)
    first = int(np.flatnonzero(trace.column("kind") == Kind.PROBE)[0])
    assert told.clocks[1] - told.clocks[6] == trace.wall_time_ns(first) - int(  # type: ignore[operator]
        trace[first]["time_ns"]
    )


@pytest.mark.parametrize(
    "recording",
    ["e1000-6.12", "model-e1000-6.12", "nvme-6.12", "pcnet32-6.12", "faulty/edu-6.12"],
)
def test_a_whole_recording_is_on_the_timeline(recording: str) -> None:
    trace = uvtrace.open(TRACES / f"{recording}.pcapng.zst")
    told = timeline_of(trace)
    kind, phase = trace.column("kind"), trace.column("phase")
    near = (trace.column("flags") & np.uint32(Flag.FAR)) == 0
    for wanted, prefix in ((Kind.MMIO_READ, "read "), (Kind.MMIO_WRITE, "write ")):
        there = int(np.count_nonzero((kind == wanted) & (phase != Phase.REQUEST) & near))
        ports = int(np.count_nonzero((kind == wanted + 2) & (phase != Phase.REQUEST) & near))
        shown = [each for each in told.slices if each.name.startswith(prefix)]
        shown = [each for each in shown if not each.name.endswith(" arrives")]
        assert len(shown) == there + ports
    handlers = [each for each in told.slices if each.name.startswith("handler ")]
    assert len(handlers) == int(np.count_nonzero(kind == Kind.HANDLER_ENTER))
    made = {"streaming": Kind.MAP, "coherent": Kind.ALLOC, "pool": Kind.POOL_ALLOC}
    for family, wanted in made.items():
        mapped = (kind == wanted) & (trace.column("status") != 9)
        assert tracks_of(told)[f"{family} mappings"] == int(np.count_nonzero(mapped))


def test_hardly_any_read_is_cut_to_fit() -> None:
    trace = uvtrace.open(TRACES / "e1000-6.12.pcapng.zst")
    durations = dict(
        zip(trace.column("seq").tolist(), trace.column("duration_ns").tolist(), strict=True)
    )
    reads = [each for each in timeline_of(trace).slices if each.name.startswith("read ")]
    whole = [each for each in reads if each.ends - each.begins == durations[each.about["seq"]]]
    assert len(whole) > 0.99 * len(reads)
