# SPDX-License-Identifier: Apache-2.0
"""The command ``uvtrace``: finds the subcommand, and turns errors into lines and exit codes."""

from __future__ import annotations

import gc
import importlib
import logging
import os
import signal
import sys
import traceback
from typing import Final, NoReturn

import click

from uvtrace.errors import ExitCode, UvtraceError
from uvtrace.version import VERSION

# Name, module below uvtrace.cli, and the line of help: stated here so that `uvtrace --help`
# and completion import no subcommand (numpy and pandas alone take most of a second).
COMMANDS: dict[str, tuple[str, str]] = {
    "record": ("record", "Record a driver, on this machine or in a VM."),
    "info": ("info", "Say what is in a recording."),
    "show": ("show", "Print one line per transaction."),
    "check": ("check", "Judge recordings by the rules."),
    "rules": ("rules", "List the rules, or explain one."),
    "report": ("report", "Write a page, slices and machine formats of a recording."),
    "graph": ("graph", "Draw a device's contract with what a run covered of it."),
    "minimize": ("minimize", "Find the fewest records that still prove a finding."),
    "replay": ("replay", "Hold a recording against a model of its device."),
    "diff": ("diff", "Tell what a run does that another one did not."),
    "nightly": ("nightly", "Record and judge a matrix every night; tell what is new."),
    "mark": ("mark", "Write a text into the recording that is running."),
    "scrub": ("scrub", "Take addresses, data and names out of a recording."),
    "import": ("import_", "Turn another tool's log into a recording."),
    "export": ("export", "Write a recording as a table for other tools."),
    "wireshark": ("wireshark", "Teach Wireshark to read recordings."),
    "doctor": ("doctor", "Say what this machine can record, and what is missing."),
}


_OBJECTS: Final = 100_000
"""New ones after which Python looks for garbage: more than there are when a check begins."""


class LazyGroup(click.Group):
    """A group that imports a subcommand's module only when that subcommand is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"uvtrace.cli.{COMMANDS[cmd_name][0]}")
        command = module.command
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(VERSION, message="uvtrace %(version)s")
@click.option("--debug", is_flag=True, help="Show tracebacks and debugging messages.")
@click.option("-v", "--verbose", is_flag=True, help="Say more of what is being done.")
def main(debug: bool, verbose: bool) -> None:
    """Record, check and explain what a driver does to its PCI device.

    \b
    Example:
      uvtrace record --vm --device qemu:e1000 -o run.pcapng -- ping -c 5 10.0.2.2
      uvtrace info run.pcapng
      uvtrace check run.pcapng
    """
    level = logging.DEBUG if debug else logging.INFO if verbose else logging.WARNING
    logging.basicConfig(level=level, format="uvtrace: %(message)s", stream=sys.stderr)
    # At debugging level numba tells of every byte code it compiles, asyncio of every loop.
    for library in ("numba", "asyncio"):
        logging.getLogger(library).setLevel(logging.WARNING)


def run(arguments: list[str] | None = None) -> NoReturn:
    """Run the command line and leave the process with its exit code.

    Being asked to end (SIGTERM: systemd, timeout(1), CI) is taken as Ctrl-C is: nothing is lost.
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    # Modules and rules are many objects that stay; to look for garbage among them takes time.
    gc.set_threshold(_OBJECTS)
    sys.exit(exit_code_of(sys.argv[1:] if arguments is None else arguments))


def exit_code_of(arguments: list[str]) -> int:
    """Run the command line; every way it can end becomes an exit code and at most one line."""
    debug = _asks_for_debug(arguments)
    try:
        outcome = _invoke(arguments)
        sys.stdout.flush()
    except click.exceptions.Exit as leave:
        return leave.exit_code
    except click.ClickException as error:
        return _report(_usage_text(error), ExitCode.USAGE, debug)
    except UvtraceError as error:
        return _report(str(error), error.exit_code, debug)
    except BrokenPipeError:
        return _reader_went_away()
    except (KeyboardInterrupt, click.Abort):
        return _report("interrupted", 130, debug=False)
    except OSError as error:
        return _report(_os_text(error), ExitCode.INPUT, debug)
    except Exception as error:  # noqa: BLE001 - the last line of defence, and it reports
        text = f"defect of uvtrace: {type(error).__name__}: {_first_line(error)}"
        hint = "" if debug else " (run again with --debug and report what it says)"
        return _report(text + hint, ExitCode.DEFECT, debug)
    return outcome if isinstance(outcome, int) else ExitCode.OK


def _invoke(arguments: list[str]) -> object:
    if "_UVTRACE_COMPLETE" in os.environ:
        # A shell asks for completions.
        return main.main(arguments, prog_name="uvtrace", standalone_mode=False)
    # What click's own main() adds to this, a broken pipe and Ctrl-C, is handled here.
    with main.make_context("uvtrace", arguments) as context:
        return main.invoke(context)


def _asks_for_debug(arguments: list[str]) -> bool:
    """Whether --debug stands before the subcommand: errors while parsing need to know, too."""
    for argument in arguments:
        if argument == "--debug":
            return True
        if not argument.startswith("-"):
            return False
    return False


def _report(text: str, code: int, debug: bool) -> int:
    if debug:
        traceback.print_exc()
    click.echo(f"uvtrace: {text}", err=True)
    return int(code)


def _usage_text(error: click.ClickException) -> str:
    text = error.format_message().replace("\n", " ").rstrip(".")
    context = getattr(error, "ctx", None)
    return f"{text} (see {context.command_path} --help)" if context else text


def _os_text(error: OSError) -> str:
    reason = (error.strerror or str(error)).lower()
    return f"{os.fsdecode(error.filename)}: {reason}" if error.filename else reason


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), "")


def _reader_went_away() -> int:
    # What is left in the buffer would raise once more when Python closes stdout.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return ExitCode.OK
