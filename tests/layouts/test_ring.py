# SPDX-License-Identifier: Apache-2.0
"""Rings: where they lie, and which of their descriptors have buffers."""

from __future__ import annotations

import struct

import pytest

from devices.e1000.rings import RINGS, TRANSMITTING
from devices.uvnic1.contract import RINGS as SINGLE
from devices.uvnic1.contract import RX_DESC
from tests.layouts.test_decoder import told
from tests.story import Story
from uvtrace.layouts import layouts_of

LEGACY, CONTEXT, DATA = 0x0B00_003C, 0x2700_0000, 0x2B10_003C


def transmit(command: int) -> bytes:
    """A transmit descriptor by the word that holds length, kind and command."""
    return struct.pack("<QII", 0x5000, command, 0)


@pytest.mark.parametrize(("command", "has"), [(LEGACY, True), (CONTEXT, False), (DATA, True)])
def test_what_kind_of_descriptor_it_is_tells_whether_it_has_a_buffer(
    command: int, has: bool
) -> None:
    assert TRANSMITTING.has_buffer(transmit(command)) is has


def test_a_ring_lies_where_its_registers_say() -> None:
    low, high, length = TRANSMITTING.places
    assert TRANSMITTING.region({}) == (0, 0)
    assert TRANSMITTING.region({low: 0x1000, length: 256}) == (0x1000, 256)
    assert TRANSMITTING.region({low: 0x1000, high: 2, length: 256}) == (0x2_0000_1000, 256)


def test_rings_that_were_not_told_of_are_no_memory_yet() -> None:
    low, _, length = TRANSMITTING.places
    areas = layouts_of(RINGS).areas({low: 0x1000, length: 256})
    assert [(area.name, area.address) for area in areas] == [("transmit ring", 0x1000)]


def test_a_single_descriptor_is_told_in_words() -> None:
    story = Story().mmio_write(RX_DESC, 0x1000)
    story.memory(0x1000, struct.pack("<4I", 0x5000, 1518, 0x8000_003C, 0))
    assert told(story, layouts_of(SINGLE)) == [
        "receive descriptor [0] descriptor buffer 0x5000, length 1518, received 60, DONE"
    ]
