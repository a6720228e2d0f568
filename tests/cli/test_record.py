# SPDX-License-Identifier: Apache-2.0
"""What ``uvtrace record`` refuses before anything is booted or loaded, and how."""

from __future__ import annotations

from pathlib import Path

import pytest

from uvtrace.cli import record as record_command
from uvtrace.cli.main import exit_code_of
from uvtrace.errors import ExitCode
from uvtrace.record.session import Options, Result

E1000 = ["--device", "qemu:e1000"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--vm", *E1000], "COMMAND"),
        (["--vm", "--", "true"], "--device"),
        (["--vm", "--device", "trace:", "--", "true"], "as in trace:run.pcapng"),
        (["--vm", "--device", "pci:0000:00:03.0", "--", "true"], "QEMU's devices and models"),
        ([*E1000, "--", "true"], "add --vm"),
        (["--device", "pci:00:03.0", "--kernel", "6.1", "--", "true"], "add --vm"),
        (["--vm", *E1000, "--kernel", "0.0.0", "--", "true"], "no such kernel"),
        (["--vm", *E1000, "--ring", "many", "--", "true"], "is not a size"),
        (["--vm", *E1000, "--ring", "1K", "--", "true"], "the ring's size must be from"),
        (["--vm", *E1000, "--ram", "lots", "--", "true"], "not a size of memory"),
        (["--vm", *E1000, "--snaplen", "64", "--", "true"], "--snaplen"),
        (["--vm", *E1000, "--timeout", "0", "--", "true"], "--timeout"),
        (["--vm", *E1000, "--cpus", "0", "--", "true"], "--cpus"),
        (["--vm", *E1000, "--flight-recorder", "1M", "--ring", "1M", "--", "true"], "goes with"),
        (["--vm", *E1000, "--driver", "missing.ko", "--", "true"], "no such module file"),
        (["--vm", *E1000, "-o", "/nonexistent/run.pcapng", "--", "true"], "cannot write there"),
        (["--vm", "--device", "qemu:e1000,addr=3", "--", "true"], "chosen by uvtrace"),
    ],
)
def test_wrong_usage_is_told_in_one_line(
    arguments: list[str],
    said: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert exit_code_of(["record", "--quiet", *arguments]) == ExitCode.USAGE
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_a_recording_that_cannot_play_is_told_of_before_anything_is_booted(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    words = ["record", "--quiet", "--vm", "--device", "trace:run.pcapng", "--", "true"]
    assert exit_code_of(words) == ExitCode.INPUT
    assert (
        capsys.readouterr().err
        == "uvtrace: run.pcapng: cannot read it: No such file or directory\n"
    )
    assert not list(tmp_path.iterdir())


def test_recording_here_needs_root(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    code = exit_code_of(["record", "-q", "--device", "pci:00:03.0", "--", "true"])
    assert code == ExitCode.ENVIRONMENT
    assert "sudo" in capsys.readouterr().err


@pytest.fixture
def ending(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Result:
    """How a recording will have ended; set its fields before calling."""
    monkeypatch.chdir(tmp_path)
    result = Result(Path("run.pcapng"), records=1234, exit_code=0)

    def record(options: Options, vm: object, progress: object) -> Result:
        result.output = options.output
        return result

    monkeypatch.setattr("uvtrace.cli.record.vm.record_in_vm", record)
    monkeypatch.setattr("uvtrace.cli.record.kernels.find", lambda name: None)
    return result


def run(*options: str) -> int:
    return exit_code_of(["record", "-q", "--vm", *E1000, *options, "--", "true"])


def test_the_command_s_exit_code_is_told_and_only_counts_when_asked(
    ending: Result, capsys: pytest.CaptureFixture[str]
) -> None:
    ending.exit_code = 3
    assert run() == ExitCode.OK
    assert "COMMAND's exit code 3" in capsys.readouterr().err
    assert run("--fail-with-command") == ExitCode.FAILED


@pytest.mark.parametrize(
    ("ended", "code"),
    [
        ("command", 0),
        ("timeout", 0),
        ("interrupted", 130),
        ("panic", 1),
        ("died", 1),
        ("failed", 1),
    ],
)
def test_every_ending_keeps_the_trace_and_has_its_exit_code(
    ending: Result, ended: str, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    ending.ended, ending.failure = ended, "the reason"
    assert run() == code
    error = capsys.readouterr().err
    assert "1,234 records" in error
    assert ("what was recorded is kept" in error) == (ended != "command")


def test_what_a_guest_says_cannot_control_the_terminal(
    ending: Result, capsys: pytest.CaptureFixture[str]
) -> None:
    ending.ended, ending.failure = "panic", "Kernel panic \x1b[2J"
    ending.warnings = ["\x1b]0;title\x07"]
    run()
    assert "\x1b" not in capsys.readouterr().err


def test_the_default_name_tells_the_device_and_the_time(
    ending: Result, capsys: pytest.CaptureFixture[str]
) -> None:
    run()
    assert ending.output.name.startswith("e1000-2")
    assert ending.output.suffix == ".pcapng"


def test_sizes_take_letters() -> None:
    assert record_command.SIZE.convert("64M", None, None) == 64 << 20
    assert record_command.SIZE.convert("1GiB", None, None) == 1 << 30
    assert record_command.SIZE.convert("4096", None, None) == 4096
