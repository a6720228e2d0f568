# SPDX-License-Identifier: Apache-2.0
"""Display filters from Python, through pyshark."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

import pytest

from tests.wireshark.story import Story, use_private_home
from uvtrace.errors import EnvironmentLacksError, ExitCode, InputError, UsageError
from uvtrace.trace.enums import Kind, Phase
from uvtrace.trace.layout import site
from uvtrace.wireshark import install as installation
from uvtrace.wireshark.filtering import matching_records
from uvtrace.wireshark.tshark import find_tshark


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use_private_home(monkeypatch, tmp_path / "home")


def _story() -> Story:
    story = Story()
    story.mmio_write(0x10, 0xDEAD_BEEF, ip=site(1, 0x5D0), tid=42)
    story.map(0x7F3A000, 1514)
    story.mmio_read(0x18, 0x1, duration_ns=5000)
    story.add(Kind.DMA_READ, phase=Phase.REQUEST, tag=1, function=1)
    story.unmap(0x7F3A000, 1514)
    story.add(Kind.DMA_READ, phase=Phase.COMPLETION, tag=1, function=1, value=2**64 - 1)
    story.symbol(site(1, 0x5D0), "e1000_xmit_frame+0x5d0/0xdb0 [e1000]")
    return story


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("uvbus", [0, 1, 2, 3, 4, 5, 6]),
        ("uvbus.kind == 4 && uvbus.bar == 0", [0]),
        ("uvbus.value == 0xdeadbeef", [0]),
        ("uvbus.value == 0xffffffffffffffff", [5]),
        ('uvbus.site contains "xmit"', [0]),
        ("uvbus.addr >= 0x7f3a000 && uvbus.addr < 0x7f3b000", [1, 4]),
        ("uvbus.dma.direction == 1", [1, 4]),
        ("uvbus.response_in", [3]),
        ("uvbus.request_in", [5]),
        ("uvbus.unmap_in", [1]),
        ("uvbus.duration > 1000", [2]),
        ('uvbus.function.name == "0000:00:04.0"', [3, 5]),
        ("uvbus.tid == 42 || uvbus.function == 1", [0, 3, 5]),
        ("uvbus.kind == 9", []),
    ],
)
def test_a_filter_gives_the_records_that_match(
    expression: str, expected: list[int], tmp_path: Path
) -> None:
    path = _story().write(tmp_path / "run.pcapng")
    assert matching_records(path, expression).tolist() == expected


@pytest.mark.parametrize("suffix", [".gz", ".zst"])
def test_compressed_recordings_are_filtered_as_well(suffix: str, tmp_path: Path) -> None:
    path = _story().write(tmp_path / f"run.pcapng{suffix}")
    assert matching_records(path, "uvbus.kind == 16").tolist() == [1]


def test_many_matches_come_through_whole_and_in_order(tmp_path: Path) -> None:
    story = Story()
    for i in range(3000):
        story.mmio_write(i, i, bar=i % 2)
    path = story.write(tmp_path / "run.pcapng")
    assert matching_records(path, "uvbus.bar == 1").tolist() == list(range(1, 3000, 2))


@pytest.mark.parametrize("expression", ["uvbus.nonsense == 1", "uvbus.kind ==", "((", "3 < 4 <"])
def test_an_invalid_filter_is_a_usage_error_of_one_line(expression: str, tmp_path: Path) -> None:
    path = _story().write(tmp_path / "run.pcapng")
    with pytest.raises(UsageError) as caught:
        matching_records(path, expression)
    assert caught.value.exit_code == ExitCode.USAGE
    assert expression in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_that_ends_inside_a_record_gives_what_comes_before(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = _story().write(tmp_path / "run.pcapng")
    path.write_bytes(path.read_bytes()[:-20])
    with caplog.at_level(logging.WARNING):
        assert matching_records(path, "uvbus").tolist() == [0, 1, 2, 3, 4, 5]
    assert "could not read it to its end" in caplog.text


def test_a_file_that_is_no_capture_is_an_input_error(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("not a capture\n" * 100)
    with pytest.raises(InputError, match=r"notes\.txt"):
        matching_records(path, "uvbus")


def test_a_file_that_is_missing_is_an_input_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"missing\.pcapng"):
        matching_records(tmp_path / "missing.pcapng", "uvbus")


def test_without_tshark_the_package_to_install_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = _story().write(tmp_path / "run.pcapng")
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(EnvironmentLacksError, match="apt install tshark") as caught:
        matching_records(path, "uvbus")
    assert caught.value.exit_code == ExitCode.ENVIRONMENT


def test_an_installed_dissector_of_another_version_is_warned_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = _story().write(tmp_path / "run.pcapng")
    installation.install(installation.find_folders())
    assert matching_records(path, "uvbus.kind == 4").tolist() == [0]
    assert caplog.text == ""
    plugin = installation.find_folders().plugins / "uvbus.lua"
    plugin.write_text(plugin.read_text() + "-- an older one\n")
    assert matching_records(path, "uvbus.kind == 4").tolist() == [0]
    assert "uvtrace wireshark install" in caplog.text


def test_it_works_inside_a_running_event_loop(tmp_path: Path) -> None:
    path = _story().write(tmp_path / "run.pcapng")

    async def ask() -> list[int]:
        found: list[int] = matching_records(path, "uvbus.kind == 4").tolist()
        return found

    assert asyncio.run(ask()) == [0]


def test_no_tshark_is_left_behind_and_nothing_is_cached(tmp_path: Path) -> None:
    path = _story().write(tmp_path / "run.pcapng")
    matching_records(path, "uvbus.kind == 4")
    tshark = find_tshark().resolve()
    running = [p for p in Path("/proc").glob("[0-9]*/exe") if _target(p) == tshark]
    ours = [p for p in running if str(tmp_path) in (p.parent / "cmdline").read_text("utf-8")]
    assert ours == []
    assert not (tmp_path / "home" / ".cache" / "pyshark").exists()


def _target(link: Path) -> Path | None:
    try:
        return link.readlink()
    except OSError:
        return None
