# SPDX-License-Identifier: Apache-2.0
"""Makes the recordings under ``traces/faulty/`` again: ``python traces/record_faulty.py [NAME…]``.

One VM for each device and kernel: kmod/faulty is bound once for each fault that
``kmod/faulty/faults.toml`` lists for the device, between two marks. A NAME is a device
(``edu``), a kernel (``6.1-rt``) or both (``edu-6.1-rt``); without any, all are made.
"""

from __future__ import annotations

import argparse
import logging
import re
import sys
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from uvtrace.errors import EnvironmentLacksError, UvtraceError
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

log = logging.getLogger("traces")


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
    complete = [kernel.release for kernel in kernels.installed() if kernel.is_complete]
    for kernel, pattern in KERNELS.items():
        release = next((name for name in complete if re.fullmatch(pattern, name)), None)
        if release is None:
            log.warning("kernel %s is not installed: its recordings are left as they are", kernel)
            continue
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
    FOLDER.mkdir(exist_ok=True)
    target = FOLDER / f"{recording.name}.pcapng.zst"
    partial = FOLDER / f".{recording.name}.partial.pcapng.zst"
    options = options_for(recording.device, recording.faults, recording.release, partial)
    try:
        result = record_in_vm(options, VmOptions(kernels.find(recording.release)), NoProgress())
        if result.ended != "command" or result.exit_code != 0 or result.lost:
            raise UvtraceError(
                f"ended by {result.ended}, exit code {result.exit_code}, {result.lost} lost: "
                f"{result.failure}",
                where=recording.name,
            )
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)
    return result


def main(arguments: list[str]) -> int:
    """Make what is asked for; one line for each."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME")
    names = set(parser.parse_args(arguments).names)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    failures = made = 0
    for recording in recordings():
        if names and not names & {recording.name, recording.device, recording.kernel}:
            continue
        made += 1
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
        for warning in result.warnings:
            log.info("%-14s %s", "", warning)
    return 1 if failures or not made else 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except UvtraceError as error:
        print(f"traces: {error}", file=sys.stderr)  # noqa: T201 - a script's last words
        sys.exit(error.exit_code)
