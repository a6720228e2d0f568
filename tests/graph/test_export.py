# SPDX-License-Identifier: Apache-2.0
"""Graphs as files: they can be read back, are the same each time, and believe no label."""

from __future__ import annotations

import json
import re
import subprocess
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path
from typing import Any

import networkx as nx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.graph.machine import CONTRACT, ENABLE, ENGINE, story
from uvtrace.check.automaton import Automaton
from uvtrace.check.contract import Contract
from uvtrace.errors import EnvironmentLacksError, UsageError
from uvtrace.graph import contract_graph, cover, register_graph, write_graph
from uvtrace.graph.dot import quoted, to_dot
from uvtrace.graph.drawing import add_edge, add_node, joined, new_graph
from uvtrace.graph.export import RENDERERS, to_graphml, to_json, to_svg

TRACE = (
    story()
    .probe()
    .mmio_write("DOORBELL", 1)
    .mmio_write("BASE", 1)
    .mmio_write("CONTROL", ENABLE)
    .mmio_write("DOORBELL", 1)
    .mmio_write("DOORBELL", 2)
    .trace()
)
PLACE = "0000:00:03.0 toy.engine: "
HOSTILE = (
    '"]; evil [label="x"]; // \\" \\N <b>&amp; </title><script>alert(1)</script> \x00\x1b[31m\n'
)


def drawn() -> Any:
    return contract_graph(cover(TRACE, CONTRACT))


def hostile(label: str) -> Any:
    automaton = Automaton(
        name=label or "a",
        states=(label,),
        initial=label,
        edges=(replace(ENGINE.edges[0], source=label, target=label, label=label),),
    )
    return contract_graph(cover(TRACE, Contract(name=label, automata=(automaton,))))


