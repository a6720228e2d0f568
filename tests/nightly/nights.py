# SPDX-License-Identifier: Apache-2.0
"""Short words for what jobs came to."""

from __future__ import annotations

import datetime
from collections.abc import Container
from pathlib import Path
from typing import Any

from uvtrace.check.results import Verdict
from uvtrace.check.rules import Severity
from uvtrace.nightly.job import Place
from uvtrace.nightly.outcome import (
    JobResult,
    KeptFinding,
    KeptLatency,
    KeptTrace,
    KeptVerdict,
)

RULES = ("DMA007", "IRQ001")
TRACES = Path(__file__).parents[2] / "traces"
MATRIX = """
[kernels]
"6.1" = '6\\.1(\\.0-1-amd64)?'
"6.12" = '6\\.12(\\..*)?'
"7.0" = '7\\.0\\..*'

[devices.e1000e]
spec = "qemu:e1000e"

[workloads.network]
command = "true"

[checks]
select = ["ADR", "TRC"]

[[expected]]
rule = "ADR002"
reason = "the slot's firmware does that"
"""
"""Kernels by name alone or as releases, and a finding that every recording has."""


def at(day: int, hour: int = 2) -> datetime.datetime:
    """The beginning of the night before a day of January 2027."""
    return datetime.datetime(2027, 1, day, hour, tzinfo=datetime.UTC)


def found(signature: str, **told: Any) -> KeptFinding:
    """A finding of the rule that its signature begins with."""
    told = {"severity": Severity.ERROR, "message": f"{signature} happened", **told}
    return KeptFinding(signature=signature, rule=signature.partition(":")[0], **told)


def job(
    *findings: str | KeptFinding,
    place: str = "6.1/e1000/ping",
    repetition: int = 1,
    **told: Any,
) -> JobResult:
    """A job that found something, and passed the other rules."""
    kept = tuple(found(each) if isinstance(each, str) else each for each in findings)
    failed = {each.rule for each in kept}
    verdicts = tuple(
        KeptVerdict(
            function="e1000 8086:100e",
            rule=rule,
            verdict=Verdict.FAIL if rule in failed else Verdict.PASS,
            checked=7,
        )
        for rule in RULES
    )
    told = {"verdicts": verdicts, **told}
    return JobResult(place=Place(*place.split("/")), repetition=repetition, findings=kept, **told)


def full_job(**told: Any) -> JobResult:
    """A job with something of everything."""
    return job(
        found("DMA007:map=e1000_probe [e1000]", site="e1000_probe+0x1 [e1000]", seq=9, count=3),
        found("IRQ001:at=? [x]", severity=Severity.WARNING, suppressed="known"),
        release="6.1.0-56-amd64",
        digest="d" * 64,
        reason="why",
        seconds=12.5,
        automata=("e1000.receive", "e1000.transmit"),
        states=((("e1000.transmit", "on"), 4),),
        edges=((("e1000.transmit", "off", "on", "start"), 4),),
        latencies=(
            KeptLatency(
                function="e1000", what="MMIO read", count=9, median_ns=1.5, p95_ns=1e9 + 0.25
            ),
        ),
        trace=KeptTrace(location="6.1/e1000/ping/1.pcapng", records=9, lost=0, size_bytes=9000),
        **told,
    )


def recorded(kernel: str, *, faulty: Container[str] = ()) -> Path:
    """A recording that is there already; of some kernels, of the faulty module."""
    name = f"faulty/e1000e-{kernel}" if kernel in faulty else f"e1000e-{kernel}"
    return TRACES / f"{name}.pcapng.zst"
