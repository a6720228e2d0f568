# SPDX-License-Identifier: Apache-2.0
"""Files that are damaged, foreign, concatenated, merged or packed."""

from __future__ import annotations

import gc
import gzip
import io
import mmap
import struct
import subprocess
import time
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zstandard

from tests.mutations import big_endian, split
from tests.story import Story
from uvtrace.errors import ExitCode, InputError
from uvtrace.trace import index, pcapng, source
from uvtrace.trace import trace as trace_module
from uvtrace.trace.layout import FUNCTION_NONE
from uvtrace.trace.trace import Trace, open_bytes, open_trace

RECORDING = Path(__file__).parents[2] / "traces/nvme-6.12.pcapng.zst"


def story(count: int = 10) -> Story:
    told = Story()
    for number in range(count):
        told.mmio_write(4 * number, number, ip=0)
    return told


@pytest.fixture
def blocks() -> list[bytearray]:
    """Section header, one interface, ten packets of 160 bytes."""
    found = split(story().to_bytes())
    assert [len(block) for block in found[2:]] == [160] * 10
    return found


def read(blocks: list[bytearray]) -> Trace:
    return open_bytes(b"".join(blocks), "run.pcapng")


# ------------------------------------------------------------------- damage


@pytest.mark.parametrize("kept", [0, 1, 4, 11, 12, 27, 28, 90, 156, 159])
def test_a_file_cut_inside_its_last_block_is_a_partial_tail(
    blocks: list[bytearray], kept: int
) -> None:
    end = sum(map(len, blocks[:-1]))
    blocks[-1] = blocks[-1][:kept]
    trace = read(blocks)
    assert len(trace) == 9
    if kept == 0:
        assert trace.damage is None
        return
    assert trace.damage is not None
    assert trace.damage.partial_tail
    assert (trace.damage.offset, trace.damage.records) == (end, 9)


@pytest.mark.parametrize("length", [0, 3, 8, 11, 13, 158, 161])
def test_an_impossible_length_ends_the_trace_there(blocks: list[bytearray], length: int) -> None:
    struct.pack_into("<I", blocks[5], 4, length)
    assert_damaged(blocks, 5, "length")


@pytest.mark.parametrize("length", [0xFFFFFFFC, 0x80000000, 0x7FFFFFFC, 0x2000000])
def test_a_hostile_length_is_corruption_not_a_partial_tail(
    blocks: list[bytearray], length: int
) -> None:
    struct.pack_into("<I", blocks[5], 4, length)
    assert_damaged(blocks, 5, "claims")


def test_a_length_past_the_end_with_packets_behind_it_is_corruption(
    blocks: list[bytearray],
) -> None:
    struct.pack_into("<I", blocks[5], 4, 160 * 20)
    assert_damaged(blocks, 5, "packets from byte")


def test_two_lengths_that_differ_end_the_trace_there(blocks: list[bytearray]) -> None:
    struct.pack_into("<I", blocks[5], 156, 164)
    assert_damaged(blocks, 5, "lengths differ")


@pytest.mark.parametrize("captured", [129, 0xFFFFFFFF, 0x80000000])
def test_a_packet_longer_than_its_block_ends_the_trace_there(
    blocks: list[bytearray], captured: int
) -> None:
    struct.pack_into("<I", blocks[5], 20, captured)
    assert_damaged(blocks, 5, "longer than its block")


@pytest.mark.parametrize("captured", [0, 1, 127])
def test_a_packet_too_short_for_a_record_is_damage(blocks: list[bytearray], captured: int) -> None:
    struct.pack_into("<I", blocks[5], 20, captured)
    assert_damaged(blocks, 5, "too short")


def test_a_packet_of_an_undeclared_interface_is_damage(blocks: list[bytearray]) -> None:
    struct.pack_into("<I", blocks[5], 8, 1)
    assert_damaged(blocks, 5, "not declared")


def test_a_tail_of_zeros_as_a_crashed_file_system_leaves_it_is_told_as_such(
    blocks: list[bytearray],
) -> None:
    blocks[6:] = [bytearray(4096)]
    assert_damaged(blocks, 6, "zeros")


