# SPDX-License-Identifier: Apache-2.0
"""What reaches the file, and what is left of it when the writer is killed."""

from __future__ import annotations

import io
import signal
import struct
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from tests.mutations import split
from tests.story import Story
from uvtrace.errors import UvtraceError
from uvtrace.trace import sink
from uvtrace.trace.enums import Kind
from uvtrace.trace.functions import describe_function
from uvtrace.trace.layout import make_records
from uvtrace.trace.sequence import renumber
from uvtrace.trace.trace import open_bytes, open_trace
from uvtrace.trace.writer import BATCH, PcapngWriter

FUNCTIONS = [("0000:00:03.0", describe_function("e1000", 0x8086, 0x100E, "82540EM"))]
KILLED = """
import sys, numpy as np
from uvtrace.trace.layout import make_records
from uvtrace.trace.writer import PcapngWriter
writer = PcapngWriter(sys.argv[1], functions=[("0000:00:03.0", "e1000, 8086:100e")])
seq = 0
while True:
    records = make_records(500, kind=4, function=0, seq=np.arange(seq, seq + 500))
    writer.write(records, {7: bytes(range(100))})
    writer.flush()
    seq += 500
    if seq == 5000:
        print("go", flush=True)
"""


class Counting(io.BytesIO):
    """A file that counts the writes it gets, and whether each was whole blocks."""

    def __init__(self) -> None:
        super().__init__()
        self.sizes: list[int] = []

    def write(self, data: object, /) -> int:
        written = super().write(data)  # type: ignore[arg-type]
        self.sizes.append(written)
        return written


def test_a_batch_reaches_the_file_in_one_write_of_whole_blocks() -> None:
    file = Counting()
    writer = PcapngWriter(file, functions=FUNCTIONS)
    writer.write(make_records(100, kind=4, function=0), {3: b"abc"}, {4: "why"})
    assert len(file.sizes) == 2  # the headers, the batch
    assert sum(map(len, split(file.getvalue()))) == len(file.getvalue())


def test_a_large_write_is_encoded_in_bounded_batches() -> None:
    file = Counting()
    count = 2 * BATCH + 5
    with PcapngWriter(file, functions=FUNCTIONS) as writer:
        writer.write(make_records(count, kind=4, function=0, seq=np.arange(count)))
    assert file.sizes[1:] == [BATCH * 160, BATCH * 160, 5 * 160]
    assert (open_bytes(file.getvalue()).column("seq") == np.arange(count)).all()


