# SPDX-License-Identifier: Apache-2.0
"""The folder of a night: where the files of each job and of each new finding lie in it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from uvtrace.nightly.outcome import KeptFinding
from uvtrace.nightly.recorder import SUFFIX
from uvtrace.nightly.rows import signature_sha256


@dataclass(frozen=True)
class NightFolder:
    """``DIR/MATRIX/NUMBER``; the keys are those of jobs."""

    path: Path

    def recording(self, key: str) -> Path:
        """A job's recording."""
        return self.path / f"{key}{SUFFIX}"

    def log(self, key: str) -> Path:
        """What recorder and workload said."""
        return self.path / f"{key}.log"

    def console(self, key: str) -> Path:
        """What the recorded kernel said, of jobs that went wrong."""
        return self.path / f"{key}.console.txt"

    def report(self, key: str) -> Path:
        """The folder of a recording's report, of jobs that found something."""
        return self.path / f"{key}.report"

    def minimal(self, finding: KeptFinding) -> Path:
        """The fewest records that prove a new finding."""
        return self.path / "new" / f"{_name(finding)}.pcapng"

    def minimal_told(self, finding: KeptFinding) -> Path:
        """These records, a line each, or why there are none."""
        return self.path / "new" / f"{_name(finding)}.txt"


def _name(finding: KeptFinding) -> str:
    # A rule of a pack, or of a history that somebody wrote, may be called anything.
    rule = re.sub(r"[^A-Za-z0-9]", "_", finding.rule)[:20]
    return f"{rule}-{signature_sha256(finding.signature)[:8]}"
