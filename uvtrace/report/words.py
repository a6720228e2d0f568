# SPDX-License-Identifier: Apache-2.0
"""What the cells of the table of transactions say, each different text once.

A cell is the number of a text. Records that would be told alike are found by their fields, so that
of a million records only some thousands are put into words.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from uvtrace.registers import RegisterMap
from uvtrace.trace import descriptions, texts
from uvtrace.trace.enums import Flavour, Kind, Phase, Status
from uvtrace.trace.layout import BAR_NONE, VIEW_OF_KIND, view_of
from uvtrace.trace.trace import Trace

_HEX_MAX: Final = 16
_CONFIG: Final = (Kind.CONFIG_READ, Kind.CONFIG_WRITE)
_POOLS: Final = (Kind.POOL_CREATE, Kind.POOL_DESTROY)
_BUS_DMA: Final = (Kind.DMA_READ, Kind.DMA_WRITE)
_WRITES: Final = (Kind.MMIO_WRITE, Kind.PIO_WRITE)


class Words:
    """Texts by number; number 0 is the empty one."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {"": 0}

    def number(self, text: str) -> int:
        """The number of a text, a new one if it was not there."""
        return self._numbers.setdefault(text, len(self._numbers))

    def all(self) -> list[str]:
        """The texts, in the order of their numbers."""
        return list(self._numbers)


