# SPDX-License-Identifier: Apache-2.0
"""A model of Intel's 82540EM that distributions' unmodified e1000.ko drives.

Source: Intel, *PCI/PCI-X Family of Gigabit Ethernet Controllers Software Developer's Manual*,
chapter 13 (registers), 14 (resets). What is left out: README.md.
"""

from __future__ import annotations

from collections.abc import Sequence

from uvtrace.devices.e1000.eeprom import DO, Eeprom, contents, words_read
from uvtrace.devices.e1000.phy import Phy
from uvtrace.devices.e1000.receive import Receiver
from uvtrace.devices.e1000.transmit import Transmitter

from uvtrace.device import (
    ConfigSpace,
    Device,
    Limits,
    MemoryBar,
    Msi,
    PortBar,
    PowerManagement,
    ResetKind,
    on_read,
    on_write,
)
from uvtrace.device.messages import Seen
from uvtrace.device.scheduler import Timer
from uvtrace.errors import UsageError

DEVICE = 0x100E
CAUSE_LINK, CAUSE_MDI = 1 << 2, 1 << 9
CTRL_AT_POWER_ON = 0x140240
"""SLU, 1000 Mbit/s, and the two software-definable pins that the board pulls up."""
CTRL_SLU, CTRL_PHY_RESET = 1 << 6, 1 << 31
STATUS_WITHOUT_LINK = 0x0781
"""Full duplex, 1000 Mbit/s as detected and in use, transmit clock there."""
STATUS_LINK = 1 << 1
MANC_AT_POWER_ON = 0x222300
LEDCTL_AT_POWER_ON = 0x0602
PBA_AT_POWER_ON = 0x0010_0030
"""48 KiB to receive, 16 KiB to transmit."""
EECD_REQUEST, EECD_GRANT, EECD_PRESENT = 1 << 6, 1 << 7, 1 << 8
MDIC_READ, MDIC_WRITE = 2, 1
MDIC_READY, MDIC_INTERRUPT, MDIC_ERROR = 1 << 28, 1 << 29, 1 << 30
PHY_ADDRESS = 1
ITR_UNIT_NS = 256


