# SPDX-License-Identifier: Apache-2.0
"""Passes over stories."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from tests.story import Story
from uvtrace.check.chunk import Chunk
from uvtrace.check.loss import LossFollower
from uvtrace.check.passes import maker_of, with_inputs
from uvtrace.trace.layout import VIEW_OF_KIND


def columns_of(
    story: Story,
    family: str,
    names: Iterable[str],
    *,
    after: Iterable[str] = (),
    size: int = 1 << 16,
) -> dict[str, list[Any]]:
    """Derived columns of a story's own events, as lists, from chunks of ``size`` records.

    ``after`` are the families whose columns this one's pass reads.
    """
    trace = story.trace()
    wanted = with_inputs(set(names))
    losses = LossFollower(trace)
    passes = [maker_of(each)(trace, wanted, None) for each in (*after, family)]
    told: dict[str, list[Any]] = {name: [] for name in names}
    first = 0
    for part in trace.chunks(size):
        records = part.records
        chunk = Chunk(records, first, losses.take(first, records), part.payload)
        for each in passes:
            each.run(chunk)
        for name in told:
            told[name] += chunk.column(name).tolist()
        first += len(records)
    # What names modules and sites is no event of the story.
    own = [VIEW_OF_KIND[kind] not in ("module", "meta") for kind in trace.column("kind").tolist()]
    return {name: [v for v, mine in zip(vs, own, strict=True) if mine] for name, vs in told.items()}