def laid_out(dot: str) -> str:
    done = subprocess.run(["dot", "-Tsvg"], input=dot.encode(), capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
    return done.stdout.decode()


def test_nodes_stand_in_the_order_of_the_declaration_and_edges_in_that_of_their_sources() -> None:
    graph = drawn()
    assert list(graph.nodes) == [
        f"{PLACE}{name}" for name in ("reset", "ring", "running", "*", "!")
    ]
    places = [*ENGINE.states, "*"]
    declared = sorted(ENGINE.edges, key=lambda edge: places.index(edge.source))
    assert [label for *_, label in graph.edges(data="label")] == [edge.label for edge in declared]


def by_ends(edge: tuple[str, str, dict[str, Any]]) -> tuple[str, str, str]:
    return edge[0], edge[1], edge[2]["label"]


def test_graphml_reads_back_as_the_same_graph() -> None:
    graph, read = drawn(), nx.parse_graphml(to_graphml(drawn()), force_multigraph=True)
    assert dict(read.nodes(data=True)) == dict(graph.nodes(data=True))
    written = [(one, two, dict(facts)) for one, two, facts in graph.edges(data=True)]
    back = [
        (one, two, {key: value for key, value in facts.items() if key != "id"})
        for one, two, facts in read.edges(data=True)
    ]
    assert sorted(back, key=by_ends) == sorted(written, key=by_ends)
    assert read.graph["title"] == "toy"
    assert read.graph["draft"] is False


def test_json_tells_counts_of_edges_states_and_machines() -> None:
    document = json.loads(to_json(drawn()))
    assert (document["format"], document["version"]) == ("uvtrace-graph", 1)
    assert (document["kind"], document["draft"]) == ("contract", False)
    edges = {edge["label"]: edge for edge in document["edges"]}
    assert edges["doorbell"]["count"] == 2
    assert edges["doorbell"]["source"] == edges["doorbell"]["target"] == f"{PLACE}running"
    assert edges["doorbell"]["detail"] == (
        "the kind of event is MMIO_WRITE and the offset in the BAR, or in config space is 32"
    )
    assert (edges["ENABLE = 0"]["covered"], edges["ENABLE = 0"]["first"]) == (False, -1)
    assert edges["doorbell before BASE"]["forbidden"] is True
    assert edges["doorbell before BASE"]["first"] == 1
    nodes = {node["id"]: node for node in document["nodes"]}
    assert nodes[f"{PLACE}running"]["time_ns"] == 2_000
    assert nodes[f"{PLACE}reset"]["initial"] is True
    assert nodes[f"{PLACE}reset"]["accepting"] is True
    (machine,) = document["machines"]
    assert (machine["final"], machine["violations"]) == ("running", 1)
    assert machine["edges"][1]["by_source"] == {"ring": 1}


def test_the_picture_tells_coverage_by_line_number_and_colour() -> None:
    dot = to_dot(drawn())
    lines = {name: line for line in dot.splitlines() for name in labels(line) if "->" in line}
    assert 'color="#0072B2"' in lines["doorbell"]
    assert "dashed" not in lines["doorbell"]
    assert 'style="dashed"' in lines["ENABLE = 0"]
    assert "\N{MULTIPLICATION SIGN}" not in lines["ENABLE = 0"]
    assert 'color="#D55E00"' in lines["doorbell before BASE"]
    assert 'label=" doorbell \\n \N{MULTIPLICATION SIGN}2 "' in lines["doorbell"]


def labels(line: str) -> list[str]:
    found = re.search(r'label="((?:[^"\\]|\\.)*)"', line)
    return [part.strip() for part in found[1].split("\\n")] if found else []


def test_a_forbidden_edge_that_was_not_taken_is_dotted() -> None:
    quiet = contract_graph(cover(story().probe().mmio_write("BASE").trace(), CONTRACT))
    (line,) = (each for each in to_dot(quiet).splitlines() if "doorbell before" in each)
    assert 'style="dotted"' in line
    assert "#D55E00" not in line


def test_graphviz_lays_the_picture_out_with_every_label() -> None:
    texts = "".join(ET.fromstring(to_svg(drawn())).itertext())
    for label in ("reset", "running", "doorbell", "any state", "forbidden", "write BASE"):
        assert label in texts
    assert "toy.engine of 0000:00:03.0: 3/5 edges, 3/3 states" in texts


@pytest.mark.parametrize("suffix", list(RENDERERS))
def test_the_same_trace_gives_the_same_file(tmp_path: Path, suffix: str) -> None:
    for name in ("one", "two"):
        write_graph(drawn(), tmp_path / f"{name}{suffix}")
    one, two = ((tmp_path / f"{name}{suffix}").read_bytes() for name in ("one", "two"))
    assert one == two != b""


def test_hostile_labels_stay_labels() -> None:
    graph = hostile(HOSTILE)
    dot = to_dot(graph)
    assert dot.count("->") == 1
    svg = laid_out(dot)
    root = ET.fromstring(svg)
    assert not [each for each in root.iter() if each.tag.endswith("script")]
    texts = "".join(text for text in root.itertext() if text.strip())
    assert '"]; evil' in texts
    assert "\x1b" not in svg
    read = nx.parse_graphml(to_graphml(graph), force_multigraph=True)
    assert list(read.nodes) == list(graph.nodes)
    assert (
        json.loads(to_json(graph))["nodes"][0]["label"] == graph.nodes[next(iter(graph))]["label"]
    )


@given(st.text(max_size=40))
def test_any_text_can_be_a_label_in_every_text_format(label: str) -> None:
    graph = hostile(label)
    (one,) = graph.nodes
    assert list(nx.parse_graphml(to_graphml(graph), force_multigraph=True).nodes) == [one]
    assert json.loads(to_json(graph))["edges"][0]["label"] == graph.edges[one, one, 0]["label"]
    strings = re.sub(r'"(?:[^"\\]|\\.)*"', '""', to_dot(graph))
    assert '"' not in strings.replace('""', "")
    assert strings.count("{") == strings.count("}") == 2


def test_a_dot_string_escapes_what_dot_would_interpret() -> None:
    assert quoted('a"b\\N') == '"a\\"b\\\\N"'
    assert quoted("a\nb", "\\l") == '"a\\lb"'


def test_an_svg_without_graphviz_names_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(EnvironmentLacksError, match="apt install graphviz") as lacks:
        to_svg(drawn())
    assert lacks.value.exit_code == 5


def test_a_suffix_that_names_no_format_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no graph format has the suffix '\.png'"):
        write_graph(drawn(), tmp_path / "graph.png")


def test_graphs_side_by_side_keep_their_nodes_and_are_drafts_if_one_is() -> None:
    (function,) = TRACE.functions
    mined = register_graph(TRACE, function)
    both = joined([drawn(), mined])
    assert both.number_of_nodes() == drawn().number_of_nodes() + mined.number_of_nodes()
    assert both.number_of_edges() == drawn().number_of_edges() + mined.number_of_edges()
    assert both.graph["draft"] is True
    assert both.graph["machines"] == drawn().graph["machines"]
    assert "DRAFT: toy; order of register writes of 0000:00:03.0" in to_dot(both)


def test_text_of_a_trace_is_made_printable_where_it_enters_a_graph() -> None:
    graph = new_graph("learned", "a\nb", note="\x1b")
    add_node(graph, "n\n", "l\x00", "g\r")
    add_edge(graph, "n\n", "n\n", "e\x7f")
    assert graph.graph["title"] == "a\\nb"
    assert dict(graph.nodes(data="label")) == {"n\\n": "l\\x00"}
    assert [facts["label"] for *_, facts in graph.edges(data=True)] == ["e\\x7f"]


def test_edges_that_look_alike_are_one_line_with_every_label() -> None:
    graph = new_graph("contract", "t")
    add_node(graph, "a", "a", "g")
    add_edge(graph, "a", "a", "one", count=2)
    add_edge(graph, "a", "a", "two", count=3)
    add_edge(graph, "a", "a", "three")
    lines = [line for line in to_dot(graph).splitlines() if "->" in line]
    assert len(lines) == 2
    assert [name for name in labels(lines[0]) if name.isalpha()] == ["one", "two"]
