# SPDX-License-Identifier: Apache-2.0
"""Recordings that commands are tried on."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.story import Story


@pytest.fixture
def clean(tmp_path: Path) -> Path:
    """A driver that does everything right."""
    story = Story().session(command=["ping", "-c", "1"], kernel="6.1.0").begin().probe()
    story.config_write(0x04, 0x6).region_request().iomap().mmio_write(0x3800, 1).map(0x1000, 64)
    story.unmap(0x1000, 64).remove().config_write(0x04, 0x2).iounmap().region_release()
    story.unbound().result(exit_code=0)
    story.write(tmp_path / "clean.pcapng")
    return tmp_path / "clean.pcapng"


@pytest.fixture
def faulty(tmp_path: Path) -> Path:
    """A driver that unmaps with another size."""
    story = Story().probe().map(0x1000, 2048).unmap(0x1000, 1522, site="e1000_clean+0x5c")
    story.write(tmp_path / "faulty.pcapng")
    return tmp_path / "faulty.pcapng"
