# SPDX-License-Identifier: Apache-2.0
"""What accepted runs did: the steps of automata that are known, for regressions (FSM003)."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from uvtrace.errors import InputError

Step = tuple[str, str, str]
"""Source state, label of the edge, target."""

_HINT = "uvtrace graph RUN -o FILE.json writes one, where a contract is known for the device"


@dataclass(frozen=True)
class Baseline:
    """The steps that accepted runs took.

    Attributes:
        steps: by the name of the automaton, of all its functions and keys together.
    """

    steps: Mapping[str, frozenset[Step]]

    def covers(self, automaton: str) -> bool:
        """Whether the accepted runs were looked at by this automaton at all."""
        return automaton in self.steps


def read_baseline(paths: Iterable[str | Path]) -> Baseline:
    """What runs did, of files that ``uvtrace graph RUN -o FILE.json`` wrote.

    Raises:
        InputError: a file cannot be read, or is no graph of a contract.
    """
    steps: dict[str, set[Step]] = {}
    for path in paths:
        for machine in _machines(Path(path)):
            try:
                steps.setdefault(machine["automaton"], set()).update(_steps(machine))
            except (KeyError, TypeError, AttributeError) as error:
                raise InputError("holds no coverage", path=path, hint=_HINT) from error
    return Baseline({name: frozenset(taken) for name, taken in steps.items()})


def _machines(path: Path) -> list[dict[str, Any]]:
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(str(error), path=path, hint=_HINT) from error
    is_graph = isinstance(document, dict) and document.get("format") == "uvtrace-graph"
    if not is_graph or not isinstance(document.get("machines"), list):
        raise InputError("is no graph of a contract", path=path, hint=_HINT)
    machines: list[dict[str, Any]] = document["machines"]
    return machines


def _steps(machine: Mapping[str, Any]) -> Iterator[Step]:
    for edge in machine["edges"]:
        if edge["forbidden"]:
            continue
        # A step from a state that was not known says nothing about any state.
        for source in edge["by_source"]:
            if source:
                yield source, edge["label"], edge["target"]
