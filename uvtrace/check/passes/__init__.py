# SPDX-License-Identifier: Apache-2.0
"""Passes: what fills the derived columns, chunk by chunk, carrying state from one to the next."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Set as AbstractSet
from typing import Final, Protocol

from uvtrace.check.chunk import Chunk
from uvtrace.check.columns import FAMILIES
from uvtrace.check.passes.address import AddressPass
from uvtrace.check.passes.config import ConfigPass
from uvtrace.check.passes.device import INPUTS as DEVICE_INPUTS
from uvtrace.check.passes.device import DevicePass
from uvtrace.check.passes.fields import FieldsPass
from uvtrace.check.passes.life import LifePass
from uvtrace.check.passes.mapping import MappingPass
from uvtrace.check.passes.order import OrderPass
from uvtrace.check.passes.ordering import OrderingPass
from uvtrace.check.passes.recovery import RecoveryPass
from uvtrace.check.passes.registers import INPUTS as REGISTERS_INPUTS
from uvtrace.check.passes.registers import RegistersPass
from uvtrace.check.passes.requests import RequestsPass
from uvtrace.check.passes.shape import ShapePass
from uvtrace.check.passes.vectors import INPUTS as VECTORS_INPUTS
from uvtrace.check.passes.vectors import VectorsPass
from uvtrace.check.passes.windows import WindowsPass
from uvtrace.registers import RegisterMap
from uvtrace.trace.trace import Trace


class Pass(Protocol):
    """Fills the columns of one family."""

    def run(self, chunk: Chunk) -> None:
        """Tell the chunk its columns; chunks come in the order of the trace."""
        ...


Maker = Callable[[Trace, AbstractSet[str], RegisterMap | None], Pass]
"""Makes a pass for a trace, given the columns that somebody wants."""

_MAKERS: Final[dict[str, Maker]] = {
    "order": lambda trace, wanted, _: OrderPass(trace, wanted),
    "config": lambda trace, wanted, _: ConfigPass(trace, wanted),
    "address": lambda trace, wanted, _: AddressPass(trace, wanted),
    "mapping": lambda trace, wanted, _: MappingPass(trace, wanted),
    "life": lambda trace, wanted, _: LifePass(trace, wanted),
    "requests": lambda trace, wanted, _: RequestsPass(trace, wanted),
    "recovery": lambda trace, wanted, _: RecoveryPass(trace, wanted),
    "registers": RegistersPass,
    "vectors": lambda trace, wanted, _: VectorsPass(trace, wanted),
    "fields": lambda _trace, _wanted, registers: FieldsPass(registers),
    "device": lambda trace, wanted, _: DevicePass(trace, wanted),
    "windows": lambda trace, wanted, _: WindowsPass(trace, wanted),
    "ordering": lambda trace, wanted, _: OrderingPass(trace, wanted),
    "shape": lambda _trace, _wanted, registers: ShapePass(registers),
}
PASSES: Final = tuple(_MAKERS.values())


def needed(maker: Maker, wanted: AbstractSet[str]) -> bool:
    """Whether a pass fills a column that somebody wants."""
    family = next(name for name, each in _MAKERS.items() if each is maker)
    return any(column.name in wanted for column in FAMILIES[family])


_INPUTS: Final = {"device": DEVICE_INPUTS, "registers": REGISTERS_INPUTS, "vectors": VECTORS_INPUTS}
"""Columns of earlier passes that a family's pass reads."""


def with_inputs(wanted: AbstractSet[str]) -> set[str]:
    """What is wanted, and what the passes that fill it want themselves."""
    columns = set(wanted)
    for family, inputs in _INPUTS.items():
        if any(column.name in wanted for column in FAMILIES[family]):
            columns |= inputs
    return columns


def maker_of(family: str) -> Maker:
    """What makes the pass that fills a family of columns.

    Raises:
        KeyError: no pass does.
    """
    return _MAKERS[family]
