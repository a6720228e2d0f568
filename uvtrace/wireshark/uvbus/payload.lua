-- SPDX-License-Identifier: Apache-2.0
--
-- What follows the 128 bytes of the record.

local function build(enums, layout, record, config_space, fields)
    local KIND = enums.KIND
    local derived = fields.derived
    local payload = {}

    -- {offset, bytes, field name} in config space.
    local CONFIG = {
        { 0x00, 2, "vendor" }, { 0x02, 2, "device" }, { 0x04, 2, "command" },
        { 0x06, 2, "status" }, { 0x08, 1, "revision" }, { 0x09, 3, "class" },
        { 0x0e, 1, "header_type" }, { 0x2c, 2, "subsystem_vendor" },
        { 0x2e, 2, "subsystem_device" }, { 0x3c, 1, "interrupt_line" },
        { 0x3d, 1, "interrupt_pin" },
    }

    local function config(tree, range, parsed)
        local function add(offset, bytes, name)
            if offset + bytes > range:len() then return nil end
            return tree:add_le(derived["config." .. name], range(offset, bytes))
        end
        for _, entry in ipairs(CONFIG) do add(entry[1], entry[2], entry[3]) end
        for index = 0, 5 do
            local item = add(0x10 + 4 * index, 4, "bar")
            if item then item:prepend_text(index .. ": ") end
        end
        for _, capability in ipairs(config_space.capabilities(record.payload(parsed))) do
            local item = tree:add_le(derived["config.capability"], range(capability.offset, 1))
            item:append_text(string.format(" %s at 0x%02x",
                config_space.capability_name(capability.id) or "", capability.offset))
        end
    end

    local BAR_BYTES = 32

    local function bars(tree, range)
        for offset = 0, range:len() - BAR_BYTES, BAR_BYTES do
            local bar = tree:add(fields.proto, range(offset, BAR_BYTES),
                (enums.bar[range(offset + 28, 4):le_uint()] or "BAR ?"))
            bar:add_le(derived["bars.bus_address"], range(offset, 8))
            bar:add_le(derived["bars.length"], range(offset + 8, 8))
            bar:add_le(derived["bars.phys_address"], range(offset + 16, 8))
            bar:add_le(derived["bars.flags"], range(offset + 24, 4))
            bar:add_le(derived["bars.index"], range(offset + 28, 4))
        end
    end

    local function is_text(parsed)
        local topic = parsed.part.topic
        return parsed.kind == KIND.METADATA or parsed.kind == KIND.MARK
            or parsed.kind == KIND.LOSS or parsed.kind == KIND.MODULE_LOAD
            or parsed.kind == KIND.MODULE_UNLOAD or (parsed.kind == KIND.SNAPSHOT and topic == 3)
    end

    -- Precondition: parsed.payload_kept > 0.
    function payload.show(tree, parsed)
        local range = parsed.tvb(layout.RECORD_SIZE, parsed.payload_kept)
        local item = tree:add(derived.payload, range)
        if is_text(parsed) then
            item:add(derived.text, range, (range:raw():gsub("%z.*$", "")))
        elseif parsed.kind == KIND.SNAPSHOT and parsed.part.topic == 1
            and record.is_zero(parsed.part.offset) then
            config(item, range, parsed)
        elseif parsed.kind == KIND.SNAPSHOT and parsed.part.topic == 2 then
            bars(item, range)
        end
    end

    return payload
end

return build
