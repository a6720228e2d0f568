# SPDX-License-Identifier: Apache-2.0
"""RO and IDO need leave, each its own."""

from __future__ import annotations

import numpy as np
import pytest

from uvtrace.check.pcie.attributes import Misuse, misuses
from uvtrace.trace.enums import Flag, Kind, Phase

_RO, _IDO = Flag.RELAXED, Flag.ID_ORDERED
_WRITE = (Kind.DMA_WRITE, Phase.POSTED)
_READ = (Kind.DMA_READ, Phase.REQUEST)
_ANSWER = (Kind.MMIO_READ, Phase.COMPLETION)
_MSI = (Kind.MSI, Phase.POSTED)


def _judged(
    message: tuple[Kind, Phase],
    flags: int,
    *,
    relaxed: int = 1,
    request: int = 1,
    completion: int = 1,
    attributes: int = 0,
) -> tuple[Misuse, bool]:
    kind, phase = message
    found, unknown = misuses(
        kind=np.array([kind], np.uint8),
        phase=np.array([phase], np.uint8),
        flags=np.array([flags], np.uint32),
        attributes=np.array([attributes], np.uint8),
        relaxed_enable=np.array([relaxed], np.int8),
        ido_request_enable=np.array([request], np.int8),
        ido_completion_enable=np.array([completion], np.int8),
    )
    return Misuse(int(found[0])), bool(unknown[0])


@pytest.mark.parametrize(
    ("message", "flags", "disabled", "misuse"),
    [
        (_WRITE, _RO, "relaxed", Misuse.RELAXED),
        (_READ, _RO, "relaxed", Misuse.RELAXED),
        (_WRITE, _IDO, "request", Misuse.ID_ORDERED_REQUEST),
        (_MSI, _IDO, "request", Misuse.ID_ORDERED_REQUEST),
        (_ANSWER, _IDO, "completion", Misuse.ID_ORDERED_COMPLETION),
    ],
)
def test_an_attribute_needs_its_own_enable_bit_and_no_other(
    message: tuple[Kind, Phase], flags: int, disabled: str, misuse: Misuse
) -> None:
    bits = ("relaxed", "request", "completion")
    assert _judged(message, flags, **{disabled: 0}) == (misuse, False)
    assert _judged(message, flags, **{disabled: -1}) == (Misuse.NONE, True)
    others = {bit: 0 for bit in bits if bit != disabled}
    assert _judged(message, flags, **others) == (Misuse.NONE, False)
    assert _judged(message, 0, **dict.fromkeys(bits, 0)) == (Misuse.NONE, False)


def test_an_answer_repeats_the_relaxed_ordering_of_its_request() -> None:
    assert _judged(_ANSWER, _RO, relaxed=0) == (Misuse.NONE, False)


def test_relaxed_ordering_on_an_interrupt_message_never_has_leave() -> None:
    assert _judged(_MSI, _RO, relaxed=1) == (Misuse.RELAXED_INTERRUPT, False)


def test_what_the_host_sends_is_not_the_functions_doing() -> None:
    down = [(Kind.MMIO_WRITE, Phase.POSTED), (Kind.DMA_READ, Phase.COMPLETION)]
    for message in down:
        assert _judged(message, _RO | _IDO, relaxed=0, request=0, completion=0)[0] == Misuse.NONE


def test_attributes_count_where_they_are_in_the_fields_of_the_bus() -> None:
    assert _judged(_WRITE, 0, relaxed=0, attributes=2)[0] == Misuse.RELAXED
    assert _judged(_WRITE, 0, request=0, attributes=4)[0] == Misuse.ID_ORDERED_REQUEST
    assert _judged(_WRITE, 0, relaxed=0, request=0, attributes=1)[0] == Misuse.NONE


def test_both_records_of_a_message_are_one_use() -> None:
    assert _judged(_WRITE, _RO | Flag.FAR, relaxed=0)[0] == Misuse.NONE
    assert _judged(_WRITE, _RO | Flag.APART, relaxed=0)[0] == Misuse.RELAXED
