# SPDX-License-Identifier: Apache-2.0
"""A register file with an interrupt generator; its driver is ``kmod/drivers/regs_msi.c``."""

from __future__ import annotations

from uvtrace.device import (
    ConfigSpace,
    Device,
    MemoryBar,
    Msi,
    MsiX,
    PowerManagement,
    ResetKind,
    on_write,
)
from uvtrace.device.config import Capability
from uvtrace.errors import UsageError

VECTORS_MAX = 8
_US_NS = 1_000


class RegsMsi(Device):
    """The model.

    Args:
        vectors: how many it has, 1 to 8; of MSI a power of two.
        interrupts: ``msix``, ``msi`` or ``intx``, which has one vector.
    """

    driver = "regs_msi"
    registers = "registers.rdl"

    def __init__(self, vectors: int = 4, interrupts: str = "msix") -> None:
        if not 1 <= vectors <= VECTORS_MAX:
            raise UsageError(f"{vectors} vectors", hint=f"it has 1 to {VECTORS_MAX}")
        self.config = ConfigSpace(
            vendor=0x5556,
            device=0x0002,
            class_code=0xFF0000,
            bars=[MemoryBar(0, 4096), MemoryBar(1, 4096)],
            capabilities=[PowerManagement(), *_capability(interrupts, vectors)],
        )
        self.interrupts = interrupts
        self.vectors = 1 if interrupts == "intx" else vectors

    def on_reset(self, kind: ResetKind) -> None:
        """Nothing is being sent."""
        self.sending = False

    @on_write("TRIGGER")
    def trigger(self, value: int) -> None:
        """Begin to send; what is sending already takes the new number."""
        if value and not self.sending:
            self.start(self.generate())

    async def generate(self) -> None:
        """Send until TRIGGER is 0."""
        self.sending = True
        while self.reg["TRIGGER"]:
            if delay_us := self.reg["DELAY_US"]:
                await self.sleep(delay_us * _US_NS)
            if self.reg["TRIGGER"]:
                self.send()
        self.sending = False

    def send(self) -> None:
        """One interrupt."""
        vector = self.reg["VECTOR"] % self.vectors_enabled
        self.reg["TRIGGER"] -= 1
        self.reg["SENT"] += 1
        self.reg["PENDING"] |= 1 << vector
        self.interrupt(vector)

    @property
    def vectors_enabled(self) -> int:
        """MSI may allow fewer than there are (PCI Local Bus 3.0, 6.8.1.3: Message Enable)."""
        if self.interrupts != "msi":
            return self.vectors
        control = self.config_value(self.config.offsets()[-1] + 2, 2)
        return min(self.vectors, 1 << (control >> 4 & 7))

    @on_write("PENDING")
    def acknowledge(self, _: int) -> None:
        """The line, where it is used, is up as long as there is something pending."""
        if not self.bus.uses_messages:
            self.intx(self.reg["PENDING"] != 0)


def _capability(interrupts: str, vectors: int) -> list[Capability]:
    if interrupts == "msix":
        return [MsiX(vectors, bar=1)]
    if interrupts == "msi" and vectors & (vectors - 1) == 0:
        return [Msi(vectors)]
    if interrupts == "intx":
        return []
    raise UsageError(
        f"{interrupts} with {vectors} vectors", hint="interrupts=msix, or msi with 1, 2, 4 or 8"
    )
