# SPDX-License-Identifier: Apache-2.0
"""Compiles the kernel module's portable parts for userspace, for the tests beside it."""

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

HERE = Path(__file__).parent
KMOD = HERE.parents[1] / "kmod"

WARNINGS = ("-std=gnu11", "-Wall", "-Wextra", "-Werror")
# setarch -R: ThreadSanitizer of gcc 12 does not stand every address space layout.
FIXED_LAYOUT = ("setarch", "-R")
THREADS = ("-O1", "-fsanitize=thread")
UNDEFINED = ("-O1", "-fsanitize=undefined,address", "-fno-sanitize-recover=all")


def build(
    sources: Sequence[Path],
    output: Path,
    *,
    compiler: str = "gcc",
    flags: Sequence[str] = ("-O2",),
    include: Path = KMOD,
) -> Path:
    """Compile and link ``sources`` into the program ``output``; warnings are errors."""
    command = [compiler, *WARNINGS, "-g", *flags, "-I", str(include)]
    command += [*map(str, sources), "-o", str(output), "-pthread"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return output


def builds(source: Path, folder: Path) -> Mapping[str, Path]:
    """A stress test as gcc and clang build it, and under the sanitizers."""
    return {
        "gcc": build([source], folder / "gcc"),
        "clang": build([source], folder / "clang", compiler="clang"),
        "threads": build([source], folder / "threads", flags=THREADS),
        "undefined": build([source], folder / "undefined", flags=UNDEFINED),
    }


def run(
    program: Path, *arguments: object, stdin: bytes = b"", timeout_s: float = 60
) -> subprocess.CompletedProcess[bytes]:
    """Run ``program`` at a fixed address space layout; the caller looks at the result."""
    command = [*FIXED_LAYOUT, str(program), *map(str, arguments)]
    return subprocess.run(command, input=stdin, capture_output=True, check=False, timeout=timeout_s)
