-- SPDX-License-Identifier: Apache-2.0
--
-- Bytes of a packet as one table of values, and the helpers that write numbers.
-- 64-bit values stay UInt64: a Lua 5.2 number would lose bits above 2^53.

local function build(layout)
    local record = {}

    local readers = {
        u8 = function(range) return range:le_uint() end,
        u16 = function(range) return range:le_uint() end,
        u32 = function(range) return range:le_uint() end,
        u64 = function(range) return range:le_uint64() end,
        s32 = function(range) return range:le_int() end,
        bytes16 = function(range) return range end,
        bytes32 = function(range) return range end,
    }

    local function read(members, tvb, into)
        for _, member in ipairs(members) do
            into[member[1]] = readers[member[2]](tvb(member.offset, member.bytes))
        end
        return into
    end

    -- Precondition: tvb holds at least layout.RECORD_SIZE bytes.
    function record.parse(tvb)
        local parsed = read(layout.record, tvb, { tvb = tvb })
        parsed.part_name = layout.part_of(parsed.kind)
        parsed.part = {}
        if parsed.part_name then
            read(layout.parts[parsed.part_name], tvb, parsed.part)
        end
        parsed.payload_kept = tvb:len() - layout.RECORD_SIZE
        return parsed
    end

    -- Is `bit` set in the number `flags`? (Lua 5.2 has no operator for it.)
    function record.bit(flags, bit)
        return math.floor(flags / 2 ^ bit) % 2 == 1
    end

    function record.raw(parsed, offset, bytes)
        return parsed.tvb:raw(offset, bytes)
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

    function record.is_zero(value)
        return value == UInt64(0)
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
