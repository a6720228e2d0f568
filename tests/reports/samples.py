# SPDX-License-Identifier: Apache-2.0
"""Results to render: made by hand, so that a renderer's test depends on no rule."""

from __future__ import annotations

import datetime
from dataclasses import replace

from uvtrace.check.results import (
    WHOLE_TRACE,
    Evidence,
    Finding,
    Results,
    RuleText,
    RuleVerdict,
    Suppression,
    Verdict,
)
from uvtrace.check.rules import Severity
from uvtrace.trace.functions import Function

NIC = "0000:00:03.0"
HOSTILE = (
    "\x1b[31mred\x1b]0;title\x07 \x00\x9b2J<b a='1\" &amp;]]>--> \u202e\u2028\ufffe\udc80\ud800"
    "\r\nok 1 forged # SKIP\nnot ok 9 [x](http://example.org/) {0} ${1} # SKIP reason \x7f"
)
"""What a name in a trace may hold at worst."""


_SPEC = "a specification, section 1"
RULES = (
    RuleText(
        id="DMA001", statement="device accesses an address that was never mapped", source=_SPEC
    ),
    RuleText(
        id="DMA007",
        statement="unmap or free with another size",
        source="Linux kernel/dma/debug.c",
        example="2048, 1522",
    ),
    RuleText(
        id="CFG004",
        statement="write to a read-only field",
        source=_SPEC,
        severity=Severity.WARNING,
    ),
    RuleText(id="CFG007", statement="misaligned config access", source=_SPEC),
    RuleText(id="ADR001", statement="access outside every BAR", source=_SPEC),
    RuleText(id="ADR005", statement="MMIO after unbind", source=_SPEC),
    RuleText(id="TRC001", statement="records were lost", source=_SPEC),
)
ACCEPTED = Suppression(
    rule="ADR005",
    site="e1000_down",
    reason="known since 2019",
    expires=datetime.date(2030, 1, 31),
    file="known.toml",
    line=7,
)


def finding(rule: str = "DMA007", *, seq: int = 812, role: str = "unmap") -> Finding:
    """An error of e1000, as an explained finding is."""
    return Finding(
        rule=rule,
        severity=Severity.ERROR,
        function=NIC,
        seq=seq,
        time_ns=3_234_567_000,
        site="e1000_clean_tx_irq+0x5c [e1000]",
        message="unmap of 1522 bytes at 0x1000, where #401 mapped 2048",
        signature=f"{rule}:{role}=e1000_clean_tx_irq [e1000]",
        evidence=(Evidence(401, "mapped", "map 0x1000 (2048)", "e1000_xmit_frame+0x10 [e1000]"),),
        text="unmap 0x1000 (1522)",
    )


def sample(*, file: str = "runs/e1000-6.1.pcapng.zst") -> Results:
    """One function and the trace, with every kind of verdict and of finding."""
    verdicts = [
        _verdict("ADR001", Verdict.PASS, 900),
        _verdict("ADR005", Verdict.FAIL, 900, "1 finding"),
        _verdict("CFG004", Verdict.FAIL, 9, "1 finding"),
        _verdict("CFG007", Verdict.VACUOUS, 0, "nothing happened that the rule judges"),
        _verdict("DMA001", Verdict.UNKNOWN, 0, "the recording does not show #1, the device"),
        _verdict("DMA007", Verdict.FAIL, 31, "2 findings"),
        replace(_verdict("TRC001", Verdict.PASS, 1000), function=WHOLE_TRACE),
    ]
    warning = replace(
        finding("CFG004", seq=20), severity=Severity.WARNING, message="writes BAR0 bit 0"
    )
    known = replace(
        finding("ADR005", seq=900),
        site="e1000_down+0x8 [e1000]",
        message="MMIO read of BAR0+0x8 after unbind",
        suppression=ACCEPTED,
    )
    return Results(
        file=file,
        transactions=1000,
        lost=0,
        seconds=0.25,
        verdicts=tuple(verdicts),
        findings=(warning, finding(), finding(seq=850), known),
        start_ns=2_000_000_000,
        start_real_ns=1_700_000_000_123_456_789,
        kernel="6.1.0-56-amd64",
        functions={NIC: Function(0, NIC, "e1000, 8086:100e", "e1000", 0x8086, 0x100E)},
        rules={rule.id: rule for rule in RULES},
    )


def clean() -> Results:
    """A recording in which every judged rule passes."""
    verdicts = (_verdict("ADR001", Verdict.PASS, 3), _verdict("DMA007", Verdict.PASS, 3))
    return replace(sample(file="clean.pcapng"), verdicts=verdicts, findings=())


def hostile() -> Results:
    """The sample, with everything that a trace or a file's name supplies turned against us."""
    base = sample(file=f"dir/{HOSTILE}")

    def turn(each: Finding) -> Finding:
        return replace(
            each,
            function=HOSTILE,
            site=f"{HOSTILE}+0x1 [{HOSTILE}]",
            message=HOSTILE,
            signature=f"{each.rule}:{HOSTILE}",
            text=HOSTILE,
            evidence=(Evidence(1, HOSTILE, HOSTILE, HOSTILE),),
            suppression=each.suppression and replace(each.suppression, reason=HOSTILE),
        )

    function = Function(0, HOSTILE, HOSTILE, HOSTILE, 0x8086, 0x100E)
    return replace(
        base,
        findings=tuple(turn(each) for each in base.findings),
        verdicts=tuple(
            replace(
                each,
                function=each.function if each.function == WHOLE_TRACE else HOSTILE,
                reason=HOSTILE,
            )
            for each in base.verdicts
        ),
        damage=HOSTILE,
        kernel=HOSTILE,
        functions={HOSTILE: function},
    )


def _verdict(rule: str, verdict: Verdict, checked: int, reason: str = "") -> RuleVerdict:
    return RuleVerdict(function=NIC, rule=rule, verdict=verdict, checked=checked, reason=reason)
