# SPDX-License-Identifier: Apache-2.0
"""Makes the picture of a night's page in docs/images again.

usage: python -m tools.nightly_picture DIR/MATRIX/index.html [-o PICTURE.png] [--dark] [--width N]

The page is one that `uvtrace nightly` has written. Needs Chromium, as the tests of the page do.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from tools.screenshot import ROOT, drawn, written

PICTURE = ROOT / "docs/images/nightly.png"
_COLOURS = 256
"""What a cell is, is told by its colour, too."""


def main() -> None:
    """Make the picture."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("page", type=Path)
    parser.add_argument("-o", "--output", type=Path, default=PICTURE)
    parser.add_argument("--dark", action="store_true")
    parser.add_argument("--width", type=int, default=1400)
    parser.add_argument("--height", type=int, default=1500)
    wish = parser.parse_args()
    picture = drawn(
        wish.page,
        "overview",
        dark=wish.dark,
        width=wish.width,
        height=wish.height,
        colours=_COLOURS,
    )
    written(picture, wish.output)


if __name__ == "__main__":
    main()
