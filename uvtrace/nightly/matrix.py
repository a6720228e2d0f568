# SPDX-License-Identifier: Apache-2.0
"""A matrix file: which kernels, devices and workloads there are, and how runs are judged.

The file is TOML::

    format = 1

    [kernels]                            # the newest installed release that fits
    "6.1" = '6\\.1\\.\\d+-\\d+-amd64'
    "6.12" = '6\\.12\\.\\d+.*-amd64'

    [devices.e1000]
    spec = "qemu:e1000"                  # as record --device takes it
    workloads = ["network"]              # all by default
    kernels = ["6.1"]                    # all by default
    driver = "e1000"                     # or a .ko; or one for each kernel: { "6.12" = "my.ko" }
    memory = true                        # record the contents of memory, too
    setup = false                        # no network, no disk: as record --no-setup
    contract = "e1000"                   # the installed one for the device by default
    registers = "e1000.rdl"              # what its registers are, as check --registers takes it

    [workloads.network]
    command = "ping -c 5 10.0.2.2"
    timeout_s = 120
    repetitions = 2

    [checks]
    select = ["DMA", "IRQ"]
    ignore = ["DMA012"]
    require = ["DMA001"]
    suppressions = "known.toml"

    [[expected]]                         # findings that are no news
    signature = "DMA007:*"               # or rule = "DMA007"; * and ? are wildcards
    device = "e1000*"
    kernel = "6.1*"
    reason = "fixed by 1a2b3c4, not backported yet"
    expires = 2027-03-31                 # the last day on which it holds

    [limits]
    jobs = 2                             # side by side
    cpus = 2                             # of each VM
    ram = "1G"                           # of each VM
    seconds = 900                        # a job may take in all
    bytes = "256M"                       # a recording may have
    reports = 600                        # seconds for all reports and minimised traces

Files are named from the folder that the matrix lies in.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from uvtrace.check.rules import Selection
from uvtrace.errors import UsageError
from uvtrace.nightly.acceptance import Acceptance
from uvtrace.record import spec
from uvtrace.toml_file import TomlFile
from uvtrace.toml_table import Table

FORMAT: Final = 1
_SECTIONS = ("format", "kernels", "devices", "workloads", "checks", "expected", "limits")
_DEVICE = ("spec", "driver", "memory", "setup", "contract", "registers", "workloads", "kernels")
_WORKLOAD = ("command", "timeout_s", "repetitions")
_CHECKS = ("select", "ignore", "require", "suppressions")
_EXPECTED = ("signature", "rule", "device", "kernel", "reason", "expires")
_LIMITS = ("jobs", "cpus", "ram", "seconds", "bytes", "reports")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+-]*")


@dataclass(frozen=True, kw_only=True)
class Device:
    """A device of the matrix.

    Attributes:
        name: in the matrix.
        spec: as ``record --device`` takes it.
        drivers: module or file by kernel's name; ``*`` for the other kernels. Empty: the one
            that modalias picks.
        memory: record the contents of memory, too.
        setup: bring up a network interface, give a disk to a disk's driver.
        contract: name, or path of a file; empty for the installed one.
        registers: file that says what its registers are; empty for none.
        workloads: names; empty for all.
        kernels: names; empty for all.
    """

    name: str
    spec: str
    drivers: Mapping[str, str] = field(default_factory=dict)
    memory: bool = False
    setup: bool = True
    contract: str = ""
    registers: str = ""
    workloads: tuple[str, ...] = ()
    kernels: tuple[str, ...] = ()

    def driver(self, kernel: str) -> str:
        """The module or file for a kernel; empty for the one that modalias picks."""
        return self.drivers.get(kernel, self.drivers.get("*", ""))


@dataclass(frozen=True, kw_only=True)
class Workload:
    """What the recorded machine does: a command for its shell, how long at most, how often."""

    name: str
    command: str
    timeout_s: float = 120.0
    repetitions: int = 1


@dataclass(frozen=True, kw_only=True)
class Checks:
    """How recordings are judged.

    Attributes:
        selection: the rules.
        require: IDs and prefixes of rules that must pass.
        suppressions: a suppressions file, or None.
    """

    selection: Selection = field(default_factory=Selection)
    require: tuple[str, ...] = ()
    suppressions: Path | None = None


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What the jobs may take: how many side by side, and each of them at most.

    Attributes:
        reports_s: that reports and minimised traces may take after the jobs, in all; 0: none are
            made.
    """

    jobs: int = 1
    cpus: int = 2
    ram_bytes: int = 1 << 30
    seconds: float = 900.0
    trace_bytes: int = 256 << 20
    reports_s: float = 600.0


