# SPDX-License-Identifier: Apache-2.0
"""A piece of a trace as columns: of the record when asked for, derived ones as passes fill them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cache, cached_property, lru_cache
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from uvtrace.check.columns import ALL
from uvtrace.check.columns.record import COMMON_FIELDS, VIEW_FIELDS
from uvtrace.check.loss import Losses
from uvtrace.check.native.access import Access, How, Source, by_row, offset_in_row
from uvtrace.check.native.fields import is_field
from uvtrace.check.places import Places, put_places
from uvtrace.check.split import latest_until, rows_among, rows_by_kind, split
from uvtrace.loops.heads import address_of
from uvtrace.trace.layout import kinds_of, view_of
from uvtrace.trace.room import FIELDS

Rows = NDArray[np.int64]
Array = NDArray[Any]
Filler = Callable[[Rows], Array]


_NO_ROWS: Final[Rows] = np.zeros(0, np.int64)
_SORTED: Final = 8
"""Rows of several kinds that are fewer than one in so many are sorted, not looked for."""


_BEHIND: Final = 8
"""Zeros behind the rows that are ordered by kind."""


_PAYLOADS: Final = 256
"""Payloads that are kept for whoever asks again."""
_FEW: Final = 2
"""Fields of the union are read of fewer rows than one in so many, and else of all at once."""


def _uses(view: str) -> NDArray[np.bool_]:
    """By kind, whether its records have a member of the union."""
    table = np.zeros(256, bool)
    table[list(kinds_of(view))] = True
    return table


_USES: Final = {view: _uses(view) for view in VIEW_FIELDS}
_OF_UNION: Final = frozenset(name for fields in VIEW_FIELDS.values() for name in fields)


class _Told(NamedTuple):
    """A column of some rows, as a pass told it; the others hold ``fill``."""

    rows: Rows
    values: Array
    fill: int


class _Placed(NamedTuple):
    """A column whose values lie at places, one for every row; it holds ``fill`` where that is -1.

    Where ``since`` says so they are times, and the column tells how long ago that was: see
    :class:`uvtrace.check.native.access.Access`, also of ``fetched``.
    """

    places: NDArray[np.int32]
    values: Array
    since: str
    fill: int | None
    fetched: bool


class Chunk:
    """Some consecutive records of a trace, and what the passes derive of them.

    Attributes:
        records: dtype RECORD, shape (n,).
        first: position of the first record in the trace.
        losses: what was lost among them.
        payload: gives the payload of a row.
        parts: their fields, if they are at hand.

    Args:
        places: room for where rows are among those of a column.
    """

    def __init__(
        self,
        records: NDArray[np.void],
        first: int,
        losses: Losses,
        payload: Callable[[int], bytes],
        parts: dict[str, Array] | None = None,
        places: Places | None = None,
    ) -> None:
        # Compiled loops are made for one kind of array: it is the same for every chunk.
        self.records = np.ascontiguousarray(records).view()
        self.records.flags.writeable = False
        self.first = first
        self.losses = losses
        # Several passes ask for the same ones, each of which is looked for in the file.
        self.payload = lru_cache(_PAYLOADS)(payload)
        self._parts_at_hand = parts
        self._columns: dict[str, Array] = {}
        self._fillers: dict[str, Filler] = {}
        self._makers: dict[str, Callable[[], Array]] = {}
        self._told: dict[str, _Told] = {}
        self._placed: dict[str, _Placed] = {}
        self._put: set[str] = set()
        self._room = places or Places()
        self._places: dict[int, tuple[Rows, NDArray[np.int32]]] = {}
        self._found: dict[tuple[int, int], tuple[Rows, NDArray[np.int32]]] = {}
        self._rows: dict[frozenset[int], Rows] = {}
        self._addresses: dict[int, tuple[Array, int]] = {}
        self._latest: tuple[int, NDArray[np.int64]] | None = None

    def __len__(self) -> int:
        return len(self.records)

    @cached_property
    def kind(self) -> NDArray[np.uint8]:
        """The kind of every record."""
        return self.parts["kind"]

    @cached_property
    def function(self) -> NDArray[np.uint16]:
        """The function of every record."""
        return self.parts["function"]

    @cached_property
    def flags_seen(self) -> int:
        """Every flag that some record has."""
        return int(np.bitwise_or.reduce(self.parts["flags"]))

    @cached_property
    def parts(self) -> dict[str, Array]:
        """The fields that :func:`uvtrace.check.split.split` gives, by name."""
        return split(self.records) if self._parts_at_hand is None else self._parts_at_hand

    @cached_property
    def kinds(self) -> frozenset[int]:
        """The kinds that there are in it."""
        return frozenset(np.flatnonzero(np.diff(self._by_kind[1])).tolist())

    def rows(self, kinds: Iterable[int]) -> Rows:
        """The rows of these kinds, ascending."""
        # Kinds that there are none of tell no two requests apart.
        wanted = self.kinds.intersection(kinds)
        found = self._rows.get(wanted)
        if found is None:
            found = self._rows[wanted] = self._rows_of(wanted)
        return found

    def _rows_of(self, wanted: frozenset[int]) -> Rows:
        ordered, begins = self._by_kind
        if len(wanted) == len(self.kinds):
            return np.arange(len(self), dtype=np.int64)
        parts = [ordered[begins[kind] : begins[kind + 1]] for kind in wanted]
        if len(parts) == 1:
            return parts[0]
        count = sum(map(len, parts))
        if count * _SORTED < len(self):
            found = np.concatenate((_NO_ROWS, *parts))
            found.sort()
            return found
        table = np.zeros(256, np.uint8)
        table[list(wanted)] = 1
        found = np.empty(count + 1, np.int64)
        rows_among(self.kind, table, found)
        return found[:count]

    @cached_property
    def _by_kind(self) -> tuple[Rows, NDArray[np.int64]]:
        """The rows ordered by kind, and where each kind begins among them."""
        # Whoever goes through them may look ahead.
        ordered, begins = np.empty(len(self) + _BEHIND, np.int64), np.zeros(257, np.int64)
        ordered[len(self) :] = 0
        rows_by_kind(self.kind, begins, ordered)
        return ordered, begins

    def addresses_by_kind(self) -> dict[int, tuple[int, int]]:
        """Where in memory the rows of each kind that there is begin and end, by kind, in order of
        the kinds; behind the last lie zeros."""
        ordered, begins = self._by_kind
        lies = (address_of(ordered) + ordered.itemsize * begins).tolist()
        return {kind: (lies[kind], lies[kind + 1]) for kind in sorted(self.kinds)}

    def column(self, name: str) -> Array:
        """A column of every record, shape (n,); of unions 0 where the kind has no such member."""
        found = self._columns.get(name)
        if found is None:
            found = self._make(name)
            self._columns[name] = found
        return found

    def take(self, name: str, rows: Rows | None) -> Array:
        """A column of some rows (None: of all), shape (len(rows),)."""
        if rows is not None and name in self._fillers:
            return self._fillers[name](rows)
        if name not in self._columns:
            if rows is not None and name in self._told:
                return self._take_told(name, rows)
            if name in self._placed:
                return self._take_placed(name, rows)
            if rows is not None and name not in self._makers and len(rows) * _FEW < len(self):
                if name == "site" or name in COMMON_FIELDS:
                    return self._take_common(name, rows)
                if name in _OF_UNION:
                    return self._take_of_union(name, rows)
        column = self.column(name)
        return column if rows is None else column[rows]

    def source(self, name: str, kinds: Iterable[int]) -> Source | None:
        """Where the values of a column lie for the rows of some kinds; None: in the records."""
        if name in self._fillers:
            return self._row_source(self._filled(name, kinds))
        told = self._told.get(name)
        if told is not None:
            return self._told_source(name, told)
        placed = self._placed.get(name)
        if placed is not None:
            return self._placed_source(name, placed)
        if name not in self._put and is_field(name):
            return None
        return self._row_source(self.column(name))

    def source_by_row(self, name: str, counts: str) -> Source:
        """A column in an array of its own, by row."""
        return self._row_source(np.ascontiguousarray(self.column(name), counts))

    def _row_source(self, column: Array) -> Source:
        if not column.flags.c_contiguous:
            column = np.ascontiguousarray(column)
        return Source.of(by_row(column.dtype.str[1:]), column)

    @cached_property
    def nowhere(self) -> NDArray[np.int32]:
        """For every row that it has no place."""
        return self._room.take(len(self))

    def _told_source(self, name: str, told: _Told) -> Source:
        values = told.values
        if not len(told.rows):
            return Source(_constant(name, values.dtype, told.fill))
        placed = _Placed(self._places_of(told.rows), values, "", told.fill, fetched=True)
        return self._placed_source(name, placed)

    def _placed_source(self, name: str, told: _Placed) -> Source:
        values, where = told.values, self._address_of
        lies = values.dtype, values.strides[0], offset_in_row(values, where)
        access = _placed(name, *lies, told.fill, told.since, fetched=told.fetched)
        return Source.of(access, values, told.places, where)

    def _address_of(self, array: Array) -> int:
        """Where an array lies, which columns share: to ask takes as long as all else."""
        known = self._addresses.get(id(array))
        if known is None:
            # With the array, so that its id stays its own.
            known = self._addresses[id(array)] = array, address_of(array)
        return known[1]

    def _filled(self, name: str, kinds: Iterable[int]) -> Array:
        """A column that is filled in for some kinds only."""
        rows = self.rows(kinds)
        values = self._fillers[name](rows)
        column = np.empty(len(self), values.dtype)
        column[rows] = values
        return column

    def told(self, name: str) -> tuple[Rows, Array]:
        """What was told of some rows: these rows, ascending, and its values, for other passes."""
        told = self._told[name]
        return told.rows, told.values

    def placed(self, name: str) -> tuple[NDArray[np.int32], Array]:
        """Of a column that lies at places, every row's, and the values that lie there."""
        told = self._placed[name]
        return told.places, told.values

    def latest_ns(self, before: int) -> NDArray[np.int64]:
        """The latest time of any record up to each one, given that of the chunks before."""
        if self._latest is None or self._latest[0] != before:
            latest = np.empty(len(self), np.int64)
            latest_until(self.column("time_ns"), before, latest)
            self._latest = (before, latest)
        return self._latest[1]

    def put(self, name: str, column: Array) -> None:
        """Tell a derived column, shape (n,)."""
        self._columns[name] = column
        self._put.add(name)

    def put_placed(
        self,
        name: str,
        places: NDArray[np.int32],
        values: Array,
        *,
        since: str = "",
        fill: int | None = None,
        fetched: bool = False,
    ) -> None:
        """Tell a derived column whose values lie at places, one for every row.

        Args:
            name: of the column.
            places: index into ``values`` of each row, shape (n,).
            values: shape (places,); they must stay as they are, like the places.
            since: ``passed``: they are times, of which the column tells how long ago they were,
                and -1 where they are negative; ``passed, at least 0``: no less than that.
            fill: what rows hold whose place is -1; None: every row has a place.
            fetched: there are so many places that a value is asked for ahead.
        """
        self._placed[name] = _Placed(places, values, since, fill, fetched)
        self._columns.pop(name, None)

    def put_rows(self, name: str, rows: Rows, values: Array, fill: int = 0) -> None:
        """Tell a derived column of some rows, ascending; the others hold ``fill``.

        Only what is asked for of it is made: ``rows`` and ``values`` must stay as they are.
        """
        self._told[name] = _Told(rows, values, fill)
        self._columns.pop(name, None)

    def put_lazily(self, name: str, make: Callable[[], Array]) -> None:
        """Tell how to make a derived column of every record, when it is asked for."""
        self._makers[name] = make
        self._columns.pop(name, None)

    def put_filler(self, name: str, fill: Filler) -> None:
        """Tell how to make a derived column of given rows, when it is asked for."""
        self._fillers[name] = fill

    def release(self) -> None:
        """Give back the columns: what fills them refers to the chunk, a cycle that lives on."""
        for rows, places in self._places.values():
            self._room.give(places, rows)
        nowhere = self.__dict__.pop("nowhere", None)
        if nowhere is not None:
            self._room.give(nowhere, _NO_ROWS)
        self._columns.clear()
        self._fillers.clear()
        self._makers.clear()
        self._told.clear()
        self._placed.clear()
        self._put.clear()
        self._places.clear()
        self._found.clear()
        self._rows.clear()
        self._addresses.clear()

    def _take_told(self, name: str, rows: Rows) -> Array:
        told = self._told_of(name)
        if rows is told.rows:
            return told.values
        if not len(told.rows):
            return np.full(len(rows), told.fill, told.values.dtype)
        found = self._found_among(told.rows, rows)
        column: Array = told.values[found]
        column[found < 0] = told.fill
        return column

    def _make_told(self, name: str) -> Array:
        told = self._told_of(name)
        dtype = told.values.dtype
        column = np.full(len(self), told.fill, dtype) if told.fill else np.zeros(len(self), dtype)
        column[told.rows] = told.values
        return column

    def _told_of(self, name: str) -> _Told:
        """What was told of a column; its values are gathered when it is first asked for."""
        told = self._told[name]
        dtype = ALL[name].dtype if name in ALL else told.values.dtype
        values = np.ascontiguousarray(told.values, dtype)
        if values is not told.values:
            told = self._told[name] = told._replace(values=values)
        return told

    def _found_among(self, told: Rows, rows: Rows) -> NDArray[np.int32]:
        """Where each of ``rows`` is among those of a column, -1 where it is not.

        The columns of a pass have the same rows, and those of a frame are asked for them all.
        """
        known = self._found.get((id(told), id(rows)))
        if known is None:
            # What is held here is not made anew at the same address.
            known = rows, self._places_of(told)[rows]
            self._found[id(told), id(rows)] = known
        return known[1]

    def _places_of(self, told: Rows) -> NDArray[np.int32]:
        """Where each row is among those of a column, -1 where it is not."""
        if id(told) not in self._places:
            places = self._room.take(len(self))
            put_places(told, places)
            self._places[id(told)] = told, places
        return self._places[id(told)][1]

    def _take_placed(self, name: str, rows: Rows | None) -> Array:
        placed = self._placed[name]
        places = placed.places if rows is None else placed.places[rows]
        dtype = np.dtype(_counts_as(name, placed.values.dtype))
        if placed.fill is not None and not len(placed.values):
            return np.full(len(places), placed.fill, dtype)
        column: Array = placed.values[places].astype(dtype, copy=False)
        if placed.fill is not None:
            column[places < 0] = placed.fill
        if not placed.since:
            return column
        passed = self.take("time_ns", rows) - column
        if placed.since != "passed":
            passed = np.maximum(passed, 0)
        return np.where(column < 0, -1, passed)

    def _make(self, name: str) -> Array:
        if name in self._fillers:
            return self._fillers[name](np.arange(len(self), dtype=np.int64))
        if name in self._makers:
            return self._makers[name]()
        if name in self._told:
            return self._make_told(name)
        if name in self._placed:
            return self._take_placed(name, None)
        if name == "kind":
            return self.kind
        if name == "function":
            return self.function
        if name == "position":
            return np.arange(self.first, self.first + len(self), dtype=np.int64)
        if name == "site" or name in COMMON_FIELDS:
            return self._take_common(name, None)
        return self._of_union(name, np.dtype(ALL[name].dtype))

    def _take_common(self, name: str, rows: Rows | None) -> Array:
        if name == "site":
            caller = self.take("caller", rows)
            return np.where(caller != 0, caller, self.take("ip", rows))
        dtype, field = np.dtype(ALL[name].dtype), COMMON_FIELDS[name]
        part = self.parts[field] if field in FIELDS else self.records[field]
        column = np.ascontiguousarray(part if rows is None else part[rows])
        return column.view(dtype) if dtype.itemsize == column.itemsize else column

    def _take_of_union(self, name: str, rows: Rows) -> Array:
        kind, column = self.kind[rows], np.zeros(len(rows), ALL[name].dtype)
        for view, fields in VIEW_FIELDS.items():
            if name in fields:
                own = _USES[view][kind]
                column[own] = view_of(self.records, view)[fields[name]][rows[own]]
        return column

    def _of_union(self, name: str, dtype: np.dtype[Any]) -> Array:
        column = np.zeros(len(self), dtype)
        known = False
        for view, fields in VIEW_FIELDS.items():
            if name in fields:
                known = True
                rows = self.rows(kinds_of(view))
                if len(rows):
                    column[rows] = view_of(self.records, view)[fields[name]][rows]
        if not known:
            raise KeyError(f"no pass has told the column {name!r}")
        return column


