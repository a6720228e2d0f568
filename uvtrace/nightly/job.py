# SPDX-License-Identifier: Apache-2.0
"""The jobs of a matrix: one recording each, with a name and a digest of all that it depends on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from uvtrace.nightly.matrix import Checks, Matrix, chosen
from uvtrace.version import VERSION


@dataclass(frozen=True, order=True)
class Place:
    """What a job is about: the same from night to night.

    Attributes:
        kernel: its name in the matrix, as ``6.1-rt``.
        device: its name in the matrix.
        workload: its name in the matrix.
    """

    kernel: str
    device: str
    workload: str

    def __str__(self) -> str:
        return f"{self.kernel}/{self.device}/{self.workload}"


@dataclass(frozen=True, kw_only=True)
class Job:
    """One recording to be made and judged.

    Attributes:
        place: what it is about.
        repetition: from 1.
        release: the kernel's release.
        spec: the device, as ``record --device`` takes it.
        driver: module or file; empty for the one that modalias picks.
        memory: record the contents of memory, too.
        setup: bring up a network interface, give a disk to a disk's driver.
        contract: name or file; empty for the installed one.
        registers: file that says what the device's registers are; empty for none.
        command: for the recorded machine's shell.
        timeout_s: that the command may take.
        cpus, ram_bytes: of the VM.
        checks: how it is judged.
        digest: of all of these, of the files named, and of uvtrace's version, in hexadecimal.
    """

    place: Place
    repetition: int
    release: str
    spec: str
    driver: str
    memory: bool
    contract: str
    registers: str
    command: str
    timeout_s: float
    cpus: int
    ram_bytes: int
    checks: Checks
    setup: bool = True
    digest: str = ""

    @property
    def key(self) -> str:
        """``6.1/e1000/network/1``: the same from night to night."""
        return f"{self.place}/{self.repetition}"


def jobs_of(matrix: Matrix, releases: Mapping[str, str]) -> tuple[Job, ...]:
    """Every job of a matrix: first all the first repetitions, then the second ones.

    Args:
        matrix: read by :func:`uvtrace.nightly.matrix.read_matrix`.
        releases: of the kernels that are there, by name; the others have no jobs.

    Raises:
        UsageError: there is none.
    """
    groups = chosen(matrix, lambda device, workload, kernel: kernel in releases)
    jobs = [
        Job(
            place=Place(kernel, device.name, workload.name),
            repetition=repetition,
            release=releases[kernel],
            spec=device.spec,
            driver=device.driver(kernel),
            memory=device.memory,
            setup=device.setup,
            contract=device.contract,
            registers=device.registers,
            command=workload.command,
            timeout_s=workload.timeout_s,
            cpus=matrix.limits.cpus,
            ram_bytes=matrix.limits.ram_bytes,
            checks=matrix.checks,
        )
        for device, workload, kernel in groups
        for repetition in range(1, workload.repetitions + 1)
    ]
    jobs.sort(key=lambda job: job.repetition)
    files: dict[str, str] = {}
    return tuple(_with_digest(job, files) for job in jobs)


def files_of(job: Job) -> dict[str, str]:
    """The files that a job names, by what names them: attributes of the job, and ``played``."""
    named = {"registers": job.registers, "suppressions": str(job.checks.suppressions or "")}
    for name, suffix in (("driver", ".ko"), ("contract", ".py")):
        text: str = getattr(job, name)
        named[name] = text if text.endswith(suffix) else ""
    kind, played, _ = _spec_parts(job.spec)
    if kind == "trace" or (kind == "model" and Path(played).is_file()):
        named["played"] = played
    return {name: path for name, path in named.items() if path}


def with_files(job: Job, files: Mapping[str, str]) -> Job:
    """The job with other paths for files that :func:`files_of` told; the digest stays."""
    if "suppressions" in files:
        checks = replace(job.checks, suppressions=Path(files["suppressions"]))
        job = replace(job, checks=checks)
    if "played" in files:
        kind, _, options = _spec_parts(job.spec)
        job = replace(job, spec=f"{kind}:{files['played']}{options}")
    return replace(
        job,
        driver=files.get("driver", job.driver),
        contract=files.get("contract", job.contract),
        registers=files.get("registers", job.registers),
    )


def _spec_parts(spec: str) -> tuple[str, str, str]:
    """Of ``model:own.py,speed=1``: kind, name, and the options with their comma."""
    kind, _, rest = spec.partition(":")
    name, comma, options = rest.partition(",")
    return kind, name, comma + options


def _with_digest(job: Job, files: dict[str, str]) -> Job:
    """The job with its digest; ``files`` remembers those of files by name."""
    checks = job.checks
    told = {name: value for name, value in asdict(job).items() if name != "checks"}
    told["selection"] = [checks.selection.select, checks.selection.ignore, checks.require]
    told["uvtrace"] = VERSION
    # Of a file counts what it holds, not where it lies.
    for name in ("driver", "contract", "registers"):
        told[name] = _content(getattr(job, name), files)
    told["suppressions"] = _content(str(checks.suppressions or ""), files)
    told["played"] = _content(_spec_parts(job.spec)[1], files)
    text = json.dumps(told, sort_keys=True)
    return replace(job, digest=hashlib.sha256(text.encode()).hexdigest())


def _content(name: str, files: dict[str, str]) -> str:
    """The digest of a file; what is the name of none, as it is."""
    if not name or not Path(name).is_file():
        return name
    if name not in files:
        files[name] = hashlib.sha256(Path(name).read_bytes()).hexdigest()
    return files[name]
