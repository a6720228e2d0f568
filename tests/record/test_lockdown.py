# SPDX-License-Identifier: Apache-2.0
"""What keeps an unsigned module from loading, as the kernel shows it."""

from __future__ import annotations

from pathlib import Path

import pytest

from uvtrace.errors import EnvironmentLacksError
from uvtrace.record import lockdown


@pytest.fixture(autouse=True)
def system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine on which nothing is in the way; tests add files."""
    for name in ("_LOCKDOWN", "_SECURE_BOOT", "_SIGNATURES_ENFORCED", "_MODULES_DISABLED"):
        monkeypatch.setattr(lockdown, name, tmp_path / name)
    return tmp_path


def test_an_open_machine_has_no_obstacle(system: Path) -> None:
    (system / "_LOCKDOWN").write_text("[none] integrity confidentiality\n")
    assert lockdown.obstacle() is None


def test_a_locked_down_kernel_names_secure_boot_and_the_ways_round_it(system: Path) -> None:
    (system / "_LOCKDOWN").write_text("none [integrity] confidentiality\n")
    (system / "_SECURE_BOOT").write_bytes(b"\x06\0\0\0\x01")
    with pytest.raises(EnvironmentLacksError, match=r"integrity, by Secure Boot.*--vm.*mokutil"):
        lockdown.require_module_loading()


def test_enforced_signatures_are_an_obstacle(system: Path) -> None:
    (system / "_SIGNATURES_ENFORCED").write_text("Y\n")
    found = lockdown.obstacle()
    assert found is not None
    assert "signed modules only" in found[0]


def test_loading_that_is_switched_off_is_an_obstacle(system: Path) -> None:
    (system / "_MODULES_DISABLED").write_text("1\n")
    with pytest.raises(EnvironmentLacksError, match="switched off"):
        lockdown.require_module_loading()
