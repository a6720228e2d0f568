# SPDX-License-Identifier: Apache-2.0
"""PCI functions of this machine, and binding drivers to them through sysfs."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from uvtrace.errors import EnvironmentLacksError, UsageError, UvtraceError
from uvtrace.record import abi
from uvtrace.record.spec import DeviceSpec, FunctionSpec, IdSpec, ModelSpec, QemuSpec
from uvtrace.trace.functions import describe_function

UNBIND_TIMEOUT_S = 30.0
SYSFS = Path("/sys/bus/pci")

# What it takes to bind, as a shell line: it runs beside the drain loop. $1 is the function,
# $2 a module, or empty for the one that modalias picks, $3 the folder in sysfs.
_BIND = """
cd "$3/devices/$1" || exit 1
case $2 in
"") modprobe -a -- "$(cat modalias)" || exit 1 ;;
*.ko) insmod "$2" 2>/dev/null; name=$(basename "$2" .ko) ;;
*) modprobe -- "$2" || exit 1; name=$2 ;;
esac
if [ -n "$2" ] && [ ! -e driver ]; then
	for found in /sys/module/"$(echo "$name" | tr - _)"/drivers/pci:*; do
		[ -e "$found" ] && echo "${found##*/pci:}" >driver_override
	done
fi
[ -e driver ] || echo "$1" >"$3/drivers_probe"
echo >driver_override
"""


@dataclass(frozen=True)
class PciFunction:
    """A function of this machine.

    Attributes:
        spec: where it is.
        vendor: PCI vendor ID.
        device: PCI device ID.
    """

    spec: FunctionSpec
    vendor: int
    device: int

    @property
    def name(self) -> str:
        """``0000:00:03.0``."""
        return self.spec.name

    @property
    def _folder(self) -> Path:
        return SYSFS / "devices" / self.name

    def driver(self) -> str | None:
        """Name of the driver that is bound; None where there is none."""
        link = self._folder / "driver"
        return link.resolve().name if link.exists() else None

    def description(self, driver: str | None = None) -> str:
        """The interface's description in the trace.

        Args:
            driver: that will be bound: a module's name or file; None: what modalias picks.
        """
        name = Path(driver).stem.replace("-", "_") if driver else self._likely_driver()
        return describe_function(name, self.vendor, self.device, self._lspci())

    def as_select(self) -> abi.Select:
        """What the module is asked to trace."""
        devfn = self.spec.device << 3 | self.spec.function
        return abi.Select(domain=self.spec.domain, bus=self.spec.bus, devfn=devfn)

    def release(self) -> None:
        """Unbind a driver that is bound: its mappings could not be trapped.

        Raises:
            UvtraceError: it does not let go.
        """
        driver = self.driver()
        if driver is None:
            return
        (self._folder / "driver/unbind").write_text(self.name, encoding="ascii")
        deadline = time.monotonic() + UNBIND_TIMEOUT_S
        while self.driver() is not None:
            if time.monotonic() > deadline:
                raise UvtraceError(f"{driver} does not unbind", where=self.name)
            time.sleep(0.02)

    def bind_commands(self, driver: str | None) -> list[str]:
        """The command that binds a driver: a module's name or file, None for modalias."""
        return ["sh", "-c", _BIND, "bind", self.name, driver or "", str(SYSFS)]

    def bind_to(self, driver: str) -> None:
        """Bind a driver that is registered.

        Raises:
            OSError: the driver is gone, or refuses.
        """
        (SYSFS / "drivers" / driver / "bind").write_text(self.name, encoding="ascii")

    def unbind_commands(self) -> list[str]:
        """The command that unbinds the driver."""
        line = '[ ! -e "$1/driver" ] || basename "$1" >"$1/driver/unbind"'
        return ["sh", "-c", line, "unbind", str(self._folder)]

    def _likely_driver(self) -> str:
        modalias = (self._folder / "modalias").read_text(encoding="ascii").strip()
        found = _output(["modprobe", "-R", "-a", modalias])
        return self.driver() or next(iter(found.split()), "")

    def _lspci(self) -> str:
        return _output(["lspci", "-s", self.name]).partition(": ")[2].strip()


def find_functions(devices: Sequence[DeviceSpec]) -> list[PciFunction]:
    """The functions that specifications name, in order, each once.

    Raises:
        UsageError: one names none, or is not of this machine.
        EnvironmentLacksError: there is no PCI here.
    """
    if not (SYSFS / "devices").is_dir():
        raise EnvironmentLacksError("this machine has no PCI bus", hint="record in a VM: --vm")
    found: dict[str, PciFunction] = {}
    for device in devices:
        matches = [function for function in _all_functions() if _matches(function, device)]
        if not matches:
            raise UsageError("no such PCI function here", where=str(device), hint="see: lspci -nn")
        found.update({function.name: function for function in matches})
    return list(found.values())


def _matches(function: PciFunction, device: DeviceSpec) -> bool:
    match device:
        case FunctionSpec():
            return function.spec == device
        case IdSpec():
            return (function.vendor, function.device) == (device.vendor, device.device)
        case QemuSpec():
            raise UsageError("QEMU's devices need a VM", where=str(device), hint="add --vm")
        case ModelSpec():
            raise UsageError("a model's function has no name yet", where=str(device))


def _all_functions() -> list[PciFunction]:
    return [_read(path) for path in sorted((SYSFS / "devices").iterdir())]


def _read(path: Path) -> PciFunction:
    domain, bus, rest = path.name.split(":")
    device, function = rest.split(".")
    spec = FunctionSpec(int(domain, 16), int(bus, 16), int(device, 16), int(function))
    return PciFunction(spec, *(_number(path / name) for name in ("vendor", "device")))


def _number(path: Path) -> int:
    return int(path.read_text(encoding="ascii"), 16)


def _output(command: list[str]) -> str:
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, errors="replace", timeout=30, check=False
        )
    except (FileNotFoundError, subprocess.TimeoutExpired):
        return ""
    return done.stdout