@dataclass(frozen=True, kw_only=True)
class Matrix:
    """A matrix file.

    Attributes:
        path: the file.
        kernels: name to a pattern of releases.
        devices, workloads: in the file's order.
        checks, limits: see there.
        expected: findings that are no news.
    """

    path: Path
    kernels: Mapping[str, str]
    devices: tuple[Device, ...]
    workloads: tuple[Workload, ...]
    checks: Checks
    limits: Limits
    expected: tuple[Acceptance, ...]


def read_matrix(path: str | Path, rules: Iterable[str] = ()) -> Matrix:
    """A matrix of a file.

    Args:
        path: the file.
        rules: IDs of the rules there are; names of none of them are refused. Empty: any.

    Raises:
        UsageError: the file cannot be read, or not understood; says which line and why.
    """
    file = TomlFile(path, hint="uvtrace nightly takes a TOML file")
    whole = Table(file, (), file.content, _SECTIONS)
    if whole.whole("format", FORMAT) != FORMAT:
        raise whole.error(f"format is not {FORMAT}", "format", "a later uvtrace may read it")
    known = tuple(rules)
    kernels = _kernels(whole)
    workloads = tuple(_workload(name, each) for name, each in _named(whole, "workloads", _WORKLOAD))
    names = tuple(each.name for each in workloads)
    return Matrix(
        path=Path(path),
        kernels=kernels,
        devices=tuple(
            _device(name, each, tuple(kernels), names)
            for name, each in _named(whole, "devices", _DEVICE)
        ),
        workloads=workloads,
        checks=_checks(whole.table("checks", _CHECKS), known),
        limits=_limits(whole.table("limits", _LIMITS)),
        expected=tuple(_expected(each, known) for each in whole.entries("expected", _EXPECTED)),
    )


def _named(whole: Table, section: str, known: tuple[str, ...]) -> list[tuple[str, Table]]:
    """The tables of a section, which must have one, whose names are fit for files."""
    outer = whole.table(section, ())
    if not outer.content:
        raise whole.error(f"there is nothing in {section}", section, f"write [{section}.NAME]")
    for name in outer.content:
        _check_name(outer, name)
    return list(outer.tables(known))


def _check_name(table: Table, name: str) -> None:
    if not _NAME.fullmatch(name):
        hint = "letters, digits and . _ + -, as files are named after it"
        raise table.error(f"{name!r} is no name", name, hint)


def _kernels(whole: Table) -> dict[str, str]:
    table = whole.table("kernels", ())
    if not table.content:
        hint = "as in [kernels] and \"6.12\" = '6\\.12\\..*'"
        raise whole.error("there is nothing in kernels", "kernels", hint)
    for name in table.content:
        _check_name(table, name)
        try:
            re.compile(table.text(name))
        except re.error as error:
            raise table.error(f"{name} is no pattern: {error}", name) from error
    return {name: table.text(name) for name in table.content}


def _device(
    name: str, table: Table, kernels: tuple[str, ...], workloads: tuple[str, ...]
) -> Device:
    text, registers = table.text("spec"), table.text("registers", "")
    table.understood("spec", lambda: spec.parse(text))
    return Device(
        name=name,
        spec=_from_folder(table, text),
        drivers=_drivers(table, kernels),
        memory=table.flag("memory"),
        setup=table.flag("setup", True),
        contract=_file_or_name(table, "contract", ".py"),
        registers=str(_file(table, "registers", registers)) if registers else "",
        workloads=_of(table, "workloads", workloads),
        kernels=_of(table, "kernels", kernels),
    )


def _from_folder(table: Table, text: str) -> str:
    """A device whose file, if it names one, is found from the matrix's folder."""
    kind, _, rest = text.partition(":")
    name, comma, options = rest.partition(",")
    if kind == "trace" or (kind == "model" and name.endswith(".py")):
        return f"{kind}:{_file(table, 'spec', name)}{comma}{options}"
    return text


