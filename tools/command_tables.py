# SPDX-License-Identifier: Apache-2.0
"""The sections of docs/commands.md, from the commands themselves."""

from __future__ import annotations

import inspect

import click

from uvtrace.cli.main import main


def command_section(path: str) -> str:
    """Usage, text, examples and options of the command with this path, as in ``import mmiotrace``.

    A path's words are joined by underscores, as a marker is one word.
    """
    context = click.Context(main, info_name="uvtrace")
    command: click.Command = main
    for word in path.split("_"):
        assert isinstance(command, click.Group)
        found = command.get_command(context, word)
        if found is None:
            raise KeyError(f"there is no command {path}")
        command, context = found, click.Context(found, info_name=word, parent=context)
    usage = " ".join(command.collect_usage_pieces(context))
    text, _, examples = inspect.cleandoc(command.help or "").partition("\b")
    lines = [f"`{context.command_path} {usage}`", "", _plain(text)]
    if examples:
        # The first line says Example.
        lines += ["", "```", *(line.strip() for line in examples.strip().splitlines()[1:]), "```"]
    options = [parameter for parameter in command.params if isinstance(parameter, click.Option)]
    if options:
        lines += ["", "| option | |", "|-|-|", *(_row(option, context) for option in options)]
    return "\n".join(lines) + "\n"


def _plain(text: str) -> str:
    return "\n\n".join(" ".join(part.split()) for part in text.strip().split("\n\n"))


def _row(option: click.Option, context: click.Context) -> str:
    record = option.get_help_record(context)
    assert record is not None
    names, text = (part.replace("|", "\\|") for part in record)
    return f"| `{names}` | {text} |"
