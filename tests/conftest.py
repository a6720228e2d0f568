# SPDX-License-Identifier: Apache-2.0
"""What holds for all tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from uvtrace.check.native import store


@pytest.fixture(scope="session", autouse=True)
def own_store_of_code(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What tests compile is kept from one to the next, and not where the user's is."""
    folder = tmp_path_factory.mktemp("code")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(store, "_folder", lambda: folder)
        yield
