# SPDX-License-Identifier: Apache-2.0
"""What is declared is what is there."""

from __future__ import annotations

import tomllib
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def declared() -> dict[str, Any]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    setuptools: dict[str, Any] = project["tool"]["setuptools"]
    return setuptools


def test_every_package_in_the_tree_is_declared(declared: dict[str, Any]) -> None:
    there = set()
    for package, folder in declared["package-dir"].items():
        for marker in (ROOT / folder).rglob("__init__.py"):
            parts = marker.parent.relative_to(ROOT / folder).parts
            there.add(".".join([package, *parts]))
    assert sorted(there) == sorted(declared["packages"])


def test_the_kernel_modules_sources_are_reachable_from_the_package() -> None:
    sources = files("uvtrace.kmod")
    assert sources.joinpath("include/uapi/uvbus.h").is_file()
    assert sources.joinpath("Makefile").is_file()


@pytest.mark.parametrize(
    "package",
    [
        *("uvtrace.kmod", "uvtrace.nightly.overview", "uvtrace.record", "uvtrace.report"),
        "uvtrace.wireshark",
    ],
)
def test_what_is_no_python_is_declared_as_data(package: str, declared: dict[str, Any]) -> None:
    folder = ROOT / declared["package-dir"].get(package, package.replace(".", "/"))
    shipped = {
        path for pattern in declared["package-data"][package] for path in folder.glob(pattern)
    }
    built = folder / "build", folder / "__pycache__"
    for path in folder.rglob("*"):
        if path.is_file() and not any(path.is_relative_to(other) for other in built):
            assert path in shipped or path.suffix in (".py", ".pyc"), path


@pytest.mark.parametrize("package", ["uvtrace.checkers", "uvtrace.devices", "uvtrace.reports"])
def test_packs_stand_at_top_level_and_install_below_uvtrace(package: str) -> None:
    assert files(package).joinpath("__init__.py").is_file()
    assert (ROOT / package.split(".")[1] / "__init__.py").is_file()


def test_the_core_imports_no_pack() -> None:
    packs = ("uvtrace.checkers", "uvtrace.devices", "uvtrace.reports")
    for source in (ROOT / "uvtrace").rglob("*.py"):
        for line in source.read_text().splitlines():
            words = line.split()
            if words[:1] in (["import"], ["from"]):
                assert not words[1].startswith(packs), f"{source.name}: {line}"
