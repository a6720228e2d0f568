# SPDX-License-Identifier: Apache-2.0
"""The page in a real browser: what it shows, and what can be done with it."""

from __future__ import annotations

from pathlib import Path

import pytest

import uvtrace
from tests.report.browser import Browser, Page
from tests.report.conftest import FAULTY
from uvtrace.trace.trace import Trace


@pytest.fixture(scope="module")
def trace() -> Trace:
    return uvtrace.open(FAULTY)


def test_every_finding_is_told_and_the_first_is_open(page: Page) -> None:
    rules = page.texts(".finding .id")
    assert rules == ["CFG004", "CFG009", "PWR002", "PWR006"]
    assert page.texts(".finding .badge") == ["warning", "error", "error", "error"]
    assert page.run("[...document.querySelectorAll('.finding')].map(f => f.open)") == [
        *(True, False, False, False)
    ]
    page.page.click("#open-all")
    assert page.run("[...document.querySelectorAll('.finding')].every(f => f.open)")


def test_a_finding_has_its_proof_its_signature_and_a_diagram(page: Page) -> None:
    page.page.click("#finding-2 summary")
    text = page.page.inner_text("#finding-2")
    assert "here" in text
    assert "CFG009:" in text
    assert "6.2.5.1 Address Maps" in text
    lanes = page.page.locator("#finding-2 svg .head-text").all_text_contents()
    assert lanes == ["host", "bus", "device"]
    roles = page.page.locator("#finding-2 svg .role text").all_text_contents()
    assert roles[-1] == "here"


def test_the_verdicts_shown_at_first_are_those_that_are_no_pass(page: Page) -> None:
    def shown() -> set[str]:
        return set(page.texts("#verdict-table tbody tr:not([hidden]) .badge"))

    assert {"fail", "unknown"} <= shown()
    page.page.click("#verdict-filter [data-verdict=unknown]")
    assert "fail" in shown()
    assert len(page.texts("#verdict-table tbody tr:not([hidden])")) == 4
    page.page.click("#verdict-filter [data-verdict=fail]")
    assert page.texts("#verdict-table tbody tr:not([hidden])") == []
    assert page.page.is_visible("text=No rule has one of these verdicts.")


def test_every_verdict_leads_to_its_finding_or_its_rule(page: Page) -> None:
    broken = page.run(
        "[...document.querySelectorAll('a[href^=\"#\"]')]"
        ".filter(a => !document.querySelector(a.getAttribute('href'))).map(a => a.outerHTML)"
    )
    assert broken == []
    page.page.click("#verdict-table a.to-finding >> nth=1")
    # A link within the page is followed when the browser gets round to it.
    page.page.wait_for_function("document.getElementById('finding-2').open")


def test_the_table_shows_the_recording_from_its_first_to_its_last_row(
    page: Page, trace: Trace
) -> None:
    assert page.texts("#table-count") == [str(len(trace))]
    assert page.rows()[0][0] == f"#{trace[0]['seq']}"
    page.run("document.getElementById('table').scrollTop = 1e9")
    page.page.wait_for_function(
        "seq => [...document.querySelectorAll('#table .rows .tr')].at(-1)"
        ".firstChild.textContent === seq",
        arg=f"#{trace[-1]['seq']}",
    )


def test_the_table_is_read_with_the_keyboard(page: Page, trace: Trace) -> None:
    page.page.focus("#table")
    page.page.keyboard.press("End")
    selected = "#table [aria-selected=true]"
    assert page.page.text_content(f"{selected} .c-seq") == f"#{trace[-1]['seq']}"
    page.page.keyboard.press("Home")
    page.page.keyboard.press("ArrowDown")
    assert page.page.text_content(f"{selected} .c-seq") == f"#{trace[1]['seq']}"
    row = page.page.get_attribute("#table", "aria-activedescendant")
    assert page.page.get_attribute(f"#{row}", "aria-rowindex") == "3"
    assert "packet" in page.page.inner_text("#record")


