# SPDX-License-Identifier: Apache-2.0
"""Which rules there are: of the installed packs, and of packs given by path."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from uvtrace import packs
from uvtrace.check.rule import Rule
from uvtrace.errors import InputError, UsageError

GROUP = "uvtrace.checkers"


def installed_rules() -> tuple[Rule, ...]:
    """Every rule that an installed pack declares, in order of their IDs.

    Raises:
        EnvironmentLacksError: a pack cannot be imported.
    """
    return ordered(rule for rules in packs.load(GROUP) for rule in rules)


def rules_of_path(path: str | Path) -> tuple[Rule, ...]:
    """The rules of a pack that is a file: a Python module with a tuple ``RULES``.

    Raises:
        InputError: there is no such file, it cannot be run, or declares no rules.
    """
    rules = getattr(packs.module_of_file(path), "RULES", ())
    if not rules or not all(isinstance(rule, Rule) for rule in rules):
        raise InputError("declares no RULES", path=path, hint="see docs/writing-rules.md")
    return ordered(rules)


def all_rules(paths: Iterable[str | Path] = ()) -> tuple[Rule, ...]:
    """The installed rules and those of packs given by path.

    Raises:
        InputError: a path leads to no pack.
        UsageError: a pack declares a rule that there is already.
        EnvironmentLacksError: an installed pack cannot be imported.
    """
    given = [rule for path in paths for rule in rules_of_path(path)]
    return ordered((*installed_rules(), *given))


def ordered(rules: Iterable[Rule]) -> tuple[Rule, ...]:
    """Rules in order of their IDs.

    Raises:
        UsageError: two declarations have the same ID and variant.
    """
    found = tuple(sorted(rules, key=lambda rule: (rule.id, rule.variant)))
    names = [(rule.id, rule.variant) for rule in found]
    for name in names:
        if names.count(name) > 1:
            raise UsageError(f"the rule {' '.join(name).strip()} is declared twice")
    return found