def test_a_second_section_without_a_byte_order_mark_is_damage(blocks: list[bytearray]) -> None:
    blocks.append(bytearray(blocks[0]))
    blocks[-1][8:12] = b"\1\2\3\4"
    assert_damaged(blocks, len(blocks) - 1, "byte-order mark")


def assert_damaged(blocks: list[bytearray], at: int, reason: str) -> None:
    trace = read(blocks)
    assert len(trace) == at - 2
    assert trace.column("value").tolist() == list(range(at - 2))
    assert trace.damage is not None
    assert not trace.damage.partial_tail
    assert trace.damage.offset == sum(map(len, blocks[:at]))
    assert reason in trace.damage.reason
    assert str(trace.damage).startswith("run.pcapng, byte ")


# ------------------------------------------------------- what is not a trace


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty"),
        (b"\n", "not a pcapng file"),
        (b"just some text, no trace at all", "not a pcapng file"),
        (b"\x7fELF" + bytes(60), "not a pcapng file"),
        (bytes.fromhex("d4c3b2a1") + bytes(20), "classic pcap"),
        (bytes.fromhex("a1b23c4d") + bytes(20), "classic pcap"),
        (b"\x0a\x0d\x0d\x0a" + bytes(24), "byte-order mark"),
        (gzip.compress(b"no trace in here, sorry", mtime=0), "not a pcapng file"),
        (zstandard.compress(b"no trace in here, sorry"), "not a pcapng file"),
    ],
)
def test_what_is_not_pcapng_is_refused_in_one_clear_line(
    tmp_path: Path, content: bytes, reason: str
) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)
    with pytest.raises(InputError, match=reason) as caught:
        open_trace(path)
    assert caught.value.exit_code == ExitCode.INPUT
    assert caught.value.path == str(path)
    assert caught.value.offset == 0
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_that_does_not_exist_is_an_input_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="No such file"):
        open_trace(tmp_path / "missing")
    with pytest.raises(InputError, match="directory"):
        open_trace(tmp_path)


def test_a_pcapng_of_ethernet_packets_is_refused_by_its_link_type() -> None:
    ethernet = pcapng.encode_block(1, struct.pack("<HHI", 1, 0, 0))
    header = pcapng.section_header([])
    with pytest.raises(InputError, match="link type 1, not 147") as caught:
        open_bytes(header + ethernet, "eth.pcapng")
    assert caught.value.offset == len(header)


def test_packets_of_other_link_types_among_ours_are_skipped_and_counted(
    blocks: list[bytearray],
) -> None:
    ethernet = pcapng.encode_block(1, struct.pack("<HHI", 1, 0, 0))
    frame = pcapng.encode_block(6, struct.pack("<IIIII", 1, 0, 0, 60, 60) + bytes(60))
    trace = read([*blocks[:4], bytearray(ethernet), bytearray(frame), *blocks[4:]])
    assert (len(trace), trace.foreign_packets, trace.damage) == (10, 1, None)


def test_what_is_known_of_an_interface_ends_with_its_section(blocks: list[bytearray]) -> None:
    ethernet = [bytearray(block) for block in blocks]
    struct.pack_into("<H", ethernet[1], 8, 1)
    trace = read([*blocks, *ethernet, *blocks])
    assert trace.damage is None
    assert (len(trace), trace.foreign_packets) == (20, 10)
    assert trace.column("value").tolist() == [*range(10), *range(10)]


def test_interfaces_that_the_section_before_declared_are_not_this_one_s(
    blocks: list[bytearray],
) -> None:
    trace = read([*blocks, blocks[0], *blocks[2:]])
    assert len(trace) == 10
    assert trace.damage is not None
    assert trace.damage.offset == sum(map(len, [*blocks, blocks[0]]))
    assert "not declared" in trace.damage.reason


def test_a_file_of_a_newer_format_is_refused_with_what_to_do() -> None:
    header = pcapng.section_header([(pcapng.OPT_COMMENT, b"uvtrace format 2")])
    with pytest.raises(InputError, match=r"format 2 is not known.*newer"):
        open_bytes(header)


