# SPDX-License-Identifier: Apache-2.0
"""Which records of a file match a Wireshark display filter.

pyshark runs tshark, and tshark filters: only packets that match come through to Python, and of
those only their numbers (all protocols are left out of the XML).
"""

from __future__ import annotations

import asyncio
import logging
import os
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from uvtrace.errors import InputError, UsageError, unreadable
from uvtrace.trace.source import on_this_machine, open_source
from uvtrace.wireshark.install import differing_installation
from uvtrace.wireshark.tshark import complaint, dissector_arguments, find_tshark, run_tshark

_LOG = logging.getLogger(__name__)

# A protocol that no packet has: -j then empties every layer of the XML.
_NO_PROTOCOL: Final = "uvtrace-none"
_FILTER_CHECK_TIMEOUT_S: Final = 60.0
_COMPRESSED: Final = (b"\x1f\x8b", b"\x28\xb5\x2f\xfd")


def matching_records(path: str | os.PathLike[str], display_filter: str) -> NDArray[np.int64]:
    """The records of a recording that match a display filter.

    tshark reads the file twice (``-2``), so that links to later records (``uvbus.response_in``)
    and names that are told later (``uvbus.site``) match as well. A file that ends inside a record
    gives what it holds before that, and a warning is logged.

    Args:
        path: the recording; ``.gz`` and ``.zst`` are decompressed first.
        display_filter: as one would type it into Wireshark, ``uvbus.kind == 4 && uvbus.bar == 0``.

    Returns:
        Indices of records, ascending, int64, shape (matches,).

    Raises:
        UsageError: the filter is not valid.
        EnvironmentLacksError: tshark is not installed.
        InputError: the file cannot be read.
    """
    find_tshark()
    _warn_of_another_version()
    # A thread of its own: pyshark needs an event loop that is not running, and the caller's
    # thread may be inside one (a notebook).
    with (
        _readable_by_tshark(path) as plain,
        ThreadPoolExecutor(max_workers=1, thread_name_prefix="pyshark") as worker,
    ):
        numbers, failure = worker.submit(_numbers, plain, display_filter).result()
    if failure is not None:
        check_filter(display_filter)
        _judge_failure(failure, path, bool(numbers))
    return np.asarray(numbers, np.int64) - 1


def _warn_of_another_version() -> None:
    installed = differing_installation()
    if installed is not None:
        _LOG.warning(
            "%s is of another version and is used: uvtrace wireshark install updates it", installed
        )


def check_filter(display_filter: str) -> None:
    """Have tshark compile a display filter.

    Raises:
        UsageError: it is not valid; the message is tshark's.
        EnvironmentLacksError: tshark is not installed.
    """
    with tempfile.TemporaryDirectory(prefix="uvtrace-") as directory:
        empty = Path(directory) / "empty.pcapng"
        empty.write_bytes(_EMPTY_FILE)
        done = run_tshark(
            ["-n", "-r", empty, "-Y", display_filter], timeout_s=_FILTER_CHECK_TIMEOUT_S
        )
    if done.returncode != 0:
        raise UsageError(
            complaint(done.stderr),
            where=f"display filter {display_filter!r}",
            hint="the fields are listed in docs/wireshark.md",
        )


# Section header block: byte-order magic, version 1.0, length not given.
_EMPTY_FILE: Final = bytes.fromhex("0a0d0d0a1c0000004d3c2b1a01000000ffffffffffffffff1c000000")


@contextmanager
def _readable_by_tshark(path: str | os.PathLike[str]) -> Iterator[Path]:
    """The file itself, or its content decompressed into a file that goes away afterwards.

    tshark reads gzip, but zstd only where it was built so, and both slowly in two passes.
    """
    source = Path(on_this_machine(path)[0])
    try:
        with source.open("rb") as file:
            head = file.read(4)
    except OSError as error:
        raise unreadable(path, error) from error
    if not head.startswith(_COMPRESSED):
        yield source
        return
    with tempfile.TemporaryDirectory(prefix="uvtrace-") as directory:
        plain = Path(directory) / "plain.pcapng"
        open_source(source).data.tofile(plain)
        yield plain


def _numbers(path: Path, display_filter: str) -> tuple[list[int], str | None]:
    """Packet numbers (from 1) that match, and the last words of a tshark that failed."""
    import pyshark

    loop = asyncio.new_event_loop()
    try:
        capture = pyshark.FileCapture(
            str(path.absolute()),
            display_filter=display_filter,
            keep_packets=False,
            eventloop=loop,
            tshark_path=str(find_tshark()),
            custom_parameters=[*dissector_arguments(), "-2", "-j", _NO_PROTOCOL],
        )
        return loop.run_until_complete(_collect(capture))
    finally:
        loop.close()


async def _collect(capture: Any) -> tuple[list[int], str | None]:
    numbers: list[int] = []
    # pyshark's own closing kills a tshark that has written everything but not yet left, and
    # then cannot tell whether it failed; hence the look at its processes.
    processes = capture._running_processes
    try:
        await capture.packets_from_tshark(
            lambda packet: numbers.append(int(packet.number)), close_tshark=False
        )
        codes = [await process.wait() for process in processes]
        processes.clear()
    finally:
        await capture.close_async()
    failed = any(code != 0 for code in codes)
    return numbers, (capture._last_error_line or f"exit codes {codes}") if failed else None


def _judge_failure(failure: str, path: str | os.PathLike[str], found: bool) -> None:
    """A file that ends early still gives its records; anything else is the caller's to know."""
    text = complaint(failure)
    if found or "cut short" in text:
        _LOG.warning("%s: tshark could not read it to its end: %s", path, text)
        return
    raise InputError(f"tshark cannot read it: {text}", path=path)
