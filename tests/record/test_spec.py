# SPDX-License-Identifier: Apache-2.0
"""What --device may name, and how QEMU's devices are attached."""

from __future__ import annotations

from pathlib import Path

import pytest

from uvtrace.errors import UsageError
from uvtrace.record import models, spec


@pytest.mark.parametrize(
    ("text", "parsed"),
    [
        ("qemu:e1000", spec.QemuSpec("e1000")),
        ("qemu:e1000,mac=52:54:00:00:00:01", spec.QemuSpec("e1000", "mac=52:54:00:00:00:01")),
        ("model:uvnic1", spec.ModelSpec("uvnic1")),
        ("model:./nic.py,port=tap,mac=1", spec.ModelSpec("./nic.py", "port=tap,mac=1")),
        ("pci:0000:00:1f.6", spec.FunctionSpec(0, 0, 0x1F, 6)),
        ("pci:00:03.0", spec.FunctionSpec(0, 0, 3, 0)),
        ("pci:10000:e1:00.0", spec.FunctionSpec(0x10000, 0xE1, 0, 0)),
        ("pci:8086:100E", spec.IdSpec(0x8086, 0x100E)),
    ],
)
def test_a_specification_names_a_device(text: str, parsed: spec.DeviceSpec) -> None:
    assert spec.parse(text) == parsed
    assert spec.parse(str(parsed)) == parsed


@pytest.mark.parametrize(
    "text",
    ["", "e1000", "qemu:", "qemu:,mac=1", "qemu:e1000 -nic", "pci:", "pci:1", "pci:00:20.0",
     "pci:00:03.8", "usb:1-1", "model:", "model:,mac=1", "model:nic,mac",
     "trace:", "trace:a.pcapng,b"],
)  # fmt: skip
def test_what_is_no_device_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(UsageError) as raised:
        spec.parse(text)
    assert "\n" not in str(raised.value)


def test_a_recording_that_plays_is_a_model_told_without_its_folder() -> None:
    parsed = spec.parse("trace:/home/me/run.pcapng,function=0000:00:10.0")
    assert parsed == spec.ModelSpec("trace", "file=/home/me/run.pcapng,function=0000:00:10.0")
    assert spec.told(parsed) == "model:trace,file=run.pcapng,function=0000:00:10.0"


def test_devices_get_places_of_their_own(tmp_path: Path) -> None:
    first = models.attach(spec.QemuSpec("e1000"), 0, tmp_path)
    second = models.attach(spec.QemuSpec("e1000e", "mac=52:54:00:12:34:99"), 1, tmp_path)
    assert (first.name, second.name) == ("0000:00:10.0", "0000:00:11.0")
    assert "addr=0x10" in first.arguments[-1]
    assert second.arguments[-1].endswith(",mac=52:54:00:12:34:99")
    networks = {device.arguments[1].partition("net=")[2] for device in (first, second)}
    assert networks == {"10.0.2.0/24", "10.0.3.0/24"}


@pytest.mark.parametrize("name", ["nvme", "ahci", "pvscsi", "qemu-xhci", "sdhci-pci"])
def test_a_storage_device_gets_a_scratch_image(name: str, tmp_path: Path) -> None:
    device = models.attach(spec.QemuSpec(name), 2, tmp_path)
    assert device.setup == "disk"
    assert (tmp_path / "disk2.img").stat().st_size == models.SCRATCH_BYTES
    assert any("uvdisk2" in argument for argument in device.arguments)


def test_the_driver_s_name_serves_for_the_model(tmp_path: Path) -> None:
    assert models.attach(spec.QemuSpec("8139too"), 0, tmp_path).arguments[-1].startswith("rtl8139,")
    assert models.attach(spec.QemuSpec("8139too"), 0, tmp_path).driver == "8139too"
    assert models.attach(spec.QemuSpec("rtl8139"), 0, tmp_path).driver == ""


def test_an_unknown_model_is_passed_on_without_setup(tmp_path: Path) -> None:
    device = models.attach(spec.QemuSpec("brand-new"), 0, tmp_path)
    assert device.setup == "none"
    assert device.arguments == ("-device", "brand-new,id=uvdev0,addr=0x10")


def test_a_property_that_would_move_the_device_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="addr is chosen by uvtrace"):
        models.attach(spec.QemuSpec("e1000", "addr=0x3"), 0, tmp_path)
