# SPDX-License-Identifier: Apache-2.0
"""A model's process: attached, killed, started again, and what it says when it dies."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.device.kernel_end import KernelEnd
from uvtrace.device.linkabi import LinkState, Message
from uvtrace.device.process import ModelProcess
from uvtrace.errors import UsageError
from uvtrace.record.spec import ModelSpec
from uvtrace.record.virtual import described

TINY = Path(__file__).with_name("tiny.py")


@pytest.fixture
def kernel(tmp_path: Path) -> KernelEnd:
    return KernelEnd(tmp_path)


def test_a_process_attaches_answers_and_is_stopped(kernel: KernelEnd, tmp_path: Path) -> None:
    with ModelProcess(f"model:{TINY},port=none", kernel.home, tmp_path) as model:
        kernel.welcome()
        assert model.attached
        assert kernel.read(0x14) == 0x12345678
        model.stop()
        assert not model.alive
        assert not model.failed
        assert model.error is None
        assert model.report == ""


def test_a_killed_process_started_again_attaches_again(kernel: KernelEnd, tmp_path: Path) -> None:
    with ModelProcess(f"model:{TINY},port=none", kernel.home, tmp_path) as model:
        kernel.welcome()
        kernel.write(0x14, 1)
        kernel.read(0x14)
        model.kill()
        assert model.failed
        assert model.error == f"model:{TINY},port=none: ended by SIGKILL"
        kernel.set_state(LinkState.DEAD)
        model.restart()
        kernel.welcome()
        assert kernel.read(0x14) == 0x12345678
        assert not model.failed


def test_a_completion_timeout_of_one_s_own_is_asked_for(kernel: KernelEnd, tmp_path: Path) -> None:
    with ModelProcess(f"model:{TINY},port=none,timeout_ms=2500", kernel.home, tmp_path):
        kernel.welcome()
        assert kernel.limits[5] == 2_500_000_000


@pytest.mark.parametrize("value", ["0", "10001", "1s", "-5"])
def test_a_completion_timeout_that_the_module_would_not_grant_is_refused(value: str) -> None:
    with pytest.raises(UsageError, match=f"timeout_ms={value}.*1 to 10000 milliseconds"):
        described(ModelSpec(str(TINY), f"timeout_ms={value}"))


def test_a_stopped_process_goes_on_where_it_was(kernel: KernelEnd, tmp_path: Path) -> None:
    with ModelProcess(f"model:{TINY},port=none", kernel.home, tmp_path) as model:
        kernel.welcome()
        kernel.read(0x14)
        model.send_signal(signal.SIGSTOP)
        time.sleep(0.05)
        kernel.send(Message.READ, address=0x14, length=4, tag=5)
        time.sleep(0.2)
        assert kernel.take() is None
        model.send_signal(signal.SIGCONT)
        assert kernel.expect(Message.COMPLETION).tag == 5


def test_a_model_that_raises_leaves_its_traceback(kernel: KernelEnd, tmp_path: Path) -> None:
    faulty = tmp_path / "faulty.py"
    faulty.write_text(
        "from uvtrace.device import ConfigSpace, Device, MemoryBar\n"
        "class Faulty(Device):\n"
        "    config = ConfigSpace(vendor=1, device=1, class_code=0, bars=[MemoryBar(0, 4096)])\n"
        "    def unknown_read(self, bar, offset, length):\n"
        "        return 1 // offset\n"
    )
    with ModelProcess(f"model:{faulty}", kernel.home, tmp_path) as model:
        kernel.welcome()
        assert kernel.read(4) == 0
        kernel.send(Message.READ, address=0, length=4, tag=2)
        assert b"ZeroDivisionError" in kernel.expect(Message.LOG).data
        _wait(lambda: not model.alive)
        assert model.failed
        assert "return 1 // offset" in model.report
        assert "It was handling Read(bar=0, offset=0, length=4, tag=2)." in model.report
        assert f"{faulty}:5: the model raised ZeroDivisionError" in (model.error or "")


def test_a_model_that_cannot_be_made_says_so_in_a_line(kernel: KernelEnd, tmp_path: Path) -> None:
    with ModelProcess(f"model:{TINY},speed=9", kernel.home, tmp_path) as model:
        _wait(lambda: not model.alive)
        assert model.failed
        assert "has no option speed" in (model.error or "")
        assert "Traceback" not in model.report


def _wait(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.01)
