# SPDX-License-Identifier: Apache-2.0
"""Contracts: what a driver must do with a device, as automata, and how the right one is found."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from uvtrace import packs
from uvtrace.check.automaton import Automaton
from uvtrace.check.expression import Truth
from uvtrace.check.latest import Latest
from uvtrace.errors import InputError, UsageError, UvtraceError
from uvtrace.layouts.declaration import Layouts
from uvtrace.layouts.ring import Ring
from uvtrace.play.declaration import Playing
from uvtrace.trace.enums import Snapshot
from uvtrace.trace.functions import Function
from uvtrace.trace.layout import view_of
from uvtrace.trace.trace import Trace

GROUP: Final = "uvtrace.devices"
"""The entry-point group in which packs declare contracts."""
_CLASS_CODE = slice(0x09, 0x0C)


@dataclass(frozen=True, kw_only=True)
class Engine:
    """A part of the device that uses memory by itself from when it is started (RES004).

    Attributes:
        name: of the engine, such as ``e1000.receive``.
        starts: the events that start it.
        stops: the events by which the driver stops it, or learns that it has stopped.
        address: the memory that it uses, as registers were told before: one number, or the lower
            and the upper 32 bits.
    """

    name: str
    starts: Truth
    stops: Truth
    address: tuple[Latest] | tuple[Latest, Latest]


@dataclass(frozen=True, kw_only=True)
class Contract:
    """The automata that one kind of device and its driver must keep to.

    Attributes:
        name: what ``--contract`` calls it.
        automata: the machines; each is kept per function and key.
        engines: what uses memory by itself.
        devices: vendor and device IDs of the functions it is for.
        class_codes: class codes (24 bits: class, subclass, interface) it is for, whoever made them.
        registers: a register description that names what the guards are about.
        rings: the descriptors by which driver and device exchange buffers.
        inputs: registers (``MTA[]`` for arrays) whose values depend on traffic: they are only
            compared where a recording shows what was transmitted and received.
        layouts: what lies in the memory that driver and device share.
        playing: what it takes for a recording of the device to play for a live driver.
        description: a paragraph, for the documentation.
    """

    name: str
    automata: tuple[Automaton, ...]
    engines: tuple[Engine, ...] = ()
    devices: frozenset[tuple[int, int]] = frozenset()
    class_codes: frozenset[int] = frozenset()
    registers: Path | None = None
    layouts: Layouts | None = None
    playing: Playing | None = None
    rings: tuple[Ring, ...] = ()
    inputs: frozenset[str] = frozenset()
    description: str = ""

    def __post_init__(self) -> None:
        names = [automaton.name for automaton in self.automata]
        if len(set(names)) != len(names):
            raise UvtraceError("an automaton is named twice", where=f"contract {self.name}")

    def is_for(self, function: Function, class_code: int | None) -> bool:
        """Whether it is about a function, by its IDs or by its class code."""
        return (function.vendor, function.device) in self.devices or class_code in self.class_codes


def installed_contracts() -> tuple[Contract, ...]:
    """Every contract that an installed pack declares, in order of their names.

    Raises:
        EnvironmentLacksError: a pack cannot be imported.
    """
    found = (each for each in packs.load(GROUP) if isinstance(each, Contract))
    return tuple(sorted(found, key=lambda contract: contract.name))


def contract_named(name: str) -> Contract:
    """A contract by its name, or by the path of a Python file that declares ``CONTRACT``.

    The file is run: it is code, to be trusted like any other.

    Raises:
        UsageError: no contract has that name.
        InputError: the file cannot be read, or declares no contract.
    """
    if name.endswith(".py"):
        return _from_file(Path(name))
    contracts = installed_contracts()
    for contract in contracts:
        if contract.name == name:
            return contract
    known = ", ".join(contract.name for contract in contracts) or "none"
    raise UsageError(
        f"there is no contract {name!r}",
        hint=f"installed: {known}; or give the path of a .py file",
    )


def contract_for(
    function: Function, class_code: int | None, contracts: Sequence[Contract]
) -> Contract | None:
    """The contract for a function: one that names its IDs before one that names its class."""
    for code in (None, class_code):
        for contract in contracts:
            if contract.is_for(function, code):
                return contract
    return None


def class_codes(trace: Trace) -> dict[int, int]:
    """Function index to class code (24 bits), where the trace has its config space."""
    codes: dict[int, int] = {}
    for index, row in _config_snapshots(trace):
        if len(codes) == len(trace.functions):
            break
        space = trace.payload(row)
        if index not in codes and len(space) >= _CLASS_CODE.stop:
            codes[index] = int.from_bytes(space[_CLASS_CODE], "little")
    return codes


def _config_snapshots(trace: Trace) -> Iterator[tuple[int, int]]:
    for row in trace.snapshot_rows().tolist():
        record = trace[row : row + 1].records
        if view_of(record, "meta")["topic"][0] == Snapshot.CONFIG:
            yield int(record["function"][0]), row


def _from_file(path: Path) -> Contract:
    contract = getattr(packs.module_of_file(path), "CONTRACT", None)
    if not isinstance(contract, Contract):
        raise InputError("declares no CONTRACT", path=path, hint="see docs/graphs.md")
    return contract
