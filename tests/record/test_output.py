# SPDX-License-Identifier: Apache-2.0
"""The file of a recording: numbering, metadata, snapshot length."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import uvtrace
from tests.record.rings import RingStory
from uvtrace.record.consumer import Consumer
from uvtrace.record.output import CHUNK_BYTES, Output
from uvtrace.record.session import Drain, NoProgress
from uvtrace.trace.enums import Kind, Topic

FUNCTIONS = [("0000:00:10.0", "e1000, 8086:100e 82540EM")]


def opened(path: Path, snaplen: int | None = None) -> Output:
    return Output(
        path,
        functions=FUNCTIONS,
        os_release="6.1.0",
        command="ping host",
        clock_offset_ns=4_000,
        snaplen=snaplen,
    )


def recorded(story: RingStory, path: Path, snaplen: int | None = None) -> Output:
    with opened(path, snaplen) as output:
        Drain(Consumer(story.ring, functions=1), output, NoProgress()).finish()
    return output


def test_numbers_run_on_and_loss_leaves_a_gap(tmp_path: Path) -> None:
    story = RingStory().write().loss(10).write().pad().write()
    output = recorded(story, tmp_path / "run.pcapng")
    trace = uvtrace.open(tmp_path / "run.pcapng")
    assert list(trace.column("seq")) == [0, 1, 12, 13]
    assert (output.records, output.lost) == (4, 10)
    assert output.kinds == {Kind.MMIO_READ: 3, Kind.LOSS: 1}


def test_long_metadata_comes_in_chunks_and_is_read_back_whole(tmp_path: Path) -> None:
    text = "é" * CHUNK_BYTES + "end"
    with opened(tmp_path / "run.pcapng") as output:
        output.write_json(Topic.SESSION, {"tool": "uvtrace", "command": ["ping"]})
        output.write_text(Topic.CONSOLE, text)
        output.write_json(Topic.RESULT, {"exit_code": 3})
    trace = uvtrace.open(tmp_path / "run.pcapng")
    assert len(trace) == 5
    assert trace.metadata.session["command"] == ["ping"]
    assert trace.metadata.console == text
    assert trace.metadata.result["exit_code"] == 3


def test_the_snapshot_length_cuts_data_and_spares_what_explains(tmp_path: Path) -> None:
    story = RingStory(256)
    story.write(Kind.MEMORY, payload=b"m" * 1000).write(Kind.SNAPSHOT, payload=b"s" * 1000)
    recorded(story, tmp_path / "run.pcapng", snaplen=128 + 40)
    trace = uvtrace.open(tmp_path / "run.pcapng")
    assert trace.payload(0) == b"m" * 40
    assert trace.payload(1) == b"s" * 1000
    assert list(trace.column("payload")) == [1000, 1000]


def test_the_file_is_valid_after_every_batch(tmp_path: Path) -> None:
    path = tmp_path / "run.pcapng"
    story, output = RingStory(), opened(path)
    drain = Drain(Consumer(story.ring, functions=1), output, NoProgress())
    for number in range(1, 4):
        story.write()
        drain.step()
        trace = uvtrace.open(path)
        assert len(trace) == number
        assert trace.damage is None


@pytest.mark.parametrize("suffix", ["", ".zst", ".gz"])
def test_functions_and_times_reach_the_file(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"run.pcapng{suffix}"
    recorded(RingStory().write(time_ns=77), path)
    trace = uvtrace.open(path)
    assert [(f.name, f.driver) for f in trace.functions] == [("0000:00:10.0", "e1000")]
    assert np.array_equal(trace.column("time_ns"), [77])
