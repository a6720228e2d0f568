# SPDX-License-Identifier: Apache-2.0
"""The recorded device as a model: ``--device trace:RUN.pcapng``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from uvtrace.check.contract import Contract
from uvtrace.check.contract_rules import contracts_of
from uvtrace.device.device import Device
from uvtrace.device.messages import Limits, ResetKind
from uvtrace.errors import UsageError
from uvtrace.layouts.ring import Ring
from uvtrace.play.course import PREFIX
from uvtrace.play.declaration import Place, Playing
from uvtrace.play.identity import config_of
from uvtrace.play.recorded import Reception, Recorded, read
from uvtrace.play.timeline import Found, Timeline
from uvtrace.registers import load
from uvtrace.trace.functions import Function
from uvtrace.trace.texts import bar_text
from uvtrace.trace.trace import Trace, open_trace

TOLD_MAX: Final = 50
"""Departures from the recording that are told one by one."""
NEXT_TOLD: Final = 3
"""Accesses behind the first departure that are told, too."""


class Played(Device):
    """Answers a live driver as a recorded device answered the recorded one.

    Args:
        file: the recording.
        function: name of the function, where the recording has several: ``0000:00:10.0``.

    Raises:
        InputError: the recording cannot be read, or lacks what it takes to play.
        UsageError: no contract says how this device exchanges buffers, or there are several
            functions.
    """

    limits = Limits(alignment=1)

    def __init__(self, file: Path, function: str = "") -> None:
        trace = open_trace(file)
        index = _function_of(trace, function)
        self._contract = _contract_of(trace, index)
        self._playing: Playing = _playing_of(self._contract, str(file))
        self._rings = {ring.name: ring for ring in self._contract.rings}
        self._recorded: Recorded = read(trace, index, self._contract.rings, self._playing)
        self.config = config_of(self._recorded.config, self._recorded.bars, str(file))
        self._names = _Names(self._contract)
        self._own = self._playing.places()
        self._ring_places = {place for ring in self._rings.values() for place in ring.places}
        self._timeline = Timeline(self._recorded.accesses)
        self._departures = 0
        self._more_to_tell = 0
        self._told: Counter[str] = Counter()
        self._begin()

    def _begin(self) -> None:
        """What a reset of the device clears."""
        self._registers: dict[Place, int] = {}
        self._causes = 0
        self._enabled = 0

    # ------------------------------------------------------------- registers

    def unknown_read(self, bar: int, offset: int, length: int) -> int:
        """Answer from the rings, or from where the driver is in the recording."""
        place, given = (bar, offset), self._playing.interrupts
        if place == given.cause:
            causes, self._causes = self._causes, 0
            self._set_line()
            return causes
        if place == given.enables:
            return self._enabled
        if place in self._own or place in self._ring_places:
            return self._registers.get(place, 0)
        value = self._timeline.read(place)
        if value is None:
            self._depart(f"reads {self._names.of(place)}, which the recorded driver never did", "")
            return 0
        self._tell_next(f"reads {self._names.of(place)} = {value:#x}")
        return value & ((1 << 8 * length) - 1)

    def unknown_write(self, bar: int, offset: int, length: int, value: int) -> None:
        """Follow the driver, and act where rings and interrupts are concerned."""
        place = (bar, offset)
        if self._playing.resets(place, value):
            self._reset()
        if place in self._own or place in self._ring_places:
            self._own_write(place, value)
        else:
            self._registers[place] = value
            self._follow(place, value)
        self._play()

    def _own_write(self, place: Place, value: int) -> None:
        given = self._playing.interrupts
        if place == given.enables:
            self._enabled |= value
        elif place == given.disables:
            self._enabled &= ~value
        elif place == given.raises:
            self._causes |= value
        else:
            self._registers[place] = value
            for name, bell in self._playing.doorbells.items():
                if bell.tail == place and self._rings[name].received is None:
                    self.start(self._send(name))
        self._set_line()

    def _follow(self, place: Place, value: int) -> None:
        expected = self._timeline.expected()
        found = self._timeline.write(place, value)
        what = f"writes {self._names.of(place)} = {value:#x}"
        if found in (Found.SAME, Found.AGAIN) or place in self._playing.free:
            self._tell_next(what)
            return
        if found is Found.OTHER_VALUE:
            self._depart(what, "which the recorded driver wrote with another value")
            return
        text = "there is no write any more"
        if expected is not None:
            text = f"{self._names.of(expected.place)} = {expected.value:#x} comes next"
        self._depart(what, f"in the recording {text}")

    def _reset(self) -> None:
        self._timeline.forget()
        lowered = bool(self._causes & self._enabled)
        self._begin()
        if lowered:
            self.intx(False)
        self._heads_to_zero()

    def _heads_to_zero(self) -> None:
        for bell in self._playing.doorbells.values():
            self._registers[bell.head] = 0
            self._registers[bell.tail] = 0

    # ------------------------------------------------------------ interrupts

    def _raise(self, causes: int) -> None:
        self._causes |= causes
        self._set_line()

    def _set_line(self) -> None:
        pending = bool(self._causes & self._enabled)
        if not self.uses_messages:
            self.intx(pending)
        elif pending:
            self.interrupt()

    # ----------------------------------------------------------------- rings

    def on_reset(self, kind: ResetKind) -> None:
        """Power-on, or a reset by the bus: the recording begins anew."""
        self._begin()
        self._heads_to_zero()
        self._timeline = Timeline(self._recorded.accesses)
        self._left = {name: list(each) for name, each in self._recorded.receptions.items()}
        self._sent = 0
        self._busy = dict.fromkeys(self._rings, False)

    def _waiting(self, name: str) -> tuple[int, int]:
        """The descriptor that the device is at, and how many the driver has given it."""
        ring, bell = self._rings[name], self._playing.doorbells[name]
        entries = ring.region(self._registers)[1] // ring.entry_bytes
        if not entries:
            return 0, 0
        head = self._registers.get(bell.head, 0) % entries
        return head, (self._registers.get(bell.tail, 0) - head) % entries

    def _advance(self, name: str, head: int) -> None:
        ring, bell = self._rings[name], self._playing.doorbells[name]
        entries = ring.region(self._registers)[1] // ring.entry_bytes
        self._registers[bell.head] = (head + 1) % entries

    async def _send(self, name: str) -> None:
        """Take what the driver sends, and say that it is sent."""
        if self._busy[name]:
            return
        self._busy[name] = True
        ring, any_sent = self._rings[name], False
        while (place := self._waiting(name))[1]:
            head = place[0]
            at = ring.region(self._registers)[0] + head * ring.entry_bytes
            entry = await self.dma_read(at, ring.entry_bytes)
            if ring.size is not None and ring.has_buffer(entry):
                await self.dma_read(ring.buffer.of(entry), ring.size.of(entry))
            span = ring.status.span
            done = int.from_bytes(entry, "little") | ring.done << ring.status.first
            self.dma_write(at + span.start, done.to_bytes(len(entry), "little")[span])
            self._advance(name, head)
            self._sent += 1
            any_sent = True
        self._busy[name] = False
        if any_sent:
            self._raise(self._playing.doorbells[name].done)
        self._play()

    def _play(self) -> None:
        """Let come what the recorded device received, if its causes have happened."""
        for name, left in self._left.items():
            if left and not self._busy[name] and self._may_come(name, left[0]):
                self._busy[name] = True
                self.start(self._receive(name))

    def _may_come(self, name: str, reception: Reception) -> bool:
        limit = self._timeline.limit
        is_there = limit is None or reception.position < limit or reception.sent > 0
        return is_there and self._sent >= reception.sent and bool(self._waiting(name)[1])

    async def _receive(self, name: str) -> None:
        ring, left = self._rings[name], self._left[name]
        any_came = False
        while left and self._may_come(name, left[0]):
            reception = left.pop(0)
            head = self._waiting(name)[0]
            at = ring.region(self._registers)[0] + head * ring.entry_bytes
            entry = await self.dma_read(at, ring.entry_bytes)
            self.dma_write(ring.buffer.of(entry), reception.data)
            self.dma_write(at, _with_buffer_of(entry, reception.entry, ring))
            self._advance(name, head)
            any_came = True
        self._busy[name] = False
        if any_came:
            self._raise(self._playing.doorbells[name].done)

    # ------------------------------------------------------ leaving the course

    def _depart(self, what: str, expected: str) -> None:
        """The driver has done what the recorded one did not do there."""
        self._departures += 1
        self._told[what] += 1
        if self._told[what] > 1 or len(self._told) > TOLD_MAX:
            return
        text = f"the driver {what}" + (f"; {expected}" if expected else "")
        where = f" (at #{self._timeline.point} of the recording)"
        self._say(text + where)
        if self._departures == 1:
            self._more_to_tell = NEXT_TOLD

    def _tell_next(self, what: str) -> None:
        if self._more_to_tell:
            self._more_to_tell -= 1
            self._say(f"then the driver {what}")

    def _say(self, text: str) -> None:
        self.log(PREFIX + text)


def _with_buffer_of(live: bytes, recorded: bytes, ring: Ring) -> bytes:
    """A descriptor as the recorded device left it, but of the live driver's buffer."""
    entry, span = bytearray(recorded), ring.buffer.span
    entry[span] = live[span]
    return bytes(entry)


