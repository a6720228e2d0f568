# SPDX-License-Identifier: Apache-2.0
"""The one exception that uvtrace raises on purpose, and the few that carry data.

Each tells what happened, where, and what to do about it. The command line prints
``str(error)`` as one line and leaves with ``error.exit_code``; a caller of the library
decides for itself.
"""

from __future__ import annotations

import os
from enum import IntEnum


class ExitCode(IntEnum):
    """How a command of uvtrace ends (bound: scripts rely on the numbers)."""

    OK = 0
    FAILED = 1
    """Done, and something failed: a rule, a comparison, a rule named in ``--require``."""
    USAGE = 2
    INPUT = 3
    DEFECT = 4
    ENVIRONMENT = 5


class UvtraceError(Exception):
    """Something that the caller can act on.

    Args:
        what: what happened, in a few words, without a full stop.
        where: the file, byte, line, record, kernel or device it happened in.
        hint: what to do about it.
    """

    exit_code = ExitCode.INPUT

    def __init__(self, what: str, *, where: str | None = None, hint: str | None = None) -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.hint = hint

    def __str__(self) -> str:
        text = self.what if self.where is None else f"{self.where}: {self.what}"
        return text if self.hint is None else f"{text} ({self.hint})"


class UsageError(UvtraceError):
    """The command or call makes no sense as it was given."""

    exit_code = ExitCode.USAGE


class EnvironmentLacksError(UvtraceError):
    """This machine lacks something; ``hint`` is the command that supplies it."""

    exit_code = ExitCode.ENVIRONMENT


class InputError(UvtraceError):
    """A file that cannot be read as what it should be.

    Args:
        what: the reason.
        path: the file.
        offset: the byte at which reading had to stop, where there is one.
        line: the line, counted from 1, of a text file.
    """

    exit_code = ExitCode.INPUT

    def __init__(
        self,
        what: str,
        *,
        path: str | os.PathLike[str],
        offset: int | None = None,
        line: int | None = None,
        hint: str | None = None,
    ) -> None:
        self.path = os.fspath(path)
        self.offset = offset
        self.line = line
        where = self.path
        if line is not None:
            where += f":{line}"
        if offset is not None:
            where += f", byte {offset}"
        super().__init__(what, where=where, hint=hint)


def unreadable(path: str | os.PathLike[str], error: OSError) -> InputError:
    """A file that the system does not let us read."""
    return InputError(f"cannot read it: {error.strerror}", path=path)
