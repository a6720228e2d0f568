# SPDX-License-Identifier: Apache-2.0
"""A graph in Graphviz's DOT language.

What a run covered is told three times, so that it is seen without colours and in print: by the
line (solid, dashed, dotted), by the number, and by a colour of a palette that people tell apart
however they see colours (Okabe and Ito, 2008).
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterator
from typing import Any

from uvtrace.graph.drawing import Graph, Role, groups
from uvtrace.trace.texts import duration_text

BLUE, VERMILLION = "#0072B2", "#D55E00"
PALE_BLUE, PALE_VERMILLION = "#DCEAF4", "#FBE3D2"
GREY, DARK = "#8C8C8C", "#222222"
_LABEL_WIDTH = 22
_LEFT = "\\l"
TIMES = "\N{MULTIPLICATION SIGN}"

Attributes = dict[str, str]


def to_dot(graph: Graph) -> str:
    """The graph as DOT; the same graph gives the same text."""
    names = {node: f"n{number}" for number, node in enumerate(graph.nodes)}
    lines = ["digraph uvtrace {", *_defaults(graph)]
    for number, (group, nodes) in enumerate(groups(graph)):
        lines.append(f"  subgraph cluster_{number} {{")
        lines.append(f"    graph [{_list({'label': group, 'margin': '14'})}];")
        lines += [f"    {names[node]} [{_list(_node(facts))}];" for node, facts in nodes]
        lines.append("  }")
    most = max((facts["count"] for _, _, facts in graph.edges(data=True)), default=1)
    for (source, target), edges in _bundles(graph):
        lines.append(f"  {names[source]} -> {names[target]} [{_list(_edge(edges, most))}];")
    return "\n".join([*lines, "}", ""])


def quoted(text: str, line_end: str = "\\n") -> str:
    """Text as a DOT string that shows exactly that text; line breaks break lines.

    ``line_end`` is DOT's: ``\\n`` centres a line, ``\\l`` sets it to the left.
    """
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", line_end)
    return f'"{escaped}"'


def _bundles(graph: Graph) -> Iterator[tuple[tuple[str, str], list[dict[str, Any]]]]:
    """Edges that look alike and join the same nodes, which are drawn as one line."""
    bundles: dict[tuple[str, str, bool, bool], list[dict[str, Any]]] = {}
    for source, target, facts in graph.edges(data=True):
        key = (source, target, facts["covered"], facts["forbidden"])
        bundles.setdefault(key, []).append(facts)
    for (source, target, _, _), edges in bundles.items():
        yield (source, target), edges


def _defaults(graph: Graph) -> list[str]:
    font = {"fontname": "Helvetica", "fontsize": "11", "fontcolor": DARK}
    whole = {
        "labelloc": "t",
        "labeljust": "l",
        "rankdir": "TB",
        "nodesep": "0.35",
        "ranksep": "0.5",
        "bgcolor": "white",
        "color": "#BBBBBB",
        **font,
        "fontsize": "12",
    }
    node = {"shape": "box", "style": "rounded,filled", "fillcolor": "white", **font}
    edge = {**font, "fontsize": "10", "arrowsize": "0.7"}
    return [
        f"  graph [label={quoted(_title(graph), _LEFT)}, {_list(whole)}];",
        f"  node [{_list(node)}];",
        f"  edge [{_list(edge)}];",
    ]


def _title(graph: Graph) -> str:
    facts = graph.graph
    lines = [f"{'DRAFT: ' if facts['draft'] else ''}{facts['title']}"]
    if facts["note"]:
        lines.append(facts["note"])
    if facts["kind"] == "contract":
        lines.append(
            "solid: taken; dashed: never; dotted: forbidden, and not done; red: done all the same"
        )
    return "".join(f"{line}\n" for line in lines)


def _node(facts: dict[str, Any]) -> Attributes:
    role = Role(facts["role"])
    if role is Role.ANY:
        return {"label": facts["label"], "shape": "plaintext", "style": "", "fontcolor": GREY}
    if role is Role.FORBIDDEN:
        colour = VERMILLION if facts["covered"] else GREY
        return {
            "label": facts["label"],
            "shape": "octagon",
            "style": "filled" if facts["covered"] else "dotted",
            "fillcolor": PALE_VERMILLION,
            "color": colour,
            "fontcolor": colour,
        }
    look = {"label": _node_label(facts, role)}
    if facts["covered"]:
        look |= {"fillcolor": PALE_BLUE, "color": BLUE}
    else:
        look |= {"style": "rounded,dashed", "color": GREY, "fontcolor": GREY}
    if facts["initial"]:
        look["penwidth"] = "2.5"
    if facts["accepting"]:
        look["peripheries"] = "2"
    return look


def _node_label(facts: dict[str, Any], role: Role) -> str:
    lines = textwrap.wrap(facts["label"], _LABEL_WIDTH) or [""]
    if role is Role.STATE and facts["time_ns"]:
        lines.append(f"{TIMES}{facts['count']}, {_time(facts['time_ns'])}")
    elif facts["count"]:
        lines.append(f"{TIMES}{facts['count']}")
    return "\n".join(lines)


def _time(time_ns: int) -> str:
    return f"{time_ns / 1e9:.1f} s" if time_ns >= 1_000_000_000 else duration_text(time_ns)


def _edge(edges: list[dict[str, Any]], most: int) -> Attributes:
    covered, forbidden = edges[0]["covered"], edges[0]["forbidden"]
    look = {"label": "\n".join(f" {line} " for facts in edges for line in _edge_lines(facts))}
    details = "\n".join(facts["detail"] for facts in edges if facts["detail"])
    if details:
        look["tooltip"] = look["labeltooltip"] = details
    if forbidden:
        look["arrowhead"] = "tee"
    if not covered:
        style = "dotted" if forbidden else "dashed"
        return look | {"color": GREY, "fontcolor": GREY, "style": style}
    if forbidden:
        return look | {"color": VERMILLION, "fontcolor": VERMILLION, "penwidth": "3"}
    count = sum(facts["count"] for facts in edges)
    width = 1 + 2 * min(math.log1p(count) / math.log1p(max(most, 1)), 1)
    return look | {"color": BLUE, "penwidth": f"{width:.1f}"}


def _edge_lines(facts: dict[str, Any]) -> list[str]:
    lines = textwrap.wrap(facts["label"], _LABEL_WIDTH)
    return [*lines, f"{TIMES}{facts['count']}"] if facts["covered"] else lines


def _list(attributes: Attributes) -> str:
    return ", ".join(f"{name}={quoted(value)}" for name, value in attributes.items())
