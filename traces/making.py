# SPDX-License-Identifier: Apache-2.0
"""What making recordings anew has in common, whatever is recorded."""

from __future__ import annotations

import argparse
import logging
import re
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Protocol, TypeVar

import zstandard

from uvtrace.errors import EnvironmentLacksError, UvtraceError
from uvtrace.record import kernels
from uvtrace.record.session import Result

SUFFIX = ".pcapng.zst"
SIZE_MAX = 2_000_000
"""Bytes of a recording that is kept: everybody who clones the repository gets them all."""
_LEVEL = 19
"""Of zstd: it takes seconds once, and a quarter less room for good."""

log = logging.getLogger("traces")


class Named(Protocol):
    """A recording to be made."""

    @property
    def name(self) -> str:
        """The file's name without its suffixes."""
        ...

    @property
    def device(self) -> str:
        """What is recorded."""
        ...

    @property
    def kernel(self) -> str:
        """On which kernel: ``6.1-rt``."""
        ...


_Recording = TypeVar("_Recording", bound=Named)


def newest(pattern: str) -> str | None:
    """The installed kernel whose release fits a pattern, headers and all; None: there is none."""
    complete = (kernel.release for kernel in kernels.installed() if kernel.is_complete)
    return next((release for release in complete if re.fullmatch(pattern, release)), None)


def newest_of(patterns: Iterable[tuple[str, str]]) -> Iterable[tuple[str, str]]:
    """Name and release of the installed kernels, of names and patterns; tells of the others."""
    for kernel, pattern in patterns:
        release = newest(pattern)
        if release is None:
            log.warning("kernel %s is not installed: its recordings are left as they are", kernel)
        else:
            yield kernel, release


def replaced(folder: Path, name: str, record: Callable[[Path], Result]) -> Result:
    """Record once more; the file takes the old one's place only if it is fit to be kept.

    Args:
        folder: where the recording lies.
        name: the file's name without its suffixes.
        record: records into the file that it is given, and raises where that is not fit.
    """
    folder.mkdir(exist_ok=True)
    partial = folder / f".{name}.partial{SUFFIX}"
    try:
        result = record(partial)
        _squeeze(partial)
        partial.replace(folder / f"{name}{SUFFIX}")
    finally:
        partial.unlink(missing_ok=True)
    return result


def _squeeze(path: Path) -> None:
    """Compress a recording once more, better than there is time for while it is made.

    Raises:
        UvtraceError: it is too large to be kept all the same.
    """
    with path.open("rb") as file:
        content = zstandard.ZstdDecompressor().stream_reader(file).read()
    path.write_bytes(zstandard.ZstdCompressor(level=_LEVEL).compress(content))
    if (size := path.stat().st_size) > SIZE_MAX:
        raise UvtraceError(f"{size} bytes are too many to be kept", hint="let the workload do less")


def unfit(result: Result) -> str:
    """Why a recording may not be kept; empty if it may."""
    if result.ended != "command" or result.exit_code != 0:
        return f"ended by {result.ended}, exit code {result.exit_code}: {result.failure}"
    return f"{result.lost} records were lost" if result.lost else ""


def run(
    description: str,
    folder: Path,
    recordings: Callable[[], Iterable[_Recording]],
    make: Callable[[_Recording], Result],
) -> int:
    """The command: make those that the arguments name, one line for each; returns the exit code.

    A NAME is that of a recording, a device or a kernel; no names mean all.
    """
    parser = argparse.ArgumentParser(description=description.partition("\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME")
    names = set(parser.parse_args().names)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    try:
        chosen = [
            each
            for each in recordings()
            if not names or names & {each.name, each.device, each.kernel}
        ]
        made = [_made(recording, folder, make) for recording in chosen]
    except EnvironmentLacksError as error:
        log.error("traces: %s", error)
        return error.exit_code
    if not chosen:
        log.error("there is nothing of that name to be made")
    return 0 if made and all(made) else 1


def _made(recording: _Recording, folder: Path, make: Callable[[_Recording], Result]) -> bool:
    try:
        result = make(recording)
    except EnvironmentLacksError:
        raise
    except UvtraceError as error:
        log.error("%s", error)
        return False
    size = (folder / f"{recording.name}{SUFFIX}").stat().st_size
    log.info("%-14s %8d records %8d bytes", recording.name, result.records, size)
    for warning in result.warnings:
        log.info("%-14s %s", "", warning)
    return True
