# SPDX-License-Identifier: Apache-2.0
"""DMA: mappings."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import ClassVar

from uvtrace.check.check import Check, Part, sites_of
from uvtrace.check.rules import Rule, Sight
from uvtrace.check.sight import Loss
from uvtrace.trace.enums import Kind, Phase, Snapshot, Status
from uvtrace.trace.layout import view_of
from uvtrace.trace.trace import Trace

from .mappings import FAMILY_OF_KIND, Call, Family, Mappings

DMA006 = Rule(
    id="DMA006",
    statement="unmap or free of an address that is not mapped",
    needs=frozenset({Sight.MAP}),
    source="Linux kernel/dma/debug.c, check_unmap()",
    example="unmap of 0x1000, where only 0x2000 was mapped",
)
DMA007 = Rule(
    id="DMA007",
    statement="unmap or free with another size than it was mapped with",
    needs=frozenset({Sight.MAP}),
    source="Linux kernel/dma/debug.c, check_unmap()",
    example="2048 bytes are mapped, 1522 are unmapped",
)
DMA010 = Rule(
    id="DMA010",
    statement="second unmap of the same mapping",
    needs=frozenset({Sight.MAP}),
    source="Linux kernel/dma/debug.c, check_unmap()",
    example="an error path unmaps what the completion handler has already unmapped",
)
DMA011 = Rule(
    id="DMA011",
    statement="mappings or coherent memory still held when the driver is unbound",
    needs=frozenset({Sight.MAP, Sight.LIFE}),
    source="Linux kernel/dma/debug.c, dma_debug_device_change()",
    example="remove() frees its ring, but not the buffers in it",
)

_MAKES = (Kind.MAP, Kind.ALLOC, Kind.POOL_ALLOC)
_UNBOUND_BEFORE = "the driver was bound before recording began: older mappings are not known"
_EVIDENCE_MAX = 8


class MappingCheck(Check):
    """Follows every mapping from its making to its end.

    Only a function whose probe was seen, with no loss since, is judged: what is unmapped
    otherwise may have been mapped unseen.
    """

    rules: ClassVar = (DMA006, DMA007, DMA010, DMA011)
    kinds: ClassVar = frozenset(
        {*FAMILY_OF_KIND, Kind.POOL_DESTROY, Kind.PROBE, Kind.UNBIND, Kind.SNAPSHOT}
    )

    def __init__(self, trace: Trace, function: str) -> None:
        super().__init__(trace, function)
        self._mappings = Mappings()
        self._complete = False
        """Whether every live mapping is in the table."""
        self._blind = False
        self._unjudged = 0
        """Unmaps seen while the table was not complete."""

    def see(self, part: Part) -> None:
        for row, (call, phase, status) in enumerate(_calls_of(part)):
            if call.kind == Kind.SNAPSHOT:
                self._see_snapshot(part, row)
            elif call.kind == Kind.PROBE:
                self._see_probe(phase)
            elif call.kind == Kind.UNBIND:
                self._see_unbind(call, phase)
            elif call.kind == Kind.POOL_DESTROY:
                self._mappings.drop_pool(call.pool)
            elif call.kind in _MAKES:
                # Made once the call has returned, and only if it succeeded.
                if phase != Phase.REQUEST and status == Status.OK:
                    self._mappings.add(call)
            elif phase != Phase.COMPLETION:
                self._see_removal(call)

    def lose(self, loss: Loss) -> None:
        self._blind = self._blind or loss.lasting
        self._complete = False
        self._mappings.clear()

    def finish(self) -> None:
        for rule in (DMA006, DMA007, DMA010):
            if self.checked[rule.id] == 0 and self._unjudged:
                self.unknown[rule.id] = _UNBOUND_BEFORE

    def _see_snapshot(self, part: Part, row: int) -> None:
        topic = view_of(part.records[row : row + 1], "meta")["topic"][0]
        if topic == Snapshot.DRIVER and not part.payload(row).strip(b"\0"):
            self._begin()

    def _see_probe(self, phase: int) -> None:
        if phase != Phase.COMPLETION:
            self._begin()

    def _begin(self) -> None:
        """No driver holds anything yet."""
        self._mappings.clear()
        self._complete = not self._blind

    def _see_unbind(self, unbound: Call, phase: int) -> None:
        # devres frees after remove() has returned: only the completion is the end.
        if phase == Phase.REQUEST:
            return
        self.checked[DMA011.id] += 1
        if not self._complete:
            self.unknown[DMA011.id] = _UNBOUND_BEFORE
        if not self._blind:
            self._report_held(unbound)
        self._mappings.clear()
        self._complete = False

    def _report_held(self, unbound: Call) -> None:
        held: dict[tuple[Family, int], list[Call]] = defaultdict(list)
        for made in self._mappings:
            held[made.family, made.site].append(made)
        for (family, site), calls in held.items():
            total = sum(made.length for made in calls)
            made_at = f" made at {self.trace.symbol(site)}" if site else ""
            self.report(
                DMA011,
                seq=unbound.seq,
                time_ns=unbound.time_ns,
                site=site,
                message=f"{len(calls)} x {family.value}{made_at} ({total} bytes, the first at"
                f" {calls[0].address:#x}) still held when the driver is unbound",
                role="mapped",
                evidence=[(made.seq, "mapped", site) for made in calls[:_EVIDENCE_MAX]],
            )

    def _see_removal(self, call: Call) -> None:
        made = self._mappings.remove(call)
        if not self._complete:
            self._unjudged += 1
            return
        if call.address == 0 and made is None:
            # Freeing nothing is legal: stock nvme does so at remove.
            return
        for rule in (DMA006, DMA007, DMA010):
            self.checked[rule.id] += 1
        if made is None:
            self._report_unknown(call)
        elif call.length != made.length and not (call.family is Family.POOL and call.length == 0):
            self._report_size(call, made)

    def _report_unknown(self, call: Call) -> None:
        if self._mappings.is_live_elsewhere(call):
            # Mapped, but by other calls: DMA009's matter.
            return
        before = self._mappings.last_removed(call)
        if before is not None and before[0].length == call.length:
            made, removed = before
            proof = [(made.seq, "mapped", made.site), (removed.seq, "unmapped", removed.site)]
            self._report(
                DMA010,
                call,
                f"second {_verb(call)} of {call.address:#x} ({call.length} bytes),"
                f" mapped at #{made.seq} and unmapped at #{removed.seq}",
                proof,
            )
        else:
            message = (
                f"{_verb(call)} of {call.address:#x} ({call.length} bytes), which is not mapped"
            )
            self._report(DMA006, call, message, [])

    def _report_size(self, call: Call, made: Call) -> None:
        self._report(
            DMA007,
            call,
            f"{_verb(call)} of {call.length} bytes at {call.address:#x}, where #{made.seq} mapped"
            f" {made.length}",
            [(made.seq, "mapped", made.site)],
        )

    def _report(
        self, rule: Rule, call: Call, message: str, proof: list[tuple[int, str, int]]
    ) -> None:
        self.report(
            rule,
            seq=call.seq,
            time_ns=call.time_ns,
            site=call.site,
            message=message,
            role="unmap",
            evidence=proof,
        )


def _verb(call: Call) -> str:
    return "unmap" if call.family is Family.STREAMING else "free"


def _calls_of(part: Part) -> Iterator[tuple[Call, int, int]]:
    """The records as calls, with phase and status; columns first, as rows of numpy are slow."""
    records = part.records
    dma = view_of(records, "dma")
    columns = zip(
        records["seq"].tolist(),
        records["time_ns"].tolist(),
        records["kind"].tolist(),
        records["address"].tolist(),
        records["length"].tolist(),
        dma["direction"].tolist(),
        dma["flavour"].tolist(),
        dma["phys"].tolist(),
        sites_of(records).tolist(),
        records["phase"].tolist(),
        records["status"].tolist(),
        strict=True,
    )
    for *fields, phase, status in columns:
        yield Call(*fields), phase, status


CHECKS = (MappingCheck,)
