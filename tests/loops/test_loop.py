# SPDX-License-Identifier: Apache-2.0
"""Loops: compiled once, kept, and called without numba ever after; they do what Python would."""

from __future__ import annotations

import ctypes
import importlib.util
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray

from uvtrace.loops import building, store
from uvtrace.loops.loop import (
    Loop,
    copy_element,
    loop,
    lowest_bit,
    making_loop,
    rare_step,
    step,
)


class Pair(NamedTuple):
    """What a loop is given as one."""

    numbers: NDArray[np.int64]
    factor: int


@step
def _scaled(pair: Pair, i: int) -> int:
    return int(pair.numbers[i] * pair.factor)


@rare_step
def _put(table: NDArray[np.int64], i: int, value: int) -> None:
    table[i, i % table.shape[1]] = value


@loop
def _total(pair: Pair, table: NDArray[np.int64], but_first: bool) -> int:
    found = 0
    for i in range(1 if but_first else 0, len(pair.numbers)):
        found += _scaled(pair, i)
        _put(table, i, found)
    return found


@loop
def _twice(pair: Pair, table: NDArray[np.int64]) -> int:
    return 2 * _total(pair, table, False)


@loop
def _fill(numbers: NDArray[np.int64], value: int) -> None:
    for i in range(len(numbers)):
        numbers[i] = value


@loop
def _extremes(numbers: NDArray[np.int64]) -> tuple[int, int]:
    low = high = numbers[0]
    for number in numbers:
        low, high = min(low, number), max(high, number)
    return low, high


@loop
def _any_above(words: NDArray[np.uint64], limit: int) -> bool:
    found = False
    for word in words:
        found |= word > np.uint64(limit)
    return found


@loop
def _first_word(words: NDArray[np.uint64]) -> int:
    return words[0]  # type: ignore[no-any-return]


@loop
def _ratio(one: Any, other: Any) -> Any:
    return one // other


@loop
def _copy_from(words: NDArray[np.uint32], starts: NDArray[np.int64], into: NDArray[Any]) -> None:
    for i in range(len(starts)):
        copy_element(words, starts[i], into, i)


@making_loop
def _doubled(numbers: NDArray[np.int64]) -> NDArray[np.int64]:
    return numbers * 2


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty store."""
    monkeypatch.setattr(store, "_folder", lambda: tmp_path)
    return tmp_path


@pytest.fixture
def compiled(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the loops that are compiled."""
    names: list[str] = []
    built = building.built

    def noting(made: Loop, *arguments: Any) -> bytes:
        names.append(made.function.__name__)
        return built(made, *arguments)

    monkeypatch.setattr(building, "built", noting)
    return names


def written(of: Any) -> Callable[..., Any]:
    """A loop as it is written."""
    function: Callable[..., Any] = of.function
    return function


def as_python(of: Any, *arguments: Any) -> Any:
    """What a loop gives as it is written."""
    return written(of)(*arguments)


def test_a_loop_takes_arrays_numbers_truths_and_tuples_of_them() -> None:
    pair, table, same = Pair(np.arange(5), 3), np.zeros((5, 2), np.int64), np.zeros((5, 2), int)
    assert _total(pair, table, True) == as_python(_total, pair, same, True) == 30
    assert table.tolist() == same.tolist()
    assert _total(pair, table, False) == 30


@loop
def _lowest_bits(words: NDArray[np.uint64], bits: NDArray[np.int64]) -> None:
    for i in range(len(words)):
        bits[i] = lowest_bit(words[i])


def test_the_lowest_bit_of_a_word_is_found() -> None:
    words = np.array([1, 6, 1 << 63, (1 << 64) - 1, 5 << 32], np.uint64)
    bits = np.zeros(5, np.int64)
    _lowest_bits(words, bits)
    assert bits.tolist() == [0, 1, 63, 0, 32]
    assert [lowest_bit(word) for word in words] == bits.tolist()


def test_a_loop_with_its_arguments_is_called_by_address_as_often_as_wanted() -> None:
    numbers = np.zeros(3, np.int64)
    bound = _fill.bound(numbers, 4)  # type: ignore[attr-defined]
    call = ctypes.CFUNCTYPE(ctypes.c_int32, ctypes.c_void_p)(bound.code)
    for _ in range(2):
        assert call(bound.block) == 0
        assert numbers.tolist() == [4, 4, 4]
        numbers[:] = 0


def test_a_loop_may_call_another() -> None:
    assert _twice(Pair(np.arange(5), 3), np.zeros((5, 2), np.int64)) == 60


@pytest.mark.parametrize(
    "numbers",
    [
        np.arange(6),
        np.arange(12)[::-2],
        np.arange(12).reshape(6, 2)[:, 1],
        np.zeros(3, np.dtype([("flag", "u1"), ("number", "i8")]))["number"],
        np.arange(6, dtype=np.int32),
        np.frombuffer(bytes(range(16)), np.int64),
    ],
    ids=["whole", "backwards", "a column", "a field that is not aligned", "narrow", "read only"],
)
def test_arrays_may_lie_in_memory_as_they_like(numbers: NDArray[Any]) -> None:
    assert _extremes(numbers) == as_python(_extremes, numbers)


