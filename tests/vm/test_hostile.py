# SPDX-License-Identifier: Apache-2.0
"""A hostile model in a VM: nothing it says may harm the kernel, or cost it memory.

``uvlink fuzz`` (``kmod/tools/uvlink_fuzz.c``) sends messages, most of them of a structure that
a function could produce: DMA anywhere, completions of any tag, interrupts of any vector; some
random to the bit; and it writes over the link's header. Meanwhile a driver's threads
(``kmod/tests/uvtraffic.c``) use the function, are unbound and bound, and all of it is recorded.

What is checked: the guest comes to its end and unloads the module; its kernel log has no
complaint (``linked.COMPLAINTS``: also of tasks and CPUs that hang); and the kernel has as much
memory as before. Distributions' kernels have no kmemleak: a leak is told by what /proc/meminfo
says before the module is loaded a second time, and after it was unloaded.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass

import pytest

from tests.vm.conftest import complete_kernels
from tests.vm.linked import Guest, guest

pytestmark = [pytest.mark.vm, pytest.mark.long]

FUNCTION = "/sys/bus/pci/devices/10000:00:00.0"
LEAK_MAX_KIB = 8 << 10
"""What slabs and vmalloc may have grown by: less than a byte for each of ten million messages."""

HOSTILE = f"""
driver=/sys/bus/pci/drivers/uvtraffic
insmod $share/uvbus.ko virtual=1 links=0 && rmmod uvbus && memory before
insmod $share/uvbus.ko virtual=1 links=0 && say loaded
until_file {FUNCTION}
uvctl select 10000:00:00.0
uvctl ring 1048576 overwrite
uvctl start && say recording
insmod $share/uvtraffic.ko pause_us=200
until [ -e "$share/go.end" ]; do
	[ -e $driver/10000:00:00.0 ] || echo 10000:00:00.0 >$driver/bind 2>/dev/null
	sleep 1
	echo 10000:00:00.0 >$driver/unbind 2>/dev/null
	sleep 0.2
done
counts end
uvctl stop
uvctl stats
rmmod uvtraffic && rmmod uvbus && say unloaded
memory after
"""


@dataclass(frozen=True)
class Assault:
    """What a hostile model has done.

    Attributes:
        sent: messages.
        valid: of these, of a structure that a function could produce.
        attached: times it was accepted again, after the kernel had had enough of it.
        scribbled: times it wrote over the link's header.
        seconds: how long it took.
    """

    sent: int
    valid: int
    attached: int
    scribbled: int
    seconds: float


def assault(machine: Guest, seed: int, messages: int, timeout_s: float) -> Assault:
    """A hostile model against a driver's traffic, until it has sent so many messages."""
    machine.wait_for("^loaded$")
    began = time.monotonic()
    model = machine.model("fuzz", str(seed), str(messages))
    said = model.rest(timeout_s)
    seconds = time.monotonic() - began
    assert model.process.returncode == 0, "\n".join([f"seed {seed}", *said, machine.story()])
    machine.go("end")
    return Assault(seconds=seconds, **json.loads(said[-2]))


def verify(machine: Guest, done: Assault, messages: int) -> None:
    """It was hostile enough, and nothing has come of it."""
    assert done.sent >= messages
    assert done.valid >= done.sent / 2
    assert done.attached > messages / 100_000
    assert done.scribbled > messages / 1_000_000
    machine.wait_for("^recording$")
    assert machine.counts("end")["reads"] > 0
    machine.wait_for("^unloaded$")
    machine.finish()
    grown = machine.grown_kib()
    assert grown["SUnreclaim"] < LEAK_MAX_KIB, grown
    assert grown["VmallocUsed"] < LEAK_MAX_KIB, grown
    assert grown["MemAvailable"] > -4 * LEAK_MAX_KIB, grown


def test_a_hostile_model_does_the_kernel_no_harm() -> None:
    with guest(HOSTILE) as machine:
        verify(machine, assault(machine, int(time.time()), 200_000, 400), 200_000)


@pytest.mark.long
@pytest.mark.parametrize("release", complete_kernels())
def test_ten_million_hostile_messages_do_no_kernel_any_harm(release: str) -> None:
    with guest(HOSTILE, release) as machine:
        verify(machine, assault(machine, int(time.time()), 10_000_000, 3600), 10_000_000)
