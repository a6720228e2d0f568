# SPDX-License-Identifier: Apache-2.0
"""What a driver must do with the DMA engine of QEMU's edu device.

Source: QEMU's ``docs/specs/edu.rst``: DMA_COMMAND.RUN starts a transfer, and is 0 again when it is
done; with DMA_COMMAND.IRQ the interrupt 0x100 says so, too. Writes to the engine's registers while
it runs are ignored.
"""

from __future__ import annotations

from pathlib import Path

from uvtrace.check.automaton import ANY, FORBIDDEN, Automaton, Edge
from uvtrace.check.columns import record
from uvtrace.check.contract import Contract, Engine
from uvtrace.check.driver_acts import reads, writes, writes_bar
from uvtrace.check.expression import Truth
from uvtrace.check.latest import Latest

IRQ_STATUS = 0x24
DMA_SOURCE, DMA_DESTINATION, DMA_COUNT, DMA_COMMAND = 0x80, 0x88, 0x90, 0x98
RUN, TO_MEMORY = 1 << 0, 1 << 1
DMA_DONE = 0x100

starts = writes(DMA_COMMAND) & record.value.has(RUN)
sees_idle = (reads(DMA_COMMAND) & ~record.value.has(RUN)) | (
    reads(IRQ_STATUS) & record.value.has(DMA_DONE)
)
_sets_up = writes_bar() & record.offset.is_in((DMA_SOURCE, DMA_DESTINATION, DMA_COUNT))


def _address(register: int) -> Latest:
    return Latest(writes(register), record.value)


DMA = Automaton(
    name="edu.dma",
    description="One transfer at a time, and its end is waited for before the next is set up.",
    states=("idle", "running"),
    initial="idle",
    accepting=frozenset({"idle"}),
    strict=False,
    edges=(
        Edge("idle", "running", starts, "DMA_COMMAND.RUN = 1"),
        Edge(ANY, "idle", sees_idle, "the transfer is done"),
        Edge("running", FORBIDDEN, starts, "DMA_COMMAND while a transfer runs"),
        Edge("running", FORBIDDEN, _sets_up, "set-up while a transfer runs"),
    ),
)


def _engine(direction: str, address: int, starts_it: Truth) -> Engine:
    return Engine(
        name=f"edu.dma {direction}",
        starts=starts_it,
        stops=sees_idle,
        address=(_address(address),),
    )


CONTRACT = Contract(
    name="edu",
    automata=(DMA,),
    engines=(
        _engine("from memory", DMA_SOURCE, starts & ~record.value.has(TO_MEMORY)),
        _engine("to memory", DMA_DESTINATION, starts & record.value.has(TO_MEMORY)),
    ),
    devices=frozenset({(0x1234, 0x11E8)}),
    registers=Path(__file__).with_name("registers.rdl"),
    description="The DMA engine: one transfer at a time, in memory that stays mapped.",
)
