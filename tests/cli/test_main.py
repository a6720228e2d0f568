# SPDX-License-Identifier: Apache-2.0
"""How every command begins and ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from tests.cli.running import run
from tests.story import Story
from uvtrace.cli import main as main_module
from uvtrace.cli.main import COMMANDS, main
from uvtrace.errors import InputError

UVTRACE = Path(sys.executable).with_name("uvtrace")


def commands() -> Iterator[tuple[str, click.Command]]:
    context = click.Context(main)
    for name in main.list_commands(context):
        command = main.get_command(context, name)
        assert command is not None
        if isinstance(command, click.Group):
            yield from ((f"{name} {sub}", each) for sub, each in command.commands.items())
        else:
            yield name, command


def test_the_help_of_every_command_has_an_example() -> None:
    for name, command in commands():
        assert "Example" in (command.help or ""), name
        assert f"uvtrace {name.split()[0]}" in (command.help or ""), name


def test_the_help_lists_every_command_with_a_line() -> None:
    outcome = run("--help")
    assert outcome.code == 0
    for name, (_, line) in COMMANDS.items():
        assert name in outcome.out
        assert line in " ".join(outcome.out.split())


def test_the_help_imports_no_library_that_is_slow() -> None:
    code = (
        "import sys; from uvtrace.cli.main import exit_code_of; exit_code_of(['--help']);"
        "sys.exit(bool({'numpy', 'pandas', 'numba', 'pyshark'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True).returncode == 0


def test_a_recording_that_is_not_there_is_told_of_before_what_judges_is_imported() -> None:
    code = (
        "import sys; from uvtrace.cli.main import exit_code_of;"
        "code = exit_code_of(['check', 'nowhere.pcapng']);"
        "sys.exit(code if 'numpy' not in sys.modules else 'numpy is imported')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 3
    assert done.stderr == "uvtrace: nowhere.pcapng: cannot read it: No such file or directory\n"


def test_the_version_is_told() -> None:
    assert run("--version").out.startswith("uvtrace 0.")


@pytest.mark.parametrize(
    "arguments",
    [
        ["no-such-command"],
        ["info"],
        ["info", "a", "b"],
        ["show", "a", "--limit", "many"],
        ["check"],
        ["check", "a", "--no-such-option"],
        ["check", "a", "--format", "pdf"],
        ["check", "a", "--select", "NOPE"],
        ["rules", "NOPE001"],
        ["export", "a", "--format", "xlsx", "-o", "b"],
        ["export", "a", "--format", "perfetto", "-o", "-"],
        ["export", "a", "--format", "parquet", "-o", "-"],
        ["import", "mmiotrace", "log"],
        ["minimize", "a", "-o", "b"],
        ["minimize", "a", "--finding", "1"],
        ["minimize", "a", "--finding", "1", "--tests", "0", "-o", "b"],
        ["diff", "a"],
        ["mark", ""],
    ],
)
def test_wrong_usage_gives_one_line_and_2(arguments: list[str]) -> None:
    outcome = run(*arguments)
    assert outcome.code == 2
    assert outcome.out == ""
    assert outcome.err.startswith("uvtrace: ")
    assert outcome.err.count("\n") == 1


@pytest.mark.parametrize("content", [None, b"", b"\x00" * 100, b"hello, world\n" * 20])
@pytest.mark.parametrize(
    "arguments",
    [
        ["info", "{}"],
        ["show", "{}"],
        ["check", "{}"],
        ["scrub", "{}", "-o", "{}.out"],
        ["export", "{}", "--format", "csv", "-o", "{}.out"],
        ["export", "{}", "--format", "perfetto", "-o", "{}.out"],
        ["minimize", "{}", "--finding", "1", "-o", "{}.out"],
        ["diff", "{}", "{}"],
        ["import", "mmiotrace", "{}", "-o", "{}.out"],
    ],
)
def test_what_is_no_recording_gives_one_line_that_names_it_and_3(
    arguments: list[str], content: bytes | None, tmp_path: Path
) -> None:
    path = tmp_path / "input"
    if content is not None:
        path.write_bytes(content)
    if arguments[0] == "import" and content == b"":
        # An empty log is a log; this one is empty but for a line that is none.
        path.write_bytes(b"\n \n?\n")
    outcome = run(*(argument.format(path) for argument in arguments))
    assert outcome.code == 3
    assert str(path) in outcome.err
    assert outcome.err.count("\n") == 1
    assert not path.with_name("input.out").exists()


def test_a_cut_recording_is_a_warning_and_a_corrupt_one_is_3(tmp_path: Path) -> None:
    data = Story().mmio_read(0).mmio_read(4).mmio_read(8).to_bytes()
    cut, corrupt = tmp_path / "cut", tmp_path / "corrupt"
    cut.write_bytes(data[:-20])
    packet = (6).to_bytes(4, "little")
    second = data.index(packet, data.index(packet) + 128)
    corrupt.write_bytes(data[: second + 4] + (7).to_bytes(4, "little") + data[second + 8 :])
    for command in ("info", "show", "check"):
        warned, refused = run(command, cut), run(command, corrupt)
        assert (warned.code, refused.code) == (0, 3), command
        assert "warning" in warned.err
        assert "byte" in refused.err
        assert warned.out
        assert refused.out


def test_a_defect_gives_one_line_and_4_and_a_traceback_with_debug(
    monkeypatch: pytest.MonkeyPatch, clean: Path
) -> None:
    def fail(path: str) -> None:
        raise ZeroDivisionError("on purpose")

    monkeypatch.setattr("uvtrace.cli.info.open_run", fail)
    outcome = run("info", clean)
    assert outcome.code == 4
    assert outcome.err.startswith("uvtrace: defect of uvtrace: ZeroDivisionError: on purpose")
    assert "--debug" in outcome.err
    assert outcome.err.count("\n") == 1
    debugged = run("--debug", "info", clean)
    assert debugged.code == 4
    assert "Traceback" in debugged.err


def test_an_error_with_debug_gives_traceback_and_the_same_code(tmp_path: Path) -> None:
    outcome = run("--debug", "info", tmp_path / "missing")
    assert outcome.code == InputError("", path="").exit_code
    assert "Traceback" in outcome.err


def test_a_reader_that_goes_away_ends_the_command_quietly(tmp_path: Path) -> None:
    story = Story()
    for offset in range(0, 40_000, 4):
        story.mmio_read(offset)
    story.write(tmp_path / "long.pcapng")
    with subprocess.Popen(
        [UVTRACE, "show", tmp_path / "long.pcapng"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(60) == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_and_a_request_to_end_are_answered_with_one_line(
    number: signal.Signals, tmp_path: Path
) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    with subprocess.Popen(
        [UVTRACE, "info", fifo], stderr=subprocess.PIPE, preexec_fn=heed_interrupts
    ) as process:
        # Nobody writes: it waits in open(), once its libraries are imported.
        time.sleep(3)
        process.send_signal(number)
        try:
            _, said = process.communicate(timeout=60)
        finally:
            process.kill()
        assert said == b"uvtrace: interrupted\n"
        assert process.returncode == 130


def heed_interrupts() -> None:
    """As on a terminal: what a shell starts in the background ignores SIGINT from its start."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def test_a_broken_pipe_leaves_stdout_usable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(main_module, "_reader_went_away", lambda: 0)
    monkeypatch.setattr("uvtrace.cli.rules.installed_rules", _broken_pipe)
    assert run("rules").code == 0


def _broken_pipe() -> None:
    raise BrokenPipeError
