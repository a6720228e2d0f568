# SPDX-License-Identifier: Apache-2.0
"""What can happen in a :class:`tests.story.Story`: one method per kind of event."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Self

import numpy as np

from uvtrace.trace.documents import document_records
from uvtrace.trace.enums import Flag, Kind, LossCause, Phase, Snapshot, Topic
from uvtrace.trace.layout import BAR, FUNCTION_NONE, META

IORESOURCE_IO = 0x100
IORESOURCE_MEM = 0x200


class _Telling:
    """What the events need of a story."""

    registers: dict[str, int]

    def record(self, kind: Kind | int, *, payload: bytes | None = None, **fields: Any) -> Self:
        raise NotImplementedError

    def offset_of(self, register: str | int) -> int:
        raise NotImplementedError

    def new_tag(self) -> int:
        raise NotImplementedError

    def new_document(self) -> int:
        raise NotImplementedError

    def names_module(self, name: str) -> int:
        raise NotImplementedError

    @property
    def driver(self) -> str:
        raise NotImplementedError

    @property
    def bars(self) -> Any:
        raise NotImplementedError


class BusEvents(_Telling):
    """Config, MMIO, port I/O, and what the device sends."""

    def config_read(self, offset: int, value: int, *, width: int = 4, **fields: Any) -> Self:
        """The driver reads configuration space."""
        return self._config(Kind.CONFIG_READ, offset, value, width, fields)

    def config_write(self, offset: int, value: int, *, width: int = 2, **fields: Any) -> Self:
        """The driver writes configuration space."""
        return self._config(Kind.CONFIG_WRITE, offset, value, width, fields)

    def mmio_read(self, register: str | int, value: int = 0, **fields: Any) -> Self:
        """The driver reads a register; ``bar`` 0 and ``width`` 4 unless given."""
        return self._access(Kind.MMIO_READ, register, value, 0, fields)

    def mmio_write(self, register: str | int, value: int = 0, **fields: Any) -> Self:
        """The driver writes a register; ``bar`` 0 and ``width`` 4 unless given."""
        return self._access(Kind.MMIO_WRITE, register, value, 0, fields)

    def pio_read(self, register: str | int, value: int = 0, **fields: Any) -> Self:
        """The driver reads a port; ``bar`` 1 and ``width`` 4 unless given."""
        return self._access(Kind.PIO_READ, register, value, 1, fields)

    def pio_write(self, register: str | int, value: int = 0, **fields: Any) -> Self:
        """The driver writes a port; ``bar`` 1 and ``width`` 4 unless given."""
        return self._access(Kind.PIO_WRITE, register, value, 1, fields)

    def dma_read(
        self, address: int, length: int = 4, payload: bytes | None = None, **fields: Any
    ) -> Self:
        """The device reads memory: request and completion in one record."""
        given = {"phase": Phase.WHOLE, **fields}
        return self.record(Kind.DMA_READ, address=address, length=length, payload=payload, **given)

    def dma_write(
        self, address: int, length: int = 4, payload: bytes | None = None, **fields: Any
    ) -> Self:
        """The device writes memory: a posted request."""
        given = {"phase": Phase.POSTED, "flags": Flag.WRITE, **fields}
        return self.record(Kind.DMA_WRITE, address=address, length=length, payload=payload, **given)

    def msi(self, vector: int = 0, **fields: Any) -> Self:
        """The device sends an MSI."""
        return self._message(Kind.MSI, vector, fields)

    def msix(self, vector: int = 0, **fields: Any) -> Self:
        """The device sends an MSI-X message."""
        return self._message(Kind.MSIX, vector, fields)

    def intx_assert(self, **fields: Any) -> Self:
        """The device asserts its INTx line."""
        return self.record(Kind.INTX_ASSERT, **fields)

    def intx_deassert(self, **fields: Any) -> Self:
        """The device deasserts its INTx line."""
        return self.record(Kind.INTX_DEASSERT, **fields)

    def _config(
        self, kind: Kind, offset: int, value: int, width: int, fields: dict[str, Any]
    ) -> Self:
        given = {
            "address": offset,
            "offset": offset,
            "length": width,
            "width": width,
            "value": value,
            "bar": 0xFF,
            "phase": Phase.WHOLE,
            "flags": Flag.WRITE if kind == Kind.CONFIG_WRITE else 0,
        }
        return self.record(kind, **{**given, **fields})

    def _access(
        self, kind: Kind, register: str | int, value: int, usual_bar: int, fields: dict[str, Any]
    ) -> Self:
        fields = dict(fields)
        self.registers.update(fields.pop("registers", {}))
        offset = self.offset_of(register)
        bar = fields.setdefault("bar", usual_bar)
        width = fields.setdefault("width", 4)
        base, _ = self.bars.get(bar, (0, 0))
        is_write = kind in (Kind.MMIO_WRITE, Kind.PIO_WRITE)
        given = {
            "address": base + offset,
            "offset": offset,
            "length": width,
            "value": value,
            "phase": Phase.POSTED if kind == Kind.MMIO_WRITE else Phase.WHOLE,
            "flags": Flag.WRITE if is_write else 0,
            "duration_ns": 0 if is_write else 900,
        }
        return self.record(kind, **{**given, **fields})

    def _message(self, kind: Kind, vector: int, fields: dict[str, Any]) -> Self:
        address, data = 0xFEE00000, 0x4021 + vector
        given = {
            "vector": vector,
            "address": address,
            "message_address": address,
            "message_data": data,
            "value": data,
            "length": 4,
            "flags": Flag.WRITE,
        }
        return self.record(kind, **{**given, **fields})


class DmaEvents(_Telling):
    """The DMA API."""

    def map(self, address: int, length: int, direction: str = "TO_DEVICE", **fields: Any) -> Self:
        """dma_map_single or dma_map_page has returned."""
        return self._call(Kind.MAP, address, length, {"direction": direction, **fields})

    def unmap(self, address: int, length: int, direction: str = "TO_DEVICE", **fields: Any) -> Self:
        """dma_unmap_single or dma_unmap_page is called."""
        return self._call(Kind.UNMAP, address, length, {"direction": direction, **fields})

    def map_sg(
        self,
        segments: Sequence[tuple[int, int]],
        direction: str = "TO_DEVICE",
        *,
        nents: int | None = None,
        **fields: Any,
    ) -> Self:
        """dma_map_sg has returned: one record per segment (address, length)."""
        return self._sg(Kind.MAP, segments, direction, nents, fields)

    def unmap_sg(
        self,
        segments: Sequence[tuple[int, int]],
        direction: str = "TO_DEVICE",
        *,
        nents: int | None = None,
        **fields: Any,
    ) -> Self:
        """dma_unmap_sg is called."""
        return self._sg(Kind.UNMAP, segments, direction, nents, fields)

    def sync_for_cpu(
        self, address: int, length: int, direction: str = "FROM_DEVICE", **fields: Any
    ) -> Self:
        """dma_sync_single_for_cpu is called."""
        return self._call(Kind.SYNC_FOR_CPU, address, length, {"direction": direction, **fields})

    def sync_for_device(
        self, address: int, length: int, direction: str = "FROM_DEVICE", **fields: Any
    ) -> Self:
        """dma_sync_single_for_device is called."""
        fields = {"direction": direction, **fields}
        return self._call(Kind.SYNC_FOR_DEVICE, address, length, fields)

    def alloc(self, address: int, length: int, **fields: Any) -> Self:
        """dma_alloc_coherent has returned."""
        return self._call(Kind.ALLOC, address, length, _coherent(fields))

    def free(self, address: int, length: int, **fields: Any) -> Self:
        """dma_free_coherent is called."""
        return self._call(Kind.FREE, address, length, _coherent(fields))

    def pool_create(self, pool: int, size: int, *, align: int = 4, **fields: Any) -> Self:
        """dma_pool_create has returned pool number ``pool`` of blocks of ``size`` bytes."""
        return self._pool(Kind.POOL_CREATE, pool, 0, size, {"align": align, **fields})

    def pool_destroy(self, pool: int, **fields: Any) -> Self:
        """dma_pool_destroy is called."""
        return self._pool(Kind.POOL_DESTROY, pool, 0, 0, fields)

    def pool_alloc(self, pool: int, address: int, length: int, **fields: Any) -> Self:
        """dma_pool_alloc has returned."""
        return self._pool(Kind.POOL_ALLOC, pool, address, length, fields)

    def pool_free(self, pool: int, address: int, length: int = 0, **fields: Any) -> Self:
        """dma_pool_free is called."""
        return self._pool(Kind.POOL_FREE, pool, address, length, fields)

    def memory(self, address: int, contents: bytes, **fields: Any) -> Self:
        """What mapped memory holds at this moment."""
        return self.record(
            Kind.MEMORY, address=address, length=len(contents), payload=contents, **fields
        )

    def _call(self, kind: Kind, address: int, length: int, fields: dict[str, Any]) -> Self:
        given = {"entries": 1, "nents": 1, "phys": address, "flavour": "SINGLE"}
        return self.record(kind, address=address, length=length, **{**given, **fields})

    def _pool(
        self, kind: Kind, pool: int, address: int, length: int, fields: dict[str, Any]
    ) -> Self:
        return self._call(
            kind, address, length, {"phys": pool, "flavour": "POOL", "direction": 0, **fields}
        )

    def _sg(
        self,
        kind: Kind,
        segments: Sequence[tuple[int, int]],
        direction: str,
        nents: int | None,
        fields: dict[str, Any],
    ) -> Self:
        given = {
            "direction": direction,
            "flavour": "SG",
            "entries": len(segments),
            "nents": len(segments) if nents is None else nents,
            "tag": self.new_tag(),
        }
        for entry, (address, length) in enumerate(segments):
            self._call(kind, address, length, {**given, "entry": entry, **fields})
        return self


def _coherent(fields: dict[str, Any]) -> dict[str, Any]:
    return {"direction": "BIDIRECTIONAL", "flavour": "COHERENT", **fields}


class InterruptEvents(_Telling):
    """What the CPU sees of interrupts."""

    def vector_alloc(
        self, count: int, type: str = "MSIX", *, minimum: int = 1, **fields: Any
    ) -> Self:
        """pci_alloc_irq_vectors has granted ``count`` vectors."""
        return self.record(
            Kind.VECTOR_ALLOC, count=count, type=type, minimum=minimum, result=count, **fields
        )

    def vector_free(self, **fields: Any) -> Self:
        """pci_free_irq_vectors is called."""
        return self.record(Kind.VECTOR_FREE, **fields)

    def irq_request(self, irq: int, *, type: str = "INTX", vector: int = 0, **fields: Any) -> Self:
        """request_irq is called; ``handler`` is a site, the driver's ``_intr`` by default."""
        return self._irq(Kind.IRQ_REQUEST, irq, type, vector, fields)

    def irq_free(self, irq: int, *, type: str = "INTX", vector: int = 0, **fields: Any) -> Self:
        """free_irq has returned."""
        return self._irq(Kind.IRQ_FREE, irq, type, vector, fields)

    def handler_enter(
        self, irq: int, *, type: str = "INTX", vector: int = 0, **fields: Any
    ) -> Self:
        """The interrupt handler is entered."""
        fields = {"phase": Phase.REQUEST, "flags": Flag.HARDIRQ | Flag.IRQS_OFF, **fields}
        return self._irq(Kind.HANDLER_ENTER, irq, type, vector, fields)

    def handler_exit(
        self, irq: int, result: int = 1, *, type: str = "INTX", vector: int = 0, **fields: Any
    ) -> Self:
        """The interrupt handler has returned ``result`` (irqreturn_t: 0 not ours, 1 handled)."""
        usual = {"phase": Phase.COMPLETION, "flags": Flag.HARDIRQ | Flag.IRQS_OFF}
        return self._irq(
            Kind.HANDLER_EXIT, irq, type, vector, {**usual, "result": result, **fields}
        )

    def interrupt(self, irq: int, result: int = 1, **fields: Any) -> Self:
        """The handler is entered and returns; one tag pairs both."""
        fields = {"tag": self.new_tag(), **fields}
        return self.handler_enter(irq, **fields).handler_exit(irq, result, **fields)

    def _irq(
        self, kind: Kind, irq: int, irq_type: str, vector: int, fields: dict[str, Any]
    ) -> Self:
        given = {"handler": f"{self.driver}_intr", "shared": int(irq_type == "INTX")}
        return self.record(kind, irq=irq, type=irq_type, vector=vector, **{**given, **fields})


