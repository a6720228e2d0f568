# SPDX-License-Identifier: Apache-2.0
"""What it takes for a recorded 8254x to play for a live driver.

Source: Intel, *PCI/PCI-X Family of Gigabit Ethernet Controllers Software Developer's Manual*,
13.4.17 to 13.4.22 (interrupt registers), 13.4.25 to 13.4.39 (rings).
"""

from __future__ import annotations

from uvtrace.play.declaration import Doorbell, Interrupts, Place, Playing

CTRL, ITR = (0, 0x0000), (0, 0x00C4)
IODATA = (1, 0x4)
_RST = 1 << 26
_TXDW, _TXQE, _RXT0 = 1 << 0, 1 << 1, 1 << 7


def _resets(place: Place, value: int) -> bool:
    """CTRL.RST, which Linux writes through the port window, and nothing else with that bit."""
    return place in (CTRL, IODATA) and bool(value & _RST)


PLAYING = Playing(
    doorbells={
        "e1000.transmit": Doorbell(tail=(0, 0x3818), head=(0, 0x3810), done=_TXDW | _TXQE),
        "e1000.receive": Doorbell(tail=(0, 0x2818), head=(0, 0x2810), done=_RXT0),
    },
    interrupts=Interrupts(
        cause=(0, 0x00C0), raises=(0, 0x00C8), enables=(0, 0x00D0), disables=(0, 0x00D8)
    ),
    free=frozenset({ITR}),
    resets=_resets,
)
