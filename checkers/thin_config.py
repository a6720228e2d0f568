# SPDX-License-Identifier: Apache-2.0
"""CFG: configuration space and decode."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from uvtrace.check.check import Check, Part, sites_of
from uvtrace.check.rules import Rule, Sight
from uvtrace.check.sight import Loss
from uvtrace.trace.enums import Flag, Kind, Phase, Snapshot, Status
from uvtrace.trace.layout import BAR_NONE, view_of
from uvtrace.trace.trace import Trace

CFG001 = Rule(
    id="CFG001",
    statement="MMIO to a memory BAR while Command.Memory Space Enable is 0",
    needs=frozenset({Sight.CFG, Sight.MMIO}),
    source="PCI Express Base Specification 5.0, 7.5.1.1.3 Command Register, Memory Space Enable",
    example="the driver reads a register before it calls pci_enable_device()",
)
CFG007 = Rule(
    id="CFG007",
    statement="config access misaligned, crossing a dword, or beyond the config space's size",
    needs=frozenset({Sight.CFG}),
    source="PCI Express Base Specification 5.0, 7.2 Configuration Space; drivers/pci/access.c",
    example="a word is read at offset 0x03",
)

COMMAND = 4
MEMORY_SPACE_ENABLE = 1 << 1
CONFIG_SIZE = 4096
_NOT_EXECUTED = np.uint32(Flag.OUTSIDE | Flag.STALE)


class DecodeCheck(Check):
    """Follows Memory Space Enable through snapshots, reads and writes of Command."""

    rules: ClassVar = (CFG001,)
    kinds: ClassVar = frozenset(
        {
            Kind.CONFIG_READ,
            Kind.CONFIG_WRITE,
            Kind.MMIO_READ,
            Kind.MMIO_WRITE,
            Kind.SNAPSHOT,
            Kind.POWER,
            Kind.RESET,
        }
    )

    def __init__(self, trace: Trace, function: str) -> None:
        super().__init__(trace, function)
        self._enabled: bool | None = None
        """None: not known, as at the beginning and after a reset."""
        self._since: tuple[int, int] = (0, 0)
        """seq and site of the record that told so."""

    def see(self, part: Part) -> None:
        kinds = part.records["kind"]
        begin = 0
        for row in np.flatnonzero((kinds != Kind.MMIO_READ) & (kinds != Kind.MMIO_WRITE)).tolist():
            self._judge(part.records[begin:row])
            self._follow(part, row)
            begin = row + 1
        self._judge(part.records[begin:])

    def lose(self, loss: Loss) -> None:
        self._enabled = None

    def finish(self) -> None:
        if self.checked[CFG001.id] == 0 and self._enabled is None:
            self.unknown[CFG001.id] = "the state of Memory Space Enable was never seen"

    def _follow(self, part: Part, row: int) -> None:
        record = part.records[row]
        kind = int(record["kind"])
        if kind in (Kind.POWER, Kind.RESET):
            # Both may clear Command (FLR; D3hot without No_Soft_Reset): wait to see it again.
            self._enabled = None
        elif kind == Kind.SNAPSHOT:
            self._follow_snapshot(part, row)
        else:
            self._follow_access(record)

    def _follow_snapshot(self, part: Part, row: int) -> None:
        meta = view_of(part.records[row : row + 1], "meta")[0]
        if meta["topic"] == Snapshot.CONFIG and meta["offset"] == 0:
            payload = part.payload(row)
            if len(payload) > COMMAND:
                self._learn(payload[COMMAND], part.records[row])

    def _follow_access(self, record: np.void) -> None:
        offset, width = int(record["address"]), int(record["length"])
        if not offset <= COMMAND < offset + width or record["phase"] == Phase.REQUEST:
            return
        value = int(record["value"]) >> 8 * (COMMAND - offset) & 0xFF
        # A function that has gone away answers with ones.
        gone = record["kind"] == Kind.CONFIG_READ and value == 0xFF
        if record["status"] != Status.OK or gone:
            self._enabled = None
        else:
            self._learn(value, record)

    def _learn(self, command: int, record: np.void) -> None:
        enabled = bool(command & MEMORY_SPACE_ENABLE)
        if enabled is not self._enabled:
            self._enabled = enabled
            site = int(sites_of(record.reshape(1))[0])
            self._since = (int(record["seq"]), site)

    def _judge(self, accesses: NDArray[np.void]) -> None:
        if self._enabled is None or len(accesses) == 0:
            return
        bars = view_of(accesses, "access")["bar"]
        reached = (accesses["flags"] & _NOT_EXECUTED) == 0
        rows = (bars != BAR_NONE) & reached & (accesses["phase"] != Phase.COMPLETION)
        self.checked[CFG001.id] += int(np.count_nonzero(rows))
        if self._enabled:
            return
        seq, site = self._since
        for record, bar in zip(accesses[rows], bars[rows], strict=True):
            offset = int(view_of(record.reshape(1), "access")["offset"][0])
            what = "read of" if record["kind"] == Kind.MMIO_READ else "write to"
            self.report(
                CFG001,
                seq=int(record["seq"]),
                time_ns=int(record["time_ns"]),
                site=int(sites_of(record.reshape(1))[0]),
                message=f"{what} BAR {bar} + {offset:#x} while Memory Space Enable is 0"
                f" (since #{seq})",
                role="access",
                evidence=[(seq, "disabled", site)],
            )


class ConfigAccessCheck(Check):
    """Judges where config accesses go."""

    rules: ClassVar = (CFG007,)
    kinds: ClassVar = frozenset({Kind.CONFIG_READ, Kind.CONFIG_WRITE, Kind.SNAPSHOT})

    def __init__(self, trace: Trace, function: str) -> None:
        super().__init__(trace, function)
        self._size = CONFIG_SIZE

    def see(self, part: Part) -> None:
        for row in np.flatnonzero(part.records["kind"] == Kind.SNAPSHOT).tolist():
            meta = view_of(part.records[row : row + 1], "meta")[0]
            if meta["topic"] == Snapshot.CONFIG and meta["total"] in (256, CONFIG_SIZE):
                self._size = int(meta["total"])
        records = part.records
        accesses = records[
            (records["kind"] != Kind.SNAPSHOT) & (records["phase"] != Phase.COMPLETION)
        ]
        self.checked[CFG007.id] += len(accesses)
        offset, width = accesses["address"], accesses["length"]
        odd_width = (width != 1) & (width != 2) & (width != 4)
        misaligned = odd_width | (offset % np.maximum(width, 1) != 0)
        # Compared without adding, as a hostile offset could wrap round.
        beyond = (offset >= self._size) | (width > self._size - np.minimum(offset, self._size))
        for row in np.flatnonzero(misaligned | beyond).tolist():
            self._report(accesses[row], bool(beyond[row]))

    def _report(self, record: np.void, beyond: bool) -> None:
        width, offset = int(record["length"]), int(record["address"])
        what = "read" if record["kind"] == Kind.CONFIG_READ else "write"
        why = f"ends beyond the {self._size} bytes of config space" if beyond else "is misaligned"
        self.report(
            CFG007,
            seq=int(record["seq"]),
            time_ns=int(record["time_ns"]),
            site=int(sites_of(record.reshape(1))[0]),
            message=f"config {what} of {width} bytes at {offset:#x} {why}",
            role="access",
        )


CHECKS = (DecodeCheck, ConfigAccessCheck)
