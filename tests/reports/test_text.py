# SPDX-License-Identifier: Apache-2.0
"""The text for people: exact, as it is read by people who rely on its shape."""

from __future__ import annotations

import re
from dataclasses import replace

from uvtrace.reports.text import render

from tests.reports.samples import clean, finding, hostile, sample
from uvtrace.check.page import Page
from uvtrace.check.results import Evidence

GOLDEN = """\
runs/e1000-6.1.pcapng.zst: 1000 transactions, checked in 0.25 s

warning[CFG004]: writes BAR0 bit 0
  --> e1000_clean_tx_irq+0x5c [e1000]  0000:00:03.0  #20  t=1.234567
   | mapped  #401  map 0x1000 (2048)   e1000_xmit_frame+0x10 [e1000]
   | here    #20   unmap 0x1000 (1522)
   = why: write to a read-only field (a specification, section 1)
   = note: uvtrace rules CFG004

error[DMA007]: unmap of 1522 bytes at 0x1000, where #401 mapped 2048
  --> e1000_clean_tx_irq+0x5c [e1000]  0000:00:03.0  #812  t=1.234567
   | mapped  #401  map 0x1000 (2048)   e1000_xmit_frame+0x10 [e1000]
   | here    #812  unmap 0x1000 (1522)
   = why: unmap or free with another size (Linux kernel/dma/debug.c)
   = note: uvtrace rules DMA007
   = again: 2 times, the last at #850

suppressed[ADR005]: MMIO read of BAR0+0x8 after unbind
  --> e1000_down+0x8 [e1000]  0000:00:03.0  #900  t=1.234567
   = reason: known since 2019 (known.toml:7, until 2030-01-31)

verdicts         fail  unknown  vacuous     pass
trace               0        0        0        1
0000:00:03.0        3        1        1        1

trace
  pass    TRC001

0000:00:03.0
  fail    ADR005 CFG004: 1 finding
  fail    DMA007: 2 findings
  unknown DMA001: the recording does not show #1, the device
  vacuous CFG007: nothing happened that the rule judges
  pass    ADR001

2 errors, 1 warning, 0 notes, 1 suppressed
"""


def test_the_whole_text() -> None:
    assert render([sample()]) == GOLDEN


def test_each_trace_has_a_section() -> None:
    text = render([clean(), sample()])
    assert text.index("clean.pcapng: 1000 trans") < text.index("runs/e1000-6.1.pcapng.zst: ")
    assert text.count("\nverdicts ") == 2


def test_lines_are_whole_in_a_file_and_wrapped_on_a_terminal() -> None:
    long = replace(finding(), message="word " * 60)
    result = replace(sample(), findings=(long,))
    assert max(map(len, render([result]).splitlines())) > 300
    wrapped = render([result], Page(width=60)).splitlines()
    assert max(map(len, wrapped)) <= 60
    first = next(n for n, line in enumerate(wrapped) if line.startswith("error[DMA007]: word"))
    assert wrapped[first + 1].startswith(" " * len("error[DMA007]: ") + "word")


def test_wrapping_never_breaks_a_site() -> None:
    site = "e1000_a_function_with_a_very_long_name_indeed_as_some_have+0x5c [e1000]"
    text = render([replace(sample(), findings=(replace(finding(), site=site),))], Page(width=40))
    assert "e1000_a_function_with_a_very_long_name_indeed_as_some_have+0x5c" in text


def test_colour_changes_nothing_else() -> None:
    coloured = render([sample()], Page(colour=True))
    assert "\x1b[1;31merror[DMA007]: \x1b[0m" in coloured
    assert re.sub(r"\x1b\[[0-9;]*m", "", coloured) == render([sample()])


def test_a_leak_of_many_buffers_shows_some_and_says_how_many_more() -> None:
    many = replace(finding(), evidence=tuple(Evidence(n, "mapped") for n in range(1014)))
    text = render([replace(sample(), findings=(many,))])
    assert text.count("| mapped") == 8
    assert "   | and 1006 more records\n" in text


def test_a_storm_of_findings_is_folded_by_function_and_signature() -> None:
    storm = tuple(finding(seq=n) for n in range(1000, 6000))
    text = render([replace(sample(), findings=storm)])
    assert text.count("error[DMA007]") == 1
    assert "= again: 5000 times, the last at #5999" in text


def test_findings_that_were_not_kept_are_counted() -> None:
    many = (replace(finding(), further=984), *(finding(seq=n) for n in range(900, 915)))
    text = render([replace(sample(), findings=many)])
    assert "   = again: 1000 times\n" in text
    assert "1000 errors, 0 warnings, 0 notes\n" in text


def test_a_time_before_the_first_event_is_not_told() -> None:
    text = render([replace(sample(), findings=(replace(finding(), time_ns=0),))])
    assert "0000:00:03.0  #812\n" in text


def test_hostile_text_reaches_no_terminal() -> None:
    for page in (Page(), Page(width=80)):
        text = render([hostile()], page)
        assert all(char == "\n" or char.isprintable() for char in text)
        assert not re.search(r"^(not )?ok ", text, re.M)
    coloured = render([hostile()], Page(colour=True))
    assert set(re.findall(r"\x1b[^m]*m", coloured)) <= {
        f"\x1b[{code}m"
        for code in ("0", "31", "32", "33", "2", "1", "1;31", "1;33", "1;34", "1;35")
    }
