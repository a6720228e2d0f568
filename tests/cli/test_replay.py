# SPDX-License-Identifier: Apache-2.0
"""``uvtrace replay``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.running import run
from tests.story import Story

COUNTER = """
from uvtrace.device import ConfigSpace, Device, MemoryBar, on_write
from uvtrace.registers import AddressSpace, Field, Register, RegisterMap

COUNT = Register("COUNT", 0, 0, 32, (4,), (Field("value", 0, 32, reset=0, volatile=True),))
ADD = Register("ADD", 0, 4, 32, (4,), (Field("value", 0, 32, reset=0),))


class Counter(Device):
    config = ConfigSpace(vendor=0x1234, device=1, class_code=0xFF0000, bars=[MemoryBar(0, 4096)])
    registers = RegisterMap("counter", (AddressSpace(0),), (COUNT, ADD))

    def __init__(self, step: int = 1) -> None:
        self.step = step

    @on_write("ADD")
    def add(self, value: int) -> None:
        {body}
"""
ADDS = 'self.reg["COUNT"] += value * self.step'


@pytest.fixture
def counted(tmp_path: Path) -> Path:
    """A recording: 5 is added, 2 is added, the sum is read each time."""
    story = Story(driver="counter", vendor=0x1234, device=1, bars={0: (0xFEB80000, 4096)})
    story.mmio_write(4, 5).mmio_read(0, 5).mmio_write(4, 2).mmio_read(0, 7)
    story.write(tmp_path / "counted.pcapng")
    return tmp_path / "counted.pcapng"


def model(folder: Path, body: str = ADDS) -> Path:
    path = folder / "model.py"
    path.write_text(COUNTER.replace("{body}", body))
    return path


def test_a_model_that_does_what_was_recorded_agrees(counted: Path, tmp_path: Path) -> None:
    outcome = run("replay", counted, "--device", f"model:{model(tmp_path)}")
    assert (outcome.code, outcome.err) == (0, "")
    assert "agrees: 4 transactions told, 2 answers and messages agree, 0 diverge" in outcome.out
    assert "agreed: 2 COUNT" in outcome.out


def test_one_that_does_not_is_told_with_what_came_before_on_both_sides(
    counted: Path, tmp_path: Path
) -> None:
    device = f"model:{model(tmp_path)},step=2"
    outcome = run("replay", counted, "--device", device)
    assert outcome.code == 1
    lines = outcome.out.splitlines()
    at = lines.index("First divergence at #1: COUNT, another value")
    assert lines[at + 1] == "  expected  MMIO read BAR0+0x0 (4) = 0x00000005 (COUNT)"
    assert lines[at + 2] == "  came      MMIO read BAR0+0x0 (4) = 0x0000000a (COUNT)"
    written = "    #0 MMIO write BAR0+0x4 (4) = 0x00000005"
    assert any(line.startswith(written) for line in lines)
    assert "    > MMIO write BAR0+0x4 (4) = 0x00000005" in lines
    assert "    < MMIO read BAR0+0x0 (4) = 0x0000000a" in lines


def test_json_has_every_divergence(counted: Path, tmp_path: Path) -> None:
    device = f"model:{model(tmp_path)},step=2"
    outcome = run("replay", counted, "--device", device, "--format", "json")
    told = json.loads(outcome.out)
    assert (told["format"], told["agrees"], told["diverged"]) == (1, False, {"COUNT": 2})
    assert [each["seq"] for each in told["divergences"]] == [1, 3]
    assert {each["difference"] for each in told["divergences"]} == {"value"}


def test_a_number_of_divergences_is_enough(counted: Path, tmp_path: Path) -> None:
    device = f"model:{model(tmp_path)},step=2"
    outcome = run("replay", counted, "--device", device, "--format", "json", "--divergences", "1")
    assert len(json.loads(outcome.out)["divergences"]) == 1


def test_a_model_that_raises_is_one_line_that_says_where(counted: Path, tmp_path: Path) -> None:
    path = model(tmp_path, 'raise ValueError("no")')
    outcome = run("replay", counted, "--device", f"model:{path}")
    assert outcome.code == 3
    assert outcome.err.count("\n") == 1
    assert "the model raised ValueError: no" in outcome.err
    assert "model.py:" in outcome.err
    assert "at #" in outcome.err
    assert "it was handling Write(bar=0, offset=4" in outcome.err


def test_interrupted_it_tells_what_it_has(
    counted: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stops(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("uvtrace.replay.engine.Engine.go_on", stops)
    device = f"model:{model(tmp_path)},step=2"
    outcome = run("replay", counted, "--device", device)
    assert outcome.code == 130
    assert "First divergence at #1: COUNT" in outcome.out
    assert "interrupted after 2 of 6 steps" in outcome.out


@pytest.mark.parametrize(
    ("device", "code", "complaint"),
    [
        ("model:nothing", 2, "there is no such model (installed are e1000"),
        ("model:", 2, "nothing to replay against"),
        ("model:uvnic1,wings=2", 2, "has no option wings"),
        ("pci:00:03.0", 2, "nothing to replay against (model:NAME"),
    ],
)
def test_a_device_that_cannot_be_is_one_line(
    counted: Path, device: str, code: int, complaint: str
) -> None:
    outcome = run("replay", counted, "--device", device)
    assert (outcome.code, outcome.out) == (code, "")
    assert complaint in outcome.err
    assert outcome.err.count("\n") == 1


def test_a_recording_without_accesses_is_one_line(tmp_path: Path) -> None:
    Story().mark("nothing").write(tmp_path / "empty.pcapng")
    outcome = run("replay", tmp_path / "empty.pcapng", "--device", "model:uvnic1")
    assert outcome.code == 3
    assert "no access to a device is in it" in outcome.err


def test_of_several_functions_one_must_be_chosen(tmp_path: Path) -> None:
    story = Story(driver="counter", vendor=0x1234, device=1, bars={0: (0xFEB80000, 4096)})
    story.mmio_write(4, 5).mmio_read(0, 5)
    story.function("0000:00:04.0", driver="counter", vendor=0x1234, device=1)
    story.mmio_write(4, 6).mmio_read(0, 6).write(tmp_path / "two.pcapng")
    device = f"model:{model(tmp_path)}"
    outcome = run("replay", tmp_path / "two.pcapng", "--device", device)
    assert outcome.code == 2
    assert "has 2 functions (--function: one of 0000:00:03.0, 0000:00:04.0)" in outcome.err
    outcome = run("replay", tmp_path / "two.pcapng", "--device", device, "--function", "00:04.0")
    assert outcome.code == 0
    outcome = run("replay", tmp_path / "two.pcapng", "--device", device, "--function", "00:05.0")
    assert outcome.code == 2
    assert "has no function 00:05.0" in outcome.err
