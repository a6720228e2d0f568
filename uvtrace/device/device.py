# SPDX-License-Identifier: Apache-2.0
"""What a model of a device is written in: a class that says what the device is and does.

A model does no I/O: it is told of accesses, frames, time and resets, and says what it wants of the
bus. :class:`~uvtrace.device.machine.Machine` stands between the two; the same model runs behind
uvbus.ko, in a :class:`~uvtrace.device.Playbook` and in a replay.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Coroutine, Sequence
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from uvtrace.device.bus import Bus, Port
from uvtrace.device.config import ConfigSpace
from uvtrace.device.messages import Limits, Log, ResetKind, Seen
from uvtrace.device.registerfile import RegisterFile
from uvtrace.errors import UsageError
from uvtrace.registers.map import AddressSpace, RegisterMap
from uvtrace.registers.rdl import load_rdl

if TYPE_CHECKING:
    from uvtrace.device.scheduler import Flag, Lock, Task, Timer

H = TypeVar("H", bound=Callable[..., Any])

MARK = "_uvtrace_handles"
"""Where the decorators below note what a method handles."""


def on_write(*names: str) -> Callable[[H], H]:
    """The method acts on writes of these registers: ``method(self, value)``.

    The register file has stored the value by its fields' rules before; ``value`` is what was
    written, so that ones to clear or to trigger can be seen. For the elements of an array, named
    as in ``"MTA[]"``, the method is given the index (or indices) first. It may be ``async``.
    """
    return _marked("write", names)


def on_read(*names: str) -> Callable[[H], H]:
    """The method decides what reads of these registers give: ``method(self, value)``.

    ``value`` is what the register file would answer; fields that reading clears are cleared
    already. It returns what the driver gets, or None for ``value``. An array's index comes first,
    as in :func:`on_write`. An ``async`` method makes the driver wait; other accesses go on.
    """
    return _marked("read", names)


def _marked(kind: str, names: tuple[str, ...]) -> Callable[[H], H]:
    def mark(method: H) -> H:
        handled = [*getattr(method, MARK, ()), *((kind, name) for name in names)]
        setattr(method, MARK, handled)
        return method

    return mark


class Device:
    """A PCI function in Python. Derive from it, and say what it is:

    Attributes:
        config: its config space.
        registers: its registers: a SystemRDL file beside the model's, a path, a map; None: none.
        driver: the module that drives it, where the kernel has none: of ``kmod/drivers``, by name,
            or a ``.ko`` beside the model's file.
        limits: what the bus allows it; None: what its PCI Express capability has, else uvPCI's
            128 bytes.
        reg: the registers' values, as the hardware sees them.
        port: its end of a network link: ``self.port.send(frame)``.
        bus: what the device says to the bus, unfiltered: ``self.bus.send(command)``.

    Options of a model are keyword arguments of its ``__init__``, which need not call this class's.
    """

    config: ConfigSpace
    registers: ClassVar[str | PathLike[str] | RegisterMap | None] = None
    driver: ClassVar[str | None] = None
    limits: Limits | None = None

    reg: RegisterFile
    bus: Bus
    port: Port
    _folder: ClassVar[Path] = Path()

    def __init_subclass__(cls, **arguments: Any) -> None:
        super().__init_subclass__(**arguments)
        cls._folder = _folder_of(cls)

    def __new__(cls, *_: object, **__: object) -> Device:
        self = super().__new__(cls)
        self.bus = Bus()
        self.port = Port(self.bus)
        self.reg = RegisterFile(cls._described())
        return self

    @classmethod
    def _described(cls) -> RegisterMap:
        if isinstance(cls.registers, RegisterMap):
            return cls.registers
        if cls.registers is None:
            return RegisterMap(cls.__name__, (AddressSpace(0),), (), partial=True)
        bases = [each for each in cls.__mro__ if issubclass(each, Device)]
        says = next(each for each in bases if "registers" in vars(each))
        return _loaded(says._folder / cls.registers)

    @classmethod
    def folder(cls) -> Path:
        """Where the model's file lies."""
        return cls._folder

    # ------------------------------------------------ what the model may do

    @property
    def now_ns(self) -> int:
        """The time, in nanoseconds since whatever."""
        return self.bus.scheduler.now_ns

    async def dma_read(self, address: int, length: int, flags: int = 0) -> bytes:
        """Read ``length`` bytes of memory; the bus's limits are seen to.

        Raises:
            DmaError: the memory could not be read.
        """
        return await self.bus.read(address, length, flags)

    def dma_write(self, address: int, data: bytes, flags: int = 0) -> None:
        """Write memory; posted, in order with interrupts; the bus's limits are seen to."""
        self.bus.write(address, data, flags)

    def interrupt(self, vector: int = 0) -> None:
        """Interrupt by what the driver has enabled: MSI-X, else MSI, else INTx, asserted."""
        self.bus.interrupt(vector)

    def intx(self, asserted: bool) -> None:
        """Set the interrupt line; nothing is sent when it is so already."""
        self.bus.intx(asserted)

    async def sleep(self, time_ns: int) -> None:
        """Go on in so many nanoseconds."""
        await self.bus.sleep(time_ns)

    def after(self, time_ns: int, call: Callable[[], Any]) -> Timer:
        """Call something, which may be ``async``, in so many nanoseconds."""
        return self.bus.after(time_ns, call)

    def start(self, coroutine: Coroutine[Any, Any, Any]) -> Task:
        """Run a coroutine beside everything else, until it ends or the device is reset."""
        return self.bus.start(coroutine)

    def flag(self) -> Flag:
        """Something to wait for: ``await flag.wait()`` here, ``flag.set()`` there."""
        return self.bus.flag()

    def lock(self) -> Lock:
        """Lets one coroutine in at a time, in order: ``async with lock:``."""
        return self.bus.lock()

    def log(self, text: str) -> None:
        """A line for the trace."""
        self.bus.send(Log(text))

    def config_value(self, offset: int, length: int) -> int:
        """What config space holds now."""
        return self.bus.config_value(offset, length)

    @property
    def uses_messages(self) -> bool:
        """The driver has enabled MSI or MSI-X, so that the interrupt line is not used."""
        return self.bus.uses_messages

    def set_config(self, offset: int, length: int, value: int) -> None:
        """Change config space as hardware does; not BARs, Command, MSI, MSI-X."""
        self.bus.set_config(offset, length, value)

    def unplug(self) -> None:
        """Disappear from the bus, unasked."""
        self.bus.unplug()

    def reset_registers(self) -> None:
        """Reset the device as its software reset does: see :meth:`on_reset`.

        A field with ``uv_resets`` in the register description calls it.
        """
        self.bus.reset(ResetKind.SOFTWARE)

    # ---------------------------------------------------- what it is told of

    async def run(self) -> None:
        """What the device does by itself: started at power-on and after every reset."""

    def on_reset(self, kind: ResetKind) -> None:
        """The device was reset, or powered on: coroutines and timers have ended, registers have
        their reset values, the interrupt line is down. Set what else there is."""

    async def on_frame(self, frame: bytes) -> None:
        """A frame has arrived. The next one waits until this method is done."""

    def on_config_write(self, offset: int, length: int, value: int) -> None:
        """Config space was written, and holds ``value`` there now."""

    def on_power(self, state: int) -> None:
        """The function is in another D-state, 0 to 3."""

    def on_plugged(self) -> None:
        """The function is on the bus."""

    def on_unplugged(self) -> None:
        """The function has gone from the bus."""

    def adopt(self, seen: Sequence[Seen]) -> None:
        """Become the individual that a recording shows: with what is in its EEPROM, say.

        A replay calls it before power-on.

        Args:
            seen: every access of the recorded driver, in order.
        """

    def unknown_read(self, bar: int, offset: int, length: int) -> int:
        """A read where no register is: gives 0, and says so once for each offset."""
        self.bus.note_unknown("read", bar, offset, length)
        return 0

    def unknown_write(self, bar: int, offset: int, length: int, value: int) -> None:
        """A write where no register is: nothing happens, and it is said once."""
        self.bus.note_unknown("write", bar, offset, length)


def _folder_of(cls: type) -> Path:
    """Where the file lies that defines a class: also of one that is no importable module."""
    for each in vars(cls).values():
        source = getattr(each, "__globals__", {}).get("__file__")
        if source is not None and each.__module__ == cls.__module__:
            return Path(source).parent
    module = sys.modules.get(cls.__module__)
    found = getattr(module, "__file__", None)
    # A class without methods, of a file that is no module: as its base, which has some.
    return Path(found).parent if found else getattr(cls.__base__, "_folder", Path())


@functools.lru_cache(maxsize=32)
def _loaded(path: Path) -> RegisterMap:
    return load_rdl(path)


def refuse_undescribed(device: Device) -> None:
    """Complain of a model that does not say what it is.

    Raises:
        UsageError: no config space.
    """
    if not isinstance(getattr(device, "config", None), ConfigSpace):
        raise UsageError(
            "has no config space", where=type(device).__name__, hint="config = ConfigSpace(…)"
        )