class LifeEvents(_Telling):
    """The life of a function and of its resources."""

    def iomap(
        self,
        bar: int = 0,
        *,
        offset: int = 0,
        length: int | None = None,
        mapping: int = 1,
        **fields: Any,
    ) -> Self:
        """ioremap of a BAR has returned; the whole BAR unless ``length`` is given."""
        given = {"trapped": 1, "mapping": mapping, **fields}
        return self._window(Kind.IOMAP, bar, offset, length, given)

    def iounmap(
        self,
        bar: int = 0,
        *,
        offset: int = 0,
        length: int | None = None,
        mapping: int = 1,
        **fields: Any,
    ) -> Self:
        """iounmap is called."""
        return self._window(Kind.IOUNMAP, bar, offset, length, {"mapping": mapping, **fields})

    def region_request(self, bar: int = 0, **fields: Any) -> Self:
        """pci_request_region has returned."""
        return self._window(Kind.REGION_REQUEST, bar, 0, None, fields)

    def region_release(self, bar: int = 0, **fields: Any) -> Self:
        """pci_release_region is called."""
        return self._window(Kind.REGION_RELEASE, bar, 0, None, fields)

    def enable_device(self, **fields: Any) -> Self:
        """pci_enable_device has returned."""
        return self.record(Kind.ENABLE_DEVICE, **fields)

    def disable_device(self, **fields: Any) -> Self:
        """pci_disable_device is called."""
        return self.record(Kind.DISABLE_DEVICE, **fields)

    def set_master(self, **fields: Any) -> Self:
        """pci_set_master is called."""
        return self.record(Kind.SET_MASTER, **fields)

    def clear_master(self, **fields: Any) -> Self:
        """pci_clear_master is called."""
        return self.record(Kind.CLEAR_MASTER, **fields)

    def dma_mask(self, bits: int = 64, **fields: Any) -> Self:
        """dma_set_mask has returned."""
        return self.record(Kind.DMA_MASK, value=(1 << bits) - 1, **fields)

    def segment_limit(self, size: int, boundary: int = 0xFFFFFFFF, **fields: Any) -> Self:
        """dma_set_max_seg_size or dma_set_seg_boundary has returned."""
        return self.record(Kind.SEGMENT_LIMIT, value=size, segment_boundary=boundary, **fields)

    def module_load(self, name: str, build_id: bytes = bytes(20), **fields: Any) -> Self:
        """A module whose sites appear has been loaded."""
        given = {
            "index": self.names_module(name),
            "build_id": build_id.ljust(32, b"\0"),
            "build_id_length": len(build_id),
            "length": 0x100000,
            "function": FUNCTION_NONE,
        }
        return self.record(Kind.MODULE_LOAD, payload=name.encode(), **{**given, **fields})

    def module_unload(self, name: str, **fields: Any) -> Self:
        """A module has gone."""
        given = {"index": self.names_module(name), "function": FUNCTION_NONE}
        return self.record(Kind.MODULE_UNLOAD, payload=name.encode(), **{**given, **fields})

    def probe(self, **fields: Any) -> Self:
        """The driver's probe begins."""
        return self._driver(Kind.PROBE, Phase.REQUEST, fields)

    def probe_failed(self, result: int = -19, **fields: Any) -> Self:
        """The driver's probe has failed with an errno."""
        given = {"result": result, "status": "FAILED", **fields}
        return self._driver(Kind.PROBE, Phase.COMPLETION, given)

    def bind(self, **fields: Any) -> Self:
        """Probe has succeeded."""
        return self._driver(Kind.BIND, Phase.POSTED, fields)

    def remove(self, **fields: Any) -> Self:
        """The driver's remove begins."""
        return self._driver(Kind.UNBIND, Phase.REQUEST, fields)

    def unbound(self, **fields: Any) -> Self:
        """The function has no driver any more, devres included."""
        return self._driver(Kind.UNBIND, Phase.COMPLETION, fields)

    def power(self, old: int, new: int, **fields: Any) -> Self:
        """The power state changes; D0 to D3hot are 0 to 3, D3cold is 4."""
        return self.record(Kind.POWER, old_state=old, new_state=new, **fields)

    def reset(self, **fields: Any) -> Self:
        """The function has been reset."""
        return self.record(Kind.RESET, **fields)

    def error(self, error_status: int, severity: int = 0, **fields: Any) -> Self:
        """AER reports an error; severity 0 non-fatal, 1 fatal, 2 corrected."""
        return self.record(Kind.ERROR, error_status=error_status, severity=severity, **fields)

    def _driver(self, kind: Kind, phase: Phase, fields: dict[str, Any]) -> Self:
        given = {"phase": phase, "payload": self.driver.encode()}
        return self.record(kind, **{**given, **fields})

    def _window(
        self, kind: Kind, bar: int, offset: int, length: int | None, fields: dict[str, Any]
    ) -> Self:
        base, size = self.bars.get(bar, (0, 0))
        given = {
            "bar": bar,
            "offset": offset,
            "address": base + offset,
            "length": size - offset if length is None else length,
        }
        return self.record(kind, **{**given, **fields})


