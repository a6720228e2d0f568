# SPDX-License-Identifier: Apache-2.0
"""RO and IDO need leave, each its own."""

from __future__ import annotations

from types import MappingProxyType

import numpy as np
import pytest
from numpy.typing import NDArray

from uvtrace.check.pcie.attributes import without_leave
from uvtrace.check.program import Program
from uvtrace.trace.enums import Flag, Kind, Phase

_RO, _IDO = Flag.RELAXED, Flag.ID_ORDERED
_WRITE = (Kind.DMA_WRITE, Phase.POSTED)
_READ = (Kind.DMA_READ, Phase.REQUEST)
_ANSWER = (Kind.MMIO_READ, Phase.COMPLETION)
_MSI = (Kind.MSI, Phase.POSTED)
_ENABLED = MappingProxyType(
    {"relaxed_enable": 1, "ido_request_enable": 1, "ido_completion_enable": 1}
)
_DISABLED = dict.fromkeys(_ENABLED, 0)


class _OneEvent:
    """One event, as columns."""

    def __init__(self, columns: dict[str, int]) -> None:
        self._columns = columns

    def __len__(self) -> int:
        return 1

    def column(self, name: str) -> NDArray[np.int64]:
        return np.array([self._columns[name]])


def _is_misuse(
    message: tuple[Kind, Phase], flags: int, *, attributes: int = 0, **bits: int
) -> bool | None:
    """Whether the message uses an attribute without leave; None if that is not known."""
    kind, phase = message
    event = {"kind": kind, "phase": phase, "flags": flags, "attributes": attributes}
    program = Program()
    number = program.add(without_leave)
    told = program.start(_OneEvent({**event, **_ENABLED, **bits})).truth(number)
    return None if told.unknown[0] else bool(told.certain[0])


@pytest.mark.parametrize(
    ("message", "flags", "needed"),
    [
        (_WRITE, _RO, "relaxed_enable"),
        (_READ, _RO, "relaxed_enable"),
        (_WRITE, _IDO, "ido_request_enable"),
        (_MSI, _IDO, "ido_request_enable"),
        (_ANSWER, _IDO, "ido_completion_enable"),
    ],
)
def test_an_attribute_needs_its_own_enable_bit_and_no_other(
    message: tuple[Kind, Phase], flags: int, needed: str
) -> None:
    assert _is_misuse(message, flags, **{needed: 0}) is True
    assert _is_misuse(message, flags, **{needed: -1}) is None
    assert _is_misuse(message, flags, **{**_DISABLED, needed: 1}) is False
    assert _is_misuse(message, 0, **_DISABLED) is False


def test_an_answer_repeats_the_relaxed_ordering_of_its_request() -> None:
    assert _is_misuse(_ANSWER, _RO, relaxed_enable=0) is False


def test_relaxed_ordering_on_an_interrupt_message_never_has_leave() -> None:
    assert _is_misuse(_MSI, _RO) is True


def test_what_the_host_sends_is_not_the_functions_doing() -> None:
    for message in ((Kind.MMIO_WRITE, Phase.POSTED), (Kind.DMA_READ, Phase.COMPLETION)):
        assert _is_misuse(message, _RO | _IDO, **_DISABLED) is False


def test_attributes_count_where_they_are_in_the_fields_of_the_bus() -> None:
    assert _is_misuse(_WRITE, 0, relaxed_enable=0, attributes=2) is True
    assert _is_misuse(_WRITE, 0, ido_request_enable=0, attributes=4) is True
    assert _is_misuse(_WRITE, 0, **_DISABLED, attributes=1) is False


def test_both_records_of_a_message_are_one_use() -> None:
    assert _is_misuse(_WRITE, _RO | Flag.FAR, relaxed_enable=0) is False
    assert _is_misuse(_WRITE, _RO | Flag.APART, relaxed_enable=0) is True
