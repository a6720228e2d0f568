# SPDX-License-Identifier: Apache-2.0
"""``uvtrace graph``: draw a contract with what a run covered of it, or mine a graph."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import click

from uvtrace.check.contract import (
    Contract,
    class_codes,
    contract_for,
    contract_named,
    installed_contracts,
)
from uvtrace.cli.runs import open_run
from uvtrace.errors import ExitCode, UsageError
from uvtrace.graph.automata import contract_graph
from uvtrace.graph.drawing import Graph, joined
from uvtrace.graph.export import renderer_for
from uvtrace.graph.learned import learned_graph
from uvtrace.graph.mined import register_graph
from uvtrace.graph.summary import coverage_lines, draft_lines
from uvtrace.graph.sweep import cover
from uvtrace.registers import RegisterMap, load
from uvtrace.trace.functions import Function
from uvtrace.trace.trace import Trace


@click.command(name="graph")
@click.argument("run", metavar="RUN")
@click.option(
    "--contract",
    metavar="NAME|FILE.py",
    help="Draw this contract; else the one for the device, if there is one.",
)
@click.option(
    "--mine",
    type=click.Choice(["registers", "learned"]),
    help="Draw what the run did: the order of register writes, or a learned state machine.",
)
@click.option("--registers", metavar="FILE", help="Names the registers: SystemRDL or CMSIS-SVD.")
@click.option("--only", metavar="NAMES", help="Learn from these registers alone: CTRL,STATUS.")
@click.option("-o", "--output", metavar="OUT", help="A .svg, .dot, .graphml or .json file.")
def command(
    run: str,
    contract: str | None,
    mine: str | None,
    registers: str | None,
    only: str | None,
    output: str | None,
) -> ExitCode:
    """Draw a device's contract with what a run covered of it.

    Says on standard output which edges of each state machine the run took, and which it never
    did. Where no contract is known for a device, the order of its register writes is drawn: a
    draft of what the driver does, not of what it should.

    \b
    Example:
      uvtrace graph run.pcapng -o coverage.svg
      uvtrace graph run.pcapng --contract mydevice.py -o coverage.json
      uvtrace graph run.pcapng --mine learned --only CTRL,STATUS -o draft.svg
    """
    if contract is not None and mine is not None:
        raise UsageError("--contract and --mine exclude each other")
    if only is not None and mine != "learned":
        raise UsageError("--only is for --mine learned")
    render = None if output is None else renderer_for(output)
    trace, code = open_run(run)
    functions = [function for function in trace.functions if function.is_pci]
    if not functions:
        raise UsageError("no PCI function was recorded", where=run)
    names = load(registers) if registers is not None else None
    jobs = _Jobs(trace, mine or "", names, tuple(only.split(",")) if only else ())
    graphs = list(jobs.graphs(functions, contract))
    if output is not None and render is not None:
        Path(output).write_text(render(joined(graphs)), encoding="utf-8")
    return code


@dataclass
class _Jobs:
    """What is to be drawn of a trace."""

    trace: Trace
    mine: str
    registers: RegisterMap | None
    only: tuple[str, ...]

    def graphs(self, functions: list[Function], name: str | None) -> Iterator[Graph]:
        """The graphs, one for each contract and each function without one; says what is in them."""
        if name is not None:
            yield self._covered(contract_named(name), functions)
            return
        contracts, codes = installed_contracts(), class_codes(self.trace)
        found = {each: contract_for(each, codes.get(each.index), contracts) for each in functions}
        for contract in contracts if not self.mine else ():
            mine = [function for function in functions if found[function] is contract]
            if mine:
                yield self._covered(contract, mine)
        for function in functions:
            contract_of = found[function]
            if self.mine or contract_of is None:
                yield self._mined(function, contract_of)

    def _covered(self, contract: Contract, functions: list[Function]) -> Graph:
        coverage = cover(self.trace, contract, functions, registers=self.registers)
        for line in coverage_lines(coverage):
            click.echo(line)
        return contract_graph(coverage)

    def _mined(self, function: Function, contract: Contract | None) -> Graph:
        described = self.registers
        if described is None and contract is not None and contract.registers is not None:
            described = load(contract.registers)
        if self.mine == "learned":
            graph = learned_graph(self.trace, function, described, registers=self.only)
        else:
            graph = register_graph(self.trace, function, described)
        for line in draft_lines(graph):
            click.echo(line)
        return graph
