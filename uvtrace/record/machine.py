# SPDX-License-Identifier: Apache-2.0
"""A VM: its QEMU command line, prepared by virtme-ng, and the process.

virtme-ng knows how to boot a distribution's kernel with this machine's root file system: it
finds the modules that the initramfs needs and makes it. It is asked for the command line
(``virtme-run --dry-run``) and QEMU is started from here, so that there is one process, known
by its pid, which dies with the recorder.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from uvtrace.errors import EnvironmentLacksError, UvtraceError
from uvtrace.record.kernels import Kernel

PREPARE_TIMEOUT_S = 120
KILL_GRACE_S = 2.0

GUEST_SHARE = "/run/uvtrace"
"""Where the guest finds the folder that it shares with the host."""

RING_ADDRESS = 0x1C
"""Of the ivshmem device on the root bus; recorded devices are at 0x10 and up."""

_WRITABLE = ("/etc", "/home", "/opt", "/root", "/srv", "/usr", "/var")
"""Folders of this machine that a command may write to in the guest: into a layer in memory."""

# Loaded by udev on every boot, of no use here, and slow without hardware acceleration: kvm_amd
# alone takes six seconds.
_NEEDLESS_MODULES = (
    *("kvm_amd", "kvm_intel", "powernow_k8", "acpi_cpufreq", "i6300esb", "iTCO_wdt", "i2c_i801"),
    *("lpc_ich", "psmouse", "pcspkr", "evdev", "serio_raw", "button", "qemu_fw_cfg"),
    *("aesni_intel", "ghash_clmulni_intel", "sha1_ssse3", "sha256_ssse3", "sha512_ssse3"),
    *("crct10dif_pclmul", "crc32_pclmul", "crc32c_intel"),
)


@dataclass(frozen=True)
class MachineSpec:
    """What a VM is made of.

    Attributes:
        kernel: boots it.
        folder: private to this run; holds the ring, the initramfs, disk images.
        share: the folder that the guest sees at :data:`GUEST_SHARE`.
        ring_bytes: size of the shared memory, a power of two.
        devices: QEMU arguments of the recorded devices.
        blacklist: modules that are not to load at boot.
        cpus: virtual CPUs.
        ram: as QEMU's ``-m`` takes it.
        use_kvm: whether KVM is known to work.
    """

    kernel: Kernel
    folder: Path
    share: Path
    ring_bytes: int
    devices: Sequence[str] = ()
    blacklist: Sequence[str] = ()
    cpus: int = 2
    ram: str = "1G"
    use_kvm: bool = False

    @property
    def ring(self) -> Path:
        """The file behind the shared memory."""
        return self.folder / "ring"

    @property
    def console(self) -> Path:
        """What the guest's kernel says."""
        return self.folder / "console"

    @property
    def log(self) -> Path:
        """What QEMU and virtme-ng's init say."""
        return self.folder / "qemu.log"


def qemu_version() -> str:
    """QEMU's version, ``7.2.22``.

    Raises:
        EnvironmentLacksError: QEMU is not installed.
    """
    program = require_program("qemu-system-x86_64", "apt install qemu-system-x86")
    done = subprocess.run(
        [program, "--version"], capture_output=True, text=True, timeout=30, check=False
    )
    words = done.stdout.split()
    return words[words.index("version") + 1] if "version" in words else "unknown"


def require_program(name: str, hint: str) -> str:
    """The path of a program.

    Raises:
        EnvironmentLacksError: it is not installed.
    """
    path = shutil.which(name)
    if path is None:
        raise EnvironmentLacksError(f"{name} is not installed", hint=hint)
    return path


def virtme_run() -> str:
    """virtme-ng's program, beside this Python or in PATH.

    Raises:
        EnvironmentLacksError: virtme-ng is not installed.
    """
    beside = Path(sys.executable).parent / "virtme-run"
    if beside.is_file():
        return str(beside)
    return require_program("virtme-run", "pip install virtme-ng")


def prepare(spec: MachineSpec) -> list[str]:
    """The QEMU command line that boots the VM and runs ``guest.sh`` of its share.

    Raises:
        EnvironmentLacksError: QEMU, virtme-ng or busybox is missing.
        UvtraceError: virtme-ng refuses.
    """
    require_program("qemu-system-x86_64", "apt install qemu-system-x86")
    require_program("busybox", "apt install busybox-static")
    command = [virtme_run(), "--dry-run", "--show-command"]
    command += ["--save-initramfs", str(spec.folder / "initramfs")]
    if spec.kernel.is_build_directory:
        command += ["--kdir", str(spec.kernel.require_build())]
    else:
        command += ["--kimg", spec.kernel.release]
    # With KVM virtme-ng would choose another board; the same one suits both.
    command += ["--mods=auto", "--disable-microvm", "--disable-kvm"]
    command += ["--force-9p", "--disable-monitor"]
    command += ["--cpus", str(spec.cpus), "--memory", spec.ram]
    command += ["--rwdir", f"{GUEST_SHARE}={spec.share}"]
    # Only asks for the overlay module: the guest's init mounts them.
    command += ["--overlay-rwdir", "/etc"]
    for option in _kernel_options(spec):
        command += ["--kopt", option]
    command += ["--script-sh", "true"]
    arguments = shlex.split(_ask_virtme(command, spec.folder))
    # Copied, as a kernel's command line knows no quotes: this package may lie anywhere.
    script = Path(shutil.copy(Path(__file__).with_name("guest") / "init.sh", spec.folder))
    arguments = [_with_init(_with_console(a, spec.console), script) for a in arguments]
    return [*arguments, *_extra_arguments(spec)]


