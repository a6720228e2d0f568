# SPDX-License-Identifier: Apache-2.0
"""The reference's records: plain objects with plain numbers, one for each record of a trace."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from uvtrace.trace.enums import COUNTED_LOSS, Flag, Flavour, Kind, LossCause, Phase, Status
from uvtrace.trace.layout import COMMON, VIEW_OF_KIND, VIEWS, view_of
from uvtrace.trace.trace import Trace

CONFIG = (Kind.CONFIG_READ, Kind.CONFIG_WRITE)
MMIO = (Kind.MMIO_READ, Kind.MMIO_WRITE)
PORT = (Kind.PIO_READ, Kind.PIO_WRITE)
DEVICE = (Kind.DMA_READ, Kind.DMA_WRITE)
MESSAGE = (Kind.MSI, Kind.MSIX)
REMOVAL = (Kind.UNMAP, Kind.FREE, Kind.POOL_FREE)
MAKING = (Kind.MAP, Kind.ALLOC, Kind.POOL_ALLOC)
SYNC = (Kind.SYNC_FOR_CPU, Kind.SYNC_FOR_DEVICE)
HANDLER = (Kind.HANDLER_ENTER, Kind.HANDLER_EXIT)
NO_BAR = 0xFF
NOWHERE = 0xFFFF
"""The function of a record that belongs to none."""

SIGHTS = frozenset(("cfg", "mmio", "pio", "map", "dma", "mem", "irq", "isr", "life", "cpl"))
_OWN_NAMES = {"type": "irq_type", "mapping": "iomap"}


@dataclass(frozen=True)
class Lost:
    """Records that are missing before an event.

    Attributes:
        function: the function concerned; None: all.
        sights: what they would have shown.
        lasting: nothing of it is shown in the whole trace.
    """

    function: int | None
    sights: frozenset[str]
    lasting: bool = False


@dataclass
class Event:
    """One record.

    ``fields`` holds the common fields and those of its own kind; they are attributes, too.
    """

    position: int
    fields: dict[str, Any]
    payload: bytes = b""
    missing: int = 0
    """Records missing before it; negative where numbers run back."""
    lost: int = 0
    """Lost records that it stands for."""
    losses: list[Lost] = field(default_factory=list)
    segments: list[Event] = field(default_factory=list)
    """Of a segment of a list those that follow it; one call mapped them all."""

    def __post_init__(self) -> None:
        self.__dict__.update(self.fields)

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> int: ...

    def is_a(self, *kinds: int) -> bool:
        """Its kind is one of these."""
        return self.kind in kinds

    def has(self, flag: int) -> bool:
        """At least one of these flags is set."""
        return self.flags & int(flag) != 0

    @property
    def begins(self) -> bool:
        """It is the beginning of a transaction or call, or all of it."""
        return self.phase != Phase.COMPLETION

    @property
    def returned(self) -> bool:
        """It is the end of a transaction or call, or all of it."""
        return self.phase != Phase.REQUEST

    @property
    def ok(self) -> bool:
        return self.status == Status.OK

    @property
    def in_bar(self) -> bool:
        return self.bar != NO_BAR

    @property
    def executed(self) -> bool:
        """The access reached the bus."""
        return not self.has(Flag.OUTSIDE | Flag.STALE)

    @property
    def at_host(self) -> bool:
        return not self.has(Flag.FAR)

    @property
    def as_sent(self) -> bool:
        return not self.has(Flag.APART)

    @property
    def site(self) -> int:
        """The driver's place in the code."""
        return self.caller or self.ip

    @property
    def by_driver(self) -> bool:
        """A driver's code made it, or had it made."""
        return self.site >> 48 != 0

    @property
    def by_core(self) -> bool:
        """The kernel's own code made it."""
        return self.ip >> 48 == 0

    @property
    def unbound(self) -> bool:
        return self.kind == Kind.UNBIND and self.phase == Phase.COMPLETION

    @property
    def probing(self) -> bool:
        """A probe begins."""
        return self.kind == Kind.PROBE and self.begins


def read_events(trace: Trace) -> list[Event]:
    """Every record of a trace, in order, with what is missing before each."""
    columns = {name: trace.records[name].tolist() for name in COMMON}
    views = {
        view: {
            _OWN_NAMES.get(name, name): view_of(trace.records, view)[name].tolist()
            for name in (VIEWS[view].names or ())
        }
        for view in VIEWS
    }
    events = []
    for position in range(len(trace)):
        fields: dict[str, Any] = {name: values[position] for name, values in columns.items()}
        own = VIEW_OF_KIND.get(fields["kind"])
        if own is not None:
            fields.update({name: values[position] for name, values in views[own].items()})
        del fields["payload"]  # its length
        events.append(Event(position, fields, trace.payload(position)))
    _find_losses(events)
    _find_segments(events)
    return events


def _find_segments(events: list[Event]) -> None:
    maps = [event for event in events if event.kind == Kind.MAP and event.flavour == Flavour.SG]
    for number, event in enumerate(maps):
        of_list = [
            other
            for other in maps[number + 1 :]
            if (other.function, other.tag) == (event.function, event.tag)
        ]
        event.segments = of_list[: max(event.entries - event.entry - 1, 0)]


def _find_losses(events: list[Event]) -> None:
    due: int | None = None
    for event in events:
        if event.kind == Kind.LOSS and event.topic in COUNTED_LOSS:
            event.lost = event.value
        event.missing = 0 if due is None else event.seq - due
        due = event.seq + 1 + event.lost
        if event.missing > 0:
            event.losses.append(Lost(None, SIGHTS))
        if event.kind == Kind.LOSS:
            function = None if event.function == NOWHERE else event.function
            hidden, lasting = _hidden(event)
            event.losses.append(Lost(function, hidden, lasting))


def _hidden(event: Event) -> tuple[frozenset[str], bool]:
    """What a LOSS record says was not seen, and whether that lasts."""
    name = event.payload.decode()
    if event.topic == LossCause.NOT_TRAPPED:
        return frozenset(("mmio",)), True
    if event.topic == LossCause.MEMORY:
        return frozenset(("mem",)), False
    if event.topic == LossCause.NOT_HOOKED or (event.topic == LossCause.HOOK_MISSED and name):
        return _sight_of_hook(name), event.topic == LossCause.NOT_HOOKED
    return SIGHTS, False


def _sight_of_hook(name: str) -> frozenset[str]:
    """Of the few hooks that random traces lose."""
    known = {
        "dma_map_page_attrs": "map",
        "pci_bus_read_config_dword": "cfg",
        "irq_handler_entry": "isr",
        "request_threaded_irq": "life",
        "ioread32": "mmio",
        "pio:inl": "pio",
    }
    return frozenset((known[name],)) if name else SIGHTS
