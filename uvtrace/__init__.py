# SPDX-License-Identifier: Apache-2.0
"""Records, checks and explains what a driver does to its PCI device.

``uvtrace.open(path)`` gives a :class:`Trace`; ``uvtrace.check(trace)`` judges it.
Both are imported on first use, so that importing this package costs nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from uvtrace.errors import UvtraceError
from uvtrace.version import VERSION

if TYPE_CHECKING:
    from pathlib import Path

    from uvtrace.check.results import Results
    from uvtrace.trace.trace import Trace

__all__ = ["VERSION", "Trace", "UvtraceError", "check", "open"]
__version__ = VERSION


def open(path: str | Path) -> Trace:
    """Open a recording; see :func:`uvtrace.trace.trace.open_trace`."""
    from uvtrace.trace.trace import open_trace

    return open_trace(path)


def check(trace: Trace) -> Results:
    """Judge a trace by every rule that is installed; see :func:`uvtrace.check.explain.judge`.

    Returns:
        ``results.ok`` says whether anything failed, ``results.findings`` what and where, and
        ``results.verdicts`` what every rule says of every function.
    """
    from uvtrace.check.explain import judge

    return judge(trace)


def __getattr__(name: str) -> Any:
    """``uvtrace.Trace``, imported when it is first named."""
    if name == "Trace":
        from uvtrace.trace.trace import Trace

        return Trace
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
