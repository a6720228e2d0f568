# SPDX-License-Identifier: Apache-2.0
"""Links in a VM: a small model plugs a function, serves it, dies, and comes back.

The model is ``kmod/tools/uvlink.c``, the driver ``kmod/tests/uvtraffic.c``: threads that write
registers and read them back (``ones`` counts reads of all ones, ``wrong`` any other surprise),
and one that has the device move memory (``moved``, or ``missed``).
"""

from __future__ import annotations

import signal

import pytest

from tests.vm.conftest import complete_kernels
from tests.vm.linked import Guest, guest

pytestmark = pytest.mark.vm

FUNCTION = "/sys/bus/pci/devices/10000:00:00.0"
TIMEOUT_MS = 3000
"""The completion timeout that models ask for: a busy host lets them wait now and then."""
PATIENT = ("--timeout", str(TIMEOUT_MS))

LIFE = f"""
insmod $share/uvbus.ko virtual=1 && say loaded
until_file {FUNCTION} && say there
insmod $share/uvtraffic.ko
sleep 2
counts served
await killed
sleep 6
counts killed
await back
echo 10000:00:00.0 >/sys/bus/pci/drivers/uvtraffic/unbind
echo 10000:00:00.0 >/sys/bus/pci/drivers/uvtraffic/bind
counts rebound
sleep 2
counts served.again
await stopped
sleep 6
counts stopped
await other
until grep -q 0xfffd {FUNCTION}/device; do sleep 0.1; done
say device $(cat {FUNCTION}/device)
rmmod uvbus && say unloaded under traffic
rmmod uvtraffic
insmod $share/uvbus.ko virtual=1 && until_file {FUNCTION} && say there once more
rmmod uvbus && say unloaded
"""


def served_well(now: dict[str, int], before: dict[str, int] | None = None) -> bool:
    """Whether the model has served all that the driver wanted since ``before``."""
    since = {name: value - (before or {}).get(name, 0) for name, value in now.items()}
    return since["reads"] > 20 and since["moved"] > 5 and not since["ones"] and not since["wrong"]


def live(machine: Guest) -> None:
    """The life of a function, as :data:`LIFE` and its models go through it."""
    model = machine.model(options=["--spin", "200", *PATIENT])
    machine.wait_for("^there$")
    assert model.line() == "plugged 10000:00:00.0"
    served = machine.counts("served")
    assert served_well(served), "an honest model"

    model.process.kill()
    machine.go("killed")
    killed = machine.counts("killed")
    assert killed["ones"] > 0, "the model has gone: all ones"
    assert TIMEOUT_MS / 2 < killed["slowest_us"] / 1000 < 2 * TIMEOUT_MS, "once, one timeout"

    model = machine.model(options=PATIENT)
    assert model.line() == "plugged 10000:00:00.0"
    machine.go("back")
    rebound = machine.counts("rebound")
    assert served_well(machine.counts("served.again"), rebound), "a model that has come back"

    model.process.send_signal(signal.SIGSTOP)
    machine.go("stopped")
    stopped = machine.counts("stopped")
    assert stopped["ones"] > rebound["ones"], "the model is stopped: all ones"
    model.process.send_signal(signal.SIGCONT)
    assert "attaching again" in model.line()
    model.process.kill()

    other = machine.model(options=["--device", "0xfffd", *PATIENT])
    assert other.line() == "plugged 10000:00:00.0"
    machine.go("other")
    assert machine.wait_for("^device (.*)$")[1] == "0xfffd", "another function in its place"

    machine.wait_for("^unloaded under traffic$")
    machine.wait_for("^there once more$")
    machine.wait_for("^unloaded$")


def test_a_function_lives_dies_and_comes_back_with_its_model() -> None:
    with guest(LIFE) as machine:
        live(machine)
        machine.finish()


@pytest.mark.long
@pytest.mark.parametrize("release", complete_kernels())
def test_a_function_lives_and_dies_on_every_kernel(release: str) -> None:
    with guest(LIFE, release) as machine:
        live(machine)
        machine.finish()
