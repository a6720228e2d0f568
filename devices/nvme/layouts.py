# SPDX-License-Identifier: Apache-2.0
"""Commands and completions of NVMe.

Sources: *NVM Express Base Specification* 2.0, 3.3.3 (queue entries), 4.2 (completions), 5 (admin
commands); *NVM Command Set Specification* 1.0, 3.2 (commands). The admin queues lie where AQA, ASQ
and ACQ say; commands create the others.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from uvtrace.layouts import Area, Field, Form, Layout, Layouts, Match, Registers
from uvtrace.layouts.declaration import bits_of

AQA, ASQ, ACQ = 0x24, 0x28, 0x30
SUBMISSION_BYTES, COMPLETION_BYTES = 64, 16
DELETE_SQ, CREATE_SQ, DELETE_CQ, CREATE_CQ = 0x00, 0x01, 0x04, 0x05
WRITE, READ, WRITE_ZEROES = 0x01, 0x02, 0x08
_ENTRIES = 12
_CDW10, _CDW11, _CDW12 = 320, 352, 384
_PRP1 = 192

_ADMIN = {
    DELETE_SQ: "Delete I/O Submission Queue",
    CREATE_SQ: "Create I/O Submission Queue",
    0x02: "Get Log Page",
    DELETE_CQ: "Delete I/O Completion Queue",
    CREATE_CQ: "Create I/O Completion Queue",
    0x06: "Identify",
    0x08: "Abort",
    0x09: "Set Features",
    0x0A: "Get Features",
    0x0C: "Asynchronous Event Request",
    0x0D: "Namespace Management",
    0x10: "Firmware Commit",
    0x11: "Firmware Image Download",
    0x14: "Device Self-test",
    0x15: "Namespace Attachment",
    0x18: "Keep Alive",
    0x7C: "Doorbell Buffer Config",
    0x80: "Format NVM",
    0x81: "Security Send",
    0x82: "Security Receive",
}
_IO = {
    0x00: "Flush",
    WRITE: "Write",
    READ: "Read",
    0x04: "Write Uncorrectable",
    0x05: "Compare",
    WRITE_ZEROES: "Write Zeroes",
    0x09: "Dataset Management",
    0x0D: "Reservation Register",
    0x0E: "Reservation Report",
    0x11: "Reservation Acquire",
    0x15: "Reservation Release",
}

_CID = Field(name="CID", first=16, count=16)
_NSID = Field(name="NSID", first=32, count=32, decimal=True, optional=True)
_PRPS = (
    Field(name="PRP1", first=_PRP1, count=64, optional=True),
    Field(name="PRP2", first=256, count=64, optional=True),
)
_WORDS = (
    Field(name="CDW10", first=_CDW10, count=32, optional=True),
    Field(name="CDW11", first=_CDW11, count=32, optional=True),
    Field(name="CDW12", first=_CDW12, count=32, optional=True),
)
_QUEUE = (
    Field(name="QID", first=_CDW10, count=16, decimal=True),
    Field(name="last entry", first=_CDW10 + 16, count=16, decimal=True),
)
_BLOCKS = (
    Field(name="SLBA", first=_CDW10, count=64),
    Field(name="last block", first=_CDW12, count=16, decimal=True),
)
_OWN_WORDS: dict[str, dict[int, tuple[Field, ...]]] = {
    "admin": {CREATE_SQ: _QUEUE, CREATE_CQ: _QUEUE, DELETE_SQ: _QUEUE[:1], DELETE_CQ: _QUEUE[:1]},
    "io": {WRITE: _BLOCKS, READ: _BLOCKS, WRITE_ZEROES: _BLOCKS},
}


def _commands(set_name: str, names: Mapping[int, str]) -> Layout:
    own = _OWN_WORDS[set_name]
    forms = [
        Form(
            name=name,
            when=(Match(0, 8, opcode),),
            fields=(_CID, _NSID, *_PRPS, *own.get(opcode, _WORDS)),
        )
        for opcode, name in names.items()
    ]
    opcode = Field(name="opcode", first=0, count=8)
    forms.append(Form(name="command", fields=(opcode, _CID, _NSID, *_PRPS, *_WORDS)))
    return Layout(entry_bytes=SUBMISSION_BYTES, forms=tuple(forms))


ADMIN = _commands("admin", _ADMIN)
IO = _commands("io", _IO)
COMPLETION = Layout(
    entry_bytes=COMPLETION_BYTES,
    forms=(
        Form(
            name="completion",
            fields=(
                Field(name="CID", first=96, count=16),
                Field(name="SQ", first=80, count=16, decimal=True),
                Field(name="SQ head", first=64, count=16, decimal=True),
                Field(name="phase", first=112, count=1, decimal=True),
                Field(name="status", first=113, count=11, names={0: "success"}),
                Field(name="retry", first=124, count=4, flags=("", "", "more", "do not retry")),
                Field(name="result", first=0, count=32, optional=True),
            ),
        ),
    ),
)


def _areas(registers: Registers) -> Iterator[Area]:
    sizes = registers.get((0, AQA), 0)
    for name, base, first, layout in (
        ("admin submission queue", ASQ, 0, ADMIN),
        ("admin completion queue", ACQ, 16, COMPLETION),
    ):
        low = registers.get((0, base))
        if low is not None and (0, AQA) in registers:
            entries = (sizes >> first & ((1 << _ENTRIES) - 1)) + 1
            address = registers.get((0, base + 4), 0) << 32 | low
            yield Area(name, address, entries * layout.entry_bytes, layout)


def _opened_by(area: Area, entry: bytes) -> Area | None:
    opcode = entry[0]
    if area.layout is not ADMIN or opcode not in (CREATE_SQ, CREATE_CQ):
        return None
    number, last = bits_of(entry, _CDW10, 16), bits_of(entry, _CDW10 + 16, 16)
    address = bits_of(entry, _PRP1, 64)
    if not address or not number:
        return None
    layout, what = (IO, "submission") if opcode == CREATE_SQ else (COMPLETION, "completion")
    length = (last + 1) * layout.entry_bytes
    return Area(f"{what} queue {number}", address, length, layout)


LAYOUTS = Layouts(
    registers=frozenset((0, each) for each in (AQA, ASQ, ASQ + 4, ACQ, ACQ + 4)),
    areas=lambda registers: tuple(_areas(registers)),
    opened_by=_opened_by,
)
