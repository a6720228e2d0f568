-- SPDX-License-Identifier: Apache-2.0
--
-- The Info column: one line that a driver's developer reads.

local function build(enums, layout, record, config_space)
    local KIND, PHASE, STATUS = enums.KIND, enums.PHASE, enums.STATUS
    local hex, printable = record.hex, record.printable
    local text = {}

    local function result_text(result)
        if result >= 0 then return tostring(result) end
        return enums.errno[-result] and ("-" .. enums.errno[-result]) or tostring(result)
    end

    local function count(length)
        return tostring(length)
    end

    local function has_value(parsed)
        return parsed.phase ~= PHASE.REQUEST or record.bit(parsed.flags, 9)
    end

    -- What went wrong, in words that the eye finds.
    local function trouble(parsed)
        local words = {}
        if parsed.status ~= STATUS.OK then
            words[#words + 1] = enums.status_short[parsed.status]
                or ("status " .. parsed.status)
        end
        if record.bit(parsed.flags, 4) then words[#words + 1] = "UNDECODED" end
        if record.bit(parsed.flags, 5) then words[#words + 1] = "OUTSIDE ITS MAPPING" end
        if record.bit(parsed.flags, 6) then words[#words + 1] = "AFTER IOUNMAP" end
        if record.bit(parsed.flags, 15) then words[#words + 1] = "(imported)" end
        if record.bit(parsed.flags, 17) then words[#words + 1] = "(from before the recording)" end
        if record.bit(parsed.flags, 18) then words[#words + 1] = "(predicted)" end
        if record.bit(parsed.flags, 20) then words[#words + 1] = "(at the device)" end
        return table.concat(words, " ")
    end

    local function place(parsed, func)
        local access = parsed.part
        if parsed.kind <= KIND.CONFIG_WRITE then
            local name = config_space.register(parsed.address, func.capabilities)
            return name and string.format("%s (%s)", name, hex(parsed.address))
                or hex(parsed.address)
        end
        if access.bar == layout.BAR_NONE then return hex(parsed.address) end
        local bar = access.bar == 6 and "ROM" or ("BAR" .. access.bar)
        return bar .. "+" .. hex(access.offset)
    end

    local function access(parsed, func)
        local part = parsed.part
        local line = place(parsed, func)
        if has_value(parsed) and not record.bit(parsed.flags, 4) then
            line = line .. " = " .. record.hex_of_width(parsed.value, part.width)
            if record.bit(parsed.flags, 16) then line = line .. "…" end
        end
        line = string.format("%s (%d)", line, part.width)
        if part.string_count > 1 then
            line = string.format("%s %d/%d", line, part.string_index + 1, part.string_count)
        end
        if parsed.duration_ns > 0 then line = line .. " " .. record.duration(parsed.duration_ns) end
        return line
    end

    local function bus(parsed)
        local part = parsed.part
        if parsed.kind == KIND.MSI or parsed.kind == KIND.MSIX then
            return string.format("vector %d  %s = 0x%x", part.vector, hex(parsed.address),
                part.message_data)
        end
        if parsed.kind == KIND.INTX_ASSERT or parsed.kind == KIND.INTX_DEASSERT then
            return "INT" .. (("ABCD"):sub(part.vector + 1, part.vector + 1))
        end
        local line = hex(parsed.address) .. " +" .. count(parsed.length)
        if parsed.length <= UInt64(8) and has_value(parsed) then
            line = line .. " = " .. record.hex_of_width(parsed.value, parsed.length:tonumber())
        end
        return line
    end

    local function dma(parsed)
        local part = parsed.part
        local line = { hex(parsed.address), "+" .. count(parsed.length) }
        local is_pool = parsed.kind >= KIND.POOL_CREATE and parsed.kind <= KIND.POOL_FREE
        if part.direction ~= 3 and parsed.kind ~= KIND.ALLOC and parsed.kind ~= KIND.FREE
            and not is_pool then
            line[#line + 1] = enums.direction[part.direction] or ("direction " .. part.direction)
        end
        line[#line + 1] = enums.flavour[part.flavour] or ("flavour " .. part.flavour)
        if part.entries > 1 then
            line[#line + 1] = string.format("%d/%d", part.entry + 1, part.entries)
        end
        if parsed.status == STATUS.FAILED then line[#line + 1] = result_text(part.result) end
        return table.concat(line, " ")
    end

    local function irq(parsed, _, session)
        local part = parsed.part
        local line = "irq " .. part.irq
        if part.type == 1 or part.type == 2 then
            line = string.format("%s (%s %d)", line, enums.irq_type[part.type], part.vector)
        end
        if parsed.kind == KIND.HANDLER_EXIT then
            line = line .. " " .. (enums.handled[part.result] or result_text(part.result))
            if parsed.duration_ns > 0 then
                line = line .. " " .. record.duration(parsed.duration_ns)
            end
        elseif parsed.kind == KIND.VECTOR_ALLOC or parsed.kind == KIND.VECTOR_FREE then
            line = string.format("%d %s (at least %d)", part.count,
                enums.irq_type[part.type] or "vectors", part.minimum)
        elseif part.shared ~= 0 then
            line = line .. " shared"
        end
        if parsed.status == STATUS.FAILED then line = line .. " " .. result_text(part.result) end
        local handler = session:site(part.handler)
        if handler and (parsed.kind == KIND.IRQ_REQUEST or parsed.kind == KIND.IRQ_FREE) then
            line = line .. " handler " .. handler
        elseif handler and parsed.kind <= KIND.HANDLER_EXIT then
            line = line .. "  " .. handler
        end
        return line
    end

    local function region(parsed)
        local part = parsed.part
        local line = hex(parsed.address) .. " +" .. hex(parsed.length)
        if part.bar == 6 then
            line = "ROM " .. line
        elseif part.bar ~= layout.BAR_NONE then
            line = string.format("BAR%d %s", part.bar, line)
        end
        if part.mapping > 0 then line = line .. " mapping " .. part.mapping end
        if parsed.kind == KIND.IOMAP then
            line = line .. " " .. (enums.memory_type[part.memory_type] or "")
            if part.trapped == 0 then line = line .. " NOT TRAPPED" end
        end
        return line
    end

    local function life(parsed)
        local part, kind = parsed.part, parsed.kind
        if kind <= KIND.REGION_RELEASE then return region(parsed) end
        local line = ""
        if kind == KIND.DMA_MASK then
            line = hex(parsed.value) .. (part.new_state == 1 and " coherent" or " streaming")
        elseif kind == KIND.SEGMENT_LIMIT then
            line = string.format("%s boundary %s", count(parsed.length), hex(part.segment_boundary))
        elseif kind == KIND.MODULE_UNLOAD then
            line = printable(record.payload(parsed), 64)
        elseif kind == KIND.POWER then
            line = string.format("%s → %s", enums.power_state[part.old_state] or "?",
                enums.power_state[part.new_state] or "?")
        elseif kind == KIND.ERROR then
            line = string.format("AER %s 0x%08x", enums.severity[part.severity] or "?",
                part.error_status)
        elseif parsed.phase == PHASE.REQUEST then
            line = "begins"
        elseif parsed.phase == PHASE.COMPLETION then
            line = "ends"
        end
        if part.result ~= 0 then line = line .. " " .. result_text(part.result) end
        return line
    end

    local function module(parsed)
        local part = parsed.part
        return string.format("%s +%s module %d%s", printable(record.payload(parsed), 64),
            count(parsed.length), part.index, part.tainted ~= 0 and " tainted" or "")
    end

    local function meta(parsed)
        local part, payload = parsed.part, printable(record.payload(parsed), 160)
        if parsed.kind == KIND.MARK then return payload end
        if parsed.kind == KIND.METADATA then
            local topic = enums.topic[part.topic] or ("topic " .. part.topic)
            if part.chunks > 1 then
                topic = string.format("%s %d/%d", topic, part.chunk + 1, part.chunks)
            end
            return topic .. "  " .. payload
        end
        if parsed.kind == KIND.SNAPSHOT then
            local what = enums.snapshot[part.topic] or ("snapshot " .. part.topic)
            return part.topic == 3 and (what .. "  " .. payload) or what
        end
        local line = enums.loss_cause[part.topic] or ("cause " .. part.topic)
        if enums.counted_loss[part.topic] then
            line = string.format("of %s records: %s", tostring(parsed.value), line)
        elseif not record.is_zero(parsed.length) then
            line = string.format("%s %s +%s", line, hex(parsed.address), hex(parsed.length))
        end
        return payload ~= "" and (line .. "  " .. payload) or line
    end

    local writers = {
        access = access, bus = bus, dma = dma, irq = irq, life = life, module = module, meta = meta,
    }

    -- The name of the record's kind and phase, as the line begins.
    local function title(parsed)
        local name = enums.kind[parsed.kind] or ("kind " .. parsed.kind)
        if parsed.part_name == "life" then return name end
        if parsed.phase == PHASE.REQUEST and parsed.kind ~= KIND.HANDLER_ENTER then
            return name .. " request"
        end
        if parsed.phase == PHASE.COMPLETION and
            (parsed.part_name == "access" or parsed.part_name == "bus") then
            return name .. " completion"
        end
        return name
    end

    -- The line of a parsed record; func is session:func(parsed["function"]).
    function text.line(parsed, func, session)
        local writer = writers[parsed.part_name]
        local line = title(parsed)
        local facts = writer and writer(parsed, func, session) or ""
        if facts ~= "" then line = line .. " " .. facts end
        local wrong = trouble(parsed)
        if wrong ~= "" then line = line .. "  " .. wrong end
        local site = session:site(parsed.caller) or session:site(parsed.ip)
        if site then line = line .. "  " .. site end
        return line
    end

    local from_device = {
        [KIND.DMA_READ] = true, [KIND.DMA_WRITE] = true, [KIND.MSI] = true, [KIND.MSIX] = true,
        [KIND.INTX_ASSERT] = true, [KIND.INTX_DEASSERT] = true,
    }

    -- Source and destination: the driver and its function for what crosses the bus, the
    -- driver and the kernel for calls.
    function text.ends(parsed, func)
        local driver, device = func.driver or "host", func.name or "device"
        local source, destination = driver, "kernel"
        if from_device[parsed.kind] then
            source, destination = device, "memory"
            if parsed.kind >= KIND.MSI then destination = "host" end
        elseif parsed.part_name == "access" then
            destination = device
        elseif parsed.kind == KIND.HANDLER_ENTER then
            source, destination = "kernel", driver
        elseif parsed.part_name == "meta" or parsed.part_name == "module" then
            source, destination = "uvtrace", ""
        end
        if parsed.phase == PHASE.COMPLETION and
            (parsed.part_name == "access" or parsed.part_name == "bus") then
            return destination, source
        end
        return source, destination
    end

    return text
end

return build
