-- SPDX-License-Identifier: Apache-2.0
--
-- The record as Wireshark's tree of fields.

local function build(enums, layout, record, config_space, fields)
    local KIND = enums.KIND
    local derived = fields.derived
    local tree = {}

    -- While a filter runs nobody sees the tree: only what the filter names is added, as
    -- every call from Lua costs. `items` then lacks the others.
    local function wanted(parent, field, parsed)
        return parsed.visible or parent:referenced(field)
    end

    local function add_members(parent, members, by_name, parsed)
        local items = {}
        for _, member in ipairs(members) do
            local field = by_name[member[1]]
            if wanted(parent, field, parsed) then
                items[member[1]] = parent:add_le(field, parsed.tvb(member.offset, member.bytes))
            end
        end
        return items
    end

    -- Module and offset below a site, and its name beside it.
    local function add_site(root, item, prefix, name_field, parsed, offset, site, session)
        local tvb, module, code = parsed.tvb, derived[prefix .. ".module"],
            derived[prefix .. ".offset"]
        local parent = item or root
        if wanted(root, module, parsed) then parent:add_le(module, tvb(offset + 6, 2)) end
        if wanted(root, code, parsed) then
            parent:add_le(code, tvb(offset, 6), tvb(offset, 6):le_uint64())
        end
        local name = session:site(site)
        if item then item:append_text(" " .. (name or "(none)")) end
        if name and wanted(root, derived[name_field], parsed) then
            root:add(derived[name_field], tvb(offset, 8), name):set_generated()
        end
    end

    local function add_flags(root, item, parsed)
        for _, flag in ipairs(enums.flags) do
            local field = fields.flag[flag[2]]
            if wanted(root, field, parsed) then (item or root):add_le(field, parsed.tvb(4, 4)) end
            if item and record.bit(parsed.flags, flag[1]) then item:append_text(" " .. flag[2]) end
        end
    end

    -- A value of the dissector's own, without bytes of the packet.
    local function add_generated(root, field, value, parsed)
        if value ~= nil and wanted(root, field, parsed) then
            root:add(field, value):set_generated()
        end
    end

    function tree.record(root, parsed, func, session)
        local items = add_members(root, layout.record, fields.record, parsed)
        add_flags(root, items.flags, parsed)
        add_site(root, items.ip, "ip", "site", parsed, 64, parsed.ip, session)
        add_site(root, items.caller, "caller", "caller_site", parsed, 72, parsed.caller, session)
        if parsed.part_name == "access" and items.value then
            items.value:set_text("Value: " .. record.hex_of_width(parsed.value, parsed.part.width))
        end
        if func.name and items["function"] then items["function"]:append_text(" " .. func.name) end
        add_generated(root, derived["function.name"], func.name, parsed)
        add_generated(root, derived.driver, func.driver, parsed)
        if parsed.payload > parsed.payload_kept then
            add_generated(root, derived.payload_cut, parsed.payload - parsed.payload_kept, parsed)
        end
    end

    local TOPIC = {
        [KIND.SNAPSHOT] = "meta.snapshot", [KIND.METADATA] = "meta.kind",
        [KIND.LOSS] = "meta.loss_cause",
    }

    function tree.part(root, parsed, func, session)
        local name = parsed.part_name
        local bytes = parsed.tvb(layout.PART_OFFSET, layout.RECORD_SIZE - layout.PART_OFFSET)
        if not name then
            root:add(derived.raw, bytes)
            return
        end
        local part = root:add(fields.proto, bytes, layout.parts[name].label)
        local items = add_members(part, layout.parts[name], fields.part[name], parsed)
        if name == "irq" then
            add_site(part, items.handler, "irq.handler", "irq.handler_site", parsed, 104,
                parsed.part.handler, session)
            add_site(part, items.thread, "irq.thread", "irq.thread_site", parsed, 112,
                parsed.part.thread, session)
        elseif TOPIC[parsed.kind] then
            part:add_le(derived[TOPIC[parsed.kind]], parsed.tvb(layout.PART_OFFSET, 2))
        elseif parsed.kind == KIND.CONFIG_READ or parsed.kind == KIND.CONFIG_WRITE then
            local register = config_space.register(parsed.address, func.capabilities)
            if register then
                root:add(derived["config.register"], parsed.tvb(32, 8), register):set_generated()
            end
        end
    end

    local LINKS = {
        "request_in", "response_in", "map_in", "unmap_in", "iomap_in", "iounmap_in", "call_in",
    }

    function tree.links(root, parsed, session, frame)
        for _, link in ipairs(LINKS) do
            add_generated(root, derived[link], session[link][frame], parsed)
        end
        local elapsed = session.response_ns[frame]
        if elapsed then
            add_generated(root, derived.response_time,
                NSTime.new(math.floor(elapsed / 1e9), elapsed % 1e9), parsed)
        end
    end

    return tree
end

return build
