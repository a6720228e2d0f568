# SPDX-License-Identifier: Apache-2.0
"""The folder that a VM's guest shares with the recorder, as the recorder sees it.

``guest/guest.sh`` is the other side. What it writes comes from a guest: sizes are bounded, and
text is data.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

TEXT_MAX = 1 << 20
OUTPUT_STEP = 1 << 16


@dataclass(frozen=True)
class GuestFunction:
    """A PCI function as the guest sees it. ``driver`` will be bound; ``text`` is lspci's."""

    name: str
    vendor: int
    device: int
    driver: str
    text: str


class Share:
    """The recorder's side of the shared folder.

    Args:
        folder: exists and is private.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._read_upto = {"stdout": 0, "stderr": 0}

    def write_config(self, values: Mapping[str, str]) -> None:
        """Shell assignments for the guest's script."""
        lines = [f"{name}={shlex.quote(value)}\n" for name, value in values.items()]
        (self.folder / "config").write_text("".join(lines), encoding="utf-8")

    def write_command(self, command: Sequence[str]) -> None:
        """The command that the guest runs."""
        (self.folder / "command").write_text(f"exec {shlex.join(command)}\n", encoding="utf-8")

    def text(self, name: str) -> str:
        """What the guest has written to a file, or nothing."""
        try:
            with open(self.folder / name, "rb") as file:
                return file.read(TEXT_MAX).decode(errors="replace").strip()
        except FileNotFoundError:
            return ""

    def stages(self) -> list[str]:
        """The steps that the guest has reached, in order."""
        return [line.split()[0] for line in self.text("stages").splitlines() if line.strip()]

    def new_output(self, name: str) -> bytes:
        """What the command has written to ``stdout`` or ``stderr`` since the last call."""
        try:
            with open(self.folder / name, "rb") as file:
                file.seek(self._read_upto[name])
                data = file.read(OUTPUT_STEP)
        except FileNotFoundError:
            return b""
        self._read_upto[name] += len(data)
        return data

    def functions(self) -> list[GuestFunction]:
        """The recorded functions, in the order of their index."""
        found = []
        for line in self.text("functions").splitlines():
            name, vendor, device, driver, text = (line + "||||").split("|")[:5]
            if re.fullmatch(r"[0-9a-f]{4}", vendor) and re.fullmatch(r"[0-9a-f]{4}", device):
                found.append(GuestFunction(name, int(vendor, 16), int(device, 16), driver, text))
        return found

    def numbers(self, name: str) -> dict[str, int]:
        """A file of ``name=number`` lines."""
        pairs = (line.partition("=") for line in self.text(name).splitlines())
        return {key: int(value) for key, _, value in pairs if value.isdecimal()}

    def integers(self, name: str) -> list[int]:
        """A file of one number per line."""
        return [int(line) for line in self.text(name).split() if line.isdecimal()]
