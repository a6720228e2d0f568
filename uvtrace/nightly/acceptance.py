# SPDX-License-Identifier: Apache-2.0
"""Findings that are known and accepted, each with its reason and, best, until a day."""

from __future__ import annotations

import datetime
from dataclasses import dataclass

from uvtrace.check.suppression import wildcards


@dataclass(frozen=True, kw_only=True)
class Acceptance:
    """Findings that are no news.

    Attributes:
        reason: why they are accepted.
        signature: pattern of the signature; empty where ``rule`` says which.
        rule: ID of a rule, or a prefix of IDs; empty where ``signature`` says which.
        device: pattern of the device's name in the matrix.
        kernel: pattern of the kernel's name in the matrix.
        expires: the last day on which it holds.
        since: the first day on which it holds.
        origin: where it was said: a file's line, or the history.
    """

    reason: str
    signature: str = ""
    rule: str = ""
    device: str = "*"
    kernel: str = "*"
    expires: datetime.date | None = None
    since: datetime.date | None = None
    origin: str = ""

    def holds_on(self, day: datetime.date) -> bool:
        """Whether it is in force."""
        begun = self.since is None or self.since <= day
        return begun and (self.expires is None or day <= self.expires)

    def covers(self, *, signature: str, rule: str, device: str, kernel: str) -> bool:
        """Whether a finding is one of those meant."""
        if self.signature:
            named = self.signature == signature or fits(self.signature, signature)
        else:
            named = bool(self.rule) and rule.startswith(self.rule)
        return named and fits(self.device, device) and fits(self.kernel, kernel)


def fits(pattern: str, text: str) -> bool:
    """Whether a text is what a pattern with ``*`` and ``?`` means."""
    return wildcards(pattern).fullmatch(text) is not None
