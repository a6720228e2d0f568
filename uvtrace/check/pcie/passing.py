# SPDX-License-Identifier: Apache-2.0
"""Which messages passed others that they must not pass, and which were held up (ORD001 to ORD007).

A pass over events in order: arrays in, columns out, and :class:`InFlight` carried from chunk to
chunk. It holds only the messages that have been issued and not yet delivered.

When a message is delivered, every earlier message of its channel that is still in flight has been
passed. ``docs/ordering.md`` says how a trace tells of issue and delivery.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from uvtrace.check.pcie.messages import Events, channels, events_of
from uvtrace.check.pcie.ordering import Transaction, compiled
from uvtrace.check.pcie.passing_kernels import (
    FIELDS,
    NOTHING,
    advance,
    as_rows,
    held_at_end,
)
from uvtrace.trace.enums import Flag

CAPACITY: Final = 4096
"""Messages in flight at once that are kept; a link's credits allow far fewer."""
PATIENCE_NS: Final = 50_000_000
"""How long a message waits before it counts as held up: the shortest completion timeout."""

RULE_OF: Final = np.zeros((len(Transaction), len(Transaction)), np.uint8)
"""The number of the rule ORD00n that forbids a passing, by later and earlier class; 0 none."""
RULE_OF[Transaction.POSTED, Transaction.POSTED] = 1
RULE_OF[Transaction.READ, Transaction.POSTED] = 2
RULE_OF[Transaction.WRITE, Transaction.POSTED] = 2
RULE_OF[Transaction.COMPLETION, Transaction.POSTED] = 3
RULE_OF[Transaction.COMPLETION, Transaction.COMPLETION] = 4
RULE_OF.flags.writeable = False
_DTYPES: Final = (np.int8, np.uint8, np.int64, np.int32, np.int64, np.int64, np.int64)


@dataclass
class InFlight:
    """The messages that have been issued and not delivered, oldest first.

    Args:
        links: the number of each function's link, from ``messages.links_of``.
        patience_ns: how long a message waits before it counts as held up (ORD007).

    Attributes:
        forgotten: messages given up because too many were in flight; where it is not 0, a rule
            that finds nothing knows nothing.
        unmatched: deliveries of messages whose issue was not seen.
    """

    links: NDArray[np.int64]
    patience_ns: int = PATIENCE_NS
    forgotten: int = 0
    unmatched: int = 0
    _table: NDArray[np.int64] = field(init=False, repr=False)
    _life_ns: NDArray[np.int64] = field(init=False, repr=False)
    _count: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        self._table = np.zeros((CAPACITY, FIELDS), np.int64)
        self._life_ns = np.full(max(channels(self.links), 1), np.iinfo(np.int64).min)

    def __len__(self) -> int:
        return self._count

    def forget(self) -> None:
        """Records were lost: what is in flight is not known from here on."""
        self._count = 0

    def take(self, events: Events) -> EventPassings:
        """Follow some more events."""
        lookup = compiled()
        out = np.tile(np.array(NOTHING, np.int64), (len(events), 1))
        self._count, forgotten, unmatched = advance(
            *(events.end, events.time_ns, as_rows(events)),
            *(lookup.passing, lookup.label, RULE_OF, self.patience_ns),
            *(self._table, self._life_ns, self._count, out),
        )
        self.forgotten += forgotten
        self.unmatched += unmatched
        return EventPassings.of(out)

    def held_at(self, time_ns: int) -> NDArray[np.int64]:
        """Messages that at the trace's end have been held up by non-posted requests.

        Returns:
            One row (message, request that it could not pass, nanoseconds held, function) each;
            the first two are positions in the trace. int64, shape (n, 4).
        """
        found = np.zeros((self._count, 4), np.int64)
        n = held_at_end(
            *(self._table, self._life_ns, self._count, compiled().passing),
            *(self.patience_ns, time_ns, found),
        )
        return found[:n]


class EventPassings(NamedTuple):
    """What every event shows; arrays of shape (n,). Events are positions in the trace, -1 none.

    Attributes:
        rule: n of the rule ORD00n that this delivery breaks, 0 none, -1 where its issue was not
            seen, int8. Of several the most specific (ORD005), then that of the message issued
            first.
        order: index in ``ordering.LABELS`` of the clause it breaks, uint8; of rule 0: 0.
        passed: the record of the passed message, int64.
        passed_count: how many messages it passed and must not have, int32.
        overtaken_by: the delivery that passed this message before, and must not have, int64.
        held: the message that this non-posted request held up, int64 (ORD007).
        held_ns: for how long, int64.
    """

    rule: NDArray[np.int8]
    order: NDArray[np.uint8]
    passed: NDArray[np.int64]
    passed_count: NDArray[np.int32]
    overtaken_by: NDArray[np.int64]
    held: NDArray[np.int64]
    held_ns: NDArray[np.int64]

    @classmethod
    def of(cls, out: NDArray[np.int64]) -> EventPassings:
        """From the columns that the compiled loop fills, shape (n, 7)."""
        columns = zip(out.T, _DTYPES, strict=True)
        return cls(*(column.astype(dtype) for column, dtype in columns))

    @classmethod
    def none(cls, n: int) -> EventPassings:
        """Nothing to tell of ``n`` events."""
        columns = zip(NOTHING, _DTYPES, strict=True)
        return cls(*(np.full(n, value, dtype) for value, dtype in columns))

    @classmethod
    def joined(cls, parts: Sequence[EventPassings]) -> EventPassings:
        """Those of consecutive events as one."""
        return cls(*map(np.concatenate, zip(*parts, strict=True)))

    def spread(self, rows: NDArray[np.int64], n: int) -> EventPassings:
        """The same for a chunk of ``n`` records, of which these are the ones at ``rows``."""
        wide = EventPassings.none(n)
        for name, values in self._asdict().items():
            getattr(wide, name)[rows] = values
        return wide


def passings(
    records: NDArray[np.void], positions: NDArray[np.int64], state: InFlight
) -> EventPassings:
    """What each record of a chunk shows; ``state`` carries on to the next chunk.

    Args:
        records: dtype RECORD, shape (n,), in the order of the trace.
        positions: their indices in the trace, shape (n,).
        state: of everything before; a new one at the beginning.
    """
    apart = np.uint32(Flag.APART | Flag.FAR)
    if not len(state) and not np.any(records["flags"] & apart):
        # Every message arrived when it was issued: nothing can have been passed.
        return EventPassings.none(len(records))
    events = events_of(records, positions, state.links)
    return state.take(events).spread(events.row, len(records))
