# SPDX-License-Identifier: Apache-2.0
"""What is news in the morning, and what is none."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from tests.nightly.nights import at, found, full_job, job
from uvtrace.check.results import Verdict
from uvtrace.check.rules import Severity
from uvtrace.errors import ExitCode
from uvtrace.nightly.acceptance import Acceptance
from uvtrace.nightly.compare import Comparison, Earlier, Identity, Status, compare
from uvtrace.nightly.outcome import JOB_RULE, Ended, JobResult, KeptFinding

TODAY = at(10).date()
YESTERDAY = at(9).date()
X = "DMA007:x"


def compared(before: Sequence[JobResult], now: Sequence[JobResult], **given: Any) -> Comparison:
    return compare(now, [Earlier(YESTERDAY, each) for each in before], **{"today": TODAY, **given})


def told(comparison: Comparison) -> dict[str, list[str]]:
    """Status to signatures, each with the kernels."""
    return {
        str(status): [
            f"{change.finding.signature} on {', '.join(spot.kernel for spot in change.spots)}"
            for change in comparison.of(status)
        ]
        for status in Status
        if comparison.of(status)
    }


def accepted(until: datetime.date | None = None, **given: Any) -> Acceptance:
    return Acceptance(**{"signature": X, "reason": "known", "expires": until, **given})


def broken(ended: Ended, **given: Any) -> JobResult:
    """A job that did not get to its end."""
    finding = KeptFinding(
        signature=f"JOB:{ended}", rule=JOB_RULE, severity=Severity.ERROR, message="it ended"
    )
    return replace(job(finding, **given), verdicts=(), ended=ended)


def test_a_night_like_the_last_one_is_no_news() -> None:
    comparison = compared([job()], [job()])
    assert comparison.changes == ()
    assert comparison.exit_code is ExitCode.OK


def test_a_new_error_fails_the_night_and_an_old_one_does_not() -> None:
    new = compared([job()], [job(X)])
    assert told(new) == {"new": [f"{X} on 6.1"]}
    assert new.exit_code is ExitCode.FAILED
    still = compared([job(X)], [job(X)])
    assert told(still) == {"still there": [f"{X} on 6.1"]}
    assert still.exit_code is ExitCode.OK


def test_a_new_warning_is_told_but_fails_nothing() -> None:
    comparison = compared([job()], [job(found(X, severity=Severity.WARNING))])
    assert told(comparison) == {"new": [f"{X} on 6.1"]}
    assert comparison.exit_code is ExitCode.OK


def test_what_is_suppressed_is_neither_found_nor_known() -> None:
    hidden = job(found(X, suppressed="why not"))
    assert compared([job()], [hidden]).changes == ()
    assert told(compared([hidden], [job(X)])) == {"new": [f"{X} on 6.1"]}


def test_one_fault_on_many_kernels_and_workloads_is_reported_once() -> None:
    places = [f"{kernel}/e1000/{load}" for kernel in ("6.1", "6.12") for load in ("io", "ping")]
    jobs = [job(X, place=place, repetition=n) for place in places for n in (1, 2)]
    (change,) = compared([], jobs).changes
    assert [(spot.kernel, spot.workloads) for spot in change.spots] == [
        ("6.1", ("io", "ping")),
        ("6.12", ("io", "ping")),
    ]
    assert [(spot.found, spot.judged) for spot in change.spots] == [(4, 4), (4, 4)]


def test_a_fault_that_reaches_another_kernel_is_new_there() -> None:
    before = [job(X), job(place="6.12/e1000/ping")]
    comparison = compared(before, [job(X), job(X, place="6.12/e1000/ping")])
    assert told(comparison) == {"new": [f"{X} on 6.12"], "still there": [f"{X} on 6.1"]}


def test_another_workload_that_leads_to_a_known_fault_is_no_news() -> None:
    before = [job(X), job(place="6.1/e1000/io")]
    assert told(compared(before, [job(X), job(X, place="6.1/e1000/io")])) == {
        "still there": [f"{X} on 6.1"]
    }


def test_fixed_is_what_was_judged_again_and_not_found() -> None:
    assert told(compared([job(X)], [job()])) == {"fixed": [f"{X} on 6.1"]}


def test_who_did_not_look_has_fixed_nothing() -> None:
    blind = replace(
        job(), verdicts=tuple(replace(each, verdict=Verdict.UNKNOWN) for each in job().verdicts)
    )
    for now in ([blind], [replace(job(), ended=Ended.TIMEOUT)], []):
        assert told(compared([job(X)], now)) == {"not judged": [f"{X} on 6.1"]}


def test_every_workload_that_led_to_a_fault_must_have_been_repeated_to_call_it_fixed() -> None:
    before = [job(X), job(X, place="6.1/e1000/io")]
    assert told(compared(before, [job()])) == {"not judged": [f"{X} on 6.1"]}


def test_a_guest_that_panics_is_a_new_failure_and_fixes_nothing() -> None:
    comparison = compared([job(X)], [broken(Ended.PANIC)])
    assert told(comparison) == {"new": ["JOB:panic on 6.1"], "not judged": [f"{X} on 6.1"]}
    assert comparison.exit_code is ExitCode.FAILED
    after = compared([broken(Ended.PANIC)], [broken(Ended.PANIC)])
    assert told(after) == {"still there": ["JOB:panic on 6.1"]}
    assert told(compared([broken(Ended.PANIC)], [job()])) == {"fixed": ["JOB:panic on 6.1"]}


def test_flaky_is_the_same_signature_in_some_repetitions_only() -> None:
    now = [job(X, repetition=1), job(repetition=2)]
    known = compared([job(X)], now)
    assert told(known) == {"flaky": [f"{X} on 6.1"]}
    new = compared([job()], now)
    assert told(new) == {"new": [f"{X} on 6.1"]}
    (spot,) = new.changes[0].spots
    assert (spot.is_flaky, spot.found, spot.judged) == (True, 1, 2)


def test_a_repetition_that_panicked_does_not_make_a_finding_flaky() -> None:
    now = [job(X, repetition=1), broken(Ended.PANIC, repetition=2)]
    (change,) = compared([job(X)], now).of(Status.STILL)
    assert change.finding.signature == X
    (panic,) = compared([job(X)], now).new_failures
    assert (panic.spots[0].found, panic.spots[0].judged) == (1, 2)


def test_what_was_flaky_lately_neither_comes_as_news_nor_goes_as_fixed() -> None:
    lately = {Identity(X, "6.1", "e1000")}
    assert told(compared([job()], [job(X)], unsteady=lately)) == {"flaky": [f"{X} on 6.1"]}
    assert told(compared([job(X)], [job()], unsteady=lately)) == {"flaky": [f"{X} on 6.1"]}
    assert compared([job()], [job()], unsteady=lately).changes == ()


def test_an_accepted_finding_is_silent_until_its_day_and_new_once_after_it() -> None:
    until = [accepted(TODAY)]
    tonight = compared([job(X)], [job(X)], acceptances=until)
    assert told(tonight) == {"accepted": [f"{X} on 6.1"]}
    assert tonight.exit_code is ExitCode.OK

    def on(day: int) -> Comparison:
        earlier = [Earlier(at(day - 1).date(), job(X))]
        return compare([job(X)], earlier, today=at(day).date(), acceptances=until)

    assert told(on(11)) == {"new": [f"{X} on 6.1"]}
    assert on(11).exit_code is ExitCode.FAILED
    assert on(11).changes[0].spots[0].lapsed == until[0]
    assert on(11).expired == tuple(until)
    assert told(on(12)) == {"still there": [f"{X} on 6.1"]}


def test_an_acceptance_holds_from_its_first_day_on() -> None:
    since = [accepted(since=at(11).date())]
    assert told(compared([job()], [job(X)], acceptances=since)) == {"new": [f"{X} on 6.1"]}


def test_an_acceptance_is_for_the_kernels_and_devices_that_it_names() -> None:
    now = [job(X, place=f"{kernel}/e1000/ping") for kernel in ("6.1", "6.1-rt", "6.12")]
    only = [accepted(kernel="6.1*"), accepted(device="nvme*")]
    comparison = compared([], now, acceptances=only)
    assert told(comparison)["accepted"] == [f"{X} on 6.1, 6.1-rt, 6.12"]
    only = [accepted(kernel="6.1"), accepted(kernel="6.1-*"), accepted(device="nvme*")]
    comparison = compared([], now, acceptances=only)
    assert told(comparison) == {"new": [f"{X} on 6.12"], "accepted": [f"{X} on 6.1, 6.1-rt"]}
    assert comparison.idle == (only[2],)


def test_a_rule_may_be_accepted_as_a_whole_and_a_signature_with_brackets_as_it_is() -> None:
    signature = "DMA007:map=f [e1000]:unmap=?"
    whole = accepted(signature="", rule="DMA")
    exact = accepted(signature=signature)
    for acceptance in (whole, exact):
        comparison = compared([], [job(signature)], acceptances=[acceptance])
        assert told(comparison) == {"accepted": [f"{signature} on 6.1"]}
    other = compared([], [job("IRQ001:x")], acceptances=[whole, exact])
    assert told(other) == {"new": ["IRQ001:x on 6.1"]}


def test_an_accepted_finding_that_is_gone_is_no_news_but_its_acceptance_is_idle() -> None:
    acceptance = accepted()
    comparison = compared([job(X)], [job()], acceptances=[acceptance])
    assert comparison.changes == ()
    assert comparison.idle == (acceptance,)


def test_coverage_is_lost_where_every_repetition_had_it_and_none_has() -> None:
    state, edge = ("e1000.transmit", "on"), ("e1000.transmit", "off", "on", "start")
    before = [full_job(), replace(full_job(), repetition=2)]
    less = replace(full_job(), states=(), edges=())
    (lost,) = compared(before, [less]).coverage_lost
    assert (lost.states, lost.edges) == ((state,), (edge,))
    assert compared(before, [less, replace(full_job(), repetition=2)]).coverage_lost == ()
    assert compared([full_job(), replace(less, repetition=2)], [less]).coverage_lost == ()


def test_coverage_is_not_lost_by_who_could_not_tell() -> None:
    less = replace(full_job(), states=(), edges=())
    assert less.trace is not None
    for now in (
        replace(less, ended=Ended.PANIC),
        replace(less, automata=()),
        replace(less, trace=replace(less.trace, lost=1)),
        replace(less, trace=None),
    ):
        assert compared([full_job()], [now]).coverage_lost == ()
