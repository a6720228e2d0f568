# SPDX-License-Identifier: Apache-2.0
"""Stories that can be changed before they are told: dropped, repeated, moved and altered events."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any, Self

from tests.story import DEFAULT_BARS, Story
from uvtrace.trace.enums import Direction, Flag, Flavour, Kind, LossCause, Phase, Status

_HOOKS = (
    *("dma_map_page_attrs", "pci_bus_read_config_dword", "irq_handler_entry"),
    *("request_threaded_irq", "ioread32", "pio:inl"),
)


@dataclass(frozen=True)
class Step:
    """An event to be told, or (with no kind) time that passes."""

    kind: int | None
    function: str
    payload: bytes | None = None
    fields: Mapping[str, Any] = field(default_factory=dict)
    wait_ns: int = 0


class Script(Story):
    """A story that is only noted down, to be told by another one."""

    def __init__(self, function: str, bars: Mapping[int, tuple[int, int]], tags: int) -> None:
        self.steps: list[Step] = []
        self._name = ""
        super().__init__(function, bars=bars)
        self._tags = tags

    def function(
        self,
        name: str,
        *,
        driver: str = "e1000",
        vendor: int = 0x8086,
        device: int = 0x100E,
        bars: Mapping[int, tuple[int, int]] = DEFAULT_BARS,
    ) -> Self:
        """What follows concerns this function."""
        self._name = name
        return super().function(name, driver=driver, vendor=vendor, device=device, bars=bars)

    def record(self, kind: Kind | int, *, payload: bytes | None = None, **fields: Any) -> Self:
        """Note an event."""
        self.steps.append(Step(int(kind), self._name, payload, {**self._usual, **fields}))
        return self

    def wait(self, time_ns: int) -> Self:
        """Note that time passes."""
        self.steps.append(Step(None, self._name, wait_ns=time_ns))
        return self


def tell(steps: list[Step], bars: Mapping[str, Mapping[int, tuple[int, int]]]) -> Story:
    """Tell what was noted, of functions with these BARs."""
    story = Story("")
    for name, own in bars.items():
        story.function(name, bars=own)
    for step in steps:
        story.function(step.function)
        if step.kind is None:
            story.wait(step.wait_ns)
        else:
            story.record(step.kind, payload=step.payload, **step.fields)
    return story


def merged(rng: Random, lists: list[list[Step]]) -> list[Step]:
    """Several lists of events as they happen at once, each in its own order."""
    waiting = [list(reversed(each)) for each in lists if each]
    result = []
    while waiting:
        chosen = rng.choice(waiting)
        # Things come in bursts.
        for _ in range(min(rng.choice((1, 1, 2, 5)), len(chosen))):
            result.append(chosen.pop())
        waiting = [each for each in waiting if each]
    return result


# ------------------------------------------------------------------- what goes wrong


def _drop(rng: Random, steps: list[Step], at: int) -> None:
    del steps[at]


def _repeat(rng: Random, steps: list[Step], at: int) -> None:
    steps.insert(min(at + rng.choice((1, 1, 2, 5, 20)), len(steps)), steps[at])


def _move(rng: Random, steps: list[Step], at: int) -> None:
    step = steps.pop(at)
    steps.insert(max(0, min(at + rng.choice((-8, -2, -1, 1, 2, 8, 30)), len(steps))), step)


def _lose(rng: Random, steps: list[Step], at: int) -> None:
    cause = rng.choice(tuple(LossCause))
    named = cause in (LossCause.HOOK_MISSED, LossCause.NOT_HOOKED)
    payload = rng.choice(_HOOKS).encode() if named and rng.random() < 0.8 else b""
    fields: dict[str, Any] = {"topic": cause, "value": rng.choice((0, 1, 5))}
    if rng.random() < 0.7:
        fields["function"] = 0xFFFF
    steps.insert(at, Step(Kind.LOSS, steps[at].function, payload, fields))


def _wait(rng: Random, steps: list[Step], at: int) -> None:
    wait_ns = rng.choice((-9_000, -2_000, 5_000, 30_000, 12_000_000))
    steps.insert(at, Step(None, steps[at].function, wait_ns=wait_ns))


_OTHER_VALUES: Mapping[str, tuple[int, ...]] = {
    "phase": (Phase.POSTED, Phase.REQUEST, Phase.COMPLETION, Phase.WHOLE),
    "status": (Status.OK, Status.UNSUPPORTED, Status.ABORT, Status.TIMEOUT, Status.FAILED),
    "direction": (Direction.BIDIRECTIONAL, Direction.TO_DEVICE, Direction.FROM_DEVICE),
    "flavour": (Flavour.SINGLE, Flavour.SG, Flavour.COHERENT, Flavour.PAGES, Flavour.RESOURCE),
    "width": (1, 2, 4, 8),
    "bar": (0, 1, 2, 0xFF),
    "cpu": (0, 1),
    "tid": (0, 7),
    "nents": (1, 2, 9),
    "vector": (0, 1, 3, 40),
    "irq": (10, 11, 12),
    "result": (-1, 0, 1, 2),
    "ip": (0, 0x1000, 1 << 48 | 0x1230),
    "cpu_address": (0, 0x1000, 0xFFFFFFFFC0001000, 0xFFFF888000001000, 0xFFFF888000002000),
    "byte_count": (0, 64, 100, 128),
    "attrs": (0, 1 << 5),
    "first_be": (0, 1, 0xF),
    "last_be": (0, 1, 0xF),
}
_FLAGS = (
    *(Flag.HARDIRQ, Flag.OUTSIDE, Flag.STALE, Flag.THREADED, Flag.IMPORTED, Flag.APART),
    *(Flag.FAR, Flag.RELAXED, Flag.ID_ORDERED),
)


def _alter(rng: Random, steps: list[Step], at: int) -> None:
    """Another value of some field."""
    step = steps[at]
    if step.kind is None or step.kind >= Kind.SNAPSHOT:
        return
    fields = dict(step.fields)
    can = ["value", "address", "length", "flags", "tag"] + [n for n in _OTHER_VALUES if n in fields]
    name = rng.choice(can)
    now = fields.get(name, 0)
    if name == "flags":
        fields[name] = now ^ int(rng.choice(_FLAGS))
    elif name in _OTHER_VALUES:
        fields[name] = rng.choice(_OTHER_VALUES[name])
    elif name == "value":
        fields[name] = rng.choice((0, 1, 2**64 - 1, 2**32 - 1, now ^ 1 << rng.randrange(32)))
    elif name == "address" and rng.random() < 0.2:
        fields[name] = rng.choice((0, 2**64 - 1, now + 2**32))
    else:
        fields[name] = max(now + rng.choice((-4096, -64, -4, -1, 1, 2, 4, 64, 4096)), 0)
    if name == "address" and "offset" in fields and step.kind <= Kind.PIO_WRITE:
        fields["offset"] = max(fields["offset"] + fields["address"] - now, 0) % 2**63
    if name in ("value", "address", "length", "tag"):
        fields[name] %= 2**64
    steps[at] = replace(step, fields=fields)


_WAYS: tuple[tuple[int, Callable[[Random, list[Step], int], None]], ...] = (
    (5, _drop),
    (4, _repeat),
    (4, _move),
    (9, _alter),
    (2, _lose),
    (1, _wait),
)


def disturb(rng: Random, steps: list[Step]) -> None:
    """Let something go wrong, once."""
    weights = [weight for weight, _ in _WAYS]
    [(_, way)] = rng.choices(_WAYS, weights)
    if steps:
        way(rng, steps, rng.randrange(len(steps)))
