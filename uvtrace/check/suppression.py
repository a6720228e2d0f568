# SPDX-License-Identifier: Apache-2.0
"""Suppressions: findings that are known and accepted, each for a reason and, best, for a time.

The file is TOML::

    [[suppression]]
    rule = "DMA007"                  # an ID, or a prefix of IDs
    site = "e1000_clean_*"           # symbol, or "symbol [module]"; * and ? are wildcards
    reason = "fixed by 1a2b3c4 in 6.13, cannot be backported"
    expires = 2027-03-31             # may be left out; the last day on which it holds
    function = "0000:00:03.0"        # may be left out
    device = "8086:100e"             # may be left out
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import NamedTuple

from uvtrace.check.results import Finding, Results, Suppression
from uvtrace.check.signature import stable_site


class Outcome(NamedTuple):
    """What suppressions did to the results of one or more traces.

    Attributes:
        results: as they were given, with the suppressed findings marked.
        unused: suppressions of judged rules that no finding matched.
        expired: suppressions that would have matched, or are merely in the file, after their day.
    """

    results: tuple[Results, ...]
    unused: tuple[Suppression, ...]
    expired: tuple[Suppression, ...]


def suppressed(
    results: Sequence[Results],
    suppressions: Iterable[Suppression],
    today: datetime.date | None = None,
) -> Outcome:
    """Mark the findings that are suppressed.

    Args:
        results: one per trace; they must have been explained for ``device`` to be known.
        suppressions: the first that matches a finding is the one that it carries.
        today: the day by which expiry is judged; this machine's by default.
    """
    day = today or datetime.date.today()
    known = tuple(suppressions)
    expired = tuple(each for each in known if each.expires is not None and each.expires < day)
    valid = [_Matcher(each) for each in known if each not in expired]
    marked = tuple(
        replace(each, findings=tuple(_marked(finding, each, valid) for finding in each.findings))
        for each in results
    )
    judged = {verdict.rule for each in results for verdict in each.verdicts}
    unused = tuple(
        matcher.suppression
        for matcher in valid
        if not matcher.used and any(rule.startswith(matcher.suppression.rule) for rule in judged)
    )
    return Outcome(marked, unused, expired)


class _Matcher:
    """One suppression, its patterns compiled, and whether anything matched it."""

    def __init__(self, suppression: Suppression) -> None:
        self.suppression = suppression
        self.used = False
        self._site = wildcards(suppression.site)
        self._with_module = " [" in suppression.site
        self._function = wildcards(suppression.function)
        self._device = wildcards(suppression.device.lower())

    def matches(self, finding: Finding, results: Results) -> bool:
        """Whether the finding is one of those meant."""
        site = stable_site(finding.site)
        matched = (
            finding.rule.startswith(self.suppression.rule)
            and self._site.fullmatch(site if self._with_module else site.partition(" [")[0])
            and self._function.fullmatch(finding.function)
            and self._device.fullmatch(_device(finding, results))
        )
        self.used = self.used or bool(matched)
        return bool(matched)


def _marked(finding: Finding, results: Results, matchers: Sequence[_Matcher]) -> Finding:
    # All are asked, so that one that is hidden by an earlier one does not count as unused.
    found = [each.suppression for each in matchers if each.matches(finding, results)]
    return replace(finding, suppression=found[0]) if found else finding


def _device(finding: Finding, results: Results) -> str:
    function = results.functions.get(finding.function)
    return "" if function is None else f"{function.vendor:04x}:{function.device:04x}"


def wildcards(text: str) -> re.Pattern[str]:
    """A pattern in which ``*`` stands for any text and ``?`` for any character."""
    # Not fnmatch: its brackets would make a character class of "[e1000]".
    wild = {"*": ".*", "?": "."}
    return re.compile("".join(wild.get(char) or re.escape(char) for char in text), re.DOTALL)
