# SPDX-License-Identifier: Apache-2.0
"""What Wireshark asks a capture program (extcap), and our answers, as lines of text.

The protocol: wireshark/doc/extcap.adoc, https://www.wireshark.org/docs/wsdg_html_chunked/ChCaptureExtcap.html.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from uvtrace.version import VERSION

VM: Final = "uvbus-vm"
"""The interface that records a driver in a VM."""
LOCAL: Final = "uvbus0"
"""The interface that records a driver of this machine, through ``/dev/uvbus0``."""

_DLT: Final = 147


@dataclass(frozen=True)
class Argument:
    """A field of Wireshark's dialogue.

    Attributes:
        call: the option that it becomes.
        display: its label.
        tooltip: what it is for.
        type: as extcap names types.
        default: what is taken where nothing is said; empty for nothing.
        required: whether Wireshark insists on it.
        choices: value and label; the first is the default.
    """

    call: str
    display: str
    tooltip: str
    type: str = "string"
    default: str = ""
    required: bool = False
    choices: tuple[tuple[str, str], ...] = ()


def version_line() -> str:
    """Who we are."""
    return f"extcap {{version={VERSION}}}{{display=uvtrace}}"


def interface_lines(names: Sequence[str]) -> Iterator[str]:
    """The interfaces, as Wireshark's list shows them."""
    yield version_line()
    titles = {VM: "uvtrace: a driver in a VM", LOCAL: "uvtrace: a driver of this machine"}
    for name in names:
        yield f"interface {{value={name}}}{{display={titles[name]}}}"


def dlt_lines() -> Iterator[str]:
    """The link type of recordings."""
    yield f"dlt {{number={_DLT}}}{{name=USER0}}{{display=uvBus records}}"


def arguments_of(interface: str, kernels: Sequence[str] = ()) -> tuple[Argument, ...]:
    """What an interface can be told.

    Args:
        interface: :data:`VM` or :data:`LOCAL`.
        kernels: releases that a VM can boot, the newest first.
    """
    timeout = Argument(
        "--timeout", "Seconds at most", "The command is ended then", "unsigned", "600"
    )
    if interface == LOCAL:
        return (
            Argument(
                *("--device", "Device", "pci:BDF or pci:VENDOR:DEVICE, as in pci:0000:00:1f.6"),
                required=True,
            ),
            Argument(
                "--command", "Command", "Runs while recording; a shell's", default="sleep 600"
            ),
            Argument(
                *("--keep-bound", "Keep the driver bound", "Do not unbind it at the end"),
                type="boolflag",
                default="true",
            ),
            timeout,
        )
    newest = ("", "the newest")
    return (
        Argument(
            *("--device", "Device", "qemu:MODEL, model:NAME or trace:RUN.pcapng"),
            default="qemu:e1000",
            required=True,
        ),
        Argument(
            *("--command", "Command", "Runs in the VM while recording; a shell's"),
            default="ping -c 10 10.0.2.2",
        ),
        Argument(
            *("--kernel", "Kernel", "That the VM boots"),
            type="selector",
            choices=(newest, *((each, each) for each in kernels)),
        ),
        timeout,
    )


def config_lines(arguments: Sequence[Argument]) -> Iterator[str]:
    """The dialogue's fields."""
    for number, each in enumerate(arguments):
        parts = [
            *(("number", str(number)), ("call", each.call), ("display", each.display)),
            *(("tooltip", each.tooltip), ("type", each.type)),
        ]
        if each.default:
            parts.append(("default", each.default))
        if each.required:
            parts.append(("required", "true"))
        yield "arg " + "".join(f"{{{key}={value}}}" for key, value in parts)
        for index, (value, label) in enumerate(each.choices):
            chosen = "true" if index == 0 else "false"
            yield f"value {{arg={number}}}{{value={value}}}{{display={label}}}{{default={chosen}}}"
