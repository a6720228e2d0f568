# SPDX-License-Identifier: Apache-2.0
"""Signatures are stable from build to build."""

from __future__ import annotations

import pytest

from uvtrace.check.signature import signature, stable_site


@pytest.mark.parametrize(
    ("site", "stable"),
    [
        ("e1000_clean_tx_irq+0x5c [e1000]", "e1000_clean_tx_irq [e1000]"),
        ("e1000_clean_tx_irq.isra.0+0x5c/0x2b0 [e1000]", "e1000_clean_tx_irq [e1000]"),
        ("nvme_reset_work.cold+0x1 [nvme]", "nvme_reset_work [nvme]"),
        ("foo.constprop.0.isra.3+0x1", "foo"),
        ("ioread32+0x10", "ioread32"),
        ("0x1c4 [e1000]", "?"),
        ("", "?"),
    ],
)
def test_offsets_sizes_and_compiler_suffixes_are_left_out(site: str, stable: str) -> None:
    assert stable_site(site) == stable


def test_a_signature_names_rule_roles_and_sites() -> None:
    roles = [("unmap", "a+0x1 [m]"), ("mapped", "b.isra.0+0x2 [m]")]
    assert signature("DMA007", roles) == "DMA007:unmap=a [m]:mapped=b [m]"