def test_words_kinds_and_addresses_filter_the_table(page: Page) -> None:
    page.page.fill("#filter-text", "config write command")
    page.wait_for_filter()
    rows = page.rows()
    assert rows
    assert {row[4] for row in rows} == {"config write"}
    assert all("Command" in row[5] for row in rows)
    page.page.fill("#filter-text", "")
    page.page.fill("#filter-address", "0x10-0x13")
    page.page.wait_for_function(
        "() => [...document.querySelectorAll('#table .rows .c-place')]"
        ".every(cell => cell.textContent.startsWith('0x10'))"
    )
    assert {row[5] for row in page.rows()} == {"0x10 BAR0"}
    page.page.fill("#filter-address", "nonsense")
    page.page.wait_for_selector("#filter-error:visible")
    page.page.click("#filter-clear")
    assert not page.page.is_visible("#filter-error")


def test_a_kind_that_is_switched_off_is_gone(page: Page, trace: Trace) -> None:
    config = int((trace.column("kind") <= 2).sum())
    page.page.click("#filter-kinds .chip >> text=Config space")
    page.wait_for_count(f"{len(trace) - config} of {len(trace)}")
    page.page.click("#filter-clear")
    page.wait_for_count(str(len(trace)))


def test_a_number_leads_to_its_record_also_through_a_filter(page: Page) -> None:
    page.page.fill("#filter-text", "nothing is called like this")
    page.page.wait_for_selector("text=No transaction is like that.")
    number = page.texts("#finding-1 .place .jump")[0]
    page.page.click("#finding-1 .place .jump")
    assert page.page.text_content("#table [aria-selected=true] .c-seq") == number
    assert "CFG004, finding 1" in page.page.inner_text("#record")


def test_the_timeline_marks_findings_and_zooms(page: Page) -> None:
    whole = page.page.inner_text("#timeline-range")
    assert page.page.locator(".mark").count() >= 2
    page.page.click("#zoom-in")
    assert page.page.inner_text("#timeline-range") != whole
    page.page.click("#zoom-table")
    page.wait_for_filter()
    page.page.click("#zoom-all")
    assert page.page.inner_text("#timeline-range") == whole
    page.page.click(".mark >> nth=-1")
    assert page.run("document.querySelectorAll('.finding[open]').length") == 2


def test_a_mark_of_the_timeline_is_reached_with_the_keyboard(page: Page) -> None:
    page.page.focus("#timeline-view")
    whole = page.page.inner_text("#timeline-range")
    page.page.keyboard.press("+")
    assert page.page.inner_text("#timeline-range") != whole
    page.page.keyboard.press("0")
    page.page.keyboard.press("Tab")
    assert page.run("document.activeElement.className").startswith("mark")


@pytest.mark.parametrize("dark", [False, True])
def test_colours_follow_the_system_until_the_button_says_otherwise(
    browser: Browser, faulty: Path, dark: bool
) -> None:
    def is_dark(opened: Page) -> bool:
        colour = opened.run("getComputedStyle(document.body).backgroundColor")
        return sum(int(part) for part in colour[4:-1].split(",")) < 3 * 128

    with browser.page(dark=dark) as opened:
        opened.open(faulty / "index.html")
        assert is_dark(opened) is dark
        seen = []
        for _ in range(3):
            opened.page.click("#theme")
            seen.append(is_dark(opened))
        assert seen == [False, True, dark]
        assert opened.complaints == []


def test_nothing_is_cut_off_on_a_narrow_screen(browser: Browser, faulty: Path) -> None:
    with browser.page(width=800) as opened:
        opened.open(faulty / "index.html")
        assert opened.run("document.documentElement.scrollWidth") <= 800


def test_everything_but_the_table_is_there_without_scripts(browser: Browser, faulty: Path) -> None:
    context = browser.without_scripts()
    plain = context.new_page()
    plain.goto((faulty / "index.html").as_uri())
    assert plain.locator(".finding").count() == 4
    assert plain.locator("svg.sequence").count() == 4
    assert plain.locator("#verdict-table tbody tr").count() > 50
    context.close()
