# SPDX-License-Identifier: Apache-2.0
"""Models on this machine: each behind ``/dev/uvbusN``, a process and a PCI function."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from uvtrace.device.link import Home
from uvtrace.device.process import ModelProcess
from uvtrace.errors import EnvironmentLacksError, UsageError, UvtraceError
from uvtrace.record import kernels, virtual
from uvtrace.record.ivshmem import LINKS_MAX
from uvtrace.record.spec import DeviceSpec, FunctionSpec, ModelSpec

PARAMETER = Path("/sys/module/uvbus/parameters/virtual")
APPEARS_S: Final = 120.0
"""Until a model has started and its function is on the bus."""


@dataclass
class Played:
    """What plays the functions of a recording that do not exist.

    Attributes:
        devices: what was asked for, with a function in place of every model.
        drivers: by function, the modules that come with models.
        processes: the models.
    """

    devices: list[DeviceSpec]
    drivers: dict[str, str] = field(default_factory=dict)
    processes: list[ModelProcess] = field(default_factory=list)


def parameters(devices: Sequence[DeviceSpec]) -> list[str]:
    """What uvbus.ko is loaded with for these devices.

    Raises:
        UsageError: more models than there can be.
    """
    models = [device for device in devices if isinstance(device, ModelSpec)]
    for model in models:
        if virtual.starts_of(model):
            raise UsageError("restart= is for recordings in a VM", where=str(model))
    if len(models) > LINKS_MAX:
        raise UsageError(f"one recording has {LINKS_MAX} models at most")
    return ["virtual=1", f"links={len(models)}"] if models else []


def require_virtual_mode() -> None:
    """Raises EnvironmentLacksError where uvbus.ko was loaded without it."""
    if not PARAMETER.exists() or PARAMETER.read_text(encoding="ascii").strip() != "Y":
        raise EnvironmentLacksError(
            "uvbus.ko was loaded without virtual devices", hint="unload it: rmmod uvbus"
        )


@contextmanager
def playing(devices: Sequence[DeviceSpec]) -> Iterator[Played]:
    """Start the models among these devices, and wait until their functions are there.

    Raises:
        UsageError: there is no such model, or it has no such option.
        EnvironmentLacksError: uvbus.ko is loaded in another mode.
        UvtraceError: a model has ended, or its function did not appear.
    """
    played = Played([])
    with ExitStack() as held:
        folder = Path(held.enter_context(tempfile.TemporaryDirectory(prefix="uvtrace-models-")))
        for number, device in enumerate(devices):
            if not isinstance(device, ModelSpec):
                played.devices.append(device)
                continue
            if not played.processes:
                require_virtual_mode()
            link = len(played.processes) + 1
            home = Home(Path(f"/dev/uvbus{link}"))
            model = virtual.described(device)
            process = ModelProcess(str(device), home, folder, number=number, unplug=True)
            played.processes.append(held.enter_context(process))
            function = _appeared(process, link - 1)
            played.devices.append(function)
            driver = virtual.driver_of(device, model, kernels.running())
            if driver:
                played.drivers[function.name] = driver
        yield played


def _appeared(process: ModelProcess, slot: int) -> FunctionSpec:
    """The function that a model's process has plugged."""
    deadline = time.monotonic() + APPEARS_S
    while time.monotonic() < deadline:
        if process.error is not None:
            raise UvtraceError(process.error, hint=process.report or None)
        function = _function_in(slot)
        if function is not None:
            return function
        time.sleep(0.02)
    raise UvtraceError("its function does not appear", where=process.spec, hint="see: dmesg")


def _function_in(slot: int) -> FunctionSpec | None:
    """The virtual function in a slot of uvbus.ko's bridge."""
    for folder in Path("/sys/devices").glob(f"platform/uvbus*/pci*/*:00:{slot:02x}.0"):
        domain = int(folder.name.partition(":")[0], 16)
        return FunctionSpec(domain, 0, slot, 0)
    return None
