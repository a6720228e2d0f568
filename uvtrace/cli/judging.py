# SPDX-License-Identifier: Apache-2.0
"""Options of the commands that judge recordings: by which rules, contract and registers."""

from __future__ import annotations

import click

contract_option = click.option(
    "--contract",
    "contract_name",
    metavar="NAME|PATH",
    help="What the driver must keep to; else the contract for the device, if there is one.",
)
pack_option = click.option(
    "--pack",
    "pack_paths",
    metavar="PATH",
    multiple=True,
    help="Judge by the rules of this Python file, too; may be repeated. It is run: trust it.",
)
registers_option = click.option(
    "--registers", metavar="FILE", help="What the device's registers are (.rdl, .svd)."
)
