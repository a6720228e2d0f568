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
dd if={FUNCTION}/config of=/run/bar bs=4 skip=4 count=1 2>/dev/null
printf '\\000\\000\\100\\200' | dd of={FUNCTION}/config bs=4 seek=4 conv=notrunc 2>/dev/null
sleep 1
counts bar.elsewhere
dd if=/run/bar of={FUNCTION}/config bs=4 seek=4 conv=notrunc 2>/dev/null
sleep 1
counts bar.back
sleep 2
counts bar.served
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
    again = machine.counts("served.again")
    assert served_well(again, rebound), "a model that has come back"
    elsewhere, back = machine.counts("bar.elsewhere"), machine.counts("bar.back")
    assert elsewhere["ones"] > again["ones"], "BAR 0 was moved away from what is mapped"
    served = machine.counts("bar.served")
    assert served_well(served, back), "BAR 0 was moved back"

    model.process.send_signal(signal.SIGSTOP)
    machine.go("stopped")
    stopped = machine.counts("stopped")
    assert stopped["ones"] > served["ones"], "the model is stopped: all ones"
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


CYCLES = 200
RELOADED = """
cp $share/uvbus.ko /run
parameters=/sys/module/uvtraffic/parameters
insmod $share/uvtraffic.ko pause_us=20
again() {
	insmod /run/uvbus.ko virtual=1 links=0 || return 1
	until_file /sys/bus/pci/drivers/uvtraffic/10000:00:00.0 || return 1
	enough=$(($(cat $parameters/reads) + 20))
	until [ $(cat $parameters/reads) -gt $enough ]; do sleep 0.02; done
	rmmod uvbus
}
again && memory before
cycle=0
while [ $cycle -lt CYCLES ] && again; do
	cycle=$((cycle + 1))
	[ $((cycle % 10)) -ne 0 ] || say cycle $cycle
done
say cycles $cycle
counts reloaded
rmmod uvtraffic && say unloaded
memory after
"""
LEAK_MAX_KIB = 4 << 10
"""Over all cycles: 20 KiB for each; the kernel keeps some memory of drivers and devices."""


def reload(machine: Guest, cycles: int) -> None:
    """The module comes and goes under traffic, while one model goes on attaching."""
    model = machine.model(options=["--spin", "200", *PATIENT])
    assert model.line() == "plugged 10000:00:00.0"
    done = int(machine.wait_for(r"^cycles (\d+)$", timeout_s=12 * cycles)[1])
    assert done == cycles, machine.story()
    reloaded = machine.counts("reloaded")
    assert reloaded["reads"] > 20 * cycles
    assert reloaded["moved"] > 0
    assert not reloaded["wrong"]
    machine.wait_for("^unloaded$")
    machine.finish()
    grown = machine.grown_kib()
    assert grown["SUnreclaim"] < LEAK_MAX_KIB, grown
    assert grown["VmallocUsed"] < LEAK_MAX_KIB, grown


@pytest.mark.long
def test_the_module_is_loaded_and_unloaded_under_traffic_two_hundred_times() -> None:
    with guest(RELOADED.replace("CYCLES", str(CYCLES))) as machine:
        reload(machine, CYCLES)
