# SPDX-License-Identifier: Apache-2.0
"""The loop over accesses to registers: it remembers what was last done at each place."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from uvtrace.check.compiled import loop, step

Numbers = NDArray[np.int64]
Words = NDArray[np.uint64]

READ, WRITE, RESET, LOSS, SHOWN, BEGINS, PROMPT, NOTHING = range(8)
"""What an event is: an answered read, a write, the end of a reset that was seen, loss, a snapshot's
value of a place, the beginning of something after which nothing is known, the first half of a
read, and nothing that matters."""

PLACES: Final = 1 << 15
"""Places that are remembered, of all functions; a new one may take the room of an old one."""
_PROBES: Final = 16

EVENTS: Final = ("last_written", "last_read", "same_since", "reset_seen")
COUNTS: Final = ("same_reads", "writes_since_reset", "reads_since_reset", "read_in_handler")
VALUES: Final = ("last_written_value", "last_read_value", "observed_bits", "pending_bits")
NAMES: Final = (*EVENTS, *COUNTS)
_WRITTEN, _LAST_READ, _SINCE, _SEEN, _SAME, _WRITES, _READS, _HANDLER = range(len(NAMES))
_WROTE, _GAVE, _OBSERVED, _PENDING = range(len(VALUES))

PLACE: Final = np.dtype(
    [
        ("key", np.uint64),
        ("epoch", np.int64),
        ("written", np.int64),
        ("read", np.int64),
        ("since", np.int64),
        ("same", np.int64),
        ("rank", np.int64),
        ("writes", np.int64),
        ("reads", np.int64),
        ("in_handler", np.int64),
        ("wrote", np.uint64),
        ("gave", np.uint64),
        ("observed", np.uint64),
        ("pending", np.uint64),
    ]
)


class State(NamedTuple):
    """``places``: a hash table. By function: ``epoch`` counts resets, ``seen`` is the last one,
    ``begun`` the reset that was begun by hand, ``rank`` how many records there were."""

    places: NDArray[np.void]
    epoch: Numbers
    seen: Numbers
    begun: Numbers
    rank: Numbers


class Events(NamedTuple):
    """What happened, in order. ``key``: the place; ``resets``: bits that, with ``resets_value``,
    reset the function; ``rank``: how many records its function had before."""

    rows: Numbers
    code: Numbers
    function: Numbers
    key: Words
    value: Words
    resets: Words
    resets_value: Words
    begun: Numbers
    rank: Numbers
    hard: NDArray[np.bool_]


def new_state(functions: int) -> State:
    """Nothing is known."""
    return State(
        np.zeros(PLACES, PLACE),
        np.ones(functions, np.int64),
        np.full(functions, -1, np.int64),
        np.full(functions, -1, np.int64),
        np.zeros(functions, np.int64),
    )


@loop
def ranks(
    function: NDArray[np.uint16], counted: NDArray[np.bool_], rank: Numbers, found: Numbers
) -> None:
    """Fill in how many counted records of its function came before each; ``rank`` goes on."""
    for row in range(len(function)):
        f = int(function[row])
        if f < len(rank):
            found[row] = rank[f]
            rank[f] += counted[row]


@loop
def follow(state: State, events: Events, first: int, told: Numbers, values: Words) -> None:
    """Follow events; fill ``told`` (a row for each of NAMES) and ``values`` (of VALUES)."""
    for i in range(len(events.rows)):
        f, code = events.function[i], events.code[i]
        position = first + events.rows[i]
        if code == LOSS:
            _forget(state, f)
        if f < 0 or f >= len(state.epoch) or code == NOTHING:
            continue
        if code == BEGINS:
            _reset(state, f, -1)
        elif code == RESET:
            _reset(state, f, position)
        if events.begun[i] >= 0 and events.begun[i] != state.begun[f]:
            state.begun[f] = events.begun[i]
            _reset(state, f, events.begun[i])
        if code in (READ, WRITE, PROMPT, SHOWN):
            place = _place(state, f, events.key[i])
            _tell(state, place, f, i, told, values)
            if code == READ:
                _read(state, events, place, i, position, told)
            elif code == WRITE:
                _write(state, events, place, i, position)
            elif code == SHOWN:
                place["pending"] = events.value[i]


@step
def _forget(state: State, f: int) -> None:
    for each in range(len(state.epoch)):
        if f < 0 or each == f:
            _reset(state, each, -1)
    for place in state.places:
        if f < 0 or np.int64(place["key"] >> np.uint64(51)) == f + 1:
            place["key"] = 0


@step
def _reset(state: State, f: int, seen: int) -> None:
    state.epoch[f] += 1
    state.seen[f] = seen


@step
def _place(state: State, f: int, key: int) -> np.void:
    """Where a place is remembered; made, or made over, where it was not."""
    home = np.int64((key * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(49)) % PLACES
    chosen = home
    for probe in range(_PROBES):
        slot = (home + probe) % PLACES
        if state.places[slot]["key"] == key:
            chosen = slot
            break
        if state.places[slot]["key"] == 0:
            chosen = slot
            break
    place: np.void = state.places[chosen]
    if place["key"] != key:
        place["key"] = key
        place["written"], place["read"] = -1, -1
        place["in_handler"] = 0
        place["epoch"] = 0
    if place["epoch"] != state.epoch[f]:
        place["epoch"] = state.epoch[f]
        place["writes"], place["reads"] = 0, 0
        place["since"], place["same"], place["rank"] = -1, 0, -2
        place["observed"], place["pending"] = 0, 0
    return place


@step
def _tell(state: State, place: np.void, f: int, i: int, told: Numbers, values: Words) -> None:
    told[_WRITTEN, i], told[_LAST_READ, i] = place["written"], place["read"]
    told[_SINCE, i], told[_SEEN, i] = place["since"], state.seen[f]
    told[_SAME, i] = 0
    told[_WRITES, i], told[_READS, i] = place["writes"], place["reads"]
    told[_HANDLER, i] = place["in_handler"]
    values[_WROTE, i] = place["wrote"] if place["written"] >= 0 else np.uint64(0)
    values[_GAVE, i] = place["gave"] if place["read"] >= 0 else np.uint64(0)
    values[_OBSERVED, i], values[_PENDING, i] = place["observed"], place["pending"]


@step
def _read(
    state: State, events: Events, place: np.void, i: int, position: int, told: Numbers
) -> None:
    value = events.value[i]
    goes_on = place["same"] > 0 and place["gave"] == value and place["rank"] + 1 == events.rank[i]
    if not goes_on:
        place["same"], place["since"] = 0, position
    place["same"] += 1
    place["rank"] = events.rank[i]
    place["read"], place["gave"] = position, value
    place["reads"] += 1
    place["observed"] |= value
    place["pending"] &= ~value
    if events.hard[i]:
        place["in_handler"] = 1
    told[_SAME, i], told[_SINCE, i] = place["same"], place["since"]


@step
def _write(state: State, events: Events, place: np.void, i: int, position: int) -> None:
    f, value, resets = events.function[i], events.value[i], events.resets[i]
    # Writing a 1 resets whatever was there; a 0 only where there was none before.
    known = place["writes"] > 0 or place["reads"] > 0 or events.resets_value[i] != 0
    newest = place["wrote"] if place["written"] > place["read"] else place["gave"]
    was = events.resets_value[i] == 0 and known and (newest & resets) == 0
    place["written"], place["wrote"] = position, value
    place["writes"] += 1
    place["observed"] = 0
    place["pending"] &= ~value
    place["same"] = 0
    if resets != 0 and (value & resets) == events.resets_value[i] and not was:
        _reset(state, f, position if known else -1)
        # The write itself is of the time after the reset: it must not be taken for one before.
        place["epoch"] = state.epoch[f]
        place["writes"], place["reads"] = 1, 0
