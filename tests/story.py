# SPDX-License-Identifier: Apache-2.0
"""Traces for tests, written so that they read like what happened.

    trace = (
        Story("0000:00:03.0", driver="e1000")
        .config_write(0x04, 0x6)
        .map(0x1000, 256, "TO_DEVICE")
        .mmio_write("TDT", 1, registers={"TDT": 0x3818})
        .dma_read(0x1000, 64)
        .unmap(0x1000, 256, "TO_DEVICE")
        .trace()
    )

Events are numbered from 0 in the order they are told; time moves on by ``step_ns`` with each.
What names sites and modules is added after the last event, so that it moves no number.

Any field of the record or of its union can be given as a keyword with any event (``cpu=1``,
``status="TIMEOUT"``, ``flags=Flag.STALE``, ``phys=0x9000``), enums by name. ``site`` and
``caller`` take text, ``"e1000_xmit_frame+0x5d0"``, meaning this driver's module, or
``"ioread32+0x10 [kernel]"``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from tests.story_events import (
    BusEvents,
    DmaEvents,
    InterruptEvents,
    LifeEvents,
    TraceEvents,
)
from uvtrace.trace import enums
from uvtrace.trace.documents import symbol_records
from uvtrace.trace.enums import Flag, Kind
from uvtrace.trace.functions import describe_function
from uvtrace.trace.layout import (
    FUNCTION_NONE,
    RECORD,
    RECORD_VERSION,
    VIEW_OF_KIND,
    VIEWS,
    make_records,
    site,
    view_of,
)
from uvtrace.trace.sequence import renumber
from uvtrace.trace.trace import Trace, open_bytes
from uvtrace.trace.writer import PcapngWriter

_SITE = re.compile(r"(?P<symbol>[^\s+]+)(?:\+(?P<offset>0x[0-9a-f]+))?(?: \[(?P<module>[^]]+)\])?")
_ENUMS: dict[str, Any] = {
    "phase": enums.Phase,
    "status": enums.Status,
    "direction": enums.Direction,
    "flavour": enums.Flavour,
    "memory_type": enums.MemoryType,
    "type": enums.IrqType,
}
_FROM_DEVICE = range(Kind.DMA_READ, Kind.INTX_DEASSERT + 1)
_SITE_FIELDS = {"handler", "thread"}

DEFAULT_BARS = {0: (0xFEB80000, 0x20000), 1: (0xC000, 0x40)}
"""Bus address and length by BAR: registers, and I/O ports."""


@dataclass
class _Names:
    """Sites and modules that the story has mentioned, and where it put them."""

    modules: dict[str, int] = field(default_factory=lambda: {"kernel": 0})
    told: set[str] = field(default_factory=lambda: {"kernel"})
    symbols: dict[tuple[str, str], int] = field(default_factory=dict)
    names: dict[int, str] = field(default_factory=dict)

    def module(self, name: str) -> int:
        return self.modules.setdefault(name, len(self.modules))

    def site(self, text: str, default_module: str) -> int:
        found = _SITE.fullmatch(text)
        if found is None:
            raise ValueError(f"not a site: {text!r}")
        module = found["module"] or default_module
        symbol, offset = found["symbol"], int(found["offset"] or "0", 16)
        start = self.symbols.setdefault((module, symbol), 0x1000 * (len(self.symbols) + 1))
        address = site(self.module(module), start + offset)
        suffix = "" if module == "kernel" else f" [{module}]"
        self.names[address] = f"{symbol}+{offset:#x}/0x1000{suffix}"
        return address


class Story(BusEvents, DmaEvents, InterruptEvents, LifeEvents, TraceEvents):
    """A trace that is being told. Every event returns the story itself.

    Args:
        function: domain:bus:device.function of the first PCI function; "" for none.
        driver, vendor, device: of that function.
        bars: bus address and length by BAR number.
        registers: offsets of registers by name, which accesses may then use.
        start_ns: time of the first event.
        step_ns: time between events.
        os: the recorded kernel.
    """

    def __init__(
        self,
        function: str = "0000:00:03.0",
        *,
        driver: str = "e1000",
        vendor: int = 0x8086,
        device: int = 0x100E,
        bars: Mapping[int, tuple[int, int]] = DEFAULT_BARS,
        registers: Mapping[str, int] | None = None,
        start_ns: int = 1_000_000_000,
        step_ns: int = 1_000,
        os: str = "6.1.0-test",
    ) -> None:
        self._events: list[np.void] = []
        self._payloads: list[bytes | None] = []
        self._comments: dict[int, str] = {}
        self._functions: list[tuple[str, str]] = []
        self._drivers: list[str] = []
        self._bars_of: list[Mapping[int, tuple[int, int]]] = []
        self._function = FUNCTION_NONE
        self._names = _Names()
        self._usual: dict[str, Any] = {}
        self._documents = 0
        self._tags = 0
        self.registers = dict(registers or {})
        self._time_ns = start_ns
        self._step_ns = step_ns
        self._os = os
        if function:
            self.function(function, driver=driver, vendor=vendor, device=device, bars=bars)

    # --------------------------------------------------------------- the telling

    def function(
        self,
        name: str,
        *,
        driver: str = "e1000",
        vendor: int = 0x8086,
        device: int = 0x100E,
        bars: Mapping[int, tuple[int, int]] = DEFAULT_BARS,
    ) -> Self:
        """What follows concerns this PCI function; declared when it is first named."""
        names = [known for known, _ in self._functions]
        if name not in names:
            self._functions.append((name, describe_function(driver, vendor, device)))
            self._drivers.append(driver)
            self._bars_of.append(dict(bars))
            names.append(name)
        self._function = names.index(name)
        return self

    def usually(self, **fields: Any) -> Self:
        """Every event from here on has these fields, unless it says otherwise."""
        self._usual.update(fields)
        return self

    def wait(self, time_ns: int) -> Self:
        """Nothing happens for ``time_ns`` nanoseconds (negative: the clock jumps back)."""
        self._time_ns += time_ns
        return self

    def comment(self, text: str) -> Self:
        """A packet comment on the last event."""
        self._comments[len(self._events) - 1] = text
        return self

    def record(self, kind: Kind | int, *, payload: bytes | None = None, **fields: Any) -> Self:
        """Any event at all, also of a kind that does not exist."""
        number = int(kind)
        fields = {**self._usual, **fields}
        record = make_records(1, kind=number, function=self._function, time_ns=self._time_ns)
        record["version"] = RECORD_VERSION
        if payload is not None:
            record["payload"] = len(payload)
        for name, value in self._sited(number, fields).items():
            self._set(record, number, name, value)
        self._time_ns += self._step_ns
        self._events.append(record[0])
        self._payloads.append(payload)
        return self

    @property
    def driver(self) -> str:
        """The driver of the function in hand."""
        return self._drivers[self._function] if self._drivers else "driver"

    @property
    def bars(self) -> Mapping[int, tuple[int, int]]:
        """Bus address and length of each BAR of the function in hand."""
        return self._bars_of[self._function] if self._bars_of else DEFAULT_BARS

    def offset_of(self, register: str | int) -> int:
        """A register's offset: by name, as text in hexadecimal, or as a number."""
        if isinstance(register, int):
            return register
        return self.registers[register] if register in self.registers else int(register, 16)

    def new_tag(self) -> int:
        """A tag that no other event of this story has been given."""
        self._tags += 1
        return self._tags

    def new_document(self) -> int:
        """A number for a metadata document."""
        self._documents += 1
        return self._documents

    def names_module(self, name: str) -> int:
        """The index of a module; its MODULE_LOAD record is now the story's own matter."""
        self._names.told.add(name)
        return self._names.module(name)

    # --------------------------------------------------------------- the trace

    def records(self) -> tuple[NDArray[np.void], list[bytes | None]]:
        """Every record, numbered, and its payload; names of sites come last."""
        records = np.array(self._events, RECORD) if self._events else np.zeros(0, RECORD)
        modules, module_names = self._module_records()
        symbols, symbol_names = symbol_records(self._names.names, time_ns=self._time_ns)
        told = np.concatenate([records, modules, symbols])
        renumbered = told.copy()
        renumber(renumbered, 0)
        # A seq that the story gave on purpose stands.
        given = np.flatnonzero(records["seq"])
        renumbered["seq"][given] = records["seq"][given]
        return renumbered, [*self._payloads, *module_names, *symbol_names]

    def write(self, path: str | Path | BytesIO) -> None:
        """Write the trace to a file; ``.gz`` and ``.zst`` compress it."""
        records, payloads = self.records()
        with PcapngWriter(path, functions=self._functions, os=self._os) as writer:
            writer.write(records, payloads, self._comments)

    def to_bytes(self) -> bytes:
        """The file's bytes."""
        file = BytesIO()
        self.write(file)
        return file.getvalue()

    def trace(self) -> Trace:
        """The trace, through the writer and the reader."""
        return open_bytes(self.to_bytes(), "story")

    def _module_records(self) -> tuple[NDArray[np.void], Sequence[bytes | None]]:
        untold = [name for name in self._names.modules if name not in self._names.told]
        records = make_records(len(untold), kind=Kind.MODULE_LOAD, time_ns=self._time_ns)
        records["length"] = 0x100000
        records["payload"] = [len(name) for name in untold]
        view_of(records, "module")["index"] = [self._names.modules[name] for name in untold]
        return records, [name.encode() for name in untold]

    def _sited(self, kind: int, fields: dict[str, Any]) -> dict[str, Any]:
        """``fields`` with the site as ``ip``; the driver's events have one of their own."""
        fields = dict(fields)
        place = fields.pop("site", None)
        of_trace = kind >= Kind.SNAPSHOT or VIEW_OF_KIND.get(kind) == "module"
        if place is None and not of_trace and kind not in _FROM_DEVICE and "ip" not in fields:
            name = Kind(kind).name.lower() if kind in VIEW_OF_KIND else f"kind_{kind}"
            place = f"{self.driver}_{name}+0x10"
        if place is not None:
            fields["ip"] = place
        return fields

    def _set(self, record: NDArray[np.void], kind: int, name: str, value: Any) -> None:
        if isinstance(value, str):
            value = self._number(name, value)
        if name in (RECORD.names or ()):
            record[name] = value
            return
        member = VIEW_OF_KIND.get(kind)
        if member is None or name not in (VIEWS[member].names or ()):
            raise TypeError(f"a {kind} record has no field {name!r}")
        union = view_of(record, member)
        union[name] = np.frombuffer(value, np.uint8) if isinstance(value, bytes) else value

    def _number(self, name: str, text: str) -> int:
        if name in ("ip", "caller") or name in _SITE_FIELDS:
            return self._names.site(text, self.driver) if text else 0
        if name == "flags":
            return int(Flag[text])
        return int(_ENUMS[name][text])
