-- SPDX-License-Identifier: Apache-2.0
--
-- What one record tells about others: names, pairs and mappings of one file,
-- learned in the first pass over it and only read afterwards.

local function build(enums, layout, record, new_mappings, config_space)
    local KIND, PHASE, STATUS = enums.KIND, enums.PHASE, enums.STATUS
    local OFFSET_MASK = UInt64(0xffffffff, 0xffff)
    local Session = {}
    Session.__index = Session

    local function new()
        return setmetatable({
            recognised = false,  -- a record of ours has been seen in this file
            functions = {},      -- index -> {name, driver, capabilities}
            symbols = {},        -- 8 bytes of a site -> text
            modules = {},        -- index -> name
            pending = {},        -- function, class, tag -> {frame, time}
            first_segment = {},  -- function, kind, tag -> frame
            iomaps = {},         -- function, mapping number -> frame
            mappings = new_mappings(),
            next_seq = nil,
            -- by frame number:
            request_in = {}, response_in = {}, response_ns = {},
            map_in = {}, unmap_in = {}, iomap_in = {}, iounmap_in = {}, call_in = {},
            gap = {},            -- records missing before this frame (UInt64)
            unbalanced = {},     -- an unmap or free that ends nothing seen
        }, Session)
    end

    function Session:func(index)
        local known = self.functions[index]
        if not known then
            known = {}
            self.functions[index] = known
        end
        return known
    end

    -- The class in which a tag pairs two records: their kind, but a handler's
    -- entry and exit are of two kinds.
    local function pair_class(parsed)
        return parsed.kind == KIND.HANDLER_EXIT and KIND.HANDLER_ENTER or parsed.kind
    end

    local function begins(parsed)
        return parsed.kind == KIND.HANDLER_ENTER
            or (parsed.phase == PHASE.REQUEST and parsed.kind ~= KIND.HANDLER_EXIT)
    end

    local function ends(parsed)
        return parsed.kind == KIND.HANDLER_EXIT or parsed.phase == PHASE.COMPLETION
    end

    function Session:learn_pair(parsed, frame)
        if record.is_zero(parsed.tag) then return end
        local key = parsed["function"] .. ":" .. pair_class(parsed) .. ":" .. parsed.tag:tohex()
        if begins(parsed) then
            self.pending[key] = { frame = frame, time = parsed.time_ns }
        elseif ends(parsed) and self.pending[key] then
            local request = self.pending[key]
            self.request_in[frame] = request.frame
            if parsed.time_ns >= request.time then
                self.response_ns[frame] = (parsed.time_ns - request.time):tonumber()
            end
            -- Split completions: the request points at its first one.
            if not self.response_in[request.frame] then
                self.response_in[request.frame] = frame
            end
        end
    end

    function Session:learn_segment(parsed, frame)
        if parsed.part_name ~= "dma" or parsed.part.entries < 2 or record.is_zero(parsed.tag) then
            return
        end
        local key = parsed["function"] .. ":" .. parsed.kind .. ":" .. parsed.tag:tohex()
        if self.first_segment[key] then
            self.call_in[frame] = self.first_segment[key]
        else
            self.first_segment[key] = frame
        end
    end

    local CLASS_OPENED = { [KIND.MAP] = "map", [KIND.ALLOC] = "alloc", [KIND.POOL_ALLOC] = "pool" }
    local CLASS_CLOSED = { [KIND.UNMAP] = "map", [KIND.FREE] = "alloc", [KIND.POOL_FREE] = "pool" }
    local WITHIN = {
        [KIND.SYNC_FOR_CPU] = true, [KIND.SYNC_FOR_DEVICE] = true, [KIND.MEMORY] = true,
        [KIND.DMA_READ] = true, [KIND.DMA_WRITE] = true,
    }

    function Session:learn_mapping(parsed, frame)
        local class = CLASS_OPENED[parsed.kind] or CLASS_CLOSED[parsed.kind]
        local owner = tostring(parsed["function"]) .. ":"
        if class then
            local mapping = {
                owner = owner, class = class, address = parsed.address, length = parsed.length,
                direction = parsed.part.direction, frame = frame,
            }
            if CLASS_OPENED[parsed.kind] then
                if parsed.status == STATUS.OK and parsed.phase ~= PHASE.REQUEST then
                    self.mappings:open(mapping)
                end
                return
            end
            local opened = self.mappings:close(mapping)
            if opened then
                self.map_in[frame] = opened.frame
                self.unmap_in[opened.frame] = frame
            else
                self.unbalanced[frame] = true
            end
        elseif WITHIN[parsed.kind] then
            local holder = self.mappings:holding(owner, parsed.address)
            self.map_in[frame] = holder and holder.frame
        end
    end

    function Session:learn_iomap(parsed, frame)
        local number = parsed.part.mapping
        if (parsed.part_name ~= "life" and parsed.part_name ~= "access") or number == 0 then
            return
        end
        local key = parsed["function"] .. ":" .. number
        if parsed.kind == KIND.IOMAP then
            self.iomaps[key] = frame
        elseif self.iomaps[key] and (parsed.part_name == "access" or parsed.kind == KIND.IOUNMAP) then
            self.iomap_in[frame] = self.iomaps[key]
            if parsed.kind == KIND.IOUNMAP then self.iounmap_in[self.iomaps[key]] = frame end
        end
    end

    -- "e1000_clean+0x5c/0xdb0 [e1000]" without the size of the symbol.
    local function site_text(payload)
        return (record.printable(payload, 200):gsub("(%+0x%x+)/0x%x+", "%1"))
    end

    function Session:learn_names(parsed)
        local payload = record.payload(parsed)
        if parsed.kind == KIND.METADATA and parsed.part.topic == 2 then
            self.symbols[parsed.address:tohex()] = site_text(payload)
        elseif parsed.kind == KIND.MODULE_LOAD then
            self.modules[parsed.part.index] = record.printable(payload, 64)
        elseif parsed.kind == KIND.SNAPSHOT and parsed.part.topic == 3 and payload ~= "" then
            self:func(parsed["function"]).driver = record.printable(payload, 64)
        elseif parsed.kind == KIND.SNAPSHOT and parsed.part.topic == 1 then
            local capabilities = config_space.capabilities(payload)
            self:func(parsed["function"]).capabilities = capabilities
        end
    end

    function Session:learn_sequence(parsed, frame)
        local expected = self.next_seq
        if expected and parsed.seq > expected then
            self.gap[frame] = parsed.seq - expected
        end
        self.next_seq = parsed.seq + 1
        if parsed.kind == KIND.LOSS and enums.counted_loss[parsed.part.topic] then
            self.next_seq = self.next_seq + parsed.value
        end
    end

    -- Once per record, in file order.
    function Session:learn(parsed, frame)
        self:learn_sequence(parsed, frame)
        self:learn_names(parsed)
        self:learn_pair(parsed, frame)
        self:learn_segment(parsed, frame)
        self:learn_mapping(parsed, frame)
        self:learn_iomap(parsed, frame)
    end

    -- Text of a site; nil of none (0).
    function Session:site(site)
        if record.is_zero(site) then return nil end
        local symbol = self.symbols[site:tohex()]
        if symbol then return symbol end
        local module = site:rshift(48):tonumber()
        local offset = record.hex(site:band(OFFSET_MASK))
        local name = self.modules[module]
        if module == layout.MODULE_UNKNOWN then
            name = "?"
        elseif not name then
            name = module == 0 and "kernel" or ("module " .. module)
        end
        return string.format("%s [%s]", offset, name)
    end

    return new
end

return build
