-- SPDX-License-Identifier: Apache-2.0
--
-- Bytes of a packet as one table of values, and the helpers that write numbers.
-- 64-bit values stay UInt64: a Lua 5.2 number would lose bits above 2^53.

local function build(layout)
    local record = {}

    -- Struct's formats; E is a UInt64.
    local FORMAT = {
        u8 = "B", u16 = "I2", u32 = "I4", u64 = "E", s32 = "i4", bytes16 = "c16", bytes32 = "c32",
    }

    local function unpacker(members)
        local names, format = {}, { "<" }
        for index, member in ipairs(members) do
            names[index] = member[1]
            format[index + 1] = FORMAT[member[2]]
        end
        format = table.concat(format)
        return function(bytes, into, position)
            local values = { Struct.unpack(format, bytes, position) }
            for index, name in ipairs(names) do into[name] = values[index] end
            return into
        end
    end

    local unpack_record = unpacker(layout.record)
    local unpack_part = {}
    for name, part in pairs(layout.parts) do unpack_part[name] = unpacker(part) end

    -- Precondition: tvb holds at least layout.RECORD_SIZE bytes. One raw copy and one
    -- unpacking: a TvbRange per field costs four times as much.
    function record.parse(tvb)
        local bytes = tvb:raw(0, layout.RECORD_SIZE)
        local parsed = unpack_record(bytes, { tvb = tvb }, 1)
        parsed.part_name = layout.part_of(parsed.kind)
        parsed.part = {}
        if parsed.part_name then
            unpack_part[parsed.part_name](bytes, parsed.part, layout.PART_OFFSET + 1)
        end
        parsed.payload_kept = tvb:len() - layout.RECORD_SIZE
        return parsed
    end

    -- Is `bit` set in the number `flags`? (Lua 5.2 has no operator for it.)
    function record.bit(flags, bit)
        return math.floor(flags / 2 ^ bit) % 2 == 1
    end

    function record.payload(parsed)
        if parsed.payload_kept <= 0 then return "" end
        return parsed.tvb:raw(layout.RECORD_SIZE, parsed.payload_kept)
    end

    -- UInt64 as hex without leading zeros.
    function record.hex(value)
        local digits = value:tohex():gsub("^0+", "")
        return "0x" .. (digits == "" and "0" or digits)
    end

    -- The value as wide as the access was.
    function record.hex_of_width(value, bytes)
        if bytes < 1 or bytes > 8 then bytes = 8 end
        return "0x" .. value:tohex(bytes * 2)
    end

    local ZERO = UInt64(0)
    function record.is_zero(value)
        return value == ZERO
    end

    -- Nanoseconds for a reader: three digits and a unit.
    function record.duration(nanoseconds)
        if nanoseconds < 1000 then return string.format("%d ns", nanoseconds) end
        if nanoseconds < 1e6 then return string.format("%.1f µs", nanoseconds / 1e3) end
        if nanoseconds < 1e9 then return string.format("%.1f ms", nanoseconds / 1e6) end
        return string.format("%.2f s", nanoseconds / 1e9)
    end

    -- Text from the trace is untrusted: one line, printable, bounded.
    function record.printable(text, limit)
        text = text:gsub("%z.*$", ""):gsub("[%c\127]", " ")
        if #text > limit then text = text:sub(1, limit) .. "…" end
        return text
    end

    return record
end

return build
