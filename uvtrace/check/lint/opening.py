# SPDX-License-Identifier: Apache-2.0
"""Records to write traces of, and what a recording usually opens with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

import numpy as np
from numpy.typing import NDArray

from uvtrace.trace.enums import Kind, Phase, Snapshot
from uvtrace.trace.layout import BAR, BAR_NONE, make_records, site, view_of

IORESOURCE_IO: Final = 0x100
IORESOURCE_MEM: Final = 0x200
IORESOURCE_MEM_64: Final = 0x100000
_SITE: Final = site(1, 0x10)
_CONFIG_BYTES: Final = 256


@dataclass(frozen=True)
class Opening:
    """Records that go before events, and their payloads by row."""

    records: NDArray[np.void]
    payloads: Mapping[int, bytes] = field(default_factory=lambda: MappingProxyType({}))


def openings() -> tuple[Opening, ...]:
    """Nothing; and a probe of a device that decodes nothing yet, its config space and BAR known."""
    bars = np.array([(0, 0x10000, 0, IORESOURCE_MEM, 0)], BAR).tobytes()
    records = np.concatenate(
        (
            record_of(Kind.PROBE, phase=Phase.REQUEST),
            snapshot(Snapshot.CONFIG, _CONFIG_BYTES),
            snapshot(Snapshot.BARS, len(bars)),
        )
    )
    payloads = {1: bytes(_CONFIG_BYTES), 2: bars}
    return Opening(records[:0]), Opening(records, MappingProxyType(payloads))


def record_of(kind: Kind, **fields: int) -> NDArray[np.void]:
    """A record of the driver's, dtype RECORD, shape (1,)."""
    return make_records(1, kind=kind, function=0, ip=_SITE, **fields)


def snapshot(topic: Snapshot, length: int) -> NDArray[np.void]:
    """A snapshot with a payload of ``length`` bytes."""
    record = record_of(Kind.SNAPSHOT, payload=length, length=length)
    view_of(record, "meta")["topic"] = topic
    return record


def config_write(offset: int, length: int, value: int) -> NDArray[np.void]:
    """The driver writes ``length`` bytes of config space."""
    record = record_of(Kind.CONFIG_WRITE, address=offset, length=length, value=value)
    access = view_of(record, "access")
    access["offset"], access["width"], access["bar"] = offset, length, BAR_NONE
    return record
