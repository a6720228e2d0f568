# SPDX-License-Identifier: Apache-2.0
"""A page of a recording whose texts are attacks executes nothing, and shows them as texts."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest

from tests.cli.running import run
from tests.report.browser import Browser, Page
from tests.report.hostile import ALL, ATTACKS, hostile

OURS = {
    *("html", "head", "meta", "title", "style", "body", "script", "noscript", "main", "nav"),
    *("header", "footer", "section", "article", "div", "span", "p", "a", "b", "strong", "code"),
    *("small", "h2", "h3", "i", "dl", "dt", "dd", "ul", "li", "table", "thead", "tbody", "tr"),
    *("th", "td", "button", "form", "label", "input", "select", "option", "details", "summary"),
    *("figure", "figcaption", "svg", "g", "line", "rect", "circle", "path", "text", "polygon"),
    *("polyline", "ellipse"),
}
"""Every element that a page may have."""


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("hostile")
    hostile(folder / "run.pcapng")
    assert run("report", folder / "run.pcapng", "-o", folder / "report", "-q").code == 1
    return folder / "report"


@pytest.fixture
def page(browser: Browser, report: Path) -> Iterator[Page]:
    with browser.page() as opened:
        opened.open(report / "index.html")
        yield opened


class Elements(HTMLParser):
    """What a page is made of."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.names: set[str] = set()
        self.scripts = 0
        self.handlers: list[str] = []
        self.links: set[str] = set()
        self.feed(source)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.add(tag)
        values = dict(attrs)
        self.scripts += tag == "script" and "type" not in values
        self.handlers += [name for name, _ in attrs if name.startswith("on") or name == "style"]
        self.links |= {str(values[name]) for name in ("href", "src") if name in values}


def test_no_text_becomes_an_element_an_attribute_or_a_link(report: Path) -> None:
    found = Elements((report / "index.html").read_text(encoding="utf-8"))
    assert found.names <= OURS
    assert found.scripts == 1
    assert found.handlers == []
    assert all(re.match(r"#|findings/\d+-[A-Z]+\d+\.pcapng$", link) for link in found.links)


def test_nothing_is_executed_and_nothing_is_asked_for(page: Page) -> None:
    page.page.click("#open-all")
    page.page.focus("#table")
    for _ in range(12):
        page.page.keyboard.press("ArrowDown")
    page.page.mouse.move(300, 300)
    page.page.fill("#filter-text", ATTACKS[0])
    page.page.wait_for_timeout(300)
    assert page.complaints == []
    assert page.requests == []


def test_the_texts_are_shown_as_what_they_are(page: Page) -> None:
    page.page.click("#open-all")
    shown = page.page.inner_text("body")
    for attack in ATTACKS[:7]:
        assert attack in shown, attack
    assert "\\u202egpj.exe\\u2066" in shown
    assert not re.search("[\x00\x1b\u202e\u2066\u2028]", shown)


def test_marks_and_names_are_shown_in_the_table_as_texts(page: Page) -> None:
    page.page.click("#filter-clear")
    for kind in ("mark", "module load"):
        assert any(row[4] == kind and ATTACKS[0] in row[9] for row in page.rows()), kind


def test_very_long_names_leave_the_page_as_wide_as_it_is(page: Page) -> None:
    page.page.click("#open-all")
    assert page.run("document.documentElement.scrollWidth") <= 1400


def test_the_policy_stops_a_script_even_if_one_got_in(page: Page) -> None:
    page.run(
        """() => {
        const script = document.createElement('script');
        script.textContent = 'window.broken = true';
        document.body.append(script);
        const image = document.createElement('img');
        image.src = 'http://127.0.0.1:9/x.png';
        document.body.append(image);
        fetch('http://127.0.0.1:9/').catch(() => null);
        }"""
    )
    page.page.wait_for_timeout(200)
    assert not page.run("window.broken === true")
    assert len(page.complaints) >= 3
    assert all("Content Security Policy" in each for each in page.complaints)


def test_the_attacks_are_such_that_they_would_be_seen() -> None:
    assert len(ALL) > 6000
    assert "\x00" in ALL
