# SPDX-License-Identifier: Apache-2.0
"""What a bus tells a device, and what a device says to it: values without I/O.

The same messages cross a link to uvbus.ko, stand in a :class:`~uvtrace.device.Playbook`, and
come out of a replayed trace. Addresses and lengths are bytes; values are little-endian integers.

Nobody changes a message. They are not frozen all the same: that makes them four times as dear, and
every access of the driver's is two of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from uvtrace.trace.enums import Status


class ResetKind(IntEnum):
    """What has reset the function (``enum uv_model_reset``)."""

    POWER_ON = 0
    FLR = 1
    BUS = 2
    D3HOT = 3
    """D3hot to D0, of a function without No_Soft_Reset."""
    SOFTWARE = 4
    """A register of the device's own; no message of the bus."""


# ------------------------------------------------------------------ events


@dataclass(slots=True)
class Read:
    """The driver reads ``length`` bytes (1, 2, 4 or 8) of a BAR; it waits for :class:`Complete`."""

    bar: int
    offset: int
    length: int
    tag: int = 0


@dataclass(slots=True)
class Write:
    """The driver writes. ``tag`` is 0 for posted writes; others (ports) are to be completed."""

    bar: int
    offset: int
    length: int
    value: int
    tag: int = 0


@dataclass(slots=True)
class Completed:
    """An answer, or a part of one, to a :class:`DmaRead`.

    ``address`` is where ``data`` was read from; ``byte_count`` are the bytes still to come,
    these included.
    """

    tag: int
    status: Status
    data: bytes = b""
    address: int = 0
    byte_count: int = 0


@dataclass(slots=True)
class ConfigWritten:
    """Config space was written: ``value`` is what it holds now."""

    offset: int
    length: int
    value: int


@dataclass(slots=True)
class Reset:
    """The function was reset."""

    kind: ResetKind


@dataclass(slots=True)
class PowerChanged:
    """The function is in another D-state, 0 to 3."""

    state: int


@dataclass(slots=True)
class Plugged:
    """The function is on the bus. ``function`` is domain << 16 | bus << 8 | device << 3."""

    function: int


@dataclass(slots=True)
class Unplugged:
    """The function has gone from the bus."""


@dataclass(slots=True)
class FrameArrived:
    """The model's port has received a frame."""

    frame: bytes


Event = (
    Read
    | Write
    | Completed
    | ConfigWritten
    | Reset
    | PowerChanged
    | Plugged
    | Unplugged
    | FrameArrived
)


# ---------------------------------------------------------------- commands


@dataclass(slots=True)
class Complete:
    """Answers a :class:`Read`, or a :class:`Write` with a tag."""

    tag: int
    value: int = 0
    length: int = 0
    status: Status = Status.OK


@dataclass(slots=True)
class DmaRead:
    """The device reads memory. ``flags`` are attributes: RELAXED, ID_ORDERED, NO_SNOOP."""

    address: int
    length: int
    tag: int = 0
    flags: int = 0


@dataclass(slots=True)
class DmaWrite:
    """The device writes memory; posted."""

    address: int
    data: bytes
    flags: int = 0


@dataclass(slots=True)
class Interrupt:
    """An interrupt, by what the driver has enabled: MSI-X, else MSI, else INTx asserted."""

    vector: int = 0


@dataclass(slots=True)
class Intx:
    """The function's interrupt line, asserted or not."""

    asserted: bool


@dataclass(slots=True)
class InterruptMessage:
    """An interrupt message exactly as given, whatever the driver has programmed."""

    address: int
    value: int
    flags: int = 0


@dataclass(slots=True)
class ConfigSet:
    """The function changes its config space; not BARs, Command, MSI, MSI-X."""

    offset: int
    length: int
    value: int


@dataclass(slots=True)
class Log:
    """Text for the trace."""

    text: str


@dataclass(slots=True)
class SendFrame:
    """A frame for the model's port."""

    frame: bytes


@dataclass(slots=True)
class Unplug:
    """Surprise removal: the function disappears."""


Command = (
    Complete
    | DmaRead
    | DmaWrite
    | Interrupt
    | Intx
    | InterruptMessage
    | ConfigSet
    | Log
    | SendFrame
    | Unplug
)


@dataclass(slots=True)
class Seen:
    """An access that a recording shows: what the driver wrote, or what it read."""

    is_write: bool
    bar: int
    offset: int
    length: int
    value: int


@dataclass(frozen=True, slots=True)
class Limits:
    """What the bus allows the function (``struct uv_link_limits``).

    The default is the profile "uvPCI" with bytes instead of dwords: no request over 128 bytes.

    Attributes:
        max_payload: bytes of one write, 128 to 4096.
        max_read_request: bytes of one read, a power of two, 128 to 4096.
        alignment: of addresses and lengths, 1 or 4 bytes. With 4, reads are widened by the API;
            a write that is not aligned is an error of the model.
        reads: reads outstanding at once, 1 to 64.
        timeout_ns: completion timeout of the driver's reads; 0: the module's.
    """

    max_payload: int = 128
    max_read_request: int = 128
    alignment: int = 1
    reads: int = 32
    timeout_ns: int = 0


UVPCI = Limits(alignment=4)
"""The Ultraviolet paper's bus: 128 bytes, 32-bit aligned."""
