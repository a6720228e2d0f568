# SPDX-License-Identifier: Apache-2.0
"""What the page of a night tells, as text."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from tests.nightly.nights import at, found, full_job, job
from tests.nightly.overviews import Nights
from tests.nightly.test_compare import broken
from uvtrace.check.rules import Severity
from uvtrace.nightly.acceptance import Acceptance
from uvtrace.nightly.job import Place
from uvtrace.nightly.outcome import Ended
from uvtrace.nightly.overview.cells import Look
from uvtrace.nightly.overview.past import TREND_NIGHTS, key_of


@pytest.fixture
def nights(tmp_path: Path) -> Iterator[Nights]:
    made = Nights(tmp_path)
    yield made
    made.history.close()


class _Words(HTMLParser):
    """What a page says, element by element, without styles and scripts."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.words: list[str] = []
        self._silent = False
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._silent = tag in ("style", "script")

    def handle_endtag(self, tag: str) -> None:
        self._silent = False

    def handle_data(self, data: str) -> None:
        if not self._silent and data.strip():
            self.words.append(data)


def said(path: Path) -> str:
    """The words of a page."""
    return re.sub(r"\s+", " ", "".join(_Words(path).words))


def test_each_cell_is_what_its_worst_finding_makes_it(nights: Nights) -> None:
    nights.history.accept(
        "m", Acceptance(signature="DMA007:ok", reason="known", since=at(1).date())
    )
    nights.night(1, [job("DMA007:old"), job(place="6.12/e1000/ping")])
    tonight = nights.night(
        2,
        [
            job("DMA007:old", "DMA007:ok", found("IRQ001:w", severity=Severity.WARNING)),
            job("DMA007:ok", place="6.12/e1000/ping"),
            broken(Ended.PANIC, place="6.1/nvme/ping"),
        ],
    )
    looks = {str(cell.place): cell.look for cell in nights.overview(tonight).cells}
    assert looks == {
        "6.1/e1000/ping": Look.KNOWN,
        "6.12/e1000/ping": Look.ACCEPTED,
        "6.1/nvme/ping": Look.JOB,
        "6.12/nvme/ping": Look.NOT_RUN,
    }


def test_a_maintainer_reads_first_what_is_new_and_where(nights: Nights) -> None:
    nights.night(1, [job(), full_job(place="6.12/e1000/ping")])
    tonight = nights.night(
        2,
        [
            job("DMA007:x"),
            job(place="6.12/e1000/ping", automata=("e1000.transmit",), trace=full_job().trace),
            broken(Ended.TIMEOUT, place="6.1/nvme/ping"),
        ],
    )
    text = said(nights.page(tonight, missing=["6.12"]))
    assert "2 new failures" in text
    assert "New: DMA007 on 6.1/e1000: DMA007:x happened" in text
    assert "1 job did not get to the end: 6.1/nvme/ping/1 (hang)." in text
    assert "Fixed: 1 finding (DMA007)." in text
    assert "No longer covered: steps of contracts in 6.12/e1000/ping." in text
    assert "state on" in text
    assert "off → on (start)" in text
    assert "Kernels that are not installed, so that their jobs were left out: 6.12." in text


def test_a_finding_tells_its_rule_and_when_it_was_seen_on_which_kernel(nights: Nights) -> None:
    fine = job(place="6.12/nvme/ping", trace=full_job().trace)
    nights.night(1, [job("DMA007:x", place="6.12/nvme/ping")])
    nights.night(2, [job("DMA007:x"), fine])
    tonight = nights.night(3, [job("DMA007:x"), fine])
    overview = nights.overview(tonight)
    assert overview.past.seen[key_of("DMA007:x", "6.1", "e1000")] == (2, 3)
    text = said(nights.page(tonight))
    assert "unmap" in overview.rules["DMA007"].statement
    assert overview.rules["DMA007"].statement in text
    assert "6.1/e1000ping1 of 1 run2027-01-02 night 22027-01-03 night 32 of 3" in text
    assert "6.12/nvmenot this night2027-01-01 night 12027-01-01 night 11 of 3" in text
    assert "uvtrace nightly accept m.toml DMA007:x" in text


def test_what_is_accepted_is_told_with_reason_and_last_day(nights: Nights) -> None:
    for what, last in (("DMA007:x", 12), ("IRQ*", None), ("PWR*", 3)):
        expires = None if last is None else at(last).date()
        acceptance = Acceptance(
            signature=what, reason=f"because of {what}", since=at(1).date(), expires=expires
        )
        nights.history.accept("m", acceptance)
    text = said(nights.page(nights.night(10, [job("DMA007:x")])))
    assert "DMA007:xeverywherebecause of DMA007:x2027-01-12 2 days leftsilences 1" in text
    assert "IRQ*everywherebecause of IRQ*no last daynot found" in text
    assert "because of PWR*2027-01-03 expired" in text
    assert "no new failure" in text


def test_an_interrupted_night_says_so_and_does_not_call_the_rest_unjudged(nights: Nights) -> None:
    nights.night(1, [job("DMA007:x"), job("DMA007:y", place="6.12/nvme/ping")])
    text = said(nights.page(nights.night(2, [job("DMA007:x")], finished=False)))
    assert "not finished, no new failure so far" in text
    assert "This night is not finished: 1 of 4 jobs are done." in text
    assert "DMA007:y happened" not in text


