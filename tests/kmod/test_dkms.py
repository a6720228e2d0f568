# SPDX-License-Identifier: Apache-2.0
"""DKMS builds the module from what ``make dkms`` lays out, in trees of the test's own."""

from __future__ import annotations

import lzma
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from uvtrace.record import build, kernels, spec
from uvtrace.record.session import NoProgress, Options
from uvtrace.record.vm import VmOptions, record_in_vm
from uvtrace.version import VERSION

ROOT = Path(__file__).parent.parent.parent
RELEASES = [kernel.release for kernel in kernels.installed() if kernel.is_complete]
BUILD_TIMEOUT_S = 900


@dataclass(frozen=True)
class Trees:
    """Where DKMS works instead of /usr/src, /var/lib/dkms and /lib/modules."""

    folder: Path

    @property
    def sources(self) -> Path:
        return self.folder / "usr/src" / f"uvbus-{VERSION}"

    def dkms(self, action: str, *words: str) -> subprocess.CompletedProcess[str]:
        for name in ("state", "modules"):
            (self.folder / name).mkdir(exist_ok=True)
        trees = [
            *("--dkmstree", str(self.folder / "state")),
            *("--sourcetree", str(self.sources.parent)),
            *("--installtree", str(self.folder / "modules")),
        ]
        return subprocess.run(
            ["dkms", action, *words, *trees],
            capture_output=True,
            text=True,
            timeout=BUILD_TIMEOUT_S,
            check=False,
        )

    def build(self, release: str) -> Path:
        """The module, built for a kernel."""
        done = self.dkms("build", f"uvbus/{VERSION}", "-k", release)
        assert done.returncode == 0, done.stdout + done.stderr
        (module,) = (self.folder / "state").glob(f"uvbus/{VERSION}/{release}/*/module/uvbus.ko*")
        return module


def unpacked(module: Path, folder: Path) -> Path:
    """The module as the VM's insmod takes it: DKMS compresses it where the kernel's are."""
    if module.suffix == ".ko":
        return module
    assert module.suffix == ".xz"
    plain = folder / module.stem
    plain.write_bytes(lzma.decompress(module.read_bytes()))
    return plain


@pytest.fixture
def trees(tmp_path: Path) -> Trees:
    laid_out = subprocess.run(
        ["make", "--no-print-directory", "dkms", f"DESTDIR={tmp_path}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert laid_out.stdout.strip() == str(Trees(tmp_path).sources)
    return Trees(tmp_path)


@pytest.fixture
def dkms_trees(trees: Trees) -> Trees:
    """The trees, where there is a DKMS that may work in them."""
    if shutil.which("dkms") is None or os.geteuid() != 0:
        pytest.skip("needs root, and dkms: apt-get install dkms")
    return trees


def test_every_source_of_the_module_is_laid_out_and_nothing_else(trees: Trees) -> None:
    there = {str(path.relative_to(trees.sources)) for path in trees.sources.rglob("*")}
    own = {path.name for path in (ROOT / "kmod").glob("*.[ch]") if ".mod." not in path.name}
    headers = {f"include/uapi/{path.name}" for path in (ROOT / "kmod/include/uapi").iterdir()}
    folders = {"include", "include/uapi"}
    assert there == own | headers | folders | {"Kbuild", "COPYING", "dkms.conf"}


def test_the_version_is_the_one_of_the_package(trees: Trees) -> None:
    told = (trees.sources / "dkms.conf").read_text()
    assert f'PACKAGE_VERSION="{VERSION}"' in told
    assert VERSION not in (ROOT / "kmod/dkms.conf").read_text()


@pytest.mark.parametrize(
    ("release", "excluded"),
    [("5.10.0-33-amd64", True), ("6.0.12", True), ("6.1.0-1-rt-amd64", False), ("6.12.1", False)],
)
def test_kernels_before_6_1_are_left_alone(trees: Trees, release: str, excluded: bool) -> None:
    script = f'. "{trees.sources}/dkms.conf" && [[ {release} =~ $BUILD_EXCLUSIVE_KERNEL ]]'
    fits = subprocess.run(["bash", "-c", script], check=False).returncode == 0
    assert fits is not excluded


@pytest.mark.parametrize(
    "release",
    [pytest.param(each, marks=[pytest.mark.long] * (each != RELEASES[0])) for each in RELEASES],
)
def test_dkms_builds_a_module_for_the_kernel(dkms_trees: Trees, release: str) -> None:
    module = dkms_trees.build(release)
    told = subprocess.run(["modinfo", str(module)], capture_output=True, text=True, check=True)
    fields = dict(line.split(":", 1) for line in told.stdout.splitlines() if ":" in line)
    assert fields["vermagic"].split()[0] == release
    assert fields["name"].strip() == "uvbus"
    removed = dkms_trees.dkms("remove", f"uvbus/{VERSION}", "--all")
    assert removed.returncode == 0, removed.stdout + removed.stderr


@pytest.mark.vm
@pytest.mark.long
@pytest.mark.parametrize("release", RELEASES)
def test_what_dkms_has_built_records(
    dkms_trees: Trees, release: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = unpacked(dkms_trees.build(release), tmp_path)
    monkeypatch.setattr(build, "module_for", lambda kernel: module)
    options = Options(
        output=tmp_path / "run.pcapng",
        devices=[spec.parse("qemu:edu")],
        command=["cat", "/sys/module/uvbus/initstate"],
        driver="pci-stub",
        setup=False,
    )
    result = record_in_vm(options, VmOptions(kernels.find(release)), NoProgress())
    assert result.records > 0
    assert result.lost == 0
