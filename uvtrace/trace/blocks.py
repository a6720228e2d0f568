# SPDX-License-Identifier: Apache-2.0
"""Records to Enhanced Packet Blocks, a batch at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from uvtrace.trace import pcapng
from uvtrace.trace.layout import RECORD_SIZE

Payloads = Mapping[int, bytes] | Sequence[bytes | None]
"""Payloads of a batch: by row, or one (or None) for every row."""

_HEAD: Final = np.dtype(
    [
        ("type", "<u4"),
        ("total", "<u4"),
        ("interface", "<u4"),
        ("time_high", "<u4"),
        ("time_low", "<u4"),
        ("captured", "<u4"),
        ("original", "<u4"),
        ("record", f"V{RECORD_SIZE}"),
    ]
)
_PLAIN: Final = np.dtype([("head", _HEAD), ("trailer", "<u4")])
_HEAD_WORDS: Final = _HEAD.itemsize // 4


def by_row(payloads: Payloads | None, n: int) -> dict[int, bytes]:
    """The payloads that there are, by row.

    Raises:
        ValueError: the sequence is not as long as the batch, or a row is outside it.
    """
    if payloads is None:
        return {}
    if isinstance(payloads, Mapping):
        if any(not 0 <= row < n for row in payloads):
            raise ValueError(f"a payload is given for a row outside the batch of {n}")
        return {row: payload for row, payload in payloads.items() if payload}
    if len(payloads) != n:
        raise ValueError(f"{len(payloads)} payloads for {n} records")
    return {row: payload for row, payload in enumerate(payloads) if payload}


def encode_packets(
    records: NDArray[np.void],
    interfaces: NDArray[np.integer],
    times_ns: NDArray[np.uint64],
    payloads: Mapping[int, bytes],
    original: NDArray[np.integer],
    options: Mapping[int, bytes],
) -> memoryview:
    """A batch as Enhanced Packet Blocks, in one buffer.

    Args:
        records: shape (n,), dtype RECORD.
        interfaces: shape (n,), the interface of each packet.
        times_ns: shape (n,), what each packet's timestamp says.
        payloads: what follows the record, by row.
        original: shape (n,), each packet's original length in bytes.
        options: encoded options by row.
    """
    heads = np.zeros(len(records), _HEAD)
    heads["type"] = pcapng.ENHANCED_PACKET
    heads["interface"] = interfaces
    heads["time_high"] = times_ns >> np.uint64(32)
    heads["time_low"] = times_ns & np.uint64(0xFFFFFFFF)
    heads["captured"] = RECORD_SIZE
    heads["total"] = pcapng.EPB_OVERHEAD + RECORD_SIZE
    heads["original"] = original
    heads["record"] = np.ascontiguousarray(records).view(f"V{RECORD_SIZE}")
    if not payloads and not options:
        return _encode_plain(heads)
    return _encode_varying(heads, payloads, options)


def _encode_plain(heads: NDArray[np.void]) -> memoryview:
    blocks = np.empty(len(heads), _PLAIN)
    blocks["head"] = heads
    blocks["trailer"] = heads["total"]
    return blocks.data.cast("B") if len(blocks) else memoryview(b"")


def _encode_varying(
    heads: NDArray[np.void], payloads: Mapping[int, bytes], options: Mapping[int, bytes]
) -> memoryview:
    for row, payload in payloads.items():
        heads["captured"][row] += len(payload)
        heads["total"][row] += pcapng.padded(len(payload))
    for row, encoded in options.items():
        heads["total"][row] += len(encoded)
    ends = np.cumsum(heads["total"], dtype=np.int64)
    starts = ends - heads["total"]
    buffer = bytearray(int(ends[-1]))
    words = np.frombuffer(buffer, "<u4")
    columns = np.arange(_HEAD_WORDS)
    words[starts[:, None] // 4 + columns] = heads.view("<u4").reshape(-1, _HEAD_WORDS)
    words[ends // 4 - 1] = heads["total"]
    for row, payload in payloads.items():
        at = int(starts[row]) + _HEAD.itemsize
        buffer[at : at + len(payload)] = payload
    for row, encoded in options.items():
        at = int(ends[row]) - 4 - len(encoded)
        buffer[at : at + len(encoded)] = encoded
    return memoryview(buffer)
