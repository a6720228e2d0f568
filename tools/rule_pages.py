# SPDX-License-Identifier: Apache-2.0
"""The rules' pages under docs/rules, from their declarations."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterable
from itertools import groupby

from tools.rules_table import FAULTS, STORIES, planted_or_why_not, story_name
from uvtrace.check.catalogue import installed_rules
from uvtrace.check.rule import Rule
from uvtrace.check.rules import SIGHT_TEXT

_NAME = re.compile(r"\{(\w+)[^{}]*\}")


def catalogue(family: str) -> str:
    """One line for each rule of a family, ``all`` for every rule, with a link to its page."""
    rows = [
        f"| {_link(id_)} | {_severities(rules)} | {_statements(rules)} |"
        for id_, rules in _grouped(family)
    ]
    return "\n".join(["| rule | severity | what is wrong |", "|-|-|-|", *rows]) + "\n"


def family_page(family: str) -> str:
    """A section for each rule of a family: all that its declaration says, and what shows it."""
    stories = json.loads(STORIES.read_text(encoding="utf-8"))
    with FAULTS.open("rb") as file:
        document = tomllib.load(file)
    sections = []
    for id_, rules in _grouped(family):
        planted = planted_or_why_not(id_, document)
        shown = [
            _tested(stories.get(id_, {})),
            _line("planted in a driver" if planted[:1] == "`" else "not planted", planted),
        ]
        told = "\n\n".join(_declaration(rule) for rule in rules)
        sections.append("\n".join([f"## {id_}", "", told, *filter(None, shown)]))
    return "\n" + "\n\n".join(sections) + "\n\n"


def families() -> list[str]:
    """What IDs begin with, in order."""
    return sorted({_family(rule.id).upper() for rule in installed_rules()})


def _grouped(family: str) -> list[tuple[str, list[Rule]]]:
    wanted = [rule for rule in installed_rules() if family in ("all", _family(rule.id).upper())]
    return [(id_, list(rules)) for id_, rules in groupby(wanted, key=lambda rule: rule.id)]


def _family(id_: str) -> str:
    return id_.rstrip("0123456789").lower()


def _link(id_: str) -> str:
    return f"[{id_}]({_family(id_)}.md#{id_.lower()})"


def _severities(rules: Iterable[Rule]) -> str:
    return ", ".join(dict.fromkeys(str(rule.severity) for rule in rules))


def _statements(rules: Iterable[Rule]) -> str:
    return "; ".join(dict.fromkeys(_cell(rule.statement) for rule in rules))


def _declaration(rule: Rule) -> str:
    needs = ", ".join(SIGHT_TEXT[sight] for sight in sorted(rule.needs)) or "nothing"
    lines = [
        f"**{_plain(rule.statement[:1].upper() + rule.statement[1:])}.**",
        "",
        _line("severity", str(rule.severity)),
        _line("for example", _plain(rule.example)),
        _line("says", "; ".join(f"`{text}`" for text in _messages(rule))),
        _line("points at", ", ".join(f"*{role}*" for role in rule.roles)),
        _line("needs to see", needs),
        _line("goes before", ", ".join(sorted(rule.supersedes))),
        _line("source", _plain(rule.source)),
    ]
    return "\n".join(line for index, line in enumerate(lines) if line or index == 1)


def _messages(rule: Rule) -> list[str]:
    """Without their formats: ``{address:#x}`` is ``{address}``."""
    texts = [*(case.message for case in rule.cases), rule.message]
    return [_NAME.sub(r"{\1}", text).replace("`", "'") for text in dict.fromkeys(texts)]


def _line(what: str, text: str) -> str:
    return f"- {what}: {text}" if text else ""


def _tested(stories: dict[str, str]) -> str:
    """The tests that show it, in words: a test's name is a sentence."""
    told = {kind: story_name(stories.get(kind, "")).replace("_", " ") for kind in stories}
    said = [f"{kind} in *{name}*" for kind, name in told.items() if name]
    return _line("tested", ", ".join(said))


def _plain(text: str) -> str:
    """What Markdown would take for markup, as it is."""
    return re.sub(r"([\\`*_<>\[\]])", r"\\\1", text)


def _cell(text: str) -> str:
    return _plain(text).replace("|", "\\|")
