# SPDX-License-Identifier: Apache-2.0
"""A record as the line that a driver developer wants to read.

``MMIO write BAR0+0x3818 (4) = 0x0000001c   e1000_xmit_frame+0x5d0 [e1000]``
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import numpy as np

from uvtrace.trace import texts
from uvtrace.trace.enums import Flag, Flavour, Kind, LossCause, Phase, Snapshot, Status, Topic
from uvtrace.trace.layout import BAR, BAR_NONE, VIEW_OF_KIND, VIEWS

if TYPE_CHECKING:
    from uvtrace.trace.trace import Trace

_TEXT_MAX: Final = 120
_HEX_MAX: Final = 16


def line(trace: Trace, row: int, contents: str = "") -> str:
    """What record ``row`` tells, and where in the driver it comes from.

    Text from the trace (names, marks) has its control characters escaped.

    Args:
        trace: of the record.
        row: of the record.
        contents: what the memory in it holds, in words; else its first bytes are told.

    Raises:
        IndexError: there is no such row.
    """
    site = texts.printable(trace.site(row))
    return f"{summary(trace, row, contents)}   {site}".rstrip()


def summary(trace: Trace, row: int, contents: str = "") -> str:
    """What record ``row`` tells, without its site; see :func:`line`."""
    record = trace[row]
    kind = int(record["kind"])
    member = VIEW_OF_KIND.get(kind)
    if member is None:
        return f"kind {kind} of version {record['version']}, not known to this version of uvtrace"
    facts = np.frombuffer(bytes(record["raw"]), VIEWS[member])[0]
    text = _BY_MEMBER[member](trace, row, record, facts)
    if contents:
        text = f"{text.partition(': ')[0]}: {contents}"
    notes = [*_outcome(record), *texts.remarks(int(record["flags"]))]
    return f"{text} [{'; '.join(notes)}]" if notes else text


def _outcome(record: np.void) -> list[str]:
    status = int(record["status"])
    return [] if status in (Status.OK, Status.FAILED) else [texts.status_text(status)]


def _access(trace: Trace, row: int, record: np.void, facts: np.void) -> str:
    width = int(facts["width"]) or int(record["length"])
    if record["flags"] & Flag.UNDECODED:
        code = facts["insn"][: int(facts["insn_length"])].tobytes().hex(" ")
        value = f"unknown ({code})"
    else:
        value = f"{int(record['value']):#0{2 * min(max(width, 1), 8) + 2}x}"
    text = f"{texts.kind_text(record['kind'])} {_place(record, facts)} ({width}) = {value}"
    if facts["string_count"]:
        text += f", {facts['string_index'] + 1} of {facts['string_count']}"
    return text + _took(record)


def _took(record: np.void) -> str:
    duration_ns = int(record["duration_ns"])
    return f", {texts.duration_text(duration_ns)}" if duration_ns else ""


def _place(record: np.void, facts: np.void) -> str:
    if record["kind"] in (Kind.CONFIG_READ, Kind.CONFIG_WRITE):
        offset = int(record["address"])
        return f"{offset:#04x} {texts.config_register_text(offset)}".rstrip()
    if facts["bar"] == BAR_NONE:
        return f"{int(record['address']):#x}"
    return f"{texts.bar_text(facts['bar'])}+{int(facts['offset']):#x}"


def _dma(trace: Trace, row: int, record: np.void, facts: np.void) -> str:
    text = f"{texts.kind_text(record['kind'])} {int(record['address']):#x} ({record['length']})"
    if record["kind"] == Kind.MEMORY:
        if record["value"]:
            text += f" {texts.memory_moment_text(int(record['value']))}"
        return f"{text}: {trace.payload(row)[:_HEX_MAX].hex(' ')}".rstrip(": ")
    if record["kind"] in (Kind.POOL_CREATE, Kind.POOL_DESTROY):
        return f"{texts.kind_text(record['kind'])} {int(facts['phys']):#x} ({record['length']})"
    text += f" {texts.direction_text(facts['direction'])}"
    if facts["flavour"] != Flavour.SINGLE:
        text += f" {texts.flavour_text(facts['flavour'])}"
    if facts["entries"] > 1:
        text += f", segment {facts['entry'] + 1} of {facts['entries']}"
    return text + _failure(record, facts)


def _bus(trace: Trace, row: int, record: np.void, facts: np.void) -> str:
    text = texts.kind_text(record["kind"])
    if record["kind"] in (Kind.MSI, Kind.MSIX):
        address, data = int(facts["message_address"]), int(facts["message_data"])
        return f"{text} vector {facts['vector']}, {data:#x} to {address:#x}"
    if record["kind"] in (Kind.INTX_ASSERT, Kind.INTX_DEASSERT):
        return text
    if record["phase"] in (Phase.REQUEST, Phase.COMPLETION):
        text += f" {texts.phase_text(record['phase'])}"
    text += f" {int(record['address']):#x} ({record['length']})"
    return text + (f" by {texts.bdf_text(facts['requester'])}" if facts["requester"] else "")


def _irq(trace: Trace, row: int, record: np.void, facts: np.void) -> str:
    kind = record["kind"]
    irq_type = texts.irq_type_text(facts["type"])
    text = texts.kind_text(kind)
    if kind in (Kind.VECTOR_ALLOC, Kind.VECTOR_FREE):
        count = f"{facts['count']} {irq_type}"
        wanted = f", at least {facts['minimum']}" if facts["minimum"] else ""
        return f"{text}: {count}{wanted}{_failure(record, facts)}"
    vector = "" if irq_type == "INTx" else f" vector {facts['vector']}"
    text += f" {facts['irq']} ({irq_type}{vector}{', shared' if facts['shared'] else ''})"
    if kind == Kind.HANDLER_EXIT:
        return f"{text}: {texts.irq_return_text(int(facts['result']))}{_took(record)}"
    handler = texts.printable(trace.symbol(int(facts["handler"])))
    return text + (f" {handler}" if handler else "") + _failure(record, facts)


def _life(trace: Trace, row: int, record: np.void, facts: np.void) -> str:
    special = _LIFE.get(int(record["kind"]))
    text = special(trace, row, record, facts) if special else texts.kind_text(record["kind"])
    return text + _failure(record, facts)


def _window(trace: Trace, row: int, record: np.void, facts: np.void) -> str:
    text = f"{texts.kind_text(record['kind'])} {texts.bar_text(facts['bar'])}"
    if facts["offset"]:
        text += f"+{int(facts['offset']):#x}"
    text += f" ({int(record['length']):#x}) at {int(record['address']):#x}"
    if record["kind"] == Kind.IOMAP:
        trapped = "" if facts["trapped"] else ", not trapped"
        text += f", {texts.memory_type_text(facts['memory_type'])}{trapped}"
    return text


def _dma_mask(trace: Trace, row: int, record: np.void, facts: np.void) -> str:
    mask = int(record["value"])
    return f"DMA mask {mask:#x} ({mask.bit_count()} bits)"


def _segment_limit(trace: Trace, row: int, record: np.void, facts: np.void) -> str:
    return f"segment limit {record['value']}, boundary {int(facts['segment_boundary']):#x}"


def _probe(trace: Trace, row: int, record: np.void, facts: np.void) -> str:
    driver = _text(trace, row)
    begins = "" if record["phase"] == Phase.COMPLETION else " begins"
    return f"probe{f' by {driver}' if driver else ''}{begins}"


def _bind(trace: Trace, row: int, record: np.void, facts: np.void) -> str:
    driver = _text(trace, row)
    return f"bound{f' to {driver}' if driver else ''}"


def _unbind(trace: Trace, row: int, record: np.void, facts: np.void) -> str:
    return "unbound" if record["phase"] == Phase.COMPLETION else "remove begins"


def _power(trace: Trace, row: int, record: np.void, facts: np.void) -> str:
    old, new = (texts.power_state_text(int(facts[name])) for name in ("old_state", "new_state"))
    return f"power {old} to {new}"


def _error(trace: Trace, row: int, record: np.void, facts: np.void) -> str:
    severity = texts.severity_text(int(facts["severity"]))
    return f"AER error, {severity}, status {int(facts['error_status']):#x}"


def _module(trace: Trace, row: int, record: np.void, facts: np.void) -> str:
    build_id = facts["build_id"][: int(facts["build_id_length"])].tobytes().hex()
    text = f"{texts.kind_text(record['kind'])} {_text(trace, row)} as {facts['index']}"
    text += f" ({record['length']} bytes of text)" if record["length"] else ""
    return text + (f", build ID {build_id}" if build_id else "")


def _meta(trace: Trace, row: int, record: np.void, facts: np.void) -> str:
    return _META[int(record["kind"])](trace, row, record, facts)


def _snapshot(trace: Trace, row: int, record: np.void, facts: np.void) -> str:
    topic = int(facts["topic"])
    if topic == Snapshot.DRIVER:
        return f"snapshot: driver {_text(trace, row) or 'none'}"
    if topic == Snapshot.DELAYS:
        return f"snapshot: delays D3hot {record['value']} ms, D3cold {record['address']} ms"
    if topic == Snapshot.LIMITS:
        return (
            f"snapshot: the bus allows a payload of {record['value']} bytes,"
            f" read requests of {record['address']}"
        )
    payload = trace.payload(row)
    if topic == Snapshot.BARS:
        return f"snapshot: {_bars(payload) or 'no BARs'}"
    return f"snapshot: {texts.snapshot_text(topic)}, {len(payload)} bytes"


def _bars(payload: bytes) -> str:
    bars = np.frombuffer(payload[: len(payload) // BAR.itemsize * BAR.itemsize], BAR)
    return ", ".join(
        f"{texts.bar_text(int(bar['index']))} "
        f"{int(bar['bus_address']):#x} ({int(bar['length']):#x})"
        for bar in bars[bars["length"] > 0]
    )


def _metadata(trace: Trace, row: int, record: np.void, facts: np.void) -> str:
    topic = int(facts["topic"])
    if topic == Topic.SYMBOL:
        return f"metadata: symbol {_text(trace, row)}"
    part = f", part {facts['chunk'] + 1} of {facts['chunks']}" if facts["chunks"] > 1 else ""
    return f"metadata: {texts.topic_text(topic)}{part}: {_text(trace, row)}"


def _mark(trace: Trace, row: int, record: np.void, facts: np.void) -> str:
    return f"mark: {_text(trace, row)}"


def _loss(trace: Trace, row: int, record: np.void, facts: np.void) -> str:
    cause = int(facts["topic"])
    reason = texts.loss_cause_text(cause)
    if cause == LossCause.NOT_HOOKED:
        return f"loss: {reason}: {_text(trace, row)}"
    if cause == LossCause.MEMORY:
        where = f"{int(record['address']):#x} ({record['length']})"
        return f"loss: {reason}: {where}: {_text(trace, row)}"
    if cause == LossCause.NOT_TRAPPED:
        return f"loss: {reason}: {int(record['address']):#x} ({int(record['length']):#x})"
    return f"loss: {record['value']} records, {reason}"


def _failure(record: np.void, facts: np.void) -> str:
    if record["status"] != Status.FAILED:
        return ""
    return f" failed: {texts.result_text(int(facts['result']))}"


def _text(trace: Trace, row: int) -> str:
    text = trace.payload(row)[: 4 * _TEXT_MAX].decode(errors="replace").rstrip("\0\n")
    return texts.printable(text if len(text) <= _TEXT_MAX else text[: _TEXT_MAX - 1] + "…")


_Sentence = Callable[["Trace", int, np.void, np.void], str]

_BY_MEMBER: Final[dict[str, _Sentence]] = {
    "access": _access,
    "dma": _dma,
    "bus": _bus,
    "irq": _irq,
    "life": _life,
    "module": _module,
    "meta": _meta,
}
_LIFE: Final[dict[int, _Sentence]] = {
    Kind.IOMAP: _window,
    Kind.IOUNMAP: _window,
    Kind.REGION_REQUEST: _window,
    Kind.REGION_RELEASE: _window,
    Kind.DMA_MASK: _dma_mask,
    Kind.SEGMENT_LIMIT: _segment_limit,
    Kind.PROBE: _probe,
    Kind.BIND: _bind,
    Kind.UNBIND: _unbind,
    Kind.POWER: _power,
    Kind.ERROR: _error,
}
_META: Final[dict[int, _Sentence]] = {
    Kind.SNAPSHOT: _snapshot,
    Kind.METADATA: _metadata,
    Kind.MARK: _mark,
    Kind.LOSS: _loss,
}
