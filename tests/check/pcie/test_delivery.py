# SPDX-License-Identifier: Apache-2.0
"""Whether a record tells that a message has arrived."""

from __future__ import annotations

import numpy as np

from uvtrace.check.pcie.delivery import delivered
from uvtrace.check.pcie.messages import deliveries
from uvtrace.trace.enums import Flag, Kind, Phase, Status
from uvtrace.trace.layout import make_records


def test_the_table_tells_what_the_records_tell() -> None:
    random, count = np.random.default_rng(3), 20_000
    flags = np.array([0, Flag.APART, Flag.FAR, Flag.OUTSIDE, Flag.STALE, Flag.APART | Flag.FAR])
    records = make_records(
        count,
        kind=random.choice(np.array(list(Kind)), count),
        phase=random.choice(np.array(list(Phase)), count),
        status=random.choice(np.array(list(Status)), count),
        flags=random.choice(flags, count),
    )
    fields = (records[name] for name in ("kind", "phase", "status", "flags"))
    arrived = delivered(*map(np.ascontiguousarray, fields))
    assert 0 < arrived.sum() < count
    assert arrived.tolist() == deliveries(records).astype(np.int8).tolist()
