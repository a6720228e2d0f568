# SPDX-License-Identifier: Apache-2.0
"""Files that a reader must survive: traces with something changed, reproducibly by seed."""

from __future__ import annotations

import gzip
import struct
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

import zstandard

from tests.story import Story
from uvtrace.trace.pcapng import encode_block, encode_options, interface, section_header

HOSTILE = (
    *(0, 1, 2, 3, 4, 7, 8, 11, 12, 16, 20, 27, 28, 31, 32, 127, 128, 129, 160, 0xFF, 0xFFFF),
    *(0x10000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFC, 0xFFFFFFFD, 0xFFFFFFFF, 0x1000000),
)
STRUCTURED_SHARE = 0.7
"""Share of files whose blocks stay blocks; the rest have bytes changed blindly."""

Blocks = list[bytearray]


@dataclass(frozen=True)
class Mutated:
    """A changed file, and whether its structure is still that of pcapng."""

    data: bytes
    structured: bool


def base_files() -> list[bytes]:
    """Small traces that hold every kind of block and record a mutation can start from."""
    lively = (
        Story(registers={"TDT": 0x3818})
        .begin(driver="e1000")
        .session(tool="uvtrace", kernel="6.1.0")
        .probe()
        .iomap()
        .irq_request(11)
        .map(0x1000, 256)
        .mmio_write("TDT", 1, site="e1000_xmit_frame+0x5d0")
        .comment("the doorbell")
        .dma_read(0x1000, 64, bytes(range(61)))
        .mmio_read(8, 1, site="ioread32+0x10 [kernel]", caller="e1000_watchdog+0x20")
        .loss(5)
        .interrupt(11)
        .vector_alloc(2)
        .power(0, 3)
        .error(4)
        .console("a line\n" * 20)
        .mark("here")
        .result(exit_code=0)
    )
    plain = Story()
    for number in range(12):
        plain.mmio_write(4 * number, number)
    little = plain.to_bytes()
    big = big_endian(little)
    return [lively.to_bytes(), little, big, little + big, Story("").mark("x").to_bytes()]


def split(data: bytes, *, order: str = "<") -> Blocks:
    """The blocks of an undamaged file."""
    blocks = []
    at = 0
    while at < len(data):
        if data[at : at + 4] == b"\x0a\x0d\x0d\x0a":
            order = "<" if data[at + 8 : at + 12] == b"\x4d\x3c\x2b\x1a" else ">"
        (total,) = struct.unpack_from(order + "I", data, at + 4)
        blocks.append(bytearray(data[at : at + total]))
        at += total
    return blocks


def big_endian(data: bytes) -> bytes:
    """The same file with big-endian sections; records stay as they are."""
    return b"".join(_swapped(block) for block in split(data))


def _swapped(block: bytearray) -> bytes:
    kind, total = struct.unpack_from("<II", block)
    words = {0x0A0D0D0A: "IHHq", 1: "HHI", 6: "IIIII"}[kind]
    fixed = struct.unpack_from("<" + words, block, 8)
    start = 8 + struct.calcsize("<" + words)
    data_end = start + (fixed[3] + 3 & ~3 if kind == 6 else 0)
    body = struct.pack(">" + words, *fixed) + block[start:data_end]
    options = _swapped_options(bytes(block[data_end : total - 4]))
    return struct.pack(">II", kind, total) + body + options + struct.pack(">I", total)


def _swapped_options(data: bytes) -> bytes:
    out = bytearray(data)
    at = 0
    while at + 4 <= len(data):
        code, length = struct.unpack_from("<HH", data, at)
        struct.pack_into(">HH", out, at, code, length)
        if code == 4 and length == 8:
            out[at + 4 : at + 12] = data[at + 4 : at + 12][::-1]
        at += 4 + (length + 3 & ~3)
    return bytes(out)


def mutate(base: bytes, random: Random) -> Mutated:
    """``base`` with one to four changes."""
    if random.random() < STRUCTURED_SHARE:
        blocks = split(base)
        for _ in range(random.randint(1, 4)):
            if blocks:
                random.choice(_STRUCTURED)(blocks, random)
        return Mutated(b"".join(blocks), True)
    data = bytearray(base)
    for _ in range(random.randint(1, 4)):
        random.choice(_BLIND)(data, random)
    if random.random() < 0.05:
        return Mutated(_compressed(bytes(data), random), False)
    return Mutated(bytes(data), False)


def _put_word(block: bytearray, at: int, value: int) -> None:
    if at + 4 <= len(block):
        struct.pack_into("<I", block, at, value & 0xFFFFFFFF)


def _resize(block: bytearray) -> None:
    """Make both lengths say what the block now is."""
    del block[len(block) & ~3 :]
    if len(block) >= 12:
        _put_word(block, 4, len(block))
        _put_word(block, len(block) - 4, len(block))


def _change_field(blocks: Blocks, random: Random) -> None:
    block = random.choice(blocks)
    if len(block) > 16:
        at = random.randrange(8, len(block) - 4)
        block[at] = random.choice((0, 1, 0xFF, random.randrange(256)))


