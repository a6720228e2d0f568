# SPDX-License-Identifier: Apache-2.0
"""Results as the page that ``uvtrace report`` writes, without the folder around it."""

from __future__ import annotations

from collections.abc import Sequence

import uvtrace
from uvtrace.check.page import PLAIN, Page
from uvtrace.check.results import Results
from uvtrace.errors import UsageError
from uvtrace.report import Subject, known_devices, told_of
from uvtrace.report import page as page_of


def render(results: Sequence[Results], page: Page = PLAIN) -> str:
    """The page of one recording, which is read again: a page shows its transactions.

    Raises:
        UsageError: there are several recordings, or it came from standard input.
    """
    if len(results) != 1:
        raise UsageError("a page is about one recording", hint="run uvtrace report for each")
    (result,) = results
    if result.file in ("", "-", "standard input"):
        raise UsageError("a page needs a file, which is read twice", hint="save it first")
    trace = uvtrace.open(result.file)
    subject = Subject(
        trace=trace, results=result, told=told_of(result), device=known_devices(trace)
    )
    return page_of(subject)
