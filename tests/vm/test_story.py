# SPDX-License-Identifier: Apache-2.0
"""The front page's story, from the patch to the finding."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

import uvtrace
from tests.vm.conftest import complete_kernels, record
from uvtrace.record import build, kernels

pytestmark = [pytest.mark.vm, pytest.mark.long]

ROOT = Path(__file__).parent.parent.parent
PATCH = ROOT / "docs/examples/padding.patch"
PING = ("ping", "-c", "5", "10.0.2.2")


@pytest.mark.parametrize("release", complete_kernels())
def test_the_patch_of_the_front_page_breaks_dma007_and_nothing_else(
    release: str, tmp_path: Path
) -> None:
    sources = tmp_path / "mydriver"
    shutil.copytree(ROOT / "kmod/drivers", sources)
    with PATCH.open() as patch:
        subprocess.run(["patch", "-d", sources, "-p1"], stdin=patch, check=True)
    driver = build.module_from(sources, "uvnic1", kernels.find(release))
    options = ["--kernel", release, "--driver", str(driver)]
    recorded = record(tmp_path / "run.pcapng", "model:uvnic1", *PING, options=options)
    assert recorded.code == 0, recorded.stderr
    assert "5 packets transmitted, 5 received, 0% packet loss" in recorded.stdout
    found = uvtrace.check(uvtrace.open(recorded.path)).findings
    assert {finding.rule for finding in found} == {"DMA007"}
    assert all("unmap of 42 bytes" in finding.message for finding in found)
