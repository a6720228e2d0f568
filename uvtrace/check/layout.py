# SPDX-License-Identifier: Apache-2.0
"""How the columns of chunks are read, one chunk after the other, by code made once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from uvtrace.check.chunk import Chunk
from uvtrace.check.native.access import Access, How, Source, groups_of, joined
from uvtrace.check.native.fields import field_access
from uvtrace.check.native.function import Argument, Column


class Layout:
    """How columns are read: as every chunk so far can be.

    What can be read is not made less: chunks differ by what there is in them.

    Args:
        names: of the columns, in the order of their numbers.

    Attributes:
        arguments: what the code is given, see :class:`Argument`; those of columns are filled in.
        version: another number after each change.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self.arguments = np.zeros(Argument.COLUMNS + 2 * len(names), np.int64)
        self.version = 0
        self._number = {name: number for number, name in enumerate(names)}
        self._users: dict[str, set[int]] = {}
        self._accesses: dict[str, Access | None] = {}
        self._groups: tuple[int, ...] = ()

    def use(self, kind: int, names: Iterable[str]) -> None:
        """Columns are read for a kind of event, too."""
        for name in names:
            self._users.setdefault(name, set()).add(kind)
        self._groups = ()
        self.version += 1

    def fit(self, chunk: Chunk) -> list[Source]:
        """Change so that a chunk can be read.

        Returns:
            What must be kept as long as :attr:`arguments` are used.
        """
        sources = [chunk.source(name, users) for name, users in self._users.items()]
        used: list[Source] = []
        columns = zip(self._users, sources, strict=True)
        for place, (name, source) in enumerate(columns):
            access = None if source is None else source.access
            known = self._accesses.get(name)
            if access != known or name not in self._accesses:
                self._join(name, access)
                known = self._accesses[name]
            if source is not None and known is not None:
                used.append(source if access == known else _as(chunk, name, source, known))
            else:
                used.append(_OF_RECORDS)
            self._tell(name, used[place])
        self._fit_groups(used)
        return used

    def _join(self, name: str, access: Access | None) -> None:
        if name in self._accesses:
            known = self._accesses[name]
            if known is None or access is None:
                raise ValueError(f"the column {name!r} is told of some chunks only")
            access = joined(known, access)
            if access == known:
                return
        self._accesses[name] = access
        self.version += 1

    def _tell(self, name: str, source: Source) -> None:
        at = Argument.COLUMNS + 2 * self._number[name]
        self.arguments[at] = source.address
        self.arguments[at + 1] = source.places_address

    def _fit_groups(self, used: Sequence[Source]) -> None:
        """Columns of one group have the same places, in every chunk so far."""
        addresses = [source.places_address for source in used]
        if self._groups:
            pairs = set(zip(self._groups, addresses, strict=True))
            if len(pairs) == len({group for group, _ in pairs}):
                return
            self._groups = groups_of(zip(self._groups, addresses, strict=True))
        else:
            self._groups = groups_of(addresses)
        self.version += 1

    def columns(self, kind: int, names: Iterable[str]) -> dict[str, Column]:
        """How the columns are read for a kind of event."""
        groups = dict(zip(self._users, self._groups, strict=True))
        first: dict[int, int] = {}
        own: dict[str, Column] = {}
        for name in names:
            access, number = self._accesses[name], self._number[name]
            if access is None:
                access = field_access(name, kind)
            is_placed = access.how == How.PLACED
            group = first.setdefault(groups[name], number) if is_placed else number
            own[name] = Column(access, number, group)
        return own


_OF_RECORDS = Source(Access(How.RECORD))


def _as(chunk: Chunk, name: str, source: Source, access: Access) -> Source:
    """A column, to be read in another way than it lies."""
    if access.how == How.ROW:
        if source.access.how == How.CONSTANT:
            values: NDArray[np.generic] = np.full(len(chunk), source.access.fill, access.counts)
            return Source.of(access, values)
        return chunk.source_by_row(name, access.counts)
    return Source.of(access, np.zeros(0, np.int64), chunk.nowhere)
