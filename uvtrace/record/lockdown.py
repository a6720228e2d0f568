# SPDX-License-Identifier: Apache-2.0
"""Whether the running kernel loads an unsigned module."""

from __future__ import annotations

from pathlib import Path

from uvtrace.errors import EnvironmentLacksError

_LOCKDOWN = Path("/sys/kernel/security/lockdown")
_SECURE_BOOT = Path("/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c")
_SIGNATURES_ENFORCED = Path("/sys/module/module/parameters/sig_enforce")
_MODULES_DISABLED = Path("/proc/sys/kernel/modules_disabled")


def lockdown_mode() -> str:
    """``none``, ``integrity`` or ``confidentiality``; ``none`` where the kernel has no lockdown."""
    text = _read(_LOCKDOWN)
    return text.partition("[")[2].partition("]")[0] or "none"


def secure_boot() -> bool:
    """Whether the firmware says that Secure Boot is on."""
    try:
        return _SECURE_BOOT.read_bytes()[-1:] == b"\x01"
    except OSError:
        return False


def obstacle() -> tuple[str, str] | None:
    """Why an unsigned module would not load and what to do about it; None where it would."""
    if _read(_MODULES_DISABLED) == "1":
        return "loading modules is switched off (kernel.modules_disabled)", "boot anew"
    if (mode := lockdown_mode()) != "none":
        cause = "Secure Boot" if secure_boot() else "the kernel's command line"
        return (
            f"the kernel is locked down ({mode}, by {cause}) and loads signed modules only",
            "record in a VM (--vm), or sign uvbus.ko with a key of yours: see mokutil(1)",
        )
    if _read(_SIGNATURES_ENFORCED) == "Y":
        return (
            "the kernel loads signed modules only",
            "boot without module.sig_enforce, or use --vm",
        )
    return None


def require_module_loading() -> None:
    """Raises EnvironmentLacksError where an unsigned module would not load."""
    if found := obstacle():
        raise EnvironmentLacksError(found[0], hint=found[1])


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except OSError:
        return ""
