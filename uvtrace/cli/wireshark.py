# SPDX-License-Identifier: Apache-2.0
"""``uvtrace wireshark``: teach Wireshark to read recordings."""

from __future__ import annotations

from pathlib import Path

import click

from uvtrace.wireshark import install as installation


@click.group(name="wireshark", short_help="Teach Wireshark to read recordings.")
def command() -> None:
    """Teach Wireshark to read recordings."""


@command.command()
@click.option(
    "--dir",
    "plugins",
    type=click.Path(file_okay=False, path_type=Path),
    help="Put the dissector there, not into Wireshark's folder of personal plugins.",
)
@click.option("--uninstall", is_flag=True, help="Remove what was installed.")
@click.option(
    "--replace", is_flag=True, help="Do not keep the profile's files as you changed them."
)
def install(plugins: Path | None, uninstall: bool, replace: bool) -> None:
    """Install the dissector, a profile with colours and columns, and capture interfaces.

    With the last of these, Wireshark's list of interfaces holds "a driver in a VM", and, for root,
    "a driver of this machine". Before Wireshark 4.2 they are installed for all users, as root.

    \b
    Example:
      uvtrace wireshark install
      wireshark -C uvtrace run.pcapng
    """
    folders = installation.find_folders()
    act = installation.uninstall if uninstall else installation.install
    steps = act(folders, plugins=plugins, replace=replace)
    for step in steps:
        click.echo(f"{step.action:<9} {step.path}")
    if uninstall:
        _close_uninstall(steps)
    else:
        _close_install(folders, steps)


def _close_uninstall(steps: tuple[installation.Step, ...]) -> None:
    if not steps:
        click.echo("Nothing was installed.")
    if any(step.action == "kept" for step in steps):
        click.echo("You have changed what was kept; --replace removes it, too.")


def _close_install(folders: installation.Folders, steps: tuple[installation.Step, ...]) -> None:
    if any(step.action == "kept" for step in steps):
        click.echo("You have changed what was kept; --replace puts the shipped files there.")
    if not folders.asked:
        click.echo("tshark is not installed (apt install tshark): these are Wireshark's defaults.")
    if any(step.action == "refused" for step in steps):
        click.echo("The capture interfaces need root: sudo uvtrace wireshark install")
    click.echo(f"Open a recording:  wireshark -C {installation.PROFILE} RUN.pcapng")
    click.echo(f"Or as text:        tshark -2 -C {installation.PROFILE} -r RUN.pcapng")
