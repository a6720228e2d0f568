# SPDX-License-Identifier: Apache-2.0
"""What this machine can record, what is in the way, and what would supply it."""

from __future__ import annotations

import os
import platform
import shutil
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from uvtrace.errors import UvtraceError
from uvtrace.record import build, kernels, kvm, lockdown, machine


class State(StrEnum):
    """How a check came out."""

    OK = "ok"
    LIMITED = "limited"
    """Works, but slower or with less."""
    MISSING = "missing"


@dataclass(frozen=True)
class Check:
    """One thing that recording needs.

    Attributes:
        name: stable, for scripts.
        needed_for: ``here`` (recording on this machine), ``vm`` or ``reading``.
        state: how it is.
        detail: what was found.
        remedy: the command that supplies it, or what to do; empty where nothing is to be done.
    """

    name: str
    needed_for: tuple[str, ...]
    state: State
    detail: str
    remedy: str = ""


HERE, VM, READING = "here", "vm", "reading"
USES = (HERE, VM, READING)


def examine() -> Iterator[Check]:
    """Every check, one after the other: some take seconds (building, probing KVM)."""
    yield _architecture()
    yield _root()
    yield _module_loading()
    yield _pci()
    yield from _compilers()
    yield _running_headers()
    yield _running_module()
    yield from _vm_programs()
    yield _vm_kernels()
    yield _kvm()
    yield from _vm_modules()
    yield _tshark()


def possible(checks: Iterable[Check]) -> dict[str, bool]:
    """For each use, whether nothing that it needs is missing."""
    missing = {use for check in checks if check.state is State.MISSING for use in check.needed_for}
    return {use: use not in missing for use in USES}


def _architecture() -> Check:
    found = f"{platform.system()} on {platform.machine()}"
    good = found == "Linux on x86_64"
    remedy = "" if good else "record on Linux on x86-64; traces can be read and checked here"
    return Check("architecture", (HERE, VM), State.OK if good else State.MISSING, found, remedy)


def _root() -> Check:
    if os.geteuid() == 0:
        return Check("root", (HERE,), State.OK, "you are root")
    return Check("root", (HERE,), State.MISSING, "you are not root", "use sudo, or --vm")


def _module_loading() -> Check:
    found = lockdown.obstacle()
    if found is None:
        secure = "on" if lockdown.secure_boot() else "off or unknown"
        detail = f"unsigned modules may be loaded (Secure Boot {secure})"
        return Check("module-loading", (HERE,), State.OK, detail)
    return Check("module-loading", (HERE,), State.MISSING, *found)


def _pci() -> Check:
    if os.path.isdir("/sys/bus/pci/devices") and os.listdir("/sys/bus/pci/devices"):
        count = len(os.listdir("/sys/bus/pci/devices"))
        return Check("pci", (HERE,), State.OK, f"{count} PCI functions")
    return Check("pci", (HERE,), State.MISSING, "this machine shows no PCI bus", "use --vm")


def _compilers() -> Iterator[Check]:
    for name in ("gcc", "make"):
        yield _program(name, (HERE, VM), "apt install build-essential")


def _running_headers() -> Check:
    kernel = kernels.running()
    if kernel.build is not None:
        return Check("headers", (HERE,), State.OK, f"of the running kernel, {kernel.release}")
    remedy = f"apt install linux-headers-{kernel.release}, or use --vm"
    detail = f"none of the running kernel, {kernel.release}"
    return Check("headers", (HERE,), State.MISSING, detail, remedy)


def _running_module() -> Check:
    kernel = kernels.running()
    return _built("module", (HERE,), kernel, missing=State.MISSING)


def _built(
    name: str, needed_for: tuple[str, ...], kernel: kernels.Kernel, *, missing: State
) -> Check:
    try:
        build.module_for(kernel)
    except UvtraceError as error:
        return Check(name, needed_for, missing, error.what, error.hint or "")
    return Check(name, needed_for, State.OK, f"uvbus.ko builds for {kernel.release}")


def _vm_programs() -> Iterator[Check]:
    yield _found("qemu", (VM,), lambda: f"QEMU {machine.qemu_version()}")
    yield _found("virtme-ng", (VM,), machine.virtme_run)
    yield _program("busybox", (VM,), "apt install busybox-static")
    yield _program("modprobe", (HERE, VM), "apt install kmod")
    yield _program("ip", (VM,), "apt install iproute2")
    yield _optional("lspci", (HERE, VM), "apt install pciutils", "devices have numbers, no names")
    yield _optional("ping", (VM,), "apt install iputils-ping", "networks cannot be set up")
    yield _optional(
        "setpriv", (VM,), "apt install util-linux", "a VM may outlive a killed recorder"
    )
    yield _found("uvctl", (VM,), lambda: f"static program at {build.uvctl()}")


def _vm_kernels() -> Check:
    complete = [kernel.release for kernel in kernels.installed() if kernel.is_complete]
    if complete:
        return Check("vm-kernels", (VM,), State.OK, ", ".join(complete))
    remedy = "apt install linux-image-amd64 linux-headers-amd64"
    return Check("vm-kernels", (VM,), State.MISSING, "no kernel with image and headers", remedy)


def _kvm() -> Check:
    complete = [kernel.image for kernel in kernels.installed() if kernel.image is not None]
    if not complete or shutil.which("qemu-system-x86_64") is None:
        return Check("kvm", (VM,), State.LIMITED, "cannot be tried without QEMU and a kernel")
    answer = kvm.probe_and_remember(complete[0])
    if answer.works:
        return Check("kvm", (VM,), State.OK, answer.reason)
    detail = f"{answer.reason}: VMs are emulated, which is slower"
    return Check("kvm", (VM,), State.LIMITED, detail)


def _vm_modules() -> Iterator[Check]:
    for kernel in kernels.installed():
        if kernel.is_complete:
            yield _built(f"module-{kernel.release}", (VM,), kernel, missing=State.LIMITED)


def _tshark() -> Check:
    detail = "display filters do not work"
    return _optional("tshark", (READING,), "apt install tshark", detail)


def _program(name: str, uses: tuple[str, ...], remedy: str) -> Check:
    path = shutil.which(name)
    if path:
        return Check(name, uses, State.OK, path)
    return Check(name, uses, State.MISSING, "not installed", remedy)


def _optional(name: str, uses: tuple[str, ...], remedy: str, without: str) -> Check:
    path = shutil.which(name)
    if path:
        return Check(name, uses, State.OK, path)
    return Check(name, uses, State.LIMITED, f"not installed: {without}", remedy)


def _found(name: str, uses: tuple[str, ...], ask: Callable[[], str]) -> Check:
    try:
        return Check(name, uses, State.OK, ask())
    except UvtraceError as error:
        return Check(name, uses, State.MISSING, error.what, error.hint or "")
