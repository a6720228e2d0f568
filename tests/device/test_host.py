# SPDX-License-Identifier: Apache-2.0
"""A model on a link: what crosses it, who wakes whom, and how it ends."""

from __future__ import annotations

import select
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.device.kernel_end import PATIENCE_S, KernelEnd
from tests.device.tiny import Tiny
from uvtrace.device import Device, ModelError
from uvtrace.device.host import Host, Settings
from uvtrace.device.link import Home, Link
from uvtrace.device.linkabi import Header, LinkReason, LinkState, Message
from uvtrace.device.ports import FramePort, pipe
from uvtrace.errors import EnvironmentLacksError, InputError, UvtraceError

SPINNING = Settings(spin_s=0.001)
SLEEPING = Settings(spin_s=0.0)


class Running:
    """A host in a thread of its own."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self.error: Exception | None = None
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        try:
            self.host.run()
        except UvtraceError as error:
            self.error = error

    def ends(self) -> Exception | None:
        self._thread.join(20)
        assert not self._thread.is_alive()
        return self.error


@contextmanager
def running(
    kernel: KernelEnd,
    device: Device | None = None,
    port: FramePort | None = None,
    settings: Settings = SLEEPING,
) -> Iterator[Running]:
    with Link(kernel.home) as link:
        runs = Running(Host(device or Tiny(), link, port, settings))
        try:
            yield runs
        finally:
            if runs._thread.is_alive():
                runs.host.stop()
            runs.ends()


@pytest.fixture
def kernel(tmp_path: Path) -> KernelEnd:
    return KernelEnd(tmp_path)


@pytest.mark.parametrize("settings", [SPINNING, SLEEPING], ids=["spinning", "sleeping"])
def test_a_model_becomes_a_device_and_answers_reads(kernel: KernelEnd, settings: Settings) -> None:
    with running(kernel, settings=settings):
        images = kernel.welcome()
        assert images[0][:4] == b"\x56\x55\x01\x00"
        assert len(images[0]) == len(images[1]) == len(images[2]) == 256
        kernel.write(0x14, 0xCAFE)
        assert kernel.read(0x14, tag=7) == 0xCAFE
        assert [kernel.read(0x0C, tag=tag) for tag in range(8, 300)] == [0x100] * 292


def test_a_frame_goes_from_the_driver_s_memory_to_the_port(kernel: KernelEnd) -> None:
    near, far = pipe()
    with near, far, running(kernel, port=near):
        kernel.welcome()
        kernel.write(0x00, 0x1000)
        kernel.write(0x08, 1)
        asked = kernel.expect(Message.DMA_READ)
        assert (asked.address, asked.length) == (0x1000, 16)
        descriptor = (0x2000).to_bytes(8, "little") + (200).to_bytes(8, "little")
        kernel.send(
            Message.COMPLETION,
            descriptor,
            tag=asked.tag,
            length=16,
            byte_count=16,
            address=0x1000,
        )
        # The uvPCI limit of 128 bytes cuts the frame in two; answers may come in any order.
        first, second = kernel.expect(Message.DMA_READ), kernel.expect(Message.DMA_READ)
        assert (first.length, second.address, second.length) == (128, 0x2080, 72)
        for part, fill in ((second, b"b"), (first, b"a")):
            kernel.send(
                Message.COMPLETION,
                fill * part.length,
                tag=part.tag,
                length=part.length,
                byte_count=part.length,
            )
        assert kernel.expect(Message.DMA_WRITE).data == b"\x01\x00\x00\x00"
        assert kernel.expect(Message.INTERRUPT).vector == 0
        _wait(lambda: far.receive() == [b"a" * 128 + b"b" * 72])


def test_a_frame_comes_from_the_port_once_the_driver_has_posted_a_buffer(
    kernel: KernelEnd,
) -> None:
    near, far = pipe()
    with near, far, running(kernel, port=near):
        kernel.welcome()
        far.send(b"hello")
        far.send(b"again")
        assert kernel.read(0x14) == 0x12345678
        for frame in (b"hello", b"again"):
            kernel.write(0x60, 0x3000)
            assert kernel.expect(Message.DMA_WRITE).data == frame
            kernel.expect(Message.INTERRUPT)


def test_a_read_that_takes_time_does_not_keep_others_waiting(kernel: KernelEnd) -> None:
    with running(kernel, Tiny(delay_ns=50_000_000)):
        kernel.welcome()
        kernel.send(Message.READ, address=0x20, length=4, tag=1)
        assert kernel.read(0x14, tag=2) == 0x12345678
        late = kernel.expect(Message.COMPLETION)
        assert (late.tag, late.value) == (1, 0x5105)


def test_a_sleeping_model_asks_to_be_woken_and_a_busy_one_does_not(kernel: KernelEnd) -> None:
    with running(kernel):
        kernel.welcome()
        _wait(lambda: kernel.word(Header.TO_MODEL_NOTIFY_AT) == kernel.word(Header.TO_MODEL_HEAD))
        kernel.read(0x14)
    with running(kernel, settings=Settings(spin_s=30.0)):
        kernel.welcome()
        kernel.read(0x14)
        assert kernel.word(Header.TO_MODEL_NOTIFY_AT) != kernel.word(Header.TO_MODEL_HEAD)
        # Without any doorbell, a model that looks by itself finds its messages.
        kernel.send(Message.READ, address=0x14, length=4, tag=9, signal=False)
        assert kernel.expect(Message.COMPLETION).tag == 9
        _leave_spin(kernel)


def _leave_spin(kernel: KernelEnd) -> None:
    kernel.set_state(LinkState.CLOSED)
    kernel.send(Message.UNPLUGGED, signal=False)


def test_no_message_is_lost_when_the_ring_is_full(kernel: KernelEnd) -> None:
    class Chatty(Tiny):
        def on_plugged(self) -> None:
            for number in range(1000):
                self.log(f"line {number}")

    with running(kernel, Chatty()):
        kernel.welcome()
        time.sleep(0.05)
        assert [kernel.expect(Message.LOG).data for _ in range(1000)] == [
            f"line {number}".encode() for number in range(1000)
        ]


def test_the_kernel_s_end_is_only_kicked_when_it_has_asked(kernel: KernelEnd) -> None:
    with running(kernel, settings=SPINNING):
        kernel.welcome()
        kernel.set_word(Header.TO_KERNEL_NOTIFY_AT, kernel.word(Header.TO_KERNEL_TAIL) - 1)
        kicks = kernel.kicks
        for tag in range(1, 20):
            kernel.send(Message.READ, address=0x14, length=4, tag=tag)
            _wait(lambda: kernel.take() is not None)
        assert kernel.kicks == kicks


def test_a_model_that_raises_dies_and_says_which_transaction_killed_it(kernel: KernelEnd) -> None:
    class Faulty(Tiny):
        def on_config_write(self, offset: int, length: int, value: int) -> None:
            raise KeyError("no such thing")

    with running(kernel, Faulty()) as model:
        kernel.welcome()
        kernel.send(Message.CONFIG_WRITTEN, address=4, length=2, value=6)
        last_words = kernel.expect(Message.LOG).data.decode()
        assert "KeyError: 'no such thing'" in last_words
        error = model.ends()
    assert isinstance(error, ModelError)
    assert "test_host.py" in str(error)
    assert "ConfigWritten(offset=4, length=2, value=6)" in error.report
    assert "Traceback" in error.report


@pytest.mark.parametrize("reason", [LinkReason.TIMEOUT, LinkReason.PROTOCOL])
def test_a_model_that_the_kernel_gives_up_ends_with_the_reason(
    kernel: KernelEnd, reason: LinkReason
) -> None:
    with running(kernel) as model:
        kernel.welcome()
        kernel.read(0x14)
        kernel.set_state(LinkState.DEAD, reason)
        kernel.ring_doorbell()
        error = model.ends()
    assert "the device is dead" in str(error)


def test_a_model_that_the_kernel_refuses_ends_with_the_reason(
    kernel: KernelEnd, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("uvtrace.device.link._HELLO_S", 0.1)
    with running(kernel) as model:
        kernel.expect(Message.HELLO)
        kernel.set_state(LinkState.DEAD, LinkReason.CONFIG)
        error = model.ends()
    assert str(error) == (
        "the device was refused: the config space is not one of a type 0 function"
    )


def test_a_model_ends_when_the_module_goes(kernel: KernelEnd) -> None:
    with running(kernel) as model:
        kernel.welcome()
        kernel.read(0x14)
        kernel.set_state(LinkState.CLOSED)
        kernel.ring_doorbell()
        assert model.ends() is None


def test_a_model_waits_for_the_module(kernel: KernelEnd) -> None:
    kernel.set_state(LinkState.ABSENT)
    with running(kernel):
        time.sleep(0.1)
        assert kernel.take() is None
        kernel.set_state(LinkState.WAITING)
        kernel.welcome()
        assert kernel.read(0x14) == 0x12345678


def test_a_second_model_attaches_and_never_sees_what_was_meant_for_the_first(
    kernel: KernelEnd,
) -> None:
    with running(kernel) as model:
        kernel.welcome()
        kernel.write(0x14, 0xCAFE)
        kernel.read(0x14)
        model.host.stop()
        model.ends()
        kernel.send(Message.READ, address=0x14, length=4, tag=99)
    with running(kernel):
        kernel.send(Message.READ, address=0x14, length=4, tag=100)
        kernel.welcome()
        assert kernel.read(0x14, tag=101) == 0x12345678


def test_a_model_notifies_for_an_earlier_one_that_died_before_it_could(kernel: KernelEnd) -> None:
    kernel.set_word(Header.TO_KERNEL_NOTIFY_AT, 0)
    kernel.set_word(Header.TO_KERNEL_HEAD, 1)  # shown, and the module was not told
    with running(kernel):
        assert select.select([kernel.home.kick_fd or 0], [], [], PATIENCE_S)[0]
        assert kernel.take() is not None
        kernel.welcome()


def test_a_model_signals_that_it_has_come_also_to_a_kernel_that_did_not_ask(
    kernel: KernelEnd,
) -> None:
    # It may be waiting for room, which a new model makes as it drops what an earlier one was told.
    kernel.set_word(Header.TO_KERNEL_NOTIFY_AT, 0xFFFF_FFFF_FFFF_FFFF)
    with running(kernel):
        assert select.select([kernel.home.kick_fd or 0], [], [], PATIENCE_S)[0]
        assert kernel.take() is not None


def test_a_model_comes_after_one_that_wrote_a_position_that_cannot_be(kernel: KernelEnd) -> None:
    kernel.set_word(Header.TO_KERNEL_TAIL, 10)
    kernel.set_word(Header.TO_KERNEL_HEAD, 0x8000_0000)
    with running(kernel):
        kernel.wait_while(Header.TO_KERNEL_HEAD, 0x8000_0000)
        kernel.set_word(Header.TO_KERNEL_TAIL, 11)  # it was at that message
        kernel.welcome()
        assert kernel.read(0x14) == 0x12345678


def test_unplugging_at_the_end_is_a_choice(kernel: KernelEnd) -> None:
    with running(kernel, settings=Settings(spin_s=0, unplug=True)) as model:
        kernel.welcome()
        kernel.read(0x14)
        model.host.stop()
        kernel.expect(Message.UNPLUG)


def test_a_host_that_has_ended_may_be_stopped_again(kernel: KernelEnd) -> None:
    with running(kernel) as model:
        kernel.welcome()
        model.host.stop()
        assert model.ends() is None
        model.host.stop()


def test_a_file_that_holds_no_link_is_refused(tmp_path: Path) -> None:
    (tmp_path / "nothing").write_bytes(bytes(8192))
    with pytest.raises(InputError, match="holds no link of this version"):
        Link(Home(tmp_path / "nothing", 0, 0, 0))
    with pytest.raises(EnvironmentLacksError, match=r"No such file or directory .modprobe uvbus"):
        Link(Home(tmp_path / "uvbus1"))
    (tmp_path / "short").write_bytes(b"")
    with pytest.raises(InputError, match="holds no link"):
        Link(Home(tmp_path / "short", 0, 0, 0))


def _wait(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.001)
