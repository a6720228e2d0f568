# SPDX-License-Identifier: Apache-2.0
"""The bytes of a file: mapped as they are, or decompressed into something bounded.

Small streams are kept in memory, larger ones go to an unlinked temporary file that is mapped, so
that what a compressed file claims to hold never decides how much memory is used.
"""

from __future__ import annotations

import mmap
import os
import shutil
import sys
import tempfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, Any, Final

import numpy as np
from numpy.typing import NDArray

from uvtrace.errors import unreadable

IN_MEMORY_BYTES: Final = 16 << 20
"""A decompressed stream up to this size stays in memory."""
ZSTD_WINDOW_MAX: Final = 128 << 20
"""The window that ``zstd --long`` uses; a stream that asks for more is refused."""
_CHUNK: Final = 1 << 18
_GZIP: Final = b"\x1f\x8b"
_ZSTD: Final = b"\x28\xb5\x2f\xfd"
_SECTION: Final = b"\x0a\x0d\x0d\x0a"


@dataclass(frozen=True, slots=True)
class Source:
    """The bytes of a trace.

    Attributes:
        name: what to call it in messages.
        data: uint8, shape (size,), read-only.
        broken: why the compressed stream could not be read on, or None.
        cut: the compressed stream ends before its end mark.
    """

    name: str
    data: NDArray[np.uint8]
    broken: str | None = None
    cut: bool = False


class _MappedFile(mmap.mmap):
    """A file: told apart from other memory, which would be lost if its pages were given back."""


class _BrokenError(Exception):
    """A compressed stream that cannot be read on; what came before it counts."""


class _CutError(_BrokenError):
    """It merely ends too early."""


def open_source(path: str | os.PathLike[str]) -> Source:
    """The bytes of ``path``, decompressed if need be; ``-`` is standard input, a URL is fetched.

    Raises:
        InputError: it does not exist, cannot be read, or is a directory.
        UvtraceError: see :func:`uvtrace.trace.remote.local_copy`.
    """
    name = os.fspath(path)
    if name == "-":
        return _stream_source("standard input", sys.stdin.buffer)
    path, name = on_this_machine(path)
    try:
        with open(path, "rb") as file:
            return _file_source(name, file)
    except OSError as error:
        raise unreadable(name, error) from error


def on_this_machine(path: str | os.PathLike[str]) -> tuple[str | os.PathLike[str], str]:
    """The file that a path or URL names, and what to call it in messages.

    Raises:
        UvtraceError: see :func:`uvtrace.trace.remote.local_copy`.
    """
    name = os.fspath(path)
    if "://" not in name or os.path.exists(name):
        return path, name
    from uvtrace.trace import remote

    return remote.local_copy(name), remote.shown(name)


def bytes_source(data: bytes | bytearray | memoryview, name: str = "memory") -> Source:
    """A buffer as a source: not copied, unless it is compressed or not aligned."""
    view = np.frombuffer(data, np.uint8) if len(data) else np.zeros(0, np.uint8)
    if bytes(view[:2]) == _GZIP or bytes(view[:4]) == _ZSTD:
        import io

        return _stream_source(name, io.BytesIO(data))
    if view.ctypes.data % 4:
        view = view.copy()
    return Source(name, _read_only(view))


def _read_only(data: NDArray[np.uint8]) -> NDArray[np.uint8]:
    data = data.view()
    data.flags.writeable = False
    return data


def _file_source(name: str, file: IO[bytes]) -> Source:
    head = file.read(4) if file.seekable() else b""
    if not file.seekable():
        return _stream_source(name, file)
    file.seek(0)
    if head[:2] == _GZIP or head == _ZSTD:
        return _stream_source(name, file)
    return Source(name, _map(file))


def _map(file: IO[bytes]) -> NDArray[np.uint8]:
    size = os.fstat(file.fileno()).st_size
    if size == 0:
        return np.zeros(0, np.uint8)
    mapped = _MappedFile(file.fileno(), size, access=mmap.ACCESS_READ)
    return np.frombuffer(mapped, np.uint8)


def as_words(data: NDArray[np.uint8]) -> NDArray[np.uint32]:
    """A file's bytes as whole little-endian 32-bit words."""
    return data[: len(data) & ~3].view(np.uint32)