def _counts_as(name: str, lies: np.dtype[Any]) -> str:
    """The dtype of a column whose values lie somewhere as another one."""
    dtype = ALL[name].dtype if name in ALL else lies
    return np.dtype(dtype).str[1:]


@cache
def _constant(name: str, lies: np.dtype[Any], fill: int) -> Access:
    return Access(How.CONSTANT, counts=_counts_as(name, lies), fill=fill)


@cache
def _placed(
    name: str,
    lies: np.dtype[Any],
    stride: int,
    offset: int,
    fill: int | None,
    since: str,
    *,
    fetched: bool = False,
) -> Access:
    counts = _counts_as(name, lies)
    return Access(How.PLACED, lies.str[1:], counts, stride, offset, fill, since, fetched=fetched)


class Frame:
    """Some rows of a chunk, as columns; the events that a rule looks at."""

    def __init__(self, chunk: Chunk, rows: Rows | None) -> None:
        self.chunk = chunk
        self.rows = rows
        self._columns: dict[str, Array] = {}

    def __len__(self) -> int:
        return len(self.chunk) if self.rows is None else len(self.rows)

    def column(self, name: str) -> Array:
        """A column of these rows, shape (len,)."""
        found = self._columns.get(name)
        if found is None:
            found = self.chunk.take(name, self.rows)
            self._columns[name] = found
        return found

    def row(self, index: int) -> int:
        """The chunk's row of the index-th event."""
        return index if self.rows is None else int(self.rows[index])
