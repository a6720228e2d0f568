# SPDX-License-Identifier: Apache-2.0
"""The register graph: which register a driver writes after which."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from uvtrace.graph.accesses import RegisterNames, accesses
from uvtrace.graph.drawing import Graph, Role, add_edge, add_node, new_graph
from uvtrace.registers import RegisterMap
from uvtrace.trace.functions import Function
from uvtrace.trace.trace import Trace

MAX_REGISTERS: Final = 30
MAX_EDGES: Final = 60


def register_graph(
    trace: Trace,
    function: Function,
    described: RegisterMap | None = None,
    *,
    max_registers: int = MAX_REGISTERS,
    max_edges: int = MAX_EDGES,
) -> Graph:
    """Mine the order in which a function's registers are written.

    An edge's count says how often its target was the next register that was written after its
    source. Only the registers that are written most often, and the most frequent steps between
    them, are kept; the graph's ``note`` says how many there were.

    Args:
        trace: what :func:`uvtrace.open` gives.
        function: of the trace.
        described: names the registers.
        max_registers: how many to keep.
        max_edges: how many to keep.

    Returns:
        A ``networkx.MultiDiGraph``, a draft; see :mod:`uvtrace.graph.drawing`.
    """
    steps = _Steps(RegisterNames(described))
    for each in accesses(trace, function, reads=False):
        steps.take(each.place, each.write)
    registers = dict(_most(steps.writes, max_registers))
    inside = {pair: count for pair, count in steps.pairs.items() if registers.keys() >= {*pair}}
    kept = dict(_most(inside, max_edges))
    note = (
        f"{len(registers)} of {len(steps.writes)} registers,"
        f" {len(kept)} of {len(steps.pairs)} steps"
        f" ({_share(sum(kept.values()), sum(steps.pairs.values()))} of all)"
    )
    graph = new_graph(
        "registers", f"order of register writes of {function.name}", draft=True, note=note
    )
    _fill(graph, function, {name: steps.writes[name] for name in steps.writes if name in registers})
    for (one, two), count in steps.pairs.items():
        if (one, two) in kept:
            add_edge(graph, _node(function, one), _node(function, two), "", count=count)
    return graph


@dataclass
class _Steps:
    """Counts of writes and of steps between them, by name, as first seen."""

    names: RegisterNames
    writes: dict[str, int] = field(default_factory=dict)
    pairs: dict[tuple[str, str], int] = field(default_factory=dict)
    last: str | None = None

    def take(self, place: NDArray[np.uint64], write: NDArray[np.bool_]) -> None:
        named = self.names.of(place, write)
        if not len(named):
            return
        for name, count in _counts(named):
            self.writes[name] = self.writes.get(name, 0) + count
        number = {name: index for index, name in enumerate(self.writes)}
        code = np.array([number[name] for name in named], np.int64)
        if self.last is not None:
            code = np.concatenate([[number[self.last]], code])
        self._count_pairs(code)
        self.last = str(named[-1])

    def _count_pairs(self, code: NDArray[np.int64]) -> None:
        names = list(self.writes)
        both = code[:-1] * len(names) + code[1:]
        for pair, count in _counts(both):
            one, two = divmod(int(pair), len(names))
            key = names[one], names[two]
            self.pairs[key] = self.pairs.get(key, 0) + count


def _counts(values: NDArray[Any]) -> Iterator[tuple[Any, int]]:
    """Different values with their counts, in order of first occurrence."""
    unique, first, count = np.unique(values, return_index=True, return_counts=True)
    for index in np.argsort(first).tolist():
        yield unique[index], int(count[index])


def _most(counts: dict[Any, int], limit: int) -> list[tuple[Any, int]]:
    """The largest counts; of equal ones those that were seen first."""
    return sorted(counts.items(), key=lambda item: -item[1])[:limit]


def _share(part: int, whole: int) -> str:
    return f"{100 * part / whole:.0f} %" if whole else "0 %"


def _fill(graph: Graph, function: Function, writes: dict[str, int]) -> None:
    group = f"{function.name} ({function.driver})" if function.driver else function.name
    for name, count in writes.items():
        add_node(graph, _node(function, name), name, group, role=Role.REGISTER, count=count)


def _node(function: Function, register: str) -> str:
    return f"{function.name} {register}"
