# SPDX-License-Identifier: Apache-2.0
"""Draining a ring: while it runs, after its end, and when what is in it is hostile."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.record.rings import RingStory
from uvtrace.errors import UvtraceError
from uvtrace.record.consumer import BATCH_SLOTS, Consumer
from uvtrace.record.ring import Ring
from uvtrace.record.slots import CONTINUATIONS_MAX, LOSS_MAX, Batch
from uvtrace.trace import layout
from uvtrace.trace.enums import Kind, LossCause, RingPolicy
from uvtrace.trace.sequence import lost_counts


def consumer(story: RingStory, functions: int = 1) -> Consumer:
    return Consumer(story.ring, functions=functions)


def causes(batch: Batch) -> list[tuple[str, int]]:
    """Each record's kind, loss records with their cause, and value."""
    topics = layout.view_of(batch.records, "meta")["topic"]
    return [
        (LossCause(topic).name if kind == Kind.LOSS else Kind(kind).name, int(value))
        for kind, topic, value in zip(
            batch.records["kind"], topics, batch.records["value"], strict=True
        )
    ]


def together(batches: list[Batch]) -> list[tuple[str, int]]:
    return [item for batch in batches for item in causes(batch)]


def test_records_come_out_in_order_with_their_payloads() -> None:
    long = bytes(range(256)) * 2
    story = RingStory().write(value=1).write(Kind.METADATA, payload=long).write(value=3)
    batch = consumer(story).take()
    assert [int(value) for value in batch.records["value"]] == [1, 0, 3]
    assert batch.payloads == {1: long}


def test_what_was_taken_makes_room_for_the_producers() -> None:
    story = RingStory().write().write(payload=b"x" * 300)
    reader = consumer(story)
    reader.take()
    assert story.ring.tail == story.head == 5
    assert len(reader.take()) == 0


def test_records_wrap_around_the_end_of_the_ring() -> None:
    story = RingStory(slots=8)
    reader = consumer(story)
    taken = []
    for value in range(20):
        story.write(value=value, payload=b"p" * 150)
        batch = reader.take()
        taken.append((int(batch.records["value"][0]), batch.payloads[0]))
    assert taken == [(value, b"p" * 150) for value in range(20)]


def test_a_slot_that_is_not_committed_holds_up_what_follows() -> None:
    story = RingStory().write(value=1).write(value=2, commit=False).write(value=3)
    reader = consumer(story)
    assert causes(reader.take()) == [("MMIO_READ", 1)]
    story.slots["seq"][1] = 2
    assert causes(reader.take()) == [("MMIO_READ", 2), ("MMIO_READ", 3)]


def test_a_slot_from_the_lap_before_is_not_taken_for_a_new_one() -> None:
    story = RingStory(slots=4)
    reader = consumer(story)
    for value in range(4):
        story.write(value=value)
    assert len(reader.take()) == 4
    story.write(value=4)
    assert causes(reader.take()) == [("MMIO_READ", 4)]


def test_pads_are_skipped_and_loss_is_kept() -> None:
    story = RingStory().write(value=7).pad().loss(12).write(value=8)
    batch = consumer(story).take()
    assert causes(batch) == [("MMIO_READ", 7), ("RING_FULL", 12), ("MMIO_READ", 8)]


def test_a_record_cut_by_the_batch_is_left_for_the_next_one() -> None:
    story = RingStory(slots=2 * BATCH_SLOTS)
    for _ in range(BATCH_SLOTS - 1):
        story.head += 1
    story.slots["seq"][: story.head] = np.arange(1, story.head + 1)
    story.slots["version"][: story.head] = 1
    story.slots["kind"][: story.head] = Kind.MMIO_READ
    story.write(Kind.METADATA, payload=b"m" * 500)
    reader = consumer(story)
    assert len(reader.take()) == BATCH_SLOTS - 1
    batch = reader.take()
    assert batch.payloads == {0: b"m" * 500}


@pytest.mark.parametrize(
    "damage",
    [
        {"version": 9},
        {"kind": 0},
        {"kind": 200},
        {"kind": int(Kind.CONTINUATION)},
        {"function": 3},
        {"payload": 5},
        {"payload": 1 << 31},
        {"payload": layout.RING_PAYLOAD_MAX + 1},
    ],
)
def test_a_damaged_slot_becomes_a_loss_record(damage: dict[str, int]) -> None:
    story = RingStory().write(value=1).write(value=2).write(value=3)
    for name, value in damage.items():
        story.slots[name][1] = value
    taken = together([*_all(consumer(story))])
    assert taken[0][0] in ("MMIO_READ", "DAMAGED")
    assert ("DAMAGED", 1) in taken or ("DAMAGED", 2) in taken
    assert taken[-1] == ("MMIO_READ", 3)


def test_damaged_slots_in_a_row_become_one_loss_record() -> None:
    story = RingStory()
    for _ in range(10):
        story.write(value=1)
    story.slots["version"][2:7] = 0
    batch = consumer(story).take()
    assert causes(batch)[2] == ("DAMAGED", 5)
    assert len(batch) == 6
    assert int(batch.records["time_ns"][2]) == 10  # of the record before


def test_a_loss_record_that_claims_too_much_is_damaged() -> None:
    batch = consumer(RingStory().loss(LOSS_MAX + 1)).take()
    assert causes(batch) == [("DAMAGED", 1)]


