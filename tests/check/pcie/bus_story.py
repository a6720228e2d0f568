# SPDX-License-Identifier: Apache-2.0
"""Traces whose messages take their time: told as what was sent, and what arrived when.

bus = BusStory()
data, interrupt = bus.sends("dma_write"), bus.sends("msi")
bus.arrives(interrupt)
bus.arrives(data)
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.story import Story
from uvtrace.check.pcie.messages import links_of
from uvtrace.check.pcie.ordering import LABELS
from uvtrace.check.pcie.passing import EventPassings, InFlight, passings
from uvtrace.trace.enums import Flag, Kind, Phase, Status

_POSTED = {"MMIO_WRITE", "DMA_WRITE", "MSI", "MSIX", "INTX_ASSERT"}


@dataclass(frozen=True)
class Sent:
    """A message under way."""

    kind: Kind
    phase: Phase
    tag: int
    function: str
    fields: dict[str, Any]

    @property
    def to_host(self) -> bool:
        """From the device to the host: requests by the device, answers to the host's."""
        by_device = Kind.DMA_READ <= self.kind <= Kind.INTX_DEASSERT
        return by_device != (self.phase == Phase.COMPLETION)


@dataclass
class BusStory:
    """A story of messages on one link."""

    story: Story = field(default_factory=Story)
    functions: list[str] = field(default_factory=lambda: ["0000:00:03.0"])
    count: int = 0

    def sends(
        self,
        kind: str,
        *,
        answers: Sent | None = None,
        function: str = "0000:00:03.0",
        **fields: Any,
    ) -> Sent:
        """A message is issued: the request ``kind``, or the answer to one."""
        posted = kind.upper() in _POSTED
        phase = Phase.POSTED if posted else Phase.COMPLETION if answers else Phase.REQUEST
        tag = answers.tag if answers else self.story.new_tag()
        sent = Sent(Kind[kind.upper()], phase, tag, function, fields)
        self._tell(sent, sent.to_host, {})
        return sent

    def arrives(self, sent: Sent, **fields: Any) -> int:
        """It is delivered; returns the number of the record."""
        return self._tell(sent, not sent.to_host, fields)

    def at_once(self, kind: str, **fields: Any) -> int:
        """A message that arrives when it is issued: one record."""
        phase = Phase.POSTED if kind.upper() in _POSTED else Phase.REQUEST
        self.story.record(Kind[kind.upper()], phase=phase, tag=self.story.new_tag(), **fields)
        return self._counted()

    def is_reset(self) -> int:
        """The function is reset."""
        self.story.record(Kind.RESET, phase=Phase.COMPLETION)
        return self._counted()

    def waits(self, time_ns: int) -> None:
        """Nothing happens."""
        self.story.wait(time_ns)

    def is_dropped(self, sent: Sent) -> int:
        """The device never takes it."""
        return self._tell(sent, True, {"status": Status.TIMEOUT})

    def _tell(self, sent: Sent, far: bool, fields: dict[str, Any]) -> int:
        if sent.function not in self.functions:
            self.functions.append(sent.function)
        self.story.function(sent.function)
        told = {**sent.fields, **fields}
        flags = told.pop("flags", 0) | (Flag.FAR if far else Flag.APART)
        self.story.record(sent.kind, phase=sent.phase, tag=sent.tag, flags=flags, **told)
        return self._counted()

    def _counted(self) -> int:
        self.count += 1
        return self.count - 1

    @property
    def records(self) -> NDArray[np.void]:
        """What was told, so far."""
        return self.story.records()[0][: self.count]

    def in_flight(self, **options: Any) -> InFlight:
        """The state at the beginning."""
        return InFlight(links_of(self.functions), **options)

    def judged(self, state: InFlight | None = None, *, chunk: int = 1 << 20) -> EventPassings:
        """What the pass tells of every record, seen in chunks."""
        state = self.in_flight() if state is None else state
        records = self.records
        parts = [
            passings(
                records[at : at + chunk],
                np.arange(at, min(at + chunk, len(records)), dtype=np.int64),
                state,
            )
            for at in range(0, max(len(records), 1), chunk)
        ]
        return EventPassings.joined(parts)

    def broken(self) -> list[tuple[int, str, str, int]]:
        """(record, rule, clause, record of the message it passed) of every violation."""
        found = self.judged()
        return [
            (int(i), f"ORD{found.rule[i]:03}", LABELS[found.order[i]], int(found.passed[i]))
            for i in np.flatnonzero(found.rule > 0)
        ]
