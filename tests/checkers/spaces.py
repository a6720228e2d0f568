# SPDX-License-Identifier: Apache-2.0
"""Config space of a PCI Express function, as a snapshot tells it."""

from __future__ import annotations

POWER, MSI, EXPRESS, MSIX = 0x40, 0x50, 0x60, 0xA0
DEVICE_CONTROL = EXPRESS + 8
COMMAND = 0x04
BAR0, BAR1 = 0x10, 0x14


def config_space(
    *,
    command: int = 0x6,
    status: int = 0x10,
    bars: tuple[int, ...] = (0xFEB80000, 0xC001),
    power_state: int = 0,
    no_soft_reset: bool = True,
    payload_supported: int = 0,
    msi_control: int = 0x80,
    msi_address: int = 0xFEE00000,
    msi_data: int = 0x4021,
    msix_control: int = 0x0002,
    msix_bar: int = 0,
    msix: bool = True,
    last_pointer: int = 0,
    size: int = 256,
) -> bytes:
    """A type 0 header with power management, MSI (64 bits), PCI Express and MSI-X.

    ``payload_supported`` is the encoding (0: 128 bytes); ``msix_control`` holds the size - 1, and
    the table is at offset 0x10000 of ``msix_bar``, the PBA at 0x11000; ``last_pointer`` is where
    the last capability points to; without ``msix`` that one is not in the list.
    """
    space = bytearray(size)

    def put(at: int, width: int, value: int) -> None:
        space[at : at + width] = value.to_bytes(width, "little")

    put(0x00, 4, 0x100E8086)
    put(COMMAND, 2, command)
    put(0x06, 2, status)
    for number, value in enumerate(bars):
        put(BAR0 + 4 * number, 4, value)
    put(0x34, 1, POWER)
    put(POWER, 4, 0x0003 << 16 | MSI << 8 | 0x01)
    put(POWER + 4, 2, power_state | (0x8 if no_soft_reset else 0))
    put(MSI, 4, msi_control << 16 | EXPRESS << 8 | 0x05)
    put(MSI + 4, 8, msi_address)
    put(MSI + 12, 2, msi_data)
    put(EXPRESS, 4, 0x0002 << 16 | (MSIX if msix else 0) << 8 | 0x10)
    put(EXPRESS + 4, 4, 0x10000000 | payload_supported)
    put(DEVICE_CONTROL, 2, 0x2010)
    put(MSIX, 4, msix_control << 16 | last_pointer << 8 | 0x11)
    put(MSIX + 4, 4, 0x10000 | msix_bar)
    put(MSIX + 8, 4, 0x11000 | msix_bar)
    return bytes(space)
