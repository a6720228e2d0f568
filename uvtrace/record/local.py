# SPDX-License-Identifier: Apache-2.0
"""Records a driver on this machine, through ``/dev/uvbus0``."""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import mmap
import os
import platform
import shlex
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from uvtrace.errors import EnvironmentLacksError, ExitCode, UvtraceError
from uvtrace.record import abi, build, build_ids, kernels, local_models, lockdown, virtual
from uvtrace.record.binding import PciFunction, find_functions
from uvtrace.record.consumer import Consumer
from uvtrace.record.local_models import Played
from uvtrace.record.output import Output
from uvtrace.record.ring import Ring
from uvtrace.record.session import STDOUT, Drain, Options, Progress, Result
from uvtrace.record.spec import ModelSpec, told
from uvtrace.trace.enums import RingPolicy, RingState, SetupFlag, Topic
from uvtrace.version import VERSION

DEVICE = Path("/dev/uvbus0")
DEVICE_TIMEOUT_S = 5.0


class ModuleRefusedError(UvtraceError):
    """The kernel module said no to a request; ``number`` is the errno."""

    exit_code = ExitCode.ENVIRONMENT

    def __init__(self, what: str, number: int) -> None:
        super().__init__(f"{what}: {os.strerror(number).lower()}", where=str(DEVICE))
        self.number = number


def record_here(options: Options, progress: Progress) -> Result:
    """Record on this machine; returns when the command has ended.

    Drivers that were bound before are re-bound when recording begins, and stay bound or
    unbound as ``options.keep_bound`` says. Ctrl-C ends the command and keeps the trace.

    Raises:
        EnvironmentLacksError: not root, no headers, a locked-down kernel.
        UsageError: no such PCI function, or no such model.
        ModuleRefusedError: the module does not accept what it is asked for.
    """
    require_root()
    parameters = local_models.parameters(options.devices)
    find_functions([each for each in options.devices if not isinstance(each, ModelSpec)])
    progress.stage("build")
    with loaded_module(*parameters), local_models.playing(options.devices) as played:
        functions = find_functions(played.devices)
        with Device() as device:
            return _Recording(options, progress, functions, played, device).run()


def require_root() -> None:
    """Raises EnvironmentLacksError for anybody but root."""
    if os.geteuid() != 0:
        raise EnvironmentLacksError(
            "recording on this machine needs root", hint="run it with sudo, or record in a VM: --vm"
        )


@contextmanager
def loaded_module(*parameters: str) -> Iterator[None]:
    """uvbus.ko for the running kernel, loaded with these parameters while the context lasts.

    One that is loaded already is used, and left loaded.
    """
    if DEVICE.exists():
        yield
        return
    lockdown.require_module_loading()
    module = build.module_for(kernels.running())
    _tool(["insmod", str(module), *parameters], "uvbus.ko does not load")
    try:
        deadline = time.monotonic() + DEVICE_TIMEOUT_S
        while not DEVICE.exists() and time.monotonic() < deadline:
            time.sleep(0.02)
        yield
    finally:
        # Refused while a driver still holds trapped addresses: it stays, and serves them.
        subprocess.run(["rmmod", "uvbus"], capture_output=True, timeout=30, check=False)


