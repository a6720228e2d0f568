# SPDX-License-Identifier: Apache-2.0
"""The fixtures for driver teams, with a recorder that boots nothing."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

from tests.story import Story
from uvtrace.record import kernels
from uvtrace.record.kernels import Kernel
from uvtrace.record.session import Options, Progress, Result
from uvtrace.record.spec import ModelSpec
from uvtrace.record.vm import VmOptions
from uvtrace.testing import Recorder, Verdicts

pytest_plugins = ["pytester"]


@pytest.fixture(autouse=True)
def kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    def found(name: str | None) -> Kernel:
        return Kernel(name or "newest", Path("/boot/vmlinuz"), Path("/lib/modules"))

    monkeypatch.setattr(kernels, "find", found)


class Booted:
    """Stands for a VM: writes a trace, and ends as it is told to."""

    def __init__(self, result: Result, story: Story | None = None) -> None:
        self.result = result
        self.story = story or Story("0000:00:03.0", driver="e1000").map(0x1000, 256, "TO_DEVICE")
        self.asked: list[tuple[Options, VmOptions]] = []

    def __call__(self, options: Options, machine: VmOptions, progress: Progress) -> Result:
        self.asked.append((options, machine))
        self.story.write(options.output)
        progress.command_output(b"3 received", is_error=False)
        progress.command_output(b"but late", is_error=True)
        return self.result


GOOD = Result(Path(), exit_code=0)


def test_a_recording_is_asked_for_in_one_line(tmp_path: Path) -> None:
    booted = Booted(GOOD)
    record = Recorder(tmp_path, "6.1", booted)
    run = record(device="model:uvnic1,mac=52:54:00:00:00:01", command="ping -c 3 10.0.2.2")
    options, machine = booted.asked[0]
    assert options.devices == [ModelSpec("uvnic1", "mac=52:54:00:00:00:01")]
    assert options.command == ["sh", "-c", "ping -c 3 10.0.2.2"]
    assert machine.kernel.release == "6.1"
    assert (run.output, run.errors) == ("3 received", "but late")
    assert len(run.trace) > 0


def test_every_recording_has_a_file_of_its_own_and_may_have_its_own_kernel(tmp_path: Path) -> None:
    booted = Booted(GOOD)
    record = Recorder(tmp_path, None, booted)
    paths = {record("qemu:e1000", ["true"], kernel).path for kernel in (None, "6.12")}
    assert len(paths) == 2
    assert [machine.kernel.release for _, machine in booted.asked] == ["newest", "6.12"]


@pytest.mark.parametrize(
    ("result", "complaint"),
    [
        (Result(Path(), exit_code=1), "the command ended with 1\n3 received\nbut late"),
        (Result(Path(), exit_code=0, ended="panic", console="Oops"), r"panic[\s\S]*Oops"),
        (Result(Path(), ended="failed", failure="no such driver"), "^no such driver"),
    ],
)
def test_a_recording_that_went_wrong_fails_the_test(
    tmp_path: Path, result: Result, complaint: str
) -> None:
    record = Recorder(tmp_path, None, Booted(result))
    with pytest.raises(AssertionError, match=complaint):
        record("qemu:e1000", "false")
    assert record("qemu:e1000", "false", may_fail=True).result is result


def _run(tmp_path: Path, story: Story) -> Verdicts:
    folder = Path(tempfile.mkdtemp(dir=tmp_path))
    run = Recorder(folder, None, Booted(GOOD, story))("qemu:e1000", "true")
    return Verdicts(run.check("DMA00,IRQ00"))


def test_verdicts_tell_good_from_bad(tmp_path: Path) -> None:
    def mapped() -> Story:
        return Story("0000:00:03.0", driver="e1000").probe().map(0x1000, 256, "TO_DEVICE")

    good = _run(tmp_path, mapped().unmap(0x1000, 256, "TO_DEVICE"))
    good.clean().passes("DMA007").fails()
    with pytest.raises(AssertionError, match="DMA007 found nothing; nothing was found"):
        good.fails("DMA007")
    with pytest.raises(AssertionError, match="IRQ001 of 0000"):
        good.passes("IRQ001")
    with pytest.raises(AssertionError, match="no rule XYZ was judged"):
        good.passes("XYZ")

    bad = _run(tmp_path, mapped().unmap(0x1000, 128, "TO_DEVICE"))
    bad.fails("DMA007").finds("DMA")
    for claim in (bad.clean, lambda: bad.fails("CFG"), lambda: bad.passes("DMA007")):
        with pytest.raises(AssertionError, match="DMA007"):
            claim()


def test_a_judgement_is_made_once_for_each_choice_of_rules(tmp_path: Path) -> None:
    run = Recorder(tmp_path, None, Booted(GOOD))("qemu:e1000", "true")
    assert run.check() is run.check()
    assert {each.rule[:3] for each in run.check("dma007, CFG", ignore="CFG001").verdicts} <= {
        "DMA",
        "CFG",
    }


def test_the_fixtures_come_with_the_package(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        from uvtrace.device import ConfigSpace, Device, MemoryBar

        class Mine(Device):
            config = ConfigSpace(vendor=1, device=1, class_code=0, bars=[MemoryBar(0, 4096)])

        def test_it(playbook, record, verdicts, tmp_path):
            assert playbook(Mine()).read((0, 0)) == 0
            assert record.runs == []
            assert callable(verdicts)

        def test_a_model_by_name(playbook):
            playbook("uvnic1", mac="52:54:00:00:00:09").done()
        """
    )
    pytester.runpytest_subprocess("-p", "no:cacheprovider").assert_outcomes(passed=2)


def test_the_plugin_imports_nothing_heavy(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import sys

        def test_it():
            heavy = {"numpy", "pandas", "numba", "z3", "systemrdl"} & set(sys.modules)
            assert not heavy
        """
    )
    pytester.runpytest_subprocess("-p", "no:cacheprovider").assert_outcomes(passed=1)
