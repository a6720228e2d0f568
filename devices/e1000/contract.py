# SPDX-License-Identifier: Apache-2.0
"""What a driver must do with an 82540EM, and the other 8254x parts that Linux's e1000 drives.

Sources: Intel, *PCI/PCI-X Family of Gigabit Ethernet Controllers Software Developer's Manual*,
chapter 14 (initialisation: reset, link, receive, transmit) and 13.4 (the registers).
"""

from __future__ import annotations

from pathlib import Path

from uvtrace.devices.e1000.played import PLAYING
from uvtrace.devices.e1000.rings import INPUTS, LAYOUTS, RINGS

from uvtrace.check.automaton import ANY, FORBIDDEN, Automaton, Edge
from uvtrace.check.columns import record
from uvtrace.check.contract import Contract, Engine
from uvtrace.check.driver_acts import frees_irq, reads, requests_irq, writes
from uvtrace.check.latest import Latest
from uvtrace.check.terms import is_first_part
from uvtrace.trace.enums import Kind

CTRL, STATUS = 0x0000, 0x0008
MDIC = 0x0020
ICR, IMS, IMC = 0x00C0, 0x00D0, 0x00D8
RCTL, TCTL = 0x0100, 0x0400
RDBAL, RDT = 0x2800, 0x2818
TDBAL, TDT = 0x3800, 0x3818
IODATA = 0x4

CTRL_SLU, CTRL_RST = 1 << 6, 1 << 26
STATUS_LU = 1 << 1
MDIC_OP, MDIC_READY, MDIC_ERROR = 3 << 26, 1 << 28, 1 << 30
ENABLE = 1 << 1  # RCTL.EN and TCTL.EN alike
ALL_ONES = 0xFFFF_FFFF


# Parts other than the 82543 are reset through the port window, lest the reset cut its own write
# off. Linux writes no other register there with bit 26 set: IOADDR, which says that IODATA is
# CTRL, is written right before it.
_resets_by_port = (
    (record.kind == Kind.PIO_WRITE)
    & is_first_part
    & (record.offset == IODATA)
    & record.value.has(CTRL_RST)
)
resets = (writes(CTRL) & record.value.has(CTRL_RST)) | _resets_by_port
sets_link_up = writes(CTRL) & record.value.has(CTRL_SLU) & ~record.value.has(CTRL_RST)
starts_receiving = writes(RCTL) & record.value.has(ENABLE)
stops_receiving = writes(RCTL) & ~record.value.has(ENABLE)
starts_transmitting = writes(TCTL) & record.value.has(ENABLE)
stops_transmitting = writes(TCTL) & ~record.value.has(ENABLE)

DEVICE = Automaton(
    name="e1000.device",
    description="From reset to traffic and back: the course that every part of the driver shares.",
    states=(
        *("found", "reset", "configured", "transmit ring", "receive ring", "rings"),
        *("receiving", "transmitting", "running", "stopped"),
    ),
    initial="found",
    strict=False,
    edges=(
        Edge(ANY, "reset", resets, "CTRL.RST = 1"),
        Edge("reset", "configured", sets_link_up, "CTRL.SLU = 1"),
        Edge("configured", "transmit ring", writes(TDBAL), "write TDBAL"),
        Edge("configured", "receive ring", writes(RDBAL), "write RDBAL"),
        Edge("transmit ring", "rings", writes(RDBAL), "write RDBAL"),
        Edge("receive ring", "rings", writes(TDBAL), "write TDBAL"),
        Edge("rings", "receiving", starts_receiving, "RCTL.EN = 1"),
        Edge("rings", "transmitting", starts_transmitting, "TCTL.EN = 1"),
        Edge("receiving", "running", starts_transmitting, "TCTL.EN = 1"),
        Edge("transmitting", "running", starts_receiving, "RCTL.EN = 1"),
        Edge("receiving", "stopped", stops_receiving, "RCTL.EN = 0"),
        Edge("running", "stopped", stops_receiving, "RCTL.EN = 0"),
        Edge("running", "receiving", stops_transmitting, "TCTL.EN = 0"),
        Edge("stopped", "stopped", stops_transmitting, "TCTL.EN = 0"),
        Edge("stopped", "running", starts_receiving, "RCTL.EN = 1"),
    ),
)

LINK = Automaton(
    name="e1000.link",
    description="What the driver has read of the link, in STATUS.",
    states=("not read", "down", "up"),
    initial="not read",
    strict=False,
    edges=(
        Edge("not read", "up", reads(STATUS) & record.value.has(STATUS_LU), "STATUS.LU is 1"),
        Edge("not read", "down", reads(STATUS) & ~record.value.has(STATUS_LU), "STATUS.LU is 0"),
        Edge("down", "up", reads(STATUS) & record.value.has(STATUS_LU), "STATUS.LU is 1"),
        Edge("up", "down", reads(STATUS) & ~record.value.has(STATUS_LU), "STATUS.LU is 0"),
        Edge(ANY, "not read", resets, "CTRL.RST = 1"),
    ),
)


