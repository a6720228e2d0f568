# SPDX-License-Identifier: Apache-2.0
"""Compiled code on disk: what is damaged is not loaded, what cannot be kept is done without."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

import uvtrace
from tests.story import Story
from uvtrace.check import judging
from uvtrace.loops import store


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(store, "_folder", lambda: tmp_path)
    return tmp_path


def test_what_is_kept_is_found_under_its_key_and_no_other(folder: Path) -> None:
    store.save(store.key_of("kind", 1), b"code")
    assert store.load(store.key_of("kind", 1)) == b"code"
    assert store.load(store.key_of("kind", 2)) is None


@pytest.mark.parametrize("left", [b"", b"short", b"\0" * 64])
def test_an_entry_that_a_crash_has_damaged_is_as_none(folder: Path, left: bytes) -> None:
    key = store.key_of("kind", 1)
    store.save(key, b"code")
    (folder / key).write_bytes(left)
    assert store.load(key) is None
    store.save(key, b"code")
    assert store.load(key) == b"code"


def test_one_changed_bit_is_noticed(folder: Path) -> None:
    key = store.key_of("kind", 1)
    store.save(key, b"code")
    content = bytearray((folder / key).read_bytes())
    content[-1] ^= 1
    (folder / key).write_bytes(content)
    assert store.load(key) is None


def test_what_nobody_has_used_for_longest_makes_room(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "_MOST", 4)
    for number in range(4):
        store.save(str(number), b"code")
        os.utime(folder / str(number), (number, number))
    assert store.load("0") == b"code"
    store.save("4", b"code")
    assert store.load("0") == b"code"
    assert store.load("1") is None
    assert store.load("4") == b"code"


def test_without_a_place_to_keep_it_code_is_made_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def nowhere() -> None:
        asked.append("folder")

    monkeypatch.setattr(judging, "_FEW", 1)
    told = Story()
    for number in range(200):
        told.mmio_write(4 * number, number)
    # Its loops are there: what is made anew is the code of rules.
    assert uvtrace.check(told.trace()).transactions == 200
    monkeypatch.setattr(store, "_folder", nowhere)
    store.save("key", b"code")
    assert store.load("key") is None
    asked.clear()
    assert uvtrace.check(told.trace()).transactions == 200
    assert asked, "too short a trace for compiled code"
