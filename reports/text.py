# SPDX-License-Identifier: Apache-2.0
"""Results as plain text, for people: findings first, then what was judged, and how."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

from uvtrace.check.results import WHOLE_TRACE, Finding, Results, RuleVerdict, Verdict
from uvtrace.trace.texts import printable

_EVIDENCE_SHOWN = 4


def render(results: Sequence[Results]) -> str:
    """The text, one section per trace; names from the traces are made printable."""
    return "\n".join("\n".join(_section(result)) + "\n" for result in results)


def _section(result: Results) -> Iterator[str]:
    lost = f", {result.lost} lost" if result.lost else ""
    name = printable(result.file or "trace")
    yield f"{name}: {result.transactions} transactions{lost}, checked in {result.seconds:.2f} s"
    yield from _findings(result.findings)
    yield from _verdicts(result.verdicts)
    errors = sum(1 for finding in result.findings if finding.severity == "error")
    others = len(result.findings) - errors
    yield f"{errors} error{_s(errors)}, {others} warning{_s(others)} or note{_s(others)}"


def _findings(findings: Sequence[Finding]) -> Iterator[str]:
    by_signature: dict[tuple[str, str], list[Finding]] = defaultdict(list)
    for finding in findings:
        by_signature[finding.function, finding.signature].append(finding)
    for (function, _), same in by_signature.items():
        first = same[0]
        where = "the trace" if function == WHOLE_TRACE else function
        again = f" ({len(same)} times, first at #{first.seq})" if len(same) > 1 else ""
        yield ""
        yield printable(f"{first.severity} {first.rule} {where} #{first.seq}{again}")
        yield printable(f"  {first.message}")
        if first.site:
            yield printable(f"  at {first.site}")
        yield from _evidence(first)


def _evidence(finding: Finding) -> Iterator[str]:
    shown = finding.evidence[:_EVIDENCE_SHOWN]
    if shown:
        more = len(finding.evidence) - len(shown)
        parts = ", ".join(f"#{evidence.seq} {evidence.role}" for evidence in shown)
        yield printable(f"  shown by {parts}" + (f" and {more} more" if more else ""))


def _verdicts(verdicts: Iterable[RuleVerdict]) -> Iterator[str]:
    by_function: dict[str, list[RuleVerdict]] = defaultdict(list)
    for verdict in verdicts:
        by_function[verdict.function].append(verdict)
    for function, judged in by_function.items():
        yield ""
        yield printable("the trace" if function == WHOLE_TRACE else function)
        for outcome in Verdict:
            chosen = [verdict for verdict in judged if verdict.verdict is outcome]
            if chosen and outcome in (Verdict.PASS, Verdict.VACUOUS):
                yield f"  {outcome:8}{' '.join(verdict.rule for verdict in chosen)}"
            else:
                yield from (printable(f"  {outcome:8}{v.rule}: {v.reason}") for v in chosen)
    yield ""


def _s(count: int) -> str:
    return "" if count == 1 else "s"
