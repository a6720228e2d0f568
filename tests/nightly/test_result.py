# SPDX-License-Identifier: Apache-2.0
"""Real recordings as nights: a stock driver, then a faulty module in its place on one kernel."""

from __future__ import annotations

import datetime
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest

from tests.nightly.nights import at
from uvtrace.check.results import Verdict
from uvtrace.check.rules import Selection, Severity
from uvtrace.errors import ExitCode, UsageError
from uvtrace.nightly.acceptance import Acceptance
from uvtrace.nightly.compare import Comparison, Status, compare
from uvtrace.nightly.history import History
from uvtrace.nightly.job import Job, Place
from uvtrace.nightly.matrix import Checks
from uvtrace.nightly.outcome import Ended, JobResult
from uvtrace.nightly.queries import earlier, known_findings, unsteady
from uvtrace.nightly.result import Course, result_of

ROOT = Path(__file__).parents[2]
TRACES = ROOT / "traces"
KERNELS = ("6.1", "6.12")


def a_job(kernel: str = "6.1", device: str = "e1000", **told: object) -> Job:
    job = Job(
        place=Place(kernel, device, "network"),
        repetition=1,
        release=f"{kernel}.0",
        spec=f"qemu:{device}",
        driver="",
        memory=False,
        contract="",
        registers=str(ROOT / f"devices/{device}/registers.rdl") if device == "e1000" else "",
        command="true",
        timeout_s=60.0,
        cpus=2,
        ram_bytes=1 << 30,
        checks=Checks(selection=Selection(ignore=("REG",))),
        digest="0" * 64,
    )
    return replace(job, **told)  # type: ignore[arg-type]


@cache
def stock(kernel: str = "6.1") -> JobResult:
    return result_of(a_job(kernel), TRACES / f"e1000-{kernel}.pcapng.zst", Course(seconds=9.5))


@cache
def faulty(kernel: str = "6.1") -> JobResult:
    return result_of(a_job(kernel), TRACES / f"faulty/e1000-{kernel}.pcapng.zst", Course())


def test_a_stock_driver_passes_and_its_coverage_and_times_are_kept() -> None:
    result = stock()
    assert result.findings == ()
    assert (result.key, result.ended, result.seconds) == ("6.1/e1000/network/1", Ended.DONE, 9.5)
    assert Verdict.PASS in {each.verdict for each in result.verdicts if each.rule == "DMA007"}
    assert {each.function for each in result.verdicts} == {"e1000 8086:100e", "*"}
    assert "e1000.transmit" in result.automata
    assert ("e1000.transmit", "enabled") in dict(result.states)
    assert min(dict(result.edges).values()) > 0
    times = {each.what: each for each in result.latencies}
    assert 0 < times["MMIO read"].median_ns <= times["MMIO read"].p95_ns
    assert result.trace is not None
    assert (result.trace.records > 10_000, result.trace.lost) == (True, 0)


def test_a_faulty_module_fails_with_the_signature_of_its_fault() -> None:
    errors = [each for each in faulty().findings if each.severity is Severity.ERROR]
    assert [each.rule for each in errors] == ["ADR006"]
    assert "faulty_adr006_high_first" in errors[0].signature


def test_the_same_fault_has_the_same_signature_on_another_kernel() -> None:
    signatures = [{each.signature for each in faulty(kernel).findings} for kernel in KERNELS]
    assert signatures[0] == signatures[1] != set()


def a_night(history: History, day: int, results: list[JobResult]) -> Comparison:
    """Store a night's results, compare them, and finish it."""
    night = history.begin("m", at(day))
    for result in results:
        history.store(night, result)
    comparison = compare(
        history.results(night),
        earlier(history, night),
        today=night.day,
        acceptances=history.accepted("m"),
        unsteady=unsteady(history, night),
    )
    history.finish(night, at(day, hour=5))
    return comparison


def errors(comparison: Comparison, status: Status) -> list[tuple[str, tuple[str, ...]]]:
    """Rules of errors and the kernels that they are on."""
    return [
        (change.finding.rule, tuple(spot.kernel for spot in change.spots))
        for change in comparison.of(status)
        if change.finding.severity is Severity.ERROR
    ]


def test_a_seeded_regression_is_new_exactly_once_and_a_baseline_silences_it_until_its_day(
    database: str,
) -> None:
    good = [stock("6.1"), stock("6.12")]
    bad = [stock("6.1"), faulty("6.12")]
    with History(database) as history:
        assert a_night(history, 1, good).exit_code is ExitCode.OK
        second = a_night(history, 2, bad)
        assert errors(second, Status.NEW) == [("ADR006", ("6.12",))]
        assert second.exit_code is ExitCode.FAILED
        assert [each.place.kernel for each in second.coverage_lost] == ["6.12"]
        third = a_night(history, 3, bad)
        assert errors(third, Status.NEW) == []
        assert errors(third, Status.STILL) == [("ADR006", ("6.12",))]
        assert third.exit_code is ExitCode.OK

        signature = second.new_failures[0].finding.signature
        history.accept(
            "m",
            Acceptance(
                signature=signature,
                reason="a vendor's erratum",
                since=at(4).date(),
                expires=at(5).date(),
            ),
        )
        for day in (4, 5):
            silent = a_night(history, day, bad)
            assert errors(silent, Status.ACCEPTED) == [("ADR006", ("6.12",))]
            assert silent.exit_code is ExitCode.OK
        after = a_night(history, 6, bad)
        assert errors(after, Status.NEW) == [("ADR006", ("6.12",))]
        assert after.exit_code is ExitCode.FAILED
        assert errors(a_night(history, 7, bad), Status.NEW) == []

        (seen,) = known_findings(history, "m", signature=signature)
        assert (seen.kernel, seen.nights) == ("6.12", 6)
        assert (seen.first, seen.last) == (at(2), at(7))


