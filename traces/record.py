# SPDX-License-Identifier: Apache-2.0
"""Makes the recordings of ``manifest.toml`` again: ``python -m traces.record [NAME…]``.

A NAME is a recording (``e1000-6.1``), a device (``e1000``) or a kernel (``6.1-rt``); without
any, all are made. A recording replaces the old one only when its workload succeeded, nothing
was lost and every access was decoded.
"""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from traces.making import newest_of, replaced, run, unfit
from uvtrace.errors import UvtraceError
from uvtrace.record import kernels, spec
from uvtrace.record.session import NoProgress, Options, Result
from uvtrace.record.vm import VmOptions, record_in_vm

FOLDER = Path(__file__).parent
TIMEOUT_S = 120.0


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
    memory: bool
    cpus: int

    @property
    def name(self) -> str:
        """The file's name without its suffixes."""
        return f"{self.device}-{self.kernel}"


def manifest(path: Path = FOLDER / "manifest.toml") -> Iterator[Recording]:
    """Every recording of the manifest, for the kernels that are installed."""
    with open(path, "rb") as file:
        document = tomllib.load(file)
    for kernel, release in newest_of(document["kernels"].items()):
        for device, details in document["devices"].items():
            workload = document["workloads"][details["workload"]]
            yield Recording(
                *(device, kernel, release, details["spec"], workload),
                memory=details.get("memory", False),
                cpus=document["cpus"],
            )


def make(recording: Recording, folder: Path = FOLDER, timeout_s: float = TIMEOUT_S) -> Result:
    """Record once more, and put the file in its place.

    Args:
        recording: which one.
        folder: where it lies.
        timeout_s: how long its workload may take.

    Raises:
        UvtraceError: the recording is not fit to be kept.
    """

    def record(output: Path) -> Result:
        options = Options(
            output=output,
            devices=[spec.parse(recording.spec)],
            command=["sh", "-c", recording.workload.strip()],
            memory=recording.memory,
            timeout_s=timeout_s,
        )
        words = LastWords()
        vm = VmOptions(kernels.find(recording.release), cpus=recording.cpus)
        result = record_in_vm(options, vm, words)
        if reason := unfit(result) or _undecoded(result):
            raise UvtraceError(f"{reason} {words}".rstrip(), where=recording.name)
        return result

    return replaced(folder, recording.name, record)


def _undecoded(result: Result) -> str:
    count = result.statistics.get("undecoded")
    return f"{count} accesses were not decoded" if count else ""


if __name__ == "__main__":
    sys.exit(run(__doc__ or "", FOLDER, manifest, make))