class Device:
    """``/dev/uvbus0``, open; a context."""

    def __init__(self, path: Path = DEVICE) -> None:
        try:
            self._file = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        except OSError as error:
            raise ModuleRefusedError("cannot open it", error.errno or 0) from error

    def control(self, request: int, argument: ctypes.Structure | None, what: str) -> None:
        """An ioctl; the structure is updated in place.

        Raises:
            ModuleRefusedError: the module said no.
        """
        try:
            if argument is None:
                fcntl.ioctl(self._file, request)
            else:
                fcntl.ioctl(self._file, request, argument, True)
        except OSError as error:
            raise ModuleRefusedError(what, error.errno or 0) from error

    def info(self) -> abi.Info:
        """What the module says of itself.

        Raises:
            ModuleRefusedError: it is of another version.
        """
        info = abi.Info()
        self.control(abi.IOC_INFO, info, "cannot ask the module")
        if info.abi != abi.ABI_VERSION:
            raise UvtraceError(
                f"uvbus.ko has ABI {info.abi}, not {abi.ABI_VERSION}",
                where=str(DEVICE),
                hint="unload it: rmmod uvbus",
            )
        return info

    def claim(self) -> None:
        """Be the one recorder; a recording that a killed one has left running is stopped.

        Raises:
            EnvironmentLacksError: another recorder is at work.
        """
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise EnvironmentLacksError(
                "another recording is running on this machine", hint="wait for it, or end it"
            ) from error
        if self.info().state == RingState.RUNNING:
            self.control(abi.IOC_STOP, None, "cannot stop what a killed recorder left")

    def map_ring(self, size: int) -> mmap.mmap:
        """The ring, writable and shared with the kernel."""
        return mmap.mmap(self._file, size)

    def statistics(self) -> dict[str, int]:
        """The module's counters."""
        stats = abi.Stats()
        self.control(abi.IOC_STATS, stats, "cannot read statistics")
        return stats.as_dict()

    def __enter__(self) -> Device:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._file)


