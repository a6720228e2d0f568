# SPDX-License-Identifier: Apache-2.0
"""A strict reader of KTAP version 1, written from the specification, not from our renderer.

Stricter than kernel tools: every document has a plan that holds, numbers run from 1, nesting is
two spaces at a time, a parent's result agrees with its subtests', and there are no unknown lines.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

_RESULT = re.compile(
    r"(?P<result>ok|not ok) (?P<number>[1-9]\d*) (?P<name>[^#]+?)"
    r"(?: # (?:(?P<directive>SKIP|XFAIL|TIMEOUT|ERROR)(?: (?P<data>.+))?|.*))?"
)


@dataclass
class Node:
    """A test: its name, its result, and what it holds."""

    name: str
    ok: bool
    directive: str
    data: str
    subtests: list[Node] = field(default_factory=list)
    diagnostics: list[str] = field(default_factory=list)


def parse(text: str) -> list[Node]:
    """The tests of a document.

    Raises:
        ValueError: it is not KTAP; names the line.
    """
    if not text.endswith("\n"):
        raise ValueError("the last line is not ended")
    lines = text[:-1].split("\n")
    tests, end = _document(lines, 0, 0)
    if end != len(lines):
        raise ValueError(f"line {end + 1} is behind the end: {lines[end]!r}")
    return tests


def _document(lines: list[str], at: int, depth: int) -> tuple[list[Node], int]:
    _expect(lines, at, depth, r"KTAP version 1")
    plan = int(_expect(lines, at + 1, depth, r"1\.\.(\d+)")[1])
    at += 2
    tests: list[Node] = []
    for number in range(1, plan + 1):
        test, at = _test(lines, at, depth, number)
        tests.append(test)
    return tests, at


def _test(lines: list[str], at: int, depth: int, number: int) -> tuple[Node, int]:
    diagnostics: list[str] = []
    subtests: list[Node] = []
    while True:
        if at == len(lines):
            raise ValueError(f"test {number} at depth {depth} has no result")
        if _indent(lines[at]) > depth:
            if subtests:
                raise ValueError(f"line {at + 1}: a second nested document")
            subtests, at = _document(lines, at, depth + 1)
        elif lines[at].lstrip(" ").startswith("# "):
            diagnostics.append(lines[at].lstrip(" ")[2:])
            at += 1
        else:
            break
    found = _expect(lines, at, depth, _RESULT.pattern)
    if int(found["number"]) != number:
        raise ValueError(f"line {at + 1}: test {found['number']} where {number} is due")
    ok = found["result"] == "ok"
    if subtests and ok != all(test.ok for test in subtests):
        raise ValueError(f"line {at + 1}: a parent that disagrees with its subtests")
    directive, data = found["directive"] or "", found["data"] or ""
    return Node(found["name"], ok, directive, data, subtests, diagnostics), at + 1


def _indent(line: str) -> int:
    spaces = len(line) - len(line.lstrip(" "))
    if spaces % 2:
        raise ValueError(f"an indentation of {spaces}: {line!r}")
    return spaces // 2


def _expect(lines: list[str], at: int, depth: int, pattern: str) -> re.Match[str]:
    if at >= len(lines):
        raise ValueError(f"ends where {pattern!r} is due")
    found = re.fullmatch("  " * depth + pattern, lines[at])
    if found is None:
        raise ValueError(f"line {at + 1}: {lines[at]!r} where {pattern!r} is due")
    return found