def _ring(name: str, base: int, tail: int, control: int, letters: str) -> Automaton:
    """One direction: its ring must be there before its doorbell and before it is enabled."""
    begins = writes(control) & record.value.has(ENABLE)
    ends = writes(control) & ~record.value.has(ENABLE)
    # Drivers clear the tail of a ring that they take down: that rings no bell.
    rings_bell = writes(tail) & (record.value != 0)
    bell, enable, place = f"{letters}DT", f"{letters}CTL.EN", f"{letters}DBAL"
    return Automaton(
        name=f"e1000.{name}",
        description="The ring's base comes before its tail and before the enable bit, and stays;"
        " a driver that leaves has taken the enable bit back.",
        states=("no ring", "ring", "enabled"),
        initial="no ring",
        accepting=frozenset({"no ring", "ring"}),
        strict=False,
        edges=(
            Edge("no ring", "ring", writes(base), f"write {place}"),
            Edge("ring", "ring", writes(base), f"write {place} again"),
            Edge("ring", "ring", rings_bell, f"{bell}: early descriptors"),
            Edge("ring", "enabled", begins, f"{enable} = 1"),
            Edge("enabled", "enabled", rings_bell, f"{bell}: doorbell"),
            Edge("enabled", "ring", ends, f"{enable} = 0"),
            Edge(ANY, "no ring", resets, "CTRL.RST = 1"),
            Edge("no ring", FORBIDDEN, rings_bell, f"{bell} before {place}"),
            Edge("no ring", FORBIDDEN, begins, f"{enable} = 1 before {place}"),
            Edge("enabled", FORBIDDEN, writes(base), f"{place} while enabled"),
        ),
    )


TRANSMIT = _ring("transmit", TDBAL, TDT, TCTL, "T")
RECEIVE = _ring("receive", RDBAL, RDT, RCTL, "R")

_unmasks = writes(IMS) & (record.value != 0)
_masks = writes(IMC) & (record.value == ALL_ONES)

INTERRUPTS = Automaton(
    name="e1000.interrupts",
    description="Causes are unmasked only while somebody listens.",
    states=("no handler", "masked", "unmasked"),
    initial="no handler",
    accepting=frozenset({"no handler", "masked"}),
    strict=False,
    edges=(
        Edge("no handler", "masked", requests_irq, "request_irq"),
        Edge("masked", "unmasked", _unmasks, "write IMS"),
        Edge("unmasked", "unmasked", reads(ICR), "read ICR"),
        Edge("unmasked", "masked", _masks, "IMC = all"),
        Edge("unmasked", "masked", resets, "CTRL.RST = 1"),
        Edge("masked", "no handler", frees_irq, "free_irq"),
        Edge("no handler", FORBIDDEN, _unmasks, "IMS without a handler"),
        Edge("unmasked", FORBIDDEN, frees_irq, "free_irq while unmasked"),
    ),
)

# A management frame takes 64 bit times of MDC, and MDC's period can be as short as 400 ns (IEEE
# 802.3, clause 22): some 26 us. The driver sees its end when it next looks, which on a busy machine
# takes a while (13 ms in a recording of ours); where it is not seen in a second there was none.
_MANAGEMENT_FRAME_NS = 1_000_000_000
_commands_phy = writes(MDIC) & record.value.has(MDIC_OP)
_sees_phy_ready = reads(MDIC) & record.value.has(MDIC_READY | MDIC_ERROR)

PHY = Automaton(
    name="e1000.phy",
    description="MDIC carries one access to the PHY at a time, and its end is waited for.",
    states=("idle", "busy"),
    initial="idle",
    strict=False,
    time_limits_ns={"busy": _MANAGEMENT_FRAME_NS},
    edges=(
        Edge("idle", "busy", _commands_phy, "write MDIC"),
        Edge("busy", "idle", _sees_phy_ready, "MDIC.R or MDIC.E is 1"),
        Edge("busy", "idle", resets, "CTRL.RST = 1"),
        Edge("busy", FORBIDDEN, _commands_phy, "MDIC while an access runs"),
    ),
)

_DEVICE_IDS = (
    *(0x1000, 0x1001, 0x1004, 0x1008, 0x1009, 0x100C, 0x100D, 0x100E, 0x100F, 0x1010, 0x1011),
    *(0x1012, 0x1013, 0x1014, 0x1015, 0x1016, 0x1017, 0x1018, 0x1019, 0x101A, 0x101D, 0x101E),
    *(0x1026, 0x1027, 0x1028, 0x1075, 0x1076, 0x1077, 0x1078, 0x1079, 0x107A, 0x107B, 0x107C),
    *(0x108A, 0x1099, 0x10B5, 0x2E6E),
)


def _ring_engine(name: str, base: int, control: int) -> Engine:
    """The engine of one direction: it reads and writes its ring of descriptors."""
    return Engine(
        name=f"e1000.{name}",
        starts=writes(control) & record.value.has(ENABLE),
        stops=(writes(control) & ~record.value.has(ENABLE)) | resets,
        address=(Latest(writes(base), record.value), Latest(writes(base + 4), record.value)),
    )


CONTRACT = Contract(
    name="e1000",
    automata=(DEVICE, LINK, TRANSMIT, RECEIVE, INTERRUPTS, PHY),
    engines=(_ring_engine("transmit", TDBAL, TCTL), _ring_engine("receive", RDBAL, RCTL)),
    devices=frozenset((0x8086, device) for device in _DEVICE_IDS),
    registers=Path(__file__).with_name("registers.rdl"),
    layouts=LAYOUTS,
    playing=PLAYING,
    rings=RINGS,
    inputs=INPUTS,
    description="Reset, configuration, link, rings, traffic, stop; interrupts; doorbells; the PHY.",
)
