# SPDX-License-Identifier: Apache-2.0
"""What is read of an array object is what its attributes tell."""

from __future__ import annotations

import numpy as np
import pytest

from uvtrace.loops import heads
from uvtrace.loops.arguments import taken_apart, types_of
from uvtrace.trace.layout import RECORD

SOME = {
    "in order": np.arange(7),
    "of structures": np.zeros(3, RECORD),
    "a field": np.zeros(3, RECORD)["address"],
    "a matrix": np.zeros((3, 2), np.int16),
    "the other way round": np.zeros((3, 2), np.int16).T,
    "every second": np.arange(10)[1::2],
    "nothing": np.zeros(0, np.uint8),
    "not to be written": np.frombuffer(b"12345678", np.uint32),
}


@pytest.mark.parametrize("name", SOME)
def test_a_head_is_what_attributes_tell(name: str) -> None:
    array = SOME[name]
    told = array.ctypes.data, array.ndim, id(array.dtype), array.flags.num
    assert heads.head_of(array) == told
    assert heads.address_of(array) == array.ctypes.data


def test_the_installed_numpy_lays_objects_out_as_its_interface_says() -> None:
    # Else every call of a loop takes several times as long.
    assert heads.head_of is heads._read


@pytest.mark.parametrize("name", SOME)
def test_an_array_is_taken_apart_into_its_attributes(name: str) -> None:
    array, numbers = SOME[name], list[int]()
    taken_apart((array,), numbers)
    size, itemsize, at = array.size, array.itemsize, array.ctypes.data
    if array.size:
        assert numbers == [0, 0, size, itemsize, at, *array.shape, *array.strides]
    else:
        assert numbers[:5] == [0, 0, 0, itemsize, at]


def test_arrays_of_other_types_are_told_apart() -> None:
    told = [taken_apart((array,), []) for array in SOME.values()]
    types = [types_of((array,)) for array in SOME.values()]
    for one in range(len(SOME)):
        for other in range(len(SOME)):
            assert (told[one] == told[other]) <= (types[one] == types[other])


def test_an_equal_dtype_that_is_another_object_is_told_as_the_same_type() -> None:
    pairs = [np.zeros(1, np.dtype([("a", np.int8), ("b", np.int8)])) for _ in range(2)]
    assert types_of(pairs[:1]) == types_of(pairs[1:])
