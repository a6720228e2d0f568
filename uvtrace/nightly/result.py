# SPDX-License-Identifier: Apache-2.0
"""What a job's recording comes to: judged, covered, measured, in the form that is kept."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import uvtrace
from uvtrace.check.automaton import FORBIDDEN
from uvtrace.check.catalogue import installed_rules
from uvtrace.check.contract import contract_named
from uvtrace.check.explain import explained
from uvtrace.check.requirement import missing
from uvtrace.check.results import WHOLE_TRACE, Finding, Results
from uvtrace.check.rule import Rule
from uvtrace.check.rules import Severity
from uvtrace.check.signature import stable_site
from uvtrace.check.suppression import suppressed
from uvtrace.check.suppression_file import read_suppressions
from uvtrace.diff.run import function_names, run_of
from uvtrace.errors import InputError
from uvtrace.nightly.job import Job
from uvtrace.nightly.outcome import (
    JOB_RULE,
    REQUIRED,
    Ended,
    JobResult,
    KeptFinding,
    KeptLatency,
    KeptTrace,
    KeptVerdict,
)
from uvtrace.registers import load
from uvtrace.trace.texts import printable
from uvtrace.trace.trace import Trace


@dataclass(frozen=True, kw_only=True)
class Course:
    """How making a recording went.

    Attributes:
        ended: how it ended.
        reason: why, in one line, where there is more to say.
        oops: what the recorded kernel complained of (a warning, an oops) and lived on.
        site: where in the recorded kernel it panicked or complained, where that is known.
        exit_code: of the workload; None where it did not end.
        seconds: that it took.
    """

    ended: Ended = Ended.DONE
    reason: str = ""
    oops: str = ""
    site: str = ""
    exit_code: int | None = 0
    seconds: float = 0.0


def result_of(
    job: Job, recording: Path | None, course: Course, *, location: str | None = None
) -> JobResult:
    """What a job came to.

    Args:
        job: it.
        recording: the file, or None where there is none.
        course: how making it went.
        location: where the recording is found later, a path or URL; the file's by default.

    Raises:
        UvtraceError: a file that the job's checks name cannot be used; what is wrong with the
            recording itself is a result.
    """
    if recording is None:
        return _without_recording(job, course)
    try:
        trace = uvtrace.open(recording)
    except InputError as error:
        # Who was ended before the first record leaves nothing to be read: that is no other news.
        ended = Ended.FAILED if course.ended is Ended.DONE else course.ended
        reason = course.reason or error.what
        return _without_recording(job, Course(ended=ended, reason=reason, seconds=course.seconds))
    return _judged(job, trace, course, location or str(recording), recording.stat().st_size)


def _judged(job: Job, trace: Trace, course: Course, location: str, size_bytes: int) -> JobResult:
    rules = installed_rules()
    run = run_of(
        trace,
        selection=job.checks.selection,
        rules=rules,
        registers=load(job.registers) if job.registers else None,
        contract=contract_named(job.contract) if job.contract else None,
    )
    results = _suppressed(explained(run.results, trace, rules), job, rules)
    names = _names(trace)
    findings = [*_of_job(course), *_of_file(trace), *_required(results, job.checks.require)]
    return JobResult(
        place=job.place,
        repetition=job.repetition,
        release=job.release,
        digest=job.digest,
        ended=course.ended,
        reason=printable(course.reason),
        seconds=course.seconds,
        verdicts=_verdicts(results, names),
        findings=(*findings, *_kept(results.findings, names)),
        automata=tuple(sorted(run.automata)),
        states=tuple(sorted(run.states.items())),
        edges=tuple(sorted(item for item in run.steps.items() if item[0][2] != FORBIDDEN)),
        latencies=tuple(
            KeptLatency(
                function=function,
                what=what,
                count=times.count,
                median_ns=times.median_ns,
                p95_ns=times.p95_ns,
            )
            for (function, what), times in sorted(run.latencies.items())
        ),
        trace=KeptTrace(
            location=location,
            records=results.transactions,
            lost=results.lost,
            size_bytes=size_bytes,
        ),
    )


def _without_recording(job: Job, course: Course) -> JobResult:
    return JobResult(
        place=job.place,
        repetition=job.repetition,
        release=job.release,
        digest=job.digest,
        ended=course.ended,
        reason=printable(course.reason),
        seconds=course.seconds,
        findings=tuple(_of_job(course)),
    )


def _suppressed(results: Results, job: Job, rules: Sequence[Rule]) -> Results:
    path = job.checks.suppressions
    if path is None:
        return results
    accepted = read_suppressions(path, {rule.id for rule in rules})
    return suppressed([results], accepted).results[0]


def _names(trace: Trace) -> dict[str, str]:
    """What functions are called wherever they are plugged in, by their names in the trace."""
    by_index = function_names(trace.functions)
    return {function.name: by_index[function.index] for function in trace.functions}


def _verdicts(results: Results, names: Mapping[str, str]) -> tuple[KeptVerdict, ...]:
    return tuple(
        KeptVerdict(
            function=names.get(each.function, each.function),
            rule=each.rule,
            verdict=each.verdict,
            checked=each.checked,
            reason=each.reason,
        )
        for each in results.verdicts
    )


def _kept(findings: Iterable[Finding], names: Mapping[str, str]) -> Iterator[KeptFinding]:
    """One for each signature: of those that count, where any does."""
    groups: dict[str, list[Finding]] = {}
    for finding in findings:
        groups.setdefault(finding.signature, []).append(finding)
    for signature, group in groups.items():
        counted = [finding for finding in group if finding.suppression is None]
        shown = counted or group
        first = shown[0]
        yield KeptFinding(
            signature=signature,
            rule=first.rule,
            severity=first.severity,
            function=names.get(first.function, first.function),
            site=printable(first.site),
            message=printable(first.message),
            seq=first.seq,
            count=sum(finding.occurrences for finding in shown),
            suppressed=first.suppression.reason if first.suppression is not None else "",
        )


def without_store(result: JobResult, reason: str) -> JobResult:
    """A result whose recording could not be put into the store, and so stayed where it was made."""
    where = "" if result.trace is None else f"; it lies at {result.trace.location}"
    finding = KeptFinding(
        signature=f"{JOB_RULE}:store",
        rule=JOB_RULE,
        severity=Severity.WARNING,
        function=WHOLE_TRACE,
        message=printable(f"the recording could not be stored: {reason}{where}"),
    )
    return replace(result, findings=(finding, *result.findings))


_ENDED_TEXT = {
    Ended.TIMEOUT: "the workload did not end in time",
    Ended.PANIC: "the kernel panicked",
    Ended.DIED: "the VM went away",
    Ended.BOUNDS: "the job took more than it may",
    Ended.WORKER_DIED: "the workers that did it died",
    Ended.FAILED: "nothing could be recorded",
}


_NUMBER = re.compile(r"0x[0-9a-f]+|\d+")


def _of_job(course: Course) -> Iterator[KeptFinding]:
    """What is wrong with the job itself; no recording tells of it."""
    site = f":{stable_site(course.site)}" if course.site else ""
    if course.ended is Ended.PANIC and not site:
        site = f":{_NUMBER.sub('#', printable(course.reason))}"
    if course.ended is not Ended.DONE:
        text = _ENDED_TEXT[course.ended]
        message = f"{text}: {course.reason}" if course.reason else text
        yield _error(f"{JOB_RULE}:{course.ended}{site}", JOB_RULE, message, site=course.site)
    if course.oops:
        message = f"the kernel complained: {course.oops}"
        yield _error(f"{JOB_RULE}:oops{site}", JOB_RULE, message, site=course.site)
    if course.ended is Ended.DONE and course.exit_code:
        message = f"the workload ended with exit code {course.exit_code}"
        yield _error(f"{JOB_RULE}:exit", JOB_RULE, message)


def _of_file(trace: Trace) -> Iterator[KeptFinding]:
    if trace.damage is not None and not trace.damage.partial_tail:
        yield _error(f"{JOB_RULE}:damaged", JOB_RULE, f"the recording: {trace.damage.reason}")


def _required(results: Results, required: Sequence[str]) -> Iterator[KeptFinding]:
    """A finding for each required rule that is no pass."""
    seen = set()
    # Where the recording is, is told elsewhere, and may change.
    for rule, line in missing(replace(results, file=""), required):
        if rule not in seen:
            yield _error(f"{REQUIRED}{rule}", rule, f"required: {line}")
        seen.add(rule)


def _error(signature: str, rule: str, message: str, site: str = "") -> KeptFinding:
    return KeptFinding(
        signature=signature,
        rule=rule,
        severity=Severity.ERROR,
        function=WHOLE_TRACE,
        site=printable(site),
        message=printable(message),
    )
