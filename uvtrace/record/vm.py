# SPDX-License-Identifier: Apache-2.0
"""Records a driver in a VM: the ring lies in memory that the guest shares with this process."""

from __future__ import annotations

import logging
import mmap
import os
import platform
import re
import shlex
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from uvtrace.errors import EnvironmentLacksError, ExitCode, UsageError, UvtraceError
from uvtrace.record import build, build_ids, kvm, machine, models, virtual
from uvtrace.record.consumer import Consumer
from uvtrace.record.kernels import Kernel
from uvtrace.record.machine import Machine, MachineSpec
from uvtrace.record.models import Attached
from uvtrace.record.output import Output
from uvtrace.record.ring import Ring
from uvtrace.record.session import Drain, Options, Progress, Result
from uvtrace.record.share import Share
from uvtrace.record.spec import DeviceSpec, ModelSpec, QemuSpec, told
from uvtrace.record.workspace import private_folder
from uvtrace.trace.enums import RingPolicy, Topic
from uvtrace.trace.functions import describe_function
from uvtrace.version import VERSION

log = logging.getLogger(__name__)

BOOT_TIMEOUT_S = 180.0
"""Until the guest's script runs. Without hardware acceleration a boot takes about six seconds
on an idle machine, several times as long on a busy one."""
STEP_TIMEOUT_S = 120.0
"""For each step of the guest's script but the command."""
BOOT_ATTEMPTS = 3
"""Without hardware acceleration a kernel that patches its own code while it boots sometimes
panics over a breakpoint that QEMU's other CPU still has translated. Nothing was recorded then."""
WATCH_EVERY_S = 0.05
CONSOLE_MAX = 256 * 1024

_PANIC = re.compile(r"Kernel panic - not syncing[^\n]*")
_OOPS = re.compile(r"(?:BUG: |Oops: |general protection fault|WARNING: )[^\n]*")


class GuestError(UvtraceError):
    """The guest could not do its part; the reason comes from inside it.

    Attributes:
        crashed: its kernel did, before anything was recorded.
    """

    exit_code = ExitCode.ENVIRONMENT

    def __init__(self, what: str, *, where: str, crashed: bool = False) -> None:
        super().__init__(what, where=where)
        self.crashed = crashed


@dataclass(frozen=True)
class VmOptions:
    """The VM.

    Attributes:
        kernel: boots it.
        cpus: virtual CPUs.
        ram: as QEMU's ``-m`` takes it.
    """

    kernel: Kernel
    cpus: int = 2
    ram: str = "1G"


def record_in_vm(options: Options, vm: VmOptions, progress: Progress) -> Result:
    """Record; returns when the guest has ended, whichever way it did.

    A timeout, a guest's panic or Ctrl-C leaves a valid trace and is told in the result.

    Raises:
        UsageError: a device is not a QEMU device.
        EnvironmentLacksError: QEMU, virtme-ng, headers or a compiler are missing.
        GuestError: nothing could be recorded.
    """
    for left in reversed(range(BOOT_ATTEMPTS)):
        try:
            with private_folder(2 * options.ring_bytes) as folder:
                return _Recording(options, vm, progress, folder).run()
        except GuestError as error:
            if not error.crashed or not left:
                raise
            log.debug("booting again: %s", error)
            progress.stage("again")
    raise AssertionError("a VM that is not booted again has raised")


