# SPDX-License-Identifier: Apache-2.0
"""State graphs in the page: what a run covered of contracts, or the order of register writes."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from xml.etree import ElementTree

from uvtrace.check.contract import Contract, class_codes, contract_for, installed_contracts
from uvtrace.errors import EnvironmentLacksError
from uvtrace.graph.automata import contract_graph
from uvtrace.graph.coverage import Coverage, MachineCoverage
from uvtrace.graph.drawing import Graph
from uvtrace.graph.export import to_svg
from uvtrace.graph.mined import register_graph
from uvtrace.graph.sweep import cover
from uvtrace.registers import RegisterMap, load
from uvtrace.report.markup import Markup, joined, tag, text
from uvtrace.trace.functions import Function
from uvtrace.trace.texts import duration_text
from uvtrace.trace.trace import Trace

log = logging.getLogger(__name__)

_SVG: Final = "{http://www.w3.org/2000/svg}"
_DRAWN: Final = frozenset({"svg", "g", "title", "polygon", "polyline", "path", "ellipse", "text"})
_KEPT: Final = frozenset(
    {
        *("viewBox", "width", "height", "transform", "fill", "stroke", "stroke-width"),
        *("stroke-dasharray", "points", "d", "cx", "cy", "rx", "ry", "x", "y", "text-anchor"),
        "font-size",
    }
)
_NODES_MAX: Final = 120
"""Graphviz takes minutes for more, and nobody reads them."""


@dataclass(frozen=True)
class Device:
    """What is known of the devices of a trace.

    Attributes:
        contracts: by function index.
        registers: by function index.
    """

    contracts: Mapping[int, Contract]
    registers: Mapping[int, RegisterMap]


def known_devices(
    trace: Trace, contract: Contract | None = None, registers: RegisterMap | None = None
) -> Device:
    """The contracts and register maps of a trace's functions.

    Args:
        trace: what :func:`uvtrace.open` gives.
        contract: instead of the installed ones.
        registers: instead of those that a contract names.
    """
    codes = class_codes(trace)
    installed = () if contract is not None else installed_contracts()
    contracts: dict[int, Contract] = {}
    maps: dict[int, RegisterMap] = {}
    for function in _functions(trace):
        own = contract or contract_for(function, codes.get(function.index), installed)
        if own is not None:
            contracts[function.index] = own
        if registers is not None:
            maps[function.index] = registers
        elif own is not None and own.registers is not None:
            maps[function.index] = load(own.registers)
    return Device(contracts, maps)


def states(trace: Trace, device: Device, registers: RegisterMap | None = None) -> Markup:
    """The section's content: one figure for each contract, and each function without one."""
    parts = [*_covered(trace, device, registers), *_mined(trace, device)]
    if not parts:
        return tag("p", "No PCI function was recorded.", class_="empty")
    return joined(parts)


def _functions(trace: Trace) -> list[Function]:
    return [function for function in trace.functions if function.is_pci]


def _covered(trace: Trace, device: Device, registers: RegisterMap | None) -> Iterator[Markup]:
    by_contract: dict[str, list[Function]] = {}
    for function in _functions(trace):
        if function.index in device.contracts:
            name = device.contracts[function.index].name
            by_contract.setdefault(name, []).append(function)
    for functions in by_contract.values():
        contract = device.contracts[functions[0].index]
        coverage = cover(trace, contract, functions, registers=registers)
        names = ", ".join(function.name for function in functions)
        yield _figure(
            f"Contract {contract.name}", names, contract_graph(coverage), _machines(coverage)
        )


def _mined(trace: Trace, device: Device) -> Iterator[Markup]:
    for function in _functions(trace):
        if function.index in device.contracts:
            continue
        graph = register_graph(trace, function, device.registers.get(function.index))
        if graph.number_of_nodes():
            note = tag(
                "p",
                "No contract is known for this device. This is the order in which its registers"
                " were written: what the driver did, not what it should do.",
                class_="hint",
            )
            yield _figure("Register writes", function.name, graph, note)


def _figure(title: str, names: str, graph: Graph, told: Markup) -> Markup:
    return tag(
        "figure",
        tag("figcaption", tag("strong", title), " ", tag("span", names, class_="dim")),
        tag("div", picture(graph), class_="graph", tabindex=0, role="group", aria_label=title),
        told,
        class_="states",
    )


def picture(graph: Graph) -> Markup:
    """A graph as SVG of our own elements; a line of text where it cannot be drawn."""
    if graph.number_of_nodes() > _NODES_MAX:
        return tag("p", f"{graph.number_of_nodes()} states are too many to draw.", class_="hint")
    try:
        drawn = to_svg(graph)
    except EnvironmentLacksError as error:
        log.info("no picture of %s: %s", graph.graph["title"], error)
        return tag("p", f"Not drawn: {error}", class_="hint")
    root = ElementTree.fromstring(drawn)
    # Graphviz counts in points; the page shows its text as large as its own.
    _, _, root.attrib["width"], root.attrib["height"] = root.attrib["viewBox"].split()
    return _own(root)


def _own(element: ElementTree.Element) -> Markup:
    """An element of Graphviz's SVG with what it draws, and nothing that acts."""
    name = element.tag.removeprefix(_SVG)
    children = [_own(child) for child in element]
    if name not in _DRAWN:
        return joined(children)
    kept = {key: value for key, value in element.attrib.items() if key in _KEPT}
    inside = text(element.text.strip()) if element.text and element.text.strip() else None
    attributes = "".join(f' {key}="{text(value)}"' for key, value in kept.items())
    return Markup(f"<{name}{attributes}>{inside or ''}{joined(children)}</{name}>")


def _machines(coverage: Coverage) -> Markup:
    """The machines as a table: what was taken of each, and what went wrong."""
    names = (
        "machine",
        "function",
        "edges taken",
        "states seen",
        "ends in",
        "violations",
        "unknown",
    )
    head = tag("tr", [tag("th", name, scope="col") for name in names])
    rows = [_machine(machine) for machine in coverage.machines[:200]]
    more = len(coverage.machines) - len(rows)
    return joined(
        [
            tag("table", tag("thead", head), tag("tbody", rows), class_="machines"),
            tag("p", f"and {more} more machines", class_="hint") if more > 0 else Markup(""),
            _never(coverage.merged()),
        ]
    )


def _machine(machine: MachineCoverage) -> Markup:
    unknown = machine.unknown.time_ns
    cells = (
        machine.name,
        machine.function.name,
        f"{machine.taken} of {len(machine.allowed)}",
        f"{machine.visited} of {len(machine.states)}",
        machine.final or "not known",
        str(machine.violations),
        duration_text(unknown) if unknown else "0",
    )
    return tag(
        "tr",
        [tag("td", cell) for cell in cells],
        class_="bad" if machine.violations else None,
    )


def _never(machines: Sequence[MachineCoverage]) -> Markup:
    """The edges that the run never took."""
    lines = [
        f"{machine.automaton.name}: {'any state' if edge.edge.source == '*' else edge.edge.source}"
        f" → {edge.edge.target} ({edge.edge.label})"
        for machine in machines
        for edge in machine.allowed
        if not edge.count
    ]
    if not lines:
        return Markup("")
    count = f"{len(lines)} edge{'' if len(lines) == 1 else 's'} never taken"
    return tag("details", tag("summary", count), tag("ul", [tag("li", line) for line in lines]))
