# SPDX-License-Identifier: Apache-2.0
"""The page of a night in a real browser."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.nightly.nights import at, found, full_job, job
from tests.nightly.overviews import Nights
from tests.nightly.test_compare import broken
from tests.report.browser import Browser, Page
from tests.report.hostile import ATTACKS
from tests.report.test_hostile import OURS, Elements
from uvtrace.nightly.acceptance import Acceptance
from uvtrace.nightly.outcome import Ended

WIDTHS = (800, 1400)
HOSTILE = " ".join(ATTACKS[:8])


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The page of a night with something of everything, after some others."""
    nights = Nights(tmp_path_factory.mktemp("nights"))
    for day in range(1, 9):
        nights.night(day, [full_job(), full_job(place="6.12/e1000/ping")])
    tonight = nights.night(
        9,
        [
            job("DMA007:new", "DMA007:map=e1000_probe [e1000]", trace=full_job().trace),
            full_job(place="6.12/e1000/ping"),
            broken(Ended.PANIC, place="6.1/nvme/ping"),
        ],
    )
    own = nights.folder / "m/9"
    (own / "6.1/nvme/ping").mkdir(parents=True)
    said = "[1.0] fine\n[2.0] Kernel panic - not syncing: Fatal\n[2.1] Call Trace:\n"
    (own / "6.1/nvme/ping/1.console.txt").write_text(said)
    yield nights.page(tonight)
    nights.history.close()


@pytest.fixture
def page(browser: Browser, written: Path) -> Iterator[Page]:
    with browser.page() as opened:
        opened.open(written, "overview")
        yield opened
        assert opened.complaints == []
        assert opened.requests == []


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The page of a night whose every text tries to be something else."""
    nights = Nights(tmp_path_factory.mktemp("hostile"))
    bad = found(f"DMA007:{HOSTILE}", message=HOSTILE, site=HOSTILE)
    nights.night(1, [full_job()])
    nights.history.accept(
        "m", Acceptance(signature=HOSTILE, reason=HOSTILE, since=at(1).date(), device=HOSTILE)
    )
    edges = (((HOSTILE, HOSTILE, HOSTILE, HOSTILE), 1),)
    nights.night(2, [job(bad, trace=full_job().trace, automata=(HOSTILE,), edges=edges)])
    wild = found(f"{HOSTILE}:x", message=HOSTILE)
    results = [
        job(bad, wild, release=HOSTILE, trace=full_job().trace, automata=(HOSTILE,)),
        broken(Ended.PANIC, place="6.12/nvme/ping", reason=HOSTILE),
    ]
    tonight = nights.night(3, results)
    own = nights.folder / "m/3/6.12/nvme/ping"
    own.mkdir(parents=True)
    (own / "1.console.txt").write_text(f"Kernel panic {HOSTILE}")
    yield nights.page(tonight)
    nights.history.close()


def test_a_cell_leads_to_its_job_and_the_job_to_its_finding(page: Page) -> None:
    assert page.texts(".cell b") == [
        "1 new, 1 still there",
        "1 still there",
        "panic: 1 new",
        "not run",
    ]
    page.page.click(".cell >> nth=0")
    page.page.wait_for_selector("#cell-1 .found")
    page.page.click("#cell-1 .found a >> nth=0")
    page.page.wait_for_selector("#news-1 dl")
    assert "DMA007:new" in page.page.inner_text("#news-1")


def test_the_words_of_a_panic_are_told_from_where_it_went_wrong(page: Page) -> None:
    page.page.click(".cell.look-job")
    page.page.wait_for_selector("#jobs pre")
    assert page.page.inner_text("#jobs pre").splitlines()[1].endswith("not syncing: Fatal")


def test_cells_are_shown_by_what_they_are(page: Page) -> None:
    rows = "#matrix-table tbody tr:not([hidden])"
    assert len(page.texts(rows)) == 2
    page.page.click("#matrix-filter [data-look=look-new]")
    page.page.click("#matrix-filter [data-look=look-known]")
    assert len(page.texts(rows)) == 1
    for name in ("job", "not-run"):
        page.page.click(f"#matrix-filter [data-look=look-{name}]")
    assert page.texts(rows) == []
    assert page.page.is_visible("text=No cell is one of these.")


def test_everything_is_reached_with_the_keyboard(page: Page) -> None:
    page.page.focus(".cell")
    page.page.keyboard.press("Enter")
    page.page.wait_for_function("document.activeElement.matches('#cell-1 > summary')")
    page.page.keyboard.press("Enter")
    assert not page.run("document.getElementById('cell-1').open")
    page.page.focus(".cell")
    page.page.keyboard.press("Enter")
    page.page.wait_for_function("document.getElementById('cell-1').open")


def test_every_link_within_the_page_has_its_target(page: Page) -> None:
    broken_links = page.run(
        "[...document.querySelectorAll('a[href^=\"#\"]')]"
        ".filter(a => !document.querySelector(a.getAttribute('href'))).map(a => a.outerHTML)"
    )
    assert broken_links == []


def test_charts_have_a_bar_for_each_night_and_say_what_they_show(page: Page) -> None:
    assert (
        page.run("document.querySelectorAll('.charts .bars')[0].querySelectorAll('g').length") == 9
    )
    labels = page.run("[...document.querySelectorAll('.bars')].map(e => e.ariaLabel)")
    assert labels[0] == "failures: night 9 of 2027-01-09: 2 new, 2 known, 0 accepted; at most 4"
    sparks = page.run("[...document.querySelectorAll('.spark')].map(e => e.ariaLabel)")
    assert "MMIO read: 1.5 ns last, 1.5 ns to 1.5 ns in 9 nights" in sparks


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", WIDTHS)
def test_the_page_is_as_wide_as_the_window_by_day_and_by_night(
    browser: Browser, written: Path, width: int, dark: bool
) -> None:
    with browser.page(dark=dark, width=width) as page:
        page.open(written, "overview")
        for button in page.page.query_selector_all(".open-all"):
            button.click()
        assert page.run("document.documentElement.scrollWidth") == width
        ground = page.run("getComputedStyle(document.body).backgroundColor")
        assert ground == ("rgb(14, 17, 22)" if dark else "rgb(245, 246, 248)")


def test_without_scripts_everything_is_there(browser: Browser, written: Path) -> None:
    context = browser.without_scripts()
    opened = context.new_page()
    opened.goto(written.as_uri())
    assert opened.is_visible("#matrix-table .cell >> nth=3")
    assert opened.locator("#jobs details").count() == 4
    context.close()


def test_no_text_becomes_an_element_an_attribute_or_a_link(hostile: Path) -> None:
    elements = Elements(hostile.read_text(encoding="utf-8"))
    assert elements.names <= OURS | {"pre", "rect", "title"}
    assert elements.scripts == 1
    assert elements.handlers == []
    files = {link for link in elements.links if not link.startswith("#")}
    assert files == {"3/6.12/nvme/ping/1.console.txt"}


@pytest.mark.parametrize("width", WIDTHS)
def test_hostile_texts_execute_nothing_and_leave_the_page_as_wide_as_it_is(
    browser: Browser, hostile: Path, width: int
) -> None:
    with browser.page(width=width) as page:
        page.open(hostile, "overview")
        for button in page.page.query_selector_all(".open-all"):
            button.click()
        page.page.mouse.move(300, 300)
        page.page.wait_for_timeout(200)
        shown = page.page.inner_text("body")
        assert all(attack in shown for attack in ATTACKS[:7])
        assert "\u202e" not in shown
        assert page.run("document.documentElement.scrollWidth") == width
        assert page.complaints == []
        assert page.requests == []