class TraceEvents(_Telling):
    """Snapshots, metadata, marks, loss."""

    def begin(self, config: bytes | None = None, *, driver: str = "") -> Self:
        """The snapshots that a recording begins with: config space, BARs, driver, delays."""
        space = self.config_space() if config is None else config
        self.snapshot_config(space).snapshot_bars().snapshot_driver(driver)
        return self.snapshot_delays(10, 100)

    def config_space(self) -> bytes:
        """A type 0 header with this function's BARs, decode and bus mastering off."""
        space = bytearray(256)
        space[0:4] = (0x8086).to_bytes(2, "little") + (0x100E).to_bytes(2, "little")
        for bar, (address, _) in self.bars.items():
            value = address | (1 if address < 0x10000 else 0)
            space[0x10 + 4 * bar : 0x14 + 4 * bar] = (value & 0xFFFFFFFF).to_bytes(4, "little")
        return bytes(space)

    def snapshot_config(self, space: bytes, **fields: Any) -> Self:
        """Config space from offset 0."""
        return self._snapshot(Snapshot.CONFIG, space, fields)

    def snapshot_bars(self, **fields: Any) -> Self:
        """The windows of the function in hand."""
        bars = np.zeros(len(self.bars), BAR)
        for row, (bar, (address, length)) in zip(bars, self.bars.items(), strict=True):
            kind = IORESOURCE_IO if address < 0x10000 else IORESOURCE_MEM
            row["index"], row["flags"], row["length"] = bar, kind, length
            row["bus_address"] = row["phys_address"] = address
        return self._snapshot(Snapshot.BARS, bars.tobytes(), fields)

    def snapshot_driver(self, driver: str = "", **fields: Any) -> Self:
        """The bound driver's name, or that there is none."""
        return self._snapshot(Snapshot.DRIVER, driver.encode(), fields)

    def snapshot_delays(self, d3hot_ms: int, d3cold_ms: int, **fields: Any) -> Self:
        """The function's power-up delays."""
        fields = {"value": d3hot_ms, "address": d3cold_ms, **fields}
        return self._snapshot(Snapshot.DELAYS, b"", fields)

    def snapshot_limits(self, max_payload: int, max_read_request: int, **fields: Any) -> Self:
        """What a virtual function's bus allows it, in bytes."""
        fields = {"value": max_payload, "address": max_read_request, **fields}
        return self._snapshot(Snapshot.LIMITS, b"", fields)

    def snapshot_registers(self, offset: int, contents: bytes, **fields: Any) -> Self:
        """Registers from ``offset`` of BAR 0."""
        address = self.bars.get(0, (0, 0))[0] + offset
        return self._snapshot(Snapshot.REGISTERS, contents, {"address": address, **fields})

    def session(self, **facts: Any) -> Self:
        """Metadata: what the recorder says of the session."""
        return self._document(Topic.SESSION, json.dumps(facts))

    def result(self, **facts: Any) -> Self:
        """Metadata: how the recording ended."""
        return self._document(Topic.RESULT, json.dumps(facts))

    def console(self, text: str) -> Self:
        """Metadata: text of the kernel log."""
        return self._document(Topic.CONSOLE, text)

    def converted(self, text: str) -> Self:
        """Metadata: where the trace was converted from."""
        return self._document(Topic.CONVERTED, text)

    def mark(self, text: str, **fields: Any) -> Self:
        """A mark that somebody set."""
        given = {"function": FUNCTION_NONE, **fields}
        return self.record(Kind.MARK, payload=text.encode(), length=len(text.encode()), **given)

    def loss(self, count: int = 1, cause: str = "RING_FULL", **fields: Any) -> Self:
        """``count`` records were lost here."""
        given = {"function": FUNCTION_NONE, "topic": LossCause[cause], "value": count}
        return self.record(Kind.LOSS, **{**given, **fields})

    def _snapshot(self, topic: Snapshot, payload: bytes, fields: dict[str, Any]) -> Self:
        given = {"topic": topic, "length": len(payload), "total": len(payload)}
        return self.record(Kind.SNAPSHOT, payload=payload, **{**given, **fields})

    def _document(self, topic: Topic, content: str) -> Self:
        records, payloads = document_records(topic, content, self.new_document())
        for record, payload in zip(records, payloads, strict=True):
            meta = np.frombuffer(bytes(record["raw"]), META)[0]
            facts = {name: int(meta[name]) for name in ("topic", "document", "chunk", "chunks")}
            self.record(
                Kind.METADATA,
                payload=payload,
                function=FUNCTION_NONE,
                length=int(record["length"]),
                total=int(meta["total"]),
                **facts,
            )
        return self
