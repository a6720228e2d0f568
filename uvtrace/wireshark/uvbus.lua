-- SPDX-License-Identifier: Apache-2.0
--
-- Wireshark dissector for uvtrace recordings (pcapng, LINKTYPE_USER0): one
-- packet is one 128-byte record of kmod/include/uapi/uvbus.h and its payload.
-- Works with Wireshark 3.6 to 4.4 (Lua 5.2 to 5.4). Installed by
-- `uvtrace wireshark install`; the parts stand in the folder uvbus/.

-- Installed and also given with -X lua_script: the first one loaded stays.
-- (Of a name it does not know, Dissector.get answers nil or raises, by version.)
local asked, existing = pcall(Dissector.get, "uvbus")
if asked and existing then
    return
end

set_plugin_info({
    version = "1",
    description = "uvtrace recordings: what a driver did to its PCI device",
    repository = "uvtrace",
})

-- In the package the parts are files beside this one; the installed dissector is one file, in
-- which uvbus_parts holds them (uvtrace/wireshark/install.py).
local directory = debug.getinfo(1, "S").source:gsub("^@", ""):match("^(.*[/\\])") or "./"
local function part(name)
    if uvbus_parts then return uvbus_parts[name]() end
    return assert(loadfile(directory .. "uvbus/" .. name .. ".lua"))()
end

local enums = part("enums")
local layout = part("layout")
local config_space = part("config_space")
local record = part("record")(layout)
local new_session = part("session")(enums, layout, record, part("mappings"), config_space)
local text = part("text")(enums, layout, record, config_space)
local fields = part("fields")(enums, layout)
local experts = part("experts")(enums, record)
local show_payload = part("payload")(enums, layout, record, config_space, fields).show
local tree_parts = part("tree")(enums, layout, record, config_space, fields)

local proto = Proto("uvbus", "uvtrace bus record")
proto.fields = fields.list
proto.experts = experts.list
proto.prefs.decode = Pref.bool("Decode records on LINKTYPE_USER0", true,
    "Packets that do not look like records go to the DLT_USER table in any case.")
fields.proto = proto

local session = new_session()
function proto.init()
    session = new_session()
end

local interface_name = Field.new("frame.interface_name")
local interface_description = Field.new("frame.interface_description")
local user_dlt = Dissector.get("user_dlt")

-- Strict, as a packet on USER0 can be anybody's: every enumeration in range,
-- no unknown flag. A record of a later version must also account for its length.
local function looks_like_record(tvb)
    if tvb:len() < layout.RECORD_SIZE then return false end
    local version, kind = tvb(0, 1):uint(), tvb(1, 1):uint()
    if not layout.part_of(kind) or tvb(2, 1):uint() > 3 then return false end
    if not enums.status[tvb(3, 1):uint()] then return false end
    if version == layout.VERSION then
        return tvb(4, 4):le_uint() < 2 ^ (#enums.flags)
    end
    return version > layout.VERSION and version < 16
        and tvb(80, 4):le_uint() == tvb:reported_len() - layout.RECORD_SIZE
end

-- The name of the record's function and of its driver, from the interface.
local function name_function(index)
    local func = session:func(index)
    if func.name or index == layout.FUNCTION_NONE then return func end
    -- Nothing yet in a first pass, which builds no tree: asked again with the next record.
    local name, description = interface_name(), interface_description()
    func.name = name and tostring(name) or nil
    func.driver = func.driver or (description and tostring(description):match("^([%w_%-]+), "))
    return func
end

local function set_columns(pinfo, parsed, func, line)
    local source, destination = text.ends(parsed, func)
    pinfo.cols.protocol = "uvbus" .. (func.driver and (" " .. func.driver) or "")
    pinfo.cols.src = source
    pinfo.cols.dst = destination
    pinfo.cols.info = line
end

-- A packet of our file that is no whole record of our version.
local function refuse(tvb, pinfo, tree, expert_field, reason)
    pinfo.cols.protocol = "uvbus"
    pinfo.cols.info = "Malformed: " .. reason
    local root = tree:add(proto, tvb(), "uvtrace bus record")
    if tvb:len() > 0 then root:add(fields.record.version, tvb(0, 1)) end
    if tvb:len() > 1 then root:add(fields.derived.raw, tvb(1)) end
    root:add_proto_expert_info(expert_field, reason)
end

local function dissect(tvb, pinfo, tree)
    if tvb:len() < layout.RECORD_SIZE then
        return refuse(tvb, pinfo, tree, experts.truncated,
            string.format("%d bytes, a record has %d", tvb:len(), layout.RECORD_SIZE))
    end
    local version = tvb(0, 1):uint()
    if version ~= layout.VERSION then
        return refuse(tvb, pinfo, tree, experts.version, string.format(
            "record version %d, this dissector reads version %d", version, layout.VERSION))
    end
    local parsed = record.parse(tvb)
    local func = name_function(parsed["function"])
    if not pinfo.visited then session:learn(parsed, pinfo.number) end
    local line = text.line(parsed, func, session)
    set_columns(pinfo, parsed, func, line)
    local root = tree:add(proto, tvb(), "uvtrace bus record: " .. line)
    parsed.visible = root.visible
    tree_parts.record(root, parsed, func, session)
    tree_parts.part(root, parsed, func, session)
    tree_parts.links(root, parsed, session, pinfo.number)
    if parsed.payload_kept > 0 then show_payload(root, parsed) end
    experts.judge(root, parsed, session, pinfo.number)
end

function proto.dissector(tvb, pinfo, tree)
    local recognised = proto.prefs.decode and looks_like_record(tvb)
    if not proto.prefs.decode or not (recognised or session.recognised) then
        return user_dlt:call(tvb, pinfo, tree)
    end
    session.recognised = true
    local done, problem = pcall(dissect, tvb, pinfo, tree)
    if not done then
        tree:add_proto_expert_info(experts.dissector,
            "Defect of the dissector: " .. tostring(problem))
    end
    return tvb:len()
end

DissectorTable.get("wtap_encap"):add(wtap.USER0, proto)