class _Recording:
    """One run; what is known of it so far."""

    def __init__(self, options: Options, vm: VmOptions, progress: Progress, folder: Path) -> None:
        self._options = options
        self._vm = vm
        self._progress = progress
        share = folder / "share"
        share.mkdir()
        self._share = Share(share)
        self._models = virtual.Models(folder, vm.kernel)
        self._devices = [
            self._place(device, number, folder) for number, device in enumerate(options.devices)
        ]
        self._drivers = self._checked_drivers()
        self._accelerated = kvm.Answer(False, "")
        self._folder = folder
        self._spec = self._machine_spec()
        self._result = Result(options.output)
        self._output: Output | None = None
        self._drain: Drain | None = None
        self._memory: mmap.mmap | None = None
        self._begun = time.monotonic()
        self._reached: list[str] = []
        self._step_since = self._begun

    def run(self) -> Result:
        self._progress.stage("build")
        self._fill_share()
        self._progress.stage("boot")
        command = machine.prepare(self._spec)
        self._step_since = time.monotonic()
        with self._models, Machine(command, self._spec.log) as running:
            try:
                self._watch(running)
            except KeyboardInterrupt:
                self._result.ended = "interrupted"
            self._progress.stage("end")
            running.stop()
            self._finish(running)
        return self._result

    # ------------------------------------------------------------ before

    def _place(self, device: DeviceSpec, number: int, folder: Path) -> Attached:
        if isinstance(device, ModelSpec):
            return self._models.attach(device, number)
        if isinstance(device, QemuSpec):
            return models.attach(device, number, folder)
        raise UsageError(
            "a VM takes QEMU's devices and models",
            where=str(device),
            hint="as in qemu:e1000 or model:e1000",
        )

    def _machine_spec(self) -> MachineSpec:
        answer = kvm.remembered(self._vm.kernel.require_image())
        self._accelerated = answer
        arguments = [argument for device in self._devices for argument in device.arguments]
        return MachineSpec(
            kernel=self._vm.kernel,
            folder=self._folder,
            share=self._share.folder,
            # Header and slots share one power of two, so that slots fill half of it.
            ring_bytes=2 * _power_of_two_upto(self._options.ring_bytes),
            devices=[*arguments, *self._models.make_links()],
            blacklist=[driver for device in self._devices for driver in device.drivers],
            cpus=self._vm.cpus,
            ram=self._vm.ram,
            use_kvm=answer.works,
        )

    def _fill_share(self) -> None:
        folder = self._share.folder
        shutil.copy(build.module_for(self._vm.kernel), folder / "uvbus.ko")
        shutil.copy(build.uvctl(), folder / "uvctl")
        shutil.copy(Path(__file__).with_name("guest") / "guest.sh", folder / "guest.sh")
        for driver in self._drivers:
            if driver.endswith(".ko"):
                shutil.copy(driver, folder / Path(driver).name)
        self._share.write_command(self._options.command)
        self._share.write_config(
            {
                "MODULE_PARAMETERS": "shared=1 virtual=1" if self._models else "shared=1",
                "FUNCTIONS": " ".join(device.name for device in self._devices),
                "SETUPS": self._setups(),
                "DRIVERS": " ".join(Path(driver).name or "-" for driver in self._drivers),
                "DIRECTORY": os.getcwd(),
                "RING_BYTES": str(_power_of_two_upto(self._options.ring_bytes)),
                "RING_POLICY": RingPolicy(self._options.policy).name.lower(),
                "RING_CONTENTS": "memory" if self._options.memory else "",
                "TIMEOUT": f"{self._options.timeout_s:g}",
                "APPEAR_ATTEMPTS": "300" if self._models else "1",
                "BIND_ATTEMPTS": "100",
                "KEEP_BOUND": "1" if self._options.keep_bound else "",
            }
        )

    def _checked_drivers(self) -> list[str]:
        """Per device the module to load: a name, a file, or nothing for what modalias picks."""
        chosen = self._options.driver
        if chosen is None:
            return [device.driver for device in self._devices]
        if chosen.endswith(".ko") and not Path(chosen).is_file():
            raise UsageError("there is no such module file", where=chosen)
        return [chosen] * len(self._devices)

    def _setups(self) -> str:
        return " ".join(device.setup for device in self._devices) if self._options.setup else ""

    # ------------------------------------------------------------ while it runs

    def _watch(self, running: Machine) -> None:
        """Drain and look after the guest until it ends, or until it takes too long."""
        looked_at = 0.0
        while True:
            gone = running.ended()
            now = time.monotonic()
            if gone or now - looked_at >= WATCH_EVERY_S:
                looked_at = now
                self._look()
            if gone or "done" in self._reached or "failed" in self._reached:
                return
            if self._took_too_long(now):
                self._result.ended = "timeout"
                return
            if self._drain is not None:
                self._drain.step()
            else:
                time.sleep(WATCH_EVERY_S)

    def _look(self) -> None:
        """See what the guest has done since the last look."""
        for name in ("stdout", "stderr"):
            if data := self._share.new_output(name):
                self._progress.command_output(data, is_error=name == "stderr")
        stages = self._share.stages()
        for stage in stages[len(self._reached) :]:
            self._step_since = time.monotonic()
            self._result.stages[stage] = self._step_since - self._begun
            self._progress.stage(stage)
        self._reached = stages
        self._result.warnings += self._models.failures()
        if self._drain is None and "armed" in stages:
            self._attach()

    def _took_too_long(self, now: float) -> bool:
        if not self._reached:
            limit = BOOT_TIMEOUT_S
        elif self._reached[-1] == "ready":
            # The guest ends the command by itself; this is for a guest that hangs.
            limit = self._options.timeout_s + STEP_TIMEOUT_S
        else:
            limit = STEP_TIMEOUT_S
        return now - self._step_since > limit

    def _attach(self) -> None:
        """Open the ring and the file: the guest has armed."""
        with open(self._spec.ring, "r+b") as file:
            self._memory = mmap.mmap(file.fileno(), 0)
        ring = Ring(self._memory)
        clock = ring.clock
        functions = self._share.functions()
        self._output = Output(
            self._options.output,
            functions=[
                (seen.name, describe_function(seen.driver, seen.vendor, seen.device, seen.text))
                for seen in functions
            ],
            os_release=self._share.text("release"),
            command=shlex.join(self._options.command),
            clock_offset_ns=clock.offset_ns,
            build_id_of=self._modules().build_id,
            snaplen=self._options.snaplen,
        )
        self._output.begin_at(clock.mono_ns)
        self._output.write_json(Topic.SESSION, self._session())
        notes = self._share.folder / "notes"
        self._output.write_kernel(
            self._share.text("release"), build_ids.of_notes(notes.read_bytes())
        )
        consumer = Consumer(ring, functions=len(functions))
        self._drain = Drain(consumer, self._output, self._progress)

    def _modules(self) -> build_ids.InstalledModules:
        extra = tuple(Path(driver) for driver in self._drivers if driver.endswith(".ko"))
        return build_ids.InstalledModules(self._share.text("release"), extra)

    def _session(self) -> dict[str, Any]:
        """The SESSION document: enough to record the same again."""
        return {
            "tool": f"uvtrace {VERSION}",
            "source": "vm",
            "command": list(self._options.command),
            "devices": [told(device) for device in self._options.devices],
            "parameters": virtual.parameters_of(self._options.devices),
            # A file by its name: where it lay on this machine is nobody's business.
            "driver": self._options.driver and Path(self._options.driver).name,
            "kernel": self._share.text("release"),
            "host": f"{platform.system()} {platform.release()} {platform.machine()}",
            "qemu": machine.qemu_version(),
            "acceleration": "kvm" if self._accelerated.works else "tcg",
            "cpus": self._vm.cpus,
            "ram": self._vm.ram,
            "ring_bytes": self._options.ring_bytes,
            "policy": RingPolicy(self._options.policy).name.lower(),
            "snaplen": self._options.snaplen,
            "memory": self._options.memory,
            "timeout_s": self._options.timeout_s,
            "keep_bound": self._options.keep_bound,
            "setup": self._options.setup,
        }

    # ------------------------------------------------------------ after

    def _finish(self, running: Machine) -> None:
        self._look()
        self._judge()
        if self._output is None or self._drain is None:
            if self._result.ended == "interrupted":
                raise KeyboardInterrupt
            raise GuestError(
                self._why_nothing(running),
                where=f"VM with {self._vm.kernel.release}",
                crashed=self._crashed(running),
            )
        self._drain.finish()
        with self._output as output:
            if self._result.console:
                output.write_text(Topic.CONSOLE, self._result.console)
            self._result.lost = output.lost
            output.write_json(Topic.RESULT, self._result.as_metadata())
            self._result.records = output.records

    def _judge(self) -> None:
        """Say how it ended."""
        result, share = self._result, self._share
        result.console = self._console()
        result.statistics = share.numbers("stats")
        result.cpus = share.integers("cpus")
        result.warnings += share.text("warnings").splitlines()
        codes = share.integers("result")
        result.exit_code = codes[0] if codes else None
        if panic := _PANIC.search(result.console):
            result.ended, result.failure = "panic", panic[0]
        elif oops := _OOPS.search(result.console):
            result.warnings.append(f"the kernel said: {oops[0]}")
        if result.ended == "command":
            self._judge_ending()

    def _judge_ending(self) -> None:
        result = self._result
        if "failed" in self._reached:
            result.ended, result.failure = "failed", self._share.text("error")
        elif "done" not in self._reached:
            result.ended = "died"
            result.failure = f"the VM went away after {self._last_stage()}"
        elif result.exit_code == 124:
            result.ended = "timeout"

    def _console(self) -> str:
        try:
            data = self._spec.console.read_bytes()
        except FileNotFoundError:
            data = b""
        text = data[-CONSOLE_MAX:].decode(errors="replace").replace("\r", "").strip()
        log = self._share.text("dmesg")  # of a guest that could not go on
        return f"{text}\n{log}".strip()

    def _last_stage(self) -> str:
        return self._reached[-1] if self._reached else "boot"

    def _crashed(self, running: Machine) -> bool:
        """Whether the guest's kernel did; one that resets the machine need not have said so."""
        if self._result.ended == "died" and not self._reached:
            # What QEMU cannot do it says.
            return not running.messages().strip()
        return self._result.ended == "panic"

    def _why_nothing(self, running: Machine) -> str:
        if self._result.ended == "timeout":
            return f"no answer after {self._last_stage()}"
        if self._result.ended != "died":
            return self._result.failure
        said = (running.messages().strip() or self._result.console).splitlines()
        words = said[-1].removeprefix("qemu-system-x86_64: ") if said else "without a word"
        return f"it ended after {self._last_stage()}: {words}"


def _power_of_two_upto(size: int) -> int:
    return 1 << (size.bit_length() - 1)


def require_linux_x86() -> None:
    """Raises EnvironmentLacksError where the module cannot work."""
    if platform.system() != "Linux" or platform.machine() != "x86_64":
        raise EnvironmentLacksError(
            f"recording needs Linux on x86-64, not {platform.system()} on {platform.machine()}",
            hint="traces recorded elsewhere can be read and checked here",
        )