class _Names:
    """Registers by name."""

    def __init__(self, contract: Contract) -> None:
        self._map = None if contract.registers is None else load(contract.registers)

    def of(self, place: Place) -> str:
        """A register's name, or its place."""
        if self._map is not None:
            element = int(self._map.lookup([place[0]], [place[1]])[0])
            if element >= 0:
                return self._map.element_name(element)
        return f"{bar_text(place[0])}+{place[1]:#x}"


def _function_of(trace: Trace, name: str) -> int:
    functions: Sequence[Function] = trace.functions
    chosen = [each for each in functions if name in ("", each.name)]
    if len(chosen) != 1:
        names = ", ".join(each.name for each in functions) or "none"
        raise UsageError(
            "name one function of the recording",
            where=f"trace:{Path(trace.path).name}",
            hint=f"function=…: {names}",
        )
    return chosen[0].index


def _contract_of(trace: Trace, index: int) -> Contract:
    contract = contracts_of(trace).get(index)
    if contract is None:
        raise UsageError(
            "no contract is known for this device, so the driver's buffers cannot be found",
            where=f"trace:{Path(trace.path).name}",
            hint="declare one with rings and playing: docs/playing.md",
        )
    return contract


def _playing_of(contract: Contract, where: str) -> Playing:
    if contract.playing is None or not contract.rings:
        raise UsageError(
            f"the contract {contract.name} does not say how buffers are exchanged",
            where=f"trace:{Path(where).name}",
            hint="declare rings and playing in it: docs/playing.md",
        )
    return contract.playing
