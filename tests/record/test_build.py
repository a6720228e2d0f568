# SPDX-License-Identifier: Apache-2.0
"""Building on demand: what is kept, when it is built anew, and how failures are told."""

from __future__ import annotations

import os
import subprocess
import threading
from pathlib import Path

import pytest

from uvtrace.errors import EnvironmentLacksError
from uvtrace.record import build
from uvtrace.record.kernels import Kernel


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Sources of a module, and a cache of its own."""
    folder = tmp_path / "kmod"
    (folder / "include/uapi").mkdir(parents=True)
    (folder / "include/uapi/uvbus.h").write_text("/* header */\n")
    (folder / "tools").mkdir()
    (folder / "tools/uvctl.c").write_text("int main(void) { return 0; }\n")
    (folder / "main.c").write_text("int value = 1;\n")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(build, "source_directory", lambda: folder)
    return folder


@pytest.fixture
def kernel(tmp_path: Path) -> Kernel:
    """Headers whose Makefile builds a "module" and counts how often."""
    headers = tmp_path / "headers"
    headers.mkdir()
    (headers / "Makefile").write_text(
        f"modules:\n\tgcc -c -o $(M)/uvbus.ko $(M)/main.c\n\techo built >>{tmp_path}/builds\n"
    )
    return Kernel("9.9.9-test", None, headers)


def builds(tmp_path: Path) -> int:
    return len((tmp_path / "builds").read_text().splitlines())


def test_a_module_is_built_once(source: Path, kernel: Kernel, tmp_path: Path) -> None:
    first = build.module_for(kernel)
    assert first.is_file()
    assert build.module_for(kernel) == first
    assert builds(tmp_path) == 1


def test_an_edited_source_is_built_anew(source: Path, kernel: Kernel, tmp_path: Path) -> None:
    first = build.module_for(kernel)
    (source / "main.c").write_text("int value = 2;\n")
    assert build.module_for(kernel) != first
    assert builds(tmp_path) == 2


def test_a_kernel_built_anew_gets_a_new_module(
    source: Path, kernel: Kernel, tmp_path: Path
) -> None:
    assert kernel.build is not None
    build.module_for(kernel)
    (kernel.build / "Module.symvers").write_text("0x1 printk\n")
    build.module_for(kernel)
    assert builds(tmp_path) == 2


def test_only_the_newest_builds_are_kept(source: Path, kernel: Kernel, tmp_path: Path) -> None:
    for value in range(build.BUILDS_KEPT + 3):
        (source / "main.c").write_text(f"int value = {value};\n")
        newest = build.module_for(kernel)
        os.utime(newest.parent, (0, value))
    assert newest.is_file()
    assert len(list((tmp_path / "cache").rglob("uvbus.ko"))) == build.BUILDS_KEPT


def test_a_build_that_another_recording_may_be_copying_is_kept(
    source: Path, kernel: Kernel, tmp_path: Path
) -> None:
    for value in range(build.BUILDS_KEPT + 3):
        (source / "main.c").write_text(f"int value = {value};\n")
        build.module_for(kernel)
    assert len(list((tmp_path / "cache").rglob("uvbus.ko"))) == build.BUILDS_KEPT + 3


def test_two_at_once_build_once(source: Path, kernel: Kernel, tmp_path: Path) -> None:
    threads = [threading.Thread(target=build.module_for, args=(kernel,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert builds(tmp_path) == 1


def test_nothing_is_written_beside_the_sources(source: Path, kernel: Kernel) -> None:
    before = sorted(source.rglob("*"))
    build.module_for(kernel)
    build.uvctl()
    assert sorted(source.rglob("*")) == before


def test_a_compiler_s_error_is_told_in_one_line(source: Path, kernel: Kernel) -> None:
    (source / "main.c").write_text("int value = ;\n")
    with pytest.raises(build.BuildError, match=r"does not build: .*main\.c:1.*error") as raised:
        build.module_for(kernel)
    assert "\n" not in str(raised.value)
    assert raised.value.output.count("\n") > 1


def test_no_half_built_module_is_left(source: Path, kernel: Kernel, tmp_path: Path) -> None:
    (source / "main.c").write_text("int value = ;\n")
    with pytest.raises(build.BuildError):
        build.module_for(kernel)
    assert not list((tmp_path / "cache").rglob("*.ko"))


def test_missing_headers_are_told_with_their_package(source: Path) -> None:
    with pytest.raises(EnvironmentLacksError, match=r"apt install linux-headers-8\.8\.8"):
        build.module_for(Kernel("8.8.8", None, None))


def test_a_missing_compiler_is_told(
    source: Path, kernel: Kernel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(EnvironmentLacksError, match="apt install build-essential"):
        build.module_for(kernel)


def test_a_cache_that_cannot_be_written_is_told(
    source: Path, kernel: Kernel, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with pytest.raises(EnvironmentLacksError, match="XDG_CACHE_HOME"):
        build.module_for(kernel)


def test_uvctl_needs_nothing_of_the_guest(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    program = build.uvctl()
    assert os.access(program, os.X_OK)
    assert (
        b"statically linked"
        in subprocess.run(["file", "-L", program], capture_output=True, check=False).stdout
        or "not a dynamic executable"
        in subprocess.run(["ldd", program], capture_output=True, text=True, check=False).stderr
    )


@pytest.mark.parametrize(
    ("words", "code"),
    [([], 2), (["bogus"], 2), (["mark"], 2), (["--help"], 0), (["start", "x"], 2)],
)
def test_uvctl_says_how_it_is_used(words: list[str], code: int) -> None:
    done = subprocess.run([build.uvctl(), *words], capture_output=True, text=True, check=False)
    assert done.returncode == code
    assert "usage: uvctl" in done.stdout + done.stderr
