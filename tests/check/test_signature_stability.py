# SPDX-License-Identifier: Apache-2.0
"""One fault keeps one signature, whatever differs between two nights and two kernels."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.story import Story
from uvtrace.check.engine import check
from uvtrace.check.rules import Selection
from uvtrace.check.signature import stable_site

UNMAP, MAP = "e1000_clean_tx_irq+0x5c", "e1000_xmit_frame+0x5d0"


def _signature(
    function: str = "0000:00:03.0",
    *,
    start_ns: int = 1_000,
    address: int = 0x1000,
    size: int = 2048,
    earlier: int = 0,
    unmap: str = UNMAP,
    mapped: str = MAP,
) -> str:
    """The signature of one wrong unmap, told in many ways."""
    story = Story(function, start_ns=start_ns).probe()
    for i in range(earlier):
        story.map(0x100000 + i * 0x1000, 64).unmap(0x100000 + i * 0x1000, 64)
    story.map(address, size, site=mapped).unmap(address, size - 500, site=unmap)
    results = check(story.trace(), selection=Selection(("DMA007",)))
    assert [finding.rule for finding in results.findings] == ["DMA007"]
    return results.findings[0].signature


@pytest.mark.parametrize(
    "difference",
    [
        {"address": 0xABCD000},
        {"size": 4096},
        {"start_ns": 9_999_999_999},
        {"function": "0001:5e:1f.7"},
        {"earlier": 7},
        {"unmap": "e1000_clean_tx_irq+0x9c"},
        {"unmap": "e1000_clean_tx_irq.isra.0+0x11"},
        {"unmap": "e1000_clean_tx_irq.cold+0x1"},
        {"mapped": "e1000_xmit_frame.constprop.0.isra.0+0x8"},
        {"mapped": "e1000_xmit_frame.part.0.cold+0x8"},
    ],
    ids=str,
)
def test_what_changes_from_night_to_night_changes_no_signature(difference: dict[str, str]) -> None:
    assert _signature(**difference) == _signature()  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "difference",
    [
        {"unmap": "e1000_clean_rx_irq+0x5c"},
        {"unmap": "e1000_clean_tx_irq+0x5c [e1000e]"},
        {"mapped": "e1000_tx_map+0x5d0"},
    ],
    ids=str,
)
def test_another_site_is_another_signature(difference: dict[str, str]) -> None:
    assert _signature(**difference) != _signature()  # type: ignore[arg-type]


def test_a_signature_holds_no_number_of_the_run() -> None:
    text = _signature(address=0xABCD000, start_ns=123_456_789)
    for number in ("0x", "abcd", "0000:00", "123", "2048", "1548", "+"):
        assert number not in text


_names = st.from_regex(r"[a-zA-Z_][a-zA-Z0-9_]{0,20}", fullmatch=True)
_suffixes = st.lists(
    st.sampled_from([".isra.0", ".cold", ".constprop.3", ".part.1", ".llvm.123456"]), max_size=3
)


@settings(deadline=None)
@given(_names, _suffixes, st.integers(0, 1 << 20), st.integers(0, 1 << 20), st.booleans())
def test_any_symbol_is_told_without_offset_and_suffix(
    symbol: str, suffixes: list[str], offset: int, size: int, sized: bool
) -> None:
    place = f"{symbol}{''.join(suffixes)}+{offset:#x}" + (f"/{size:#x}" if sized else "")
    assert stable_site(f"{place} [nvme_core]") == f"{symbol} [nvme_core]"
    assert stable_site(place) == symbol
