# SPDX-License-Identifier: Apache-2.0
"""How tests are shared out between processes (pytest-xdist): file by file, VMs one by one."""

from __future__ import annotations

from pathlib import PurePath

from xdist.scheduler.loadscope import LoadScopeScheduling

VM = "vm"


def scope_of(nodeid: str) -> str:
    """What runs in one process: a file, as its tests share what is costly; all tests of VMs.

    A VM takes the whole machine: two of them at a time would each be slower than one after the
    other, and their time limits are those of one.
    """
    path = nodeid.partition("::")[0]
    parts = PurePath(path).with_suffix("").parts
    boots = VM in parts[:-1] or parts[-1].endswith(f"_{VM}")
    return VM if boots else path


class SharingOut(LoadScopeScheduling):  # type: ignore[misc]  # untyped
    """Gives each process scope after scope, in the order of collection."""

    def _split_scope(self, nodeid: str) -> str:
        return scope_of(nodeid)