class E1000(Device):
    """The model.

    Args:
        mac: the address in the EEPROM.
        negotiation_ms: how long the PHY takes for auto-negotiation.
    """

    registers = "registers.rdl"
    # Conventional PCI: bursts are as long as the bridge lets them.
    limits = Limits(max_payload=4096, max_read_request=4096)

    def __init__(self, mac: str = "52:54:00:12:34:56", negotiation_ms: int = 20) -> None:
        try:
            self.mac = bytes.fromhex(mac.replace(":", ""))
        except ValueError:
            self.mac = b""
        if len(self.mac) != 6 or self.mac[0] & 1:
            raise UsageError(f"{mac} is no station's address", hint="mac=52:54:00:12:34:56")
        self.config = ConfigSpace(
            vendor=0x8086,
            device=DEVICE,
            class_code=0x020000,
            revision=2,
            subsystem_vendor=0x8086,
            subsystem=0x001E,
            bars=[MemoryBar(0, 128 << 10), PortBar(1, 64)],
            capabilities=[PowerManagement(), Msi()],
            at={0: 0xDC, 1: 0xF0},
            min_grant=0xFF,
        )
        self.negotiation_ns = negotiation_ms * 1_000_000
        self.eeprom = Eeprom(contents(self.mac, DEVICE))
        self.phy = Phy()
        self.packet_buffer = PBA_AT_POWER_ON
        self.negotiated_at_ns = 0
        self.negotiation: Timer | None = None
        self.transmitter = Transmitter(self)
        self.receiver = Receiver(self)

    def adopt(self, seen: Sequence[Seen]) -> None:
        """The EEPROM of the card that a recorded driver has read, and the address in it."""
        read = words_read(seen)
        words = [read.get(number, word) for number, word in enumerate(self.eeprom.words)]
        self.eeprom = Eeprom(words)
        self.mac = b"".join(word.to_bytes(2, "little") for word in words[:3])

    # ---------------------------------------------------------------- resets

    def on_reset(self, kind: ResetKind) -> None:
        """CTRL.RST leaves the PHY and PBA alone; the bus's resets reset it all."""
        if kind is ResetKind.SOFTWARE:
            self.reg["PBA"] = self.packet_buffer
        else:
            self.phy.reset()
            self.packet_buffer = self.reg["PBA"] = PBA_AT_POWER_ON
            self.negotiated_at_ns = self.now_ns + self.negotiation_ns
        self.throttled: Timer | None = None
        self.next_interrupt_ns = 0
        self.line_up = False
        self.reg["CTRL"] = CTRL_AT_POWER_ON
        self.reg["MANC"] = MANC_AT_POWER_ON
        self.reg["LEDCTL"] = LEDCTL_AT_POWER_ON
        self.reg["RA[0].RAL"] = int.from_bytes(self.mac[:4], "little")
        self.reg["RA[0].RAH"] = int.from_bytes(self.mac[4:], "little") | 1 << 31
        self.transmitter.reset()
        self.receiver.reset()
        self.show_link()
        # The reset has ended the timer with everything else.
        self.negotiation = None
        self.await_partner()

    @on_write("PBA")
    def divide_packet_buffer(self, value: int) -> None:
        """What receiving does not take is for transmitting: 64 KiB in all."""
        share = value & 0x7F
        self.packet_buffer = share | (64 - min(share, 64)) << 16
        self.reg["PBA"] = self.packet_buffer

    # ------------------------------------------------------------------ link

    def await_partner(self) -> None:
        """Where the PHY negotiates, it will be done by and by."""
        if self.phy.negotiating and self.negotiation is None:
            delay = max(0, self.negotiated_at_ns - self.now_ns)
            self.negotiation = self.after(delay, self.partner_agrees)

    def partner_agrees(self) -> None:
        """Auto-negotiation is done."""
        self.negotiation = None
        if self.phy.negotiating:
            self.phy.negotiated()
            self.show_link()
            self.set_causes(CAUSE_LINK)

    def show_link(self) -> None:
        """STATUS follows the PHY and CTRL.SLU."""
        up = self.phy.link and self.reg["CTRL"] & CTRL_SLU
        self.reg["STATUS"] = STATUS_WITHOUT_LINK | (STATUS_LINK if up else 0)

    def phy_changed(self, had_link: bool) -> None:
        """The driver has reset the PHY, or restarted its negotiation."""
        if self.negotiation is not None:
            self.negotiation.cancel()
            self.negotiation = None
        self.negotiated_at_ns = self.now_ns + self.negotiation_ns
        self.show_link()
        if had_link and not self.phy.link:
            self.set_causes(CAUSE_LINK)
        self.await_partner()

    @on_write("CTRL")
    def control(self, value: int) -> None:
        """SLU shows in STATUS; PHY_RST resets the PHY when it is taken back, too."""
        if value & CTRL_PHY_RESET:
            had_link = self.phy.link
            self.phy.reset()
            self.phy_changed(had_link)
        self.show_link()

    @on_write("MDIC")
    def manage(self, value: int) -> None:
        """A management frame to the PHY; it is over at once."""
        register, address = value >> 16 & 0x1F, value >> 21 & 0x1F
        answer = value & ~MDIC_ERROR | MDIC_READY
        operation = value >> 26 & 3
        if address != PHY_ADDRESS or operation not in (MDIC_READ, MDIC_WRITE):
            answer |= MDIC_ERROR
        elif operation == MDIC_READ:
            answer = answer & ~0xFFFF | self.phy.read(register)
        else:
            before = (self.phy.link, self.phy.negotiating)
            self.phy.write(register, value & 0xFFFF)
            if (self.phy.link, self.phy.negotiating) != before:
                self.phy_changed(before[0])
        self.reg["MDIC"] = answer
        if value & MDIC_INTERRUPT:
            self.set_causes(CAUSE_MDI)

    # ---------------------------------------------------------------- EEPROM

    @on_write("EECD")
    def drive_eeprom(self, value: int) -> None:
        """The driver moves the EEPROM's lines."""
        self.eeprom.drive(value)

    @on_read("EECD")
    def look_at_eeprom(self, value: int) -> int:
        """Who asks for the EEPROM has it."""
        value &= ~(DO | EECD_GRANT)
        value |= EECD_PRESENT | (DO if self.eeprom.output else 0)
        return value | (EECD_GRANT if value & EECD_REQUEST else 0)

    @on_write("EERD")
    def read_eeprom(self, value: int) -> None:
        """The other way: a word at a time."""
        if value & 1:
            word = self.eeprom.words[(value >> 8) % len(self.eeprom.words)]
            self.reg["EERD"] = value & 0xFF00 | 1 << 4 | word << 16

    # ------------------------------------------------------------ interrupts

    def set_causes(self, causes: int) -> None:
        """Something has happened that the driver may want to know."""
        if causes:
            self.reg["ICR"] |= causes
            self.look_at_causes(new=bool(causes & self.reg["IMS"]))

    def look_at_causes(self, new: bool = False) -> None:
        """Interrupt, or take the line back; ITR says how soon after the last."""
        if not self.reg["ICR"] & self.reg["IMS"]:
            self.lower()
        elif new or not self.line_up:
            if self.now_ns >= self.next_interrupt_ns:
                self.interrupt_now()
            elif self.throttled is None:
                self.throttled = self.after(
                    self.next_interrupt_ns - self.now_ns, self.throttle_over
                )

    def throttle_over(self) -> None:
        """ITR's time is over."""
        self.throttled = None
        if self.reg["ICR"] & self.reg["IMS"]:
            self.interrupt_now()

    def interrupt_now(self) -> None:
        """By message each time, by the line once."""
        if self.bus.uses_messages:
            self.interrupt()
        elif not self.line_up:
            self.intx(True)
        else:
            return
        self.line_up = True
        self.next_interrupt_ns = self.now_ns + self.reg["ITR"] * ITR_UNIT_NS

    def lower(self) -> None:
        """There is nothing to interrupt for."""
        self.line_up = False
        if not self.bus.uses_messages:
            self.intx(False)

    @on_read("ICR")
    def read_causes(self, value: int) -> int:
        """The register file has cleared them."""
        self.lower()
        return value

    @on_write("ICR", "IMS")
    def causes_or_mask_written(self, _: int) -> None:
        """The register file has cleared causes, or set mask bits."""
        self.look_at_causes()

    @on_write("ICS")
    def set_causes_by_software(self, value: int) -> None:
        """The driver interrupts itself."""
        self.set_causes(value)

    @on_write("IMC")
    def clear_mask(self, value: int) -> None:
        """Ones mask causes."""
        self.reg["IMS"] &= ~value
        self.look_at_causes()

    # --------------------------------------------------------------- traffic

    @on_write("TDT", "TCTL")
    def transmit(self, _: int) -> None:
        """There is something to send, or it is allowed now."""
        self.transmitter.begin()

    @on_write("RDT", "RCTL")
    def receive(self, _: int) -> None:
        """There are buffers, or reception is on or off."""
        self.receiver.look_again()

    @on_write("RDBAL", "RDBAH", "RDLEN", "RDH")
    def receive_elsewhere(self, _: int) -> None:
        """The ring has moved."""
        self.receiver.look_again(ring_moved=True)

    async def on_frame(self, frame: bytes) -> None:
        """A frame from the wire; without a link there is none."""
        if self.reg["STATUS"] & STATUS_LINK:
            await self.receiver.take(frame)
