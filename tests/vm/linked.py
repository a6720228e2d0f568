# SPDX-License-Identifier: Apache-2.0
"""A VM with uvbus.ko in virtual mode, and small models in C (``kmod/tools/uvlink.c``).

The guest runs a shell script; it and the test keep in step by what the script says
(:meth:`Guest.wait_for`) and by what the test lets happen (:meth:`Guest.go`, ``await NAME`` in
the script).
"""

from __future__ import annotations

import contextlib
import re
import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.kmod.compiler import build as compile_program
from uvtrace.record import build, kernels, kvm, machine
from uvtrace.record.ivshmem import LinkServer
from uvtrace.record.machine import Machine, MachineSpec
from uvtrace.record.workspace import private_folder

BOOT_TIMEOUT_S = 180.0
BOOT_ATTEMPTS = 3
WAIT_S = 120.0
# For Python and for grep -E. Not "stall" alone: a kernel is always installing something.
COMPLAINTS = (
    r"BUG:|kernel BUG|WARNING:|Oops|general protection|Call Trace|blocked for more|detected stall"
    r"|expedited stall|lockup|scheduling while atomic|nobody cared|refcount_t|objects remaining"
)

PREAMBLE = r"""
share=$1
PATH=$share:/usr/sbin:/usr/bin:/sbin:/bin
exec >"$share/out" 2>&1
say() { echo "$*"; }
await() { until [ -e "$share/go.$1" ]; do sleep 0.05; done; }
until_file() {
	n=0
	until [ -e "$1" ]; do
		sleep 0.05
		n=$((n + 1))
		[ $n -lt 1200 ] || return 1
	done
}
counts() {
	line=$1
	for name in reads ones wrong moved missed interrupts slowest_us; do
		line="$line $name=$(cat /sys/module/uvtraffic/parameters/$name)"
	done
	say "$line"
}
memory() {
	sync
	echo 3 >/proc/sys/vm/drop_caches
	sleep 1
	say memory $1 $(awk '/^(SUnreclaim|VmallocUsed|MemAvailable):/ { print $1 $2 }' /proc/meminfo)
}
say booted
"""
ENDING = r"""
dmesg | grep -E 'COMPLAINTS' && dmesg | tail -n 80
say done
sync
echo o >/proc/sysrq-trigger
sleep 60
"""


def uvlink(folder: Path) -> Path:
    """The model, static, so that it runs in any guest."""
    tools = build.source_directory() / "tools"
    sources = [tools / "uvlink.c", tools / "uvlink_fuzz.c"]
    return compile_program(sources, folder / "uvlink", flags=("-O2", "-static"))


