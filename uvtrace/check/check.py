# SPDX-License-Identifier: Apache-2.0
"""What a checker is: it is shown a function's records in order, and reports findings.

A pack (see ``checkers/``) subclasses :class:`Check`, and names its class in an entry point of
the group ``uvtrace.checkers``. The engine makes one instance per function and sweep.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from uvtrace.check.results import Evidence, Finding
from uvtrace.check.rules import Rule, Sight
from uvtrace.check.sight import Loss
from uvtrace.check.signature import signature
from uvtrace.trace.enums import Kind
from uvtrace.trace.trace import Trace


@dataclass(frozen=True)
class Part:
    """Some records of one function, in order, with no loss between them.

    Attributes:
        records: dtype RECORD, shape (n,).
        positions: their indices in the trace, shape (n,), ascending.
        trace: the trace they are from.
    """

    records: NDArray[np.void]
    positions: NDArray[np.intp]
    trace: Trace

    def __len__(self) -> int:
        return len(self.records)

    def payload(self, i: int) -> bytes:
        """The payload of the i-th record of this part."""
        return self.trace.payload(int(self.positions[i]))

    def take(self, rows: NDArray[np.intp]) -> Part:
        """The given rows, in their order."""
        return Part(self.records[rows], self.positions[rows], self.trace)


def sites_of(records: NDArray[np.void]) -> NDArray[np.uint64]:
    """The driver's site of each record: ``caller`` where ``ip`` is elsewhere, else ``ip``."""
    caller: NDArray[np.uint64] = records["caller"]
    return np.where(caller != 0, caller, records["ip"])


class Check(ABC):
    """Judges some rules for one PCI function.

    Class attributes:
        rules: the rules it judges.
        kinds: the record kinds it wants to be shown.
        whole_trace: it judges the trace, not a function: it is shown every record, once.
    """

    rules: ClassVar[tuple[Rule, ...]]
    kinds: ClassVar[frozenset[Kind]]
    whole_trace: ClassVar[bool] = False

    def __init__(self, trace: Trace, function: str) -> None:
        self.trace = trace
        self.function = function
        self.findings: list[Finding] = []
        self.checked: Counter[str] = Counter()
        self.unknown: dict[str, str] = {}
        """Why a rule cannot be judged, by its ID; a finding outweighs it."""

    @classmethod
    def needs(cls) -> frozenset[Sight]:
        """Everything that one of its rules needs."""
        return frozenset().union(*(rule.needs for rule in cls.rules))

    @abstractmethod
    def see(self, part: Part) -> None:
        """Judge some more records (of the wanted kinds)."""

    def lose(self, loss: Loss) -> None:  # noqa: B027 - not every check keeps state
        """Forget what is no longer certain: records of a needed sight were lost here."""

    def finish(self) -> None:  # noqa: B027 - nor has something to say at the end
        """Judge what can only be judged at the end."""

    def report(
        self,
        rule: Rule,
        *,
        seq: int,
        time_ns: int,
        site: int,
        message: str,
        role: str,
        evidence: Iterable[tuple[int, str, int]] = (),
    ) -> None:
        """Report a violation.

        Args:
            rule: the rule that is broken.
            seq, time_ns, site: of the record that breaks it.
            message: one sentence with the numbers in it.
            role: what the site did, for the signature.
            evidence: (seq, role, site) of the records that prove it; a site of 0 is left out
                of the signature.
        """
        proof = list(evidence)
        text = self.trace.symbol(site) if site else ""
        roles = [(role, text)] if text else []
        roles += [(part, self.trace.symbol(where)) for _, part, where in proof if where]
        self.findings.append(
            Finding(
                rule=rule.id,
                severity=rule.severity,
                function=self.function,
                seq=seq,
                time_ns=time_ns,
                site=text,
                message=message,
                # Ten buffers leaked at one site are one fault: every role and site counts once.
                signature=signature(rule.id, dict.fromkeys(roles)),
                evidence=tuple(Evidence(number, part) for number, part, _ in proof),
            )
        )
