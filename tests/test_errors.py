# SPDX-License-Identifier: Apache-2.0
"""Errors tell what, where, and what to do."""

from __future__ import annotations

from uvtrace.errors import (
    EnvironmentLacksError,
    ExitCode,
    InputError,
    UsageError,
    UvtraceError,
)


def test_an_error_is_one_line_of_where_what_and_hint() -> None:
    error = UvtraceError("no room", where="ring", hint="ask for less")
    assert str(error) == "ring: no room (ask for less)"
    assert str(UvtraceError("no room")) == "no room"


def test_an_input_error_carries_file_and_offset_or_line() -> None:
    error = InputError("bad block", path="a.pcapng", offset=12)
    assert (str(error), error.path, error.offset) == (
        "a.pcapng, byte 12: bad block",
        "a.pcapng",
        12,
    )
    assert str(InputError("bad word", path="log", line=3)) == "log:3: bad word"


def test_exit_codes_are_the_bound_ones() -> None:
    assert [int(code) for code in ExitCode] == [0, 1, 2, 3, 4, 5]
    assert InputError("x", path="y").exit_code == 3
    assert UsageError("x").exit_code == 2
    assert EnvironmentLacksError("x").exit_code == 5
