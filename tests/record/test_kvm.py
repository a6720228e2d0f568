# SPDX-License-Identifier: Apache-2.0
"""The KVM probe: believes only what has run, never hangs, remembers."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from uvtrace.record import kvm


def qemu(tmp_path: Path, script: str) -> str:
    """A program in QEMU's place; it finds the console file in its arguments."""
    program = tmp_path / "qemu"
    find = "for word; do case $word in file:*) console=${word#file:} ;; esac; done\n"
    program.write_text(f"#!/bin/sh\n{find}{script}\n")
    program.chmod(0o755)
    return str(program)


@pytest.fixture(autouse=True)
def _with_kvm(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("uvtrace.record.kvm.os.path.exists", lambda path: True)
    monkeypatch.setattr("uvtrace.record.kvm.os.access", lambda path, mode: True)
    monkeypatch.setattr(kvm, "_identity", lambda program: [program])
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def test_a_kernel_that_ran_to_its_end_proves_kvm(tmp_path: Path) -> None:
    program = qemu(tmp_path, 'echo "Kernel panic - not syncing: VFS" >"$console"')
    assert kvm.probe(Path("image"), qemu=program).works


def test_a_guest_that_hangs_is_given_up_in_time(tmp_path: Path) -> None:
    begun = time.monotonic()
    answer = kvm.probe(Path("image"), qemu=qemu(tmp_path, "exec sleep 60"), timeout_s=0.3)
    assert not answer.works
    assert "hangs" in answer.reason
    assert time.monotonic() - begun < 5


def test_qemu_that_aborts_gives_its_reason(tmp_path: Path) -> None:
    program = qemu(tmp_path, "echo 'failed to set MSR 0x10a' >&2; exit 134")
    answer = kvm.probe(Path("image"), qemu=program)
    assert not answer.works
    assert "failed to set MSR 0x10a" in answer.reason


def test_leaving_without_having_booted_proves_nothing(tmp_path: Path) -> None:
    assert not kvm.probe(Path("image"), qemu=qemu(tmp_path, "exit 0")).works


def test_without_qemu_there_is_no_kvm() -> None:
    assert not kvm.probe(Path("image"), qemu="/nonexistent/qemu").works


def test_the_answer_is_remembered_and_forgotten_after_a_week(tmp_path: Path) -> None:
    program = qemu(tmp_path, f"echo x >>{tmp_path}/runs; exit 1")
    runs = tmp_path / "runs"
    for _ in range(3):
        kvm.remembered(Path("image"), qemu=program)
    assert runs.read_text() == "x\n"
    cache = tmp_path / "cache/uvtrace/kvm.json"
    cache.write_text(json.dumps({**json.loads(cache.read_text()), "time": time.time() - 8 * 86400}))
    kvm.remembered(Path("image"), qemu=program)
    assert runs.read_text() == "x\nx\n"


def test_a_damaged_memory_is_asked_anew(tmp_path: Path) -> None:
    program = qemu(tmp_path, f"echo x >>{tmp_path}/runs; exit 1")
    kvm.remembered(Path("image"), qemu=program)
    (tmp_path / "cache/uvtrace/kvm.json").write_text("[]")
    kvm.remembered(Path("image"), qemu=program)
    assert (tmp_path / "runs").read_text() == "x\nx\n"