@pytest.mark.parametrize("suffix", ["", ".gz", ".zst"])
def test_a_killed_writer_leaves_every_flushed_record(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"run.pcapng{suffix}"
    command = [sys.executable, "-c", KILLED, str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"go\n"
        time.sleep(0.05)
        process.kill()
    assert process.returncode == -signal.SIGKILL
    trace = open_trace(path)
    assert len(trace) >= 5000
    assert (trace.column("seq") == np.arange(len(trace))).all()
    assert trace.payload(507) == bytes(range(100))
    assert trace.damage is None or trace.damage.partial_tail


def test_a_disk_that_fills_up_leaves_whole_blocks_and_a_clear_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "run.pcapng"
    writer = PcapngWriter(path, functions=FUNCTIONS)
    writer.write(make_records(10, kind=4, function=0))

    class Full:
        """Takes 100 bytes of a write, then has no room."""

        def __init__(self, file: io.FileIO) -> None:
            self._file = file
            self._left = 100

        def write(self, data: memoryview) -> int:
            if not self._left:
                raise OSError(28, "No space left on device")
            self._left = 0
            return self._file.write(data[:100])

        def __getattr__(self, name: str) -> object:
            return getattr(self._file, name)

    assert isinstance(writer._sink, sink.FileSink)
    monkeypatch.setattr(writer._sink, "_file", Full(writer._sink._file))  # type: ignore[arg-type]
    with pytest.raises(UvtraceError, match=r"run.pcapng: cannot write: No space.*free some space"):
        writer.write(make_records(10, kind=4, function=0))
    trace = open_trace(path)
    assert (len(trace), trace.damage) == (10, None)


def test_a_file_that_cannot_be_created_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(UvtraceError, match="cannot create it: No such file"):
        PcapngWriter(tmp_path / "missing" / "run.pcapng")


def test_the_packet_after_a_loss_record_carries_the_count_across_batches() -> None:
    file = io.BytesIO()
    loss, _ = Story("").loss(7).records()
    other = make_records(1, kind=Kind.MMIO_WRITE, function=0)
    with PcapngWriter(file, functions=FUNCTIONS) as writer:
        for batch in (other, loss, other, np.concatenate([loss, other, other])):
            writer.write(batch)
    trace = open_bytes(file.getvalue())
    assert trace.drops == {2: 7, 4: 7}
    assert trace.lost == 14


def test_a_hook_that_a_kernel_lacks_is_no_count_of_lost_records() -> None:
    trace = Story().loss(3, "NOT_HOOKED").mmio_write(0, ip=0).trace()
    assert (trace.drops, trace.lost) == ({}, 0)
    assert trace.column("seq").tolist() == [0, 1]


def test_numbers_leave_a_gap_after_loss_and_go_on_from_batch_to_batch() -> None:
    records, _ = Story("").mark("a").loss(5).mark("b").loss(2).records()
    assert records["seq"].tolist() == [0, 1, 7, 8]
    assert renumber(records, 100) == 111
    assert records["seq"].tolist() == [100, 101, 107, 108]
    assert renumber(records[:0], 111) == 111


def test_a_snap_length_cuts_payloads_and_the_packet_says_by_how_much() -> None:
    file = io.BytesIO()
    with PcapngWriter(file, functions=FUNCTIONS, snaplen=10) as writer:
        writer.write(make_records(2, kind=Kind.DMA_READ, function=0), [bytes(range(64)), b"abc"])
    trace = open_bytes(file.getvalue())
    assert [trace.payload(row) for row in (0, 1)] == [bytes(range(10)), b"abc"]
    assert [trace.payload_length(row) for row in (0, 1)] == [64, 3]
    assert trace.column("payload").tolist() == [64, 3]


def test_a_payload_cut_before_it_was_written_keeps_its_original_length() -> None:
    file = io.BytesIO()
    with PcapngWriter(file, functions=FUNCTIONS) as writer:
        writer.write(make_records(1, kind=Kind.DMA_READ, function=0, payload=9000), [b"abc"])
    assert open_bytes(file.getvalue()).payload_length(0) == 9000


def test_the_caller_s_records_are_left_as_they_were() -> None:
    records = make_records(1, kind=Kind.DMA_READ, function=0)
    with PcapngWriter(io.BytesIO(), functions=FUNCTIONS) as writer:
        writer.write(records, [b"abc"])
    assert records["payload"][0] == 0


def test_a_trace_without_functions_declares_one_interface() -> None:
    trace = Story("").mark("x").trace()
    assert [function.name for function in trace.functions] == ["uvbus"]
    assert not trace.functions[0].is_pci


def test_a_function_can_be_declared_when_records_have_been_written() -> None:
    file = io.BytesIO()
    with PcapngWriter(file, functions=FUNCTIONS) as writer:
        writer.write(make_records(1, kind=4, function=0))
        index = writer.add_function("0000:00:04.0", describe_function("nvme", 0x1B36, 0x10))
        writer.write(make_records(1, kind=4, function=index))
    trace = open_bytes(file.getvalue())
    assert trace.column("function").tolist() == [0, 1]
    first, second = trace.functions
    assert (first.driver, first.vendor, first.device) == ("e1000", 0x8086, 0x100E)
    assert (second.driver, second.vendor, second.device) == ("nvme", 0x1B36, 0x10)


@pytest.mark.parametrize(
    ("records", "payloads", "match"),
    [
        (make_records(1, function=1), None, "names function 1; 1 are declared"),
        (make_records(2, function=0), [b"x"], "1 payloads for 2 records"),
        (make_records(2, function=0), {2: b"x"}, "outside the batch of 2"),
    ],
)
def test_what_does_not_fit_together_is_refused_before_anything_is_written(
    records: np.ndarray[tuple[int], np.dtype[np.void]],
    payloads: list[bytes | None] | dict[int, bytes] | None,
    match: str,
) -> None:
    file = io.BytesIO()
    writer = PcapngWriter(file, functions=FUNCTIONS)
    before = len(file.getvalue())
    with pytest.raises(ValueError, match=match):
        writer.write(records, payloads)
    assert len(file.getvalue()) == before


def test_timestamps_are_wall_clock_and_records_keep_the_monotonic_one() -> None:
    file = io.BytesIO()
    offset = 1_700_000_000_000_000_000
    with PcapngWriter(file, functions=FUNCTIONS, clock_offset_ns=offset) as writer:
        writer.write(make_records(1, function=0, time_ns=123))
    trace = open_bytes(file.getvalue())
    assert trace.wall_time_ns(0) == offset + 123
    assert trace.column("time_ns")[0] == 123


def test_the_section_header_tells_kernel_machine_command_and_writer() -> None:
    file = io.BytesIO()
    PcapngWriter(file, os="6.1.0-56-amd64", hardware="x86_64", command="ping -c 5").close()
    section = open_bytes(file.getvalue()).sections[0]
    assert (section.os, section.hardware) == ("6.1.0-56-amd64", "x86_64")
    assert section.application.startswith("uvtrace ")
    assert section.comments == ("uvtrace format 1", "command: ping -c 5")


def test_capinfos_and_tshark_read_what_we_write(tmp_path: Path) -> None:
    path = tmp_path / "run.pcapng"
    Story().mmio_write(0, 1, ip=0).comment("a comment").loss(5).mmio_write(4, 2, ip=0).write(path)
    fields = ["frame.len", "frame.interface_name", "frame.comment", "frame.drop_count"]
    command = ["tshark", "-n", "-r", str(path), "-T", "fields", "-E", "separator=|"]
    for field in fields:
        command += ["-e", field]
    shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert shown.splitlines() == [
        "128|0000:00:03.0|a comment|",
        "128|0000:00:03.0||",
        "128|0000:00:03.0||5",
    ]


def test_every_block_says_its_length_twice() -> None:
    for block in split(Story().begin().mmio_write(0, 1).to_bytes()):
        (total,) = struct.unpack_from("<I", block, len(block) - 4)
        assert total == len(block)
