-- SPDX-License-Identifier: Apache-2.0
--
-- struct uv_record of kmod/include/uapi/uvbus.h: which bytes are which field.
-- A member is {name in the header, type, filter name or nil, label, display}.
-- Offsets follow from the types, as the header has no padding; a test compares
-- names and order with the header.

local layout = {}

layout.VERSION = 1
layout.RECORD_SIZE = 128
layout.FUNCTION_NONE = 0xffff
layout.BAR_NONE = 0xff
layout.MODULE_UNKNOWN = 0xffff

layout.size = { u8 = 1, u16 = 2, u32 = 4, u64 = 8, s32 = 4, bytes16 = 16, bytes32 = 32 }

layout.record = {
    { "version", "u8", nil, "Record version" },
    { "kind", "u8", nil, "Kind", "kind" },
    { "phase", "u8", nil, "Phase", "phase" },
    { "status", "u8", nil, "Status", "status" },
    { "flags", "u32", nil, "Flags", "hex" },
    { "seq", "u64", nil, "Sequence number" },
    { "time_ns", "u64", nil, "Time (CLOCK_MONOTONIC, ns)" },
    { "tid", "u32", nil, "Thread" },
    { "cpu", "u16", nil, "CPU" },
    { "function", "u16", nil, "Function" },
    { "address", "u64", "addr", "Address", "hex" },
    { "length", "u64", nil, "Length (bytes)" },
    { "value", "u64", nil, "Value", "hex" },
    { "tag", "u64", nil, "Tag" },
    { "ip", "u64", nil, "Instruction", "hex" },
    { "caller", "u64", nil, "Caller in the driver", "hex" },
    { "payload", "u32", "payload_length", "Payload recorded (bytes)" },
    { "duration_ns", "u32", "duration", "Duration (ns)" },
}

-- The members of the union, by the header's name of the member.
layout.parts = {
    access = {
        prefix = "", label = "Access",
        { "bar", "u8", nil, "BAR", "bar" },
        { "width", "u8", nil, "Width (bytes)" },
        { "insn_length", "u8", nil, "Instruction length" },
        { "memory_type", "u8", nil, "Memory type", "memory_type" },
        { "mapping", "u32", nil, "Mapping number" },
        { "offset", "u64", nil, "Offset", "hex" },
        { "string_index", "u32", nil, "String access" },
        { "string_count", "u32", nil, "String accesses" },
        { "insn", "bytes16", nil, "Instruction bytes" },
    },
    dma = {
        prefix = "dma.", label = "DMA API call",
        { "direction", "u8", nil, "Direction", "direction" },
        { "flavour", "u8", nil, "Flavour", "flavour" },
        { "align", "u16", nil, "Alignment (log2)" },
        { "attrs", "u32", nil, "DMA attributes", "hex" },
        { "cpu_address", "u64", nil, "CPU address", "hex" },
        { "phys", "u64", nil, "Physical address", "hex" },
        { "entry", "u32", nil, "Segment" },
        { "entries", "u32", nil, "Segments" },
        { "nents", "u32", nil, "Entries passed by the driver" },
        { "result", "s32", nil, "Result" },
    },
    bus = {
        prefix = "bus.", label = "Message on the bus",
        { "requester", "u16", nil, "Requester", "hex" },
        { "completer", "u16", nil, "Completer", "hex" },
        { "vector", "u16", nil, "Vector" },
        { "first_be", "u8", nil, "First byte enables", "hex" },
        { "last_be", "u8", nil, "Last byte enables", "hex" },
        { "traffic_class", "u8", nil, "Traffic class" },
        { "attributes", "u8", nil, "Attributes", "hex" },
        { "byte_count", "u16", nil, "Byte count" },
        { "message_data", "u32", nil, "Message data", "hex" },
        { "message_address", "u64", nil, "Message address", "hex" },
        { "mapping", "u64", nil, "Mapping", "hex" },
        { "reserved", "u64", nil, "Reserved", "hex" },
    },
    irq = {
        prefix = "irq.", label = "Interrupt",
        { "irq", "u32", "number", "IRQ" },
        { "vector", "u16", nil, "Vector" },
        { "type", "u8", nil, "Type", "irq_type" },
        { "shared", "u8", nil, "Shared" },
        { "result", "s32", nil, "Result" },
        { "count", "u32", nil, "Vectors" },
        { "handler", "u64", nil, "Handler", "hex" },
        { "thread", "u64", nil, "Thread handler", "hex" },
        { "irq_flags", "u32", "flags", "IRQF flags", "hex" },
        { "minimum", "u32", nil, "Minimum of vectors" },
    },
    life = {
        prefix = "life.", label = "Life of the function",
        { "bar", "u8", nil, "BAR", "bar" },
        { "memory_type", "u8", nil, "Memory type", "memory_type" },
        { "old_state", "u8", nil, "Old power state", "power_state" },
        { "new_state", "u8", nil, "New power state", "power_state" },
        { "result", "s32", nil, "Result" },
        { "offset", "u64", nil, "Offset", "hex" },
        { "mapping", "u32", nil, "Mapping number" },
        { "error_status", "u32", nil, "AER status", "hex" },
        { "severity", "u8", nil, "AER severity", "severity" },
        { "trapped", "u8", nil, "Trapped" },
        { "module", "u16", nil, "Module index" },
        { "reserved", "u32", nil, "Reserved", "hex" },
        { "segment_boundary", "u64", nil, "Segment boundary", "hex" },
    },
    module = {
        prefix = "module.", label = "Module",
        { "index", "u16", nil, "Index" },
        { "build_id_length", "u8", nil, "Build ID length" },
        { "tainted", "u8", nil, "Tainted" },
        { "srcversion", "u32", nil, "Source version", "hex" },
        { "build_id", "bytes32", nil, "Build ID" },
    },
    meta = {
        prefix = "meta.", label = "Metadata",
        { "topic", "u16", nil, "Topic number" },
        { "reserved", "u16", nil, "Reserved", "hex" },
        { "document", "u32", nil, "Document" },
        { "chunk", "u32", nil, "Chunk" },
        { "chunks", "u32", nil, "Chunks" },
        { "first_seq", "u64", nil, "First record lost" },
        { "offset", "u64", nil, "Offset", "hex" },
        { "total", "u64", nil, "Total (bytes)" },
    },
}
layout.PART_OFFSET = 88

-- Byte offsets of the members, counted from the start of the record.
local function place(members, offset)
    for _, member in ipairs(members) do
        member.offset = offset
        member.bytes = layout.size[member[2]]
        offset = offset + member.bytes
    end
    assert(offset == layout.PART_OFFSET or offset == layout.RECORD_SIZE)
end

place(layout.record, 0)
for _, part in pairs(layout.parts) do
    place(part, layout.PART_OFFSET)
end

-- The union member that a kind uses; nil of a kind that this version lacks.
function layout.part_of(kind)
    if kind >= 1 and kind <= 6 then return "access" end
    if kind >= 7 and kind <= 12 then return "bus" end
    if kind == 13 or kind == 14 then return "irq" end
    if kind >= 16 and kind <= 26 then return "dma" end
    if kind >= 36 and kind <= 39 then return "irq" end
    if kind == 46 or kind == 47 then return "module" end
    if kind >= 32 and kind <= 53 then return "life" end
    if kind >= 64 and kind <= 67 then return "meta" end
    return nil
end

return layout
