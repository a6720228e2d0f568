# SPDX-License-Identifier: Apache-2.0
"""Descriptors of the 8254x: what driver and device write for each other.

Source: Intel, *PCI/PCI-X Family of Gigabit Ethernet Controllers Software Developer's Manual*, 3.2.3
(receive descriptors) and 3.3.3 to 3.3.7 (transmit descriptors: legacy, context, data).
"""

from __future__ import annotations

from collections.abc import Iterator

from uvtrace.layouts import Area, Field, Form, Layout, Layouts, Match, Registers

RDBAL, TDBAL = 0x2800, 0x3800
_HIGH, _LENGTH = 4, 8
_DEXT = 93
_KIND = 84

_ADDRESS = Field(name="buffer", first=0, count=64)
_DONE = Field(name="status", first=96, count=4, flags=("DD", "EC", "LC", "TU"))
_VLAN = Field(name="special", first=112, count=16, optional=True)

TRANSMIT = Layout(
    entry_bytes=16,
    forms=(
        Form(
            name="legacy",
            when=(Match(_DEXT, 1, 0),),
            fields=(
                _ADDRESS,
                Field(name="length", first=64, count=16, decimal=True),
                Field(
                    name="command",
                    first=88,
                    count=8,
                    flags=("EOP", "IFCS", "IC", "RS", "RPS", "DEXT", "VLE", "IDE"),
                ),
                Field(name="CSO", first=80, count=8, decimal=True, optional=True),
                Field(name="CSS", first=104, count=8, decimal=True, optional=True),
                _DONE,
                _VLAN,
            ),
        ),
        Form(
            name="context",
            when=(Match(_DEXT, 1, 1), Match(_KIND, 4, 0)),
            fields=(
                Field(name="IPCSS", first=0, count=8, decimal=True),
                Field(name="IPCSO", first=8, count=8, decimal=True),
                Field(name="IPCSE", first=16, count=16, decimal=True),
                Field(name="TUCSS", first=32, count=8, decimal=True),
                Field(name="TUCSO", first=40, count=8, decimal=True),
                Field(name="TUCSE", first=48, count=16, decimal=True),
                Field(name="PAYLEN", first=64, count=20, decimal=True, optional=True),
                Field(
                    name="command",
                    first=88,
                    count=8,
                    flags=("TCP", "IP", "TSE", "RS", "", "DEXT", "SNAP", "IDE"),
                ),
                Field(name="HDRLEN", first=104, count=8, decimal=True, optional=True),
                Field(name="MSS", first=112, count=16, decimal=True, optional=True),
                _DONE,
            ),
        ),
        Form(
            name="data",
            when=(Match(_DEXT, 1, 1), Match(_KIND, 4, 1)),
            fields=(
                _ADDRESS,
                Field(name="length", first=64, count=20, decimal=True),
                Field(
                    name="command",
                    first=88,
                    count=8,
                    flags=("EOP", "IFCS", "TSE", "RS", "RPS", "DEXT", "VLE", "IDE"),
                ),
                Field(name="options", first=104, count=8, flags=("IXSM", "TXSM")),
                _DONE,
                _VLAN,
            ),
        ),
    ),
)

RECEIVE = Layout(
    entry_bytes=16,
    forms=(
        Form(name="free", when=(Match(96, 1, 0),), fields=(_ADDRESS,)),
        Form(
            name="received",
            fields=(
                _ADDRESS,
                Field(name="length", first=64, count=16, decimal=True),
                Field(
                    name="status",
                    first=96,
                    count=8,
                    flags=("DD", "EOP", "IXSM", "VP", "", "TCPCS", "IPCS", "PIF"),
                ),
                Field(
                    name="errors",
                    first=104,
                    count=8,
                    flags=("CE", "SE", "SEQ", "", "CXE", "TCPE", "IPE", "RXE"),
                ),
                Field(name="checksum", first=80, count=16, optional=True),
                _VLAN,
            ),
        ),
    ),
)

_RINGS = (("transmit ring", TDBAL, TRANSMIT), ("receive ring", RDBAL, RECEIVE))


def _areas(registers: Registers) -> Iterator[Area]:
    for name, base, layout in _RINGS:
        low, length = registers.get((0, base)), registers.get((0, base + _LENGTH))
        if low is not None and length:
            address = registers.get((0, base + _HIGH), 0) << 32 | low
            yield Area(name, address, length, layout)


LAYOUTS = Layouts(
    registers=frozenset((0, base + part) for _, base, _ in _RINGS for part in (0, _HIGH, _LENGTH)),
    areas=lambda registers: tuple(_areas(registers)),
)
