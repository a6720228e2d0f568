# SPDX-License-Identifier: Apache-2.0
"""QEMU's PCI devices: what each needs around it, and how the guest makes it ready.

A model that is not in the table is passed to QEMU as it is, without set-up.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from uvtrace.errors import UsageError
from uvtrace.record.spec import QemuSpec

SCRATCH_BYTES = 64 << 20
"""Of the disk image that storage devices get."""


@dataclass(frozen=True)
class Attached:
    """A device as QEMU gets it.

    Attributes:
        arguments: QEMU's.
        name: the PCI function in the guest, ``0000:00:10.0``.
        setup: what the guest waits for once the driver is bound: ``network``, ``link``, ``disk``,
            ``none``.
        drivers: stock modules for it, to be kept from loading at boot.
        driver: the module to load for it, a name or a ``.ko``; empty for what modalias picks.
    """

    arguments: tuple[str, ...]
    name: str
    setup: str
    drivers: tuple[str, ...]
    driver: str = ""


Family = Callable[["_Slot"], list[str]]


@dataclass(frozen=True)
class _Slot:
    """Where a device goes, and what the functions below build arguments from."""

    number: int
    model: str
    properties: str
    folder: Path

    @property
    def address(self) -> int:
        return 0x10 + self.number

    def device(self, *more: str) -> list[str]:
        """``-device`` for the PCI function itself; the user's properties come last and win."""
        parts = [self.model, f"id=uvdev{self.number}", f"addr={self.address:#x}", *more]
        return ["-device", ",".join(parts + ([self.properties] if self.properties else []))]

    def drive(self) -> list[str]:
        path = str(self.folder / f"disk{self.number}.img").replace(",", ",,")
        return ["-drive", f"if=none,id=uvdisk{self.number},format=raw,file={path}"]

    def child(self, model: str, *more: str, bus: str = ".0") -> list[str]:
        """A device behind the function."""
        return ["-device", ",".join([model, f"bus=uvdev{self.number}{bus}", *more])]


def _nic(slot: _Slot) -> list[str]:
    # Each on a network of its own, so that routes in the guest are never ambiguous. Without a
    # boot ROM: the BIOS would run it, which takes a second.
    network = f"10.0.{2 + slot.number}.0/24"
    netdev = ["-netdev", f"user,id=uvnet{slot.number},net={network}"]
    return netdev + slot.device(f"netdev=uvnet{slot.number}", "romfile=")


def _nvme(slot: _Slot) -> list[str]:
    disk = f"drive=uvdisk{slot.number}"
    return slot.drive() + slot.device(disk, f"serial=uvtrace{slot.number}")


def _ahci(slot: _Slot) -> list[str]:
    disk = f"drive=uvdisk{slot.number}"
    return slot.drive() + slot.device() + slot.child("ide-hd", disk)


def _scsi(slot: _Slot) -> list[str]:
    disk = f"drive=uvdisk{slot.number}"
    return slot.drive() + slot.device() + slot.child("scsi-hd", disk)


def _usb(slot: _Slot) -> list[str]:
    disk = f"drive=uvdisk{slot.number}"
    return slot.drive() + slot.device() + slot.child("usb-storage", disk)


def _sdhci(slot: _Slot) -> list[str]:
    disk = f"drive=uvdisk{slot.number}"
    return slot.drive() + slot.device() + ["-device", f"sd-card,{disk}"]


def _virtio_blk(slot: _Slot) -> list[str]:
    return slot.drive() + slot.device(f"drive=uvdisk{slot.number}", "iommu_platform=on")


def _virtio_net(slot: _Slot) -> list[str]:
    arguments = _nic(slot)
    # Otherwise virtio goes round the DMA API and nothing of it can be seen.
    return [*arguments[:-1], f"{arguments[-1]},iommu_platform=on"]


def _audio(slot: _Slot) -> list[str]:
    audio = f"uvaudio{slot.number}"
    return ["-audiodev", f"none,id={audio}", *slot.device(f"audiodev={audio}")]


def _hda(slot: _Slot) -> list[str]:
    audio = f"uvaudio{slot.number}"
    codec = slot.child("hda-duplex", f"audiodev={audio}")
    return ["-audiodev", f"none,id={audio}", *slot.device(), *codec]


def _plain(slot: _Slot) -> list[str]:
    return slot.device()


@dataclass(frozen=True)
class _Model:
    family: Family
    setup: str
    drivers: tuple[str, ...]


