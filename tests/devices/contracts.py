# SPDX-License-Identifier: Apache-2.0
"""What a contract says of a driver."""

from __future__ import annotations

from tests.story import Story
from uvtrace.check.contract import Contract
from uvtrace.graph import cover


def forbidden(told: Story, contract: Contract) -> list[str]:
    """The forbidden steps that a driver has made."""
    return [
        f"{machine.name}: {edge.edge.label}"
        for machine in cover(told.trace(), contract).machines
        for edge in machine.edges
        if edge.is_forbidden and edge.count
    ]