def grouped(*columns: NDArray[Any]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows that are equal in all columns: the first row of each group, and each row's group."""
    codes = np.zeros(len(columns[0]), np.int64)
    for column in columns:
        values, inverse = np.unique(column, return_inverse=True)
        _, codes = np.unique(codes * len(values) + inverse.reshape(-1), return_inverse=True)
        codes = codes.reshape(-1).astype(np.int64)
    first = np.unique(codes, return_index=True)[1]
    return first.astype(np.int64), codes


def numbers_of(
    rows: NDArray[np.int64],
    columns: tuple[NDArray[Any], ...],
    words: Words,
    tell: Callable[[int], str],
) -> NDArray[np.uint32]:
    """The numbers of the texts of some rows.

    Args:
        rows: which, shape (k,).
        columns: what their text depends on, each of shape (k,).
        words: takes the texts.
        tell: the text of a row.
    """
    first, codes = grouped(*columns)
    numbers = [words.number(tell(row)) for row in rows[first].tolist()]
    return np.array(numbers, np.uint32)[codes]


class Cells:
    """Puts records into words, chunk by chunk.

    Args:
        registers: by function index, what its registers are called.

    Attributes:
        places: texts of where an access goes.
        details: texts of everything else that a record tells.
        notes: texts of how it ended, and of its flags.
    """

    def __init__(self, registers: Mapping[int, RegisterMap]) -> None:
        self._registers = registers
        self.places = Words()
        self.details = Words()
        self.notes = Words()

    def place(self, part: Trace) -> NDArray[np.uint32]:
        """Where the accesses of a chunk go; 0 where the address alone tells it."""
        records = part.records
        access = view_of(records, "access")
        kind = records["kind"]
        found = np.zeros(len(records), np.uint32)
        config = np.flatnonzero(np.isin(kind, _CONFIG))
        if len(config):
            address = records["address"]
            found[config] = numbers_of(
                config,
                (address[config],),
                self.places,
                lambda row: _config_place(int(address[row])),
            )
        is_access = (kind >= Kind.MMIO_READ) & (kind <= Kind.PIO_WRITE)
        inside = np.flatnonzero(is_access & (access["bar"] != BAR_NONE))
        if len(inside):
            columns = (
                records["function"][inside],
                access["bar"][inside],
                access["offset"][inside],
                np.isin(kind[inside], _WRITES),
            )
            found[inside] = numbers_of(
                inside, columns, self.places, lambda row: self._register(records[row], access[row])
            )
        return found

    def _register(self, record: np.void, access: np.void) -> str:
        bar, offset = int(access["bar"]), int(access["offset"])
        place = f"{texts.bar_text(bar)}+{offset:#x}"
        described = self._registers.get(int(record["function"]))
        if described is None or offset >= 1 << 63:
            return place
        element = int(described.lookup([bar], [offset], [int(record["kind"]) in _WRITES])[0])
        return f"{place} {described.element_name(element)}" if element >= 0 else place

    def detail(self, part: Trace) -> NDArray[np.uint32]:
        """What the records of a chunk tell besides where, how much and what value."""
        records = part.records
        found = np.zeros(len(records), np.uint32)
        members = np.array([_MEMBERS.get(kind, 0) for kind in range(256)], np.uint8)
        member = members[records["kind"]]
        for number, (name, tell, fields) in _TELLERS.items():
            rows = np.flatnonzero(member == number)
            if not len(rows):
                continue
            view = view_of(records, name)
            columns = [records[field][rows] for field in ("kind", "phase", "status")]
            columns += [view[field][rows] for field in fields]
            found[rows] = numbers_of(
                rows,
                tuple(columns),
                self.details,
                lambda row, view=view, tell=tell: tell(records[row], view[row]),  # type: ignore[misc]
            )
        for row in np.flatnonzero(member == 0).tolist():
            found[row] = self.details.number(_sentence(part, row))
        return found

    def note(self, part: Trace) -> NDArray[np.uint32]:
        """How the records of a chunk ended where not well, and what their flags say."""
        records = part.records
        rows = np.arange(len(records))
        status, flags = records["status"], records["flags"]
        return numbers_of(
            rows,
            (status, flags),
            self.notes,
            lambda row: _note(int(status[row]), int(flags[row])),
        )


def _config_place(offset: int) -> str:
    return f"{offset:#04x} {texts.config_register_text(offset)}".rstrip()


def _note(status: int, flags: int) -> str:
    ended = [] if status in (Status.OK, Status.FAILED) else [texts.status_text(status)]
    return "; ".join([*ended, *texts.remarks(flags)])


def _access_detail(record: np.void, facts: np.void) -> str:
    phase = int(record["phase"])
    told = [texts.phase_text(phase)] if phase in (Phase.REQUEST, Phase.COMPLETION) else []
    if facts["string_count"]:
        told.append(f"{facts['string_index'] + 1} of {facts['string_count']}")
    return ", ".join(told)


def _call_detail(record: np.void, facts: np.void) -> str:
    told = [texts.direction_text(int(facts["direction"]))]
    if facts["flavour"] != Flavour.SINGLE:
        told.append(texts.flavour_text(int(facts["flavour"])))
    if facts["entries"] > 1:
        told.append(f"segment {facts['entry'] + 1} of {facts['entries']}")
    if record["status"] == Status.FAILED:
        told.append(f"failed: {texts.result_text(int(facts['result']))}")
    return ", ".join(told)


def _bus_detail(record: np.void, facts: np.void) -> str:
    if record["kind"] in (Kind.MSI, Kind.MSIX):
        address, data = int(facts["message_address"]), int(facts["message_data"])
        return f"vector {facts['vector']}, {data:#x} to {address:#x}"
    phase = int(record["phase"])
    told = [texts.phase_text(phase)] if phase in (Phase.REQUEST, Phase.COMPLETION) else []
    if facts["requester"] and record["kind"] in _BUS_DMA:
        told.append(f"by {texts.bdf_text(int(facts['requester']))}")
    return ", ".join(told)


def _sentence(part: Trace, row: int) -> str:
    """What a record of a rarer kind tells, without its kind, which has a column of its own."""
    kind = int(part[row]["kind"])
    if kind == Kind.MEMORY:
        return part.payload(row)[:_HEX_MAX].hex(" ")
    whole = descriptions.summary(part, row).split(" [", 1)[0]
    return whole.removeprefix(texts.kind_text(kind)).lstrip(": ")


_TELLERS: Final[dict[int, tuple[str, Callable[[np.void, np.void], str], tuple[str, ...]]]] = {
    1: ("access", _access_detail, ("string_index", "string_count")),
    2: ("dma", _call_detail, ("direction", "flavour", "entry", "entries", "result")),
    3: ("bus", _bus_detail, ("requester", "vector", "message_data", "message_address")),
}
_BY_NAME: Final = {name: number for number, (name, _, _) in _TELLERS.items()}
_MEMBERS: Final = {
    kind: _BY_NAME.get(member, 0)
    for kind, member in VIEW_OF_KIND.items()
    if kind not in (Kind.MEMORY, *_POOLS)
}
"""Kind to the number of its teller; 0 is a sentence of its own."""
