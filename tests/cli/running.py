# SPDX-License-Identifier: Apache-2.0
"""Running the command line in this process, errors and exit codes included."""

from __future__ import annotations

import io
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from unittest import mock

from uvtrace.cli.main import exit_code_of


@dataclass(frozen=True)
class Outcome:
    """How a command ended."""

    code: int
    out: str
    err: str


def run(*arguments: object, stdin: bytes = b"") -> Outcome:
    """Run ``uvtrace ARGUMENTS`` as the installed command does."""
    out, err = io.StringIO(), io.StringIO()
    standard_input = io.TextIOWrapper(io.BytesIO(stdin))
    with (
        redirect_stdout(out),
        redirect_stderr(err),
        mock.patch.object(sys, "stdin", standard_input),
    ):
        code = exit_code_of([str(argument) for argument in arguments])
    return Outcome(int(code), out.getvalue(), err.getvalue())
