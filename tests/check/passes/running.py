# SPDX-License-Identifier: Apache-2.0
"""Passes over stories."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from tests.story import Story
from uvtrace.check.chunk import Chunk
from uvtrace.check.loss import LossFollower
from uvtrace.check.passes import maker_of
from uvtrace.trace.layout import VIEW_OF_KIND


def columns_of(
    story: Story, family: str, names: Iterable[str], *, size: int = 1 << 16
) -> dict[str, list[Any]]:
    """Derived columns of a story's own events, as lists, from chunks of ``size`` records."""
    trace = story.trace()
    wanted = set(names)
    losses = LossFollower(trace)
    one = maker_of(family)(trace, wanted, None)
    told: dict[str, list[Any]] = {name: [] for name in names}
    first = 0
    for part in trace.chunks(size):
        records = part.records
        chunk = Chunk(records, first, losses.take(first, records), part.payload)
        one.run(chunk)
        for name in told:
            told[name] += chunk.column(name).tolist()
        first += len(records)
    # What names modules and sites is no event of the story.
    own = [VIEW_OF_KIND[kind] not in ("module", "meta") for kind in trace.column("kind").tolist()]
    return {name: [v for v, mine in zip(vs, own, strict=True) if mine] for name, vs in told.items()}
