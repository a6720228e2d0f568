# SPDX-License-Identifier: Apache-2.0
"""What is kept comes back, from SQLite and from a real PostgreSQL server alike."""

from __future__ import annotations

import datetime
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import text

from tests.nightly.nights import at, found, full_job, job
from uvtrace.errors import UsageError, UvtraceError
from uvtrace.nightly.acceptance import Acceptance
from uvtrace.nightly.compare import Earlier, Identity
from uvtrace.nightly.database import shown, url_of
from uvtrace.nightly.history import History
from uvtrace.nightly.job import Place
from uvtrace.nightly.outcome import Ended
from uvtrace.nightly.queries import (
    earlier,
    flaky,
    known_findings,
    unsteady,
)
from uvtrace.nightly.schema import METADATA


@pytest.fixture
def history(database: str) -> Iterator[History]:
    with History(database) as opened:
        yield opened


def test_the_migrations_make_the_tables_that_the_code_expects(history: History) -> None:
    with history.transaction() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, METADATA) == []


def test_a_history_is_opened_again_as_it_was(database: str) -> None:
    with History(database) as first:
        night = first.begin("m", at(1))
    with History(database) as again:
        assert again.nights("m", finished_only=False) == (night,)


def test_a_history_of_a_later_version_is_refused(database: str) -> None:
    with History(database) as first, first.transaction() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(UvtraceError, match="later version of uvtrace"):
        History(database)


