# SPDX-License-Identifier: Apache-2.0
"""How commands tell what they found: the option of those that know two ways."""

from __future__ import annotations

import click

format_option = click.option(
    "--format",
    "format_name",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="How to tell what was found: for people or for machines.",
)
