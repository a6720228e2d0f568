# SPDX-License-Identifier: Apache-2.0
"""CMSIS-SVD (1.3) into a register map.

A peripheral's ``baseAddress`` is its offset in BAR0. The device's ``vendorExtensions`` may say
otherwise, and whether the description is complete::

    <vendorExtensions>
      <uv_bar peripheral="DOORBELLS">2</uv_bar>
      <uv_bar peripheral="PORTS" port="true">1</uv_bar>
      <uv_partial/>
    </vendorExtensions>

SVD cannot say which registers hardware changes: every readable field counts as volatile.
Enumerated values, interrupts and write constraints are not read.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TypeVar
from xml.etree.ElementTree import Element

from uvtrace.registers.map import (
    MAX_ELEMENTS,
    MAX_WIDTH,
    Access,
    AddressSpace,
    Dimension,
    Field,
    OnRead,
    OnWrite,
    Register,
    RegisterMap,
)
from uvtrace.registers.safe_xml import Document

log = logging.getLogger(__name__)

Known = TypeVar("Known")

ACCESS = {
    "read-only": Access.R,
    "write-only": Access.W,
    "read-write": Access.RW,
    "writeOnce": Access.W1,
    "read-writeOnce": Access.RW1,
}
ON_READ = {
    "clear": OnRead.RCLR,
    "set": OnRead.RSET,
    "modify": OnRead.RUSER,
    "modifyExternal": OnRead.RUSER,
}
ON_WRITE = {
    "oneToClear": OnWrite.WOCLR,
    "oneToSet": OnWrite.WOSET,
    "oneToToggle": OnWrite.WOT,
    "zeroToClear": OnWrite.WZC,
    "zeroToSet": OnWrite.WZS,
    "zeroToToggle": OnWrite.WZT,
    "clear": OnWrite.WCLR,
    "set": OnWrite.WSET,
    "modify": OnWrite.WUSER,
}


def load_svd(path: str | os.PathLike[str]) -> RegisterMap:
    """Read a device's registers from a CMSIS-SVD file.

    Raises:
        InputError: not readable, not SVD, or not a description that makes sense; names file and
            line.
    """
    document = Document(path)
    device = document.root
    if device.tag != "device":
        raise document.refused(device, f"not CMSIS-SVD: its root is <{device.tag}>")
    return _Reader(document).read()


@dataclass(frozen=True, slots=True)
class _Properties:
    """What a register inherits from all that it stands in (registerPropertiesGroup)."""

    size: int = 32
    access: Access = Access.RW
    reset: int | None = None
    reset_mask: int = (1 << MAX_WIDTH) - 1


@dataclass(frozen=True, slots=True)
class _Place:
    """Where something stands: its name so far, BAR and offset, the arrays around it."""

    name: str
    bar: int
    offset: int
    dimensions: tuple[Dimension, ...]
    properties: _Properties

    def named(self, name: str) -> str:
        return f"{self.name}.{name}" if self.name else name


class _Reader:
    def __init__(self, document: Document) -> None:
        self.document = document
        self.device = document.root
        self.peripherals = self.device.findall("peripherals/peripheral")
        self.bars = self._bars()

    def read(self) -> RegisterMap:
        registers = [
            register for peripheral in self.peripherals for register in self._peripheral(peripheral)
        ]
        bars = {0: False} | dict(self.bars.values())
        used = {register.bar for register in registers}
        return RegisterMap(
            device=self.device.findtext("name", "device").strip(),
            spaces=tuple(AddressSpace(bar, bars[bar]) for bar in sorted(used)),
            registers=tuple(_without_alternates(registers)),
            partial=self.device.find("vendorExtensions/uv_partial") is not None,
        )

    def _bars(self) -> dict[str, tuple[int, bool]]:
        """Peripheral's name -> its BAR, and whether that is one of port I/O."""
        found = {}
        for element in self.device.iterfind("vendorExtensions/uv_bar"):
            bar = self._parse_number(element, element.text or "")
            if bar > 5:
                raise self.document.refused(element, f"uv_bar {bar}: a function has BARs 0 to 5")
            found[element.get("peripheral", "")] = (bar, element.get("port") == "true")
        return found

    # ------------------------------------------------------------------- levels

    def _peripheral(self, peripheral: Element) -> Iterator[Register]:
        name = self._text(peripheral, "name")
        source = self._derived(peripheral, self.peripherals, name)
        bar, _ = self.bars.get(name, (0, False))
        dimensions, name = self._dimensions(peripheral, name)
        properties = self._properties(self.device, _Properties())
        for layer in dict.fromkeys((source, peripheral)):
            properties = self._properties(layer, properties)
        place = _Place(
            name=name if len(self.peripherals) > 1 else "",
            bar=bar,
            offset=self._number(peripheral, "baseAddress"),
            dimensions=dimensions,
            properties=properties,
        )
        if dimensions and not place.name:
            place = replace(place, name=name)
        holder = peripheral.find("registers")
        if holder is None:
            holder = source.find("registers")
        yield from self._members(holder, place)

    def _members(self, holder: Element | None, place: _Place) -> Iterator[Register]:
        if holder is None:
            return
        for child in holder:
            if child.tag == "cluster":
                yield from self._cluster(child, holder, place)
            elif child.tag == "register":
                yield self._register(child, holder, place)

    def _cluster(self, cluster: Element, holder: Element, place: _Place) -> Iterator[Register]:
        name = self._text(cluster, "name")
        source = self._derived(cluster, holder.findall("cluster"), name)
        dimensions, name = self._dimensions(cluster, name)
        inner = _Place(
            name=place.named(name),
            bar=place.bar,
            offset=place.offset + self._number(cluster, "addressOffset"),
            dimensions=place.dimensions + dimensions,
            properties=self._properties(cluster, self._properties(source, place.properties)),
        )
        own = cluster if cluster.find("register") is not None else source
        yield from self._members(own, inner)

    def _register(self, register: Element, holder: Element, place: _Place) -> Register:
        name = self._text(register, "name")
        source = self._derived(register, holder.findall("register"), name)
        dimensions, name = self._dimensions(register, name)
        layers = tuple(dict.fromkeys((source, register)))
        properties = place.properties
        for layer in layers:
            properties = self._properties(layer, properties)
        if properties.size not in (8, 16, 32, MAX_WIDTH):
            raise self.document.refused(
                register, f"register {name} is {properties.size} bits wide; not 8, 16, 32 or 64"
            )
        return Register(
            name=place.named(name),
            bar=place.bar,
            offset=place.offset + self._number(register, "addressOffset"),
            width=properties.size,
            access_bytes=(properties.size // 8,),
            fields=self._fields(register, source, properties),
            dimensions=place.dimensions + dimensions,
            description=" ".join(_of(layers, "description").split()),
        )

    # ------------------------------------------------------------------- fields

    def _fields(
        self, register: Element, source: Element, properties: _Properties
    ) -> tuple[Field, ...]:
        holder = register.find("fields")
        if holder is None:
            holder = source.find("fields")
        layers = tuple(dict.fromkeys((source, register)))
        on_read = _of(layers, "readAction")
        on_write = _of(layers, "modifiedWriteValues")
        whole = Field(
            name="value",
            low=0,
            width=properties.size,
            access=properties.access,
            on_read=self._one_of(register, ON_READ, on_read),
            on_write=self._one_of(register, ON_WRITE, on_write),
        )
        if holder is None:
            return (_with_reset(whole, properties),)
        return tuple(
            _with_reset(field, properties)
            for element in holder.iterfind("field")
            for field in self._field(element, holder, whole)
        )

    def _field(self, element: Element, holder: Element, whole: Field) -> Iterator[Field]:
        name = self._text(element, "name")
        source = self._derived(element, holder.findall("field"), name)
        layers = tuple(dict.fromkeys((source, element)))
        low, width = self._bits(element, source)
        access = self._one_of(element, ACCESS, _of(layers, "access")) or whole.access
        on_read = self._one_of(element, ON_READ, _of(layers, "readAction"))
        on_write = self._one_of(element, ON_WRITE, _of(layers, "modifiedWriteValues"))
        dimensions, template = self._dimensions(element, name)
        step = dimensions[0].stride_bytes if dimensions else 0
        for number in range(dimensions[0].count if dimensions else 1):
            yield Field(
                name=template.replace("[]", f"[{number}]"),
                low=low + number * step,
                width=width,
                access=access,
                on_read=on_read or whole.on_read,
                on_write=on_write or whole.on_write,
                description=" ".join(_of(layers, "description").split()),
            )

    def _bits(self, element: Element, source: Element) -> tuple[int, int]:
        """Lowest bit and width, which SVD can say in three ways."""
        for layer in (element, source):
            pattern = (layer.findtext("bitRange") or "").strip()
            if match := re.fullmatch(r"\[(\d+):(\d+)\]", pattern):
                high, low = int(match[1]), int(match[2])
            elif layer.find("lsb") is not None:
                high, low = self._number(layer, "msb"), self._number(layer, "lsb")
            elif layer.find("bitOffset") is not None:
                low = self._number(layer, "bitOffset")
                high = low + self._number(layer, "bitWidth", 1) - 1
            else:
                continue
            if not 0 <= low <= high < MAX_WIDTH:
                raise self.document.refused(layer, f"bits {high}..{low} make no field")
            return low, high - low + 1
        raise self.document.refused(element, "a field without bitRange, lsb or bitOffset")

    # ------------------------------------------------------------------- pieces

    def _derived(self, element: Element, siblings: list[Element], name: str) -> Element:
        """What the element is derived from, or itself; one step, among its siblings."""
        wanted = element.get("derivedFrom")
        if wanted is None:
            return element
        for sibling in siblings:
            if (sibling.findtext("name") or "").strip() == wanted.rpartition(".")[2]:
                if sibling is element or sibling.get("derivedFrom") is not None:
                    break
                return sibling
        raise self.document.refused(
            element,
            f"{name} is derived from {wanted}, which is not beside it or is itself derived",
        )

    def _dimensions(self, element: Element, name: str) -> tuple[tuple[Dimension, ...], str]:
        """The array that an element is, and its name with ``[]`` for the index."""
        if element.find("dim") is None:
            return (), name
        count = self._number(element, "dim")
        if not 1 <= count <= MAX_ELEMENTS:
            raise self.document.refused(element, f"{name} is an array of {count}")
        dimension = Dimension(count, self._number(element, "dimIncrement"))
        if "%s" not in name:
            raise self.document.refused(element, f"{name} is an array, but its name lacks %s")
        return (dimension,), name.replace("[%s]", "[]").replace("%s", "[]")

    def _properties(self, element: Element, inherited: _Properties) -> _Properties:
        access = self._one_of(element, ACCESS, _of((element,), "access"))
        reset = element.find("resetValue")
        return _Properties(
            size=self._number(element, "size", inherited.size),
            access=access or inherited.access,
            reset=inherited.reset if reset is None else self._number(element, "resetValue"),
            reset_mask=self._number(element, "resetMask", inherited.reset_mask),
        )

    def _text(self, element: Element, tag: str) -> str:
        text = (element.findtext(tag) or "").strip()
        if not text:
            raise self.document.refused(element, f"<{element.tag}> without <{tag}>")
        return text

    def _number(self, element: Element, tag: str, default: int | None = None) -> int:
        child = element.find(tag)
        if child is None:
            if default is None:
                raise self.document.refused(element, f"<{element.tag}> without <{tag}>")
            return default
        return self._parse_number(child, child.text or "")

    def _parse_number(self, element: Element, text: str) -> int:
        """scaledNonNegativeInteger: decimal, 0x hexadecimal, # or 0b binary, k M G T."""
        digits = text.strip().lower().removeprefix("+")
        scale = 1
        if digits and digits[-1] in "kmgt" and not digits.startswith("#"):
            scale = 1024 ** ("kmgt".index(digits[-1]) + 1)
            digits = digits[:-1]
        try:
            if digits.startswith("#"):
                # x stands for a bit that does not matter.
                value = int(digits[1:].replace("x", "0"), 2)
            elif digits.startswith(("0x", "0b")):
                value = int(digits, 0)
            else:
                value = int(digits)
        except ValueError:
            value = -1
        if value < 0:
            raise self.document.refused(element, f"<{element.tag}> {text.strip()!r} is no number")
        return value * scale

    def _one_of(self, element: Element, known: dict[str, Known], text: str) -> Known | None:
        if not text:
            return None
        if text not in known:
            raise self.document.refused(element, f"{text!r} is none of {', '.join(known)}")
        return known[text]


def _of(layers: tuple[Element, ...], tag: str) -> str:
    """The text of a child, the last layer that has it winning."""
    for layer in reversed(layers):
        text = layer.findtext(tag)
        if text is not None:
            return text.strip()
    return ""


def _with_reset(field: Field, properties: _Properties) -> Field:
    """The field with its part of the register's reset value; volatile where it can be read."""
    ones = (1 << field.width) - 1
    known = properties.reset is not None and properties.reset_mask >> field.low & ones == ones
    return replace(
        field,
        reset=(properties.reset or 0) >> field.low & ones if known else None,
        volatile=field.access.readable,
    )


def _without_alternates(registers: list[Register]) -> list[Register]:
    """Registers that share an address by mode, as one of which only the address is known.

    SVD lets registers share an address (alternateRegister, alternateGroup), and a mode of the
    device tells which it is. The map keeps one without fields, which no rule but REG008 judges.
    One that is only read and one that is only written may stay beside each other.
    """
    kept: dict[tuple[int, int], list[Register]] = {}
    for register in registers:
        beside = kept.setdefault((register.bar, register.offset), [])
        clash = next((one for one in beside if _both(one, register)), None)
        if clash is None or clash.dimensions != register.dimensions:
            beside.append(register)
            continue
        log.info("%s and %s share an address; only that is kept", clash.name, register.name)
        beside[beside.index(clash)] = replace(
            clash if clash.width >= register.width else register,
            name=clash.name,
            fields=(),
            access_bytes=tuple(sorted({*clash.access_bytes, *register.access_bytes})),
        )
    return [register for beside in kept.values() for register in beside]


def _both(one: Register, other: Register) -> bool:
    return (one.readable and other.readable) or (one.writable and other.writable)
