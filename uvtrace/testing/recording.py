# SPDX-License-Identifier: Apache-2.0
"""Recordings made in a test: a VM boots, a driver works, and the trace is there to be judged."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import uvtrace
from uvtrace.check.explain import judge
from uvtrace.check.results import Results
from uvtrace.check.rules import Selection
from uvtrace.record import kernels, spec
from uvtrace.record.session import NoProgress, Options, Progress, Result
from uvtrace.record.vm import VmOptions, record_in_vm
from uvtrace.trace.trace import Trace

CONSOLE_SHOWN = 4000
"""Characters of the guest's console that a failure shows."""

Record = Callable[[Options, VmOptions, Progress], Result]


class Listening(NoProgress):
    """Progress that keeps what the command says."""

    def __init__(self) -> None:
        self.output = bytearray()
        self.errors = bytearray()

    def command_output(self, text: bytes, *, is_error: bool) -> None:
        (self.errors if is_error else self.output).extend(text)


@dataclass(frozen=True)
class Run:
    """A recording.

    Attributes:
        path: the trace file.
        result: how the recording went.
        output, errors: what the command said.
    """

    path: Path
    result: Result
    output: str = ""
    errors: str = ""
    _judged: dict[Selection | None, Results] = field(default_factory=dict, repr=False)

    @property
    def trace(self) -> Trace:
        """The trace; opened anew at every call."""
        return uvtrace.open(self.path)

    def check(self, select: str = "", ignore: str = "") -> Results:
        """Judge it by the rules that are installed; judged once for each choice of them.

        Args:
            select: comma-separated IDs or prefixes, as ``--select`` takes them; all by default.
            ignore: likewise, left out.
        """
        selection = Selection(_ids(select), _ids(ignore)) if select or ignore else None
        if selection not in self._judged:
            self._judged[selection] = judge(self.trace, selection=selection)
        return self._judged[selection]


class Recorder:
    """Makes recordings in VMs: what the fixture ``record`` is.

    Args:
        folder: where the traces go.
        kernel: the kernel to boot, where a call does not say; None: the newest.
        record: records; for tests of this class.
    """

    def __init__(
        self, folder: Path, kernel: str | None = None, record: Record = record_in_vm
    ) -> None:
        self._folder = folder
        self._kernel = kernel
        self._record = record
        self.runs: list[Run] = []

    def __call__(
        self,
        device: str | Sequence[str],
        command: str | Sequence[str],
        kernel: str | None = None,
        driver: str | None = None,
        *,
        cpus: int = 2,
        ram: str = "1G",
        timeout_s: float = 120.0,
        keep_bound: bool = False,
        setup: bool = True,
        may_fail: bool = False,
    ) -> Run:
        """Record a driver at work in a VM.

        Args:
            device: ``model:…`` or ``qemu:…``, or several.
            command: what to run meanwhile: a shell line, or words.
            kernel: a release or a build directory.
            driver: a module's name, or the path of a ``.ko``; else what modalias picks.
            timeout_s: how long the command may take.
            keep_bound: do not unbind the driver at the end.
            setup: bring an interface up, or have a disk ready, before the command.
            may_fail: the command may fail, or not end: the test looks at ``run.result`` itself.

        Raises:
            AssertionError: the command failed, or the recording did not go all the way.
            UvtraceError: nothing could be recorded.
        """
        devices = [device] if isinstance(device, str) else list(device)
        options = Options(
            output=self._folder / f"run{len(self.runs)}.pcapng",
            devices=[spec.parse(each) for each in devices],
            command=["sh", "-c", command] if isinstance(command, str) else command,
            driver=driver,
            timeout_s=timeout_s,
            keep_bound=keep_bound,
            setup=setup,
        )
        machine = VmOptions(kernels.find(kernel or self._kernel), cpus=cpus, ram=ram)
        heard = Listening()
        result = self._record(options, machine, heard)
        run = Run(
            options.output,
            result,
            heard.output.decode(errors="replace"),
            heard.errors.decode(errors="replace"),
        )
        self.runs.append(run)
        if not may_fail:
            _must_have_ended_well(run)
        return run


def _must_have_ended_well(run: Run) -> None:
    result = run.result
    if result.ended == "command" and result.exit_code == 0:
        return
    ending = result.failure or (
        f"the command ended with {result.exit_code}"
        if result.ended == "command"
        else f"the recording ended with: {result.ended}"
    )
    said = [text.strip() for text in (run.output, run.errors) if text.strip()]
    console = result.console[-CONSOLE_SHOWN:].strip()
    raise AssertionError("\n".join([ending, *said, *([console] if console else [])]))


def _ids(text: str) -> tuple[str, ...]:
    return tuple(part.strip().upper() for part in text.split(",") if part.strip())
