# SPDX-License-Identifier: Apache-2.0
"""Where the snapshots of a chunk are, and those of what it is asked for."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from uvtrace.check.chunk import Chunk
from uvtrace.trace.enums import Kind, Snapshot
from uvtrace.trace.layout import view_of

_SNAPSHOT: Final = (int(Kind.SNAPSHOT),)
TOPICS: Final = {int(topic): topic for topic in Snapshot}


def snapshots(chunk: Chunk, *topics: Snapshot) -> list[tuple[int, Snapshot]]:
    """The snapshots of some topics: row and topic of each, in order."""
    rows = chunk.rows(_SNAPSHOT)
    if not len(rows):
        return []
    told = view_of(chunk.records, "meta")["topic"][rows]
    wanted: NDArray[np.bool_] = np.isin(told, np.array([int(topic) for topic in topics]))
    pairs = zip(rows[wanted].tolist(), told[wanted].tolist(), strict=True)
    return [(row, TOPICS[topic]) for row, topic in pairs]


def config_snapshots(chunk: Chunk) -> list[tuple[int, int]]:
    """The snapshots that begin at the first byte of config space: row, and size of the space."""
    rows = chunk.rows(_SNAPSHOT)
    if not len(rows):
        return []
    meta = view_of(chunk.records, "meta")[rows]
    wanted = (meta["topic"] == int(Snapshot.CONFIG)) & (meta["offset"] == 0)
    return list(zip(rows[wanted].tolist(), meta["total"][wanted].tolist(), strict=True))


def no_driver_rows(chunk: Chunk) -> NDArray[np.int64]:
    """The rows of snapshots that tell that a function has no driver."""
    told = snapshots(chunk, Snapshot.DRIVER)
    return np.array([row for row, _ in told if not chunk.payload(row).strip(b"\0")], np.int64)
