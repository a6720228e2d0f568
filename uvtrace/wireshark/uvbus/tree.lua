-- SPDX-License-Identifier: Apache-2.0
--
-- The record as Wireshark's tree of fields.

local function build(enums, layout, record, config_space, fields)
    local KIND = enums.KIND
    local derived = fields.derived
    local tree = {}

    local function add_members(parent, members, by_name, parsed)
        local items = {}
        for _, member in ipairs(members) do
            items[member[1]] = parent:add_le(by_name[member[1]],
                parsed.tvb(member.offset, member.bytes))
        end
        return items
    end

    -- Module and offset below a site, and its name beside it.
    local function add_site(parent, item, prefix, name_field, parsed, offset, site, session)
        local tvb = parsed.tvb
        item:add_le(derived[prefix .. ".module"], tvb(offset + 6, 2))
        item:add_le(derived[prefix .. ".offset"], tvb(offset, 6), tvb(offset, 6):le_uint64())
        local name = session:site(site)
        if not name then return end
        item:append_text(" " .. name)
        parent:add(derived[name_field], tvb(offset, 8), name):set_generated()
    end

    local function add_flags(item, parsed)
        for _, flag in ipairs(enums.flags) do
            item:add_le(fields.flag[flag[2]], parsed.tvb(4, 4))
            if record.bit(parsed.flags, flag[1]) then item:append_text(" " .. flag[2]) end
        end
    end

    function tree.record(root, parsed, func, session)
        local items = add_members(root, layout.record, fields.record, parsed)
        add_flags(items.flags, parsed)
        add_site(root, items.ip, "ip", "site", parsed, 64, parsed.ip, session)
        add_site(root, items.caller, "caller", "caller_site", parsed, 72, parsed.caller, session)
        if parsed.part_name == "access" then
            items.value:set_text("Value: " .. record.hex_of_width(parsed.value, parsed.part.width))
        end
        if func.name then
            items["function"]:append_text(" " .. func.name)
            root:add(derived["function.name"], func.name):set_generated()
        end
        if func.driver then root:add(derived.driver, func.driver):set_generated() end
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
            items.topic:add_le(derived[TOPIC[parsed.kind]], parsed.tvb(layout.PART_OFFSET, 2))
        elseif parsed.kind == KIND.CONFIG_READ or parsed.kind == KIND.CONFIG_WRITE then
            local register = config_space.register(parsed.part.offset:tonumber(),
                func.capabilities)
            if register then
                root:add(derived["config.register"], parsed.tvb(96, 8), register):set_generated()
            end
        end
    end

    local LINKS = {
        "request_in", "response_in", "map_in", "unmap_in", "iomap_in", "iounmap_in", "call_in",
    }

    function tree.links(root, parsed, session, frame)
        for _, link in ipairs(LINKS) do
            if session[link][frame] then
                root:add(derived[link], session[link][frame]):set_generated()
            end
        end
        local elapsed = session.response_ns[frame]
        if elapsed then
            root:add(derived.response_time,
                NSTime.new(math.floor(elapsed / 1e9), elapsed % 1e9)):set_generated()
        end
    end

    return tree
end

return build
