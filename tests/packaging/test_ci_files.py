# SPDX-License-Identifier: Apache-2.0
"""What is copied from packaging/ into other people's CI is valid there, and fits this version."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from uvtrace.check.catalogue import installed_rules
from uvtrace.nightly.job import jobs_of
from uvtrace.nightly.matrix import read_matrix

PACKAGING = Path(__file__).parent.parent.parent / "packaging"
SERVICE = PACKAGING / "systemd/uvtrace-nightly.service"
TIMER = PACKAGING / "systemd/uvtrace-nightly.timer"
WORKFLOWS = [("github.yml", "vendor.github-workflows"), ("gitlab-ci.yml", "vendor.gitlab-ci")]
INSTALLED = "/opt/uvtrace/bin/uvtrace"


def valid(path: Path, schema: str) -> subprocess.CompletedProcess[str]:
    """What check-jsonschema says by the schema that it brings with it."""
    program = Path(sys.executable).with_name("check-jsonschema")
    return subprocess.run(
        [program, "--builtin-schema", schema, path], capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize(("name", "schema"), WORKFLOWS)
def test_a_workflow_is_valid_by_its_service_s_schema(name: str, schema: str) -> None:
    told = valid(PACKAGING / "ci" / name, schema)
    assert told.returncode == 0, told.stdout + told.stderr


@pytest.mark.parametrize(
    ("name", "schema", "word"),
    [
        ("github.yml", "vendor.github-workflows", "runs-on"),
        ("gitlab-ci.yml", "vendor.gitlab-ci", "reports"),
    ],
)
def test_a_misspelt_word_in_a_workflow_would_be_found(
    name: str, schema: str, word: str, tmp_path: Path
) -> None:
    text = (PACKAGING / "ci" / name).read_text()
    misspelt = tmp_path / name
    misspelt.write_text(text.replace(f"{word}:", f"{word}x:"))
    assert valid(misspelt, schema).returncode != 0


def test_the_example_matrix_is_one_with_jobs_for_every_device() -> None:
    rules = {rule.id for rule in installed_rules()}
    matrix = read_matrix(PACKAGING / "ci/matrix.toml", rules)
    releases = {name: f"{name}.0" for name in matrix.kernels}
    jobs = jobs_of(matrix, releases)
    assert {job.place.device for job in jobs} == {device.name for device in matrix.devices}
    assert {job.place.kernel for job in jobs} == set(matrix.kernels)


@pytest.fixture
def units(tmp_path: Path) -> Path:
    """The units, with the program where it is here."""
    program = Path(sys.executable).with_name("uvtrace")
    assert program.is_file()
    text = SERVICE.read_text()
    assert f"ExecStart={INSTALLED} " in text
    (tmp_path / SERVICE.name).write_text(text.replace(INSTALLED, str(program)))
    shutil.copy(TIMER, tmp_path)
    return tmp_path


def verified(folder: Path) -> subprocess.CompletedProcess[str]:
    analyze = shutil.which("systemd-analyze")
    assert analyze is not None, "there is no systemd-analyze: apt-get install systemd"
    return subprocess.run(
        [analyze, "verify", *sorted(map(str, folder.iterdir()))],
        capture_output=True,
        text=True,
        check=False,
    )


def test_systemd_finds_nothing_wrong_with_the_units(units: Path) -> None:
    told = verified(units)
    assert (told.returncode, told.stdout + told.stderr) == (0, "")


def test_systemd_would_find_a_misspelt_setting(units: Path) -> None:
    service = units / SERVICE.name
    service.write_text(service.read_text().replace("StateDirectory=", "StateDirectories="))
    assert "StateDirectories" in verified(units).stderr


def sysusers(file: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["systemd-sysusers", "--dry-run", file], capture_output=True, text=True, check=False
    )


def test_the_user_of_the_service_is_one_that_sysusers_makes(tmp_path: Path) -> None:
    assert "User=uvtrace\n" in SERVICE.read_text()
    users = PACKAGING / "systemd/uvtrace-sysusers.conf"
    assert sysusers(users).returncode == 0
    other = tmp_path / "other.conf"
    other.write_text(users.read_text().replace("uvtrace  -", "uvtrace-nobody-has-it  -"))
    assert "Creating user 'uvtrace-nobody-has-it'" in sysusers(other).stderr


def test_the_service_may_do_little(units: Path) -> None:
    told = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--threshold=40", units / SERVICE.name],
        capture_output=True,
        text=True,
        check=False,
    )
    assert told.returncode == 0, told.stdout


def test_the_service_sees_the_modules_of_the_guests_kernels() -> None:
    settings = [line.partition("=")[0] for line in SERVICE.read_text().splitlines()]
    assert not {"ProtectKernelModules", "MemoryDenyWriteExecute"} & set(settings)
    assert "CapabilityBoundingSet=\n" in SERVICE.read_text()


def test_the_command_in_the_service_is_one(units: Path) -> None:
    (line,) = [each for each in SERVICE.read_text().splitlines() if each.startswith("ExecStart=")]
    assert line.split()[1:3] == ["nightly", "/etc/uvtrace/matrix.toml"]
