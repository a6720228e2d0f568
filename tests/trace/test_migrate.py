# SPDX-License-Identifier: Apache-2.0
"""An integer version, and one converter per step."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.story import Story
from uvtrace.errors import InputError
from uvtrace.trace import migrate
from uvtrace.trace.layout import make_records
from uvtrace.trace.trace import Trace


def doubled(records: NDArray[np.void]) -> NDArray[np.void]:
    records = records.copy()
    records["value"] *= 2
    return records


def increased(records: NDArray[np.void]) -> NDArray[np.void]:
    records = records.copy()
    records["value"] += 1
    return records


def test_steps_are_taken_in_order_from_the_version_found() -> None:
    steps = {1: doubled, 2: increased}
    for found, value in ((1, 11), (2, 6), (3, 5)):
        records = migrate.upgrade(make_records(1, value=5), found, target=3, converters=steps)
        assert records["value"][0] == value


def test_there_is_a_converter_for_every_step() -> None:
    assert set(migrate.CONVERTERS) == set(range(1, migrate.FORMAT_VERSION))


def test_the_version_stands_in_a_comment_and_is_one_without_it() -> None:
    assert migrate.format_version([migrate.format_comment(7)]) == 7
    assert migrate.format_version(["command: ls", "uvtrace format 3"]) == 3
    assert migrate.format_version(["uvtrace format 99999999999"]) == 1
    assert migrate.format_version([]) == 1


@pytest.mark.parametrize("version", [0, migrate.FORMAT_VERSION + 1])
def test_a_version_that_is_not_known_is_refused(version: int) -> None:
    with pytest.raises(InputError, match=r"run.pcapng, byte 5: .*not known"):
        migrate.require_known(version, "run.pcapng", 5)


def test_records_of_an_older_file_are_converted_when_they_are_gathered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    packets = replace(Story().mmio_write(0, 5, ip=0).trace()._packets, version=0)
    monkeypatch.setattr("uvtrace.trace.packets.upgrade", lambda records, version: doubled(records))
    trace = Trace(packets)
    assert trace.records["value"].tolist() == [10]
    assert trace.columns()["value"].tolist() == [10]
