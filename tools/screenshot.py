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
    from PIL import Image

    if chromium() is None:
        raise EnvironmentLacksError("there is no Chromium", hint="apt-get install chromium")
    with tempfile.TemporaryDirectory() as folder, Browser() as browser:
        code = exit_code_of(["report", "--quiet", str(recording), "-o", f"{folder}/report"])
        if code not in (ExitCode.OK, ExitCode.FAILED):
            raise SystemExit(code)
        with browser.page(dark=dark, width=width, height=_HEIGHT) as page:
            page.open(Path(folder, "report/index.html"))
            drawn = page.picture()
    image = Image.open(BytesIO(drawn)).convert("RGB").quantize(_COLOURS)
    file = BytesIO()
    image.save(file, "PNG", optimize=True)
    return file.getvalue()


def main() -> None:
    """Make the picture, and refuse one that is too large for a repository."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("recording", nargs="?", type=Path, default=RECORDING)
    parser.add_argument("-o", "--output", type=Path, default=PICTURE)
    parser.add_argument("--dark", action="store_true")
    parser.add_argument("--width", type=int, default=1400)
    wish = parser.parse_args()
    drawn = picture_of(wish.recording, dark=wish.dark, width=wish.width)
    if len(drawn) > LARGEST_BYTES:
        raise SystemExit(f"{len(drawn)} bytes are more than {LARGEST_BYTES}: fewer colours?")
    wish.output.parent.mkdir(parents=True, exist_ok=True)
    wish.output.write_bytes(drawn)
    print(f"{wish.output}: {len(drawn)} bytes")


if __name__ == "__main__":
    main()
