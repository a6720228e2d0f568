# SPDX-License-Identifier: Apache-2.0
"""Reports that several tests of pages look at."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.running import run
from tests.report.browser import Browser, Page

ROOT = Path(__file__).parents[2]
FAULTY = ROOT / "traces/faulty/nvme-6.12.pcapng.zst"


@pytest.fixture(scope="session")
def faulty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of a recording with planted faults: warnings and errors of nvme."""
    folder = tmp_path_factory.mktemp("faulty") / "report"
    assert run("report", FAULTY, "-o", folder, "-q").code == 1
    return folder


@pytest.fixture
def page(browser: Browser, faulty: Path) -> Iterator[Page]:
    """The page of that report, opened."""
    with browser.page() as opened:
        opened.open(faulty / "index.html")
        yield opened
        assert opened.complaints == []
        assert opened.requests == []
