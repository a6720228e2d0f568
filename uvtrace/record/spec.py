# SPDX-License-Identifier: Apache-2.0
"""What ``--device`` names: a QEMU device, a model in Python, or PCI functions of this machine."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from uvtrace.errors import UsageError

_BDF = re.compile(r"(?:([0-9a-f]{4,8}):)?([0-9a-f]{2}):([0-9a-f]{2})\.([0-7])", re.IGNORECASE)
_ID = re.compile(r"([0-9a-f]{4}):([0-9a-f]{4})", re.IGNORECASE)
_MODEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+-]*")
_FORMS = (
    "qemu:MODEL[,prop=value…], model:NAME[,option=value…], trace:RUN, pci:BDF or pci:VENDOR:DEVICE"
)
PLAYED = "trace"
"""The model that plays a recording."""


@dataclass(frozen=True)
class QemuSpec:
    """A device that QEMU emulates. ``properties`` are QEMU's, as given: ``mac=…,addr=…``."""

    model: str
    properties: str = ""

    def __str__(self) -> str:
        return f"qemu:{self.model}" + (f",{self.properties}" if self.properties else "")


@dataclass(frozen=True)
class ModelSpec:
    """A device that a Python model plays. ``options`` are the model's: ``mac=…,port=tap``."""

    model: str
    """An installed model's name, or the path of a file."""
    options: str = ""

    def __str__(self) -> str:
        return f"model:{self.model}" + (f",{self.options}" if self.options else "")


@dataclass(frozen=True)
class FunctionSpec:
    """One PCI function of this machine."""

    domain: int
    bus: int
    device: int
    function: int

    @property
    def name(self) -> str:
        """``0000:00:03.0``."""
        return f"{self.domain:04x}:{self.bus:02x}:{self.device:02x}.{self.function}"

    def __str__(self) -> str:
        return f"pci:{self.name}"


@dataclass(frozen=True)
class IdSpec:
    """Every PCI function of this machine with these IDs."""

    vendor: int
    device: int

    def __str__(self) -> str:
        return f"pci:{self.vendor:04x}:{self.device:04x}"


DeviceSpec = QemuSpec | ModelSpec | FunctionSpec | IdSpec


def told(device: DeviceSpec) -> str:
    """A device as a trace names it: a file without its folder, which is nobody's business."""
    if isinstance(device, ModelSpec):
        options = [_without_folder(each) for each in device.options.split(",")]
        device = ModelSpec(Path(device.model).name, ",".join(options))
    return str(device)


def _without_folder(option: str) -> str:
    name, _, value = option.partition("=")
    return f"{name}={Path(value).name}" if name == "file" else option


def parse(text: str) -> DeviceSpec:
    """The device that a SPEC names.

    Raises:
        UsageError: it names none, or a kind that this version cannot record.
    """
    kind, colon, rest = text.partition(":")
    if kind == "trace" and colon:
        return _parse_trace(text, rest)
    if kind == "model" and colon:
        return _parse_model(text, rest)
    if kind == "qemu" and rest:
        return _parse_qemu(text, rest)
    if kind == "pci" and rest:
        return _parse_pci(text, rest)
    raise UsageError("not a device", where=text, hint=f"give {_FORMS}")


def _parse_qemu(text: str, rest: str) -> QemuSpec:
    model, _, properties = rest.partition(",")
    if not _MODEL.fullmatch(model):
        raise UsageError("not the name of a QEMU device", where=text, hint="as in qemu:e1000")
    return QemuSpec(model, properties)


def _parse_model(text: str, rest: str) -> ModelSpec:
    model, _, options = rest.partition(",")
    if not model or not all("=" in option for option in options.split(",") if options):
        raise UsageError("not a model", where=text, hint="as in model:e1000,mac=52:54:00:12:34:56")
    return ModelSpec(model, options)


def _parse_trace(text: str, rest: str) -> ModelSpec:
    """A recording plays: that is a model, too."""
    file, _, options = rest.partition(",")
    if (
        not file
        or "=" in file
        or not all("=" in option for option in options.split(",") if options)
    ):
        raise UsageError("not a recording", where=text, hint="as in trace:run.pcapng")
    return ModelSpec(PLAYED, f"file={file}" + (f",{options}" if options else ""))


def _parse_pci(text: str, rest: str) -> DeviceSpec:
    if found := _ID.fullmatch(rest):
        return IdSpec(int(found[1], 16), int(found[2], 16))
    if (found := _BDF.fullmatch(rest)) and int(found[3], 16) < 32:
        return FunctionSpec(
            int(found[1] or "0", 16), int(found[2], 16), int(found[3], 16), int(found[4])
        )
    raise UsageError(
        "not a PCI function or ID", where=text, hint="as in pci:0000:00:03.0 or pci:8086:100e"
    )
