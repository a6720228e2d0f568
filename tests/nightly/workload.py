# SPDX-License-Identifier: Apache-2.0
"""A recorder for workers that are processes: a shell script makes the recording, or hangs.

The script is a job's command; it finds in its first argument where the recording goes, and in
``JOB`` the job's key.
"""

from __future__ import annotations

import os
from pathlib import Path
from unittest import mock

from uvtrace.cluster.stop import Stop
from uvtrace.nightly import recorder
from uvtrace.nightly.job import Job
from uvtrace.nightly.matrix import Limits
from uvtrace.nightly.result import Course


def record(job: Job, folder: Path, limits: Limits, stop: Stop) -> tuple[Path | None, Course]:
    """Make a job's recording by its command, bounded and ended as a VM's recorder is."""

    def command(job: Job, recording: Path) -> list[str]:
        assert os.environ["UVTRACE_TEST"]
        return ["env", f"JOB={job.key}", "sh", "-c", job.command, "sh", str(recording)]

    with mock.patch.object(recorder, "command_of", command):
        return recorder.record(job, folder, limits, stop)
