# SPDX-License-Identifier: Apache-2.0
"""Config space: three images that say what a function has and what software can change."""

from __future__ import annotations

import pytest

from uvtrace.device import (
    ConfigSpace,
    MemoryBar,
    Msi,
    MsiX,
    PciExpress,
    PortBar,
    PowerManagement,
    SerialNumber,
    Vendor,
)
from uvtrace.device.config import Capability, Images
from uvtrace.errors import UsageError


def _space(**more: object) -> ConfigSpace:
    return ConfigSpace(vendor=0x8086, device=0x100E, class_code=0x020000, **more)  # type: ignore


def _value(image: bytearray, at: int, size: int) -> int:
    return int.from_bytes(image[at : at + size], "little")


def _images(*capabilities: Capability) -> Images:
    return _space(capabilities=capabilities).images()


def test_the_header_says_who_it_is() -> None:
    images = _space(revision=3, subsystem_vendor=0x1AF4, subsystem=0x1100).images()
    assert _value(images.values, 0x00, 4) == 0x100E8086
    assert _value(images.values, 0x08, 4) == 0x02000003
    assert _value(images.values, 0x0E, 1) == 0
    assert _value(images.values, 0x2C, 4) == 0x11001AF4
    assert images.values[0x3D] == 1
    assert _value(images.writable, 0x00, 4) == 0


def test_bars_have_their_type_and_their_size() -> None:
    images = _space(
        bars=[MemoryBar(0, 0x20000), PortBar(1, 64), MemoryBar(2, 1 << 33, True, True)]
    ).images()
    assert _value(images.values, 0x10, 4) == 0
    assert _value(images.writable, 0x10, 4) == 0xFFFE0000
    assert _value(images.values, 0x14, 4) == 1
    assert _value(images.writable, 0x14, 4) == 0xFFFFFFC0
    assert _value(images.values, 0x18, 4) == 0xC
    assert _value(images.writable, 0x18, 8) == 0xFFFFFFFE_00000000
    assert _value(images.writable, 0x20, 4) == 0


@pytest.mark.parametrize(
    ("bars", "command"),
    [([], 0x544), ([MemoryBar(0, 16)], 0x546), ([PortBar(0, 4)], 0x545)],
)
def test_only_the_decoding_that_there_is_can_be_enabled(bars: list[object], command: int) -> None:
    assert _value(_space(bars=bars).images().writable, 4, 2) == command


def test_capabilities_are_a_list_that_ends() -> None:
    images = _images(PowerManagement(), Msi(4, maskable=True), MsiX(8, 1), PciExpress())
    at, seen = images.values[0x34], []
    while at:
        assert at % 4 == 0
        seen.append(images.values[at])
        at = images.values[at + 1]
    assert seen == [0x01, 0x05, 0x11, 0x10]
    assert _value(images.values, 6, 2) & 0x10
    assert not _value(_images().values, 6, 2) & 0x10


def test_msi_can_be_enabled_addressed_and_masked() -> None:
    images = _images(Msi(4, maskable=True))
    assert _value(images.values, 0x42, 2) == 0x0184
    assert _value(images.writable, 0x42, 2) == 0x0071
    assert _value(images.writable, 0x44, 8) == 0xFFFFFFFF_FFFFFFFC
    assert _value(images.writable, 0x4C, 2) == 0xFFFF
    assert _value(images.writable, 0x50, 4) == 0xF
    assert _value(images.writable, 0x54, 4) == 0


def test_narrow_msi_has_its_data_behind_its_address() -> None:
    images = _images(Msi(wide=False))
    assert _value(images.values, 0x42, 2) == 0
    assert _value(images.writable, 0x48, 2) == 0xFFFF


def test_msix_says_where_its_table_lies() -> None:
    images = _images(MsiX(10, bar=3, table=0x2000))
    assert _value(images.values, 0x42, 2) == 9
    assert _value(images.writable, 0x42, 2) == 0xC000
    assert _value(images.values, 0x44, 4) == 0x2003
    assert _value(images.values, 0x48, 4) == 0x20A3
    apart = _images(MsiX(10, bar=3, table=0, pending=0x100, pending_bar=4))
    assert _value(apart.values, 0x48, 4) == 0x104


def test_pci_express_says_its_payload_and_whether_it_can_be_reset() -> None:
    images = _images(PciExpress(max_payload=512))
    assert _value(images.values, 0x44, 4) == 1 << 28 | 1 << 15 | 2
    assert _value(images.writable, 0x48, 2) & 0x8000
    assert _value(images.clearable, 0x4A, 2) == 0xF
    assert not _value(_images(PciExpress(flr=False)).writable, 0x48, 2) & 0x8000


def test_power_management_keeps_its_status_until_it_is_cleared() -> None:
    images = _images(PowerManagement())
    assert _value(images.clearable, 0x44, 2) == 0x8000
    assert _value(images.writable, 0x44, 2) == 0x0103
    assert _value(images.values, 0x44, 2) == 8


def test_extended_capabilities_begin_at_256() -> None:
    space = _space(extended=[SerialNumber(0x1122334455667788)])
    images = space.images()
    assert space.size == len(images.values) == 4096
    assert _value(images.values, 0x100, 4) == 0x00010003
    assert _value(images.values, 0x104, 8) == 0x1122334455667788


def test_a_vendor_s_capability_has_its_data() -> None:
    images = _images(Vendor(b"abc"), Msi())
    assert bytes(images.values[0x40:0x46]) == b"\x09\x48\x06abc"


@pytest.mark.parametrize(
    ("more", "complaint"),
    [
        ({"bars": [MemoryBar(0, 100)]}, "BAR0: 100 bytes are no size"),
        ({"bars": [PortBar(0, 512)]}, "BAR0: 512 bytes are no size"),
        ({"bars": [MemoryBar(0, 16, True), MemoryBar(1, 16)]}, "BAR1: is not free"),
        ({"bars": [MemoryBar(5, 16, True)]}, "BAR5: is not free"),
        ({"capabilities": [Msi()], "at": {0: 0x30}}, "cannot lie at 0x30"),
        ({"capabilities": [Msi(), Msi()], "at": {1: 0x44}}, "overlap at 0x44"),
        ({"capabilities": [PciExpress()] * 4}, "cannot lie at 0xf4"),
    ],
)
def test_what_cannot_be_is_refused(more: dict[str, object], complaint: str) -> None:
    with pytest.raises(UsageError, match=complaint):
        _space(**more)
