# SPDX-License-Identifier: Apache-2.0
"""The head of the page: what was recorded, and how it was judged."""

from __future__ import annotations

import datetime
from collections import Counter
from collections.abc import Iterator

from uvtrace.check.results import Results, Verdict
from uvtrace.check.rules import Severity
from uvtrace.report.markup import Markup, joined, tag
from uvtrace.trace.digest import Digest
from uvtrace.trace.texts import loss_cause_text


def header(results: Results, digest: Digest) -> Markup:
    """Outcome and facts."""
    facts = [
        tag("div", tag("dt", name), tag("dd", value)) for name, value in _facts(results, digest)
    ]
    return joined([_outcome(results), tag("dl", facts, class_="facts")])


def outcome(results: Results) -> str:
    """The judgement in a few words: ``8 errors, 1 warning``."""
    counts = _counts(results)
    parts = [
        f"{counts[severity]:,} {severity}{'' if counts[severity] == 1 else 's'}"
        for severity in Severity
        if counts[severity]
    ]
    return ", ".join(parts) or "nothing found"


def _counts(results: Results) -> Counter[Severity]:
    counts: Counter[Severity] = Counter()
    for finding in results.counted:
        counts[finding.severity] += finding.occurrences
    return counts


def _outcome(results: Results) -> Markup:
    counts = _counts(results)
    tiles = [
        tag(
            "a",
            tag("b", f"{counts[severity]:,}"),
            f" {severity}{'' if counts[severity] == 1 else 's'}",
            href="#findings",
            class_=f"tile {severity.value}" if counts[severity] else "tile none",
        )
        for severity in Severity
    ]
    suppressed = sum(each.occurrences for each in results.findings) - counts.total()
    if suppressed:
        tiles.append(tag("span", tag("b", f"{suppressed:,}"), " suppressed", class_="tile none"))
    unknown = sum(1 for each in results.verdicts if each.verdict is Verdict.UNKNOWN)
    if unknown:
        # What was not to be seen has not passed.
        told = "of the rules, per function: the recording does not show what they are about"
        count = tag("b", f"{unknown:,}")
        tiles.append(
            tag("a", count, " unknown", href="#verdicts", class_="tile unknown", title=told)
        )
    word, look = ("nothing failed", "passed") if results.ok else ("failed", "failed")
    return tag("p", tag("strong", word, class_=f"verdict {look}"), tiles, class_="outcome")


def _facts(results: Results, digest: Digest) -> Iterator[tuple[str, Markup | str]]:
    yield "recording", tag("code", digest.file or "standard input")
    for function in digest.functions:
        driver = f" driven by {function.driver}" if function.driver else ""
        device = function.description.removeprefix(f"{function.driver}, ")
        yield "device", joined([tag("code", function.name), f" {device}", tag("b", driver)])
    yield "kernel", results.kernel or digest.kernel or "not known"
    if digest.command:
        ended = "" if digest.exit_code is None else f" (exit code {digest.exit_code})"
        # A shell's line breaks are spaces to a reader.
        command = " ".join(digest.command.split())
        yield "command", joined([tag("code", command), ended])
    if results.start_real_ns is not None:
        yield "recorded", _moment(results.start_real_ns)
    yield "duration", f"{digest.duration_ns / 1e9:.3f} s on {len(digest.cpus)} CPUs"
    yield "records", f"{digest.records:,}, of which {digest.transactions:,} events"
    yield "lost", _lost(digest)
    if digest.damage:
        yield "damage", tag("strong", digest.damage, class_="bad")
    if digest.undecoded:
        yield "undecoded", f"{digest.undecoded:,} accesses"
    if digest.converted:
        yield "converted", digest.converted


def _moment(time_ns: int) -> str:
    try:
        moment = datetime.datetime.fromtimestamp(time_ns / 1e9, datetime.UTC)
    except (ValueError, OverflowError, OSError):
        return f"{time_ns} ns since 1970"
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"


def _lost(digest: Digest) -> Markup | str:
    causes = ", ".join(f"{loss_cause_text(cause)} ({n:,})" for cause, n in digest.losses.items())
    if not causes:
        return "nothing"
    return tag("strong", f"{digest.lost:,}: {causes}", class_="bad" if digest.lost else None)
