# SPDX-License-Identifier: Apache-2.0
"""No text becomes markup."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser

from hypothesis import given
from hypothesis import strategies as st

from tests.reports.samples import HOSTILE
from uvtrace.report.markup import Markup, bytes_block, data_block, joined, policy_hash, tag
from uvtrace.trace.texts import printable


class _Reader(HTMLParser):
    """Which elements and attributes there are, and what text."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(source)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


@given(st.text())
def test_text_is_read_as_the_text_that_it_is(value: str) -> None:
    read = _Reader(tag("p", value, title=value))
    assert read.elements == [("p", {"title": printable(value)})]
    assert read.text == printable(value)


def test_hostile_text_stays_one_element_and_holds_no_control_character() -> None:
    made = tag("p", HOSTILE, title=HOSTILE)
    assert [name for name, _ in _Reader(made).elements] == ["p"]
    assert made.isprintable()


def test_markup_is_put_in_as_it_is_and_text_beside_it_is_not() -> None:
    assert tag("p", tag("b", "<"), "<", None) == "<p><b>&lt;</b>&lt;</p>"
    assert joined([tag("i", "a"), "b&"], "; ") == "<i>a</i>; b&amp;"


def test_names_of_attributes_and_those_without_a_value() -> None:
    made = tag("input", type="text", class_="a", data_x=1, hidden=True, id=None, checked=False)
    assert made == '<input type="text" class="a" data-x="1" hidden>'


@given(st.recursive(st.text() | st.integers(), st.lists, max_leaves=10))
def test_data_is_read_back_and_cannot_end_its_element(value: object) -> None:
    block = data_block("x", value)
    found = re.fullmatch(r'<script type="application/json" id="x">([^<>&]*)</script>', block)
    assert found
    assert json.loads(found[1]) == value


def test_bytes_are_base64() -> None:
    block = bytes_block("x", b"</script>")
    assert block == '<script type="application/octet-stream" id="x">PC9zY3JpcHQ+</script>'


def test_the_hash_is_what_policies_name_scripts_by() -> None:
    # Of the example of Content Security Policy Level 3, section 2.3.1.
    expected = "'sha256-qznLcsROx4GACP2dm0UCKCzCG+HiZ1guq6ZZDob/Tng='"
    assert policy_hash("alert('Hello, world.');") == expected


def test_what_is_markup_is_no_longer_text() -> None:
    assert isinstance(tag("p"), Markup)
