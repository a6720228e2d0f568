# SPDX-License-Identifier: Apache-2.0
"""Checking: rules, verdicts, findings.

``uvtrace.check`` is this package, and ``uvtrace.check(trace)`` is bound to judge a trace. Python
replaces the function of that name by the package as soon as that is imported; hence the package
can be called, too.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from uvtrace.check.results import Results
    from uvtrace.trace.trace import Trace


class _CallablePackage(ModuleType):
    def __call__(self, trace: Trace) -> Results:
        """See :func:`uvtrace.check.explain.judge`."""
        from uvtrace.check.explain import judge

        return judge(trace)


sys.modules[__name__].__class__ = _CallablePackage
