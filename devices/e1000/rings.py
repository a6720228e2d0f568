# SPDX-License-Identifier: Apache-2.0
"""How a driver and an 8254x exchange buffers, and which registers traffic changes.

Source: Intel, *PCI/PCI-X Family of Gigabit Ethernet Controllers Software Developer's Manual*, 3.2.3
(receive descriptors), 3.3.3 to 3.3.7 (transmit descriptors: legacy, context, data), chapter 13.
"""

from __future__ import annotations

from uvtrace.devices.e1000.layouts import BUFFER, LENGTH, RECEIVE, RECEIVED, TRANSMIT, TRANSMITTED

from uvtrace.layouts import Registers, Ring, layouts_of

RCTL, RDBAL, TDBAL = 0x0100, 0x2800, 0x3800
_RCTL_SECRC = 1 << 26
_FCS_BYTES = 4


def _fcs_kept(registers: Registers) -> int:
    """Bytes of checksum behind a frame: RCTL.SECRC strips them."""
    return 0 if registers.get((0, RCTL), 0) & _RCTL_SECRC else _FCS_BYTES


RECEIVING = Ring(
    name="e1000.receive",
    base=(RDBAL, RDBAL + 4),
    length=RDBAL + 8,
    layout=RECEIVE,
    buffer=BUFFER,
    status=RECEIVED,
    done=RECEIVED.bits("DD"),
    last=RECEIVED.bits("EOP"),
    received=LENGTH,
    trailer=_fcs_kept,
)
TRANSMITTING = Ring(
    name="e1000.transmit",
    base=(TDBAL, TDBAL + 4),
    length=TDBAL + 8,
    layout=TRANSMIT,
    buffer=BUFFER,
    size=LENGTH,
    status=TRANSMITTED,
    done=TRANSMITTED.bits("DD"),
)
RINGS = (TRANSMITTING, RECEIVING)
LAYOUTS = layouts_of(RINGS)

# 0x4000 to 0x40FF, by their names in the register map.
_STATISTICS = (
    *("CRCERRS", "ALGNERRC", "SYMERRS", "RXERRC", "MPC", "SCC", "ECOL", "MCC", "LATECOL", "COLC"),
    *("DC", "TNCRS", "SEC", "CEXTERR", "RLEC", "XONRXC", "XONTXC", "XOFFRXC", "XOFFTXC", "FCRUC"),
    *("PRC64", "PRC127", "PRC255", "PRC511", "PRC1023", "PRC1522", "GPRC", "BPRC", "MPRC", "GPTC"),
    *("GORC", "GOTC", "RNBC", "RUC", "RFC", "ROC", "RJC", "MGTPRC", "MGTPDC", "MGTPTC", "TOR"),
    *("TOT", "TPR", "TPT", "PTC64", "PTC127", "PTC255", "PTC511", "PTC1023", "PTC1522", "MPTC"),
    *("BPTC", "TSCTC", "TSCTFC"),
)
INPUTS = frozenset({"ICR", "TDH", "RDH", *_STATISTICS})
"""Registers that change with frames, and so with memory."""
