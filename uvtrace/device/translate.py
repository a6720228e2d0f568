# SPDX-License-Identifier: Apache-2.0
"""Messages of a link as the events and commands of a model, and back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from uvtrace.device.link import Link, Taken
from uvtrace.device.linkabi import Message
from uvtrace.device.messages import (
    Command,
    Complete,
    Completed,
    ConfigSet,
    ConfigWritten,
    DmaRead,
    DmaWrite,
    Event,
    Interrupt,
    InterruptMessage,
    Intx,
    Log,
    Plugged,
    PowerChanged,
    Read,
    Reset,
    ResetKind,
    Unplug,
    Unplugged,
    Write,
)
from uvtrace.errors import UvtraceError
from uvtrace.trace.enums import Status


def event_of(taken: Taken) -> Event | None:
    """What a message of the kernel's says to the model; None: nothing.

    Raises:
        UvtraceError: a message of a type that the header does not have.
    """
    make = _EVENTS.get(taken.type)
    if make is None:
        raise UvtraceError(f"the kernel sent a message of unknown type {taken.type}")
    return make(taken)


def _completed(taken: Taken) -> Completed:
    return Completed(taken.tag, Status(taken.status), taken.data, taken.address, taken.byte_count)


_EVENTS: dict[int, Callable[[Taken], Event | None]] = {
    Message.WELCOME: lambda taken: None,
    Message.READ: lambda taken: Read(taken.bar, taken.address, taken.length, taken.tag),
    Message.WRITE: lambda taken: Write(
        taken.bar, taken.address, taken.length, taken.value, taken.tag
    ),
    Message.COMPLETION: _completed,
    Message.CONFIG_WRITTEN: lambda taken: ConfigWritten(taken.address, taken.length, taken.value),
    Message.RESET: lambda taken: Reset(ResetKind(taken.value)),
    Message.POWER: lambda taken: PowerChanged(taken.value),
    Message.PLUGGED: lambda taken: Plugged(taken.value),
    Message.UNPLUGGED: lambda taken: Unplugged(),
}


def send(link: Link, command: Command) -> None:
    """Queue what a model says, for :meth:`Link.flush`.

    Raises:
        UvtraceError: a command that does not go to the bus.
    """
    say = _COMMANDS.get(type(command))
    if say is None:
        raise UvtraceError(f"{command!r} is nothing that the bus carries")
    say(link, command)


def _log(link: Link, command: Log) -> None:
    link.send(Message.LOG, data=command.text.encode()[: link.data_max])


def _config_set(link: Link, command: ConfigSet) -> None:
    link.send(
        Message.CONFIG_SET, address=command.offset, length=command.length, value=command.value
    )


def _complete(link: Link, command: Complete) -> None:
    link.send(
        Message.COMPLETION,
        status=command.status,
        length=command.length,
        tag=command.tag,
        value=command.value,
    )


def _dma_read(link: Link, command: DmaRead) -> None:
    link.send(
        Message.DMA_READ,
        flags=command.flags,
        address=command.address,
        length=command.length,
        tag=command.tag,
    )


def _dma_write(link: Link, command: DmaWrite) -> None:
    link.send(Message.DMA_WRITE, flags=command.flags, address=command.address, data=command.data)


def _message(link: Link, command: InterruptMessage) -> None:
    link.send(Message.MESSAGE, flags=command.flags, address=command.address, value=command.value)


_COMMANDS: dict[type, Callable[[Link, Any], None]] = {
    Complete: _complete,
    DmaRead: _dma_read,
    DmaWrite: _dma_write,
    Interrupt: lambda link, command: link.send(Message.INTERRUPT, vector=command.vector),
    Intx: lambda link, command: link.send(Message.INTX, value=int(command.asserted)),
    InterruptMessage: _message,
    ConfigSet: _config_set,
    Log: _log,
    Unplug: lambda link, command: link.send(Message.UNPLUG),
}
