# SPDX-License-Identifier: Apache-2.0
"""The pytest plugin: fixtures for tests of drivers and device models.

Found through the entry point ``pytest11``. Nothing heavy is imported until a fixture is used.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from uvtrace.check.results import Results
    from uvtrace.device import Device, Playbook
    from uvtrace.testing import Recorder, Run, Verdicts


def pytest_addoption(parser: pytest.Parser) -> None:
    """Which kernel the fixture ``record`` boots."""
    group = parser.getgroup("uvtrace")
    group.addoption(
        "--uvtrace-kernel",
        metavar="RELEASE|BUILD_DIR",
        help="kernel that the fixture record boots where a test names none; else the newest",
    )


@pytest.fixture
def playbook() -> Callable[..., Playbook]:
    """``playbook(device)`` or ``playbook("uvnic1", mac="…")``: a Playbook for a model."""
    from uvtrace.device import Playbook
    from uvtrace.device.find import find

    def make(device: Device | str, **options: Any) -> Playbook:
        return Playbook(find(device)(**options) if isinstance(device, str) else device)

    return make


@pytest.fixture
def record(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Recorder]:
    """``record(device="model:uvnic1", command="ping -c 3 10.0.2.2")``: a recording in a VM."""
    from uvtrace.testing import Recorder

    recorder = Recorder(tmp_path, request.config.getoption("--uvtrace-kernel"))
    yield recorder
    for run in recorder.runs:
        request.node.add_report_section("call", "uvtrace", f"recorded: {run.path}")


@pytest.fixture
def verdicts() -> Callable[[Run | Results], Verdicts]:
    """``verdicts(run).clean()``, ``.fails("DMA007")``, ``.passes("IRQ")``."""
    from uvtrace.testing import Verdicts

    return Verdicts