def _change_word(blocks: Blocks, random: Random) -> None:
    block = random.choice(blocks)
    if len(block) > 16:
        _put_word(block, random.randrange(8, len(block) - 4) & ~3, random.choice(HOSTILE))


def _change_capture(blocks: Blocks, random: Random) -> None:
    _put_word(random.choice(blocks), random.choice((20, 24)), random.choice(HOSTILE))


def _lie_about_length(blocks: Blocks, random: Random) -> None:
    block = random.choice(blocks)
    value = random.choice(HOSTILE)
    if random.random() < 0.8:
        _put_word(block, 4, value)
    if random.random() < 0.8:
        _put_word(block, len(block) - 4, value)


def _resize_body(blocks: Blocks, random: Random) -> None:
    block = random.choice(blocks)
    if len(block) < 16:
        return
    at = random.randrange(8, len(block) - 4) & ~3
    if random.random() < 0.5:
        block[at:at] = random.randbytes(4 * random.randint(1, 16))
    else:
        del block[at : at + 4 * random.randint(1, 16)]
        block += bytes(4)
    _resize(block)


def _add_options(blocks: Blocks, random: Random) -> None:
    block = random.choice(blocks)
    if len(block) < 16:
        return
    options = encode_options(
        (random.choice((1, 2, 3, 4, 9, 2988, 60000)), random.randbytes(random.randint(0, 12)))
        for _ in range(random.randint(1, 4))
    )
    changed = bytearray(options)
    if random.random() < 0.5:
        struct.pack_into("<H", changed, 2, random.choice(HOSTILE) & 0xFFFF)
    block[len(block) - 4 : len(block) - 4] = changed
    _resize(block)


def _remove_block(blocks: Blocks, random: Random) -> None:
    del blocks[random.randrange(len(blocks))]


def _repeat_block(blocks: Blocks, random: Random) -> None:
    block = bytearray(random.choice(blocks))
    for _ in range(random.choice((1, 1, 2, 20))):
        blocks.insert(random.randrange(len(blocks) + 1), bytearray(block))


def _swap_blocks(blocks: Blocks, random: Random) -> None:
    a, b = (random.randrange(len(blocks)) for _ in range(2))
    blocks[a], blocks[b] = blocks[b], blocks[a]


def _change_type(blocks: Blocks, random: Random) -> None:
    kind = random.choice((0, 1, 2, 3, 4, 5, 6, 10, 0x0A0D0D0A, 0xBAD, 0x80000001))
    _put_word(random.choice(blocks), 0, kind)


def _insert_block(blocks: Blocks, random: Random) -> None:
    made = (
        section_header([(1, b"uvtrace format %d" % random.choice((1, 1, 2, 99)))]),
        interface("0000:00:04.0", "nvme, 1b36:0010"),
        encode_block(1, struct.pack("<HHI", random.choice((1, 147)), 0, 0)),
        encode_block(3, struct.pack("<I", random.choice(HOSTILE)) + random.randbytes(128)),
        encode_block(2, struct.pack("<HHIIII", 0, 0, 0, 0, 128, 128) + random.randbytes(128)),
        encode_block(random.choice((4, 5, 0xBAD)), random.randbytes(4 * random.randint(0, 9))),
    )
    blocks.insert(random.randrange(len(blocks) + 1), bytearray(random.choice(made)))


def _swap_order(blocks: Blocks, random: Random) -> None:
    block = random.choice(blocks)
    block[8:12] = block[8:12][::-1]


def _flip_bits(data: bytearray, random: Random) -> None:
    for _ in range(random.choice((1, 2, 8, 64))):
        if data:
            data[random.randrange(len(data))] ^= 1 << random.randrange(8)


def _truncate(data: bytearray, random: Random) -> None:
    del data[random.randrange(len(data) + 1) :]


def _insert_bytes(data: bytearray, random: Random) -> None:
    at = random.randrange(len(data) + 1)
    data[at:at] = random.randbytes(random.randint(1, 64))


def _delete_bytes(data: bytearray, random: Random) -> None:
    at = random.randrange(len(data) + 1)
    del data[at : at + random.randint(1, 64)]


def _zero_bytes(data: bytearray, random: Random) -> None:
    at = random.randrange(len(data) + 1)
    length = min(random.randint(1, 512), len(data) - at)
    data[at : at + length] = bytes(length)


def _compressed(data: bytes, random: Random) -> bytes:
    if random.random() < 0.5:
        packed = bytearray(gzip.compress(data, 1))
    else:
        packed = bytearray(zstandard.ZstdCompressor(level=1).compress(data))
    if random.random() < 0.7:
        random.choice(_BLIND)(packed, random)
    return bytes(packed)


_STRUCTURED: tuple[Callable[[Blocks, Random], None], ...] = (
    _change_field,
    _change_field,
    _change_word,
    _change_capture,
    _lie_about_length,
    _resize_body,
    _add_options,
    _remove_block,
    _repeat_block,
    _swap_blocks,
    _change_type,
    _insert_block,
    _swap_order,
)
_BLIND: tuple[Callable[[bytearray, Random], None], ...] = (
    _flip_bits,
    _truncate,
    _insert_bytes,
    _delete_bytes,
    _zero_bytes,
)