# ------------------------------------------------- other shapes of the same


def test_unknown_blocks_and_options_are_skipped(blocks: list[bytearray]) -> None:
    custom = pcapng.encode_block(0xBAD, struct.pack("<I", 0xFFFF) + bytes(8))
    name_resolution = pcapng.encode_block(4, bytes(4))
    blocks[4:4] = [bytearray(custom), bytearray(name_resolution)]
    option = pcapng.encode_options([(2988, b"\0\0\0\0hello"), (60000, b"x")])
    packet = blocks[8]
    packet[156:156] = option
    struct.pack_into("<I", packet, 4, len(packet))
    struct.pack_into("<I", packet, len(packet) - 4, len(packet))
    trace = read(blocks)
    assert trace.damage is None
    assert trace.column("value").tolist() == list(range(10))
    assert trace.comments == {}


def test_simple_packets_are_read_without_time_or_options(blocks: list[bytearray]) -> None:
    record = blocks[4][28:156]
    simple = pcapng.encode_block(3, struct.pack("<I", 131) + bytes(record) + b"abc\0")
    blocks[4] = bytearray(simple)
    trace = read(blocks)
    assert trace.damage is None
    assert trace.column("value").tolist() == list(range(10))
    assert trace.payload(2) == b"abc"
    assert (trace.payload_length(2), trace.wall_time_ns(2)) == (3, None)
    assert (trace.comments, trace.drops) == ({}, {})


@pytest.mark.parametrize("order", ["little", "big"])
def test_obsolete_packet_blocks_are_read_like_enhanced_ones(
    blocks: list[bytearray], order: str
) -> None:
    data = b"".join(blocks) if order == "little" else big_endian(b"".join(blocks))
    blocks = split(data)
    end = "<" if order == "little" else ">"
    struct.pack_into(end + "I", blocks[4], 0, 2)
    struct.pack_into(end + "HH", blocks[4], 8, 0, 7)  # interface 0, 7 dropped
    trace = read(blocks)
    assert trace.column("value").tolist() == list(range(10))
    assert trace.wall_time_ns(2) == trace.records["time_ns"][2]


@pytest.mark.parametrize("second", ["little", "big"])
def test_concatenated_files_keep_their_functions_apart(second: str) -> None:
    first = Story("0000:00:03.0").mmio_write(0, 1, ip=0).mark("x").to_bytes()
    other = Story("0000:00:04.0", driver="nvme").mmio_write(0, 2, ip=0).mark("y").to_bytes()
    trace = open_bytes(first + (other if second == "little" else big_endian(other)))
    assert [function.name for function in trace.functions] == ["0000:00:03.0", "0000:00:04.0"]
    functions = [0, FUNCTION_NONE, 1, FUNCTION_NONE]
    assert trace.column("function").tolist() == functions
    assert trace.columns()["function"].tolist() == functions
    assert trace[2:].columns()["function"].tolist() == functions[2:]
    assert len(trace.sections) == 2


