# SPDX-License-Identifier: Apache-2.0
"""A trace in numbers."""

from __future__ import annotations

from tests.story import Story
from uvtrace.trace.digest import digest
from uvtrace.trace.enums import Kind, LossCause


def test_a_digest_counts_kinds_functions_loss_sites_and_time() -> None:
    story = Story(step_ns=1000).session(command=["ping", "-c", "1"], kernel="6.1.0-56-amd64")
    for cpu in (0, 1, 1):
        story.mmio_read(8, cpu=cpu, site="e1000_read+0x1")
    story.function("0000:00:04.0", driver="nvme").map(0x1000, 64, site="nvme_map+0x2").loss(6)
    story.loss(0, cause="NOT_HOOKED").result(exit_code=2)
    found = digest(story.trace())
    assert found.kinds[Kind.MMIO_READ] == 3
    assert found.kinds[Kind.MAP] == 1
    assert [(f.name, f.driver, f.records) for f in found.functions] == [
        ("0000:00:03.0", "e1000", 3),
        ("0000:00:04.0", "nvme", 1),
    ]
    assert (found.transactions, found.lost) == (4, 6)
    assert found.losses == {LossCause.RING_FULL: 6, LossCause.NOT_HOOKED: 1}
    assert found.cpus == (0, 1)
    assert found.sites[0] == ("e1000_read+0x1 [e1000]", 3)
    assert (found.command, found.exit_code, found.kernel) == ("ping -c 1", 2, "6.1.0-56-amd64")
    assert found.modules == ("e1000", "nvme")


def test_the_duration_is_that_of_the_events() -> None:
    story = Story(start_ns=5_000_000_000).mmio_read(0).wait(2_000_000_000 - 1000).mmio_read(0)
    assert digest(story.mark("later", time_ns=99).trace()).duration_ns == 2_000_000_000


def test_an_empty_trace_has_a_digest() -> None:
    found = digest(Story("").trace())
    assert (found.records, found.duration_ns, found.functions) == (0, 0, ())
