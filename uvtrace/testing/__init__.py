# SPDX-License-Identifier: Apache-2.0
"""For tests of drivers and devices, under pytest: ``docs/devices.md`` shows how.

The fixtures come by themselves (:mod:`uvtrace.pytest_plugin`); what they give is here.
"""

from uvtrace.testing.judging import Verdicts
from uvtrace.testing.recording import Recorder, Run

__all__ = ["Recorder", "Run", "Verdicts"]
