# SPDX-License-Identifier: Apache-2.0
"""Makes the recordings under ``traces/long/`` again: ``python -m traces.record_long [NAME…]``.

Each is of one boot with much traffic, a hundred thousand records and more: most of what a driver
does in its life, and little of its beginning and end. Benchmarks make long traces of them.
"""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Iterator

from traces import record
from traces.making import newest_of, run
from traces.record import Recording
from uvtrace.record.session import Result

FOLDER = record.FOLDER / "long"
TIMEOUT_S = 300.0


def recordings() -> Iterator[Recording]:
    """Those of the manifest's table ``long``, if its kernel is installed."""
    document = tomllib.loads((record.FOLDER / "manifest.toml").read_text(encoding="utf-8"))
    kernel = document["long"]["kernel"]
    for _, release in newest_of([(kernel, document["kernels"][kernel])]):
        for device, details in document["long"]["devices"].items():
            workload = document["workloads"][details["workload"]]
            cpus = document["cpus"]
            yield Recording(
                device, kernel, release, details["spec"], workload, memory=False, cpus=cpus
            )


def make(recording: Recording) -> Result:
    """Record once more, and put the file in its place.

    Raises:
        UvtraceError: the recording is not fit to be kept.
    """
    return record.make(recording, FOLDER, TIMEOUT_S)


if __name__ == "__main__":
    sys.exit(run(__doc__ or "", FOLDER, recordings, make))
