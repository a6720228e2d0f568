# SPDX-License-Identifier: Apache-2.0
"""State graphs: a contract's automata with the coverage of a run, and graphs mined from a trace.

    graph = contract_graph(cover(trace, contract_named("e1000")))
    write_graph(graph, "coverage.svg")

Every graph is a :class:`networkx.MultiDiGraph`; its attributes are described in
:mod:`uvtrace.graph.drawing`.
"""

from uvtrace.graph.automata import contract_graph
from uvtrace.graph.coverage import Coverage, EdgeCoverage, MachineCoverage, StateCoverage
from uvtrace.graph.export import write_graph
from uvtrace.graph.learned import learned_graph
from uvtrace.graph.mined import register_graph
from uvtrace.graph.sweep import cover

__all__ = [
    "Coverage",
    "EdgeCoverage",
    "MachineCoverage",
    "StateCoverage",
    "contract_graph",
    "cover",
    "learned_graph",
    "register_graph",
    "write_graph",
]
