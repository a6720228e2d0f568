-- SPDX-License-Identifier: Apache-2.0
--
-- Every ProtoField: those of the layout, and those that the dissector derives.

local function build(enums, layout)
    local fields = { record = {}, part = {}, flag = {}, derived = {}, list = {} }

    local function keep(field)
        fields.list[#fields.list + 1] = field
        return field
    end

    local function of_layout(prefix, member)
        local kind, label, display = member[2], member[4], member[5]
        local abbr = "uvbus." .. prefix .. (member[3] or member[1])
        if kind:find("^bytes") then
            return keep(ProtoField.bytes(abbr, label))
        end
        local maker = ({ u8 = ProtoField.uint8, u16 = ProtoField.uint16,
            u32 = ProtoField.uint32, u64 = ProtoField.uint64, s32 = ProtoField.int32 })[kind]
        if display == "hex" then
            return keep(maker(abbr, label, base.HEX))
        end
        return keep(maker(abbr, label, base.DEC, display and enums[display]))
    end

    for _, member in ipairs(layout.record) do
        fields.record[member[1]] = of_layout("", member)
    end
    for name, part in pairs(layout.parts) do
        fields.part[name] = {}
        for _, member in ipairs(part) do
            fields.part[name][member[1]] = of_layout(part.prefix, member)
        end
    end
    for _, flag in ipairs(enums.flags) do
        fields.flag[flag[2]] = keep(ProtoField.bool("uvbus.flags." .. flag[2], flag[3], 32, nil,
            2 ^ flag[1]))
    end

    local function derived(name, field)
        fields.derived[name] = keep(field)
    end
    local function frame(name, label, role)
        derived(name, ProtoField.framenum("uvbus." .. name, label, base.NONE, role))
    end
    local function text(name, label)
        derived(name, ProtoField.string("uvbus." .. name, label))
    end

    text("function.name", "PCI function")
    text("driver", "Driver")
    for _, where in ipairs({ "ip", "caller", "irq.handler", "irq.thread" }) do
        derived(where .. ".module", ProtoField.uint16("uvbus." .. where .. ".module",
            "Module", base.DEC))
        derived(where .. ".offset", ProtoField.uint64("uvbus." .. where .. ".offset",
            "Offset", base.HEX))
    end
    text("site", "Site")
    text("caller_site", "Site in the driver")
    text("irq.handler_site", "Handler")
    text("irq.thread_site", "Thread handler")

    derived("meta.snapshot", ProtoField.uint16("uvbus.meta.snapshot", "Snapshot of", base.DEC,
        enums.snapshot))
    derived("meta.kind", ProtoField.uint16("uvbus.meta.kind", "Topic", base.DEC, enums.topic))
    derived("meta.loss_cause", ProtoField.uint16("uvbus.meta.loss_cause", "Cause", base.DEC,
        enums.loss_cause))

    derived("payload", ProtoField.bytes("uvbus.payload", "Payload"))
    derived("payload_cut", ProtoField.uint32("uvbus.payload_cut", "Payload bytes not kept",
        base.DEC))
    text("text", "Text")

    frame("request_in", "Request in frame", frametype.REQUEST)
    frame("response_in", "Completion in frame", frametype.RESPONSE)
    derived("response_time", ProtoField.relative_time("uvbus.response_time",
        "Time since request"))
    frame("map_in", "Mapped in frame", frametype.REQUEST)
    frame("unmap_in", "Unmapped in frame", frametype.RESPONSE)
    frame("iomap_in", "Mapped (iomap) in frame", frametype.REQUEST)
    frame("iounmap_in", "Unmapped (iounmap) in frame", frametype.RESPONSE)
    frame("call_in", "First segment of this call in frame", frametype.NONE)

    text("config.register", "Config register")
    for _, register in ipairs({
        { "vendor", "uint16", "Vendor ID" }, { "device", "uint16", "Device ID" },
        { "command", "uint16", "Command" }, { "status", "uint16", "Status" },
        { "revision", "uint8", "Revision" }, { "class", "uint24", "Class" },
        { "header_type", "uint8", "Header type" }, { "bar", "uint32", "BAR" },
        { "subsystem_vendor", "uint16", "Subsystem vendor ID" },
        { "subsystem_device", "uint16", "Subsystem ID" },
        { "interrupt_line", "uint8", "Interrupt line" },
        { "interrupt_pin", "uint8", "Interrupt pin" },
        { "capability", "uint8", "Capability" },
    }) do
        derived("config." .. register[1], ProtoField[register[2]]("uvbus.config." .. register[1],
            register[3], base.HEX))
    end

    derived("bars.bus_address", ProtoField.uint64("uvbus.bars.bus_address", "Bus address",
        base.HEX))
    derived("bars.length", ProtoField.uint64("uvbus.bars.length", "Length", base.HEX))
    derived("bars.phys_address", ProtoField.uint64("uvbus.bars.phys_address",
        "CPU address", base.HEX))
    derived("bars.flags", ProtoField.uint32("uvbus.bars.flags", "Resource flags", base.HEX))
    derived("bars.index", ProtoField.uint32("uvbus.bars.index", "BAR", base.DEC, enums.bar))

    derived("raw", ProtoField.bytes("uvbus.raw", "Bytes of no known layout"))
    return fields
end

return build
