# SPDX-License-Identifier: Apache-2.0
"""What a trace says of itself: session, symbols, modules, console, result.

It travels in the stream as METADATA and MODULE_LOAD records. Long texts come in chunks that share
a document number; what loss has taken out of them stays out, and ``incomplete`` says so.
"""

from __future__ import annotations

import json
import logging
import re
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from uvtrace.trace.enums import Kind, Topic
from uvtrace.trace.layout import SITE_MODULE_UNKNOWN, site_parts, view_of
from uvtrace.trace.packets import Packets

log = logging.getLogger(__name__)

_SYMBOL: Final = re.compile(r"(?P<place>\S+?)(?:/0x[0-9a-f]+)?(?P<module> \[[^\]]*\])?")


@dataclass(frozen=True, slots=True)
class Module:
    """A kernel module whose code sites refer to.

    Attributes:
        index: the module part of a site; 0 is the kernel itself.
        name: ``e1000``.
        build_id: in hexadecimal; empty where it is not known.
        length: bytes of its text; 0 where they are not known.
        tainted: whether it tainted the kernel (out of tree, unsigned, proprietary).
    """

    index: int
    name: str
    build_id: str
    length: int
    tainted: bool


@dataclass(frozen=True, slots=True)
class Metadata:
    """Everything a trace says of itself.

    Attributes:
        session: tool, host, kernel, command, devices, as the recorder wrote them.
        symbols: site to ``symbol+offset/size [module]``, as the kernel named it.
        modules: by index.
        console: the kernel log of the recording.
        result: exit code of the command and statistics; empty while recording was not finished.
        converted: where the trace came from, if another tool recorded it.
        incomplete: topics of which a part was lost or could not be understood.
    """

    session: dict[str, Any] = field(default_factory=dict)
    symbols: dict[int, str] = field(default_factory=dict)
    modules: dict[int, Module] = field(default_factory=dict)
    console: str = ""
    result: dict[str, Any] = field(default_factory=dict)
    converted: str = ""
    incomplete: tuple[str, ...] = ()

    def symbol(self, site: int) -> str:
        """A site as ``symbol+0x1c [module]``; empty for site 0.

        A site without a symbol is told as its offset and module, ``0x1c4 [e1000]``.
        """
        if site == 0:
            return ""
        if (text := self.symbols.get(site)) is not None:
            found = _SYMBOL.fullmatch(text)
            return text if found is None else found["place"] + (found["module"] or "")
        module, offset = site_parts(site)
        if module == SITE_MODULE_UNKNOWN:
            return f"{offset:#x} [?]"
        known = self.modules.get(module)
        name = known.name if known else "kernel" if module == 0 else f"module {module}"
        return f"{offset:#x} [{name}]"


def assemble(packets: Packets) -> Metadata:
    """Collect the metadata of a whole file.

    Args:
        packets: every packet of the file.
    """
    rows = packets.telling_of(Kind.METADATA)
    records = packets.select(rows).records()
    meta = view_of(records, "meta")
    documents = _Documents()
    symbols: dict[int, str] = {}
    for row, address, entry in zip(rows.tolist(), records["address"].tolist(), meta, strict=True):
        payload = bytes(packets.payload(row))
        if entry["topic"] == Topic.SYMBOL:
            symbols[address] = payload.decode(errors="replace").rstrip("\0\n")
        else:
            documents.add(entry, payload)
    return Metadata(
        session=documents.merged(Topic.SESSION),
        symbols=symbols,
        modules=_modules(packets),
        console=documents.text(Topic.CONSOLE),
        result=documents.merged(Topic.RESULT),
        converted=documents.text(Topic.CONVERTED),
        incomplete=documents.incomplete(),
    )


def _modules(packets: Packets) -> dict[int, Module]:
    rows = packets.telling_of(Kind.MODULE_LOAD)
    records = packets.select(rows).records()
    details = view_of(records, "module")
    modules = {}
    for row, record, detail in zip(rows.tolist(), records, details, strict=True):
        index = int(detail["index"])
        build_id = detail["build_id"][: int(detail["build_id_length"])].tobytes().hex()
        name = bytes(packets.payload(row)).decode(errors="replace").rstrip("\0\n")
        modules[index] = Module(
            index, name, build_id, int(record["length"]), bool(detail["tainted"])
        )
    return modules


class _Documents:
    """Chunks of texts, as they come."""

    def __init__(self) -> None:
        self._chunks: dict[int, dict[int, dict[int, bytes]]] = {}
        self._expected: dict[tuple[int, int], int] = {}
        self._spoiled: set[int] = set()

    def add(self, entry: np.void, payload: bytes) -> None:
        topic, document = int(entry["topic"]), int(entry["document"])
        self._chunks.setdefault(topic, {}).setdefault(document, {})[int(entry["chunk"])] = payload
        self._expected[topic, document] = max(int(entry["chunks"]), 1)

    def text(self, topic: Topic) -> str:
        """All documents of a topic, one after the other."""
        documents = self._chunks.get(topic, {})
        return "".join(self._joined(topic, number) for number in documents)

    def merged(self, topic: Topic) -> dict[str, Any]:
        """JSON objects of a topic in one; a later one's keys win.

        A document that lacks a chunk is left out even where the rest happens to be JSON: a gap
        inside a string would pass for what the recorder wrote.
        """
        merged: dict[str, Any] = {}
        for number in self._chunks.get(topic, {}):
            if not self._is_whole(topic, number):
                continue
            try:
                content = json.loads(self._joined(topic, number))
            except (ValueError, RecursionError) as error:
                log.warning("metadata %s, document %d: %s", topic.name, number, error)
                content = None
            if isinstance(content, dict):
                merged.update(content)
            else:
                self._spoiled.add(topic)
        return merged

    def incomplete(self) -> tuple[str, ...]:
        """Topics of which chunks are missing, or that could not be understood."""
        missing = {
            topic
            for topic, documents in self._chunks.items()
            if not all(self._is_whole(topic, number) for number in documents)
        }
        known = {int(topic): topic.name for topic in Topic}
        return tuple(known.get(t, f"topic {t}") for t in sorted(missing | self._spoiled))

    def _is_whole(self, topic: int, document: int) -> bool:
        return len(self._chunks[topic][document]) == self._expected[topic, document]

    def _joined(self, topic: int, document: int) -> str:
        chunks = self._chunks[topic][document]
        return b"".join(chunks[number] for number in sorted(chunks)).decode(errors="replace")
