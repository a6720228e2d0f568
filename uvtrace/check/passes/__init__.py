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
from uvtrace.check.passes.mapping import MappingPass
from uvtrace.check.passes.order import OrderPass
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
}
PASSES: Final = tuple(_MAKERS.values())


def needed(maker: Maker, wanted: AbstractSet[str]) -> bool:
    """Whether a pass fills a column that somebody wants."""
    family = next(name for name, each in _MAKERS.items() if each is maker)
    return any(column.name in wanted for column in FAMILIES[family])
