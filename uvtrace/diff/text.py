# SPDX-License-Identifier: Apache-2.0
"""A difference in words, and as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any, Final

from uvtrace.check.results import Results
from uvtrace.diff.difference import Changes, Difference, FindingChange, LatencyChange
from uvtrace.diff.latency import Distribution
from uvtrace.trace.texts import duration_text, printable

SHOWN: Final = 30
"""Things of one sort that the text names; JSON names all."""


def as_text(difference: Difference) -> str:
    """A few lines; what has not changed is told in one."""
    lines = [
        *_run("old", difference.old.results),
        *_run("new", difference.new.results),
        *_findings("new", difference.found),
        *_findings("gone", difference.fixed),
        *_section("functions", difference.functions, str),
        *_section("state machines", difference.machines, str),
        *_section("states", difference.states, ": ".join),
        *_section("edges", difference.steps, _step),
        *_section("registers", difference.accesses, _access),
        *_latencies(difference),
        *_summary(difference),
    ]
    return "".join(f"{printable(line)}\n" for line in lines)


def _run(title: str, results: Results) -> Iterator[str]:
    lost = f", {results.lost} lost" if results.lost else ""
    yield f"{title}  {results.file}: {results.transactions} transactions{lost}"


def _findings(title: str, changes: Sequence[FindingChange]) -> Iterator[str]:
    if changes:
        yield ""
        yield f"findings, {title}"
    for each in changes[:SHOWN]:
        finding = each.finding
        times = f", {each.count} times" if each.count > 1 else ""
        yield f"  {finding.severity}[{finding.rule}]: {finding.message} (#{finding.seq}{times})"
        yield f"    {finding.signature}"
        if each.undecided:
            other = "new" if title == "gone" else "old"
            yield f"    the {other} run did not judge it: {each.undecided}"
    yield from _more(len(changes))


def _section(title: str, changes: Changes, text: Any) -> Iterator[str]:
    for word, found in (("new", changes.new), ("gone", changes.gone)):
        if not found:
            continue
        yield ""
        yield f"{title}, {word}"
        for key, count in found[:SHOWN]:
            times = f"  ({count} times)" if count > 1 else ""
            yield f"  {text(key)}{times}"
        yield from _more(len(found))


def _more(count: int) -> Iterator[str]:
    if count > SHOWN:
        yield f"  and {count - SHOWN} more"


def _step(step: tuple[str, str, str, str]) -> str:
    automaton, source, target, label = step
    return f"{automaton}: {source} -> {target} ({label})"


def _access(access: tuple[str, str, str]) -> str:
    function, what, register = access
    return f"{function}: {what} {register}"


def _latencies(difference: Difference) -> Iterator[str]:
    for title, changes in (("slower", difference.slower), ("faster", difference.faster)):
        if changes:
            yield ""
            yield f"times, {title}"
        for each in changes:
            yield f"  {each.function}: {each.what}: {_times(each.old)} -> {_times(each.new)}"


def _times(times: Distribution) -> str:
    median, p95 = duration_text(round(times.median_ns)), duration_text(round(times.p95_ns))
    return f"median {median}, p95 {p95} of {times.count}"


def _summary(difference: Difference) -> Iterator[str]:
    changes = difference.states, difference.steps, difference.accesses
    new, gone = (sum(len(getattr(each, word)) for each in changes) for word in ("new", "gone"))
    changed = len(difference.slower) + len(difference.faster)
    yield ""
    yield (
        f"findings: {len(difference.found)} new, {len(difference.fixed)} gone,"
        f" {len(difference.kept)} as before;"
        f" states, edges and registers: {new} new, {gone} gone;"
        f" times: {changed} of {difference.compared} changed"
    )
    if difference.is_regression:
        yield "a regression: the new run has errors that the old one had not"


def as_json(difference: Difference) -> str:
    """Everything; ``docs/diff.md`` says what is what."""
    document = {
        "format": 1,
        "old": _json_run(difference.old.results),
        "new": _json_run(difference.new.results),
        "regression": difference.is_regression,
        "findings": {
            "new": [_json_finding(each) for each in difference.found],
            "gone": [_json_finding(each) for each in difference.fixed],
            "kept": list(difference.kept),
        },
        "functions": _json_changes(difference.functions, ("function",)),
        "machines": _json_changes(difference.machines, ("automaton",)),
        "states": _json_changes(difference.states, ("automaton", "state")),
        "edges": _json_changes(difference.steps, ("automaton", "source", "target", "label")),
        "registers": _json_changes(difference.accesses, ("function", "access", "register")),
        "times": {
            "slower": [_json_times(each) for each in difference.slower],
            "faster": [_json_times(each) for each in difference.faster],
            "compared": difference.compared,
        },
    }
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"


def _json_run(results: Results) -> dict[str, Any]:
    return {
        "file": results.file,
        "transactions": results.transactions,
        "lost": results.lost,
    }


def _json_finding(change: FindingChange) -> dict[str, Any]:
    finding = change.finding
    return {
        "rule": finding.rule,
        "severity": str(finding.severity),
        "signature": finding.signature,
        "function": finding.function,
        "seq": finding.seq,
        "message": finding.message,
        "count": change.count,
        "other": change.undecided or "judged",
    }


def _json_changes(changes: Changes, names: tuple[str, ...]) -> dict[str, Any]:
    def named(found: tuple[tuple[Any, int], ...]) -> list[dict[str, Any]]:
        keys = ((key if isinstance(key, tuple) else (key,), count) for key, count in found)
        return [dict(zip(names, key, strict=True)) | {"count": count} for key, count in keys]

    return {"new": named(changes.new), "gone": named(changes.gone)}


def _json_times(change: LatencyChange) -> dict[str, Any]:
    def measured(times: Distribution) -> dict[str, Any]:
        return {"count": times.count, "median_ns": times.median_ns, "p95_ns": times.p95_ns}

    return {
        "function": change.function,
        "what": change.what,
        "old": measured(change.old),
        "new": measured(change.new),
    }
