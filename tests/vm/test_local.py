# SPDX-License-Identifier: Apache-2.0
"""Recording on the machine itself: tried in a VM, so that no machine is put at risk."""

from __future__ import annotations

import shlex
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import uvtrace
from uvtrace.check.explain import judge
from uvtrace.record import build, kernels, machine, models, spec
from uvtrace.record.machine import Machine, MachineSpec
from uvtrace.record.workspace import private_folder
from uvtrace.testing import Verdicts
from uvtrace.trace.enums import Kind
from uvtrace.trace.trace import Trace

pytestmark = [pytest.mark.vm, pytest.mark.long]

TIMEOUT_S = 400
ROOT = Path(__file__).parents[2]

# The driver is bound beforehand, so that it has to be re-bound, and given back afterwards.
GUEST = """
share=$1
{before}
cd {root}
{python} -c 'from uvtrace.cli.main import run; run()' record --device {device} \\
    -o "$share/run.pcapng" -- sh -c '{command}' \\
    >"$share/stdout" 2>"$share/stderr" </dev/null
echo $? >"$share/code"
readlink /sys/bus/pci/devices/0000:00:10.0/driver >"$share/driver"
lsmod >"$share/modules"
dmesg >"$share/dmesg"
echo done >"$share/done"
echo o >/proc/sysrq-trigger
sleep 60
"""


E1000 = {
    "before": "modprobe e1000",
    "device": "pci:8086:100e",
    "command": "ip link set eth0 up; sleep 2; echo from the command",
}
MODEL = {
    "before": "true",
    "device": "model:uvnic1,port=none,timeout_ms=5000",
    "command": "ip address add 10.0.9.1/24 dev eth0; ip link set eth0 up;"
    " ping -c 3 -W 1 10.0.9.2; echo from the command",
}


def recorded_by_itself(kept: Path, words: dict[str, str]) -> Path:
    """What a guest that recorded itself has left."""
    kernel = kernels.find()
    build.module_for(kernel)  # the guest finds it in the cache
    build.module_from(build.source_directory() / "drivers", "uvnic1", kernel)
    with private_folder() as folder:
        (folder / "share").mkdir()
        places = {"root": shlex.quote(str(ROOT)), "python": shlex.quote(sys.executable)}
        (folder / "share/guest.sh").write_text(GUEST.format(**places, **words))
        device = models.attach(spec.QemuSpec("e1000"), 0, folder)
        described = MachineSpec(kernel, folder, folder / "share", 1 << 20, device.arguments)
        with Machine(machine.prepare(described), described.log) as running:
            deadline = time.monotonic() + TIMEOUT_S
            while not running.ended() and time.monotonic() < deadline:
                time.sleep(0.2)
        for path in (folder / "share").iterdir():
            (kept / path.name).write_bytes(path.read_bytes())
        (kept / "console").write_bytes(described.console.read_bytes())
    return kept


@pytest.fixture(scope="module")
def share(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The stock e1000 driver on a device that is there."""
    return recorded_by_itself(tmp_path_factory.mktemp("local"), E1000)


@pytest.fixture(scope="module")
def modelled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A driver on a model in the same machine."""
    return recorded_by_itself(tmp_path_factory.mktemp("modelled"), MODEL)


@pytest.fixture(scope="module")
def trace(share: Path) -> Trace:
    return uvtrace.open(share / "run.pcapng")


def text(share: Path, name: str) -> str:
    return (share / name).read_text() if (share / name).exists() else ""


def test_it_ends_well_and_passes_the_command_s_output_on(share: Path) -> None:
    assert text(share, "code") == "0\n", text(share, "stderr") + text(share, "console")
    assert "from the command" in text(share, "stdout")


def test_everything_from_probe_to_unbind_is_recorded(trace: Trace) -> None:
    kinds = set(trace.column("kind"))
    assert {Kind.PROBE, Kind.BIND, Kind.UNBIND, Kind.MMIO_READ, Kind.MAP, Kind.IRQ_REQUEST} <= kinds
    assert np.array_equal(trace.column("seq"), np.arange(len(trace)))
    assert trace.metadata.result["exit_code"] == 0
    assert trace.metadata.session["source"] == "local"
    assert [(f.name, f.driver) for f in trace.functions] == [("0000:00:10.0", "e1000")]


def test_the_function_is_given_back_to_its_driver_and_the_module_unloaded(share: Path) -> None:
    assert text(share, "driver").strip().endswith("/e1000")
    assert "uvbus" not in text(share, "modules")
    assert "BUG" not in text(share, "dmesg")


def test_a_model_on_the_same_machine_is_a_device_too(modelled: Path) -> None:
    said = text(modelled, "stderr") + text(modelled, "console")
    assert text(modelled, "code") == "0\n", said
    assert "from the command" in text(modelled, "stdout"), said
    assert "BUG" not in text(modelled, "dmesg")
    assert "uvbus" not in text(modelled, "modules")


def test_its_transactions_are_recorded_like_those_of_a_vm_s_model(modelled: Path) -> None:
    trace = uvtrace.open(modelled / "run.pcapng")
    kinds = set(trace.column("kind"))
    assert {Kind.PROBE, Kind.MMIO_READ, Kind.MAP, Kind.DMA_READ, Kind.MSI, Kind.UNBIND} <= kinds
    assert trace.functions[0].driver == "uvnic1"
    assert Verdicts(judge(trace)).clean()
