# SPDX-License-Identifier: Apache-2.0
"""What the guest writes is read as data, whatever it is."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from uvtrace.record.share import TEXT_MAX, GuestFunction, Share

GUEST = Path(__file__).parents[2] / "uvtrace/record/guest"


@pytest.mark.parametrize("script", ["guest.sh", "init.sh"])
def test_the_guest_s_scripts_are_plain_posix_shell(script: str) -> None:
    subprocess.run(["dash", "-n", GUEST / script], check=True)


def test_values_and_words_survive_the_shell(tmp_path: Path) -> None:
    share = Share(tmp_path)
    nasty = "a 'b' \"c\" $d `e` \\ ;\n*"
    share.write_config({"VALUE": nasty})
    share.write_command(["printf", "%s|", nasty, "two words"])
    script = f'. {tmp_path}/config; printf "%s" "$VALUE"'
    read = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True)
    assert read.stdout == nasty
    ran = subprocess.run(["sh", tmp_path / "command"], capture_output=True, text=True, check=True)
    assert ran.stdout == f"{nasty}|two words|"


def test_output_is_read_as_it_grows(tmp_path: Path) -> None:
    share = Share(tmp_path)
    assert share.new_output("stdout") == b""
    (tmp_path / "stdout").write_bytes(b"one\n")
    assert share.new_output("stdout") == b"one\n"
    (tmp_path / "stdout").write_bytes(b"one\n\xfftwo")
    assert share.new_output("stdout") == b"\xfftwo"


def test_functions_come_with_names_and_ids(tmp_path: Path) -> None:
    (tmp_path / "functions").write_text(
        "0000:00:10.0|8086|100e|e1000|Intel 82540EM\nnonsense\n0000:00:11.0|zz|1|x|y\n"
    )
    assert Share(tmp_path).functions() == [
        GuestFunction("0000:00:10.0", 0x8086, 0x100E, "e1000", "Intel 82540EM")
    ]


def test_garbage_is_neither_believed_nor_fatal(tmp_path: Path) -> None:
    share = Share(tmp_path)
    (tmp_path / "stats").write_bytes(b"records=5\nlost=\xff\nx\n=\nnegative=-1\n")
    (tmp_path / "cpus").write_bytes(b"2\nmany\n2\n")
    (tmp_path / "stages").write_bytes(b"\n  \nbooted 1.0\n")
    (tmp_path / "error").write_bytes(b"x" * (2 * TEXT_MAX))
    assert share.numbers("stats") == {"records": 5}
    assert share.integers("cpus") == [2, 2]
    assert share.stages() == ["booted"]
    assert len(share.text("error")) == TEXT_MAX
    assert share.text("missing") == ""
