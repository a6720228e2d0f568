# SPDX-License-Identifier: Apache-2.0
"""Makes the picture of a recording in Wireshark, docs/images/wireshark.png, again.

usage: python -m tools.wireshark_picture [RECORDING] [-o PICTURE.png] [--packet N]

The recording's first finding is cut out as ``uvtrace report`` does; Wireshark itself, with what
``uvtrace wireshark install`` installs, shows the slice. It gets a home of its own: nothing of the
user's is read or changed. Needs the Debian packages wireshark, xvfb and xdotool.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image, ImageGrab

from tools.screenshot import RECORDING, ROOT, png, written
from uvtrace.cli.main import exit_code_of
from uvtrace.errors import EnvironmentLacksError, ExitCode
from uvtrace.wireshark.tshark import find_tshark

PICTURE = ROOT / "docs/images/wireshark.png"
WIDTH, HEIGHT = 1400, 840
_START_TIMEOUT_S = 60.0
_SETTLE_S = 1.5
_PROGRAMS = {"wireshark": "wireshark", "Xvfb": "xvfb", "xdotool": "xdotool"}

# What Wireshark remembers of its window: sizes, no warning about root, no bytes pane in the way.
_WINDOW = f"""\
gui.geometry_main_x: 0
gui.geometry_main_y: 0
gui.geometry_main_width: {WIDTH}
gui.geometry_main_height: {HEIGHT}
gui.geometry_main_maximized: FALSE
gui.toolbar_main_show: TRUE
gui.packet_list_show: TRUE
gui.tree_view_show: TRUE
gui.byte_view_show: FALSE
gui.statusbar_show: TRUE
gui.geometry_main_upper_pane: 330
privs.warn_if_elevated: FALSE
privs.warn_if_no_npf: FALSE
"""
_COLUMNS = "column.width: %m, 56, %t, 120, %Cus:uvbus.cpu:0:R, 46, %s, 110, %d, 110, %i, 900\n"


def lacking() -> list[str]:
    """The Debian packages that are missing."""
    return [package for program, package in _PROGRAMS.items() if shutil.which(program) is None]


def picture_of(recording: Path, packet: int | None) -> Image.Image:
    """Wireshark with the slice of a recording's first finding, this packet chosen, and unfolded.

    Without a packet, the one that breaks the rule is.

    Raises:
        EnvironmentLacksError: a program is missing, or Wireshark does not come up.
    """
    if missing := lacking():
        raise EnvironmentLacksError(
            f"{', '.join(missing)} is missing", hint=f"apt-get install {' '.join(missing)}"
        )
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        sliced = _slice(recording, home)
        if packet is None:
            packet = _breaking(sliced)
        with _screen() as display:
            environment = _home(home, display)
            return _shown(sliced, packet, environment)


def _slice(recording: Path, home: Path) -> Path:
    report = home / "report"
    code = exit_code_of(["report", "--quiet", str(recording), "-o", str(report)])
    if code is not ExitCode.FAILED:
        raise SystemExit(f"{recording}: there is no finding to show")
    return min((report / "findings").iterdir()).rename(home / "finding.pcapng")


def _breaking(sliced: Path) -> int:
    """The number of the packet whose comment says that it breaks a rule."""
    command = [str(find_tshark()), "-r", str(sliced), "-Y", 'frame.comment contains "why:"']
    done = subprocess.run(
        [*command, "-T", "fields", "-e", "frame.number"],
        capture_output=True,
        text=True,
        check=True,
    )
    return int(done.stdout.split()[0])


@contextmanager
def _screen() -> Iterator[str]:
    """A display of our own, on a number that the server finds free."""
    read_end, write_end = os.pipe()
    command = ["Xvfb", "-displayfd", str(write_end), "-screen", "0", f"{WIDTH}x{HEIGHT}x24"]
    server = subprocess.Popen(
        [*command, "-nolisten", "tcp"], pass_fds=[write_end], stderr=subprocess.DEVNULL
    )
    os.close(write_end)
    try:
        with os.fdopen(read_end) as told:
            yield f":{told.readline().strip()}"
    finally:
        server.terminate()
        server.wait()


def _home(home: Path, display: str) -> dict[str, str]:
    """The environment of a user who has installed our dissector and profile, and nothing else."""
    environment = {
        **os.environ,
        "HOME": str(home),
        "XDG_CONFIG_HOME": str(home / ".config"),
        "XDG_RUNTIME_DIR": str(home),
        "WIRESHARK_EXTCAP_DIR": str(home / "extcap"),
        "DISPLAY": display,
        "QT_QPA_PLATFORM": "xcb",
        "LC_ALL": "C.UTF-8",
    }
    subprocess.run(
        [Path(sys.executable).with_name("uvtrace"), "wireshark", "install"],
        env=environment,
        stdout=subprocess.DEVNULL,
        check=True,
    )
    settings = home / ".config/wireshark"
    (settings / "recent_common").write_text(_WINDOW)
    (settings / "profiles/uvtrace/recent").write_text(_WINDOW + _COLUMNS)
    return environment


def _shown(sliced: Path, packet: int, environment: dict[str, str]) -> Image.Image:
    command = ["wireshark", "-C", "uvtrace", "-g", str(packet), "-r", sliced.name]
    with subprocess.Popen(
        command, cwd=sliced.parent, env=environment, stderr=subprocess.DEVNULL
    ) as wireshark:
        try:
            _wait_for_window(sliced.name, environment)
            time.sleep(_SETTLE_S)
            # What comes after the packet shows, too; then the details, of which two are unfolded.
            _press(["ctrl+Down", "ctrl+Up"], environment)
            click = ["mousemove", str(WIDTH // 2), str(HEIGHT * 9 // 10), "click", "1"]
            subprocess.run(["xdotool", *click], env=environment, check=True)
            _press(["Home", "Right", "End", "Right", "Home"], environment)
            time.sleep(_SETTLE_S)
            return ImageGrab.grab(xdisplay=environment["DISPLAY"])
        finally:
            wireshark.terminate()


def _wait_for_window(title: str, environment: dict[str, str]) -> None:
    command = ["xdotool", "search", "--sync", "--onlyvisible", "--name", title]
    try:
        found = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=_START_TIMEOUT_S
        )
    except subprocess.TimeoutExpired as error:
        raise EnvironmentLacksError("Wireshark does not come up") from error
    window = found.stdout.split()[0]
    subprocess.run(["xdotool", "windowfocus", "--sync", window], env=environment, check=True)


def _press(keys: list[str], environment: dict[str, str]) -> None:
    subprocess.run(["xdotool", "key", "--delay", "200", *keys], env=environment, check=True)


def main() -> None:
    """Make the picture."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("recording", nargs="?", type=Path, default=RECORDING)
    parser.add_argument("-o", "--output", type=Path, default=PICTURE)
    parser.add_argument("--packet", type=int, help="else the one that breaks the rule")
    wish = parser.parse_args()
    written(png(picture_of(wish.recording, wish.packet)), wish.output)


if __name__ == "__main__":
    main()