def test_a_night_without_any_result_has_a_page(nights: Nights) -> None:
    text = said(nights.page(nights.night(1, [], finished=False)))
    assert "0 of 4 jobs are done" in text
    assert "Nothing was found" in text


def test_trends_count_what_was_new_known_and_accepted_on_each_night(nights: Nights) -> None:
    nights.history.accept(
        "m", Acceptance(signature="DMA007:ok", reason="known", since=at(3).date())
    )
    signatures = {1: ["DMA007:x"], 2: ["DMA007:x", "DMA007:ok"], 3: ["DMA007:ok"]}
    for day, own in signatures.items():
        tonight = nights.night(
            day, [job(*own, seconds=7.0), broken(Ended.DIED, place="6.1/nvme/ping")]
        )
    tallies = nights.overview(tonight).past.tallies
    assert [(each.new, each.known, each.accepted) for each in tallies] == [
        # The VM that went away is a finding, too.
        (2, 0, 0),
        (1, 2, 0),
        (0, 1, 1),
    ]
    assert [(each.broken, sum(each.ended.values())) for each in tallies] == [(1, 2)] * 3


def test_trends_of_devices_are_taken_over_their_jobs(nights: Nights) -> None:
    nights.night(1, [full_job(), job(place="6.12/nvme/ping", seconds=4.0)])
    past = nights.overview(nights.night(2, [full_job(), full_job(repetition=2)])).past
    assert past.edges == {"e1000": {1: 1.0, 2: 1.0}}
    assert past.seconds == {"e1000": {1: 12.5, 2: 12.5}, "nvme": {1: 4.0}}
    assert past.latencies == {("e1000", "MMIO read"): {1: 1.5, 2: 1.5}}


def test_nights_of_other_matrices_and_nights_given_up_are_not_told(nights: Nights) -> None:
    other = nights.history.begin("other", at(1))
    nights.history.store(other, job("DMA007:x"))
    nights.history.finish(other, at(2))
    nights.night(2, [job("DMA007:x")], finished=False)
    past = nights.overview(nights.night(3, [job("DMA007:x")])).past
    assert [each.night.day.day for each in past.tallies] == [3]
    assert past.seen == {key_of("DMA007:x", "6.1", "e1000"): (3,)}


def test_links_lead_to_what_is_there_and_to_nothing_else(nights: Nights) -> None:
    tonight = nights.night(
        1, [job("DMA007:x", trace=full_job().trace), full_job(place="6.12/e1000/ping")]
    )
    own = nights.folder / "m/1/6.1/e1000/ping"
    own.mkdir(parents=True)
    for name in ("1.pcapng.zst", "1.log"):
        (own / name).write_bytes(b"x")
    page = nights.page(tonight)
    files = re.findall(r'class="file"|href="([^"#]+)"', page.read_text())
    links = [each for each in files if each]
    assert links == ["1/6.1/e1000/ping/1.pcapng.zst", "1/6.1/e1000/ping/1.log"]
    assert all((page.parent / link).is_file() for link in links)


def test_a_recording_of_another_machine_is_told_and_no_link(nights: Nights) -> None:
    trace = full_job().trace
    assert trace is not None
    results = [
        job(trace=replace(trace, location="s3://bucket/m/1/x.pcapng.zst")),
        job(place="6.12/e1000/ping", trace=replace(trace, location="lab3:/data/x.pcapng.zst")),
        job(place="6.1/nvme/ping", trace=replace(trace, location="https://lab/x.pcapng.zst")),
    ]
    page = nights.page(nights.night(1, results)).read_text()
    assert "<code>s3://bucket/m/1/x.pcapng.zst</code>" in page
    assert "<code>lab3:/data/x.pcapng.zst</code>" in page
    assert '<a href="https://lab/x.pcapng.zst" class="file">recording</a>' in page


def test_many_nights_and_cells_make_a_page_of_less_than_a_megabyte(tmp_path: Path) -> None:
    kernels = [f"6.{number}" for number in range(5)]
    devices = [f"dev{number}" for number in range(20)]
    workloads = [f"work{number}" for number in range(5)]
    lines = ["[kernels]", *(f'"{name}" = "{name}"' for name in kernels)]
    lines += [f'[devices.{name}]\nspec = "qemu:e1000"' for name in devices]
    lines += [f'[workloads.{name}]\ncommand = "true"' for name in workloads]
    nights = Nights(tmp_path, "\n".join(lines))
    for day in range(200):
        moment = at(1).replace(year=2026, month=1 + day // 28, day=1 + day % 28)
        night = nights.history.begin("m", moment)
        if day % 40 == 0:
            nights.history.store(night, job("DMA007:x", place="6.1/dev3/work2"))
        nights.history.finish(night, moment)
    places = [Place(k, d, w) for k in kernels for d in devices for w in workloads]
    assert len(places) == 500
    results = [
        job(*(["DMA007:x"] if place.device == "dev3" else []), place=str(place)) for place in places
    ]
    page = nights.page(nights.night(9, results))
    text = page.read_text()
    assert len(text) < 700_000
    assert len(nights.overview(nights.history.nights("m")[-1]).past.shown) == TREND_NIGHTS
    assert text.count('class="fold"') == 19
    nights.history.close()
