# SPDX-License-Identifier: Apache-2.0
"""CPL: completions."""

from __future__ import annotations

from typing import Final

from uvtrace.check.columns import record, requests
from uvtrace.check.expression import Parameter
from uvtrace.check.obligation import Obligation
from uvtrace.check.rule import Case, rule
from uvtrace.check.rules import Sight
from uvtrace.check.terms import CONFIG, by_core, is_at_host
from uvtrace.trace.enums import Kind, Phase, Status

_BASE = "PCI Express Base Specification 5.0, "
_MS: Final = 1_000_000
_PAGE: Final = 4096

NON_POSTED: Final = frozenset(
    {*CONFIG, Kind.MMIO_READ, Kind.PIO_READ, Kind.PIO_WRITE, Kind.DMA_READ}
)

_is_non_posted = record.kind.is_in(NON_POSTED) & is_at_host
_is_request = _is_non_posted & (record.phase == Phase.REQUEST)
_is_completion = _is_non_posted & (record.phase == Phase.COMPLETION)
_is_answer = _is_non_posted & record.phase.is_in((Phase.COMPLETION, Phase.WHOLE))
_carries_data = record.kind.is_in((Kind.MMIO_READ, Kind.CONFIG_READ, Kind.PIO_READ, Kind.DMA_READ))
_is_data = _is_completion & _carries_data & (record.status == Status.OK)
_left = requests.request_length - requests.completed_bytes

_NEVER = Parameter(
    "CPL001.timeout_ns", 10_000 * _MS, "when a request counts as never answered", "ns"
)
CPL001_OPEN = rule(
    "CPL001",
    "a non-posted request never completed",
    variant="open",
    needs={Sight.CPL},
    violation=Obligation(
        opened_by=_is_request & (record.tag != 0),
        # Of a read in parts, the last one ends it.
        discharged_by=_is_completion
        & (record.tag != 0)
        & (~_is_data | (record.length >= _left) | (requests.request < 0)),
        key=(record.kind, record.tag),
        deadline_ns=_NEVER,
    ),
    message="{kind} of {address:#x} ({length} bytes, tag {tag:#x}) was never completed",
    role="request",
    source=_BASE + "2.8 Completion Timeout Mechanism",
    example="the device takes a read and never answers it",
)
CPL001_TIMEOUT = rule(
    "CPL001",
    "a non-posted request never completed",
    variant="timeout",
    needs={Sight.CPL},
    applies=_is_answer,
    violation=record.status == Status.TIMEOUT,
    message="{kind} of {address:#x} ({length} bytes) was given up after {latency_ns} ns",
    role="request",
    roles={"request": requests.request},
    source=_BASE + "2.8 Completion Timeout Mechanism",
    example="the model does not answer, and the driver is given all ones",
)
CPL002 = rule(
    "CPL002",
    "completion without an outstanding request",
    needs={Sight.CPL},
    applies=_is_completion & (record.tag != 0),
    violation=requests.request < 0,
    message="completion of {kind} with tag {tag:#x}, of which no request is outstanding",
    role="completion",
    source=_BASE + "2.3.2 Completion Handling Rules, Unexpected Completion",
    example="the device answers the same read twice",
)
CPL003 = rule(
    "CPL003",
    "more bytes than asked for",
    needs={Sight.CPL},
    applies=_is_data & (requests.request >= 0),
    # Compared without adding, as a hostile length could wrap round.
    violation=record.length > _left,
    message="completion of {length} bytes, where {request} asked for {request_length} and"
    " {completed_bytes} have come",
    role="completion",
    roles={"request": requests.request},
    source=_BASE + "2.3.1.1 Data Return for Read Requests",
    example="the device answers a read of 64 bytes with 128",
)

# Byte Count is what is still to come, this completion's bytes included; 4096 is written as 0.
# 0 otherwise is what a recorder leaves that was not told.
_byte_count = record.byte_count
_wrong_count = (
    (record.kind == Kind.DMA_READ)
    & ((_byte_count != 0) | (_left.bits(0, 63) == _PAGE))
    & (_byte_count % _PAGE != _left.bits(0, 63) % _PAGE)
)
_short = (record.kind != Kind.DMA_READ) & (record.length < requests.request_length)
_below = record.address - requests.request_address
_outside = (
    (record.kind == Kind.DMA_READ)
    & (record.address != 0)
    & ((record.address < requests.request_address) | (_below >= requests.request_length))
)
CPL004 = rule(
    "CPL004",
    "byte count or lower address wrong",
    needs={Sight.CPL},
    applies=_is_data & (requests.request >= 0) & (record.length <= _left),
    violation=_wrong_count | _short | _outside,
    cases=[
        Case(
            _outside,
            "completion for {address:#x}, where {request} asked for {request_length} bytes at"
            " {request_address:#x}",
        ),
        Case(
            _wrong_count,
            "completion with byte count {byte_count}, where {completed_bytes} of the"
            " {request_length} bytes of {request} had come",
        ),
    ],
    message="completion of {length} bytes, where {request} asked for {request_length}",
    role="completion",
    roles={"request": requests.request},
    source=_BASE + "2.2.9 Completion Rules, Byte Count and Lower Address",
    example="the second completion of a read repeats the first one's byte count",
)
# In a VM a model waits for a CPU, too; the module's own timeout there is 1 s.
_TIMEOUT = Parameter(
    "CPL005.timeout_ns", 50 * _MS, "the completion timeout", "ns", in_vm=1000 * _MS
)
CPL005 = rule(
    "CPL005",
    "completion later than the completion timeout",
    needs={Sight.CPL},
    applies=_is_completion & (record.status != Status.TIMEOUT),
    violation=requests.latency_ns > _TIMEOUT,
    message="{kind} of {request} was completed after {latency_ns} ns",
    role="completion",
    roles={"request": requests.request},
    source=_BASE + "2.8 Completion Timeout Mechanism: 50 us to 50 ms by default",
    example="the device answers a read after 80 ms",
)
CPL006 = rule(
    "CPL006",
    "tag reused while outstanding",
    needs={Sight.CPL},
    applies=_is_request & (record.tag != 0),
    violation=requests.request >= 0,
    message="{kind} of {address:#x} with tag {tag:#x}, which {request} still uses",
    role="request",
    roles={"request": requests.request},
    source=_BASE + "2.2.6.2 Transaction Descriptor, Transaction ID: unique tags",
    example="the device sends a second read with the tag of one not yet answered",
)
CPL007 = rule(
    "CPL007",
    "Unsupported Request or Completer Abort returned",
    needs={Sight.CPL},
    # The core asks for functions that may not be there.
    applies=_is_answer & ~(record.kind.is_in(CONFIG) & by_core),
    violation=record.status.is_in((Status.UNSUPPORTED, Status.ABORT)),
    cases=[
        Case(
            record.status == Status.ABORT,
            "{kind} of {address:#x} ({length} bytes) ended in a Completer Abort",
        )
    ],
    message="{kind} of {address:#x} ({length} bytes) ended in Unsupported Request",
    role="request",
    roles={"request": requests.request},
    source=_BASE + "2.3.1 Request Handling Rules",
    example="the driver reads an offset that the device does not decode",
)

RULES = (CPL001_OPEN, CPL001_TIMEOUT, CPL002, CPL003, CPL004, CPL005, CPL006, CPL007)