def test_after_the_end_a_hole_is_loss_and_what_follows_is_kept() -> None:
    story = RingStory().write(value=1).write(commit=False).write(commit=False).write(value=4)
    reader = consumer(story)
    assert causes(reader.take()) == [("MMIO_READ", 1)]
    assert together(reader.take_rest()) == [("DAMAGED", 2), ("MMIO_READ", 4)]
    assert story.ring.tail == story.head


def test_a_record_without_its_end_is_loss_once_nothing_can_follow() -> None:
    story = RingStory().write(value=1).write(Kind.METADATA, payload=b"x" * 200)
    story.slots["seq"][2:4] = 0
    reader = consumer(story)
    assert causes(reader.take()) == [("MMIO_READ", 1)]
    assert together(reader.take_rest()) == [("DAMAGED", 1)]


def test_loss_that_no_record_has_told_of_is_told_at_the_end() -> None:
    story = RingStory().write()
    story.header["lost"] = 42
    reader = consumer(story)
    reader.take()
    assert together(reader.take_rest()) == [("RING_FULL", 42)]


def test_a_flight_recorder_is_read_at_the_end_from_a_whole_record_on() -> None:
    story = RingStory(slots=16, policy=RingPolicy.OVERWRITE)
    for value in range(20):
        story.write(value=value, payload=b"0123456789" * 15)
    reader = consumer(story)
    assert len(reader.take()) == 0
    taken = reader.take_rest()
    # 16 slots hold five records of three; the oldest one's first slot has been overwritten.
    assert together(taken) == [("OVERWRITTEN", 15)] + [("MMIO_READ", n) for n in range(15, 20)]
    assert taken[1].payloads[0] == b"0123456789" * 15


def test_a_flight_recorder_that_was_never_full_has_lost_nothing() -> None:
    story = RingStory(slots=16, policy=RingPolicy.OVERWRITE).write(value=1).write(value=2)
    assert together(consumer(story).take_rest()) == [("MMIO_READ", 1), ("MMIO_READ", 2)]


def test_a_dead_machine_s_flight_recorder_needs_no_head() -> None:
    story = RingStory(slots=8, policy=RingPolicy.OVERWRITE)
    for value in range(11):
        story.write(value=value)
    story.header["head"] = story.header["records"] = 0
    assert together(consumer(story).take_rest()) == [("MMIO_READ", n) for n in range(3, 11)]


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("magic", 1, "magic"),
        ("version", 99, "version 99"),
        ("slot_size", 64, "strange size"),
        ("slots", 0, "strange size"),
        ("slots", 63, "strange size"),
        ("slots", 1 << 40, "more slots than memory"),
        ("data_offset", 0, "inside the header"),
        ("data_offset", 1 << 60, "more slots than memory"),
    ],
)
def test_a_strange_header_is_refused_with_its_reason(field: str, value: int, reason: str) -> None:
    story = RingStory()
    story.header[field] = value
    with pytest.raises(UvtraceError, match=reason):
        Ring(story.memory)


def test_memory_without_a_ring_is_not_ready() -> None:
    assert not Ring.is_ready(bytearray(8192))
    assert Ring.is_ready(RingStory().memory)


def _all(reader: Consumer) -> list[Batch]:
    batches = []
    while len(batch := reader.take()):
        batches.append(batch)
    return batches + reader.take_rest()


@settings(max_examples=300, deadline=None)
@given(
    lengths=st.lists(st.integers(0, 700), max_size=40),
    damage=st.lists(
        st.tuples(st.integers(0, 127), st.integers(0, 127), st.integers(0, 255)), max_size=30
    ),
    policy=st.sampled_from(RingPolicy),
)
def test_no_damage_breaks_the_reader_and_every_payload_fits_its_record(
    lengths: list[int], damage: list[tuple[int, int, int]], policy: RingPolicy
) -> None:
    story = RingStory(slots=128, policy=policy)
    for length in lengths:
        if policy is RingPolicy.DROP and story.head + 8 > 128:
            break
        story.write(Kind.METADATA, payload=b"d" * length)
    for slot, byte, value in damage:
        story.memory[layout.RING_HEADER_SIZE + slot * 128 + byte] = value
    for batch in _all(consumer(story)):
        records = batch.records
        assert np.isin(records["kind"], [int(kind) for kind in Kind]).all()
        assert not np.isin(records["kind"], [Kind.PAD, Kind.CONTINUATION]).any()
        assert (lost_counts(records) <= LOSS_MAX).all()
        for row in range(len(records)):
            assert len(batch.payloads.get(row, b"")) == records["payload"][row]


@settings(max_examples=200, deadline=None)
@given(lengths=st.lists(st.integers(0, 3000), max_size=60))
def test_what_is_written_is_what_is_read(lengths: list[int]) -> None:
    story = RingStory(slots=64)
    reader = consumer(story)
    for number, length in enumerate(lengths):
        payload = bytes([number % 251]) * length
        story.write(Kind.METADATA, payload=payload, value=number)
        batch = reader.take()
        assert int(batch.records["value"][0]) == number
        assert batch.payloads.get(0, b"") == payload


def test_the_longest_payload_fits_a_batch() -> None:
    assert CONTINUATIONS_MAX < BATCH_SLOTS


def test_a_full_ring_is_drained_lap_after_lap() -> None:
    story = RingStory(slots=1 << 17)
    slots = story.slots
    slots["version"], slots["kind"] = 1, Kind.MMIO_WRITE
    reader = consumer(story)
    for lap in range(5):
        slots["seq"] = np.arange(lap * len(slots) + 1, (lap + 1) * len(slots) + 1)
        taken = 0
        while len(batch := reader.take()):
            taken += len(batch)
        assert taken == len(slots)