@pytest.mark.parametrize("words", [1, 3, 32, 33])
def test_a_structure_is_filled_with_what_lies_elsewhere_and_nothing_beside_it(words: int) -> None:
    source, starts = np.arange(100, dtype=np.uint32), np.array([5, 0, 67])
    dtype = np.dtype([("words", np.uint32, (words,))])
    into, same = np.zeros(4, dtype), np.zeros(4, dtype)
    _copy_from(source, starts, into[:3])
    as_python(_copy_from, source, starts, same[:3])
    assert into["words"].tolist() == same["words"].tolist()
    assert into["words"][1:, -1].tolist() == [words - 1, 66 + words, 0]


def test_what_a_loop_returns_is_of_python(folder: Path) -> None:
    words = np.array([2**64 - 1, 3], np.uint64)
    for _ in range(2):
        assert _fill(np.zeros(2, np.int64), 4) is None
        assert _any_above(words, 5) is True
        assert _any_above(words[1:], 5) is False
        assert _first_word(words) == 2**64 - 1
        assert [type(each) for each in _extremes(np.arange(3))] == [int, int]


def test_numbers_keep_their_signs() -> None:
    assert _ratio(-7, 2) == -4
    assert _ratio(np.int64(-7), 2) == -4
    assert _any_above(np.array([2**63], np.uint64), 2**64 - 1) is False


def test_what_python_would_raise_is_raised(folder: Path) -> None:
    assert _ratio(7, 2) == 3
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            _ratio(7, 0)
    assert _ratio(8, 2) == 4


def test_an_argument_that_is_none_of_these_is_left_to_numba() -> None:
    assert _ratio(7.0, 2) == 3.0


def test_a_loop_that_makes_arrays_is_left_to_numba(compiled: list[str]) -> None:
    assert _doubled(np.arange(3)).tolist() == [0, 2, 4]
    assert compiled == []


def test_where_nothing_can_be_kept_numba_calls_loops(
    monkeypatch: pytest.MonkeyPatch, compiled: list[str]
) -> None:
    monkeypatch.setattr(store, "_folder", lambda: None)
    assert Loop(written(_extremes))(np.array([4, 2])) == (2, 4)
    assert compiled == []


def test_a_loop_that_needs_numba_to_be_called_is_compiled_for_that_and_is_known_for_it(
    folder: Path, compiled: list[str]
) -> None:
    def half(number: int) -> float:
        return number / 2

    for _ in range(2):
        assert Loop(half)(3) == 1.5
    assert compiled == ["half"]


def test_what_is_damaged_is_compiled_anew(folder: Path, compiled: list[str]) -> None:
    for _ in range(2):
        assert Loop(written(_extremes))(np.array([4, 2])) == (2, 4)
    assert compiled == ["_extremes"]
    for entry in folder.iterdir():
        entry.write_bytes(entry.read_bytes()[:-1])
    assert Loop(written(_extremes))(np.array([4, 2])) == (2, 4)
    assert compiled == ["_extremes"] * 2


SOURCE = """
from uvtrace.loops.loop import loop, step

FACTOR = 2


@step
def scaled(number):
    return number * FACTOR


@loop
def total(numbers):
    found = 0
    for number in numbers:
        found += scaled(number)
    return found


def another():
    return 1
"""


def total_of(path: Path, text: str) -> Callable[[NDArray[np.int64]], int]:
    """The loop of a module with this text."""
    path.write_text(text)
    spec = importlib.util.spec_from_file_location("some_loops", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    total: Callable[[NDArray[np.int64]], int] = module.total
    return total


@pytest.mark.parametrize(
    ("old", "new", "sum_of_three"),
    [
        ("number * FACTOR", "number + FACTOR", 9),
        ("FACTOR = 2", "FACTOR = 5", 15),
        ("found = 0", "found = 4", 10),
    ],
    ids=["a step", "a constant of a step", "the loop"],
)
def test_a_loop_of_which_a_part_has_changed_is_compiled_anew(
    folder: Path, tmp_path: Path, compiled: list[str], old: str, new: str, sum_of_three: int
) -> None:
    assert total_of(tmp_path / "one.py", SOURCE)(np.arange(3)) == 6
    assert total_of(tmp_path / "two.py", SOURCE.replace(old, new))(np.arange(3)) == sum_of_three
    assert compiled == ["total"] * 2


def test_what_changes_beside_a_loop_does_not_compile_it_anew(
    folder: Path, tmp_path: Path, compiled: list[str]
) -> None:
    assert total_of(tmp_path / "one.py", SOURCE)(np.arange(3)) == 6
    changed = "# A remark.\n" + SOURCE.replace("return 1", "return 2")
    assert total_of(tmp_path / "two.py", changed)(np.arange(3)) == 6
    assert compiled == ["total"]


def test_the_second_process_does_not_import_numba(tmp_path: Path) -> None:
    (tmp_path / "some_loops.py").write_text(SOURCE)
    code = (
        "import sys, numpy; from some_loops import total;"
        "print(total(numpy.arange(3)), 'numba' in sys.modules)"
    )
    told = [
        subprocess.run(
            [sys.executable, "-c", code],
            env=os.environ
            | {"XDG_CACHE_HOME": str(tmp_path / "cache"), "PYTHONPATH": str(tmp_path)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
        for _ in range(2)
    ]
    assert told == ["6 True", "6 False"]
