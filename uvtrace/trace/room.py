# SPDX-License-Identifier: Apache-2.0
"""Memory in which the records of one part of a trace lie, and then those of the next.

The fields that are asked for of every record lie in arrays of their own, too: they are taken apart
while the record is copied. A field that is read alone later fetches a cache line of each record.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from uvtrace.trace.layout import RECORD, RECORD_SIZE


class Fields(NamedTuple):
    """An array of each field, named as the record's."""

    kind: NDArray[np.uint8]
    phase: NDArray[np.uint8]
    status: NDArray[np.uint8]
    flags: NDArray[np.uint32]
    seq: NDArray[np.uint64]
    time_ns: NDArray[np.uint64]
    cpu: NDArray[np.uint16]
    function: NDArray[np.uint16]


FIELDS: Final = Fields._fields
WORDS: Final = np.dtype([("words", np.uint32, (RECORD_SIZE // 4,))])
"""A record of which nothing is told but how long it is."""


class Room:
    """Room for some records.

    To have it from the system anew for each part, all zeros, costs more than to fill it.

    Attributes:
        records: dtype RECORD, shape (n,).
        fields: of each record.
        places: byte offset of each record in its file, int64.
    """

    def __init__(
        self, records: NDArray[np.void], fields: Fields, places: NDArray[np.int64]
    ) -> None:
        self.records = records
        self.fields = fields
        self.places = places

    @classmethod
    def of(cls, n: int) -> Room:
        """New room for ``n`` records."""
        fields: Any = {name: np.empty(n, RECORD[name]) for name in FIELDS}
        return cls(np.empty(n, RECORD), Fields(**fields), np.empty(n, np.int64))

    def __len__(self) -> int:
        return len(self.records)

    def words(self) -> NDArray[np.void]:
        """The records as 32-bit words, :data:`WORDS`."""
        return self.records.view(WORDS)

    def part(self, start: int, stop: int) -> Room:
        """Some of the room."""
        fields: Any = (field[start:stop] for field in self.fields)
        return Room(self.records[start:stop], Fields(*fields), self.places[start:stop])

    def first(self, count: int) -> dict[str, NDArray[Any]]:
        """The fields of the first records, by name."""
        return {name: part[:count] for name, part in self.fields._asdict().items()}

    def take_apart(self, records: NDArray[np.void]) -> None:
        """The fields become those of records, which lie here or elsewhere."""
        for name, part in self.fields._asdict().items():
            part[: len(records)] = records[name]