def _kernel_options(spec: MachineSpec) -> list[str]:
    blacklist = ",".join([*_NEEDLESS_MODULES, *spec.blacklist])
    options = ["loglevel=5", "panic=-1", "net.ifnames=0", "biosdevname=0"]
    return [*options, f"modprobe.blacklist={blacklist}"]


def _ask_virtme(command: list[str], folder: Path) -> str:
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=PREPARE_TIMEOUT_S,
            env={**os.environ, "TMPDIR": str(folder)},
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise UvtraceError(f"virtme-run does not answer within {PREPARE_TIMEOUT_S} s") from error
    lines = [line for line in done.stdout.splitlines() if "qemu-system" in line]
    if done.returncode or not lines:
        said = (done.stderr or done.stdout).strip().splitlines()
        reason = said[-1] if said else f"exit code {done.returncode}"
        raise EnvironmentLacksError(
            f"virtme-ng cannot prepare the VM: {reason}",
            hint="try: virtme-run " + shlex.join(command[1:]),
        )
    return lines[-1]


def _with_console(argument: str, console: Path) -> str:
    """virtme-ng throws the kernel's console away: it goes to a file instead, each line once."""
    if argument.startswith("file,id=console,"):
        return f"file,id=console,path={_quoted(console)}"
    return argument.replace("earlyprintk=serial,ttyS0,115200 ", "")


def _with_init(argument: str, script: Path) -> str:
    """The kernel's command line with our init for virtme-ng's: see ``guest/init.sh``."""
    before, found, _ = argument.rpartition(" init=")
    if not found or "virtme_" not in before:
        return argument
    kept = [word for word in shlex.split(before) if not word.startswith(("virtme_", "virtme."))]
    folders = [folder for folder in _WRITABLE if os.path.isdir(folder)]
    busybox = os.path.realpath(require_program("busybox", "apt install busybox-static"))
    words = ["sh", str(script), busybox, GUEST_SHARE, *folders]
    return " ".join([*kept, f"init={busybox}", "--", *words])


def _extra_arguments(spec: MachineSpec) -> list[str]:
    ring = _quoted(spec.ring)
    arguments = ["-nodefaults", "-machine", "sata=off"]
    arguments += ["-accel", "kvm", "-cpu", "host"] if spec.use_kvm else []
    backend = f"memory-backend-file,id=uvring,size={spec.ring_bytes},mem-path={ring},share=on"
    arguments += ["-object", backend]
    arguments += ["-device", f"ivshmem-plain,memdev=uvring,addr={RING_ADDRESS:#x}"]
    return arguments + list(spec.devices)


def _quoted(path: Path) -> str:
    """In QEMU's options a comma is written twice."""
    return str(path).replace(",", ",,")


def dying_with_us(signal_name: str) -> list[str]:
    """What stands before a command that gets a signal when the thread that started it dies."""
    return ["setpriv", "--pdeathsig", signal_name, "--"] if shutil.which("setpriv") else []


class Machine:
    """A running VM. Ends with its context, whatever happens in it.

    The kernel ends QEMU when the thread that started it dies, ``kill -9`` included.

    Args:
        command: from :func:`prepare`.
        log: file for what QEMU says.

    Raises:
        UvtraceError: QEMU cannot be started.
    """

    def __init__(self, command: Sequence[str], log: Path) -> None:
        self._log = log
        with open(log, "wb") as file:
            self._process = subprocess.Popen(
                [*dying_with_us("KILL"), *command],
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C is for the recorder
            )

    @property
    def pid(self) -> int:
        """Of QEMU."""
        return self._process.pid

    def ended(self) -> bool:
        """Whether QEMU has gone, the guest having powered off, panicked or failed to start."""
        return self._process.poll() is not None

    def messages(self) -> str:
        """What QEMU has said."""
        return self._log.read_text(encoding="utf-8", errors="replace")

    def stop(self, *, grace_s: float = KILL_GRACE_S) -> None:
        """End QEMU if it still runs: asked first, killed when it does not go."""
        if self._process.poll() is None:
            self._process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(grace_s)
        if self._process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()

    def __enter__(self) -> Machine:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
