# SPDX-License-Identifier: Apache-2.0
"""What a driver must do with an NVMe controller over PCIe.

Sources: *NVM Express Base Specification* 2.0, 3.1.3 (properties), 3.5.1 (initialisation of a
memory-based controller), 3.6.1 (shutdown); *NVMe over PCIe Transport Specification* 1.0, 3.1.2
(doorbells). Queues are created by commands in memory, which a recording without memory contents
does not show: a queue begins when its doorbell is first rung. CAP.DSTRD is taken to be 0, as of
nearly every controller.
"""

from __future__ import annotations

from pathlib import Path

from uvtrace.devices.nvme.layouts import LAYOUTS

from uvtrace.check.automaton import ANY, FORBIDDEN, Automaton, Edge
from uvtrace.check.columns import record
from uvtrace.check.contract import Contract, Engine
from uvtrace.check.driver_acts import reads, writes, writes_bar
from uvtrace.check.expression import choose
from uvtrace.check.latest import Latest

CAP = 0x00
CC, CSTS, AQA, ASQ, ACQ = 0x14, 0x1C, 0x24, 0x28, 0x30
DOORBELLS, DOORBELLS_END = 0x1000, 0x2000
CC_EN, CC_SHN = 1 << 0, 3 << 14
CSTS_RDY, CSTS_CFS, CSTS_SHST = 1 << 0, 1 << 1, 3 << 2
SHUTDOWN_COMPLETE = 2 << 2


_writes_cc = writes(CC)
enables = _writes_cc & record.value.has(CC_EN) & ~record.value.has(CC_SHN)
disables = _writes_cc & ~record.value.has(CC_EN)
shuts_down = _writes_cc & record.value.has(CC_EN) & record.value.has(CC_SHN)

_reads_status = reads(CSTS)
_healthy = _reads_status & ~record.value.has(CSTS_CFS)
sees_ready = _healthy & record.value.has(CSTS_RDY)
sees_not_ready = _healthy & ~record.value.has(CSTS_RDY)
sees_shut_down = _healthy & ((record.value & CSTS_SHST) == SHUTDOWN_COMPLETE)
sees_failure = _reads_status & record.value.has(CSTS_CFS)

# The MSI-X table of QEMU's controller begins at 0x2000 of the same BAR.
is_doorbell = writes_bar() & (record.offset >= DOORBELLS) & (record.offset < DOORBELLS_END)
queue = (record.offset - DOORBELLS) >> 3
submits = is_doorbell & ~record.offset.has(4)
acknowledges = is_doorbell & record.offset.has(4)

# How long CSTS.RDY may take to follow CC.EN: CAP.TO, in units of 500 ms (Base Specification 2.0,
# 3.1.3.1). All ones can stand for more, which CRTO then says: no limit is known.
CAP_TO_UNIT_NS = 500_000_000
_reads_cap = reads(CAP)
_timeout = record.value.bits(24, 8)
READY_WITHIN = Latest(_reads_cap & (_timeout != 0xFF), _timeout * CAP_TO_UNIT_NS)

