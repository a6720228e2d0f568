# SPDX-License-Identifier: Apache-2.0
"""``docs/devices.md`` is what a newcomer types: it must work as it stands."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from uvtrace.device.find import make

PAGE = Path(__file__).parents[2] / "docs" / "devices.md"
FILES = {"registers.rdl": "systemrdl", "model.py": "python", "test_crc.py": "python"}

pytest_plugins = ["pytester"]


def _blocks() -> dict[str, str]:
    """The files of the page: each is named in the text right before its block."""
    found = {}
    for name, language in FILES.items():
        block = re.search(rf"^`{name}`.*?^```{language}\n(.*?)^```", PAGE.read_text(), re.M | re.S)
        assert block is not None, name
        found[name] = block[1]
    return found


def test_the_page_s_device_passes_the_page_s_test(pytester: pytest.Pytester) -> None:
    for name, text in _blocks().items():
        (pytester.path / name).write_text(text)
    pytester.runpytest_subprocess("-p", "no:cacheprovider").assert_outcomes(passed=2)


def test_the_page_s_device_is_found_by_its_path(tmp_path: Path) -> None:
    for name, text in _blocks().items():
        (tmp_path / name).write_text(text)
    assert vars(make(str(tmp_path / "model.py"), {"seed": "7"}))["seed"] == 7
