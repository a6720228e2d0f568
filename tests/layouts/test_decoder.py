# SPDX-License-Identifier: Apache-2.0
"""Where shared memory lies, and what it holds, as a trace goes on."""

from __future__ import annotations

import struct
from typing import Any

import pytest
from click.testing import CliRunner

from devices.e1000.rings import LAYOUTS as E1000
from devices.nvme.layouts import LAYOUTS as NVME
from tests.story import Story
from uvtrace.cli.main import main
from uvtrace.layouts import Decoder, Layouts
from uvtrace.layouts.decoder import Image

TDBAL, TDBAH, TDLEN = 0x3800, 0x3804, 0x3808
AQA, ASQ, ACQ = 0x24, 0x28, 0x30


def with_ring() -> Story:
    """A driver has told its device where the transmit ring is."""
    story = Story()
    story.mmio_write(TDBAL, 0x10000).mmio_write(TDBAH, 0x1).mmio_write(TDLEN, 256)
    return story


def descriptor(buffer: int, length: int) -> bytes:
    return struct.pack("<QHBBBBH", buffer, length, 0, 1, 0, 0, 0)


def told(story: Story, layouts: Layouts, step: int = 1 << 14) -> list[str]:
    decoder = Decoder(lambda _: layouts)
    return [text for part in story.trace().chunks(step) for text in decoder.take(part).values()]


@pytest.mark.parametrize("step", [1, 2, 100])
def test_a_descriptor_is_told_with_its_place_in_the_ring(step: int) -> None:
    story = with_ring().memory(0x1_0001_0020, descriptor(0x5000, 60))
    assert told(story, E1000, step) == ["transmit ring [2] legacy buffer 0x5000, length 60, EOP"]


def test_a_part_of_a_descriptor_is_told_with_the_rest_that_was_seen_before() -> None:
    story = with_ring().memory(0x1_0001_0000, descriptor(0x5000, 60))
    story.memory(0x1_0001_000C, b"\1\0\0\0")
    assert told(story, E1000)[1] == "transmit ring [0] legacy buffer 0x5000, length 60, EOP, DD"


def test_what_the_device_fetched_itself_is_told_too() -> None:
    story = with_ring().dma_read(0x1_0001_0000, 16, descriptor(0x5000, 60))
    assert told(story, E1000) == ["transmit ring [0] legacy buffer 0x5000, length 60, EOP"]


def test_memory_outside_every_ring_is_not_told_in_words() -> None:
    story = with_ring().memory(0x1_0001_0100, descriptor(0x5000, 60)).memory(0x5000, b"frame")
    assert told(story, E1000) == []


def test_a_ring_that_moves_takes_its_name_along() -> None:
    story = with_ring().mmio_write(TDBAL, 0x20000).memory(0x1_0001_0000, descriptor(0x5000, 60))
    story.memory(0x1_0002_0000, descriptor(0x6000, 60))
    assert told(story, E1000) == ["transmit ring [0] legacy buffer 0x6000, length 60, EOP"]


def test_an_address_register_written_as_one_of_64_bits_counts_for_both_halves() -> None:
    story = Story().mmio_write(TDBAL, 0x1_0001_0000, width=8, length=8).mmio_write(TDLEN, 256)
    story.memory(0x1_0001_0000, descriptor(0x5000, 60))
    assert told(story, E1000) == ["transmit ring [0] legacy buffer 0x5000, length 60, EOP"]


def test_many_descriptors_are_told_by_their_first_and_their_number() -> None:
    many = b"".join(descriptor(0x5000 + 0x1000 * number, 60) for number in range(8))
    (text,) = told(with_ring().memory(0x1_0001_0000, many), E1000)
    assert text.startswith("transmit ring [0] legacy buffer 0x5000")
    assert text.endswith("and 5 more")


def test_a_ring_that_was_cleared_is_empty() -> None:
    story = with_ring().memory(0x1_0001_0000, bytes(256))
    assert told(story, E1000) == ["transmit ring 16 empty"]


def test_a_command_that_creates_a_queue_makes_it_known() -> None:
    story = Story().mmio_write(AQA, 31 << 16 | 31)
    story.mmio_write(ASQ, 0x10000).mmio_write(ASQ + 4, 0).mmio_write(ACQ, 0x20000)
    read = struct.pack("<BBHI4QQIIII", 2, 0, 7, 1, 0, 0, 0x9000, 0, 0x40, 7, 0, 0, 0)
    assert told(story.memory(0x30000, read), NVME) == []
    create = struct.pack(
        "<BBHI4QIIIIII", 1, 0, 1, 0, 0, 0, 0x30000, 0, 1023 << 16 | 1, 1, 0, 0, 0, 0
    )
    story.memory(0x10000, create).memory(0x30000, read)
    assert told(story, NVME)[1] == (
        "submission queue 1 [0] Read CID 0x7, NSID 1, PRP1 0x9000, SLBA 0x40, last block 7"
    )


def test_an_image_of_memory_holds_what_was_written_last_over_pages() -> None:
    image = Image()
    image.write(0x1FFE, b"abcd")
    image.write(0x2000, b"X")
    assert image.read(0x1FFD, 6) == b"\0abXd\0"


@pytest.mark.parametrize("words", [[], ["--filter", "uvbus.kind == 26"]])
def test_show_tells_descriptors_in_words(words: list[str], tmp_path: Any) -> None:
    path = tmp_path / "run.pcapng"
    with_ring().memory(0x1_0001_0020, descriptor(0x5000, 60), value=1, ip=0).write(path)
    done = CliRunner().invoke(main, ["show", str(path), *words])
    assert done.exit_code == 0, done.output
    (line,) = [each for each in done.output.splitlines() if "memory 0x" in each]
    assert line.endswith(
        "memory 0x100010020 (16) for the device:"
        " transmit ring [2] legacy buffer 0x5000, length 60, EOP"
    )
