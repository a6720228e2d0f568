# SPDX-License-Identifier: Apache-2.0
"""What a contract must say of a device, beside its rings, for a recording of it to play."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

Place = tuple[int, int]
"""BAR and offset of a register."""


def _never(_: Place, __: int) -> bool:
    return False


@dataclass(frozen=True, kw_only=True)
class Doorbell:
    """The two ends of a ring.

    Attributes:
        tail: the register in which the driver says up to which descriptor the device may go.
        head: the register in which the device says how far it is.
        done: the interrupt causes that tell that it is done with some.
    """

    tail: Place
    head: Place
    done: int


@dataclass(frozen=True, kw_only=True)
class Interrupts:
    """How a device tells why it interrupts.

    Attributes:
        cause: the register that holds the causes; reading clears it.
        raises: the register whose bits the driver sets to have a cause raised.
        enables: the register whose bits let causes interrupt; read, it tells which do.
        disables: the register whose bits keep them from it.
    """

    cause: Place
    raises: Place | None = None
    enables: Place
    disables: Place


@dataclass(frozen=True, kw_only=True)
class Playing:
    """How a recorded device plays for a live driver.

    Attributes:
        doorbells: of the contract's rings, by their names.
        interrupts: how it tells why it interrupts.
        free: registers whose values depend on time and traffic, so that a driver may write them
            whenever it likes.
        resets: whether a write, of a value to a register, resets the device.
    """

    doorbells: Mapping[str, Doorbell]
    interrupts: Interrupts
    free: frozenset[Place] = field(default_factory=frozenset)
    resets: Callable[[Place, int], bool] = _never

    def places(self) -> frozenset[Place]:
        """Registers that the rings and the interrupts answer, not the recording's course."""
        own = {each.tail for each in self.doorbells.values()}
        own |= {each.head for each in self.doorbells.values()}
        given = self.interrupts
        own |= {given.cause, given.enables, given.disables}
        return frozenset(own | ({given.raises} if given.raises is not None else set()))
