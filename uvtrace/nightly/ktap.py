# SPDX-License-Identifier: Apache-2.0
"""A night as KTAP version 1: kernels, devices and workloads as tests, in them the rules.

What failed and is no news is an expected failure; what could not be judged is skipped.

Source: Linux Documentation/dev-tools/ktap.rst.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from uvtrace.nightly.cases import Case, Outcome, cases_of
from uvtrace.nightly.compare import Comparison
from uvtrace.nightly.outcome import JobResult

_DIRECTIVES = {Outcome.KNOWN: "XFAIL", Outcome.UNKNOWN: "SKIP", Outcome.VACUOUS: "SKIP"}


def as_ktap(comparison: Comparison, results: Sequence[JobResult]) -> str:
    """One document."""
    places = cases_of(comparison, results)
    lines = ["KTAP version 1", f"1..{len(places)}"]
    for number, (place, cases) in enumerate(places.items(), 1):
        lines += [f"  {line}" for line in _document(cases)]
        lines.append(f"{_result(cases)} {number} {_name(str(place))}")
    return "".join(f"{line}\n" for line in lines)


def _document(cases: Sequence[Case]) -> Iterator[str]:
    yield "KTAP version 1"
    yield f"1..{len(cases)}"
    for number, case in enumerate(cases, 1):
        yield from (f"# {line}" for line in case.lines)
        directive = _DIRECTIVES.get(case.outcome, "")
        tail = f" # {directive} {_data(case.reason)}".rstrip() if directive else ""
        yield f"{_result([case])} {number} {_name(case.name)}{tail}"


def _result(cases: Sequence[Case]) -> str:
    return "not ok" if any(case.outcome is Outcome.FAILED for case in cases) else "ok"


def _name(text: str) -> str:
    return text.replace("#", "\\x23")


def _data(text: str) -> str:
    return re.sub(r"#(?!\d)", r"\\x23", text)
