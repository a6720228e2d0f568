# SPDX-License-Identifier: Apache-2.0
"""Recordings that lie elsewhere and are named by a URL: ``s3://bucket/run.pcapng.zst``.

fsspec reaches them: https://filesystem-spec.readthedocs.io. A recording is fetched as a whole,
once, as it is read by mapping it.
"""

from __future__ import annotations

import hashlib
import os
import posixpath
import re
import sys
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from uvtrace.errors import EnvironmentLacksError, InputError, UsageError
from uvtrace.record.cache import cache_directory
from uvtrace.trace.texts import printable

KEEP_BYTES: Final = 4 << 30
"""What is fetched is kept up to here; then what was used longest ago goes."""
_ERRORS: Final = (
    ("aiohttp", "ClientError"),
    ("azure.core.exceptions", "AzureError"),
    ("botocore.exceptions", "BotoCoreError"),
    ("botocore.exceptions", "ClientError"),
    ("gcsfs.retry", "HttpError"),
    ("google.auth.exceptions", "GoogleAuthError"),
    ("paramiko", "SSHException"),
)
"""Errors that packages raise which reach stores, by module, where they are no OSError."""
_URL: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")


def local_copy(url: str) -> Path:
    """A file with what a URL names: the file itself if it is on this machine, else a copy.

    The copy is fetched again when the original has changed.

    Raises:
        UsageError: there is no such kind of URL.
        EnvironmentLacksError: a package is missing that reaches it.
        InputError: it cannot be reached, or is not there.
    """
    system, path = _reached(url)
    with _told(url):
        if not system.isfile(path):
            raise InputError("there is no such file", path=shown(url))
        if _is_here(system):
            return Path(path)
        folder = cache_directory("fetched")
        state = hashlib.sha256(f"{url}\n{system.ukey(path)}".encode()).hexdigest()
        kept = folder / f"{state[:32]}-{posixpath.basename(path)[-80:]}"
        if kept.exists():
            os.utime(kept)
            return kept
        _make_room(folder, int(system.info(path).get("size") or 0))
        partial = folder / f".{uuid.uuid4().hex}"
        try:
            system.get_file(path, str(partial))
            partial.replace(kept)
        finally:
            partial.unlink(missing_ok=True)
        return kept


def put(file: Path, url: str) -> None:
    """Put a file at a URL; it is there as a whole or not at all.

    Raises:
        UvtraceError: as :func:`local_copy`.
    """
    system, path = _reached(url)
    partial = f"{path}.{uuid.uuid4().hex}.part"
    with _told(url):
        system.makedirs(posixpath.dirname(path), exist_ok=True)
        with ExitStack() as undo:
            undo.callback(_remove, system, partial)
            system.put_file(str(file), partial)
            system.mv(partial, path)
            undo.pop_all()


def require_store(url: str) -> None:
    """See that a store can be written to: its folder is made.

    Raises:
        UvtraceError: as :func:`local_copy`.
    """
    if not _URL.match(url):
        hint = "as in s3://bucket/folder or file:///srv/traces"
        raise UsageError("not the URL of a store", where=printable(url), hint=hint)
    system, path = _reached(url)
    with _told(url):
        system.makedirs(path, exist_ok=True)


def shown(url: str) -> str:
    """A URL without a password that it may hold."""
    parts = urlsplit(url)
    if parts.password is not None:
        netloc = parts.netloc.replace(f":{parts.password}@", ":***@")
        url = parts._replace(netloc=netloc).geturl()
    return printable(url)


def _reached(url: str) -> tuple[Any, str]:
    """What reaches a URL, and the path there."""
    import fsspec

    try:
        with _told(url):
            found: tuple[Any, str] = fsspec.core.url_to_fs(url)
    except ImportError as error:
        missing = getattr(error.__cause__, "name", None) or "the package that reaches it"
        raise EnvironmentLacksError(
            f"{missing} is not installed", where=shown(url), hint=f"pip install {missing}"
        ) from error
    except ValueError as error:
        known = "fsspec's: file, s3, gs, az, sftp, http and others"
        raise UsageError("no such kind of URL", where=shown(url), hint=known) from error
    return found


def _is_here(system: Any) -> bool:
    from fsspec.implementations.local import LocalFileSystem

    return isinstance(system, LocalFileSystem)


def _remove(system: Any, path: str) -> None:
    if system.exists(path):
        system.rm_file(path)


def _errors() -> tuple[type[Exception], ...]:
    """What may go wrong on the way to a store: with fsspec, and with what it is reached by."""
    loaded = [(sys.modules.get(module), name) for module, name in _ERRORS]
    # A store that can only be read raises NotImplementedError when it is written to.
    return (OSError, NotImplementedError, *(getattr(each, name) for each, name in loaded if each))


@contextmanager
def _told(url: str) -> Iterator[None]:
    """Turns what goes wrong on the way into one line."""
    try:
        yield
    except _errors() as error:
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise InputError(
            f"cannot reach it: {printable(str(reason).splitlines()[0])}", path=shown(url)
        ) from error


def _make_room(folder: Path, needed_bytes: int) -> None:
    """Remove what was used longest ago, until so much more may be kept."""
    kept = sorted(folder.glob("[!.]*"), key=lambda path: path.stat().st_mtime)
    room = KEEP_BYTES - needed_bytes - sum(path.stat().st_size for path in kept)
    for path in kept:
        if room >= 0:
            return
        room += path.stat().st_size
        # Who maps it keeps it.
        path.unlink(missing_ok=True)
