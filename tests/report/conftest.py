# SPDX-License-Identifier: Apache-2.0
"""One browser for all tests of pages, and reports that several of them look at."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.running import run
from tests.report.browser import Browser, Page, chromium

ROOT = Path(__file__).parents[2]
FAULTY = ROOT / "traces/faulty/nvme-6.12.pcapng.zst"


# It keeps an event loop running, which tests of other things must not meet.
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """The system's Chromium."""
    if chromium() is None:
        pytest.skip("there is no Chromium: apt-get install chromium")
    with Browser() as started:
        yield started


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