def test_several_may_open_a_new_history_at_once(database: str) -> None:
    errors: list[BaseException] = []

    def use(number: int) -> None:
        try:
            with History(database) as mine:
                night = mine.begin(f"m{number}", at(1))
                for repetition in range(1, 6):
                    mine.store(night, job("DMA007:x", repetition=repetition))
                assert len(mine.results(night)) == 5
        except BaseException as error:  # noqa: BLE001 - told by the test
            errors.append(error)

    threads = [threading.Thread(target=use, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert errors == []


def test_a_new_history_waits_for_another_that_writes(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    with closing(sqlite3.connect(path, check_same_thread=False)) as other:
        other.execute("CREATE TABLE other (value)")
        other.execute("BEGIN IMMEDIATE")
        done = threading.Timer(0.3, other.rollback)
        done.start()
        with History(path) as mine:
            assert mine.begin("m", at(1)).matrix == "m"
        done.join()


def test_a_result_comes_back_as_it_was(history: History) -> None:
    night = history.begin("m", at(1))
    history.store(night, full_job())
    assert history.results(night) == (full_job(),)


def test_the_same_job_again_takes_the_place_of_the_first(history: History) -> None:
    night = history.begin("m", at(1))
    history.store(night, full_job())
    history.store(night, job("IRQ001:y", digest="e" * 64))
    (kept,) = history.results(night)
    assert [each.signature for each in kept.findings] == ["IRQ001:y"]
    assert kept.trace is None
    assert history.digests(night) == {"6.1/e1000/ping/1": "e" * 64}
    with history.transaction() as connection:
        assert connection.execute(text("SELECT count(*) FROM findings")).scalar() == 1


def test_results_are_in_order_whoever_is_done_first(history: History) -> None:
    night = history.begin("m", at(1))
    places = ["6.12/nvme/io/1", "6.1/e1000/ping/2", "6.1-rt/e1000/ping/1", "6.1/e1000/ping/1"]
    for each in places:
        place, _, repetition = each.rpartition("/")
        history.store(night, job(place=place, repetition=int(repetition)))
    assert [each.key for each in history.results(night)] == [
        *("6.1/e1000/ping/1", "6.1/e1000/ping/2"),
        *("6.1-rt/e1000/ping/1", "6.12/nvme/io/1"),
    ]


def test_hostile_words_and_numbers_are_kept_as_far_as_a_database_can(history: History) -> None:
    night = history.begin("m", at(1))
    wild = found("DMA007:\0\ud800'; DROP TABLE runs; --", message="é\u2028\0", seq=2**64 - 1)
    history.store(night, job(wild))
    (kept,) = history.results(night)[0].findings
    assert kept.signature == "DMA007:\\x00\\ud800'; DROP TABLE runs; --"
    assert (kept.message, kept.seq) == ("é\u2028\\x00", 2**63 - 1)
    history.finish(night, at(1, hour=5))
    assert [each.nights for each in known_findings(history, "m")] == [1]


def test_a_signature_may_be_longer_than_what_an_index_takes(history: History) -> None:
    night = history.begin("m", at(1))
    signature = "DMA007:" + "".join(f"role{number}=f{number * 7919}:" for number in range(2000))
    history.store(night, job(signature))
    history.finish(night, at(1, hour=5))
    assert [each.first for each in known_findings(history, "m", signature=signature)] == [at(1)]


def test_a_night_is_compared_with_the_one_before_that_was_finished(history: History) -> None:
    first, given_up, third = (history.begin("m", at(day)) for day in (1, 2, 3))
    history.begin("another", at(2))
    history.finish(first, at(1, hour=5))
    assert history.before(third) == replace(first, finished=at(1, hour=5))
    assert history.before(first) is None
    assert history.before(given_up) is not None


def test_only_the_newest_night_is_taken_up_again(history: History) -> None:
    assert history.unfinished("m") is None
    first = history.begin("m", at(1))
    assert history.unfinished("m") == first
    second = history.begin("m", at(2))
    history.finish(second, at(2, hour=3))
    assert history.unfinished("m") is None


def test_times_are_those_that_were_given_in_whatever_zone(history: History) -> None:
    zone = datetime.timezone(datetime.timedelta(hours=-9))
    night = history.begin("m", datetime.datetime(2027, 1, 1, 20, 0, 0, 123456, zone))
    assert night.started == datetime.datetime(2027, 1, 2, 5, 0, 0, 123456, datetime.UTC)
    assert night.day == datetime.date(2027, 1, 2)


def test_first_and_last_seen_by_kernel(history: History) -> None:
    seen = {1: ["6.1"], 2: [], 3: ["6.1", "6.12"], 4: ["6.12"]}
    for day, kernels in seen.items():
        night = history.begin("m", at(day))
        for kernel in ("6.1", "6.12"):
            signatures = ["DMA007:x"] if kernel in kernels else []
            history.store(night, job(*signatures, place=f"{kernel}/e1000/ping"))
        history.finish(night, at(day, hour=5))
    other = history.begin("another", at(9))
    history.store(other, job("DMA007:x"))
    history.finish(other, at(9, hour=5))
    history.store(history.begin("m", at(10)), job("DMA007:x"))
    told = {each.kernel: each for each in known_findings(history, "m")}
    assert [(each.first, each.last, each.nights) for each in told.values()] == [
        (at(1), at(3), 2),
        (at(3), at(4), 2),
    ]
    assert told["6.1"].workloads == ("ping",)
    assert known_findings(history, "m", signature="DMA007:never") == ()


def test_what_is_known_is_found_by_pattern_and_by_whether_it_is_flaky(history: History) -> None:
    night = history.begin("m", at(1))
    history.store(night, job("DMA007:a[b]", "IRQ001:c", place="6.1/e1000/ping"))
    history.store(night, job("IRQ001:c", place="6.1/e1000/ping", repetition=2))
    history.store(night, job("IRQ001:c", place="6.12/nvme/disk"))
    suppressed = found("DMA007:quiet", suppressed="known")
    history.store(night, job(suppressed, place="6.12/nvme/io"))
    history.finish(night, at(1, hour=5))

    def told(**wish: Any) -> list[str]:
        return [f"{each.signature} {each.kernel}" for each in known_findings(history, "m", **wish)]

    assert told() == ["DMA007:a[b] 6.1", "IRQ001:c 6.1", "IRQ001:c 6.12"]
    assert told(signature="DMA007:a[b]") == ["DMA007:a[b] 6.1"]
    assert told(signature="IRQ*", kernel="6.1?") == ["IRQ001:c 6.12"]
    assert told(device="n*") == ["IRQ001:c 6.12"]
    assert told(flaky_only=True) == ["DMA007:a[b] 6.1"]


def test_what_was_flaky_while_it_was_accepted_is_news_once_that_is_over(history: History) -> None:
    accepted = Acceptance(rule="DMA007", reason="known", expires=at(1).date())
    for day in (1, 2):
        night = history.begin("m", at(day))
        history.store(night, job("DMA007:x", repetition=1))
        history.store(night, job(repetition=2))
        history.finish(night, at(day, hour=5))
    tonight = history.begin("m", at(3))
    assert unsteady(history, night, acceptances=[accepted]) == frozenset()
    assert len(unsteady(history, tonight, acceptances=[accepted])) == 1


def test_flaky_is_what_only_some_of_the_judged_repetitions_have(history: History) -> None:
    night = history.begin("m", at(1))
    history.store(night, job("DMA007:always", "DMA007:once", repetition=1))
    history.store(night, job("DMA007:always", repetition=2))
    history.store(night, job(repetition=3, ended=Ended.PANIC))
    history.store(night, job("DMA007:elsewhere", place="6.12/e1000/ping"))
    (flake,) = flaky(history, night)
    assert (flake.signature, flake.found, flake.judged) == ("DMA007:once", 1, 2)


def test_a_baseline_is_kept_with_its_reason_and_its_days(history: History) -> None:
    acceptance = Acceptance(
        signature="DMA007:x",
        kernel="6.1*",
        reason="known",
        since=at(1).date(),
        expires=at(9).date(),
    )
    history.accept("m", acceptance)
    (kept,) = history.accepted("m")
    assert replace(kept, origin="") == acceptance
    assert kept.origin == "accepted on 2027-01-01"
    assert history.accepted("another") == ()


@pytest.mark.parametrize("wrong", [{"reason": " "}, {"since": None}, {"signature": ""}])
def test_nothing_is_accepted_without_a_reason_a_day_and_a_name(
    tmp_path: Path, wrong: dict[str, str | None]
) -> None:
    good = Acceptance(signature="DMA007:x", reason="known", since=at(1).date())
    with History(tmp_path / "h.db") as history, pytest.raises(UsageError):
        history.accept("m", replace(good, **wrong))  # type: ignore[arg-type]


def test_an_error_within_a_result_keeps_nothing_of_it(history: History) -> None:
    night = history.begin("m", at(1))
    history.store(night, job("DMA007:x"))
    broken = replace(full_job(), edges=((("a", "b", "c", "d"), None),))  # type: ignore[arg-type]
    with pytest.raises(UvtraceError):
        history.store(night, broken)
    assert history.results(night) == (job("DMA007:x"),)


def test_a_password_is_not_shown() -> None:
    url = url_of("postgresql://me:secret@host/name")
    assert "secret" not in shown(url)
    with pytest.raises(UvtraceError) as caught:
        History("postgresql://me:secret@127.0.0.1:1/name")
    assert "secret" not in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("wrong", ["mysql://host/name", "://", "postgresql://host:port/name"])
def test_what_is_no_database_is_said_so(wrong: str) -> None:
    with pytest.raises(UsageError):
        url_of(wrong)


def test_a_file_that_is_no_database_is_told_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "h.db").write_text("no database " * 100)
    with pytest.raises(UvtraceError, match=r"h\.db: file is not a database"):
        History(tmp_path / "h.db")
    with pytest.raises(UvtraceError, match="unable to open"):
        History(tmp_path / "none" / "h.db")


def test_a_night_is_compared_with_the_last_that_got_to_the_end_of_each_job(
    history: History,
) -> None:
    panicked = replace(job("JOB:panic"), verdicts=(), ended=Ended.PANIC)
    other = replace(full_job(), place=Place("6.12", "e1000", "ping"))
    for day, results in enumerate([[full_job()], [full_job(), other], [panicked]], start=1):
        night = history.begin("m", at(day))
        for result in results:
            history.store(night, result)
        history.finish(night, at(day, hour=5))
    given_up = history.begin("m", at(4))
    history.store(given_up, job("DMA007:z"))
    known = earlier(history, history.begin("m", at(5)))
    assert known == (
        Earlier(at(3).date(), panicked),
        Earlier(at(2).date(), full_job()),
        Earlier(at(2).date(), other),
    )
    assert earlier(history, history.nights("m")[0]) == ()


def test_what_was_flaky_lately_is_remembered_for_some_nights(history: History) -> None:
    for day in (1, 2, 3):
        night = history.begin("m", at(day))
        history.store(night, job(*(["DMA007:x"] if day == 1 else []), repetition=1))
        history.store(night, job(repetition=2))
        history.finish(night, at(day, hour=5))
    tonight = history.begin("m", at(4))
    assert unsteady(history, tonight, nights=3) == {Identity("DMA007:x", "6.1", "e1000")}
    assert unsteady(history, tonight, nights=2) == frozenset()


def test_what_some_places_came_to_is_read_without_the_rest(history: History) -> None:
    night = history.begin("m", at(1))
    for place in ("6.1/e1000/ping", "6.1/nvme/disk", "6.12/nvme/disk"):
        history.store(night, job(place=place))
    wanted = [Place("6.1", "nvme", "disk"), Place("7.0", "nvme", "disk")]
    assert [each.key for each in history.results(night, wanted)] == ["6.1/nvme/disk/1"]
    assert history.results(night, []) == ()
    assert len(history.places(night)) == 3
