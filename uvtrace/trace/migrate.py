# SPDX-License-Identifier: Apache-2.0
"""The file format's version: one integer, one converter per step.

The version stands in the section header as a comment, ``uvtrace format 1``; a file without it
(another tool rewrote the header) is of version 1. Records of an older version are converted when
they are gathered; a newer version is refused, as its meaning is not known. A single record with an
odd ``version`` in a file of a known format is no matter of migration: it is kept as it is, for
TRC004 to report.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Final

import numpy as np
from numpy.typing import NDArray

from uvtrace.errors import InputError

FORMAT_VERSION: Final = 1

Converter = Callable[[NDArray[np.void]], NDArray[np.void]]
"""Takes records of one version, returns them as the next (same number, dtype RECORD)."""

CONVERTERS: Final[Mapping[int, Converter]] = MappingProxyType({})
"""By the version converted from: ``CONVERTERS[1]`` will make version 2 of version 1."""

_COMMENT = re.compile(r"uvtrace format (\d{1,9})")


def format_comment(version: int) -> str:
    """What the section header says of the format."""
    return f"uvtrace format {version}"


def format_version(comments: Iterable[str]) -> int:
    """The format that a section header's comments declare; 1 where none does."""
    for comment in comments:
        if found := _COMMENT.fullmatch(comment):
            return int(found[1])
    return 1


def require_known(version: int, path: str, offset: int) -> None:
    """Refuse a format that is newer than this version of uvtrace.

    Raises:
        InputError: it is newer, or not a version at all.
    """
    if not 1 <= version <= FORMAT_VERSION:
        raise InputError(
            f"format {version} is not known; this uvtrace reads up to {FORMAT_VERSION}",
            path=path,
            offset=offset,
            hint="read it with the version of uvtrace that wrote it, or a newer one",
        )


def upgrade(
    records: NDArray[np.void],
    version: int,
    *,
    target: int = FORMAT_VERSION,
    converters: Mapping[int, Converter] = CONVERTERS,
) -> NDArray[np.void]:
    """``records`` of format ``version`` as format ``target``, one step after the other."""
    for step in range(version, target):
        records = converters[step](records)
    return records
