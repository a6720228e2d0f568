# SPDX-License-Identifier: Apache-2.0
"""``uvtrace minimize``."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

import uvtrace
from tests.cli.running import run
from tests.story import Story
from uvtrace.trace.slice import origins


@pytest.fixture
def long(tmp_path: Path) -> Path:
    """A driver that unmaps with another size, and does much else."""
    story = Story().session(command=["ping"], kernel="6.1.0").begin().probe().config_write(4, 6)
    for n in range(50):
        story.map(0x10000 + 0x1000 * n, 64).mmio_write(0x10, n)
    story.unmap(0x10000, 32, site="e1000_clean+0x5c").mmio_write(0x10, 1)
    story.write(tmp_path / "long.pcapng")
    return tmp_path / "long.pcapng"


def test_the_small_recording_proves_the_same_and_says_so(long: Path, tmp_path: Path) -> None:
    outcome = run("minimize", long, "--finding", 1, "-o", tmp_path / "small.pcapng")
    assert (outcome.code, outcome.err) == (0, "")
    assert re.search(r"\n\d+ records to 3, \d+ tests?, \d+\.\d s: ", outcome.out)
    assert "= breaks DMA007: " in outcome.out
    assert "= mapped: proves DMA007" in outcome.out
    small = uvtrace.open(tmp_path / "small.pcapng")
    assert [f.signature for f in uvtrace.check(small).findings] == [
        f.signature for f in uvtrace.check(uvtrace.open(long)).findings
    ]
    assert {origin.file for origin in origins(small).values()} == {"long.pcapng"}


def test_tshark_lists_the_role_of_every_packet(long: Path, tmp_path: Path) -> None:
    small = tmp_path / "small.pcapng"
    run("minimize", long, "--finding", 1, "-o", small)
    command = ["tshark", "-n", "-r", str(small), "-T", "fields", "-e", "frame.comment"]
    shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    assert len(shown) == len(uvtrace.open(small))
    assert all("of long.pcapng" in line for line in shown)
    assert "breaks DMA007" in shown[-1]


def test_a_signature_names_the_finding_too(long: Path, tmp_path: Path) -> None:
    signature = uvtrace.check(uvtrace.open(long)).findings[0].signature
    assert run("minimize", long, "--finding", signature, "-o", tmp_path / "small.pcapng").code == 0


def test_a_finding_that_is_not_there_is_told_with_those_that_are(
    long: Path, tmp_path: Path
) -> None:
    outcome = run("minimize", long, "--finding", "7", "-o", tmp_path / "small.pcapng")
    assert outcome.code == 2
    assert outcome.err.count("\n") == 1
    assert "no finding is 7 (there are 1 DMA007:unmap=e1000_clean [e1000]" in outcome.err
    assert not (tmp_path / "small.pcapng").exists()


def test_a_clean_recording_is_told_in_one_line(clean: Path, tmp_path: Path) -> None:
    outcome = run("minimize", clean, "--finding", "1", "-o", tmp_path / "small.pcapng")
    assert (outcome.code, outcome.err.count("\n")) == (2, 1)
    assert "there is no finding to minimise" in outcome.err


def test_a_recording_is_not_written_over(long: Path) -> None:
    outcome = run("minimize", long, "--finding", "1", "-o", long)
    assert outcome.code == 2
    assert "cannot be minimised into itself" in outcome.err


def test_a_spent_budget_is_no_failure_and_is_told(long: Path, tmp_path: Path) -> None:
    small = tmp_path / "small.pcapng"
    outcome = run("minimize", long, "--finding", "1", "--tests", "1", "-o", small)
    assert outcome.code == 0
    assert "stopped early (1 test): this is the smallest part that was found" in outcome.out
    assert not uvtrace.check(uvtrace.open(small)).ok


def test_only_a_recording_of_a_model_can_be_confirmed(long: Path, tmp_path: Path) -> None:
    small = tmp_path / "small.pcapng"
    outcome = run("minimize", long, "--finding", "1", "--confirm", "-o", small)
    assert (outcome.code, outcome.err.count("\n")) == (2, 1)
    assert "no recording of a model (it does not say on what it was)" in outcome.err
    outcome = run("minimize", long, "--finding", "1", "--confirm", "qemu:e1000", "-o", small)
    assert (outcome.code, outcome.err.count("\n")) == (2, 1)
    assert "--confirm takes a model, not qemu:e1000" in outcome.err


def test_what_the_driver_does_alone_needs_no_model(long: Path, tmp_path: Path) -> None:
    small = tmp_path / "small.pcapng"
    outcome = run("minimize", long, "--finding", "1", "--confirm", "model:uvnic1", "-o", small)
    assert outcome.code == 0
    assert "nothing to confirm: nothing in the proof is done by the device" in outcome.out


def test_a_model_that_does_something_else_is_told_and_the_small_recording_kept(
    tmp_path: Path,
) -> None:
    story = Story("10000:00:00.0", driver="uvnic1", vendor=0x1234, device=0x0001).begin().probe()
    story.config_write(4, 6).map(0x5000, 64, "TO_DEVICE").mmio_write(0x0, 0x5000)
    story.dma_write(0x5000, 16).write(tmp_path / "run.pcapng")
    signature = uvtrace.check(uvtrace.open(tmp_path / "run.pcapng")).findings[0].signature
    arguments = ["--finding", signature, "--confirm", "model:uvnic1", "-o", tmp_path / "s.pcapng"]
    outcome = run("minimize", tmp_path / "run.pcapng", *arguments)
    assert outcome.code == 0
    assert "not confirmed: model:uvnic1 does something else: nothing instead of" in outcome.out
    assert not uvtrace.check(uvtrace.open(tmp_path / "s.pcapng")).ok
