# SPDX-License-Identifier: Apache-2.0
"""The reference's rules about what must be given back, answered or done before something else."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from uvtrace.trace.enums import IrqType, Kind, Phase

from .completions import brings_data, completes, non_posted
from .interrupts import sets_control
from .records import Event, Lost
from .space import MSI, MSIX
from .world import Function

Broken = tuple[str, int, int]
"""Rule, function, number of the record to blame."""
Condition = Callable[[Function, Event], bool]


@dataclass(frozen=True)
class Duty:
    """What one event opens, and another of the same function and key must end.

    Attributes:
        rule: whose duty it is.
        sights: where one of them is lost, what is open is forgotten.
        opens, ends, breaks, forgets: the events that do so; all but ``ends`` regard every key.
        key: what tells the function's duties apart.
    """

    rule: str
    sights: frozenset[str]
    opens: Condition
    ends: Condition
    breaks: Condition
    forgets: Condition
    key: Callable[[Function, Event], object]


class Duties:
    """One duty of every function, as it goes on."""

    def __init__(self, duty: Duty) -> None:
        self._duty = duty
        self._open: list[tuple[int, object, Event]] = []

    def see(self, f: Function, e: Event) -> Iterator[Broken]:
        """An event of a function is in hand."""
        duty = self._duty
        if duty.ends(f, e):
            key = duty.key(f, e)
            for one in self._open:
                if one[:2] == (e.function, key):
                    self._open.remove(one)
                    break
        if duty.breaks(f, e):
            # What was opened at one place in the code is told together.
            sites = {one[2].site for one in self._open if one[0] == e.function}
            yield from [(duty.rule, e.function, e.seq)] * len(sites)
            self._drop(e.function)
        if duty.forgets(f, e):
            self._drop(e.function)
        if duty.opens(f, e):
            self._open.append((e.function, duty.key(f, e), e))

    def _drop(self, function: int | None) -> None:
        kept = [one for one in self._open if function is not None and one[0] != function]
        self._open = kept

    def lose(self, lost: Lost) -> None:
        """Records are missing."""
        if lost.sights & self._duty.sights:
            self._drop(lost.function)


def _never(f: Function, e: Event) -> bool:
    return False


def _unbound(f: Function, e: Event) -> bool:
    return e.unbound


def _probing(f: Function, e: Event) -> bool:
    return e.probing


def _of_function(f: Function, e: Event) -> object:
    return None


def _makes(f: Function, e: Event) -> bool:
    return e.is_a(Kind.MAP, Kind.ALLOC) and e.returned and e.ok


def _removes_mapping(f: Function, e: Event) -> bool:
    # Also where it is not sure that this one was meant.
    return (
        f.found.mapping is not None
        and f.found.state in ("live", "unknown")
        and e.is_a(Kind.UNMAP, Kind.FREE, Kind.POOL_FREE)
    )


def _which_mapping(f: Function, e: Event) -> object:
    if e.is_a(Kind.MAP, Kind.ALLOC):
        return e.position
    assert f.found.mapping is not None
    return f.found.mapping.made.position


def _requests(kind: Kind) -> Condition:
    return lambda f, e: e.kind == kind and e.returned and e.ok


def _releases(kind: Kind) -> Condition:
    return lambda f, e: e.kind == kind and e.begins


def _frees_vectors(f: Function, e: Event) -> bool:
    if e.kind == Kind.VECTOR_FREE:
        return True
    disables_msi = sets_control(f, e, MSI) and not e.value & 1
    return disables_msi or (sets_control(f, e, MSIX) and not e.value & 0x8000)


def _grants_vectors(f: Function, e: Event) -> bool:
    grants = e.kind == Kind.VECTOR_ALLOC and e.returned and e.ok
    return grants and e.irq_type in (IrqType.MSI, IrqType.MSIX)


_TELLS_DEVICE = (
    *(Kind.MMIO_WRITE, Kind.PIO_WRITE, Kind.CONFIG_WRITE, Kind.CLEAR_MASTER),
    *(Kind.DISABLE_DEVICE, Kind.RESET, Kind.POWER),
)
_LIFE = frozenset(("life",))
DUTIES = (
    Duty(
        rule="DMA011",
        sights=frozenset(("map", "life")),
        opens=_makes,
        ends=_removes_mapping,
        breaks=_unbound,
        forgets=_never,
        key=_which_mapping,
    ),
    Duty(
        rule="RES001",
        sights=_LIFE,
        opens=lambda f, e: _requests(Kind.IOMAP)(f, e) and e.iomap != 0,
        ends=_releases(Kind.IOUNMAP),
        breaks=_unbound,
        forgets=_probing,
        key=lambda f, e: e.iomap,
    ),
    Duty(
        rule="RES002",
        sights=_LIFE,
        opens=lambda f, e: _requests(Kind.IRQ_REQUEST)(f, e) and e.result >= 0,
        ends=_releases(Kind.IRQ_FREE),
        breaks=_unbound,
        forgets=_probing,
        key=lambda f, e: e.irq,
    ),
    Duty(
        rule="RES003",
        sights=_LIFE,
        opens=_requests(Kind.REGION_REQUEST),
        ends=_releases(Kind.REGION_RELEASE),
        breaks=_unbound,
        forgets=_probing,
        key=lambda f, e: (e.bar, e.address),
    ),
    Duty(
        rule="RES003",
        sights=_LIFE,
        opens=_requests(Kind.ENABLE_DEVICE),
        ends=lambda f, e: e.kind == Kind.DISABLE_DEVICE and e.returned,
        breaks=_unbound,
        forgets=_probing,
        key=_of_function,
    ),
    Duty(
        rule="RES004",
        sights=frozenset(("life", "cfg", "mmio")),
        opens=lambda f, e: e.kind == Kind.UNBIND and e.phase == Phase.REQUEST,
        ends=lambda f, e: e.is_a(*_TELLS_DEVICE),
        breaks=_releases(Kind.IRQ_FREE),
        forgets=_unbound,
        key=_of_function,
    ),
    Duty(
        rule="IRQ012",
        sights=_LIFE,
        opens=_grants_vectors,
        ends=_frees_vectors,
        breaks=_unbound,
        forgets=_never,
        key=_of_function,
    ),
)
RULES = frozenset({*(duty.rule for duty in DUTIES), "CPL001"})
"""The rules that are judged here."""


class Deadlines:
    """CPL001: the requests that are never completed."""

    def __init__(self, timeout_ns: int) -> None:
        self._timeout_ns = timeout_ns
        self._now_ns = 0
        self._open: list[tuple[int, object, int, Event]] = []

    def pass_time(self, e: Event) -> Iterator[Broken]:
        """An event comes, of whatever kind: some duties are too late."""
        self._now_ns = max(self._now_ns, e.time_ns)
        for one in self._open:
            if one[2] < self._now_ns:
                yield ("CPL001", one[0], one[3].seq)
        self._open = [one for one in self._open if one[2] >= self._now_ns]

    def see(self, f: Function, e: Event) -> None:
        """An event of a function is in hand."""
        key = e.kind, e.tag
        if completes(e) and e.tag:
            request = f.requests.of(e)
            partial = brings_data(e) and request is not None and e.length < request.left
            for one in [] if partial else self._open:
                if one[:2] == (e.function, key):
                    self._open.remove(one)
                    break
        if non_posted(e) and e.phase == Phase.REQUEST and e.tag:
            self._open.append((e.function, key, self._now_ns + self._timeout_ns, e))

    def lose(self, lost: Lost) -> None:
        """Records are missing."""
        if "cpl" in lost.sights:
            kept = [one for one in self._open if lost.function not in (None, one[0])]
            self._open = kept
