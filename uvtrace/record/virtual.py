# SPDX-License-Identifier: Apache-2.0
"""The models of a recording: each has a link, and a process of its own on this machine."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType

from uvtrace.errors import UsageError
from uvtrace.record.models import Attached
from uvtrace.record.spec import ModelSpec


class Models:
    """What plays the devices that do not exist. A context: their processes run inside it.

    Args:
        folder: private to this run.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._specs: list[ModelSpec] = []

    def __len__(self) -> int:
        return len(self._specs)

    @property
    def arguments(self) -> list[str]:
        """QEMU's, for the memory that holds the links."""
        return []

    def attach(self, spec: ModelSpec, number: int) -> Attached:
        """Give a model the next link.

        Args:
            spec: the model.
            number: of the device among all of the recording.
        """
        raise UsageError("models cannot be recorded yet", where=str(spec))

    def __enter__(self) -> Models:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        pass
