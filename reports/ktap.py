# SPDX-License-Identifier: Apache-2.0
"""Results as KTAP version 1: traces, in them functions, in them rules.

A rule that is unknown or vacuous is skipped, with the reason; one whose findings are all
suppressed is an expected failure. Warnings are told in diagnostic lines of a test that is ok.

Source: Linux Documentation/dev-tools/ktap.rst.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from uvtrace.check.page import PLAIN, Page
from uvtrace.check.results import Results
from uvtrace.trace.texts import printable

from .cases import Case, Outcome, cases_of, function_name, names_of, told

_VERSION = "KTAP version 1"
_INDENT = "  "
_DIRECTIVES = {
    Outcome.UNKNOWN: "SKIP",
    Outcome.VACUOUS: "SKIP",
    Outcome.SUPPRESSED: "XFAIL",
}


@dataclass(frozen=True)
class _Test:
    """A test: its lines, which go before its result, and its result."""

    name: str
    lines: tuple[str, ...]
    ok: bool
    directive: str = ""

    def result(self, number: int) -> str:
        tail = f" # {self.directive}" if self.directive else ""
        return f"{'ok' if self.ok else 'not ok'} {number} {_name(self.name)}{tail}"


def render(results: Sequence[Results], page: Page = PLAIN) -> str:
    """One document, one test per trace."""
    tests = [_trace(name, each) for name, each in zip(names_of(results), results, strict=True)]
    return "".join(f"{line}\n" for line in _document(tests))


def _document(tests: Sequence[_Test]) -> Iterator[str]:
    yield _VERSION
    yield f"1..{len(tests)}"
    for number, test in enumerate(tests, 1):
        yield from test.lines
        yield test.result(number)


def _parent(name: str, tests: Sequence[_Test], notes: Sequence[str] = ()) -> _Test:
    lines = (*(f"# {note}" for note in notes), *_indented(_document(tests)))
    skipped = all(test.directive.startswith("SKIP") for test in tests)
    return _Test(
        name,
        lines,
        ok=all(test.ok for test in tests),
        directive="SKIP nothing could be judged" if skipped else "",
    )


def _indented(lines: Iterator[str]) -> Iterator[str]:
    return (_INDENT + line for line in lines)


def _trace(name: str, results: Results) -> _Test:
    functions = [
        _parent(function_name(function), [_rule(case, results) for case in cases])
        for function, cases in cases_of(results).items()
    ]
    lost = f", {results.lost} lost" if results.lost else ""
    note = printable(f"{results.file or 'trace'}: {results.transactions} transactions{lost}")
    return _parent(name, functions, [note])


def _rule(case: Case, results: Results) -> _Test:
    outcome = case.outcome
    directive = _DIRECTIVES.get(outcome, "")
    return _Test(
        case.verdict.rule,
        tuple(f"# {line}" for line in told(case.findings, results)),
        ok=outcome is not Outcome.FAILED,
        directive=f"{directive} {_data(case.reason)}" if directive else "",
    )


def _name(text: str) -> str:
    """A description: it cannot hold the sign that begins a directive."""
    return printable(text).replace("#", "\\x23")


def _data(text: str) -> str:
    """Diagnostic data: the sign stays before a number (of a record), where it begins nothing."""
    return re.sub(r"#(?!\d)", r"\\x23", printable(text))
