# SPDX-License-Identifier: Apache-2.0
"""Which acts there are, and how often each happens."""

from __future__ import annotations

from random import Random

from tests.differential.memory_acts import pools, scatters, shares, strays, streams
from tests.differential.random_device import Act
from tests.differential.rare_acts import (
    cut_reads,
    halves,
    held_lines,
    loose_orders,
    polls,
    wrong_ways,
)
from tests.differential.register_acts import (
    claims,
    configures,
    interrupts,
    registers,
    resets,
    sizes,
    sleeps,
    split_reads,
    vectors,
)

_ACTS: tuple[tuple[int, Act], ...] = (
    (10, streams),
    (3, scatters),
    (3, shares),
    (2, pools),
    (4, strays),
    (4, registers),
    (3, split_reads),
    (4, interrupts),
    (3, vectors),
    (5, configures),
    (2, sizes),
    (2, sleeps),
    (2, resets),
    (3, claims),
    (1, halves),
    (1, wrong_ways),
    (1, held_lines),
    (1, cut_reads),
    (1, polls),
    (1, loose_orders),
)


def acts_of(rng: Random, count: int) -> list[Act]:
    """What happens between probe and unbinding."""
    return rng.choices([act for _, act in _ACTS], [weight for weight, _ in _ACTS], k=count)
