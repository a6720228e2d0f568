# SPDX-License-Identifier: Apache-2.0
"""Where a writer's bytes go: a file as it is, or compressed by the file's suffix.

Bytes are handed over in whole blocks. What has been flushed survives ``kill -9``: a plain file at
once, a compressed one up to its last flush.
"""

from __future__ import annotations

import contextlib
import os
import zlib
from collections.abc import Callable
from typing import IO, Protocol

from uvtrace.errors import UvtraceError

Bytes = bytes | memoryview

FLUSH_EVERY_BYTES = 1 << 20
"""A compressed stream is flushed after so much input: each flush costs some compression."""


class Sink(Protocol):
    """A destination of whole blocks."""

    def write(self, data: Bytes) -> None:
        """Take whole blocks."""

    def flush(self) -> None:
        """See to it that everything taken so far can be read from the file."""

    def close(self) -> None:
        """End the stream, and close the file if this sink opened it."""


class FileSink:
    """An unbuffered file; a write that fails half-way is taken back."""

    def __init__(self, file: IO[bytes], name: str, *, owned: bool) -> None:
        self._file = file
        self._name = name
        self._owned = owned

    def write(self, data: Bytes) -> None:
        view = memoryview(data)
        written = 0
        try:
            while written < len(view):
                written += self._file.write(view[written:])
        except OSError as error:
            self._take_back(written)
            hint = "free some space or write elsewhere" if error.errno == 28 else None
            raise UvtraceError(
                f"cannot write: {error.strerror}", where=self._name, hint=hint
            ) from error

    def _take_back(self, length: int) -> None:
        # Half a block at the end would be read as damage; a pipe cannot be taken back.
        with contextlib.suppress(OSError, ValueError):
            if self._file.seekable():
                position = self._file.tell() - length
                self._file.truncate(position)
                self._file.seek(position)

    def flush(self) -> None:
        self._file.flush()

    def close(self) -> None:
        self._file.flush()
        if self._owned:
            self._file.close()


class _Compressor(Protocol):
    def compress(self, data: Bytes, /) -> bytes: ...

    def flush(self, mode: int = ..., /) -> bytes: ...


class CompressedSink:
    """A compressed stream into another sink."""

    def __init__(self, compressor: _Compressor, flush_mode: int, inner: FileSink) -> None:
        self._compressor = compressor
        self._flush_mode = flush_mode
        self._inner = inner
        self._pending = 0

    def write(self, data: Bytes) -> None:
        self._inner.write(self._compressor.compress(data))
        self._pending += len(data)
        if self._pending >= FLUSH_EVERY_BYTES:
            self.flush()

    def flush(self) -> None:
        if self._pending:
            self._inner.write(self._compressor.flush(self._flush_mode))
            self._pending = 0
        self._inner.flush()

    def close(self) -> None:
        try:
            self._inner.write(self._compressor.flush())
        finally:
            self._inner.close()


def _gzip_sink(inner: FileSink) -> Sink:
    return CompressedSink(zlib.compressobj(6, zlib.DEFLATED, 31), zlib.Z_SYNC_FLUSH, inner)


def _zstd_sink(inner: FileSink) -> Sink:
    import zstandard

    compressor = zstandard.ZstdCompressor(level=3, write_checksum=True).compressobj()
    return CompressedSink(compressor, zstandard.COMPRESSOBJ_FLUSH_BLOCK, inner)


_BY_SUFFIX: dict[str, Callable[[FileSink], Sink]] = {".gz": _gzip_sink, ".zst": _zstd_sink}


def open_sink(target: str | os.PathLike[str] | IO[bytes]) -> Sink:
    """A sink for a path (compressed by its suffix) or for an open binary file (as it is).

    Raises:
        UvtraceError: the file cannot be created.
    """
    if not isinstance(target, str | os.PathLike):
        return FileSink(target, getattr(target, "name", "stream"), owned=False)
    path = os.fspath(target)
    try:
        file = open(path, "wb", buffering=0)  # noqa: SIM115 (the sink closes it)
    except OSError as error:
        raise UvtraceError(f"cannot create it: {error.strerror}", where=path) from error
    inner = FileSink(file, path, owned=True)
    wrap = _BY_SUFFIX.get(os.path.splitext(path)[1])
    return inner if wrap is None else wrap(inner)
