-- SPDX-License-Identifier: Apache-2.0
--
-- Names in PCI configuration space: the type 0 header (PCI Local Bus 3.0,
-- 6.1) and, where a snapshot shows the list, the registers of capabilities
-- (include/uapi/linux/pci_regs.h).

local config_space = {}

local HEADER = {
    [0x00] = "Vendor ID", [0x02] = "Device ID", [0x04] = "Command", [0x06] = "Status",
    [0x08] = "Revision ID", [0x09] = "Programming interface", [0x0a] = "Class",
    [0x0b] = "Base class", [0x0c] = "Cache line size", [0x0d] = "Latency timer",
    [0x0e] = "Header type", [0x0f] = "BIST",
    [0x10] = "BAR0", [0x14] = "BAR1", [0x18] = "BAR2", [0x1c] = "BAR3", [0x20] = "BAR4",
    [0x24] = "BAR5", [0x28] = "CardBus CIS", [0x2c] = "Subsystem vendor ID",
    [0x2e] = "Subsystem ID", [0x30] = "Expansion ROM", [0x34] = "Capabilities",
    [0x3c] = "Interrupt line", [0x3d] = "Interrupt pin", [0x3e] = "Min grant",
    [0x3f] = "Max latency",
}

local CAPABILITY = {
    [0x01] = "PM", [0x02] = "AGP", [0x03] = "VPD", [0x04] = "Slot ID", [0x05] = "MSI",
    [0x06] = "CompactPCI", [0x07] = "PCI-X", [0x08] = "HyperTransport", [0x09] = "Vendor",
    [0x0a] = "Debug port", [0x0c] = "Hot plug", [0x0d] = "Bridge subsystem", [0x0e] = "AGP8x",
    [0x10] = "PCIe", [0x11] = "MSI-X", [0x12] = "SATA", [0x13] = "AF", [0x14] = "EA",
}

local REGISTER = {
    [0x01] = { [2] = "PMC", [4] = "PMCSR" },
    [0x05] = { [2] = "Control", [4] = "Address", [8] = "Address high" },
    [0x10] = {
        [2] = "Capabilities", [4] = "DevCap", [8] = "DevCtl", [10] = "DevSta",
        [12] = "LnkCap", [16] = "LnkCtl", [18] = "LnkSta", [36] = "DevCap2", [40] = "DevCtl2",
    },
    [0x11] = { [2] = "Control", [4] = "Table", [8] = "PBA" },
}

-- A list can loop: a corrupt or hostile snapshot must not hang the reader.
local CAPABILITIES_MAX = 48

-- The capability list of a config space (a string): {{offset, id}, ...}.
function config_space.capabilities(bytes)
    local found, seen = {}, {}
    local status = bytes:byte(0x06 + 1)
    local pointer = bytes:byte(0x34 + 1)
    if not pointer or math.floor(status / 16) % 2 == 0 then return found end
    while #found < CAPABILITIES_MAX do
        pointer = pointer - pointer % 4
        local id, following = bytes:byte(pointer + 1, pointer + 2)
        if pointer < 0x40 or seen[pointer] or not following then break end
        seen[pointer] = true
        found[#found + 1] = { offset = pointer, id = id }
        pointer = following
    end
    table.sort(found, function(left, right) return left.offset < right.offset end)
    return found
end

local function of_capability(offset, capabilities)
    local owner
    for _, capability in ipairs(capabilities or {}) do
        if capability.offset <= offset then owner = capability end
    end
    if not owner or offset - owner.offset >= 0x40 then return nil end
    local name = CAPABILITY[owner.id] or string.format("capability 0x%02x", owner.id)
    local register = (REGISTER[owner.id] or {})[offset - owner.offset]
    if register then return name .. " " .. register end
    return string.format("%s+0x%x", name, offset - owner.offset)
end

-- The name of the register at `address` (a UInt64), or nil.
function config_space.register(address, capabilities)
    -- Compared before it becomes a number: a corrupt one may not fit.
    if address >= UInt64(0x100) then return nil end
    local offset = address:tonumber()
    if offset < 0x40 then return HEADER[offset] end
    return of_capability(offset, capabilities)
end

function config_space.capability_name(id)
    return CAPABILITY[id]
end

return config_space
