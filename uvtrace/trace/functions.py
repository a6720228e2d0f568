# SPDX-License-Identifier: Apache-2.0
"""A PCI function as the file's interface block tells of it."""

from __future__ import annotations

import re
from dataclasses import dataclass

_DESCRIPTION = re.compile(
    r"(?:(?P<driver>[\w-]+), )?(?P<vendor>[0-9a-f]{4}):(?P<device>[0-9a-f]{4})"
)
_NAME = re.compile(r"[0-9a-f]{4,8}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]")

NO_FUNCTION = "uvbus"
"""Name of the interface that is declared where a trace has no function at all."""


@dataclass(frozen=True, slots=True)
class Function:
    """One PCI function of a trace.

    Attributes:
        index: what ``function`` of its records holds.
        name: domain:bus:device.function, ``0000:00:03.0``.
        description: the interface's text, ``e1000, 8086:100e Intel 82540EM``.
        driver: from the description; empty when the description names none.
        vendor: PCI vendor ID; 0 when the description gives none.
        device: PCI device ID; 0 likewise.
    """

    index: int
    name: str
    description: str
    driver: str
    vendor: int
    device: int

    @property
    def is_pci(self) -> bool:
        """Whether the name is that of a PCI function (not ``uvbus``)."""
        return _NAME.fullmatch(self.name) is not None


def describe_function(driver: str = "", vendor: int = 0, device: int = 0, text: str = "") -> str:
    """The interface description that :func:`parse_function` understands."""
    words = f"{vendor:04x}:{device:04x} {text}".rstrip()
    return f"{driver}, {words}" if driver else words


def parse_function(index: int, name: str, description: str) -> Function:
    """A function from its interface's name and description; what is missing stays empty."""
    found = _DESCRIPTION.match(description)
    if found is None:
        return Function(index, name, description, "", 0, 0)
    driver = found["driver"] or ""
    vendor, device = int(found["vendor"], 16), int(found["device"], 16)
    return Function(index, name, description, driver, vendor, device)