@pytest.mark.parametrize("step", [4, 300, 1000])
def test_a_file_gone_through_in_small_steps_is_the_same(
    blocks: list[bytearray], step: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = b"".join(blocks)
    file = one + big_endian(one) + one[:-7]
    whole = open_bytes(file)
    monkeypatch.setattr(index, "GONE_BYTES", step)
    stepped = open_bytes(file)
    assert len(whole) == len(stepped) > 0
    assert np.array_equal(stepped.records, whole.records)
    assert stepped.functions == whole.functions
    assert str(stepped.damage) == str(whole.damage) != "None"


@pytest.mark.parametrize("cut", [1, 100, 200])
def test_a_file_that_ends_too_early_still_tells_of_itself(cut: int) -> None:
    whole = open_trace(RECORDING)
    content = zstandard.ZstdDecompressor().decompressobj().decompress(RECORDING.read_bytes())
    broken = open_bytes(content[:-cut])
    assert broken.damage is not None
    assert len(broken) < len(whole)
    assert broken.metadata.session == whole.metadata.session != {}
    assert broken.metadata.symbols == whole.metadata.symbols != {}
    assert broken.snapshot_rows().tolist() == whole.snapshot_rows().tolist() != []


def test_memory_that_is_no_file_s_is_not_given_back() -> None:
    content = story().to_bytes()
    with mmap.mmap(-1, len(content)) as memory:
        memory[:] = content
        trace = open_bytes(memory)  # type: ignore[arg-type]
        parts = [part.column("value").tolist() for part in trace.chunks(3)]
        assert [value for part in parts for value in part] == list(range(10))
        assert memory[:] == content
        del trace
        gc.collect()


def test_a_long_trace_is_read_without_all_of_it_in_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "run.pcapng"
    Story().mmio_write(0x10, 1).mark("of another length").mmio_read(0x14, 2).write(path)
    whole = open_trace(path).column("address")
    monkeypatch.setattr(trace_module, "CHUNK_RECORDS", 2)
    parted = open_trace(path)
    assert np.array_equal(parted.column("address"), whole)
    assert "records" not in vars(parted), "no more than a part at a time"


def test_sections_by_the_thousand_cost_no_more_each_than_a_few() -> None:
    one = Story().mmio_write(0, 1, ip=0).comment("why").to_bytes()

    def seconds_each(count: int) -> float:
        trace = open_bytes(one * count)
        started = time.process_time()
        assert len(trace.comments) == count
        return (time.process_time() - started) / count

    seconds_each(10)
    assert seconds_each(4000) < 5 * min(seconds_each(200) for _ in range(3))


def test_an_interface_renumbered_by_another_tool_moves_the_function_with_it(
    blocks: list[bytearray],
) -> None:
    moved = pcapng.interface("0000:00:04.0", "nvme, 1b36:0010")
    blocks.insert(2, bytearray(moved))
    struct.pack_into("<I", blocks[5], 8, 1)
    trace = read(blocks)
    assert trace.records["function"].tolist() == [0, 0, 1] + [0] * 7
    assert trace.columns()["function"].tolist() == [0, 0, 1] + [0] * 7


def test_a_file_that_mergecap_made_of_two_keeps_every_record(tmp_path: Path) -> None:
    paths = [tmp_path / "a.pcapng", tmp_path / "b.pcapng"]
    Story("0000:00:03.0").mmio_write(0, 1, ip=0).comment("one").write(paths[0])
    Story("0000:00:04.0", driver="nvme").mmio_write(0, 2, ip=0).write(paths[1])
    merged = tmp_path / "merged.pcapng"
    subprocess.run(["mergecap", "-a", "-w", merged, *paths], check=True)
    trace = open_trace(merged)
    names = [trace.functions[index].name for index in trace.column("function").tolist()]
    assert names == ["0000:00:03.0", "0000:00:04.0"]
    assert trace.column("value").tolist() == [1, 2]
    assert trace.comments == {0: "one"}


def test_a_record_of_unknown_kind_or_version_is_kept() -> None:
    trace = Story().record(99, value=7).mmio_write(0, 1, version=9, ip=0).trace()
    assert trace.column("kind")[0] == 99
    assert trace.column("version").tolist()[1] == 9
    assert trace.damage is None


def test_timestamps_follow_the_interface_s_resolution(blocks: list[bytearray]) -> None:
    microseconds = pcapng.encode_block(1, struct.pack("<HHI", 147, 0, 0))
    blocks[1] = bytearray(microseconds)
    assert read(blocks).wall_time_ns(0) == 1_000_000_000 * 1000
    binary = struct.pack("<HHI", 147, 0, 0) + pcapng.encode_options([(9, b"\x80")])
    blocks[1] = bytearray(pcapng.encode_block(1, binary))
    assert read(blocks).wall_time_ns(0) == 1_000_000_000 * 10**9


def test_more_interfaces_than_functions_can_be_numbered_are_damage() -> None:
    declared = pcapng.interface("x", "") * 65536
    trace = open_bytes(pcapng.section_header([]) + declared)
    assert trace.damage is not None
    assert "more interfaces" in trace.damage.reason
    assert len(trace.functions) == 65535


# ----------------------------------------------------------------- packed


def packed(data: bytes, form: str) -> bytes:
    if form == "gz":
        return gzip.compress(data)
    return zstandard.ZstdCompressor(write_checksum=True).compress(data)


@pytest.mark.parametrize("form", ["gz", "zst"])
def test_a_cut_compressed_stream_gives_its_readable_prefix(form: str) -> None:
    random = np.random.default_rng(1)
    told = Story()
    for _ in range(2000):
        told.mmio_write(0, int(random.integers(1 << 62)), ip=0)
    whole = told.to_bytes()
    trace = open_bytes(packed(whole, form)[: -len(packed(whole, form)) // 3], "cut")
    assert 0 < len(trace) < 2000
    assert trace.records.tobytes() == told.trace().records[: len(trace)].tobytes()
    assert trace.damage is not None
    assert trace.damage.partial_tail


@pytest.mark.parametrize("form", ["gz", "zst"])
def test_concatenated_compressed_streams_are_one_file(form: str) -> None:
    data = story().to_bytes()
    assert len(open_bytes(packed(data[:500], form) + packed(data[500:], form))) == 10


@pytest.mark.parametrize("form", ["gz", "zst"])
def test_a_corrupt_compressed_stream_is_damage_not_a_partial_tail(form: str) -> None:
    random = np.random.default_rng(1)
    told = Story()
    for _ in range(4000):
        told.mmio_write(0, int(random.integers(1 << 62)), ip=0)
    data = bytearray(packed(told.to_bytes(), form))
    data[len(data) - 6] ^= 0x55  # gzip's and zstd's checksum, or the block before it
    trace = open_bytes(bytes(data))
    assert trace.damage is not None
    assert not trace.damage.partial_tail
    assert "corrupt" in trace.damage.reason


def test_a_large_compressed_stream_is_spooled_to_a_file_and_mapped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(source, "IN_MEMORY_BYTES", 1000)
    path = tmp_path / "run.pcapng.zst"
    story(50).write(path)
    assert open_trace(path).column("value").tolist() == list(range(50))


@pytest.mark.parametrize("form", ["gz", "zst"])
def test_a_decompression_bomb_is_stopped_at_its_first_bytes(
    form: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    spooled = []
    real = source._spooled

    def watched(spool: Any) -> Any:
        spooled.append(spool.tell())
        return real(spool)

    monkeypatch.setattr(source, "_spooled", watched)
    bomb = packed(bytes(64 << 20), form)
    assert len(bomb) < 100_000
    with pytest.raises(InputError, match="not a pcapng file"):
        open_bytes(bomb)
    assert spooled[0] < 20 << 20


@pytest.mark.parametrize("form", ["gz", "zst"])
def test_a_bomb_that_begins_like_a_trace_is_bounded_by_the_disk(
    form: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = story().to_bytes()
    free = type("Usage", (), {"free": 20 << 20})
    monkeypatch.setattr("shutil.disk_usage", lambda _: free)
    trace = open_bytes(packed(data + bytes(64 << 20), form))
    assert len(trace) == 10
    assert trace.damage is not None
    assert not trace.damage.partial_tail


def test_a_zstd_stream_that_wants_a_giant_window_is_refused() -> None:
    parameters = zstandard.ZstdCompressionParameters.from_level(1, window_log=30)
    compressor = zstandard.ZstdCompressor(compression_params=parameters)
    file = io.BytesIO()
    with compressor.stream_writer(file, closefd=False) as stream:
        stream.write(story().to_bytes())
    with pytest.raises(InputError, match="corrupt zstd"):
        open_bytes(file.getvalue())


def test_a_gzip_stream_flushed_but_not_finished_gives_all_that_was_flushed() -> None:
    compressor = zlib.compressobj(6, zlib.DEFLATED, 31)
    data = compressor.compress(story().to_bytes()) + compressor.flush(zlib.Z_SYNC_FLUSH)
    trace = open_bytes(data)
    assert len(trace) == 10
    assert trace.damage is not None
    assert trace.damage.partial_tail
