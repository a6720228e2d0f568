# SPDX-License-Identifier: Apache-2.0
"""How fast the recorder takes records out of the ring, beside a plain copy of them.

    python -m benchmarks.drain_speed

A full ring of a million records without payloads, again and again; by CPU time of the thread,
median of the rounds. The copy (numpy, the same slots) is what no reader can be faster than.
"""

from __future__ import annotations

import statistics
import time

import numpy as np

from tests.record.rings import RingStory
from uvtrace.record.consumer import Consumer
from uvtrace.trace.enums import Kind

SLOTS = 1 << 20
ROUNDS = 9


def main() -> None:
    """Measure both and print a line for each."""
    story = RingStory(slots=SLOTS)
    slots = story.slots
    slots["version"], slots["kind"] = 1, Kind.MMIO_WRITE
    reader = Consumer(story.ring, functions=1)
    copy = np.empty_like(slots)
    copied, drained = [], []
    for turn in range(ROUNDS):
        slots["seq"] = np.arange(turn * SLOTS + 1, (turn + 1) * SLOTS + 1)
        began = time.thread_time()
        copy[:] = slots
        copied.append(time.thread_time() - began)
        began = time.thread_time()
        taken = 0
        while len(batch := reader.take()):
            taken += len(batch)
        drained.append(time.thread_time() - began)
        assert taken == SLOTS
    least, ours = (SLOTS / statistics.median(each) / 1e6 for each in (copied, drained))
    print(f"copy   {least:8.2f} M records/s")
    print(f"drain  {ours:8.2f} M records/s {ours / least:8.2f}x")


if __name__ == "__main__":
    main()
