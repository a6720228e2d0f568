# SPDX-License-Identifier: Apache-2.0
"""What the recordings under traces/ and docs/ tell of the machine that made them."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest
import zstandard

import uvtrace
from traces import making
from uvtrace.errors import UvtraceError
from uvtrace.record.session import Result

ROOT = Path(__file__).parent.parent
FOLDERS = (ROOT / "traces", ROOT / "docs")
RECORDINGS = sorted(path for folder in FOLDERS for path in folder.rglob("*.pcapng.zst"))


@pytest.mark.parametrize("path", RECORDINGS, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_recording_tells_no_path_of_the_machine_that_made_it(path: Path) -> None:
    session = uvtrace.open(path).metadata.session
    command = session.pop("command", None)
    assert command
    told = json.dumps(session)
    assert "/root" not in told
    assert "/home" not in told
    assert ".cache" not in told


def test_recordings_are_small_enough_to_be_cloned() -> None:
    assert not [path.name for path in RECORDINGS if path.stat().st_size > making.SIZE_MAX]


def test_a_recording_that_is_too_large_does_not_take_the_old_one_s_place(tmp_path: Path) -> None:
    def record(path: Path) -> Result:
        noise = random.Random(1).randbytes(making.SIZE_MAX + 100_000)
        path.write_bytes(zstandard.ZstdCompressor().compress(noise))
        return Result(path)

    kept = tmp_path / f"old{making.SUFFIX}"
    kept.write_bytes(b"as it was")
    with pytest.raises(UvtraceError, match="too many to be kept"):
        making.replaced(tmp_path, "old", record)
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"as it was"]


def test_a_recording_is_compressed_better_before_it_is_kept(tmp_path: Path) -> None:
    content = b"".join(number.to_bytes(8, "little") * 4 for number in range(20_000))

    def record(path: Path) -> Result:
        path.write_bytes(zstandard.ZstdCompressor(level=1).compress(content))
        return Result(path)

    making.replaced(tmp_path, "new", record)
    (kept,) = tmp_path.iterdir()
    assert kept.stat().st_size < len(zstandard.ZstdCompressor(level=1).compress(content))
    assert zstandard.ZstdDecompressor().stream_reader(kept.open("rb")).read() == content
