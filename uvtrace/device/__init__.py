# SPDX-License-Identifier: Apache-2.0
"""Devices in Python: what models are written in, tested with, and run by.

``docs/devices.md`` leads from nothing to a working device.
"""

from uvtrace.device.bus import DmaError
from uvtrace.device.config import (
    ConfigSpace,
    MemoryBar,
    Msi,
    MsiX,
    PciExpress,
    PortBar,
    PowerManagement,
    SerialNumber,
    Vendor,
)
from uvtrace.device.device import Device, on_read, on_write
from uvtrace.device.machine import Machine, ModelError
from uvtrace.device.memory import Memory
from uvtrace.device.messages import (
    UVPCI,
    Complete,
    ConfigSet,
    DmaRead,
    DmaWrite,
    Interrupt,
    InterruptMessage,
    Intx,
    Limits,
    Log,
    ResetKind,
    SendFrame,
    Unplug,
)
from uvtrace.device.playbook import Playbook

__all__ = [
    "UVPCI",
    "Complete",
    "ConfigSet",
    "ConfigSpace",
    "Device",
    "DmaError",
    "DmaRead",
    "DmaWrite",
    "Interrupt",
    "InterruptMessage",
    "Intx",
    "Limits",
    "Log",
    "Machine",
    "Memory",
    "MemoryBar",
    "ModelError",
    "Msi",
    "MsiX",
    "PciExpress",
    "Playbook",
    "PortBar",
    "PowerManagement",
    "ResetKind",
    "SendFrame",
    "SerialNumber",
    "Unplug",
    "Vendor",
    "on_read",
    "on_write",
]
