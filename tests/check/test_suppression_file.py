# SPDX-License-Identifier: Apache-2.0
"""Suppressions files: what they hold, and one line of complaint for each way to get them wrong."""

from __future__ import annotations

import datetime
from pathlib import Path

import pytest

from uvtrace.check.results import Suppression
from uvtrace.check.suppression_file import read_suppressions
from uvtrace.errors import UsageError

KNOWN = ("DMA006", "DMA007", "CFG001")
GOOD = """\
# accepted by the driver's maintainer
[[suppression]]
rule = "dma007"
site = "e1000_clean_* [e1000]"
reason = "fixed by 1a2b3c4"
expires = 2027-03-31

[[suppression]]
rule = "CFG"
site = "*"
function = "0000:00:03.0"
device = "8086:100e"
reason = '''
[[not a header]]
two lines'''
"""


def _file(tmp_path: Path, text: str | bytes) -> Path:
    path = tmp_path / "known.toml"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def test_entries_in_order_with_their_lines(tmp_path: Path) -> None:
    path = _file(tmp_path, GOOD)
    assert read_suppressions(path, KNOWN) == (
        Suppression(
            rule="DMA007",
            site="e1000_clean_* [e1000]",
            reason="fixed by 1a2b3c4",
            expires=datetime.date(2027, 3, 31),
            file=str(path),
            line=2,
        ),
        Suppression(
            rule="CFG",
            site="*",
            function="0000:00:03.0",
            device="8086:100e",
            reason="[[not a header]]\ntwo lines",
            file=str(path),
            line=8,
        ),
    )


def test_an_empty_file_suppresses_nothing(tmp_path: Path) -> None:
    assert read_suppressions(_file(tmp_path, ""), KNOWN) == ()


_ENTRY = '[[suppression]]\nrule = "DMA007"\nsite = "*"\nreason = "known"\n'


@pytest.mark.parametrize(
    ("text", "line", "what"),
    [
        ("[[suppression]]\nrule = \n", 2, "not TOML: invalid value"),
        ('\n[[suppression]]\nrule = "DMA007"\nsite = "*"\n', 2, "reason is missing"),
        (_ENTRY.replace('"known"', '" "'), 4, "reason is no text, or empty"),
        (_ENTRY.replace('"*"', "7"), 3, "site is no text, or empty"),
        (_ENTRY.replace("DMA007", "XYZ1"), 2, "'XYZ1' names no rule"),
        (_ENTRY + 'expires = "2027-03-31"\n', 5, "expires is no date"),
        (_ENTRY + "expires = 2027-03-31T00:00:00\n", 5, "expires is no date"),
        (_ENTRY + 'until = "ever"\n', 5, "'until' is not known here"),
        (_ENTRY + "[other]\n", 5, "'other' is not known here"),
        ("\n[suppression]\nrule = 1\n", 2, "suppression is no array of tables"),
        (b"# \xff\n", 1, "not UTF-8"),
        (_ENTRY + 'rule = "DMA006"\n', 5, "not TOML: cannot overwrite a value"),
    ],
)
def test_what_is_wrong_is_one_line_that_says_where(
    tmp_path: Path, text: str | bytes, line: int, what: str
) -> None:
    path = _file(tmp_path, text)
    with pytest.raises(UsageError) as caught:
        read_suppressions(path, KNOWN)
    assert str(caught.value).startswith(f"{path}:{line}: {what}")
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == 2


def test_the_second_entry_is_named_by_its_own_line(tmp_path: Path) -> None:
    path = _file(tmp_path, _ENTRY + "\n" + _ENTRY.replace("DMA007", "NO1"))
    with pytest.raises(UsageError, match=r"known.toml:7: 'NO1' names no rule"):
        read_suppressions(path, KNOWN)


def test_entries_written_inline_are_read_and_have_the_line_of_their_list(tmp_path: Path) -> None:
    text = 'suppression = [{rule = "DMA007", site = "*", reason = "known"}]\n'
    assert read_suppressions(_file(tmp_path, text), KNOWN)[0].line == 1


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"missing.toml: no such file or directory"):
        read_suppressions(tmp_path / "missing.toml", KNOWN)
