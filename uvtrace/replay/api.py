# SPDX-License-Identifier: Apache-2.0
"""``uvtrace.replay.replay``: a recording against a model, or against a device of QEMU's."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from uvtrace.check.contract import Contract, class_codes, contract_for, installed_contracts
from uvtrace.device.device import Device
from uvtrace.device.find import make, options_of
from uvtrace.device.machine import ModelError
from uvtrace.errors import UsageError, UvtraceError
from uvtrace.registers import RegisterMap, load
from uvtrace.replay.course import Course
from uvtrace.replay.engine import Difference, Engine, Mismatch
from uvtrace.replay.outcome import Divergence, Outcome
from uvtrace.replay.runner import Runner
from uvtrace.replay.said import ANSWERS, Said, difference_of
from uvtrace.replay.script import Script, Told, script_of
from uvtrace.replay.target import ModelTarget, Target
from uvtrace.trace import descriptions
from uvtrace.trace.enums import Kind
from uvtrace.trace.trace import Trace

_CONTEXT: Final = 8
_CONTEXTS: Final = 100
"""Divergences that are told with what came before them."""
DIVERGENCES_MAX: Final = 100_000

Progress = Callable[[int, int], None]
"""Told how many steps of how many are done."""
DeviceMaker = Callable[[], Device]


@dataclass(frozen=True, kw_only=True)
class Options:
    """How to replay.

    Attributes:
        function: index of the function, where the trace has several.
        contract: of the device; None: the installed one that is for it.
        registers: of the device; None: the contract's, else the model's own.
        divergences: stop after so many.
    """

    function: int | None = None
    contract: Contract | None = None
    registers: RegisterMap | None = None
    divergences: int = DIVERGENCES_MAX


def replay(
    trace: Trace,
    device: str | DeviceMaker,
    options: Options | None = None,
    progress: Progress | None = None,
) -> Outcome:
    """Play a recording's host to a device, and compare what the device says.

    Args:
        trace: the recording.
        device: ``model:NAME_OR_PATH[,option=value…]`` or ``qemu:MODEL[,property=value…]``, a
            model's name alone, or what makes a model: a class, or a function.
        options: see :class:`Options`.
        progress: called now and then.

    Raises:
        UsageError: no such device, or the recording has several functions.
        InputError: the recording has no access to a device.
        EnvironmentLacksError: there is no QEMU.
        UvtraceError: the model raised.
    """
    options = options or Options()
    begun = time.monotonic()
    script = script_of(trace, options.function)
    contract = options.contract or _contract(trace, script)
    begin, name, described = _target(device, script)
    registers = options.registers or described or _registers(contract)
    with_reads = begin.shows_reads and script.shows_device
    course = Course(script, registers, contract, compare_reads=with_reads)
    outcome = Outcome(trace.path, name, script.name)
    outcome.told = sum(step.told is not None for step in script.steps)
    runner = Runner(course, begin, can_copy=begin.can_copy)
    try:
        _run(runner, course, trace, outcome, options.divergences, progress)
    except KeyboardInterrupt:
        outcome.interrupted = True
        outcome.notes.append(f"interrupted after {runner.at} of {len(script.steps)} steps")
    except ModelError as error:
        row = script.steps[min(runner.at, len(script.steps) - 1)].row
        seq = int(trace[row]["seq"])
        raise UvtraceError(
            f"{error.what}; it was handling {error.cause!r}", where=f"{error.where}, at #{seq}"
        ) from error
    outcome.explained = runner.explained
    outcome.notes += _notes(course, outcome)
    outcome.seconds = time.monotonic() - begun
    return outcome


def _run(
    runner: Runner,
    course: Course,
    trace: Trace,
    outcome: Outcome,
    most: int,
    progress: Progress | None,
) -> None:
    total = len(course.script.steps)
    for engine, mismatch in runner.run():
        outcome.agreed, outcome.not_compared = engine.agreed, engine.not_compared
        outcome.reserved = engine.reserved
        outcome.frames_in, outcome.frames_out = engine.frames_in, len(engine.target.frames)
        if progress is not None:
            progress(engine.at, total)
        if mismatch is not None:
            with_context = len(outcome.divergences) < _CONTEXTS
            outcome.divergences.append(_divergence(mismatch, engine, trace, with_context))
            if len(outcome.divergences) >= most:
                return


def _divergence(mismatch: Mismatch, engine: Engine, trace: Trace, with_context: bool) -> Divergence:
    course, steps = engine.course, engine.course.script.steps
    row = steps[min(mismatch.number, len(steps) - 1)].row
    record = trace[row]
    subject = mismatch.expected or mismatch.got
    if mismatch.difference == Difference.UNEXPECTED:
        subject = mismatch.got
    assert subject is not None
    expected = None if mismatch.difference == Difference.UNEXPECTED else mismatch.expected
    return Divergence(
        row,
        int(record["seq"]),
        int(record["time_ns"]),
        mismatch.difference,
        course.what(subject),
        _told(course, expected),
        _told(course, mismatch.got, expected),
        _recorded_before(trace, row, course.script.function) if with_context else (),
        _replayed_before(engine) if with_context else (),
    )


def _told(course: Course, said: Said | None, other: Said | None = None) -> str | None:
    if said is None:
        return None
    difference = difference_of(other, said) if other is not None else ""
    if difference:
        return f"{said}{difference}"
    if said.kind in ANSWERS and said.kind != Kind.CONFIG_READ:
        name = course.name_of(said)
        if name != said.where():
            return f"{said} ({name})"
    return str(said)


def _recorded_before(trace: Trace, row: int, function: int) -> tuple[str, ...]:
    lines: list[str] = []
    for at in range(row, max(-1, row - 200), -1):
        record = trace[at]
        if int(record["function"]) == function:
            lines.append(f"#{record['seq']} {descriptions.line(trace, at)}")
            if len(lines) > _CONTEXT:
                break
    return tuple(reversed(lines))


def _replayed_before(engine: Engine) -> tuple[str, ...]:
    return tuple(_logged(*entry) for entry in list(engine.log)[-_CONTEXT:])


def _logged(is_told: bool, what: Told | Said | bytes) -> str:
    if isinstance(what, bytes):
        return f"> a frame of {len(what)} bytes comes in"
    return f"{'>' if is_told else '<'} {what}"


# ------------------------------------------------------------------ the device


@dataclass(frozen=True)
class _Begin:
    """Makes a target."""

    make: Callable[[], Target]
    shows_reads: bool = True
    can_copy: bool = True

    def __call__(self) -> Target:
        return self.make()


def _target(device: str | DeviceMaker, script: Script) -> tuple[_Begin, str, RegisterMap | None]:
    if not isinstance(device, str):
        return _of_model(device, script, getattr(device, "__name__", "a model"))
    kind, colon, rest = device.partition(":")
    if not colon or kind not in ("model", "qemu", "pci", "trace"):
        kind, rest = "model", device
    if kind == "qemu":
        from uvtrace.replay.qemu import QemuTarget, qemu_of

        qemu = qemu_of(rest, script)
        return _Begin(lambda: QemuTarget(qemu, script), False, False), f"qemu:{rest}", None
    if kind != "model" or not rest:
        raise UsageError(
            "nothing to replay against", where=device, hint="model:NAME, model:FILE.py, qemu:MODEL"
        )
    name, _, text = rest.partition(",")
    chosen = options_of(text)
    chosen.pop("port", None)
    chosen.pop("timeout_ms", None)
    return _of_model(lambda: make(name, chosen), script, f"model:{rest}")


def _of_model(
    maker: DeviceMaker, script: Script, name: str
) -> tuple[_Begin, str, RegisterMap | None]:
    described = maker().reg.map
    seen = script.accesses()

    def begin() -> Target:
        device = maker()
        device.adopt(seen)
        return ModelTarget(device, script)

    return _Begin(begin), name, described if described.registers else None


def _contract(trace: Trace, script: Script) -> Contract | None:
    function = trace.functions[script.function]
    code = class_codes(trace).get(script.function)
    return contract_for(function, code, installed_contracts())


def _registers(contract: Contract | None) -> RegisterMap | None:
    path: Path | None = contract.registers if contract is not None else None
    return load(path) if path is not None else None


def _notes(course: Course, outcome: Outcome) -> list[str]:
    script, notes = course.script, []
    if not script.shows_device:
        also = ", and memory where the recorder looked at it" if script.shows_memory else ""
        traffic = "registers that depend on traffic are not"
        if course.registers is None:
            traffic = "which registers depend on traffic is not known (--registers)"
        notes.append(
            "the recording does not show DMA and interrupt messages: register reads and handler"
            f" entries are compared{also}; {traffic}"
        )
        if outcome.not_compared["withheld"]:
            notes.append(
                f"{outcome.not_compared['withheld']} reads of memory by the device were not"
                " answered: the recording does not have its contents (uvtrace record --memory)"
            )
    elif not course.contract or not course.contract.rings:
        notes.append("no contract tells how frames come in: none are given to the device")
    if script.cut:
        notes.append(f"{script.cut} payloads are cut by a snap length, and taken as zeros")
    if script.begins_bound:
        notes.append("the driver was bound before the recording: the device's state is not known")
    return notes
