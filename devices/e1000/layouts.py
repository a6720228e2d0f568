# SPDX-License-Identifier: Apache-2.0
"""Descriptors of the 8254x: what driver and device write for each other.

Source: Intel, *PCI/PCI-X Family of Gigabit Ethernet Controllers Software Developer's Manual*, 3.2.3
(receive descriptors) and 3.3.3 to 3.3.7 (transmit descriptors: legacy, context, data).
"""

from __future__ import annotations

from uvtrace.layouts import Field, Form, Layout, Match

_DEXT = 93
_KIND = 84

BUFFER = Field(name="buffer", first=0, count=64)
LENGTH = Field(name="length", first=64, count=16, decimal=True)
TRANSMITTED = Field(name="status", first=96, count=4, flags=("DD", "EC", "LC", "TU"))
RECEIVED = Field(
    name="status",
    first=96,
    count=8,
    flags=("DD", "EOP", "IXSM", "VP", "", "TCPCS", "IPCS", "PIF"),
)
_VLAN = Field(name="special", first=112, count=16, optional=True)


def _command(*flags: str) -> Field:
    """The command byte, whose bits each kind of descriptor has for itself."""
    return Field(name="command", first=88, count=8, flags=flags)


TRANSMIT = Layout(
    entry_bytes=16,
    forms=(
        Form(
            name="legacy",
            when=(Match(_DEXT, 1, 0),),
            fields=(
                BUFFER,
                LENGTH,
                _command("EOP", "IFCS", "IC", "RS", "RPS", "DEXT", "VLE", "IDE"),
                Field(name="CSO", first=80, count=8, decimal=True, optional=True),
                Field(name="CSS", first=104, count=8, decimal=True, optional=True),
                TRANSMITTED,
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
                _command("TCP", "IP", "TSE", "RS", "", "DEXT", "SNAP", "IDE"),
                Field(name="HDRLEN", first=104, count=8, decimal=True, optional=True),
                Field(name="MSS", first=112, count=16, decimal=True, optional=True),
                TRANSMITTED,
            ),
        ),
        Form(
            name="data",
            when=(Match(_DEXT, 1, 1), Match(_KIND, 4, 1)),
            fields=(
                BUFFER,
                Field(name="length", first=64, count=20, decimal=True),
                _command("EOP", "IFCS", "TSE", "RS", "RPS", "DEXT", "VLE", "IDE"),
                Field(name="options", first=104, count=8, flags=("IXSM", "TXSM")),
                TRANSMITTED,
                _VLAN,
            ),
        ),
    ),
)

RECEIVE = Layout(
    entry_bytes=16,
    forms=(
        Form(name="free", when=(Match(96, 1, 0),), fields=(BUFFER,)),
        Form(
            name="received",
            fields=(
                BUFFER,
                LENGTH,
                RECEIVED,
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
