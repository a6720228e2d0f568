# SPDX-License-Identifier: Apache-2.0
"""Columns that are fields of the record itself.

A column of the union is meaningful only for kinds whose records have that member
(``layout.VIEW_OF_KIND``); elsewhere it is 0.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

import numpy as np

from uvtrace.check.expression import Column, EventColumn, NumberColumn
from uvtrace.trace import enums

kind = NumberColumn("kind", np.uint8, "the kind of event", values=enums.Kind)
phase = NumberColumn("phase", np.uint8, "the phase", values=enums.Phase)
status = NumberColumn("status", np.uint8, "the status", values=enums.Status)
flags = NumberColumn("flags", np.uint32, "the record's flags")
version = NumberColumn("version", np.uint8, "the record's format version")
seq = NumberColumn("seq", np.int64, "the record's number")
time_ns = NumberColumn("time_ns", np.int64, "the time", "ns")
duration_ns = NumberColumn("duration_ns", np.uint32, "how long it took", "ns")
tid = NumberColumn("tid", np.uint32, "the thread")
cpu = NumberColumn("cpu", np.uint16, "the CPU")
function = NumberColumn("function", np.uint16, "the PCI function's index")
address = NumberColumn("address", np.uint64, "the address")
length = NumberColumn("length", np.uint64, "the length", "bytes")
value = NumberColumn("value", np.uint64, "the value")
tag = NumberColumn("tag", np.uint64, "the tag")
ip = NumberColumn("ip", np.uint64, "the site of the instruction")
caller = NumberColumn("caller", np.uint64, "the driver's site, where ip lies elsewhere")
site = NumberColumn("site", np.uint64, "the driver's site: caller, or ip where there is none")
payload_length = NumberColumn("payload_length", np.uint32, "the payload's length", "bytes")
position = EventColumn("position", np.int64, "this event itself")

bar = NumberColumn("bar", np.uint8, "the BAR; 255 outside every one")
width = NumberColumn("width", np.uint8, "the width of the access", "bytes")
offset = NumberColumn("offset", np.uint64, "the offset in the BAR, or in config space")
memory_type = NumberColumn("memory_type", np.uint8, "the memory type", values=enums.MemoryType)
iomap = NumberColumn("iomap", np.uint32, "the number of the iomap it went through; 0 none")
string_index = NumberColumn("string_index", np.uint32, "which access of a string instruction")
string_count = NumberColumn("string_count", np.uint32, "accesses of the string instruction")

direction = NumberColumn("direction", np.uint8, "the direction", values=enums.Direction)
flavour = NumberColumn("flavour", np.uint8, "the family of calls", values=enums.Flavour)
attrs = NumberColumn("attrs", np.uint32, "the DMA attributes")
cpu_address = NumberColumn("cpu_address", np.uint64, "the kernel's virtual address; 0 none")
phys = NumberColumn("phys", np.uint64, "the physical address; the pool's number")
entry = NumberColumn("entry", np.uint32, "which segment of a scatterlist")
entries = NumberColumn("entries", np.uint32, "segments in the call's DMA list")
nents = NumberColumn("nents", np.uint32, "the entry count that the driver passed")

requester = NumberColumn("requester", np.uint16, "the requester's ID")
completer = NumberColumn("completer", np.uint16, "the completer's ID")
vector = NumberColumn("vector", np.uint16, "the interrupt vector")
first_be = NumberColumn("first_be", np.uint8, "byte enables of the first dword")
last_be = NumberColumn("last_be", np.uint8, "byte enables of the last dword")
traffic_class = NumberColumn("traffic_class", np.uint8, "the traffic class")
attributes = NumberColumn("attributes", np.uint8, "PCIe attributes: bit 0 NS, 1 RO, 2 IDO")
byte_count = NumberColumn(
    "byte_count", np.uint16, "bytes to come, with the completion's own", "bytes"
)
message_data = NumberColumn("message_data", np.uint32, "the interrupt message's data")
message_address = NumberColumn("message_address", np.uint64, "the interrupt message's address")

irq = NumberColumn("irq", np.uint32, "Linux's interrupt number")
irq_type = NumberColumn("irq_type", np.uint8, "the interrupt's type", values=enums.IrqType)
shared = NumberColumn("shared", np.uint8, "whether the line is shared")
vector_count = NumberColumn("vector_count", np.uint32, "vectors asked for, or granted")
minimum = NumberColumn("minimum", np.uint32, "vectors at least wanted")
handler = NumberColumn("handler", np.uint64, "the handler's site")
thread = NumberColumn("thread", np.uint64, "the threaded handler's site")
irq_flags = NumberColumn("irq_flags", np.uint32, "the IRQF_* flags")

old_state = NumberColumn("old_state", np.uint8, "the power state before; 5 not known")
new_state = NumberColumn("new_state", np.uint8, "the power state after; 5 not known")
result = NumberColumn("result", np.int32, "what the call, or the handler, returned")
error_status = NumberColumn("error_status", np.uint32, "the AER status")
severity = NumberColumn("severity", np.uint8, "the AER severity")
trapped = NumberColumn("trapped", np.uint8, "whether accesses through the iomap are seen")
segment_boundary = NumberColumn("segment_boundary", np.uint64, "the segment boundary")
topic = NumberColumn("topic", np.uint16, "what a snapshot, metadata or loss tells of")

COMMON_FIELDS: Final = MappingProxyType(
    {
        column.name: column.name
        for column in (
            *(kind, phase, status, flags, version, seq, time_ns, duration_ns, tid, cpu),
            *(function, address, length, value, tag, ip, caller),
        )
    }
    | {payload_length.name: "payload"}
)
"""Column name to the record's common field."""

_OWN_NAMES = {"iomap": "mapping", "irq_type": "type", "vector_count": "count"}
_OF_VIEW: Final = {
    "access": (bar, width, offset, memory_type, iomap, string_index, string_count),
    "dma": (direction, flavour, attrs, cpu_address, phys, entry, entries, nents, result),
    "bus": (
        *(requester, completer, vector, first_be, last_be, traffic_class, attributes),
        *(byte_count, message_data, message_address),
    ),
    "irq": (
        irq,
        vector,
        irq_type,
        shared,
        result,
        vector_count,
        minimum,
        handler,
        thread,
        irq_flags,
    ),
    "life": (
        *(bar, memory_type, old_state, new_state, result, offset, iomap, error_status),
        *(severity, trapped, segment_boundary),
    ),
    "module": (),
    "meta": (topic, offset),
}
VIEW_FIELDS: Final = MappingProxyType(
    {
        view: MappingProxyType(
            {column.name: _OWN_NAMES.get(column.name, column.name) for column in columns}
        )
        for view, columns in _OF_VIEW.items()
    }
)
"""Union member to its columns' names and fields."""

COLUMNS: Final[tuple[Column, ...]] = tuple(
    dict.fromkeys(term for term in globals().copy().values() if isinstance(term, Column))
)
