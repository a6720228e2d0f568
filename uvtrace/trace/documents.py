# SPDX-License-Identifier: Apache-2.0
"""Metadata as records: what a recorder or an importer writes and ``metadata`` reads back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

from uvtrace.trace.enums import Kind, Topic
from uvtrace.trace.layout import FUNCTION_NONE, make_records, view_of

CHUNK_BYTES: Final = 32 * 1024
"""Bytes of a long text in one record; a ring's payload holds twice that."""


def document_records(
    topic: Topic, content: str | bytes, document: int, *, time_ns: int = 0
) -> tuple[NDArray[np.void], list[bytes | None]]:
    """A text as METADATA records with their payloads.

    Args:
        topic: SESSION, CONSOLE, RESULT or CONVERTED.
        content: the text; SESSION and RESULT are JSON objects.
        document: a number of its own among the documents of this topic.
        time_ns: when it became known, CLOCK_MONOTONIC of the recorded machine.

    Returns:
        Records (seq not set), shape (n,), and n payloads.
    """
    data = content.encode() if isinstance(content, str) else content
    pieces = [data[at : at + CHUNK_BYTES] for at in range(0, len(data), CHUNK_BYTES)] or [b""]
    records = make_records(len(pieces), kind=Kind.METADATA, function=FUNCTION_NONE, time_ns=time_ns)
    records["payload"] = records["length"] = [len(piece) for piece in pieces]
    meta = view_of(records, "meta")
    meta["topic"] = topic
    meta["document"] = document
    meta["chunk"] = np.arange(len(pieces))
    meta["chunks"] = len(pieces)
    meta["total"] = len(data)
    return records, list(pieces)


def symbol_records(
    symbols: Mapping[int, str], *, time_ns: int = 0
) -> tuple[NDArray[np.void], list[bytes | None]]:
    """Names of sites (``e1000_clean+0x5c/0xdb0 [e1000]``) as METADATA records with payloads."""
    payloads = [name.encode() for name in symbols.values()]
    records = make_records(len(symbols), kind=Kind.METADATA, time_ns=time_ns)
    records["address"] = np.fromiter(symbols, np.uint64, len(symbols))
    records["payload"] = records["length"] = [len(payload) for payload in payloads]
    meta = view_of(records, "meta")
    meta["topic"] = Topic.SYMBOL
    meta["chunks"] = 1
    return records, list(payloads)
