# SPDX-License-Identifier: Apache-2.0
"""The models of a recording: each has a link, and a process of its own on this machine."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from uvtrace.device.device import Device
from uvtrace.device.find import find, make, options_of, timeout_ns_of
from uvtrace.device.link import Home
from uvtrace.device.process import ModelProcess
from uvtrace.errors import UsageError
from uvtrace.record import build
from uvtrace.record.ivshmem import LINKS_MAX, LinkServer
from uvtrace.record.kernels import Kernel
from uvtrace.record.models import Attached
from uvtrace.record.spec import PLAYED, DeviceSpec, ModelSpec

DOMAIN: Final = 0x10000
"""PCI domain of uvbus.ko's host bridge, where no other bridge has taken it."""
_SETUPS: Final = {0x01: "disk", 0x02: "network"}
"""What the guest makes ready, by a function's base class (PCI Code and ID Assignment 1.11)."""
_PLAYED_SETUPS: Final = {0x02: "link"}
"""The same for recorded devices, which answer only what they were asked then."""
_HOST_OPTIONS: Final = ("port", "timeout_ms")
"""Options that are not the model's, but of the process that runs it."""
_RESTART: Final = "restart"
"""The recorder's own: how often a model that has ended is started again."""


@dataclass
class _Model:
    """One model: what it is, and what runs it."""

    spec: ModelSpec
    number: int
    starts_left: int = 0
    process: ModelProcess | None = None
    told: bool = False

    @property
    def told_to_process(self) -> str:
        """The SPEC without what is the recorder's."""
        options = options_of(self.spec.options)
        options.pop(_RESTART, None)
        return str(replace(self.spec, options=",".join(f"{k}={v}" for k, v in options.items())))


class Models:
    """What plays the devices that do not exist. A context: their processes run inside it.

    Args:
        folder: private to this run.
        kernel: that will drive them: drivers that come with a model are built for it.
    """

    def __init__(self, folder: Path, kernel: Kernel) -> None:
        self._folder = folder
        self._kernel = kernel
        self._models: list[_Model] = []
        self._server: LinkServer | None = None
        self._stack = ExitStack()

    def __len__(self) -> int:
        return len(self._models)

    def attach(self, spec: ModelSpec, number: int) -> Attached:
        """Give a model the next link.

        Args:
            spec: the model.
            number: of the device among all of the recording.

        Raises:
            UsageError: there is no such model, or it has no such option.
            EnvironmentLacksError, BuildError: its driver cannot be built.
        """
        if len(self._models) == LINKS_MAX:
            raise UsageError(f"one recording has {LINKS_MAX} models at most", where=str(spec))
        device = described(spec)
        name = f"{DOMAIN:04x}:00:{len(self._models):02x}.0"
        self._models.append(_Model(spec, number, starts_of(spec)))
        setups = _PLAYED_SETUPS if spec.model == PLAYED else _SETUPS
        setup = setups.get(device.config.class_code >> 16, "none")
        return Attached((), name, setup, (), driver_of(spec, device, self._kernel))

    def make_links(self) -> list[str]:
        """Make the memory of the links; QEMU's arguments for it."""
        if not self._models:
            return []
        self._server = self._stack.enter_context(LinkServer(self._folder, len(self._models)))
        return self._server.arguments

    def failures(self) -> list[str]:
        """Models that have ended since the last call: all that each has said.

        Those that may be started again are.
        """
        found = []
        for model in self._models:
            if model.process is None or not model.process.failed or model.told:
                continue
            found.append(f"{model.process.error}\n{model.process.report}".strip())
            if model.starts_left:
                model.starts_left -= 1
                model.process.start()
            else:
                model.told = True
        return found

    def __enter__(self) -> Models:
        assert self._server is not None or not self._models, "make_links() comes first"
        for model, link in zip(
            self._models, self._server.links if self._server else (), strict=True
        ):
            home = Home(link.path, link.offset, link.wake_fd, link.kick_fd)
            process = ModelProcess(model.told_to_process, home, self._folder, number=model.number)
            model.process = self._stack.enter_context(process)
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()


def described(spec: ModelSpec) -> Device:
    """A model as it is made of its options, to see what it is.

    Raises:
        UsageError: there is no such model, or it has no such option, or not with this value.
        InputError: its file cannot be run.
    """
    ours = (*_HOST_OPTIONS, _RESTART)
    options = options_of(spec.options)
    timeout_ns_of(options.get("timeout_ms"))
    return make(spec.model, {name: value for name, value in options.items() if name not in ours})


def parameters_of(devices: Iterable[DeviceSpec]) -> dict[str, int]:
    """What a checker must know of these devices' options: values of rules' parameters.

    Raises:
        UsageError: an option has no such value.
    """
    models = (device for device in devices if isinstance(device, ModelSpec))
    asked = (timeout_ns_of(options_of(model.options).get("timeout_ms")) for model in models)
    timeouts = [timeout for timeout in asked if timeout is not None]
    return {"CPL005.timeout_ns": max(timeouts)} if timeouts else {}


def starts_of(spec: ModelSpec) -> int:
    """How often a model that has ended is to be started again.

    Raises:
        UsageError: it does not say a number.
    """
    text = options_of(spec.options).get(_RESTART, "0")
    if not text.isdecimal():
        raise UsageError(f"{_RESTART}={text} is no number", where=str(spec))
    return int(text)


def driver_of(spec: ModelSpec, device: Device, kernel: Kernel) -> str:
    """The module that a model says drives it: a file, or empty for what modalias picks.

    Raises:
        UsageError: the model names a file that is not there.
        EnvironmentLacksError, BuildError: it cannot be built.
    """
    driver = type(device).driver
    if driver is None:
        return ""
    if not driver.endswith(".ko"):
        return str(build.module_from(build.source_directory() / "drivers", driver, kernel))
    beside = find(spec.model).folder() / driver
    if not beside.is_file():
        raise UsageError("the model's driver is not there", where=str(beside))
    return str(beside)
