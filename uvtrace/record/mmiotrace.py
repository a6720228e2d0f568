# SPDX-License-Identifier: Apache-2.0
"""A log of the kernel's mmiotrace as a recording."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from uvtrace.record import mmiotrace_log as log
from uvtrace.record.output import Output
from uvtrace.record.slots import Batch
from uvtrace.trace.enums import Flag, Kind, LossCause, Phase, Snapshot, Status, Topic
from uvtrace.trace.functions import describe_function
from uvtrace.trace.layout import (
    BAR,
    BAR_NONE,
    FUNCTION_NONE,
    SITE_MODULE_UNKNOWN,
    make_records,
    site,
    view_of,
)

BATCH = 1 << 14
"""Lines that become records at once."""


def import_log(source: str | os.PathLike[str], target: str | os.PathLike[str]) -> int:
    """Convert a log into a recording, and return its number of records.

    Only functions of which the log maps a BAR are declared. Accesses carry the flag IMPORTED; the
    program counter is a bare kernel address, so that its site has the unknown module.

    Raises:
        InputError: a line of the log is wrong; names the line, and nothing is written.
        OSError: the log cannot be read.
    """
    functions = _mapped_functions(source)
    names = [
        (device.name, describe_function(device.driver, device.vendor, device.device))
        for device in functions
    ]
    with Output(target, functions=names, os_release="", command="", clock_offset_ns=0) as output:
        converter = _Converter(functions)
        output.write_text(Topic.CONVERTED, f"from a log of mmiotrace, version {log.VERSION}")
        output.write(converter.snapshots())
        for batch in converter.batches(_lines(source)):
            output.write(batch)
        return output.records


def _lines(source: str | os.PathLike[str]) -> Iterator[log.Line]:
    # Marks are whatever somebody wrote: no byte of them may stop the import.
    with Path(source).open(encoding="utf-8", errors="backslashreplace", newline="\n") as lines:
        for _, line in log.parse(lines, source):
            yield line


def _mapped_functions(source: str | os.PathLike[str]) -> list[log.PciDevice]:
    """The functions that the log maps a BAR of, in the order of their PCIDEV lines."""
    devices: list[log.PciDevice] = []
    mapped: set[int] = set()
    for line in _lines(source):
        if isinstance(line, log.PciDevice):
            devices.append(line)
        elif isinstance(line, log.Map):
            mapped.add(line.address)
    return [
        device
        for device in devices
        if any(resource.holds(address) for resource in device.resources for address in mapped)
    ]


class _Converter:
    """Turns lines into records, and knows which mapping is of which BAR."""

    def __init__(self, functions: list[log.PciDevice]) -> None:
        self._functions = functions
        self._maps: dict[int, log.Map] = {}
        self._places: dict[int, tuple[int, log.Resource | None]] = {}
        self._time_ns = 0

    def snapshots(self) -> Batch:
        """What the PCIDEV lines say of each function: its BARs and its driver."""
        topics = [Snapshot.BARS, Snapshot.DRIVER]
        records = make_records(len(self._functions) * len(topics), kind=Kind.SNAPSHOT)
        records["flags"] = Flag.IMPORTED
        records["function"] = np.repeat(np.arange(len(self._functions)), len(topics))
        view_of(records, "meta")["topic"] = topics * len(self._functions)
        payloads: dict[int, bytes] = {}
        for index, device in enumerate(self._functions):
            payloads[2 * index] = _bars(device.resources)
            payloads[2 * index + 1] = device.driver.encode()
        view_of(records, "meta")["total"] = [len(payloads[row]) for row in range(len(records))]
        return Batch(records, payloads)

    def batches(self, lines: Iterable[log.Line]) -> Iterator[Batch]:
        """Records of the lines, in batches."""
        held: list[log.Line] = []
        for line in lines:
            if isinstance(line, log.PciDevice):
                continue
            held.append(line)
            if len(held) == BATCH:
                yield self._batch(held)
                held = []
        yield self._batch(held)

    def _batch(self, lines: list[log.Line]) -> Batch:
        records = make_records(len(lines), flags=Flag.IMPORTED)
        payloads: dict[int, bytes] = {}
        for row, line in enumerate(lines):
            one = records[row : row + 1]
            if isinstance(line, log.Access):
                self._access(one, line)
            elif isinstance(line, log.Map):
                self._map(one, line)
            elif isinstance(line, log.Unmap):
                self._unmap(one, line)
            elif isinstance(line, log.Mark):
                self._time_ns = line.time_ns
                one["kind"] = Kind.MARK
                payloads[row] = line.text.encode(errors="replace")
                one["length"] = view_of(one, "meta")["total"] = len(payloads[row])
            elif isinstance(line, log.Lost):
                # Loss is noticed later than it happens and has no time of its own.
                one["kind"] = Kind.LOSS
                one["value"] = max(1, line.count)
                view_of(one, "meta")["topic"] = LossCause.RING_FULL
            one["time_ns"] = self._time_ns
        return Batch(records, payloads)

    def _access(self, one: NDArray[np.void], line: log.Access) -> None:
        self._time_ns = line.time_ns
        function, resource = self._place(line.mapping, line.address)
        one["kind"] = Kind.MMIO_WRITE if line.is_write else Kind.MMIO_READ
        one["phase"] = Phase.POSTED if line.is_write else Phase.WHOLE
        one["function"] = function
        one["address"] = line.address
        one["length"] = line.width
        one["value"] = line.value
        one["ip"] = site(SITE_MODULE_UNKNOWN, line.pc) if line.pc else 0
        access = view_of(one, "access")
        access["bar"] = BAR_NONE if resource is None else resource.index
        access["offset"] = line.address - (0 if resource is None else resource.start)
        access["width"] = line.width
        access["mapping"] = line.mapping
        if line.is_write:
            one["flags"] |= np.uint32(Flag.WRITE)
        if line.opcode:
            one["flags"] |= np.uint32(Flag.UNDECODED)
            one["status"] = Status.UNKNOWN
            access["insn_length"] = len(line.opcode)
            access["insn"][0, : len(line.opcode)] = np.frombuffer(line.opcode, np.uint8)

    def _map(self, one: NDArray[np.void], line: log.Map) -> None:
        self._time_ns = line.time_ns
        self._maps[line.mapping] = line
        self._places[line.mapping] = self._resource_at(line.address)
        self._mapping(one, Kind.IOMAP, line)
        view_of(one, "life")["trapped"] = 1

    def _unmap(self, one: NDArray[np.void], line: log.Unmap) -> None:
        self._time_ns = line.time_ns
        made = self._maps.get(line.mapping, log.Map(line.time_ns, line.mapping, 0, 0))
        self._mapping(one, Kind.IOUNMAP, made)

    def _mapping(self, one: NDArray[np.void], kind: Kind, made: log.Map) -> None:
        function, resource = self._places.get(made.mapping, (FUNCTION_NONE, None))
        one["kind"] = kind
        one["phase"] = Phase.COMPLETION if kind is Kind.IOMAP else Phase.POSTED
        one["function"] = function
        one["address"] = made.address
        one["length"] = made.length
        life = view_of(one, "life")
        life["bar"] = BAR_NONE if resource is None else resource.index
        life["offset"] = made.address - (made.address if resource is None else resource.start)
        life["mapping"] = made.mapping

    def _place(self, mapping: int, address: int) -> tuple[int, log.Resource | None]:
        """The function and BAR of an access: its mapping's, unless the log began after that."""
        if mapping not in self._places:
            return self._resource_at(address)
        function, resource = self._places[mapping]
        return function, resource if resource is not None and resource.holds(address) else None

    def _resource_at(self, address: int) -> tuple[int, log.Resource | None]:
        for index, device in enumerate(self._functions):
            for resource in device.resources:
                if resource.holds(address):
                    return index, resource
        return FUNCTION_NONE, None


_IORESOURCE_IO = 0x100
_IORESOURCE_MEM = 0x200
_IORESOURCE_PREFETCH = 0x2000
_IORESOURCE_MEM_64 = 0x100000


def _bars(resources: tuple[log.Resource, ...]) -> bytes:
    bars = np.zeros(len(resources), BAR)
    for row, resource in enumerate(resources):
        bars[row]["index"] = resource.index
        bars[row]["bus_address"] = bars[row]["phys_address"] = resource.start
        bars[row]["length"] = resource.length
        bars[row]["flags"] = _resource_flags(resource.flags) if resource.length else 0
    return bars.tobytes()


def _resource_flags(low_bits: int) -> int:
    """IORESOURCE flags (include/linux/ioport.h) of a BAR's low bits (PCI 3.0, 6.2.5.1)."""
    if low_bits & 1:
        return _IORESOURCE_IO
    flags = _IORESOURCE_MEM
    flags |= _IORESOURCE_PREFETCH if low_bits & 8 else 0
    return flags | (_IORESOURCE_MEM_64 if low_bits & 4 else 0)
