# SPDX-License-Identifier: Apache-2.0
"""The file that a recording goes to: batches from the ring, and what the recorder itself says."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from uvtrace.record.slots import Batch
from uvtrace.trace import layout
from uvtrace.trace.enums import Kind, Topic
from uvtrace.trace.sequence import lost_counts, renumber
from uvtrace.trace.writer import PcapngWriter

CHUNK_BYTES = 32 * 1024
"""Of one text that is told in several metadata records."""

_NEVER_CUT = (Kind.MODULE_LOAD, Kind.SNAPSHOT, Kind.METADATA, Kind.MARK, Kind.LOSS)


class Output:
    """A trace file that is being recorded, valid after every call.

    Args:
        path: the file; ``.gz`` and ``.zst`` compress.
        functions: name and description of each PCI function, in the order of their index.
        os_release: the recorded kernel.
        command: what runs while recording.
        clock_offset_ns: wall clock minus the records' clock.
        build_id_of: build ID of a module by its name, empty where it is not known. Module-load
            records come without from kernels that do not keep them; they are filled in here.
        snaplen: bytes kept of a transaction, record included, at least 128; None keeps all.
            What explains the trace (metadata, snapshots, modules, marks) is never cut.

    Attributes:
        records: records written.
        lost: records lost, as the loss records tell.
        kinds: how many of each kind number.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        functions: Sequence[tuple[str, str]],
        os_release: str,
        command: str,
        clock_offset_ns: int,
        build_id_of: Callable[[str], bytes] | None = None,
        snaplen: int | None = None,
    ) -> None:
        self._writer = PcapngWriter(
            path,
            functions=functions,
            os=os_release,
            command=command,
            clock_offset_ns=clock_offset_ns,
        )
        self._kept = None if snaplen is None else max(0, snaplen - layout.RECORD_SIZE)
        self._build_id_of = build_id_of
        self._next_seq = 0
        self._time_ns = 0
        self._documents = 1 << 31  # the kernel numbers its own from 1
        self.records = 0
        self.lost = 0
        self.kinds: Counter[int] = Counter()

    def write(self, batch: Batch) -> None:
        """Append a batch from the ring; its records are numbered in place."""
        records = batch.records
        if not len(records):
            return
        self._next_seq = renumber(records, self._next_seq)
        self._identify_modules(batch)
        self._writer.write(records, self._cut(batch))
        self._time_ns = int(records["time_ns"].max())
        self.records += len(records)
        self.lost += int(lost_counts(records).sum())
        counts = np.bincount(records["kind"], minlength=256)
        self.kinds.update({int(kind): int(counts[kind]) for kind in np.flatnonzero(counts)})

    def _identify_modules(self, batch: Batch) -> None:
        if self._build_id_of is None:
            return
        for row in np.flatnonzero(batch.records["kind"] == Kind.MODULE_LOAD):
            record = batch.records[row : row + 1]
            name = batch.payloads.get(int(row), b"").rstrip(b"\0").decode(errors="replace")
            if not layout.view_of(record, "module")["build_id_length"][0]:
                _set_build_id(record, self._build_id_of(name))

    def write_kernel(self, release: str, build_id: bytes) -> None:
        """Append the record that says which kernel site module 0 is."""
        record = layout.make_records(1, kind=Kind.MODULE_LOAD, time_ns=self._time_ns)
        name = f"vmlinux {release}".encode()
        record["payload"] = len(name)
        _set_build_id(record, build_id)
        self.write(Batch(record, {0: name}))

    def _cut(self, batch: Batch) -> dict[int, bytes]:
        if self._kept is None or not batch.payloads:
            return batch.payloads
        kinds = batch.records["kind"]
        return {
            row: payload if kinds[row] in _NEVER_CUT else payload[: self._kept]
            for row, payload in batch.payloads.items()
        }

    def write_json(self, topic: Topic, document: Mapping[str, Any]) -> None:
        """Append a metadata document."""
        self.write_text(topic, json.dumps(document, ensure_ascii=False, sort_keys=True))

    def write_text(self, topic: Topic, text: str) -> None:
        """Append a text as metadata records, in chunks."""
        data = text.encode(errors="replace")
        chunks = [data[at : at + CHUNK_BYTES] for at in range(0, len(data), CHUNK_BYTES)] or [b""]
        records = layout.make_records(
            len(chunks), kind=Kind.METADATA, time_ns=self._time_ns, length=list(map(len, chunks))
        )
        records["payload"] = records["length"]
        meta = layout.view_of(records, "meta")
        meta["topic"] = topic
        meta["document"] = self._documents
        meta["chunk"] = np.arange(len(chunks))
        meta["chunks"] = len(chunks)
        meta["offset"] = np.arange(len(chunks)) * CHUNK_BYTES
        meta["total"] = len(data)
        self._documents += 1
        self.write(Batch(records, dict(enumerate(chunks))))
        self.flush()

    def begin_at(self, time_ns: int) -> None:
        """Set the time of what is written before the first record: the start of recording."""
        self._time_ns = time_ns

    def flush(self) -> None:
        """See to it that everything written so far can be read from the file."""
        self._writer.flush()

    def close(self) -> None:
        """Finish the file."""
        self._writer.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _set_build_id(record: NDArray[np.void], build_id: bytes) -> None:
    """Put a build ID (at most 32 bytes) into one module record, in place."""
    module = layout.view_of(record, "module")
    kept = build_id[: module["build_id"].shape[-1]]
    module["build_id"][0, : len(kept)] = np.frombuffer(kept, np.uint8)
    module["build_id_length"] = len(kept)
