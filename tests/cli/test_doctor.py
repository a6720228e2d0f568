# SPDX-License-Identifier: Apache-2.0
"""``uvtrace doctor``: what it concludes and how it says so."""

from __future__ import annotations

import json

import pytest

from uvtrace.cli import doctor
from uvtrace.cli.main import exit_code_of
from uvtrace.errors import ExitCode
from uvtrace.record.environment import Check, State, possible

FINE = Check("qemu", ("vm",), State.OK, "QEMU 7.2")
SLOW = Check("kvm", ("vm",), State.LIMITED, "emulated")
NO_ROOT = Check("root", ("here",), State.MISSING, "you are not root", "use sudo, or --vm")
NO_QEMU = Check("qemu", ("vm",), State.MISSING, "not installed", "apt install qemu-system-x86")


def found(monkeypatch: pytest.MonkeyPatch, *checks: Check) -> None:
    monkeypatch.setattr(doctor, "examine", lambda: iter(checks))


def test_only_what_is_missing_stands_in_the_way() -> None:
    assert possible([FINE, SLOW, NO_ROOT]) == {"here": False, "vm": True, "reading": True}


def test_one_way_to_record_is_enough(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    found(monkeypatch, FINE, NO_ROOT)
    assert exit_code_of(["doctor"]) == ExitCode.OK
    said = capsys.readouterr().out
    assert "use sudo, or --vm" in said
    assert "record in a VM: yes" in said
    assert "record on this machine: no" in said


def test_with_no_way_to_record_it_ends_with_5(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    found(monkeypatch, NO_QEMU, NO_ROOT)
    assert exit_code_of(["doctor"]) == ExitCode.ENVIRONMENT
    assert "apt install qemu-system-x86" in capsys.readouterr().out


def test_scripts_get_json_with_stable_names(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    found(monkeypatch, SLOW, NO_ROOT)
    assert exit_code_of(["doctor", "--json"]) == ExitCode.OK
    document = json.loads(capsys.readouterr().out)
    assert document["format"] == 1
    assert document["can"] == {"here": False, "vm": True, "reading": True}
    assert document["checks"][0] == {
        "name": "kvm",
        "needed_for": ["vm"],
        "state": "limited",
        "detail": "emulated",
        "remedy": "",
    }
