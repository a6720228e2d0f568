# SPDX-License-Identifier: Apache-2.0
"""Makes the recordings of ``manifest.toml`` again: ``python traces/record.py [NAME…]``.

A NAME is a recording (``e1000-6.1``), a device (``e1000``) or a kernel (``6.1-rt``); without
any, all are made. A recording replaces the old one only when its workload succeeded, nothing
was lost and every access was decoded.
"""

from __future__ import annotations

import argparse
import logging
import re
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from uvtrace.errors import EnvironmentLacksError, UvtraceError
from uvtrace.record import kernels, spec
from uvtrace.record.session import NoProgress, Options, Result
from uvtrace.record.vm import VmOptions, record_in_vm

FOLDER = Path(__file__).parent
TIMEOUT_S = 120.0

log = logging.getLogger("traces")


class LastWords(NoProgress):
    """Keeps what the workload said last on stderr."""

    def __init__(self) -> None:
        self._said = b""

    def command_output(self, text: bytes, *, is_error: bool) -> None:
        """Keep the end."""
        if is_error:
            self._said = (self._said + text)[-2000:]

    def __str__(self) -> str:
        lines = self._said.decode(errors="replace").strip().splitlines()
        return lines[-1] if lines else ""


@dataclass(frozen=True)
class Recording:
    """One recording of the manifest."""

    device: str
    kernel: str
    release: str
    spec: str
    workload: str
    cpus: int

    @property
    def name(self) -> str:
        """The file's name without its suffixes."""
        return f"{self.device}-{self.kernel}"

    def is_named(self, names: set[str]) -> bool:
        """Whether one of the names means it; no names mean all."""
        return not names or bool(names & {self.name, self.device, self.kernel})


def manifest(path: Path = FOLDER / "manifest.toml") -> Iterator[Recording]:
    """Every recording of the manifest, for the kernels that are installed."""
    with open(path, "rb") as file:
        document = tomllib.load(file)
    for kernel, pattern in document["kernels"].items():
        release = _newest(pattern)
        if release is None:
            log.warning("kernel %s is not installed: its recordings are left as they are", kernel)
            continue
        for device, details in document["devices"].items():
            workload = document["workloads"][details["workload"]]
            yield Recording(device, kernel, release, details["spec"], workload, document["cpus"])


def _newest(pattern: str) -> str | None:
    complete = (kernel.release for kernel in kernels.installed() if kernel.is_complete)
    return next((release for release in complete if re.fullmatch(pattern, release)), None)


def make(recording: Recording) -> Result:
    """Record once more, and put the file in its place.

    Raises:
        UvtraceError: the recording is not fit to be kept.
    """
    target = FOLDER / f"{recording.name}.pcapng.zst"
    partial = FOLDER / f".{recording.name}.partial.pcapng.zst"
    options = Options(
        output=partial,
        devices=[spec.parse(recording.spec)],
        command=["sh", "-c", recording.workload.strip()],
        timeout_s=TIMEOUT_S,
    )
    vm = VmOptions(kernels.find(recording.release), cpus=recording.cpus)
    words = LastWords()
    try:
        result = record_in_vm(options, vm, words)
        if reason := _unfit(result):
            raise UvtraceError(f"{reason} {words}".rstrip(), where=recording.name)
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)
    return result


def _unfit(result: Result) -> str:
    """Why a recording may not be kept; empty if it may."""
    if result.ended != "command" or result.exit_code != 0:
        return f"ended by {result.ended}, exit code {result.exit_code}: {result.failure}"
    if result.lost:
        return f"{result.lost} records were lost"
    if result.statistics.get("undecoded"):
        return f"{result.statistics['undecoded']} accesses were not decoded"
    return ""


def main(arguments: list[str]) -> int:
    """Make what is asked for; one line for each."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME")
    names = set(parser.parse_args(arguments).names)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    chosen = [recording for recording in manifest() if recording.is_named(names)]
    failures = 0
    for recording in chosen:
        try:
            result = make(recording)
        except EnvironmentLacksError:
            raise
        except UvtraceError as error:
            failures += 1
            log.error("%s", error)
            continue
        size = (FOLDER / f"{recording.name}.pcapng.zst").stat().st_size
        log.info("%-14s %8d records %8d bytes", recording.name, result.records, size)
    if not chosen:
        log.error("the manifest has nothing of that name")
    return 1 if failures or not chosen else 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except UvtraceError as error:
        print(f"traces: {error}", file=sys.stderr)  # noqa: T201 - a script's last words
        sys.exit(error.exit_code)
