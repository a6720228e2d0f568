# SPDX-License-Identifier: Apache-2.0
"""Builds uvbus.ko for a kernel, and uvctl, when they are first needed; keeps them.

What has been built lies in the cache folder under the kernel's release and a hash of the
sources, so that neither a new kernel nor an edited source ever meets an old module.
"""

from __future__ import annotations

import hashlib
import importlib.util
import logging
import os
import re
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

from uvtrace.errors import EnvironmentLacksError, ExitCode, UvtraceError
from uvtrace.record.cache import cache_directory, locked
from uvtrace.record.kernels import Kernel

log = logging.getLogger(__name__)

BUILD_TIMEOUT_S = 600
BUILDS_KEPT = 4
"""Of one kernel release, beside those that were used within :data:`BUILD_RESTS_S`."""
BUILD_RESTS_S = 3600
_ERROR = re.compile(r"\berror:|^ERROR:|\*\*\* ")
_SOURCES = (".c", ".h", ".S")
_BUILD_FILES = ("Makefile", "Kbuild")
_NOT_THE_MODULE = ("build", "drivers", "faulty", "tests", "tools")
"""Folders beside the module's sources that are no part of it."""


class BuildError(UvtraceError):
    """A compiler said no; ``output`` is all that it said."""

    exit_code = ExitCode.DEFECT

    def __init__(self, what: str, *, where: str, output: str) -> None:
        super().__init__(what, where=where, hint="run with --debug for the compiler's output")
        self.output = output


def source_directory() -> Path:
    """The folder of the module's sources: ``kmod/`` of a checkout, or as installed.

    Raises:
        EnvironmentLacksError: the package was installed without them.
    """
    beside = Path(__file__).resolve().parents[2] / "kmod"
    if (beside / "include/uapi/uvbus.h").is_file():
        return beside
    spec = importlib.util.find_spec("uvtrace.kmod")
    for place in spec.submodule_search_locations or () if spec else ():
        if Path(place, "include/uapi/uvbus.h").is_file():
            return Path(place)
    raise EnvironmentLacksError(
        "the kernel module's sources are missing", hint="install the whole package: pip install ."
    )


def module_for(kernel: Kernel) -> Path:
    """uvbus.ko for a kernel, built if it has not been yet.

    Raises:
        EnvironmentLacksError: headers, make or a compiler are missing.
        BuildError: it does not compile.
    """
    return module_from(source_directory(), "uvbus", kernel)


def module_from(source: Path, name: str, kernel: Kernel) -> Path:
    """A kernel module of a folder that holds a Kbuild file, built if it has not been yet.

    Args:
        source: the folder; its subfolders build, drivers, faulty, tests and tools are left out.
        name: which of its modules, without ``.ko``.

    Raises:
        EnvironmentLacksError: headers, make or a compiler are missing.
        BuildError: it does not compile.
    """
    headers = kernel.require_build()
    _require_tools("make", "gcc")
    key = _hash(source, name + _kernel_identity(kernel))
    folder = cache_directory("kmod", f"{kernel.release}-{key}")
    target = folder / f"{name}.ko"
    with locked(folder / "lock"):
        if not target.is_file():
            log.info("building %s.ko for %s", name, kernel.release)
            _build_module(source, headers, target)
            _forget_old(folder, kernel.release)
        os.utime(folder)
    return target


def uvctl() -> Path:
    """The static program that drives the module from inside a guest, built if need be.

    Raises:
        EnvironmentLacksError: the compiler or the static C library is missing.
        BuildError: it does not compile.
    """
    _require_tools("gcc")
    source = source_directory()
    program = source / "tools/uvctl.c"
    folder = cache_directory("uvctl", _hash(program.parent, _digest_of(source / "include")))
    target = folder / "uvctl"
    with locked(folder / "lock"):
        if not target.is_file():
            _build_uvctl(source, program, target)
    return target


def _build_module(source: Path, headers: Path, target: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="uvtrace-build-") as work:
        copy = Path(work, "kmod")
        unwanted = shutil.ignore_patterns("*.o", "*.ko", "*.cmd", "*.py", *_NOT_THE_MODULE)
        shutil.copytree(source, copy, ignore=unwanted)
        jobs = str(os.cpu_count() or 1)
        command = ["make", "-C", str(headers), f"M={copy}", "-j", jobs, "modules"]
        _run(command, where=f"{target.name} for {headers}")
        _publish(copy / target.name, target)


def _forget_old(newest: Path, release: str) -> None:
    """Whoever edits the module's sources would otherwise fill the disk with builds of it.

    One that was used within the last hour stays: another recording may be about to copy it.
    """
    since = time.time() - BUILD_RESTS_S
    others = [
        path
        for path in newest.parent.glob(f"{release}-*")
        if path != newest and path.stat().st_mtime < since
    ]
    others.sort(key=lambda path: path.stat().st_mtime)
    for path in others[: -BUILDS_KEPT + 1]:
        shutil.rmtree(path, ignore_errors=True)


def _build_uvctl(source: Path, program: Path, target: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="uvtrace-build-") as work:
        built = Path(work, "uvctl")
        include = f"-I{source / 'include/uapi'}"
        flags = ["-O2", "-Wall", "-Wextra", "-static", include]
        _run(["gcc", *flags, "-o", str(built), str(program)], where=str(program))
        _publish(built, target)


def _run(command: list[str], *, where: str) -> None:
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=BUILD_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise BuildError("building took too long", where=where, output=str(error.output)) from error
    log.debug("%s", done.stdout)
    if done.returncode:
        raise BuildError(
            f"does not build: {_first_error(done.stdout)}", where=where, output=done.stdout
        )


def _first_error(output: str) -> str:
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    errors = [line for line in lines if _ERROR.search(line)]
    return (errors or lines[-1:] or ["no output"])[0]


def _publish(built: Path, target: Path) -> None:
    """Move into place at once: nobody ever sees half a file."""
    partial = target.with_suffix(".partial")
    shutil.copy2(built, partial)
    partial.replace(target)


def _require_tools(*names: str) -> None:
    for name in names:
        if shutil.which(name) is None:
            raise EnvironmentLacksError(
                f"{name} is not installed", hint="apt install build-essential"
            )


def _hash(folder: Path, extra: str) -> str:
    return hashlib.sha256((_digest_of(folder) + extra).encode()).hexdigest()[:16]


def _digest_of(folder: Path) -> str:
    """Of every file that a build reads, names included."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.relative_to(folder).parts[0] in _NOT_THE_MODULE:
            continue
        if path.name.endswith(".mod.c") or not path.is_file():
            continue
        if path.suffix in _SOURCES or path.name in _BUILD_FILES:
            digest.update(f"{path.relative_to(folder)}\0".encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()


def _kernel_identity(kernel: Kernel) -> str:
    """What changes when a kernel of the same release is built anew."""
    if kernel.build is None:
        return ""
    symbols = kernel.build / "Module.symvers"
    config = kernel.build / "include/config/auto.conf"
    stats = [path.stat() for path in (symbols, config) if path.exists()]
    return ",".join(f"{stat.st_size}:{stat.st_mtime_ns}" for stat in stats)