def forget_pages(data: NDArray[Any]) -> None:
    """Give back the memory that a mapped file takes in this process, until it is read again.

    Whoever goes through a file that is larger than memory keeps to what it is looking at. A source
    that is no mapped file stays as it is.
    """
    owner: object = data
    while isinstance(owner, np.ndarray):
        owner = owner.base
    if isinstance(owner, memoryview):
        owner = owner.obj
    if isinstance(owner, _MappedFile):
        owner.madvise(mmap.MADV_DONTNEED)


def _stream_source(name: str, file: IO[bytes]) -> Source:
    broken: str | None = None
    cut = False
    directory = _spool_directory()
    limit = shutil.disk_usage(directory).free // 2
    with tempfile.SpooledTemporaryFile(IN_MEMORY_BYTES, dir=directory) as spool:
        size = 0
        try:
            for chunk in _plain_chunks(file):
                if size == 0 and not _SECTION.startswith(chunk[:4]):
                    # Not pcapng: its beginning is all that a message needs.
                    spool.write(chunk)
                    break
                size += len(chunk)
                if size > limit:
                    raise _BrokenError(
                        f"more than {limit} bytes once decompressed; decompress it first"
                    )
                spool.write(chunk)
        except _BrokenError as error:
            broken, cut = str(error), isinstance(error, _CutError)
        return Source(name, _read_only(_spooled(spool)), broken, cut)


def _spool_directory() -> str:
    # /tmp may be memory; /var/tmp is for what is large. TMPDIR, if set, is the user's word.
    if "TMPDIR" not in os.environ and os.access("/var/tmp", os.W_OK):
        return "/var/tmp"
    return tempfile.gettempdir()


def _spooled(spool: tempfile.SpooledTemporaryFile[bytes]) -> NDArray[np.uint8]:
    spool.flush()
    size = spool.tell()
    if size > IN_MEMORY_BYTES:
        return _map(spool)
    spool.seek(0)
    content = spool.read()
    return np.frombuffer(content, np.uint8) if content else np.zeros(0, np.uint8)


def _plain_chunks(file: IO[bytes]) -> Iterator[bytes]:
    """The decompressed stream in bounded pieces."""
    head = file.read(4)
    if head[:2] == _GZIP:
        return _gunzip(head, file)
    if head == _ZSTD:
        return _unzstd(head, file)
    return _copy(head, file)


def _copy(head: bytes, file: IO[bytes]) -> Iterator[bytes]:
    chunk = head + file.read(_CHUNK)
    while chunk:
        yield chunk
        chunk = file.read(_CHUNK)


def _gunzip(head: bytes, file: IO[bytes]) -> Iterator[bytes]:
    pending = head
    while True:
        member = zlib.decompressobj(31)
        while not member.eof:
            pending = pending or file.read(_CHUNK)
            try:
                # Of no input it still gives what the size limit held back.
                chunk = member.decompress(pending, _CHUNK)
            except zlib.error as error:
                raise _BrokenError(f"corrupt gzip data ({error})") from error
            if not pending and not chunk:
                raise _CutError("the gzip stream ends early")
            pending = member.unconsumed_tail
            if chunk:
                yield chunk
        pending = member.unused_data or file.read(_CHUNK)
        if not pending:
            return


def _unzstd(head: bytes, file: IO[bytes]) -> Iterator[bytes]:
    import zstandard

    # Fed a little at a time: an RLE block makes 128 KiB of 4 bytes.
    step = 512
    pending = head
    decompressor = zstandard.ZstdDecompressor(max_window_size=ZSTD_WINDOW_MAX)
    while True:
        frame = decompressor.decompressobj(read_across_frames=False)
        while not frame.eof:
            pending = pending or file.read(step)
            if not pending:
                raise _CutError("the zstd stream ends early")
            try:
                chunk = frame.decompress(pending)
            except zstandard.ZstdError as error:
                raise _BrokenError(f"corrupt zstd data ({error})") from error
            pending = b""
            if chunk:
                yield chunk
        pending = frame.unused_data or file.read(step)
        if not pending:
            return
