# SPDX-License-Identifier: Apache-2.0
"""QEMU's command line, and the process that must not outlive its recorder."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from uvtrace.errors import EnvironmentLacksError
from uvtrace.record import kernels, machine
from uvtrace.record.machine import Machine, MachineSpec

COMPLETE = [kernel for kernel in kernels.installed() if kernel.is_complete]
needs_virtme = pytest.mark.skipif(
    not COMPLETE or shutil.which("qemu-system-x86_64") is None, reason="needs QEMU and a kernel"
)


def described(folder: Path, use_kvm: bool = False) -> MachineSpec:
    share = folder / "share"
    share.mkdir()
    return MachineSpec(
        COMPLETE[0],
        folder,
        share,
        1 << 20,
        devices=["-device", "e1000,addr=0x10"],
        blacklist=["e1000"],
        cpus=3,
        ram="512M",
        use_kvm=use_kvm,
    )


@needs_virtme
def test_the_machine_has_what_was_asked_for(tmp_path: Path) -> None:
    spec = described(tmp_path)
    words = machine.prepare(spec)
    text = " ".join(words)
    assert words[words.index("-smp") + 1] == "3"
    assert words[words.index("-m") + 1] == "512M"
    assert f"size={1 << 20},mem-path={spec.ring},share=on" in text
    assert words[-2:] == ["-device", "e1000,addr=0x10"]
    assert (tmp_path / "initramfs").stat().st_size > 100_000


@needs_virtme
def test_the_kernel_keeps_the_driver_away_and_its_words_are_kept(tmp_path: Path) -> None:
    spec = described(tmp_path)
    words = machine.prepare(spec)
    line = words[words.index("-append") + 1]
    assert "modprobe.blacklist=" in line
    assert line.split("modprobe.blacklist=")[1].split()[0].endswith(",e1000")
    assert "panic=-1" in line
    assert "-no-reboot" in words
    assert f"file,id=console,path={spec.console}" in words


@needs_virtme
def test_the_guest_starts_with_our_init(tmp_path: Path) -> None:
    words = machine.prepare(described(tmp_path))
    line = words[words.index("-append") + 1]
    _, _, after = line.partition(" -- ")
    shell, script, _, share, *folders = after.split()
    assert shell == "sh"
    assert Path(script).name == "init.sh"
    assert share == machine.GUEST_SHARE
    assert "/usr" in folders


@needs_virtme
def test_both_accelerators_use_the_same_board(tmp_path: Path) -> None:
    words = machine.prepare(described(tmp_path, use_kvm=True))
    assert words[words.index("-machine") + 1] == "q35"
    assert words[words.index("-accel") + 1] == "kvm"
    assert [words[at + 1] for at, word in enumerate(words) if word == "-cpu"][-1] == "host"


def test_a_missing_emulator_is_told_with_its_package(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(EnvironmentLacksError, match="apt install qemu-system-x86"):
        machine.qemu_version()


def test_a_machine_ends_with_its_context(tmp_path: Path) -> None:
    with Machine(["sleep", "100"], tmp_path / "log") as running:
        pid = running.pid
        assert not running.ended()
    assert running.ended()
    assert not Path(f"/proc/{pid}").exists()


def test_one_that_does_not_listen_is_killed(tmp_path: Path) -> None:
    words = ["sh", "-c", "trap '' TERM; while :; do sleep 0.1; done"]
    with Machine(words, tmp_path / "log") as running:
        time.sleep(0.3)
        begun = time.monotonic()
        running.stop(grace_s=0.2)
        assert time.monotonic() - begun < 5
    assert running.ended()


@pytest.mark.skipif(shutil.which("setpriv") is None, reason="needs setpriv")
def test_a_machine_dies_with_a_recorder_that_is_killed(tmp_path: Path) -> None:
    code = f"""
import os, signal, time
from pathlib import Path
from uvtrace.record.machine import Machine
running = Machine(["sleep", "100"], Path({str(tmp_path / "log")!r}))
print(running.pid, flush=True)
time.sleep(0.5)
os.kill(os.getpid(), signal.SIGKILL)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60
    )
    pid = int(done.stdout)
    deadline = time.monotonic() + 5
    while _lives(pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not _lives(pid)


def _lives(pid: int) -> bool:
    """Whether a process runs; one that nobody has waited for yet does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in "ZX" and os.path.exists(f"/proc/{pid}")


def test_what_it_says_is_kept(tmp_path: Path) -> None:
    with Machine(["sh", "-c", "echo out; echo err >&2"], tmp_path / "log") as running:
        while not running.ended():
            time.sleep(0.02)
        assert running.messages() == "out\nerr\n"
