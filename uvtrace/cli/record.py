# SPDX-License-Identifier: Apache-2.0
"""``uvtrace record``: a driver is bound, a command runs, and everything goes into a file."""

from __future__ import annotations

import os
import re
import time
from pathlib import Path

import click

from uvtrace.cli.progress import display
from uvtrace.errors import ExitCode, UsageError
from uvtrace.record import kernels, local, spec, vm
from uvtrace.record.session import (
    DEFAULT_RING_BYTES,
    DEFAULT_TIMEOUT_S,
    STDOUT,
    Options,
    Result,
)
from uvtrace.trace.enums import RingPolicy
from uvtrace.trace.layout import RECORD_SIZE
from uvtrace.trace.texts import printable

RING_MIN = 64 << 10
RING_MAX = 4 << 30
INTERRUPTED = 130


class Size(click.ParamType[int]):
    """Bytes, with K, M or G for powers of 1024."""

    name = "SIZE"

    def convert(
        self, value: str | int, param: click.Parameter | None, ctx: click.Context | None
    ) -> int:
        if isinstance(value, int):
            return value
        found = re.fullmatch(r"(\d+)\s*([KMG]?)(?:i?B)?", value, re.IGNORECASE)
        if found is None:
            self.fail(f"{value} is not a size, as in 64M", param, ctx)
        return int(found[1]) << {"": 0, "K": 10, "M": 20, "G": 30}[found[2].upper()]


SIZE = Size()
CPUS = click.IntRange(1, 255)
SNAPLEN = click.IntRange(min=RECORD_SIZE)
TIMEOUT = click.FloatRange(min=0, min_open=True)

_SPEC = (
    "qemu:MODEL[,prop=value…], model:NAME[,option=value…], trace:RUN, pci:BDF or"
    " pci:VENDOR:DEVICE."
    " Can be repeated."
)
_MEMORY = "Record the contents of memory that the driver shares with the device, too."
_SNAPLEN = "Keep N bytes of each transaction, its record of 128 included."
_TIMEOUT = f"Seconds that COMMAND may take.  [{DEFAULT_TIMEOUT_S:g}]"


@click.command(name="record", context_settings={"ignore_unknown_options": False})
@click.option("-o", "--output", metavar="RUN.pcapng", help="The file; - is stdout.")
@click.option("--device", "devices", metavar="SPEC", multiple=True, required=True, help=_SPEC)
@click.option("--vm", "in_vm", is_flag=True, help="Record in a VM.")
@click.option("--kernel", metavar="RELEASE|BUILD_DIR", help="The VM's kernel; else the newest.")
@click.option("--cpus", default=2, show_default=True, type=CPUS, help="The VM's CPUs.")
@click.option("--ram", default="1G", show_default=True, help="The VM's memory.")
@click.option("--no-setup", is_flag=True, help="Leave the VM's interface or disk alone.")
@click.option("--driver", metavar="MODULE|FILE.ko", help="Else the one that modalias picks.")
@click.option("--keep-bound", is_flag=True, help="Do not unbind the driver at the end.")
@click.option("--memory", is_flag=True, help=_MEMORY)
@click.option("--snaplen", type=SNAPLEN, metavar="N", help=_SNAPLEN)
@click.option("--ring", type=SIZE, help="Room for records on their way to the file.  [32M]")
@click.option("--stop-when-full", is_flag=True, help="Stop when the ring is full, drop nothing.")
@click.option("--flight-recorder", type=SIZE, help="Keep the newest SIZE only, written at the end.")
@click.option("--timeout", default=DEFAULT_TIMEOUT_S, type=TIMEOUT, metavar="S", help=_TIMEOUT)
@click.option("--fail-with-command", is_flag=True, help="Exit with 1 when COMMAND fails.")
@click.option("-q", "--quiet", is_flag=True, help="No progress.")
@click.argument("words", metavar="COMMAND…", nargs=-1, required=True, type=click.UNPROCESSED)
def command(
    output: str | None,
    devices: tuple[str, ...],
    in_vm: bool,
    kernel: str | None,
    cpus: int,
    ram: str,
    no_setup: bool,
    driver: str | None,
    keep_bound: bool,
    memory: bool,
    snaplen: int | None,
    ring: int | None,
    stop_when_full: bool,
    flight_recorder: int | None,
    timeout: float,
    fail_with_command: bool,
    quiet: bool,
    words: tuple[str, ...],
) -> int:
    """Record what a driver does to its device while COMMAND runs.

    Recording is armed first, then the driver is bound, COMMAND runs, and the driver is unbound.
    In a VM a network interface is up before COMMAND runs (10.0.2.15, and 10.0.2.2 answers), and
    a storage device has a scratch disk; COMMAND finds their names in $UVTRACE_INTERFACE and
    $UVTRACE_DISK, and the PCI function in $UVTRACE_FUNCTION.

    \b
    Examples:
      uvtrace record --vm --device qemu:e1000 -o run.pcapng -- ping -c 5 10.0.2.2
      uvtrace record --vm --device model:e1000 -- ping -c 5 10.0.2.2
      uvtrace record --vm --device trace:run.pcapng -- ping -c 5 10.0.2.2
      uvtrace record --vm --device qemu:nvme -- sh -c 'cat "$UVTRACE_DISK" | md5sum'
      sudo uvtrace record --device pci:0000:00:1f.6 --keep-bound -- sleep 10
    """
    if not re.fullmatch(r"\d+[KMG]?", ram, re.IGNORECASE):
        raise UsageError("not a size of memory", where=f"--ram {ram}", hint="as in 1G")
    size, policy = _ring(ring, flight_recorder, stop_when_full)
    specs = [spec.parse(device) for device in devices]
    options = Options(
        output=STDOUT if output == "-" else Path(output or _default_name(specs[0])),
        devices=specs,
        command=words,
        driver=driver,
        ring_bytes=size,
        policy=policy,
        snaplen=snaplen,
        memory=memory,
        timeout_s=timeout,
        keep_bound=keep_bound,
        setup=not no_setup,
    )
    _check_place(options, in_vm, kernel)
    with display(quiet=quiet, stdout_is_taken=output == "-") as progress:
        if in_vm:
            machine = vm.VmOptions(kernels.find(kernel), cpus=cpus, ram=ram)
            result = vm.record_in_vm(options, machine, progress)
        else:
            result = local.record_here(options, progress)
    _report(result, timeout)
    if any(isinstance(each, spec.ModelSpec) and each.model == spec.PLAYED for each in specs):
        _report_course(result.output)
    return _exit_code(result, fail_with_command)


