# SPDX-License-Identifier: Apache-2.0
"""What sizing, resets and sleep leave to be put right, as the reference remembers it."""

from __future__ import annotations

from uvtrace.trace.enums import Kind, Phase, Status

from .records import Event, Lost
from .space import (
    ADVANCED,
    COMMAND,
    EXPRESS,
    FIRST_BAR,
    HEADER_END,
    MSI,
    MSIX,
    POWER,
    STATUS,
    Space,
)

_BARS = {FIRST_BAR + 4 * bar: bar for bar in range(6)}
_ALL_ONES = 0xFFFFFFFF
_MEMORY_ENABLE = 2
_INITIATE_RESET = 1 << 15
_MSI_ENABLE, _MSIX_ENABLE = 1 << 0, 1 << 15
_RETRY_ID = 1
"""What the vendor ID reads as while the function is not ready."""


def carried(event: Event, at: int | None, size: int) -> int | None:
    """A register's value as a config access carries it; None where it does not carry all of it."""
    if at is None or event.address > at or event.address + event.length < at + size:
        return None
    return event.value >> 8 * (at - event.address) & (1 << 8 * size) - 1


class Recovery:
    """What one function has lost, and when."""

    def __init__(self, space: Space | None = None) -> None:
        self.sized: set[int] = set()
        """The BARs to which all ones were written last."""
        self.reset_ns: int | None = None
        """When a reset was begun by hand, or came without an end."""
        self.woken_ns: int | None = None
        """When D0 was written to a function in D3hot."""
        self.ready: bool | None = None
        self.retried = False
        """A read was answered with retry status, and none well since."""
        self.lost: set[int] = set()
        """Registers that a reset took, by offset."""
        self.doubtful: set[int] = set()
        """Registers that a reset may have taken."""
        self._values: dict[int, int] = {}
        self._power_state: int | None = None
        self._keeps_state = True
        self._places: dict[int, int] = {}
        self.wide: set[int] = set()
        if space is not None:
            self._begin(space)

    def _begin(self, space: Space) -> None:
        self._places, self.wide = dict(space.capabilities), set(space.wide_bars)
        if all(space.known[:HEADER_END]):
            for at, size in self._followed().items():
                value = space.value(at, size)
                if value is not None:
                    self._values[at] = value
            self.ready = space.bit(STATUS, 0)
        control = space.value(self._at(POWER, 4), 1)
        if control is not None:
            self._power_state, self._keeps_state = control & 3, bool(control & 8)

    def _at(self, capability: int, offset: int) -> int | None:
        start = self._places.get(capability)
        return None if start is None else start + offset

    def _followed(self) -> dict[int, int]:
        """The registers that a reset can take, and their sizes."""
        sizes = {**dict.fromkeys(_BARS, 4), COMMAND: 2}
        message = self._at(MSI, 0)
        if message is not None:
            sizes |= {message + 2: 2, message + 4: 4}
        extended = self._at(MSIX, 2)
        return sizes if extended is None else {**sizes, extended: 2}

    def _switch(self, at: int) -> int:
        """The bit that turns on what a register is about; 0 where it is an address."""
        switches = {
            COMMAND: _MEMORY_ENABLE,
            self._at(MSI, 2): _MSI_ENABLE,
            self._at(MSIX, 2): _MSIX_ENABLE,
        }
        return switches.get(at, 0)

    @property
    def messages_lost(self) -> bool:
        """MSI or MSI-X, or MSI's address."""
        return any(at not in _BARS and at != COMMAND for at in self.lost)

    @property
    def split(self) -> set[int]:
        """The 64-bit BARs to one half of which all ones were written last."""
        return {bar for bar in self.wide if (bar in self.sized) != (bar + 1 in self.sized)}

    @property
    def command_lost(self) -> bool:
        return COMMAND in self.lost

    @property
    def bars_lost(self) -> set[int]:
        """By number; the upper half of a 64-bit BAR counts as that BAR."""
        numbers = {_BARS[at] for at in self.lost if at in _BARS}
        return {bar - 1 if bar - 1 in self.wide else bar for bar in numbers}

    # ----------------------------------------------------------- following

    def follow(self, event: Event) -> None:
        """An event that is no snapshot has happened."""
        if event.kind == Kind.CONFIG_READ and event.status == Status.RETRY:
            self.retried = True
        elif event.kind == Kind.CONFIG_READ and event.returned and event.ok:
            self._read(event)
        elif event.kind == Kind.CONFIG_WRITE and event.begins:
            self._write(event)
        elif event.kind == Kind.RESET:
            self._reset(event)

    def _registers(self, event: Event) -> dict[int, int]:
        found = {at: carried(event, at, size) for at, size in self._followed().items()}
        return {at: value for at, value in found.items() if value is not None}

    def _read(self, event: Event) -> None:
        if carried(event, 0, 2) == _RETRY_ID:
            self.retried = True
            return
        if event.value != (1 << 8 * event.length) - 1:
            # All ones are what the host makes of no answer.
            self.retried = False
        for at, value in self._registers(event).items():
            if at in self.lost | self.doubtful and self._has_changed(at, value):
                self.doubtful.discard(at)
                self.lost.add(at)
                continue
            self.doubtful.discard(at)
            self.lost.discard(at)
            if _BARS.get(at) not in self.sized:
                self._values[at] = value

    def _has_changed(self, at: int, now: int) -> bool:
        before = self._values.get(at)
        if before is None:
            return False
        if self._switch(at):
            return bool(before & self._switch(at)) and not now & self._switch(at)
        return before & ~0xF != now & ~0xF

    def _write(self, event: Event) -> None:
        for at, value in self._registers(event).items():
            self.doubtful.discard(at)
            self.lost.discard(at)
            if at in _BARS and value == _ALL_ONES:
                self.sized.add(_BARS[at])
            else:
                self.sized.discard(_BARS.get(at, -1))
                self._values[at] = value
        self._write_power(carried(event, self._at(POWER, 4), 1), event)
        control = carried(event, self._at(EXPRESS, 8), 2) or 0
        advanced = carried(event, self._at(ADVANCED, 4), 1) or 0
        if control & _INITIATE_RESET or advanced & 1:
            self._take_all(event)

    def _write_power(self, value: int | None, event: Event) -> None:
        if value is None:
            return
        if self._power_state == 3 and value & 3 == 0:
            self.woken_ns = event.time_ns
            if not self._keeps_state:
                self.doubtful = self._at_risk()
        self._power_state = value & 3

    def _reset(self, event: Event) -> None:
        if event.phase == Phase.REQUEST:
            self.doubtful = self._at_risk()
        elif event.phase == Phase.COMPLETION:
            if event.ok:
                self.lost |= self.doubtful
            self.doubtful = set()
        elif event.ok:
            self._take_all(event)

    def _at_risk(self) -> set[int]:
        """What is on, and addresses that are set."""
        bars = {at for at in _BARS if self._values.get(at, 0) & ~0xF}
        on = {at for at in self._followed() if self._values.get(at, 0) & self._switch(at)}
        address = self._at(MSI, 4)
        if address is not None and self._at(MSI, 2) in on and self._values.get(address):
            on.add(address)
        return bars | on

    def _take_all(self, event: Event) -> None:
        self.reset_ns = event.time_ns
        self.lost, self.doubtful = self._at_risk(), set()
        self.sized = set()

    def lose(self, lost: Lost) -> None:
        """What is missing may have been put right since."""
        if lost.sights & {"cfg", "life"}:
            self._values.clear()
            self.lost, self.doubtful, self.sized = set(), set(), set()
            self._power_state = None
            self.retried = False
