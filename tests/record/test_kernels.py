# SPDX-License-Identifier: Apache-2.0
"""Finding kernels: installed ones, build folders, and what is said when one is missing."""

from __future__ import annotations

from pathlib import Path

import pytest

from uvtrace.errors import EnvironmentLacksError, ExitCode, UsageError
from uvtrace.record import kernels


def install(root: Path, release: str, *, image: bool = True, headers: bool = True) -> None:
    (root / "boot").mkdir(exist_ok=True)
    if image:
        (root / "boot" / f"vmlinuz-{release}").write_bytes(b"kernel")
    modules = root / "lib/modules" / release
    modules.mkdir(parents=True)
    if headers:
        (modules / "build").mkdir()
        (modules / "build/Makefile").write_text("")


def test_installed_kernels_come_newest_first_and_plain_before_flavoured(tmp_path: Path) -> None:
    for release in ("6.1.0-9-amd64", "6.12.1+deb12-amd64", "6.1.0-10-amd64", "6.1.0-10-rt-amd64"):
        install(tmp_path, release)
    assert [kernel.release for kernel in kernels.installed(tmp_path)] == [
        "6.12.1+deb12-amd64",
        "6.1.0-10-amd64",
        "6.1.0-10-rt-amd64",
        "6.1.0-9-amd64",
    ]


def test_the_newest_kernel_with_headers_is_the_default(tmp_path: Path) -> None:
    install(tmp_path, "6.1.0-1-amd64")
    install(tmp_path, "6.12.0-1-amd64", headers=False)
    assert kernels.find(root=tmp_path).release == "6.1.0-1-amd64"


def test_without_any_kernel_the_command_that_installs_one_is_named(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentLacksError, match="apt install linux-image") as raised:
        kernels.find(root=tmp_path)
    assert raised.value.exit_code == ExitCode.ENVIRONMENT


def test_an_unknown_release_is_refused_with_those_that_are_there(tmp_path: Path) -> None:
    install(tmp_path, "6.1.0-1-amd64")
    with pytest.raises(UsageError, match=r"7\.0\.0: no such kernel .*6\.1\.0-1-amd64"):
        kernels.find("7.0.0", root=tmp_path)


def test_missing_headers_name_their_package(tmp_path: Path) -> None:
    install(tmp_path, "6.1.0-1-amd64", headers=False)
    kernel = kernels.find("6.1.0-1-amd64", root=tmp_path)
    with pytest.raises(EnvironmentLacksError, match=r"apt install linux-headers-6\.1\.0-1-amd64"):
        kernel.require_build()


def test_a_build_folder_knows_its_release_and_image(tmp_path: Path) -> None:
    for name in ("include/config", "arch/x86/boot"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "Makefile").write_text("")
    (tmp_path / "include/config/kernel.release").write_text("6.9.0-rc1+\n")
    (tmp_path / "arch/x86/boot/bzImage").write_bytes(b"kernel")
    kernel = kernels.find(str(tmp_path))
    assert (kernel.release, kernel.build) == ("6.9.0-rc1+", tmp_path)
    assert kernel.is_build_directory
    assert kernel.is_complete


def test_a_folder_that_is_no_kernel_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="not a kernel's build folder"):
        kernels.find(str(tmp_path))
