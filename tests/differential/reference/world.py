# SPDX-License-Identifier: Apache-2.0
"""What the reference knows of each function, and of what they share."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from .device import DeviceUse
from .life import Life
from .mappings import Found, Mappings
from .polling import Polling
from .records import Event, Lost
from .recovery import Recovery
from .requests import Requests
from .space import Space, snapshot_of_config
from .vectors import Handlers, Vectors
from .windows import Windows


class Shared:
    """What functions share: CPUs, and address space."""

    def __init__(self, parameters: Mapping[str, int]) -> None:
        self.parameters = parameters
        self.handlers = Handlers()
        self.windows = Windows()

    def follow(self, event: Event) -> None:
        """The event in hand has happened."""
        self.handlers.follow(event)
        self.windows.follow(event)

    def lose(self, lost: Lost) -> None:
        """Records are missing."""
        self.handlers.lose(lost)
        self.windows.lose(lost)


class Function:
    """A PCI function: what is known of it before the event in hand."""

    def __init__(self, shared: Shared) -> None:
        self.shared = shared
        self.mappings = Mappings()
        self.device = DeviceUse()
        self.space = Space()
        self.recovery = Recovery()
        self.life = Life()
        self.requests = Requests()
        self.vectors = Vectors()
        self.polling = Polling()
        self.found = Found()
        """The mapping that the event in hand concerns."""

    def parameter(self, name: str, default: int) -> int:
        """What is set, or the default."""
        return self.shared.parameters.get(name, default)

    def look(self, event: Event) -> None:
        """An event is in hand."""
        self.found = self.mappings.concerned(event)

    def follow(self, event: Event) -> None:
        """The event in hand has happened."""
        self.device.follow(event, self.found)
        self.mappings.follow(event, self.found)
        self.vectors.follow(event, self.space)
        self.requests.follow(event)
        self.polling.follow(event)
        self.life.follow(event)
        if snapshot_of_config(event):
            self.space = Space.of_snapshot(event.payload, event.total)
            self.recovery = Recovery(self.space)
        else:
            self.recovery.follow(event)
            self.space.follow(event)

    def lose(self, lost: Lost) -> None:
        """Records that concern the function are missing."""
        self.mappings.lose(lost)
        self.device.lose(lost)
        self.space.lose(lost)
        self.recovery.lose(lost)
        self.life.lose(lost)
        self.requests.lose(lost)
        self.polling.lose(lost)
        self.vectors.lose(lost)


Judge = Callable[[Function, Event], bool]
"""Whether an event certainly breaks a rule."""
Judges = dict[str, list[Judge]]
