# SPDX-License-Identifier: Apache-2.0
"""What holds for all tests."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, settings

from tests.report.browser import Browser, chromium
from uvtrace.loops import store

if TYPE_CHECKING:
    from tests.sharing_out import SharingOut


@pytest.fixture(scope="session", autouse=True)
def own_store_of_code(pytestconfig: pytest.Config) -> Iterator[None]:
    """What tests compile is kept from one to the next, and not where the user's is."""
    folder = pytestconfig.cache.mkdir("code")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(store, "_folder", lambda: folder)
        yield


def pytest_configure() -> None:
    """No test fails because the machine is busy; those that interrupt are heard.

    What a shell starts in the background ignores SIGINT.
    """
    slow = [HealthCheck.too_slow]
    settings.register_profile("busy", deadline=None, suppress_health_check=slow)
    settings.load_profile("busy")
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """VMs take longest: they begin first, so that the rest is done meanwhile."""
    items.sort(key=lambda item: item.get_closest_marker("vm") is None)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> SharingOut:
    """With several processes (``-n``)."""
    from tests.sharing_out import SharingOut

    return SharingOut(config, log)


# It keeps an event loop running, which tests of other things must not meet.
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """The system's Chromium."""
    if chromium() is None:
        pytest.skip("there is no Chromium: apt-get install chromium")
    with Browser() as started:
        yield started
