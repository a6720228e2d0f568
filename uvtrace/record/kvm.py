# SPDX-License-Identifier: Apache-2.0
"""Whether KVM works here: found out by booting a kernel in it, not by asking for it.

``/dev/kvm`` may exist, answer every ioctl, even run a boot sector, and then hang or abort as
soon as a kernel boots, as happens with some nested virtualisation.
"""

from __future__ import annotations

import json
import logging
import os
import platform
import subprocess
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from uvtrace.record.cache import cache_directory

log = logging.getLogger(__name__)

PROBE_TIMEOUT_S = 8.0
"""A kernel reaches its end (there is no root file system) in a second under KVM; a machine
that needs longer than this gains nothing over emulation."""

REMEMBERED_S = 7 * 24 * 3600


@dataclass(frozen=True)
class Answer:
    """Attributes: works: KVM can be used; reason: why not, or how long the probe took."""

    works: bool
    reason: str


def probe(
    image: Path, *, qemu: str = "qemu-system-x86_64", timeout_s: float = PROBE_TIMEOUT_S
) -> Answer:
    """Boot a kernel image under KVM until it panics for want of a root file system.

    Never takes longer than ``timeout_s``.
    """
    if not os.path.exists("/dev/kvm"):
        return Answer(False, "there is no /dev/kvm")
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        return Answer(False, "/dev/kvm may not be opened (are you in the group kvm?)")
    with tempfile.TemporaryDirectory(prefix="uvtrace-kvm-") as folder:
        return _boot(qemu, image, Path(folder, "console"), timeout_s)


def _boot(qemu: str, image: Path, console: Path, timeout_s: float) -> Answer:
    command = [qemu, "-accel", "kvm", "-cpu", "host", "-m", "256", "-nodefaults", "-no-reboot"]
    command += ["-display", "none", "-serial", f"file:{console}", "-kernel", str(image)]
    command += ["-append", "console=ttyS0 panic=-1 loglevel=4"]
    begun = time.monotonic()
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            timeout=timeout_s,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return Answer(False, f"/dev/kvm is there, but a guest hangs ({timeout_s:g} s)")
    except FileNotFoundError:
        return Answer(False, f"{qemu} is not installed")
    if done.returncode == 0 and console.exists() and b"panic" in console.read_bytes():
        return Answer(True, f"a kernel booted in {time.monotonic() - begun:.1f} s")
    said = done.stderr.strip().splitlines()
    reason = said[0][:100].removeprefix("qemu-system-x86_64: ") if said else "it ended"
    return Answer(False, f"/dev/kvm is there, but QEMU cannot use it ({reason})")


def remembered(image: Path, *, qemu: str = "qemu-system-x86_64") -> Answer:
    """The answer of the last probe on this machine, at most a week old, else a new one."""
    path = cache_directory() / "kvm.json"
    identity = _identity(qemu)
    try:
        saved = json.loads(path.read_text(encoding="utf-8"))
        if saved["identity"] == identity and 0 <= time.time() - saved["time"] < REMEMBERED_S:
            return Answer(bool(saved["works"]), str(saved["reason"]))
    except (OSError, ValueError, KeyError, TypeError) as error:
        log.debug("no answer of an earlier KVM probe: %s", error)
    return probe_and_remember(image, qemu=qemu)


def probe_and_remember(image: Path, *, qemu: str = "qemu-system-x86_64") -> Answer:
    """Probe now, and let :func:`remembered` know."""
    answer = probe(image, qemu=qemu)
    path = cache_directory() / "kvm.json"
    partial = path.with_suffix(f".{os.getpid()}")
    saved = {"identity": _identity(qemu), "time": time.time(), **asdict(answer)}
    partial.write_text(json.dumps(saved), encoding="utf-8")
    partial.replace(path)
    return answer


def _identity(qemu: str) -> list[str | int]:
    """What a probe's answer depends on."""
    mode = os.stat("/dev/kvm").st_mode if os.path.exists("/dev/kvm") else 0
    return [platform.release(), qemu, os.geteuid(), mode]
