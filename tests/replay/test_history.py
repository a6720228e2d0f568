# SPDX-License-Identifier: Apache-2.0
"""What memory held when."""

from __future__ import annotations

from uvtrace.replay.history import History


def test_what_the_device_will_read_is_there_already() -> None:
    history = History()
    history.read(10, 0x1000, b"abcd")
    assert history.at(5, 0x1000, 4) == (b"abcd", 0)
    assert history.at(5, 0x1001, 2) == (b"bc", 0)


def test_what_it_wrote_before_that_read_hides_the_past() -> None:
    history = History()
    history.read(10, 0x1000, b"abcd")
    history.written(20, 0x1000, b"XY")
    history.read(30, 0x1000, b"XYcd")
    assert history.at(15, 0x1000, 4) == (b"abcd", 0)
    assert history.at(25, 0x1000, 4) == (b"XYcd", 0)


def test_memory_that_is_mapped_anew_is_not_what_it_will_be_later() -> None:
    history = History()
    history.forgotten(20, 0x1000, 4)
    history.read(30, 0x1000, b"new!")
    assert history.at(10, 0x1000, 4) == (b"\0\0\0\0", 4)
    assert history.at(25, 0x1000, 4) == (b"new!", 0)


def test_what_the_recorder_saw_holds_until_something_else_is_known() -> None:
    history = History()
    history.known(10, 0x1000, b"abcd")
    history.known(30, 0x1002, b"ZZ")
    assert history.at(20, 0x1000, 4) == (b"abcd", 0)
    assert history.at(40, 0x1000, 4) == (b"abZZ", 0)
    assert history.at(40, 0x1003, 3) == (b"Z\0\0", 2)


def test_contents_cross_pages() -> None:
    history = History()
    history.read(10, 0x1FFE, b"abcd")
    assert history.at(5, 0x1FFE, 4) == (b"abcd", 0)
    assert history.end == 0x3000
