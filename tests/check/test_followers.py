# SPDX-License-Identifier: Apache-2.0
"""What followers are told of events: among few events and by the machine code alike."""

from __future__ import annotations

import numpy as np
import pytest

from tests.check.test_by_kind import (
    BYTE,
    FUNCTIONS,
    OTHER_WORD,
    PASSED,
    PLACED,
    SELDOM,
    SIGNED,
    SWITCH,
    WORD,
    chunk_of,
)
from uvtrace.check.by_kind import ByKind
from uvtrace.check.columns import record
from uvtrace.check.expression import FALSE, TRUE, Number, choose
from uvtrace.check.followers import Asked, Follower, Followers, Key, Marked, unsure_of
from uvtrace.check.native.function import PIECE
from uvtrace.check.program import Program

EVEN = (record.seq & 1) == 0
NUMBERS: tuple[Number, ...] = (
    SIGNED,
    WORD ^ OTHER_WORD,
    choose(SWITCH, SIGNED, PLACED),
    PASSED + SELDOM,
    SIGNED.bits(3, 7),
)


def followers_of(*several: Follower) -> Followers:
    followers = Followers(Program(), FUNCTIONS)
    for each in several:
        followers.add(each)
    return followers


def told(events: Marked, follower: Follower) -> list[tuple[int, list[int], list[int | None]]]:
    """Of each event its row, its bits, and the numbers that are told of events with such bits."""
    rows = []
    for i, row in enumerate(events.rows.tolist()):
        words = events.bits[i].tolist()
        bits = sum(word << 64 * place for place, word in enumerate(words))
        numbers = [
            int(number[i]) if asked.bits & bits else None
            for asked, number in zip(follower.asked, events.numbers, strict=True)
        ]
        rows.append((row, words, numbers))
    return rows


@pytest.mark.parametrize("count", [1, PIECE, 2 * PIECE + 500])
def test_the_machine_code_tells_what_is_found_among_few(count: int) -> None:
    chunk = chunk_of(count, 7)
    kind = int(chunk.kind[0])
    asked = [
        *(Asked(number, 0b111) for number in NUMBERS),
        Asked(Key(NUMBERS), 0b1),
        Asked(Key((SIGNED, BYTE), every=True), 0b10),
        Asked(Key(()), 1 << 3),
    ]
    several = [
        Follower([(EVEN, 0), (~EVEN & (record.kind == kind), 1), (SWITCH, 2), (TRUE, 3)], asked),
        Follower([(SWITCH, 5), (unsure_of(SWITCH), 63), (SIGNED > 0, 64), (EVEN, 130)], asked[:2]),
    ]
    followers = followers_of(*several)
    compiled = ByKind([], followers.all, followers.program, FUNCTIONS)
    compiled.judge(chunk)
    few = followers.among_few(chunk)
    for number, follower in enumerate(several):
        assert told(compiled.events(number), follower) == told(few.events(number), follower)
    assert few.events(0).rows.tolist() == list(range(count))


def test_what_is_found_of_a_chunk_is_not_told_of_the_next_one() -> None:
    follower = Follower([(SWITCH, 0), (EVEN, 1)], [Asked(SIGNED, 1)])
    followers = followers_of(follower)
    compiled = ByKind([], followers.all, followers.program, FUNCTIONS)
    for seed, count in enumerate((900, 20, 2 * PIECE + 500, 900)):
        chunk = chunk_of(count, seed)
        compiled.judge(chunk)
        few = followers.among_few(chunk)
        assert told(compiled.events(0), follower) == told(few.events(0), follower)


@pytest.mark.parametrize("every", [False, True])
def test_keys_are_equal_where_functions_and_parts_are(every: bool) -> None:
    chunk = chunk_of(600, 3)
    asked = Asked(Key((BYTE, SIGNED), every=every), 1)
    keys = followers_of(Follower([(TRUE, 0)], [asked])).among_few(chunk).events(0).numbers[0]
    functions = chunk.function if every else np.minimum(chunk.function, FUNCTIONS)
    columns = functions, chunk.column("byte"), chunk.column("signed")
    parts = list(zip(*(column.tolist() for column in columns), strict=True))
    assert len(set(parts)) == len(set(keys.tolist())) == len(set(zip(parts, keys, strict=True)))


def test_what_is_never_certain_is_not_asked() -> None:
    assert unsure_of(EVEN) is FALSE
    follower = Follower([(FALSE, 0), (EVEN, 1)])
    assert [mark.bit for mark in follower.marks] == [1]