CONTROLLER = Automaton(
    name="nvme.controller",
    description="CC.EN and CSTS.RDY: each step waits for the controller to have made the last one,"
    " and that takes it no longer than CAP.TO says. A driver that leaves has shut it down.",
    states=(
        *("found", "disabling", "disabled", "enabling", "ready"),
        *("shutting down", "shut down", "failed"),
    ),
    initial="found",
    accepting=frozenset({"found", "disabling", "disabled", "shutting down", "shut down", "failed"}),
    time_limits_ns={"disabling": READY_WITHIN, "enabling": READY_WITHIN},
    strict=False,
    edges=(
        Edge("found", "disabling", disables, "CC.EN = 0"),
        Edge("found", "disabled", sees_not_ready, "CSTS.RDY is 0"),
        Edge("disabling", "disabled", sees_not_ready, "CSTS.RDY is 0"),
        Edge("disabled", "disabled", disables, "CC, still EN = 0"),
        Edge("disabled", "enabling", enables, "CC.EN = 1"),
        Edge("enabling", "ready", sees_ready, "CSTS.RDY is 1"),
        Edge("enabling", "disabling", disables, "CC.EN = 0"),
        Edge("ready", "ready", submits, "submission doorbell"),
        Edge("ready", "disabling", disables, "CC.EN = 0"),
        Edge("ready", "shutting down", shuts_down, "CC.SHN"),
        Edge("shutting down", "shut down", sees_shut_down, "CSTS.SHST is 2"),
        Edge("shutting down", "disabling", disables, "CC.EN = 0"),
        Edge("shut down", "disabling", disables, "CC.EN = 0"),
        Edge("failed", "disabling", disables, "CC.EN = 0"),
        Edge(ANY, "failed", sees_failure, "CSTS.CFS is 1"),
        Edge("found", FORBIDDEN, enables, "CC.EN = 1 before RDY was seen 0"),
        Edge("disabling", FORBIDDEN, enables, "CC.EN = 1 before RDY was seen 0"),
        Edge("found", FORBIDDEN, submits, "doorbell before enable"),
        Edge("disabled", FORBIDDEN, submits, "doorbell while disabled"),
        Edge("enabling", FORBIDDEN, submits, "doorbell before RDY was seen 1"),
        Edge("shut down", FORBIDDEN, submits, "doorbell after shutdown"),
    ),
)


def _admin_register(name: str, offset: int, sets: str) -> Automaton:
    """A register that must be written before the controller is enabled; resets keep it."""
    return Automaton(
        name=f"nvme.{name}",
        description=f"The driver sets {sets} before it first enables the controller.",
        states=("not set", "set"),
        initial="not set",
        strict=False,
        edges=(
            Edge("not set", "set", writes(offset), f"write {name}"),
            Edge("set", "set", writes(offset), f"write {name} again"),
            Edge("set", "set", enables, "CC.EN = 1"),
            Edge("not set", FORBIDDEN, enables, f"CC.EN = 1 without {name}"),
        ),
    )


QUEUE = Automaton(
    name="nvme.queue",
    description="The doorbells of one queue pair; resetting the controller ends every queue.",
    states=("silent", "in use"),
    initial="silent",
    strict=False,
    key=(queue,),
    relevant=is_doorbell | disables,
    starts_over=disables,
    edges=(
        Edge("silent", "in use", submits, "first submission"),
        Edge("silent", "in use", acknowledges, "first completion"),
        Edge("in use", "in use", submits, "submission doorbell"),
        Edge("in use", "in use", acknowledges, "completion doorbell"),
    ),
)


def _admin_queue(name: str, register: int) -> Engine:
    """An admin queue: the controller uses it from its enabling to its end."""
    whole = writes(register) & (record.length == 8)
    upper = choose(record.offset == register, record.value.bits(32, 32), record.value.bits(0, 32))
    return Engine(
        name=f"nvme.{name}",
        starts=enables,
        stops=disables | sees_shut_down | sees_not_ready | sees_failure,
        address=(
            Latest(writes(register), record.value.bits(0, 32)),
            Latest(writes(register + 4) | whole, upper),
        ),
    )


CONTRACT = Contract(
    name="nvme",
    automata=(
        CONTROLLER,
        _admin_register("AQA", AQA, "the admin queues' sizes"),
        _admin_register("ASQ", ASQ, "the admin submission queue's base"),
        _admin_register("ACQ", ACQ, "the admin completion queue's base"),
        QUEUE,
    ),
    engines=(_admin_queue("ASQ", ASQ), _admin_queue("ACQ", ACQ)),
    class_codes=frozenset({0x010802}),
    registers=Path(__file__).with_name("registers.rdl"),
    layouts=LAYOUTS,
    description="Enabling, the admin queues' registers, doorbells, shutdown.",
)