def _ring(
    ring: int | None, flight_recorder: int | None, stop_when_full: bool
) -> tuple[int, RingPolicy]:
    """Size and policy of the ring."""
    if flight_recorder is not None and (ring is not None or stop_when_full):
        raise UsageError("--flight-recorder goes with neither --ring nor --stop-when-full")
    size = flight_recorder or ring or DEFAULT_RING_BYTES
    if not RING_MIN <= size <= RING_MAX:
        raise UsageError(f"the ring's size must be from {RING_MIN >> 10}K to {RING_MAX >> 30}G")
    if flight_recorder is not None:
        return size, RingPolicy.OVERWRITE
    return size, RingPolicy.STOP if stop_when_full else RingPolicy.DROP


def _default_name(device: spec.DeviceSpec) -> str:
    match device:
        case spec.QemuSpec():
            name = device.model
        case spec.ModelSpec():
            name = Path(device.model).stem
        case _:
            name = str(device).partition(":")[2]
    return f"{name.replace(':', '-')}-{time.strftime('%Y%m%d-%H%M%S')}.pcapng"


def _check_place(options: Options, in_vm: bool, kernel: str | None) -> None:
    """Say no before anything is booted or loaded."""
    vm.require_linux_x86()
    if not in_vm and kernel is not None:
        raise UsageError("--kernel chooses a VM's kernel", hint="add --vm")
    for device in options.devices:
        is_of_machine = isinstance(device, spec.FunctionSpec | spec.IdSpec)
        if in_vm and is_of_machine:
            raise UsageError(
                "a VM takes QEMU's devices and models",
                where=str(device),
                hint="as in qemu:e1000 or model:e1000",
            )
        if not in_vm and isinstance(device, spec.QemuSpec):
            raise UsageError("QEMU's devices need a VM", where=str(device), hint="add --vm")
    folder = options.output.parent
    if options.output == STDOUT:
        return
    if not folder.is_dir() or not os.access(folder, os.W_OK):
        raise UsageError("cannot write there", where=str(options.output))


def _report(result: Result, timeout: float) -> None:
    for warning in result.warnings:
        click.echo(f"uvtrace: warning: {printable(warning)}", err=True)
    seconds = result.stages.get("ready", result.stages.get("command", 0.0))
    ended = {
        "timeout": f"COMMAND did not end within {timeout:g} s",
        "interrupted": "interrupted",
        "panic": f"the guest's kernel panicked: {printable(result.failure)}",
        "died": printable(result.failure),
        "failed": printable(result.failure),
    }.get(result.ended)
    if ended:
        click.echo(f"uvtrace: {ended}; what was recorded is kept", err=True)
    code = "" if result.exit_code is None else f", COMMAND's exit code {result.exit_code}"
    click.echo(
        f"uvtrace: {result.output}: {result.records:,} records, {result.lost:,} lost{code}"
        f" (ready after {seconds:.1f} s)",
        err=True,
    )


def _report_course(output: Path) -> None:
    """Say where the driver left the recording that was played to it."""
    if output == STDOUT:
        return
    from uvtrace.play.course import departures

    found = departures(output)
    for text in found:
        click.echo(f"uvtrace: {printable(text)}", err=True)
    if not found:
        click.echo("uvtrace: the driver kept to the recording", err=True)


def _exit_code(result: Result, fail_with_command: bool) -> int:
    if result.ended == "interrupted":
        return INTERRUPTED
    if result.ended in ("panic", "died", "failed"):
        return ExitCode.FAILED
    if fail_with_command and result.exit_code != 0:
        return ExitCode.FAILED
    return ExitCode.OK
