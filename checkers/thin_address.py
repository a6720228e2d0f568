# SPDX-License-Identifier: Apache-2.0
"""ADR: addresses of MMIO."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from uvtrace.check.check import Check, Part, sites_of
from uvtrace.check.rules import Rule, Sight
from uvtrace.trace.enums import Flag, Kind, Phase, Snapshot
from uvtrace.trace.layout import BAR, BAR_NONE, view_of
from uvtrace.trace.trace import Trace

ADR001 = Rule(
    id="ADR001",
    statement="access outside every BAR of the function, or past the end of its BAR",
    needs=frozenset({Sight.MMIO}),
    source="PCI Express Base Specification 5.0, 7.5.1.2.1 Base Address Registers",
    example="the driver reads at offset 0x20000 of a BAR of 128 KiB",
)
ADR004 = Rule(
    id="ADR004",
    statement="access through a mapping after iounmap",
    needs=frozenset({Sight.MMIO, Sight.LIFE}),
    source="Linux Documentation/PCI/pci.rst, Release MMIO/IO Port Resource(s)",
    example="a timer reads a status register after remove() has called pci_iounmap()",
)


class AddressCheck(Check):
    """Judges where MMIO goes: what the kernel module saw, and the BARs of the snapshot."""

    rules: ClassVar = (ADR001, ADR004)
    kinds: ClassVar = frozenset({Kind.MMIO_READ, Kind.MMIO_WRITE, Kind.IOUNMAP, Kind.SNAPSHOT})

    def __init__(self, trace: Trace, function: str) -> None:
        super().__init__(trace, function)
        self._bar_length = np.zeros(256, np.uint64)
        """Bytes by BAR index, 0 where not known."""
        self._unmapped: dict[int, tuple[int, int]] = {}
        """Of each mapping that is gone, seq and site of its iounmap."""

    def see(self, part: Part) -> None:
        kinds = part.records["kind"]
        begin = 0
        for row in np.flatnonzero((kinds != Kind.MMIO_READ) & (kinds != Kind.MMIO_WRITE)).tolist():
            self._judge(part.records[begin:row])
            self._follow(part, row)
            begin = row + 1
        self._judge(part.records[begin:])

    def _follow(self, part: Part, row: int) -> None:
        one = part.records[row : row + 1]
        if one["kind"][0] == Kind.IOUNMAP:
            mapping = int(view_of(one, "life")["mapping"][0])
            self._unmapped[mapping] = (int(one["seq"][0]), int(sites_of(one)[0]))
        elif view_of(one, "meta")["topic"][0] == Snapshot.BARS:
            payload = part.payload(row)
            bars = np.frombuffer(payload, BAR, len(payload) // BAR.itemsize)
            self._bar_length[np.minimum(bars["index"], BAR_NONE - 1)] = bars["length"]

    def _judge(self, records: NDArray[np.void]) -> None:
        records = records[records["phase"] != Phase.COMPLETION]
        if len(records) == 0:
            return
        self.checked[ADR001.id] += len(records)
        flags, access = records["flags"], view_of(records, "access")
        imported = (flags & np.uint32(Flag.IMPORTED)) != 0
        self.checked[ADR004.id] += int(np.count_nonzero(~imported))
        if imported.any():
            self.unknown[ADR004.id] = "the tool that made the log sees nothing after iounmap"
        stale = (flags & np.uint32(Flag.STALE)) != 0
        outside = ~stale & self._is_outside(flags, access)
        for row in np.flatnonzero(stale).tolist():
            self._report_stale(records[row : row + 1])
        for row in np.flatnonzero(outside).tolist():
            self._report_outside(records[row : row + 1])

    def _is_outside(self, flags: NDArray[np.uint32], access: NDArray[np.void]) -> NDArray[np.bool_]:
        bars, offset = access["bar"], access["offset"]
        length = self._bar_length[bars]
        room = length - np.minimum(offset, length)
        past_end = (length != 0) & (access["width"] > room)
        flagged = (flags & np.uint32(Flag.OUTSIDE)) != 0
        outside: NDArray[np.bool_] = flagged | (bars == BAR_NONE) | past_end
        return outside

    def _report_stale(self, one: NDArray[np.void]) -> None:
        mapping = int(view_of(one, "access")["mapping"][0])
        gone = self._unmapped.get(mapping)
        since = f", unmapped at #{gone[0]}" if gone else ""
        self._report(
            ADR004,
            one,
            f"{_what(one)} through mapping {mapping} after iounmap{since}",
            [(gone[0], "unmapped", gone[1])] if gone else [],
        )

    def _report_outside(self, one: NDArray[np.void]) -> None:
        access = view_of(one, "access")[0]
        bar, offset, width = int(access["bar"]), int(access["offset"]), int(access["width"])
        length = int(self._bar_length[bar])
        if bar == BAR_NONE:
            where = f"at {int(one['address'][0]):#x}, outside every BAR"
        elif length:
            where = f"of {width} bytes at BAR {bar} + {offset:#x}, which ends at {length:#x}"
        else:
            where = f"of {width} bytes at BAR {bar} + {offset:#x}, outside its mapping"
        self._report(ADR001, one, f"{_what(one)} {where}", [])

    def _report(
        self, rule: Rule, one: NDArray[np.void], message: str, proof: list[tuple[int, str, int]]
    ) -> None:
        self.report(
            rule,
            seq=int(one["seq"][0]),
            time_ns=int(one["time_ns"][0]),
            site=int(sites_of(one)[0]),
            message=message,
            role="access",
            evidence=proof,
        )


def _what(one: NDArray[np.void]) -> str:
    return "read" if one["kind"][0] == Kind.MMIO_READ else "write"


CHECKS = (AddressCheck,)