def _of(table: Table, name: str, known: tuple[str, ...]) -> tuple[str, ...]:
    chosen = table.texts(name)
    for each in chosen:
        if each not in known:
            raise table.error(f"{each!r} is not in {name}", name, f"there are {', '.join(known)}")
    return chosen


def _drivers(table: Table, kernels: tuple[str, ...]) -> dict[str, str]:
    if not isinstance(table.content.get("driver"), dict):
        driver = _file_or_name(table, "driver", ".ko")
        return {"*": driver} if driver else {}
    inner = table.table("driver", (*kernels, "*"))
    return {name: _file_or_name(inner, name, ".ko") for name in inner.content}


def _file_or_name(table: Table, name: str, suffix: str) -> str:
    """A name as it is; a file, told by its suffix, as found from the matrix's folder."""
    text = table.text(name, "")
    if not text.endswith(suffix):
        return text
    return str(_file(table, name, text))


def _file(table: Table, name: str, text: str) -> Path:
    path = table.file.path.parent / text
    if not path.is_file():
        raise table.error(f"there is no file {text}", name)
    return path


def _workload(name: str, table: Table) -> Workload:
    return Workload(
        name=name,
        command=table.text("command").strip(),
        timeout_s=table.seconds("timeout_s", 120.0),
        repetitions=table.whole("repetitions", 1),
    )


def _checks(table: Table, known: tuple[str, ...]) -> Checks:
    suppressions = table.text("suppressions", "")
    return Checks(
        selection=Selection(_ids(table, "select", known), _ids(table, "ignore", known)),
        require=_ids(table, "require", known),
        suppressions=_file(table, "suppressions", suppressions) if suppressions else None,
    )


def _ids(table: Table, name: str, known: tuple[str, ...]) -> tuple[str, ...]:
    ids = tuple(each.strip().upper() for each in table.texts(name))
    for each in ids:
        _check_id(table, name, each, known)
    return ids


def _check_id(table: Table, name: str, wanted: str, known: tuple[str, ...]) -> None:
    if not wanted or (known and not any(rule.startswith(wanted) for rule in known)):
        raise table.error(f"{wanted!r} names no rule", name, "uvtrace rules lists them")


def _expected(table: Table, known: tuple[str, ...]) -> Acceptance:
    signature, rule = table.text("signature", ""), table.text("rule", "").upper()
    if bool(signature) == bool(rule):
        raise table.error("an expected finding has a signature or a rule, one of both")
    if rule:
        _check_id(table, "rule", rule, known)
    return Acceptance(
        signature=signature,
        rule=rule,
        device=table.text("device", "*"),
        kernel=table.text("kernel", "*"),
        reason=table.text("reason"),
        expires=table.day("expires"),
        origin=f"{table.file.path}:{table.file.line(table.key)}",
    )


def _limits(table: Table) -> Limits:
    default = Limits()
    return Limits(
        jobs=table.whole("jobs", default.jobs),
        cpus=table.whole("cpus", default.cpus),
        ram_bytes=table.size("ram", "1G"),
        seconds=table.seconds("seconds", default.seconds),
        trace_bytes=table.size("bytes", "256M"),
        reports_s=table.seconds("reports", default.reports_s, or_none=True),
    )


def releases_of(
    kernels: Mapping[str, str], installed: Iterable[str]
) -> tuple[dict[str, str], tuple[str, ...]]:
    """The release that stands for each kernel.

    Args:
        kernels: name to a pattern of releases.
        installed: the releases there are, newest first.

    Returns:
        Name to release, and the names that no release fits.
    """
    there = tuple(installed)
    found = {}
    for name, pattern in kernels.items():
        fits = (release for release in there if re.fullmatch(pattern, release))
        release = next(fits, None)
        if release is not None:
            found[name] = release
    return found, tuple(name for name in kernels if name not in found)


def chosen(
    matrix: Matrix, takes: Callable[[Device, Workload, str], bool]
) -> list[tuple[Device, Workload, str]]:
    """Devices, workloads and kernels' names that belong together, in the file's order.

    Raises:
        UsageError: there are none.
    """
    found = [
        (device, workload, kernel)
        for kernel in matrix.kernels
        for device in matrix.devices
        for workload in matrix.workloads
        if (not device.kernels or kernel in device.kernels)
        and (not device.workloads or workload.name in device.workloads)
        and takes(device, workload, kernel)
    ]
    if not found:
        raise UsageError("the matrix has no job", where=str(matrix.path))
    return found
