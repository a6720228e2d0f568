# SPDX-License-Identifier: Apache-2.0
"""Graphs as files: SVG, DOT, GraphML, JSON. The same graph gives the same file."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any, Final

import networkx as nx

from uvtrace.errors import EnvironmentLacksError, UsageError
from uvtrace.graph.dot import to_dot
from uvtrace.graph.drawing import Graph

JSON_VERSION: Final = 1
_TIMEOUT_S = 120


def write_graph(graph: Graph, path: str | os.PathLike[str]) -> None:
    """Write a graph in the format that the path's suffix names.

    Raises:
        UsageError: the suffix names no format.
        EnvironmentLacksError: an SVG needs Graphviz, which is not installed.
        OSError: the file cannot be written.
    """
    render = renderer_for(path)
    Path(path).write_text(render(graph), encoding="utf-8")


def renderer_for(path: str | os.PathLike[str]) -> Callable[[Graph], str]:
    """What renders a graph for a path.

    Raises:
        UsageError: the suffix names no format.
    """
    suffix = Path(path).suffix.lower()
    if suffix not in RENDERERS:
        raise UsageError(
            f"no graph format has the suffix {suffix!r}",
            where=os.fspath(path),
            hint=f"there are {', '.join(RENDERERS)}",
        )
    return RENDERERS[suffix]


def to_svg(graph: Graph) -> str:
    """The graph as a picture, laid out by Graphviz.

    Raises:
        EnvironmentLacksError: ``dot`` is not installed, or cannot lay this graph out.
    """
    dot = shutil.which("dot")
    if dot is None:
        raise EnvironmentLacksError(
            "Graphviz is not installed", hint="apt install graphviz, or write .dot"
        )
    source = to_dot(graph).encode()
    try:
        done = subprocess.run(
            [dot, "-Tsvg"], input=source, capture_output=True, timeout=_TIMEOUT_S, check=True
        )
    except subprocess.TimeoutExpired as error:
        raise EnvironmentLacksError(
            f"Graphviz took more than {_TIMEOUT_S} s", hint="write .dot or .graphml instead"
        ) from error
    except subprocess.CalledProcessError as error:
        reason = " ".join(error.stderr.decode(errors="replace").split())
        raise EnvironmentLacksError(f"Graphviz failed: {reason}", hint="write .dot") from error
    return done.stdout.decode()


def to_graphml(graph: Graph) -> str:
    """The graph as GraphML; read it with :func:`networkx.read_graphml`.

    What single machines did is not in it: see JSON.
    """
    plain = nx.MultiDiGraph(**{k: v for k, v in graph.graph.items() if k != "machines"})
    plain.add_nodes_from(graph.nodes(data=True))
    plain.add_edges_from(graph.edges(data=True))
    buffer = BytesIO()
    nx.write_graphml(plain, buffer, named_key_ids=True)
    return buffer.getvalue().decode()


def to_json(graph: Graph) -> str:
    """The graph as JSON: ``nodes``, ``edges``, and for a contract ``machines``.

    ``format`` is ``uvtrace-graph`` and ``version`` :data:`JSON_VERSION`; fields may be added
    within a version.
    """
    document: dict[str, Any] = {"format": "uvtrace-graph", "version": JSON_VERSION}
    document |= {key: value for key, value in graph.graph.items() if key != "machines"}
    document["nodes"] = [{"id": node, **facts} for node, facts in graph.nodes(data=True)]
    document["edges"] = [
        {"source": source, "target": target, **facts}
        for source, target, facts in graph.edges(data=True)
    ]
    if "machines" in graph.graph:
        document["machines"] = graph.graph["machines"]
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"


RENDERERS: Final[dict[str, Callable[[Graph], str]]] = {
    ".svg": to_svg,
    ".dot": to_dot,
    ".graphml": to_graphml,
    ".json": to_json,
}
"""Suffix to what makes the file's text."""
