# SPDX-License-Identifier: Apache-2.0
"""The kernels that a VM can boot and a module can be built for."""

from __future__ import annotations

import os
import platform
import re
from dataclasses import dataclass
from pathlib import Path

from uvtrace.errors import EnvironmentLacksError, UsageError


@dataclass(frozen=True)
class Kernel:
    """A kernel image with the folder that modules are built against.

    Attributes:
        release: as ``uname -r`` says it, ``6.1.0-56-amd64``.
        image: the bootable image; None where there is none (only headers).
        build: headers or a kernel build folder; None where there is neither.
        is_build_directory: built by hand, not installed: its modules are not in ``/lib/modules``.
    """

    release: str
    image: Path | None
    build: Path | None
    is_build_directory: bool = False

    @property
    def is_complete(self) -> bool:
        """Whether it can be booted and modules can be built for it."""
        return self.image is not None and self.build is not None

    def require_build(self) -> Path:
        """The folder to build modules against.

        Raises:
            EnvironmentLacksError: its headers are not installed.
        """
        if self.build is None:
            raise EnvironmentLacksError(
                "its headers are not installed",
                where=f"kernel {self.release}",
                hint=f"apt install linux-headers-{self.release}",
            )
        return self.build

    def require_image(self) -> Path:
        """The image to boot.

        Raises:
            EnvironmentLacksError: it is not installed.
        """
        if self.image is None:
            raise EnvironmentLacksError(
                "its image is not installed",
                where=f"kernel {self.release}",
                hint=f"apt install linux-image-{self.release}",
            )
        return self.image


def installed(root: Path = Path("/")) -> list[Kernel]:
    """The kernels installed below ``root``, newest first."""
    names = {path.name.removeprefix("vmlinuz-") for path in root.glob("boot/vmlinuz-*")}
    names |= {path.parent.name for path in root.glob("lib/modules/*/build")}
    return [_installed(name, root) for name in sorted(names, key=_version_key, reverse=True)]


def find(name: str | None = None, root: Path = Path("/")) -> Kernel:
    """The kernel of a release name, of a build folder, or (None) the newest complete one.

    Raises:
        UsageError: there is no kernel of that name.
        EnvironmentLacksError: no kernel is complete.
    """
    if name is None:
        return _newest(installed(root))
    if os.sep in name or os.path.isdir(name):
        return _from_build_directory(Path(name))
    kernels = {kernel.release: kernel for kernel in installed(root)}
    if name not in kernels:
        known = ", ".join(kernels) or "none"
        raise UsageError(
            "no such kernel",
            where=name,
            hint=f"installed: {known}; to install: apt install linux-image-{name} "
            f"linux-headers-{name}",
        )
    return kernels[name]


def running() -> Kernel:
    """The kernel of this machine."""
    return _installed(platform.release(), Path("/"))


def _newest(kernels: list[Kernel]) -> Kernel:
    for kernel in kernels:
        if kernel.is_complete:
            return kernel
    raise EnvironmentLacksError(
        "no kernel is installed with its headers",
        hint="apt install linux-image-amd64 linux-headers-amd64",
    )


def _installed(release: str, root: Path) -> Kernel:
    image = root / "boot" / f"vmlinuz-{release}"
    build = root / "lib/modules" / release / "build"
    return Kernel(
        release,
        image if image.is_file() else None,
        build if (build / "Makefile").is_file() else None,
    )


def _from_build_directory(path: Path) -> Kernel:
    release_file = path / "include/config/kernel.release"
    image = path / "arch/x86/boot/bzImage"
    if not release_file.is_file() or not (path / "Makefile").is_file():
        raise UsageError(
            "not a kernel's build folder: there is no include/config/kernel.release",
            where=str(path),
            hint="build the kernel first (make), or give an installed release",
        )
    if not image.is_file():
        raise UsageError(
            "no kernel image there", where=str(image), hint="build the kernel first (make bzImage)"
        )
    release = release_file.read_text(encoding="utf-8").strip()
    return Kernel(release, image.resolve(), path.resolve(), is_build_directory=True)


def _version_key(release: str) -> tuple[list[int], int]:
    """Orders releases by their numbers, 6.1 before 6.12, and flavours (rt, cloud) before none."""
    numbers = [int(part) for part in re.findall(r"\d+", release.replace("amd64", ""))]
    return numbers, -release.count("-")
