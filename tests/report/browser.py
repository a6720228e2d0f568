# SPDX-License-Identifier: Apache-2.0
"""A real browser that opens pages from files, and tells everything that goes wrong in them."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

TIMEOUT_MS = 30_000.0


def chromium() -> str | None:
    """Where the system's Chromium is; None where there is none."""
    return shutil.which("chromium") or shutil.which("chromium-browser")


class Browser:
    """The system's Chromium without a window, while its context lasts."""

    def __enter__(self) -> Self:
        from playwright.sync_api import sync_playwright

        self._driver = sync_playwright().start()
        # Root, as in a container, has no sandbox; the pages are our own.
        self._browser = self._driver.chromium.launch(
            executable_path=chromium(), args=["--no-sandbox", "--disable-dev-shm-usage"]
        )
        return self

    def __exit__(self, *_: object) -> None:
        self._browser.close()
        self._driver.stop()

    @contextmanager
    def page(self, *, dark: bool = False, width: int = 1400, height: int = 900) -> Iterator[Page]:
        """A page of a browser that has seen nothing else."""
        context = self._browser.new_context(
            viewport={"width": width, "height": height},
            color_scheme="dark" if dark else "light",
            service_workers="block",
        )
        try:
            yield Page(context.new_page())
        finally:
            context.close()

    def without_scripts(self) -> Any:
        """A context of Playwright's whose pages run no script."""
        return self._browser.new_context(java_script_enabled=False)


class Page:
    """A page, and what went wrong in it.

    Attributes:
        page: Playwright's.
        complaints: messages of the console, exceptions of scripts, dialogues.
        requests: addresses of everything that was asked for but the page itself.
    """

    def __init__(self, page: Any) -> None:
        self.page = page
        self.complaints: list[str] = []
        self.requests: list[str] = []
        page.set_default_timeout(TIMEOUT_MS)
        page.on("console", lambda message: self.complaints.append(message.text))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("dialog", self._dismiss)
        page.on("request", lambda request: self.requests.append(request.url))

    def _dismiss(self, dialogue: Any) -> None:
        self.complaints.append(f"dialogue: {dialogue.message}")
        dialogue.dismiss()

    def open(self, path: Path, ready: str = "table") -> tuple[float, float]:
        """Open a file; returns the seconds until it was read, and until its scripts were done.

        Args:
            path: the page.
            ready: what it says of itself then.
        """
        begin = time.perf_counter()
        self.page.goto(path.as_uri(), wait_until="domcontentloaded")
        read_s = time.perf_counter() - begin
        self.page.wait_for_selector(f"html[data-ready={ready}]", state="attached")
        self.requests.remove(path.as_uri())
        return read_s, time.perf_counter() - begin

    def texts(self, selector: str) -> list[str]:
        """What the elements that are seen say."""
        found: list[str] = self.page.locator(selector).all_inner_texts()
        return found

    def run(self, script: str, argument: Any = None) -> Any:
        """What a script gives."""
        return self.page.evaluate(script, argument)

    def rows(self) -> list[list[str]]:
        """The cells of the rows of the table that are drawn."""
        script = "[...document.querySelectorAll('#table .rows .tr')].map(" + (
            "row => [...row.children].map(cell => cell.textContent))"
        )
        found: list[list[str]] = self.run(script)
        return found

    def wait_for_count(self, text: str) -> None:
        """Wait until the table says that it shows so many transactions."""
        self.page.wait_for_function(
            "text => document.getElementById('table-count').textContent === text", arg=text
        )

    def wait_for_filter(self) -> None:
        """Wait until the table does not show all transactions any more."""
        self.page.wait_for_function(
            "() => document.getElementById('table-count').textContent.includes(' of ')"
        )

    def picture(self) -> bytes:
        """What is seen, as PNG."""
        drawn: bytes = self.page.screenshot()
        return drawn
