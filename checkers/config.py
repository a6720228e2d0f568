# SPDX-License-Identifier: Apache-2.0
"""CFG: configuration space and decode."""

from __future__ import annotations

from uvtrace.check.columns import config, record
from uvtrace.check.rule import Case, rule
from uvtrace.check.rules import Sight
from uvtrace.check.terms import (
    in_bar,
    is_config,
    is_executed,
    is_first_part,
    is_mmio,
)

CFG001 = rule(
    "CFG001",
    "MMIO to a memory BAR while Command.Memory Space Enable is 0",
    needs={Sight.CFG, Sight.MMIO},
    applies=is_mmio & is_first_part & in_bar & is_executed,
    violation=~config.memory_enable,
    message="{access_to} BAR {bar} + {offset:#x} while Memory Space Enable is 0"
    " (since {memory_enable_since})",
    roles={"disabled": config.memory_enable_since},
    source="PCI Express Base Specification 5.0, 7.5.1.1.3 Command Register, Memory Space Enable",
    example="the driver reads a register before it calls pci_enable_device()",
)

_misaligned = ~record.length.is_in((1, 2, 4)) | ~record.address.is_aligned_to(record.length)
# Compared without adding, as a hostile offset could wrap round.
_beyond = (record.address >= config.config_size) | (
    record.length > config.config_size - record.address
)
CFG007 = rule(
    "CFG007",
    "config access misaligned, crossing a dword, or beyond the config space's size",
    needs={Sight.CFG},
    applies=is_config & is_first_part,
    violation=_misaligned | _beyond,
    cases=[
        Case(
            _beyond,
            "config {access} of {length} bytes at {address:#x} ends beyond the {config_size} bytes"
            " of config space",
        )
    ],
    message="config {access} of {length} bytes at {address:#x} is misaligned",
    source="PCI Express Base Specification 5.0, 7.2 Configuration Space; drivers/pci/access.c",
    example="a word is read at offset 0x03",
)

RULES = (CFG001, CFG007)
