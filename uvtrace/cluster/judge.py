# SPDX-License-Identifier: Apache-2.0
"""Judging a recording wherever there is room: here, in another process, on another machine."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import NamedTuple

from uvtrace.check.baseline import Baseline, read_baseline
from uvtrace.check.catalogue import all_rules
from uvtrace.check.contract import Contract, contract_named
from uvtrace.check.engine import check
from uvtrace.check.explain import explained
from uvtrace.check.results import Results
from uvtrace.check.rule import Rule
from uvtrace.check.rules import Selection
from uvtrace.cli.runs import damage_of
from uvtrace.cluster.sent import SentFile, sent_file
from uvtrace.errors import ExitCode, UvtraceError
from uvtrace.registers import RegisterMap, load
from uvtrace.trace.texts import printable
from uvtrace.trace.trace import open_bytes, open_trace


@dataclass(frozen=True, kw_only=True)
class Rulebook:
    """By what recordings are judged, as the command line names it.

    Attributes:
        packs: files with rules of one's own.
        registers: file; empty for none.
        contract: name or file; empty for the installed one.
        baselines: files.
        sent: those of the files, where workers may not see them.
    """

    packs: tuple[str, ...] = ()
    registers: str = ""
    contract: str = ""
    baselines: tuple[str, ...] = ()
    sent: tuple[SentFile, ...] = ()

    def files(self) -> tuple[str, ...]:
        """The files that it names."""
        contract = self.contract if self.contract.endswith(".py") else ""
        named = (*self.packs, self.registers, contract, *self.baselines)
        return tuple(name for name in named if name)


class Loaded(NamedTuple):
    """A rulebook as the engine takes it."""

    rules: Sequence[Rule]
    registers: RegisterMap | None
    contract: Contract | None
    baseline: Baseline | None


@dataclass(frozen=True, kw_only=True)
class Case:
    """A recording to be judged.

    Attributes:
        run: path or URL, as it was given.
        book: by what.
        selection: of its rules.
        with_facts: tell the fewest facts that prove a finding.
        path: absolute, of the file where it was named; empty for what is no file there.
        size_bytes, time_ns: of that file, so that a worker knows whether it sees the same one.
        content: the file itself, for a worker that does not see it.
    """

    run: str
    book: Rulebook
    selection: Selection = field(default_factory=Selection)
    with_facts: bool = False
    path: str = ""
    size_bytes: int | None = None
    time_ns: int | None = None
    content: bytes | None = None


@dataclass(frozen=True, kw_only=True)
class Judged:
    """What judging a recording came to.

    Attributes:
        results: None where it could not be read.
        line: what is wrong with the file; empty for nothing.
        code: how a command that judged it must end, but for the results.
        unseen: the worker does not see the file.
    """

    results: Results | None = None
    line: str = ""
    code: ExitCode = ExitCode.OK
    unseen: bool = False


def with_state(case: Case) -> Case:
    """A case with what its file is like here, for a worker that may see another one."""
    try:
        status = os.stat(case.run)
    except OSError:
        return case
    path = os.path.abspath(case.run)
    return replace(case, path=path, size_bytes=status.st_size, time_ns=status.st_mtime_ns)


def with_content(case: Case) -> Case:
    """A case with its file, or standard input; one that cannot be read is told of by a worker."""
    try:
        if case.run == "-":
            return replace(case, content=sys.stdin.buffer.read())
        return replace(case, content=Path(case.run).read_bytes())
    except OSError:
        return replace(case, path="", size_bytes=None, time_ns=None)


def sent_along(book: Rulebook) -> Rulebook:
    """A rulebook that takes its files along.

    Raises:
        OSError: one of them cannot be read.
    """
    contract = os.path.abspath(book.contract) if book.contract.endswith(".py") else book.contract
    book = replace(
        book,
        packs=tuple(map(os.path.abspath, book.packs)),
        registers=os.path.abspath(book.registers) if book.registers else "",
        contract=contract,
        baselines=tuple(map(os.path.abspath, book.baselines)),
    )
    return replace(book, sent=tuple(sent_file(path) for path in book.files()))


def judged(case: Case) -> Judged:
    """Judge a recording; that it cannot be read is a result."""
    if case.content is None and not _sees(case):
        return Judged(unseen=True)
    try:
        return judgement(case)
    except UvtraceError as error:
        return Judged(line=printable(str(error)), code=ExitCode(error.exit_code))


def judgement(case: Case) -> Judged:
    """Judge a recording.

    Raises:
        UvtraceError: nothing of it can be read.
    """
    book = case.book
    with_rules = loaded(book)
    if case.content is None:
        here = not case.path or os.path.abspath(case.run) == case.path
        trace = open_trace(case.run) if here else open_trace(case.path, name=case.run)
    else:
        trace = open_bytes(case.content, "standard input" if case.run == "-" else case.run)
    found = check(
        trace,
        selection=case.selection,
        rules=with_rules.rules,
        registers=with_rules.registers,
        contract=with_rules.contract,
        baseline=with_rules.baseline,
        facts=case.with_facts,
    )
    line, code = damage_of(trace)
    return Judged(results=explained(found, trace, with_rules.rules), line=line, code=code)


@cache
def loaded(book: Rulebook) -> Loaded:
    """A rulebook as the engine takes it.

    Raises:
        UvtraceError: a file of it cannot be used.
    """
    with tempfile.TemporaryDirectory(prefix="uvtrace-") as folder:
        sent = {file.path: str(file.placed(Path(folder))) for file in book.sent}

        def place(name: str) -> str:
            return sent.get(name, name)

        baselines = [place(name) for name in book.baselines]
        return Loaded(
            rules=all_rules([place(name) for name in book.packs]),
            registers=load(place(book.registers)) if book.registers else None,
            contract=contract_named(place(book.contract)) if book.contract else None,
            baseline=read_baseline(baselines) if baselines else None,
        )


def _sees(case: Case) -> bool:
    """Whether this process sees the file that is meant; of a URL everybody does."""
    if not case.path:
        return True
    try:
        status = os.stat(case.path)
    except OSError:
        return False
    return (status.st_size, status.st_mtime_ns) == (case.size_bytes, case.time_ns)
