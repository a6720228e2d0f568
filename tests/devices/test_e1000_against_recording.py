# SPDX-License-Identifier: Apache-2.0
"""What the stock driver read from QEMU's e1000 it must read from our model, or we say why not.

The driver's accesses come from our recordings, at their times. Memory is not in them: what a
descriptor would have caused (interrupt causes, statistics) does not happen here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from uvtrace.devices.e1000.eeprom import (
    CHECKSUM,
    CHECKSUM_WORD,
    DO,
    SK,
    WORDS,
    Eeprom,
    words_read,
)
from uvtrace.devices.e1000.model import E1000

import uvtrace
from uvtrace.device import Playbook
from uvtrace.device.messages import Read, Seen, Write
from uvtrace.trace.enums import Kind
from uvtrace.trace.layout import ACCESS

TRACES = Path(__file__).parents[2] / "traces"
RECORDINGS = [pytest.param(path, id=path.name) for path in sorted(TRACES.glob("e1000-*.zst"))]
WRITES = (Kind.MMIO_WRITE, Kind.PIO_WRITE)
READS = (Kind.MMIO_READ, Kind.PIO_READ)
QEMU_NEGOTIATES_MS = 500
QEMU_CLOCK_NS = 1_000_000
"""Its timer counts whole milliseconds: the link is up to one earlier (e1000x_restart_autoneg)."""
STATUS_LINK = 1 << 1

DEPENDS_ON_TRAFFIC = ("ICR",)
RESET_KEPT = "QEMU keeps it over CTRL.RST, the manual (chapter 14) sets it back"
DIFFERS = {
    # Register: bits that may differ, and why.
    "STATUS": (0xFFFF_0000, "reserved bits, which QEMU sets as PCI Express parts have them"),
    "TXDCTL": (0xFFFF_FFFF, RESET_KEPT),
    "TCTL": (1 << 3, RESET_KEPT),
    "CTRL": (0x4800_0000, RESET_KEPT),
    "EECD": (1 << 7, "GNT: QEMU grants what nobody has asked for"),
}


@dataclass(frozen=True)
class Access:
    """One access of the driver, and what it saw."""

    time_ns: int
    write: bool
    bar: int
    offset: int
    width: int
    value: int


def accesses(recording: Path) -> Iterator[Access]:
    records = uvtrace.open(recording).records
    records = records[np.isin(records["kind"], [int(kind) for kind in (*WRITES, *READS)])]
    parts = np.ascontiguousarray(records["raw"]).view(ACCESS).reshape(-1)
    writes = np.isin(records["kind"], [int(kind) for kind in WRITES])
    begin = int(records["time_ns"][0])
    for record, part, write in zip(records, parts, writes, strict=True):
        yield Access(
            int(record["time_ns"]) - begin,
            bool(write),
            int(part["bar"]),
            int(part["offset"]),
            int(part["width"]),
            int(record["value"]),
        )


def eeprom_of(course: list[Access]) -> Eeprom:
    """The EEPROM that the driver has read, from the bits that it has seen."""
    words = words_read(
        Seen(access.write, access.bar, access.offset, access.width, access.value)
        for access in course
    )
    return Eeprom([words.get(number, 0) for number in range(WORDS)])


def disagreements(course: list[Access], model: E1000) -> Counter[tuple[str, str, str]]:
    """Register, what QEMU gave, what the model gives; how often."""
    book, found = Playbook(model), Counter[tuple[str, str, str]]()
    powered_on_ns = 1_000_000_000
    for tag, access in enumerate(course, 1):
        book.advance(powered_on_ns + access.time_ns - book.time_ns)
        if access.write:
            book.tell(Write(access.bar, access.offset, access.width, access.value))
            continue
        book.tell(Read(access.bar, access.offset, access.width, tag))
        answer = book.answer(tag)
        cell = model.reg.exact(access.bar, access.offset, access.width, write=False)
        name = cell.name if cell is not None else f"{access.offset:#x}"
        allowed, _ = DIFFERS.get(name, (0, ""))
        if name == "EECD" and not access.value & SK:
            # A 93C46 moves DO when SK rises, QEMU when it falls; the driver looks in between.
            allowed |= DO
        if name == "STATUS" and 0 <= model.negotiated_at_ns - book.time_ns < QEMU_CLOCK_NS:
            allowed |= STATUS_LINK
        if name in DEPENDS_ON_TRAFFIC or 0x4000 <= access.offset < 0x4100:
            continue
        if answer is None or (answer ^ access.value) & ~allowed:
            found[name, f"{access.value:#x}", "none" if answer is None else f"{answer:#x}"] += 1
    return found


@pytest.mark.parametrize("recording", RECORDINGS)
def test_the_driver_reads_what_qemu_let_it_read(recording: Path) -> None:
    course = list(accesses(recording))
    model = E1000(negotiation_ms=QEMU_NEGOTIATES_MS)
    model.eeprom = eeprom_of(course)
    assert len(course) > 5000
    assert disagreements(course, model) == Counter()


@pytest.mark.parametrize("recording", RECORDINGS[:1])
def test_a_wrong_answer_would_be_noticed(recording: Path) -> None:
    course = list(accesses(recording))
    model = E1000(negotiation_ms=QEMU_NEGOTIATES_MS, mac="02:00:00:00:00:01")
    assert {name for name, _, _ in disagreements(course, model)} == {"EECD"}


def test_the_driver_has_read_a_whole_eeprom_with_a_checksum_that_is_right() -> None:
    words = eeprom_of(list(accesses(TRACES / "e1000-6.1.pcapng.zst"))).words
    assert len(words) == CHECKSUM_WORD + 1
    assert sum(words) & 0xFFFF == CHECKSUM
