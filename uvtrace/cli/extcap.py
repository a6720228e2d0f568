# SPDX-License-Identifier: Apache-2.0
"""The program that Wireshark starts to list our interfaces, and to capture from them.

``uvtrace wireshark install`` puts a script into Wireshark's folder that starts this module. What
it captures is what ``uvtrace record`` records, into the pipe that Wireshark reads.
"""

from __future__ import annotations

import argparse
import errno
import io
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

from uvtrace.errors import ExitCode
from uvtrace.wireshark import extcap

_DEVICE = Path("/dev/uvbus0")
_INTERRUPTED = 130


def interfaces() -> list[str]:
    """What can be recorded here: a VM, and this machine where its device is or root asks."""
    local = _DEVICE.exists() or os.geteuid() == 0
    return [extcap.VM, *([extcap.LOCAL] if local else [])]


def main(arguments: Sequence[str] | None = None) -> int:
    """Answer one question of Wireshark's; returns the exit code."""
    wish = _parser().parse_args(arguments)
    if wish.capture:
        return _capture(wish)
    for line in _answer(wish):
        # The answer is this program's output.
        sys.stdout.write(line + "\n")
    return ExitCode.OK


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="uvtrace-extcap", description=__doc__)
    parser.add_argument("--extcap-version", help="Wireshark's version; every one will do")
    parser.add_argument("--extcap-interfaces", action="store_true")
    parser.add_argument("--extcap-interface", choices=[extcap.VM, extcap.LOCAL])
    parser.add_argument("--extcap-dlts", action="store_true")
    parser.add_argument("--extcap-config", action="store_true")
    parser.add_argument("--extcap-capture-filter", help="we have none")
    parser.add_argument("--extcap-reload-option", help="we have none")
    parser.add_argument("--capture", action="store_true")
    parser.add_argument("--fifo", type=Path)
    parser.add_argument("--device", default="")
    parser.add_argument("--command", default="")
    parser.add_argument("--kernel", default="")
    parser.add_argument("--timeout", default="")
    parser.add_argument("--keep-bound", nargs="?", const="true", default="")
    return parser


def _answer(wish: argparse.Namespace) -> Iterator[str]:
    if wish.extcap_interfaces:
        yield from extcap.interface_lines(interfaces())
    elif wish.extcap_dlts:
        yield from extcap.dlt_lines()
    elif wish.extcap_config and wish.extcap_interface:
        yield from extcap.config_lines(_arguments(wish.extcap_interface))
    else:
        yield extcap.version_line()


def _arguments(interface: str) -> tuple[extcap.Argument, ...]:
    from uvtrace.record import kernels

    known = [kernel.release for kernel in kernels.installed() if kernel.is_complete]
    return extcap.arguments_of(interface, known)


def words(wish: argparse.Namespace) -> list[str]:
    """The words of ``uvtrace record`` that a capture is."""
    defaults = {each.call: each.default for each in extcap.arguments_of(wish.extcap_interface)}
    device = wish.device or defaults["--device"]
    command = wish.command or defaults["--command"]
    chosen = ["record", "--quiet", "--device", device, "-o", str(wish.fifo)]
    chosen += ["--timeout", wish.timeout or defaults["--timeout"]]
    if wish.extcap_interface == extcap.VM:
        chosen += ["--vm", *(["--kernel", wish.kernel] if wish.kernel else [])]
    elif wish.keep_bound == "true":
        chosen.append("--keep-bound")
    return [*chosen, "--", "sh", "-c", command]


def _capture(wish: argparse.Namespace) -> int:
    """Record into Wireshark's pipe until the command ends or Wireshark says so."""
    if wish.fifo is None or wish.extcap_interface is None:
        sys.stderr.write("--capture needs --extcap-interface and --fifo\n")
        return ExitCode.USAGE
    from uvtrace.cli.main import exit_code_of

    # Nobody reads stdout now, and what is said on stderr Wireshark shows as an error.
    said = io.BytesIO()
    heard = io.TextIOWrapper(said, encoding="utf-8", write_through=True)
    with open(os.devnull, "w") as nowhere, redirect_stdout(nowhere), redirect_stderr(heard):
        code = exit_code_of(words(wish))
    text = said.getvalue().decode(errors="replace")
    # Wireshark has what it wanted when it closes its end.
    closed = os.strerror(errno.EPIPE).lower() in text.lower()
    if closed or code in (ExitCode.OK, _INTERRUPTED):
        return ExitCode.OK
    sys.stderr.write(text)
    return code


if __name__ == "__main__":
    sys.exit(main())