class _Recording:
    """One run on this machine."""

    def __init__(
        self,
        options: Options,
        progress: Progress,
        functions: list[PciFunction],
        played: Played,
        device: Device,
    ) -> None:
        self._options = options
        self._played = played
        self._progress = progress
        self._functions = functions
        self._device = device
        self._result = Result(options.output)
        self._begun = time.monotonic()
        self._bound_before: dict[str, str] = {}

    def run(self) -> Result:
        self._stage("arm")
        self._arm()
        info = self._device.info()
        ring = Ring(self._device.map_ring(info.ring_bytes))
        output = self._open(ring)
        with output:
            drain = Drain(Consumer(ring, functions=len(self._functions)), output, self._progress)
            try:
                self._work(drain)
            except KeyboardInterrupt:
                self._result.ended = "interrupted"
            except UvtraceError as error:
                self._result.ended, self._result.failure = "failed", str(error)
            finally:
                self._device.control(abi.IOC_STOP, None, "cannot stop")
                drain.finish()
            self._conclude(output)
        self._device.control(abi.IOC_DESELECT, None, "cannot forget the functions")
        self._put_back()
        return self._result

    def _stage(self, name: str) -> None:
        self._result.stages[name] = time.monotonic() - self._begun
        self._progress.stage(name)

    def _arm(self) -> None:
        """Mappings that exist before arming cannot be trapped: unbind first, then start."""
        setup = abi.RingSetup(
            bytes=self._options.ring_bytes,
            policy=int(self._options.policy),
            flags=int(SetupFlag.MEMORY if self._options.memory else 0),
        )
        self._device.claim()
        self._device.control(abi.IOC_DESELECT, None, "cannot forget an earlier choice")
        self._device.control(abi.IOC_RING, setup, "cannot make the ring")
        for function in self._functions:
            if driver := function.driver():
                self._bound_before[function.name] = driver
            function.release()
            what = f"cannot select {function.name}"
            self._device.control(abi.IOC_SELECT, function.as_select(), what)
        self._device.control(abi.IOC_START, None, "cannot start")

    def _open(self, ring: Ring) -> Output:
        output = Output(
            self._options.output,
            functions=[
                (found.name, found.description(self._driver_of(found))) for found in self._functions
            ],
            os_release=platform.release(),
            command=shlex.join(self._options.command),
            clock_offset_ns=ring.clock.offset_ns,
            build_id_of=build_ids.LoadedModules().build_id,
            snaplen=self._options.snaplen,
        )
        output.begin_at(ring.clock.mono_ns)
        output.write_json(Topic.SESSION, self._session())
        output.write_kernel(platform.release(), build_ids.of_this_kernel())
        return output

    def _driver_of(self, function: PciFunction) -> str | None:
        """The module to bind: asked for, or the model's; None: what modalias picks."""
        return self._options.driver or self._played.drivers.get(function.name)

    def _session(self) -> dict[str, Any]:
        return {
            "tool": f"uvtrace {VERSION}",
            "source": "local",
            "command": list(self._options.command),
            "devices": [told(device) for device in self._options.devices],
            "parameters": virtual.parameters_of(self._options.devices),
            "driver": self._options.driver and Path(self._options.driver).name,
            "kernel": platform.release(),
            "host": f"{platform.system()} {platform.release()} {platform.machine()}",
            "cpus": os.cpu_count(),
            "ring_bytes": self._options.ring_bytes,
            "policy": RingPolicy(self._options.policy).name.lower(),
            "snaplen": self._options.snaplen,
            "memory": self._options.memory,
            "timeout_s": self._options.timeout_s,
            "keep_bound": self._options.keep_bound,
        }

    def _work(self, drain: Drain) -> None:
        """Bind, run the command, unbind; the ring is drained all the while."""
        self._stage("bind")
        for function in self._functions:
            self._meanwhile(drain, function.bind_commands(self._driver_of(function)))
            if function.driver() is None:
                raise UvtraceError("no driver was bound to it", where=function.name)
        self._stage("command")
        self._run_command(drain)
        if not self._options.keep_bound:
            self._stage("unbind")
            for function in self._functions:
                self._meanwhile(drain, function.unbind_commands())

    def _put_back(self) -> None:
        """Leave a function as it was found: bound to the driver that had it before."""
        for function in self._functions:
            driver = self._bound_before.get(function.name)
            if driver is None or function.driver() is not None:
                continue
            try:
                function.bind_to(driver)
            except OSError as error:
                text = f"{function.name} was not given back to {driver}: {error.strerror}"
                self._result.warnings.append(text)

    def _meanwhile(self, drain: Drain, command: list[str]) -> None:
        """Run a short shell command while draining: probing may take seconds."""
        with subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE) as child:
            while child.poll() is None:
                drain.step()
            said = child.stderr.read().decode(errors="replace").strip() if child.stderr else ""
        if child.returncode:
            raise UvtraceError(said or "failed", where=shlex.join(command[3:] or command))

    def _run_command(self, drain: Drain) -> None:
        online = [os.sysconf("SC_NPROCESSORS_ONLN")]
        deadline = time.monotonic() + self._options.timeout_s
        stdout = 2 if self._options.output == STDOUT else None  # the trace has taken it
        child = subprocess.Popen(self._options.command, stdout=stdout, start_new_session=True)
        try:
            while child.poll() is None and time.monotonic() < deadline:
                drain.step()
        finally:
            _end(child)
        if child.returncode is not None and time.monotonic() >= deadline:
            self._result.ended = "timeout"
        self._result.exit_code = child.returncode
        self._result.cpus = [*online, os.sysconf("SC_NPROCESSORS_ONLN")]

    def _conclude(self, output: Output) -> None:
        self._result.statistics = self._device.statistics()
        self._result.lost = output.lost
        self._result.warnings += [
            f"{model.error}\n{model.report}" for model in self._played.processes if model.failed
        ]
        self._stage("done")
        output.write_json(Topic.RESULT, self._result.as_metadata())
        self._result.records = output.records


def _end(child: subprocess.Popen[bytes]) -> None:
    """End a command and what it has started, if it still runs."""
    if child.poll() is not None:
        return
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGTERM)
    with contextlib.suppress(subprocess.TimeoutExpired):
        child.wait(2)
    if child.poll() is None:
        os.killpg(child.pid, signal.SIGKILL)
        child.wait()


def _tool(command: list[str], what: str) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    except FileNotFoundError as error:
        raise EnvironmentLacksError(
            f"{command[0]} is not installed", hint="apt install kmod"
        ) from error
    if done.returncode:
        raise EnvironmentLacksError(f"{what}: {done.stderr.strip()}", hint="see: dmesg | tail")
