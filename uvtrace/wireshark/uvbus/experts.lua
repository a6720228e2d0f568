-- SPDX-License-Identifier: Apache-2.0
--
-- What deserves the eye of the reader, as Wireshark's expert information.

local function build(enums, record)
    local KIND, STATUS = enums.KIND, enums.STATUS
    local experts = { list = {} }

    local function define(name, text, group, severity)
        experts[name] = ProtoExpert.new("uvbus.expert." .. name, text, group, severity)
        experts.list[#experts.list + 1] = experts[name]
    end

    define("truncated", "Packet is shorter than a record", expert.group.MALFORMED,
        expert.severity.ERROR)
    define("version", "Record of another format version", expert.group.UNDECODED,
        expert.severity.ERROR)
    define("kind", "Unknown kind of record", expert.group.UNDECODED, expert.severity.WARN)
    define("dissector", "Defect of the dissector", expert.group.MALFORMED, expert.severity.ERROR)
    define("payload", "Payload is longer than the record says", expert.group.MALFORMED,
        expert.severity.WARN)
    define("lost", "Records were lost", expert.group.SEQUENCE, expert.severity.ERROR)
    define("unseen", "Something cannot be seen in this recording", expert.group.SEQUENCE,
        expert.severity.WARN)
    define("gap", "Records are missing before this one", expert.group.SEQUENCE,
        expert.severity.WARN)
    define("undecoded", "Instruction not decoded: value not known", expert.group.UNDECODED,
        expert.severity.WARN)
    define("outside", "Access outside its mapping: not executed", expert.group.PROTOCOL,
        expert.severity.ERROR)
    define("stale", "Access through a mapping after iounmap: not executed",
        expert.group.PROTOCOL, expert.severity.ERROR)
    define("unsupported", "Unsupported request (UR)", expert.group.RESPONSE_CODE,
        expert.severity.WARN)
    define("abort", "Completer abort (CA)", expert.group.RESPONSE_CODE, expert.severity.WARN)
    define("timeout", "Completion timeout", expert.group.RESPONSE_CODE, expert.severity.ERROR)
    define("failed", "The call failed", expert.group.RESPONSE_CODE, expert.severity.WARN)
    define("refused", "uvbus did not let the access reach the bus", expert.group.RESPONSE_CODE,
        expert.severity.WARN)
    define("not_mapped", "Ends a mapping that this file does not show", expert.group.SEQUENCE,
        expert.severity.NOTE)
    define("not_handled", "Handler did not handle the interrupt", expert.group.RESPONSE_CODE,
        expert.severity.NOTE)
    define("aer", "Device reported an error (AER)", expert.group.PROTOCOL,
        expert.severity.WARN)

    local BY_STATUS = {
        [1] = "unsupported", [4] = "abort", [8] = "timeout", [9] = "failed", [10] = "refused",
    }

    -- Adds what applies to the record in frame number `frame`.
    function experts.judge(tree, parsed, session, frame)
        local function tell(name, text)
            tree:add_proto_expert_info(experts[name], text)
        end
        if BY_STATUS[parsed.status] then tree:add_proto_expert_info(
            experts[BY_STATUS[parsed.status]]) end
        if record.bit(parsed.flags, 4) then tree:add_proto_expert_info(experts.undecoded) end
        if record.bit(parsed.flags, 5) then tree:add_proto_expert_info(experts.outside) end
        if record.bit(parsed.flags, 6) then tree:add_proto_expert_info(experts.stale) end
        if parsed.kind == KIND.LOSS then
            local cause = enums.loss_cause[parsed.part.topic] or ("cause " .. parsed.part.topic)
            if enums.counted_loss[parsed.part.topic] then
                tell("lost", tostring(parsed.value) .. " records lost: " .. cause)
            else
                tell("unseen", "Not recorded: " .. cause)
            end
        end
        if session.gap[frame] then
            tell("gap", tostring(session.gap[frame]) .. " records are missing before this one")
        end
        if session.unbalanced[frame] then tree:add_proto_expert_info(experts.not_mapped) end
        if parsed.kind == KIND.HANDLER_EXIT and parsed.part.result == 0
            and parsed.status == STATUS.OK then
            tree:add_proto_expert_info(experts.not_handled)
        end
        if parsed.kind == KIND.ERROR then tree:add_proto_expert_info(experts.aer) end
        if not parsed.part_name then
            tell("kind", "Unknown kind of record: " .. parsed.kind)
        end
        if parsed.payload_kept > parsed.payload then tree:add_proto_expert_info(experts.payload) end
    end

    return experts
end

return build
