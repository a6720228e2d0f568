# SPDX-License-Identifier: Apache-2.0
"""Replay: a recording's host plays to a device, and the device's answers are compared.

``docs/replay.md`` tells what is compared, and how.
"""

from uvtrace.replay.api import Options, replay
from uvtrace.replay.engine import Difference
from uvtrace.replay.outcome import Divergence, Outcome

__all__ = ["Difference", "Divergence", "Options", "Outcome", "replay"]
