# SPDX-License-Identifier: Apache-2.0
"""Whether a record tells that a message has arrived."""

from __future__ import annotations

import numpy as np

from uvtrace.check.pcie.delivery import RECORD, TRAITS, find_deliveries
from uvtrace.check.pcie.messages import deliveries
from uvtrace.trace.enums import Flag, Kind, Phase, Status
from uvtrace.trace.layout import make_records


def test_one_record_after_the_other_tells_what_all_at_once_tell() -> None:
    random, count = np.random.default_rng(3), 20_000
    flags = np.array([0, Flag.APART, Flag.FAR, Flag.OUTSIDE, Flag.STALE, Flag.APART | Flag.FAR])
    records = make_records(
        count,
        kind=random.choice(np.array(list(Kind)), count),
        phase=random.choice(np.array(list(Phase)), count),
        status=random.choice(np.array(list(Status)), count),
        flags=random.choice(flags, count),
    )
    rows = np.flatnonzero(random.random(count) < 0.7)
    arrived = np.empty(len(rows), np.int8)
    find_deliveries(records.view(RECORD), rows, TRAITS, arrived)
    assert arrived.any()
    assert arrived.tolist() == deliveries(records)[rows].astype(np.int8).tolist()