def test_a_seeded_regression_on_all_kernels_is_one_report() -> None:
    now = [faulty(kernel) for kernel in KERNELS]
    (change,) = compare(now, [], today=datetime.date(2027, 1, 1)).new_failures
    assert [spot.kernel for spot in change.spots] == ["6.1", "6.12"]


def test_rules_are_chosen_required_and_suppressed_as_the_matrix_says(tmp_path: Path) -> None:
    (tmp_path / "known.toml").write_text(
        '[[suppression]]\nrule = "ADR006"\nsite = "faulty_*"\nreason = "planted"\n'
    )
    checks = Checks(
        selection=Selection(select=("ADR", "DMA001")),
        require=("DMA001", "REG"),
        suppressions=tmp_path / "known.toml",
    )
    recording = TRACES / "faulty/e1000-6.1.pcapng.zst"
    result = result_of(a_job(checks=checks), recording, Course())
    assert {each.rule for each in result.verdicts} >= {"ADR001", "ADR006", "DMA001"}
    assert not any(each.rule.startswith("REG") for each in result.verdicts)
    found = {each.signature.partition(":access")[0]: each for each in result.findings}
    assert sorted(found) == ["ADR006", "REQUIRED:DMA001", "REQUIRED:REG"]
    assert found["ADR006"].suppressed == "planted"
    assert "DMA001 is unknown for 0000:00:10.0: the" in found["REQUIRED:DMA001"].message
    assert found["REQUIRED:REG"].is_failure


def test_a_guest_that_panicked_is_a_finding_beside_what_its_recording_shows() -> None:
    course = Course(ended=Ended.PANIC, reason="Oops\x1b[2J", site="f.isra.0+0x1/0x2 [e1000]")
    only = replace(a_job(), checks=Checks(selection=Selection(select=("ADR",))))
    result = result_of(only, TRACES / "faulty/e1000-6.1.pcapng.zst", course)
    assert result.findings[0].signature == "JOB:panic:f [e1000]"
    assert len(result.findings) == 2
    assert "\x1b" not in result.reason + result.findings[0].message


@pytest.mark.parametrize(
    ("course", "signature"),
    [
        (Course(ended=Ended.FAILED, reason="no kernel"), "JOB:failed"),
        (Course(ended=Ended.BOUNDS), "JOB:bounds"),
        (Course(ended=Ended.TIMEOUT), "JOB:timeout"),
        (Course(ended=Ended.PANIC, reason="bad at 0x1f, CPU 3"), "JOB:panic:bad at #, CPU #"),
    ],
)
def test_a_job_without_a_recording_is_a_result(course: Course, signature: str) -> None:
    result = result_of(a_job(), None, course)
    assert [each.signature for each in result.findings] == [signature]
    assert result.trace is None


def test_a_workload_that_fails_is_a_finding() -> None:
    only = replace(a_job(), checks=Checks(selection=Selection(select=("TRC",))))
    result = result_of(only, TRACES / "faulty/e1000-6.1.pcapng.zst", Course(exit_code=3))
    assert [each.message for each in result.findings] == ["the workload ended with exit code 3"]


def test_what_the_kernel_complained_of_and_lived_on_is_a_finding() -> None:
    only = replace(a_job(), checks=Checks(selection=Selection(select=("TRC",))))
    course = Course(oops="WARNING: CPU: 0 PID: 9 at f.c:1", site="f+0x1 [e1000]")
    result = result_of(only, TRACES / "faulty/e1000-6.1.pcapng.zst", course)
    assert [each.signature for each in result.findings] == ["JOB:oops:f [e1000]"]
    assert result.findings[0].is_failure


def test_a_file_that_is_no_recording_is_a_job_that_failed(tmp_path: Path) -> None:
    (tmp_path / "x.pcapng").write_bytes(b"no recording")
    result = result_of(a_job(), tmp_path / "x.pcapng", Course())
    assert (result.ended, [each.signature for each in result.findings]) == (
        Ended.FAILED,
        ["JOB:failed"],
    )


def test_what_the_matrix_names_wrongly_is_no_result() -> None:
    with pytest.raises(UsageError, match="no contract"):
        result_of(a_job(contract="none"), TRACES / "faulty/e1000-6.1.pcapng.zst", Course())
