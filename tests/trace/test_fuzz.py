# SPDX-License-Identifier: Apache-2.0
"""Changed files through the reader; the million is ``python -m benchmarks.fuzz_reader``."""

from __future__ import annotations

import pytest

from benchmarks.fuzz_reader import RSS_LIMIT_MB, run, run_share
from tests.mutations import STRUCTURED_SHARE, base_files
from uvtrace.trace.trace import open_bytes


def test_the_files_that_mutation_starts_from_are_undamaged() -> None:
    for data in base_files():
        assert open_bytes(data).damage is None


def test_four_thousand_changed_files_are_read_or_refused_but_never_crash() -> None:
    outcomes = run_share(0, 4000).outcomes
    assert outcomes.total() == 4000
    structured = sum(n for text, n in outcomes.items() if text.startswith("structured"))
    assert structured > 4000 * (STRUCTURED_SHARE - 0.05)
    # The mutations must reach every outcome, or they test nothing.
    for outcome in ("read to the end", "damaged", "cut", "refused"):
        assert outcomes[f"structured, {outcome}"], outcome
        assert outcomes[f"blind, {outcome}"], outcome


@pytest.mark.long
def test_a_million_changed_files_leave_memory_below_its_limit() -> None:
    shares = run(0, 1_000_000, 2)
    assert sum(share.outcomes.total() for share in shares) == 1_000_000
    assert sum(share.pss_mb for share in shares) < RSS_LIMIT_MB
