# SPDX-License-Identifier: Apache-2.0
"""The line that tells why the first check after an installation takes so long."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import click

from uvtrace.loops.telling import told

TEXT: Final = "uvtrace: compiling the checks: about a minute, once"


@contextmanager
def compiling_told() -> Iterator[None]:
    """Say so once if loops are compiled meanwhile, and nothing if all of them are there."""
    said = False

    def tell() -> None:
        nonlocal said
        if not said:
            said = True
            click.echo(TEXT, err=True)

    with told(tell):
        yield
