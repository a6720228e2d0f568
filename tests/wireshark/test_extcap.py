# SPDX-License-Identifier: Apache-2.0
"""The capture program: what it answers Wireshark, and what it records."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import pytest

import uvtrace
from tests.story import Story
from tests.wireshark.story import private_environment
from uvtrace.cli import extcap
from uvtrace.wireshark import install as installation
from uvtrace.wireshark.extcap import LOCAL, VM
from uvtrace.wireshark.tshark import find_tshark

TSHARK_TIMEOUT_S = 60
CAPTURE_TIMEOUT_S = 400


def answer(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[str]:
    assert extcap.main(arguments) == 0
    return capsys.readouterr().out.splitlines()


def test_a_vm_is_always_there_and_this_machine_for_root_only(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(extcap, "_DEVICE", tmp_path / "uvbus0")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    asked = ("--extcap-interfaces", "--extcap-version=4.0")
    names = re.findall(r"value=([\w-]+)", "\n".join(answer(capsys, *asked)))
    assert names == [VM]
    (tmp_path / "uvbus0").touch()
    names = re.findall(r"value=([\w-]+)", "\n".join(answer(capsys, *asked)))
    assert names == [VM, LOCAL]


def test_recordings_are_of_the_link_type_that_the_dissector_reads(
    capsys: pytest.CaptureFixture[str],
) -> None:
    (line,) = answer(capsys, "--extcap-dlts", "--extcap-interface", VM)
    assert "{number=147}{name=USER0}" in line


def test_the_dialogue_asks_for_what_record_needs(capsys: pytest.CaptureFixture[str]) -> None:
    lines = answer(capsys, "--extcap-config", "--extcap-interface", VM)
    calls = re.findall(r"call=(--[\w-]+)", "\n".join(lines))
    assert calls == ["--device", "--command", "--kernel", "--timeout"]
    lines = answer(capsys, "--extcap-config", "--extcap-interface", LOCAL)
    assert "{required=true}" in lines[0]


@pytest.mark.parametrize("interface", [VM, LOCAL])
def test_what_the_dialogue_gives_becomes_a_command_that_record_takes(
    interface: str, tmp_path: Path
) -> None:
    given = ["--device", "qemu:nvme", "--command", "dd if=$UVTRACE_DISK of=/dev/null", "--capture"]
    given += ["--extcap-interface", interface, "--fifo", str(tmp_path / "pipe")]
    with mock.patch("uvtrace.cli.main.exit_code_of", return_value=0) as record:
        assert extcap.main(given) == 0
    (words,) = record.call_args.args
    assert words[:4] == ["record", "--quiet", "--device", "qemu:nvme"]
    assert words[words.index("-o") + 1] == str(tmp_path / "pipe")
    assert words[-3:] == ["sh", "-c", "dd if=$UVTRACE_DISK of=/dev/null"]
    assert ("--vm" in words) is (interface == VM)


@pytest.mark.parametrize(
    ("says", "code", "expected"),
    [("uvtrace: no such device\n", 2, 2), ("uvtrace: cannot write: Broken pipe\n", 3, 0)],
)
def test_errors_are_told_but_a_closed_pipe_is_none(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, says: str, code: int, expected: int
) -> None:
    def record(_words: list[str]) -> int:
        sys.stderr.write(says)
        return code

    arguments = ["--capture", "--extcap-interface", VM, "--fifo", str(tmp_path / "pipe")]
    with mock.patch("uvtrace.cli.main.exit_code_of", record):
        assert extcap.main(arguments) == expected
    assert capsys.readouterr().err == (says if expected else "")


def test_a_recording_arrives_through_the_pipe(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)

    def record(words: list[str]) -> int:
        Story().probe().mmio_write(0x10, 1).write(words[words.index("-o") + 1])
        return 0

    heard: list[bytes] = []
    reader = threading.Thread(target=lambda: heard.append(pipe.read_bytes()))
    reader.start()
    with mock.patch("uvtrace.cli.main.exit_code_of", record):
        assert extcap.main(["--capture", "--extcap-interface", VM, "--fifo", str(pipe)]) == 0
    reader.join(TSHARK_TIMEOUT_S)
    (tmp_path / "run.pcapng").write_bytes(heard[0])
    assert uvtrace.open(tmp_path / "run.pcapng").column("kind")[1] == 4


@pytest.fixture
def installed(tmp_path: Path) -> Iterator[dict[str, str]]:
    """An environment in which tshark finds the capture program.

    As root, tshark looks into the machine's folder only.
    """
    environment = private_environment(tmp_path / "home")
    folder = Path(environment["WIRESHARK_EXTCAP_DIR"])
    if os.geteuid() == 0:
        told = installation.find_folders().extcap
        if told is None:
            pytest.skip("this tshark has no folder for capture programs")
        folder = told
    program = folder / installation.CAPTURE_PROGRAM
    before = program.read_bytes() if program.exists() else None
    folder.mkdir(parents=True, exist_ok=True)
    program.write_text(installation.capture_program())
    program.chmod(0o755)
    yield environment
    if before is None:
        program.unlink()
    else:
        program.write_bytes(before)


def test_tshark_lists_our_interfaces(installed: dict[str, str]) -> None:
    done = subprocess.run(
        [str(find_tshark()), "-D"],
        capture_output=True,
        text=True,
        timeout=TSHARK_TIMEOUT_S,
        env=installed,
        check=True,
    )
    assert f"{VM} (uvtrace: a driver in a VM)" in done.stdout


@pytest.mark.vm
def test_tshark_captures_from_a_driver_in_a_vm(installed: dict[str, str], tmp_path: Path) -> None:
    # The home folder holds the modules that are built already.
    environment = installed | {"HOME": os.environ["HOME"]}
    run = tmp_path / "run.pcapng"
    done = subprocess.run(
        [str(find_tshark()), "-i", VM, "-c", "40", "-w", str(run)],
        capture_output=True,
        text=True,
        timeout=CAPTURE_TIMEOUT_S,
        env=environment,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    trace = uvtrace.open(run)
    assert len(trace) == 40
    assert {function.driver for function in trace.functions} == {"e1000"}
    assert (trace.column("kind") == 48).any()
