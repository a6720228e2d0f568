-- SPDX-License-Identifier: Apache-2.0
--
-- The DMA mappings that are live while the file is read for the first time.
-- One DMA address may be mapped several times at once (direct mapping), so an
-- address names a list; an unmap takes the best fit, as kernel/dma/debug.c does.

local PAGE_BITS = 12
-- A mapping over more pages than this is searched linearly instead.
local PAGES_INDEXED = 64

local Mappings = {}
Mappings.__index = Mappings

local function new()
    return setmetatable({ by_address = {}, by_page = {}, large = {} }, Mappings)
end

local function pages_of(mapping)
    local first = mapping.first:rshift(PAGE_BITS)
    local count = (mapping.last:rshift(PAGE_BITS) - first):tonumber() + 1
    return first, count
end

-- Calls visit(list) for every list of the page index that holds the mapping.
local function each_list(self, mapping, visit)
    local first, count = pages_of(mapping)
    if count > PAGES_INDEXED or count < 1 then
        self.large[mapping.owner] = self.large[mapping.owner] or {}
        return visit(self.large[mapping.owner])
    end
    for page = 0, count - 1 do
        local key = mapping.owner .. (first + page):tohex()
        self.by_page[key] = self.by_page[key] or {}
        visit(self.by_page[key])
    end
end

local function remove(list, item)
    for index = #list, 1, -1 do
        if list[index] == item then
            table.remove(list, index)
            return
        end
    end
end

-- mapping: {owner, class, address, length, direction, frame}; owner and class
-- are strings, address and length UInt64.
function Mappings:open(mapping)
    mapping.first = mapping.address
    mapping.last = mapping.address
    if mapping.length > UInt64(0) then
        mapping.last = mapping.address + mapping.length - 1
    end
    local key = mapping.owner .. mapping.class .. mapping.address:tohex()
    self.by_address[key] = self.by_address[key] or {}
    table.insert(self.by_address[key], mapping)
    if mapping.last < mapping.first then
        mapping.last = mapping.first
    end
    each_list(self, mapping, function(list) table.insert(list, mapping) end)
end

local function fit(mapping, wanted)
    local score = 0
    if mapping.length == wanted.length then score = score + 2 end
    if mapping.direction == wanted.direction then score = score + 1 end
    return score
end

-- Ends the mapping that fits `wanted` best, and returns it; nil when none does.
function Mappings:close(wanted)
    local key = wanted.owner .. wanted.class .. wanted.address:tohex()
    local list = self.by_address[key]
    if not list then return nil end
    local best = list[1]
    for _, mapping in ipairs(list) do
        if fit(mapping, wanted) >= fit(best, wanted) then best = mapping end
    end
    remove(list, best)
    if #list == 0 then self.by_address[key] = nil end
    each_list(self, best, function(pages) remove(pages, best) end)
    return best
end

local function search(list, address)
    for index = #(list or {}), 1, -1 do
        local mapping = list[index]
        if mapping.first <= address and address <= mapping.last then return mapping end
    end
    return nil
end

-- The youngest live mapping of `owner` that holds `address`.
function Mappings:holding(owner, address)
    local page = address:rshift(PAGE_BITS):tohex()
    return search(self.by_page[owner .. page], address) or search(self.large[owner], address)
end

return new
