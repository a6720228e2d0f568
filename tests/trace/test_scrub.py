# SPDX-License-Identifier: Apache-2.0
"""A scrubbed trace tells the rules the same, and a stranger nothing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import uvtrace
from tests.story import Story
from uvtrace.check.engine import check
from uvtrace.trace.enums import Kind, Snapshot
from uvtrace.trace.layout import BAR, SITE_MODULE_UNKNOWN, site, view_of
from uvtrace.trace.scrub import scrub
from uvtrace.trace.trace import Trace

SECRET = 0x7F12_3000
RING = 0x5A5A_0000
KERNEL = 0xFFFF_8880_1234_0000


@pytest.fixture
def told() -> Story:
    story = Story().session(command=["ping", "secret-host"], host="secret-host", kernel="6.1.0")
    story.begin().console("Booting on secret-host").config_write(0x04, 0x6, width=2).probe()
    story.config_write(0x10, 0xFEB80000, width=4).iomap().mmio_write(0x3800, RING)
    story.map(SECRET, 256, cpu_address=KERNEL, phys=SECRET).mark("secret-host calls")
    story.dma_write(SECRET + 16, 64, payload=b"secret-payload").comment("secret-comment")
    story.memory(SECRET, b"secret-contents").mmio_read(0x1FFFC, flags="OUTSIDE")
    story.unmap(SECRET, 200).remove().iounmap().unbound()
    return story.result(exit_code=0, console="secret-host")


def scrubbed(story: Story, folder: Path, *, drop_values: bool = False) -> tuple[Trace, bytes]:
    target = folder / "out.pcapng"
    scrub(story.trace(), target, drop_values=drop_values)
    return uvtrace.open(target), target.read_bytes()


def test_no_payload_name_or_address_is_left(told: Story, tmp_path: Path) -> None:
    _, data = scrubbed(told, tmp_path)
    assert b"secret" not in data
    for address in (SECRET, SECRET + 16, KERNEL, 0xFEB80000):
        assert address.to_bytes(8, "little") not in data
    # In config space a BAR has four bytes.
    assert (0xFEB80000).to_bytes(4, "little") not in data


def test_names_of_functions_sites_modules_and_kernel_are_left(told: Story, tmp_path: Path) -> None:
    before = told.trace()
    after, _ = scrubbed(told, tmp_path)
    assert after.functions == before.functions
    assert after.metadata.symbols == before.metadata.symbols
    assert after.metadata.modules == before.metadata.modules
    assert after.metadata.session == {"kernel": "6.1.0"}
    assert after.metadata.result == {"exit_code": 0}
    assert after.metadata.incomplete == ()
    assert after.metadata.converted.startswith("scrubbed")
    assert after.metadata.console == ""


def judgements(trace: Trace) -> object:
    results = check(trace)
    verdicts = [(verdict.function, verdict.rule, verdict.verdict) for verdict in results.verdicts]
    return verdicts, [(f.rule, f.signature, f.function) for f in results.findings]


def test_the_rules_find_the_same(told: Story, tmp_path: Path) -> None:
    after, _ = scrubbed(told, tmp_path)
    assert judgements(after) == judgements(told.trace())
    assert not check(after).ok


def test_values_that_may_be_addresses_go_only_when_asked(told: Story, tmp_path: Path) -> None:
    kept, data = scrubbed(told, tmp_path)
    assert RING.to_bytes(8, "little") in data
    dropped, data = scrubbed(told, tmp_path, drop_values=True)
    assert RING.to_bytes(8, "little") not in data
    assert judgements(dropped) == judgements(kept)


def test_an_access_keeps_its_distance_from_its_bar(told: Story, tmp_path: Path) -> None:
    after, _ = scrubbed(told, tmp_path)
    records = after.records
    mmio = records[np.isin(records["kind"], (Kind.MMIO_READ, Kind.MMIO_WRITE))]
    row = int(np.flatnonzero(view_of(records, "meta")["topic"] == Snapshot.BARS)[0])
    start = int(np.frombuffer(after.payload(row), BAR)["bus_address"][0])
    assert start != 0xFEB80000
    assert (mmio["address"] - view_of(mmio, "access")["offset"]).tolist() == [start] * 2


def test_loss_stays_loss(tmp_path: Path) -> None:
    story = Story().session(host="a").mmio_read(0).loss(5).mmio_read(4).session(host="b")
    story.mmio_read(8, seq=20).mmio_read(12, seq=21)
    before = check(story.trace())
    after = check(scrubbed(story, tmp_path)[0])
    assert (after.lost, after.transactions) == (before.lost, before.transactions)
    assert [f.rule for f in after.findings if f.rule == "TRC001"] == ["TRC001"] * sum(
        f.rule == "TRC001" for f in before.findings
    )


def test_kernel_addresses_of_imported_sites_are_moved(tmp_path: Path) -> None:
    address = 0xFFFF_C0DE_1000
    story = Story().mmio_read(0, ip=site(SITE_MODULE_UNKNOWN, address), flags="IMPORTED")
    after, data = scrubbed(story, tmp_path)
    assert address.to_bytes(6, "little") not in data
    assert int(after.column("ip")[after.column("kind") == Kind.MMIO_READ][0]) >> 48 == 0xFFFF


PAGE = st.integers(1, 40).map(lambda page: page * 0x800)
CALL = st.tuples(
    st.sampled_from(["map", "unmap", "alloc", "free"]), PAGE, st.sampled_from([64, 4096])
)


@settings(max_examples=40, deadline=None)
@given(st.lists(CALL, max_size=25))
def test_any_sequence_of_mappings_is_judged_the_same_after_scrubbing(
    tmp_path_factory: pytest.TempPathFactory, calls: list[tuple[str, int, int]]
) -> None:
    story = Story().probe()
    for call, address, length in calls:
        getattr(story, call)(address, length)
    story.remove().unbound()
    after, _ = scrubbed(story, tmp_path_factory.mktemp("scrub"))
    assert judgements(after) == judgements(story.trace())


def test_a_trace_without_anything_is_scrubbed(tmp_path: Path) -> None:
    after, _ = scrubbed(Story(), tmp_path)
    assert set(after.column("kind").tolist()) == {Kind.METADATA}
