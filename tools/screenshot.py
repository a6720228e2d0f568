# SPDX-License-Identifier: Apache-2.0
"""Makes the picture of a report's page in docs/images again.

usage: python -m tools.screenshot [RECORDING] [-o PICTURE.png] [--dark] [--width N]

Needs Chromium, as the tests of the page do.
"""

from __future__ import annotations

import argparse
import tempfile
from io import BytesIO
from pathlib import Path

from PIL import Image

from tests.report.browser import Browser, chromium
from uvtrace.cli.main import exit_code_of
from uvtrace.errors import EnvironmentLacksError, ExitCode

ROOT = Path(__file__).resolve().parent.parent
# Relative, as the page shows the path: a picture must not tell of a folder.
RECORDING = Path("docs/examples/padding.pcapng.zst")
PICTURE = ROOT / "docs/images/report.png"
LARGEST_BYTES = 300_000
_HEIGHT = 1720
_COLOURS = 128


def picture_of(recording: Path, *, dark: bool, width: int) -> bytes:
    """The page of a recording, from its top, as PNG with few colours.

    Raises:
        EnvironmentLacksError: there is no Chromium.
    """
    with tempfile.TemporaryDirectory() as folder:
        code = exit_code_of(["report", "--quiet", str(recording), "-o", f"{folder}/report"])
        if code not in (ExitCode.OK, ExitCode.FAILED):
            raise SystemExit(code)
        page = Path(folder, "report/index.html")
        return drawn(page, "table", dark=dark, width=width, height=_HEIGHT)


def drawn(
    path: Path, ready: str, *, dark: bool, width: int, height: int, colours: int = _COLOURS
) -> bytes:
    """A page from its top, as PNG with few colours.

    Args:
        path: the page.
        ready: what it says of itself when its scripts are done.
        dark: as it is at night.
        width, height: of the window.
        colours: how many the picture may have.

    Raises:
        EnvironmentLacksError: there is no Chromium.
    """
    if chromium() is None:
        raise EnvironmentLacksError("there is no Chromium", hint="apt-get install chromium")
    with Browser() as browser, browser.page(dark=dark, width=width, height=height) as page:
        page.open(path.resolve(), ready)
        shown = page.picture()
    return png(Image.open(BytesIO(shown)), colours)


def png(image: Image.Image, colours: int = _COLOURS) -> bytes:
    """A picture with few colours, as small as PNG makes it."""
    file = BytesIO()
    image.convert("RGB").quantize(colours).save(file, "PNG", optimize=True)
    return file.getvalue()


def written(picture: bytes, output: Path) -> None:
    """Write a picture, and refuse one that is too large for a repository."""
    if len(picture) > LARGEST_BYTES:
        raise SystemExit(f"{len(picture)} bytes are more than {LARGEST_BYTES}: fewer colours?")
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_bytes(picture)
    print(f"{output}: {len(picture)} bytes")


def main() -> None:
    """Make the picture."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("recording", nargs="?", type=Path, default=RECORDING)
    parser.add_argument("-o", "--output", type=Path, default=PICTURE)
    parser.add_argument("--dark", action="store_true")
    parser.add_argument("--width", type=int, default=1400)
    wish = parser.parse_args()
    written(picture_of(wish.recording, dark=wish.dark, width=wish.width), wish.output)


if __name__ == "__main__":
    main()
