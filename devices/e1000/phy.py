# SPDX-License-Identifier: Apache-2.0
"""The PHY behind MDIC, an M88E1011S: registers, auto-negotiation with a gigabit partner.

Sources: IEEE 802.3, 22.2.4 and 40.5 (registers 0 to 15); Intel, *PCI/PCI-X Family of Gigabit
Ethernet Controllers Software Developer's Manual*, chapter 13 (MDIC; PHY registers 16 and above).
"""

from __future__ import annotations

CONTROL, STATUS, ID1, ID2 = 0, 1, 2, 3
ADVERTISED, PARTNER, EXPANSION = 4, 5, 6
GIGABIT_CONTROL, GIGABIT_STATUS, EXTENDED_STATUS = 9, 10, 15
SPECIFIC_CONTROL, SPECIFIC_STATUS, EXTENDED_CONTROL = 16, 17, 20

CONTROL_RESET, CONTROL_NEGOTIATE = 1 << 15, 1 << 12
CONTROL_POWER_DOWN, CONTROL_RESTART = 1 << 11, 1 << 9
STATUS_NEGOTIATED, STATUS_LINK = 1 << 5, 1 << 2

_RESET = {
    CONTROL: 0x1140,
    STATUS: 0x7949,
    ID1: 0x0141,
    ID2: 0x0C20,
    ADVERTISED: 0x0DE1,
    GIGABIT_CONTROL: 0x0E00,
    EXTENDED_STATUS: 0x3000,
    SPECIFIC_CONTROL: 0x0360,
    EXTENDED_CONTROL: 0x0D60,
}
_WITH_LINK = {
    STATUS: STATUS_NEGOTIATED | STATUS_LINK,
    PARTNER: 0x41E0,  # acknowledged: 10 and 100 Mbit/s, half and full duplex
    EXPANSION: 0x0001,
    GIGABIT_STATUS: 0x3C00,  # 1000BASE-T half and full, both receivers are well
    SPECIFIC_STATUS: 0xAC00,  # 1000 Mbit/s, full duplex, resolved, link
}
_WRITABLE = {CONTROL, ADVERTISED, 7, GIGABIT_CONTROL, SPECIFIC_CONTROL, 18, EXTENDED_CONTROL, 24}
_WRITABLE |= {29, 30}


class Phy:
    """Registers 0 to 31, and whether there is a link.

    Attributes:
        link: negotiated with the partner.
        negotiating: begun, and to be ended by :meth:`negotiated`.
    """

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """As after power-on: begins to negotiate."""
        self._registers = dict(_RESET)
        self.link = False
        self.negotiating = True

    def negotiated(self) -> None:
        """The partner has agreed."""
        self.link = True
        self.negotiating = False

    def read(self, register: int) -> int:
        """A register of the driver's management frame."""
        value = self._registers.get(register, 0)
        return value | _WITH_LINK.get(register, 0) if self.link else value

    def write(self, register: int, value: int) -> None:
        """Write a register; what is read-only stays."""
        if register not in _WRITABLE:
            return
        if register == CONTROL:
            self._control(value)
        else:
            self._registers[register] = value

    def _control(self, value: int) -> None:
        # Marvell's reset keeps the specific registers; the standard ones begin again.
        self._registers[CONTROL] = value & ~(CONTROL_RESET | CONTROL_RESTART)
        if value & CONTROL_POWER_DOWN:
            self.link = self.negotiating = False
        elif value & (CONTROL_RESET | CONTROL_RESTART) or not (self.link or self.negotiating):
            self.link = False
            self.negotiating = True
