# SPDX-License-Identifier: Apache-2.0
"""Installing the dissector where Wireshark looks for it."""

from __future__ import annotations

import csv
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner

from tests.wireshark.story import Story, use_private_home
from uvtrace.cli.wireshark import command
from uvtrace.wireshark import install as installation
from uvtrace.wireshark.filtering import check_filter
from uvtrace.wireshark.tshark import find_tshark

_PROFILE = Path(installation.__file__).parent / "profile"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home directory that this process and tshark take for the user's."""
    use_private_home(monkeypatch, tmp_path / "home")
    return tmp_path / "home"


def _plain_tshark(*arguments: str) -> subprocess.CompletedProcess[str]:
    """tshark as a user would call it: without -X."""
    return subprocess.run(
        [str(find_tshark()), *arguments], capture_output=True, text=True, timeout=60, check=True
    )


def _run(*arguments: str) -> str:
    result = CliRunner().invoke(command, ["install", *arguments], catch_exceptions=False)
    assert result.exit_code == 0
    return result.output


def _actions(output: str) -> list[str]:
    known = ("installed", "updated", "unchanged", "kept", "removed")
    words = [line.split()[0] for line in output.splitlines() if line.strip()]
    return [word for word in words if word in known]


def _recording(directory: Path) -> Path:
    story = Story()
    story.mmio_write(0x3818, 0x1C)
    return story.write(directory / "run.pcapng")


def test_tshark_decodes_after_installation_without_any_option(home: Path) -> None:
    path = _recording(home)
    assert "MMIO write" not in _plain_tshark("-r", str(path)).stdout
    output = _run()
    assert _actions(output) == ["installed"] * 5
    assert "wireshark -C uvtrace" in output
    shown = _plain_tshark("-2", "-C", "uvtrace", "-r", str(path))
    assert "MMIO write BAR0+0x3818 = 0x0000001c (4)" in shown.stdout
    assert "0000:00:03.0" in shown.stdout
    assert "Lua" not in shown.stderr


def test_the_installed_dissector_knows_the_same_fields_as_the_package(home: Path) -> None:
    from tests.wireshark.story import tshark_report

    shipped = {row[2] for row in tshark_report("fields", home / "other") if "uvbus." in row[2]}
    _run()
    lines = _plain_tshark("-G", "fields").stdout.splitlines()
    installed = {line.split("\t")[2] for line in lines if "\tuvbus." in line}
    assert installed == shipped
    assert len(installed) > 100


def test_installed_and_given_with_an_option_does_not_clash(home: Path) -> None:
    from uvtrace.wireshark.tshark import run_tshark

    path = _recording(home)
    _run()
    done = run_tshark(["-r", path], timeout_s=60)
    assert "MMIO write" in done.stdout
    assert "Lua" not in done.stderr
    assert "same name" not in done.stderr


def test_installing_again_changes_nothing(home: Path) -> None:
    _run()
    before = {path: path.stat().st_mtime_ns for path in home.rglob("*") if path.is_file()}
    assert _actions(_run()) == ["unchanged"] * 5
    assert {path: path.stat().st_mtime_ns for path in before} == before


def test_an_older_dissector_is_updated(home: Path) -> None:
    _run()
    plugin = installation.find_folders().plugins / "uvbus.lua"
    plugin.write_text("-- Wireshark dissector for uvtrace recordings, an old one\n")
    assert _actions(_run()) == ["updated", *["unchanged"] * 4]


def test_a_profile_that_the_user_has_changed_is_kept_until_told_otherwise(home: Path) -> None:
    _run()
    colours = installation.find_folders().profile / "colorfilters"
    colours.write_text("# mine\n@x@frame@[0,0,0][65535,65535,65535]\n")
    assert _actions(_run()) == ["unchanged", "kept", *["unchanged"] * 3]
    assert colours.read_text().startswith("# mine")
    assert _actions(_run("--replace")) == ["unchanged", "updated", *["unchanged"] * 3]


def test_uninstalling_leaves_nothing_of_ours_and_nothing_else_missing(home: Path) -> None:
    folders = installation.find_folders()
    folders.configuration.mkdir(parents=True)
    (folders.configuration / "preferences").write_text("# the user's\n")
    _run()
    (folders.profile / "recent").write_text("# Wireshark keeps this\n")
    assert _actions(_run("--uninstall")) == ["removed"] * 5
    left = [path for path in home.rglob("*") if path.is_file()]
    assert left == [folders.configuration / "preferences"]
    assert "Nothing was installed" in _run("--uninstall")


def test_another_program_of_the_same_file_name_is_not_removed(home: Path) -> None:
    plugins = installation.find_folders().plugins
    plugins.mkdir(parents=True)
    (plugins / "uvbus.lua").write_text("-- someone else's\n")
    _run("--uninstall")
    assert (plugins / "uvbus.lua").exists()


def test_the_dissector_can_be_put_into_another_folder(home: Path, tmp_path: Path) -> None:
    _run("--dir", str(tmp_path / "elsewhere"))
    assert (tmp_path / "elsewhere" / "uvbus.lua").is_file()
    assert not (installation.find_folders().plugins / "uvbus.lua").exists()


def test_without_tshark_the_defaults_are_used_and_said_to_be(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = installation.find_folders()
    monkeypatch.setenv("PATH", "/nonexistent")
    assumed = installation.find_folders()
    assert asked.asked
    assert not assumed.asked
    assert (assumed.plugins, assumed.configuration) == (asked.plugins, asked.configuration)
    assert "apt install tshark" in _run()


def test_every_colour_rule_has_a_valid_filter_and_two_colours() -> None:
    rules = [
        line.split("@")
        for line in (_PROFILE / "colorfilters").read_text().splitlines()
        if not line.startswith("#")
    ]
    assert len(rules) > 10
    for _, name, _, colours in rules:
        assert name.startswith("uvbus")
        assert colours.count(",") == 4
    check_filter(" || ".join(f"({rule[2]})" for rule in rules))


def test_every_filter_button_has_a_valid_filter() -> None:
    lines = (_PROFILE / "dfilter_buttons").read_text().splitlines()
    buttons = list(csv.reader(line for line in lines if not line.startswith("#")))
    assert all(len(button) == 4 and button[0] == "TRUE" for button in buttons)
    assert len(buttons) > 5
    check_filter(" || ".join(f"({button[2]})" for button in buttons))
