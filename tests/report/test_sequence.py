# SPDX-License-Identifier: Apache-2.0
"""The sequence diagram: who sends what to whom, and what the bus stops."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest

from tests.story import Story
from uvtrace.report.around import Place, Surroundings
from uvtrace.report.sequence import ROWS_MAX, chosen_rows, diagram

HOST, BUS, DEVICE = "180", "500", "820"


def drawn(story: Story, **roles: str) -> ElementTree.Element:
    """The diagram of a finding at the last event; keywords are rows (``r3``) and their roles."""
    trace = story.trace()
    told = {int(name[1:]): role for name, role in roles.items()}
    place = Place(max(told), told, 0)
    return ElementTree.fromstring(diagram(trace, Surroundings(trace), place, "what happened"))


def wires(picture: ElementTree.Element) -> list[tuple[str | None, str | None, str]]:
    """Begin, end and look of every arrow, from above to below."""
    return [
        (line.get("x1"), line.get("x2"), wire.get("class", "").removeprefix("wire "))
        for wire in picture.iter("g")
        if wire.get("class", "").startswith("wire")
        for line in wire.findall("line")
    ]


@pytest.mark.parametrize(
    ("story", "expected"),
    [
        (Story().mmio_write(0x10, 1), [(HOST, DEVICE, "access")]),
        (
            Story().mmio_read(0x10, 1),
            [(HOST, DEVICE, "access"), (DEVICE, HOST, "access back")],
        ),
        (Story().config_write(0x04, 6), [(HOST, DEVICE, "config")]),
        (Story().map(0x1000, 64), [(HOST, BUS, "mapping")]),
        (Story().dma_write(0x1000, 64), [(DEVICE, HOST, "device")]),
        (
            Story().dma_read(0x1000, 64),
            [(DEVICE, HOST, "device"), (HOST, DEVICE, "device back")],
        ),
        (Story().msi(0), [(DEVICE, HOST, "interrupt")]),
        (Story().mmio_read(0x10, status="REFUSED"), [(HOST, BUS, "stopped")]),
        (Story().mmio_write(0x10, flags="STALE"), [(HOST, BUS, "stopped")]),
        (Story().dma_write(0x1000, 64, status="UNSUPPORTED"), [(DEVICE, BUS, "stopped")]),
        (Story().probe(), []),
    ],
)
def test_an_arrow_goes_from_who_acts_to_who_is_meant(
    story: Story, expected: list[tuple[str, str, str]]
) -> None:
    found = wires(drawn(story, r0="here"))
    assert found[: len(expected)] == expected


def test_rows_of_the_proof_bear_their_role_and_the_others_do_not() -> None:
    story = Story().map(0x1000, 64).mmio_write(0x10, 1).unmap(0x1000, 32)
    picture = drawn(story, r0="mapped", r2="here")
    roles = [group.findtext("text") for group in picture.iter("g") if group.get("class") == "role"]
    here = [group for group in picture.iter("g") if group.get("class") == "role here"]
    assert (roles, len(here)) == (["mapped"], 1)
    shades = [each for each in picture.iter("rect") if "shade" in each.get("class", "")]
    assert len(shades) == 2


def test_a_mapping_of_the_proof_is_a_bar_from_its_map_to_its_unmap() -> None:
    story = Story().map(0x1000, 64).mmio_write(0x10, 1).unmap(0x1000, 64).unmap(0x1000, 64)
    picture = drawn(story, r0="mapped", r2="unmapped", r3="here")
    (bar,) = [each for each in picture.iter("rect") if each.get("class") == "alive"]
    lines = [each for each in picture.iter("text") if each.get("class") == "seq"]
    height = int(bar.get("height", "0"))
    rows = {line.text: int(line.get("y", "0")) for line in lines}
    assert height == rows["#2"] - rows["#0"]


def test_what_is_left_out_is_counted() -> None:
    story = Story().map(0x1000, 64)
    for number in range(100):
        story.mmio_write(0x10, number)
    picture = drawn(story.unmap(0x1000, 32), r0="mapped", r101="here")
    (gap,) = [each.text for each in picture.iter("text") if each.get("class") == "gap-text"]
    assert gap is not None
    assert re.match(r"94 records, ", gap)


def test_a_proof_of_many_records_still_fits_and_keeps_the_finding() -> None:
    story = Story()
    for number in range(500):
        story.mmio_write(0x10, number)
    trace = story.trace()
    roles = dict.fromkeys(range(0, 480, 10), "write") | {490: "here"}
    rows = chosen_rows(Surroundings(trace), Place(490, roles, 0))
    assert len(rows) <= ROWS_MAX
    assert {0, 490} <= set(rows)


def test_a_finding_whose_records_are_not_there_has_no_diagram() -> None:
    trace = Story().probe().trace()
    assert diagram(trace, Surroundings(trace), Place(-1, {}, 0), "nothing") == ""
