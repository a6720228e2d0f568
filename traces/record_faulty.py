# SPDX-License-Identifier: Apache-2.0
"""Makes the recordings under ``traces/faulty/`` again: ``python -m traces.record_faulty [NAME…]``.

One VM for each device and kernel: kmod/faulty is bound once for each fault that
``kmod/faulty/faults.toml`` lists for the device, between two marks. A NAME is a device
(``edu``), a kernel (``6.1-rt``) or both (``edu-6.1-rt``); without any, all are made.
"""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from traces.making import newest_of, replaced, run, unfit
from uvtrace.errors import UvtraceError
from uvtrace.record import build, kernels, spec
from uvtrace.record.session import NoProgress, Options, Result
from uvtrace.record.vm import VmOptions, record_in_vm

FOLDER = Path(__file__).parent / "faulty"
FAULTS = Path(__file__).parent.parent / "kmod/faulty/faults.toml"
MODULE = "uvfaulty"
TIMEOUT_S = 300.0
KERNELS = {
    "6.1": r"6\.1\.\d+-\d+-amd64",
    "6.1-rt": r"6\.1\.\d+-\d+-rt-amd64",
    "6.12": r"6\.12\.\d+.*-amd64",
}

WORKLOAD = """
set -e
driver=/sys/bus/pci/drivers/{module}
module=/sys/module/{module}/parameters
echo "$UVTRACE_FUNCTION" >$driver/unbind
for fault in {faults}; do
    echo $fault >$module/fault
    uvctl mark "begin $fault"
    echo "$UVTRACE_FUNCTION" >$driver/bind
    echo "$UVTRACE_FUNCTION" >$driver/unbind
    read -r settled <$module/settled
    uvctl mark "end $fault"
done
echo none >$module/fault
"""


@dataclass(frozen=True)
class Fault:
    """What ``faults.toml`` says of one fault, near miss or piece of history.

    Attributes:
        name: what the module's parameter takes.
        device: key of the devices.
        symbol: the function that a finding must name; empty for a near miss.
        event: name of the kind of the record that is wrong; empty for a near miss.
        rules: of which one at least must fire; empty for a near miss.
        also: rules that may fire beside it.
        severity: of the finding: ``error`` or ``warning``; empty for a near miss.
        contract: the rule needs the device's contract.
    """

    name: str
    device: str
    symbol: str = ""
    event: str = ""
    rules: tuple[str, ...] = ()
    also: tuple[str, ...] = ()
    severity: str = ""
    contract: bool = False


def document() -> dict[str, Any]:
    """``faults.toml``."""
    with open(FAULTS, "rb") as file:
        return tomllib.load(file)


def faults() -> list[Fault]:
    """Every planted fault, in the file's order."""
    severities = {"fail": "error", "warning": "warning"}
    return [
        Fault(
            entry["name"],
            entry["device"],
            symbol=entry["symbol"],
            event=entry["event"],
            rules=(entry["rule"],),
            also=tuple(entry.get("also", ())),
            severity=severities[entry["expect"]],
            contract=entry.get("contract", False),
        )
        for entry in document()["fault"]
    ]


def near_misses() -> list[Fault]:
    """Every legal neighbour of a fault, once for each device."""
    planted = document()["fault"]
    found = [Fault(near, entry["device"]) for entry in planted for near in entry["near"]]
    return list(dict.fromkeys(found))


def history() -> list[Fault]:
    """What stock drivers once did."""
    return [
        Fault(
            entry["name"],
            entry["device"],
            symbol=entry["symbol"],
            event=entry["event"],
            rules=tuple(entry["rules"]),
            also=tuple(entry.get("also", ())),
        )
        for entry in document().get("history", ())
    ]


def workload(names: Sequence[str]) -> str:
    """The shell script that commits faults in turn, in the guest."""
    return WORKLOAD.format(module=MODULE, faults=" ".join(names)).strip()


@dataclass(frozen=True)
class Recording:
    """All faults of one device on one kernel."""

    device: str
    kernel: str
    release: str

    @property
    def name(self) -> str:
        """The file's name without its suffixes."""
        return f"{self.device}-{self.kernel}"

    @property
    def faults(self) -> list[str]:
        """What is committed, in order."""
        listed = [*faults(), *near_misses(), *history()]
        return [fault.name for fault in listed if fault.device == self.device]


def recordings() -> Iterator[Recording]:
    """One for each device and each installed kernel."""
    for kernel, release in newest_of(KERNELS.items()):
        for device in document()["devices"]:
            yield Recording(device, kernel, release)


def options_for(device: str, names: Sequence[str], release: str, output: Path) -> Options:
    """What to record so that a device gets these faults."""
    module = build.module_from(FAULTS.parent, MODULE, kernels.find(release))
    return Options(
        output=output,
        devices=[spec.parse(document()["devices"][device])],
        command=["sh", "-c", workload(names)],
        driver=str(module),
        timeout_s=TIMEOUT_S,
        setup=False,
    )


def make(recording: Recording) -> Result:
    """Record once more, and put the file in its place.

    Raises:
        UvtraceError: the recording is not fit to be kept.
    """

    def record(output: Path) -> Result:
        options = options_for(recording.device, recording.faults, recording.release, output)
        result = record_in_vm(options, VmOptions(kernels.find(recording.release)), NoProgress())
        if reason := unfit(result):
            raise UvtraceError(reason, where=recording.name)
        return result

    return replaced(FOLDER, recording.name, record)


if __name__ == "__main__":
    sys.exit(run(__doc__ or "", FOLDER, recordings, make))
