# SPDX-License-Identifier: Apache-2.0
"""The slices of a report: legal recordings that prove their finding, and say so in comments."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

import uvtrace
from tests.cli.running import run
from tests.report.conftest import FAULTY, ROOT
from tests.story import Story
from uvtrace.check.explain import judge
from uvtrace.trace.slice import origins


def slices(report: Path) -> list[Path]:
    return sorted((report / "findings").iterdir())


def findings(report: Path) -> dict[str, str]:
    """Signature to rule, as the report found them."""
    told = json.loads((report / "result.json").read_text())["findings"]
    return {each["signature"]: each["rule"] for each in told}


def test_every_slice_proves_its_finding_and_none_that_is_new(faulty: Path) -> None:
    known = findings(faulty)
    for path in slices(faulty):
        found = {each.signature: each.rule for each in judge(uvtrace.open(path)).findings}
        assert path.stem.split("-")[1] in found.values()
        assert found.items() <= known.items()


def test_a_slice_is_much_shorter_and_knows_where_it_comes_from(faulty: Path) -> None:
    whole = uvtrace.open(FAULTY)
    for path in slices(faulty):
        part = uvtrace.open(path)
        assert part.damage is None
        assert part.lost == 0
        assert len(part) < len(whole) / 2
        assert part.metadata.session == whole.metadata.session
        for row, origin in origins(part).items():
            assert origin.file == FAULTY.name
            assert part[row]["address"] == whole[origin.packet - 1]["address"]
            assert part.site(row) == whole.site(origin.packet - 1)


def test_tshark_lists_the_comments_of_a_slice(faulty: Path) -> None:
    tshark = shutil.which("tshark")
    if tshark is None:
        pytest.skip("there is no tshark: apt-get install tshark")
    for path in slices(faulty):
        rule = path.stem.split("-")[1]
        fields = ["-T", "fields", "-e", "frame.number", "-e", "frame.comment"]
        listed = subprocess.run(
            [tshark, "-r", path, *fields], capture_output=True, text=True, check=True
        ).stdout.splitlines()
        assert len(listed) == len(uvtrace.open(path))
        assert all(f", of {FAULTY.name}" in line for line in listed)
        (here,) = [line for line in listed if f"[{rule}]: " in line]
        assert "here: " in here
        assert "why: " in here


def test_a_mapping_and_its_unmap_go_together_however_far_apart(tmp_path: Path) -> None:
    story = Story().begin().probe()
    story.map(0x8000, 4096)
    for number in range(2000):
        story.mmio_write(0x10, number)
    story.sync_for_cpu(0x8000, 8192).unmap(0x8000, 4096)
    story.write(tmp_path / "run.pcapng")
    assert run("report", tmp_path / "run.pcapng", "-o", tmp_path / "out").code == 1
    (path,) = (path for path in slices(tmp_path / "out") if path.stem.endswith("DMA015"))
    part = uvtrace.open(path)
    assert len(part) < 100
    assert "DMA015" in {each.rule for each in judge(part).findings}


def test_a_finding_that_needs_all_of_the_function_gets_it(tmp_path: Path) -> None:
    """A rule that counts: a thousand mappings, of which none is given back."""
    story = Story().begin().probe()
    for number in range(40):
        story.map(0x10000 + 0x1000 * number, 64)
    story.remove().unbound().write(tmp_path / "run.pcapng")
    assert run("report", tmp_path / "run.pcapng", "-o", tmp_path / "out").code == 1
    (path,) = slices(tmp_path / "out")
    found = judge(uvtrace.open(path)).findings
    assert {each.rule for each in found} == {"DMA011"}


def test_a_contract_s_states_do_not_make_a_slice_look_wrong(tmp_path: Path) -> None:
    recording = ROOT / "docs/examples/padding.pcapng.zst"
    assert run("report", recording, "-o", tmp_path / "out").code == 1
    (path,) = slices(tmp_path / "out")
    found = judge(uvtrace.open(path)).findings
    assert {each.signature: each.rule for each in found} == findings(tmp_path / "out")


@pytest.mark.long
@pytest.mark.parametrize("name", ["e1000-6.12", "e1000e-6.1", "edu-6.1-rt", "nvme-6.1-rt"])
def test_nearly_all_slices_of_the_faulty_recordings_prove_their_finding(
    name: str, tmp_path: Path
) -> None:
    recording = ROOT / f"traces/faulty/{name}.pcapng.zst"
    assert run("report", recording, "-o", tmp_path / "out").code in (0, 1)
    page = (tmp_path / "out/index.html").read_text()
    unproven = page.count("It shows the records, but does not prove")
    assert unproven <= 1