@dataclass
class Guest:
    """A running VM.

    Attributes:
        share: the folder that the guest sees.
        server: its links.
        program: uvlink.
    """

    share: Path
    server: LinkServer
    program: Path
    machine: Machine
    console: Path
    models: list[subprocess.Popen[str]] = field(default_factory=list)

    def model(self, *words: str, link: int = 0, options: Sequence[str] = ()) -> Model:
        """Start uvlink behind a link."""
        files = self.server.links[link]
        fds = (files.wake_fd, files.kick_fd)
        command = [str(self.program), *options, str(files.path), str(files.offset)]
        process = subprocess.Popen(
            [*command, *map(str, fds), *words],
            pass_fds=fds,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.models.append(process)
        return Model(process)

    def go(self, name: str) -> None:
        """Let the script pass ``await NAME``."""
        (self.share / f"go.{name}").touch()

    @property
    def said(self) -> str:
        """What the script has said."""
        with contextlib.suppress(FileNotFoundError):
            return (self.share / "out").read_text(errors="replace")
        return ""

    def wait_for(self, pattern: str, timeout_s: float = WAIT_S) -> re.Match[str]:
        """Wait until the script has said something; fails when it does not."""
        deadline = time.monotonic() + timeout_s
        while True:
            if found := re.search(pattern, self.said, re.MULTILINE):
                return found
            ended = self.machine.ended()
            if ended and not re.search(pattern, self.said, re.MULTILINE):
                raise AssertionError(f"the VM ended before {pattern!r}: {self.story()}")
            assert time.monotonic() < deadline, f"no {pattern!r}: {self.story()}"
            time.sleep(0.05)

    def counts(self, label: str, timeout_s: float = WAIT_S) -> dict[str, int]:
        """The numbers of uvtraffic that the script has told with ``counts LABEL``."""
        line = self.wait_for(rf"^{label} (.*slowest_us=\d+)$", timeout_s)[1]
        return {name: int(value) for name, value in re.findall(r"(\w+)=(\d+)", line)}

    def grown_kib(self) -> dict[str, int]:
        """What the kernel has gained from ``memory before`` to ``memory after``.

        That is what tells a leak: distributions' kernels have no kmemleak.
        """
        before, after = (
            {name: int(number) for name, number in re.findall(r"(\w+):(\d+)", line)}
            for line in re.findall(r"^memory (?:before|after) (.*)$", self.said, re.MULTILINE)
        )
        return {name: after[name] - before[name] for name in before}

    def finish(self, timeout_s: float = WAIT_S) -> None:
        """The script has ended, and the kernel has complained of nothing."""
        self.wait_for("^done$", timeout_s)
        console = self.console.read_text(errors="replace") if self.console.exists() else ""
        complaints = [line for line in console.splitlines() if re.search(COMPLAINTS, line)]
        assert not complaints, self.story()
        assert not re.search(COMPLAINTS, self.said), self.story()

    def story(self) -> str:
        """All that is known, for a failure."""
        console = self.console.read_text(errors="replace") if self.console.exists() else ""
        models = [f"model ended with {p.returncode}" for p in self.models if p.poll() is not None]
        return "\n".join([self.said, *models, console[-6000:]])


@dataclass(frozen=True)
class Model:
    """A uvlink that runs on the host."""

    process: subprocess.Popen[str]

    def line(self) -> str:
        """The next line that it says."""
        assert self.process.stdout
        return self.process.stdout.readline().strip()

    def end(self, timeout_s: float = 30.0) -> list[str]:
        """Ask it to end; the rest that it says."""
        self.process.terminate()
        return self.rest(timeout_s)

    def rest(self, timeout_s: float) -> list[str]:
        """What it says until it ends by itself."""
        said, _ = self.process.communicate(timeout=timeout_s)
        return said.splitlines()


@contextlib.contextmanager
def guest(
    script: str,
    release: str | None = None,
    *,
    links: int = 1,
    cpus: int = 2,
    driver: str = "uvtraffic",
    devices: Sequence[str] = (),
) -> Iterator[Guest]:
    """Boot a VM that runs ``script`` (after it: ``done``).

    Args:
        script: finds ``uvbus.ko``, ``uvctl``, ``uvlink`` and the driver in ``$share``.
        release: of the kernel; None: the newest.
        links: how many.
        cpus: how many.
        driver: of ``kmod/tests``.
        devices: QEMU arguments of devices that it emulates.
    """
    kernel = kernels.find(release)
    modules = [build.module_for(kernel)]
    tests = build.source_directory() / "tests"
    modules.append(build.module_from(tests, driver, kernel))
    with private_folder(64 << 20) as folder, LinkServer(folder, links) as server:
        share = folder / "share"
        share.mkdir()
        for module in modules:
            shutil.copy(module, share / module.name)
        program = uvlink(share)
        shutil.copy(build.uvctl(), share / "uvctl")
        ending = ENDING.replace("COMPLAINTS", COMPLAINTS)
        (share / "guest.sh").write_text(PREAMBLE + script + ending)
        spec = MachineSpec(
            kernel=kernel,
            folder=folder,
            share=share,
            ring_bytes=4 << 20,
            devices=[*server.arguments, *devices],
            cpus=cpus,
            use_kvm=kvm.remembered(kernel.require_image()).works,
        )
        running = _boot(spec, share)
        made = Guest(share, server, program, running, spec.console)
        try:
            yield made
        finally:
            running.stop()
            for process in made.models:
                process.kill()
                process.wait()


def _boot(spec: MachineSpec, share: Path) -> Machine:
    command = machine.prepare(spec)
    for _ in range(BOOT_ATTEMPTS):
        running = Machine(command, spec.log)
        deadline = time.monotonic() + BOOT_TIMEOUT_S
        while not (share / "out").exists() and not running.ended():
            if time.monotonic() > deadline:
                break
            time.sleep(0.1)
        if (share / "out").exists():
            return running
        running.stop()
    raise AssertionError(f"the VM does not boot: {spec.log.read_text(errors='replace')}")
