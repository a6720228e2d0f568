# SPDX-License-Identifier: Apache-2.0
"""Why a file's reading stopped, and what that means for the trace."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum


class Stop(IntEnum):
    """Why the pass over a file's blocks ended."""

    CLEAN = 0
    CUT = 1
    BAD_LENGTH = 2
    BAD_TRAILER = 3
    BAD_MAGIC = 4
    BAD_CAPTURE = 5
    BAD_VERSION = 6
    NO_INTERFACE = 7
    SHORT_PACKET = 8
    TOO_MANY_INTERFACES = 9
    TOO_MANY_SECTIONS = 10


REASONS = {
    Stop.CUT: "the file ends inside a block",
    Stop.BAD_LENGTH: "a block of impossible length",
    Stop.BAD_TRAILER: "a block whose two lengths differ",
    Stop.BAD_MAGIC: "a section without a byte-order mark",
    Stop.BAD_CAPTURE: "a packet that is longer than its block",
    Stop.BAD_VERSION: "a section of an unknown pcapng version",
    Stop.NO_INTERFACE: "a packet of an interface that was not declared",
    Stop.SHORT_PACKET: "a packet too short to hold a record",
    Stop.TOO_MANY_INTERFACES: "more interfaces than a trace can have functions",
    Stop.TOO_MANY_SECTIONS: "more sections than a trace can have",
}


@dataclass(frozen=True, slots=True)
class Damage:
    """Where and why a file could not be read to its end; everything before it was.

    Attributes:
        path: the file.
        offset: byte of the block (in the decompressed stream) that could not be read.
        reason: why.
        partial_tail: the file merely ends inside its last block, as a killed recorder leaves it:
            a warning. Otherwise it is corrupt before its end.
        records: records that were read before it.
    """

    path: str
    offset: int
    reason: str
    partial_tail: bool
    records: int

    def __str__(self) -> str:
        return f"{self.path}, byte {self.offset}: {self.reason}; {self.records} records before it"
