# SPDX-License-Identifier: Apache-2.0
"""What was compiled, kept from one run to the next."""

from __future__ import annotations

import hashlib
import logging
import os
import tempfile
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Final

from uvtrace.errors import EnvironmentLacksError
from uvtrace.record.cache import cache_directory

_LOG: Final = logging.getLogger(__name__)
_MOST: Final = 4096
"""Entries that are kept; each is some kilobytes. Beyond, those go that nobody used for longest."""


def key_of(*parts: object) -> str:
    """The name of an entry, another one wherever a part is."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(b"\0" + repr(part).encode())
    return digest.hexdigest()


def is_there() -> bool:
    """Whether anything can be kept."""
    return _folder() is not None


def load(key: str) -> bytes | None:
    """An entry; None: there is none."""
    folder = _folder()
    if folder is None:
        return None
    try:
        content = (folder / key).read_bytes()
    except OSError:
        return None
    # A machine that stopped may leave a file without its content.
    if hashlib.sha256(content[32:]).digest() != content[:32]:
        return None
    with suppress(OSError):
        os.utime(folder / key)
    return content[32:]


def save(key: str, content: bytes) -> None:
    """Keep an entry, if that can be done."""
    folder = _folder()
    if folder is None:
        return
    try:
        with tempfile.NamedTemporaryFile(dir=folder, delete=False) as file:
            file.write(hashlib.sha256(content).digest() + content)
        os.replace(file.name, folder / key)
        _make_room(folder)
    except OSError as error:
        _LOG.debug("what was compiled is not kept: %s", error)


def _make_room(folder: Path) -> None:
    names = os.listdir(folder)
    if len(names) > _MOST:
        entries = sorted(map(folder.joinpath, names), key=lambda entry: entry.stat().st_mtime)
        for entry in entries[: len(entries) - _MOST // 2]:
            entry.unlink(missing_ok=True)


@cache
def _folder() -> Path | None:
    try:
        return cache_directory("code")
    except EnvironmentLacksError as error:
        _LOG.debug("what is compiled is not kept: %s", error)
        return None


@cache
def digest_of(*paths: Path) -> str:
    """A digest of files, in this order."""
    digest = hashlib.sha256()
    for path in paths:
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()