_MODELS: dict[str, _Model] = {
    "e1000": _Model(_nic, "network", ("e1000",)),
    "e1000-82544gc": _Model(_nic, "network", ("e1000",)),
    "e1000-82545em": _Model(_nic, "network", ("e1000",)),
    "e1000e": _Model(_nic, "network", ("e1000e",)),
    "igb": _Model(_nic, "network", ("igb",)),
    "rtl8139": _Model(_nic, "network", ("8139cp", "8139too")),
    "vmxnet3": _Model(_nic, "network", ("vmxnet3",)),
    "pcnet": _Model(_nic, "network", ("pcnet32",)),
    "ne2k_pci": _Model(_nic, "network", ("ne2k-pci",)),
    "i82557b": _Model(_nic, "network", ("e100",)),
    "i82559er": _Model(_nic, "network", ("e100",)),
    "tulip": _Model(_nic, "network", ("tulip",)),
    "virtio-net-pci": _Model(_virtio_net, "network", ("virtio_net",)),
    "nvme": _Model(_nvme, "disk", ("nvme",)),
    "ahci": _Model(_ahci, "disk", ("ahci",)),
    "ich9-ahci": _Model(_ahci, "disk", ("ahci",)),
    "megasas": _Model(_scsi, "disk", ("megaraid_sas",)),
    "megasas-gen2": _Model(_scsi, "disk", ("megaraid_sas",)),
    "mptsas1068": _Model(_scsi, "disk", ("mptsas",)),
    "lsi53c895a": _Model(_scsi, "disk", ("sym53c8xx",)),
    "am53c974": _Model(_scsi, "disk", ("am53c974",)),
    "pvscsi": _Model(_scsi, "disk", ("vmw_pvscsi",)),
    "virtio-blk-pci": _Model(_virtio_blk, "disk", ("virtio_blk",)),
    "qemu-xhci": _Model(_usb, "disk", ("xhci_pci",)),
    "nec-usb-xhci": _Model(_usb, "disk", ("xhci_pci",)),
    "usb-ehci": _Model(_usb, "disk", ("ehci_pci",)),
    "ich9-usb-ehci1": _Model(_usb, "disk", ("ehci_pci",)),
    "piix3-usb-uhci": _Model(_usb, "disk", ("uhci_hcd",)),
    "piix4-usb-uhci": _Model(_usb, "disk", ("uhci_hcd",)),
    "pci-ohci": _Model(_usb, "disk", ("ohci_pci",)),
    "sdhci-pci": _Model(_sdhci, "disk", ("sdhci_pci",)),
    "ES1370": _Model(_audio, "none", ("snd_ens1370",)),
    "AC97": _Model(_audio, "none", ("snd_intel8x0",)),
    "intel-hda": _Model(_hda, "none", ("snd_hda_intel",)),
    "ich9-intel-hda": _Model(_hda, "none", ("snd_hda_intel",)),
    "edu": _Model(_plain, "none", ()),
}

_UNKNOWN = _Model(_plain, "none", ())

_ALIASES = {
    "8139cp": "rtl8139",
    "8139too": "rtl8139",
    "pcnet32": "pcnet",
    "ne2k-pci": "ne2k_pci",
    "e100": "i82557b",
    "es1370": "ES1370",
    "ac97": "AC97",
    "xhci": "qemu-xhci",
    "ehci": "usb-ehci",
    "uhci": "piix3-usb-uhci",
    "ohci": "pci-ohci",
}
"""Names that people use; QEMU does not know them."""


_TAKEN_PROPERTIES = ("id", "bus", "addr", "multifunction")


def attach(spec: QemuSpec, number: int, folder: Path) -> Attached:
    """Place a device on the VM's root bus.

    Args:
        spec: the device.
        number: how many devices were placed before it.
        folder: where its disk image goes, if it has one; the image is made (sparse).

    Raises:
        UsageError: a property would move the device away from where it is looked for.
    """
    for name in (part.partition("=")[0] for part in spec.properties.split(",")):
        if name in _TAKEN_PROPERTIES:
            raise UsageError(f"the property {name} is chosen by uvtrace", where=str(spec))
    name = _ALIASES.get(spec.model, spec.model)
    model = _MODELS.get(name, _UNKNOWN)
    slot = _Slot(number, name, spec.properties, folder)
    arguments = model.family(slot)
    if model.setup == "disk":
        with open(folder / f"disk{number}.img", "wb") as image:
            image.truncate(SCRATCH_BYTES)
    function = f"0000:00:{slot.address:02x}.0"
    # Several drive one device: then its name asks for one of them.
    driver = spec.model if spec.model in ("8139cp", "8139too") else ""
    return Attached(tuple(arguments), function, model.setup, model.drivers, driver)
