# SPDX-License-Identifier: Apache-2.0
"""The documentation says what is so."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from tests.cli.running import run
from tools.pages import stale
from tools.rule_pages import families
from uvtrace.cli.main import main

ROOT = Path(__file__).parent.parent
PAGES = sorted(
    path
    for folder, pattern in [
        (ROOT, "*.md"),
        (ROOT / "docs", "**/*.md"),
        (ROOT / "devices", "*/README.md"),
        (ROOT / "kmod", "**/README.md"),
    ]
    for path in folder.glob(pattern)
)
PICTURE_MAX_BYTES = 300_000

_FENCE = re.compile(r"^```(?P<language>\w*)\n(?P<text>.*?)^```$", re.M | re.S)
_COMMAND = re.compile(r"(\$ )?(sudo (-u \w+ )?)?(\S*/)?uvtrace (?=[a-z-])")
_ENDS_A_COMMAND = {"|", "||", "&&", ";", "&", ">", ">>", "<", "2>"}


def fenced(page: Path, *languages: str) -> Iterator[str]:
    """The blocks of a page that are in one of these languages; empty: none is named."""
    for match in _FENCE.finditer(page.read_text(encoding="utf-8")):
        if match["language"] in languages:
            yield match["text"]


def command_lines(page: Path) -> Iterator[list[str]]:
    """The words behind ``uvtrace`` of every command line in a page's blocks."""
    for block in fenced(page, "", "sh", "bash"):
        for line in block.replace("\\\n", " ").splitlines():
            if start := _COMMAND.match(line):
                lexer = shlex.shlex(line[start.end() :], posix=True, punctuation_chars=True)
                lexer.whitespace_split = True
                words = list(lexer)
                ends = (place for place, word in enumerate(words) if word in _ENDS_A_COMMAND)
                yield words[: next(ends, None)]


def parsed(words: list[str]) -> click.Context:
    """The context of a command line, with nothing run.

    Raises:
        click.UsageError: there is no such command or option, or one that is needed is missing.
    """
    context = main.make_context("uvtrace", list(words))
    command: click.Command = main
    while isinstance(command, click.Group):
        rest = [*context.protected_args, *context.args]
        name, found, rest = command.resolve_command(context, rest)
        assert found is not None
        command = found
        context = command.make_context(name, rest, parent=context)
    return context


# click 8 names no other way to what a group has not parsed.
pytestmark = pytest.mark.filterwarnings("ignore:'protected_args' is deprecated")

LINES = [(page, words) for page in PAGES for words in command_lines(page)]


def test_tables_and_commands_in_the_pages_are_those_of_the_code() -> None:
    assert stale() == [], "run: python -m tools.pages"


def test_every_command_has_a_section() -> None:
    page = (ROOT / "docs/commands.md").read_text()
    for name in main.list_commands(click.Context(main)):
        assert re.search(rf"^## {name}\b", page, re.M), name


def test_every_family_of_rules_has_a_page() -> None:
    pages = {path.stem for path in (ROOT / "docs/rules").glob("*.md")}
    assert pages == {"index", *(family.lower() for family in families())}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_between_pages_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text()):
        if "://" not in target:
            assert (page.parent / target).exists(), target


@pytest.mark.parametrize(
    ("page", "words"),
    LINES,
    ids=[f"{page.relative_to(ROOT)}: {' '.join(words)[:60]}" for page, words in LINES],
)
def test_a_command_line_in_the_pages_is_one(page: Path, words: list[str]) -> None:
    assert parsed(words).command is not main


def test_a_command_line_that_is_none_would_be_found() -> None:
    with pytest.raises(click.UsageError):
        parsed(["check", "run.pcapng", "--no-such-option"])
    with pytest.raises(click.UsageError):
        parsed(["minimize", "run.pcapng", "-o", "small.pcapng"])
    with pytest.raises(click.UsageError):
        parsed(["no-such-command"])


def test_python_in_the_pages_compiles() -> None:
    for page in PAGES:
        for block in fenced(page, "python"):
            compile(block, str(page), "exec")


def test_the_reference_for_hdl_answers_as_the_model_does() -> None:
    page = ROOT / "docs/howto/hardware.md"
    (block,) = (each for each in fenced(page, "python") if "class Reference" in each)
    names: dict[str, type] = {}
    exec(block, names)
    reference = names["Reference"]("uvnic1", msi=False)
    reference.write(0x0, 0x1000)
    reference.check_read(0x0, 0x1000)
    reference.check_line(False)
    with pytest.raises(AssertionError, match="0x0 reads 0x1, the model has 0x1000"):
        reference.check_read(0x0, 1)


def test_the_readme_leads_with_the_two_commands() -> None:
    lines = (ROOT / "README.md").read_text().splitlines()
    assert [line.split("#")[0].strip() for line in lines[3:5]] == ["make demo", "make test"]


@pytest.mark.parametrize("page", ["README.md", "docs/tutorial.md", "docs/howto/driver.md"])
def test_the_story_s_finding_is_what_check_says(page: str, tmp_path: Path) -> None:
    told = run("check", ROOT / "docs/examples/padding.pcapng.zst")
    (block, *_) = (each for each in fenced(ROOT / page, "") if each.startswith("error[DMA007]"))
    assert told.code == 1
    for line in block.splitlines():
        assert line == "…" or line in told.out.splitlines()


@pytest.mark.parametrize("page", ["README.md", "docs/tutorial.md"])
def test_the_story_s_fewest_records_are_what_minimize_says(page: str, tmp_path: Path) -> None:
    small = tmp_path / "small.pcapng"
    recording = ROOT / "docs/examples/padding.pcapng.zst"
    told = run("minimize", recording, "--finding", 1, "-o", small)
    (block,) = (each for each in fenced(ROOT / page, "") if each.startswith("449 records to 3"))
    shown = [line for line in block.splitlines() if line.startswith("  ")]
    assert len(shown) == 6
    assert set(shown) <= set(told.out.splitlines())


def test_pictures_are_small() -> None:
    pictures = list((ROOT / "docs/images").iterdir())
    assert {"report.png", "wireshark.png"} <= {path.name for path in pictures}
    assert not [path.name for path in pictures if path.stat().st_size > PICTURE_MAX_BYTES]
