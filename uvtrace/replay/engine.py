# SPDX-License-Identifier: Apache-2.0
"""A replay under way: the script's steps are told to the target, and what it says is compared.

What the host did waits in a queue, as posted writes do on their way, and is told to the target when
something is expected that only it can bring about: then nothing is told before its causes have
happened. What the recording does not show (when a frame came in, when a timer ran off) is decided
here by what was said next; where that leaves a choice, it is written down, so that
:mod:`uvtrace.replay.runner` can come back and choose otherwise.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from uvtrace.replay.course import Course
from uvtrace.replay.said import ANSWERS, LINE, MESSAGES, Said, may_pass
from uvtrace.replay.script import Step, Told
from uvtrace.replay.target import Target
from uvtrace.trace.enums import Kind, MemoryMoment, Status

_PENDING_MAX: Final = 4096
_CHOICES_KEPT: Final = 32
_LOG_KEPT: Final = 24
_TIMERS_MAX: Final = 64
"""Timers that are let run off while one thing is waited for."""
_AHEAD: Final = 256
"""Steps within which a poll ends."""
_VAIN_MAX: Final = 8
_DROPPED_MAX: Final = 16
"""Things said too much that are dropped before one step."""
LATER: Final = -1
"""Of a frame: not here."""


class Difference(StrEnum):
    """How the two differ."""

    VALUE = "value"
    """A read was answered otherwise."""
    MISSING = "missing"
    """The recorded device said something that the target does not say."""
    UNEXPECTED = "unexpected"
    """The target said something that the recorded device did not say."""
    OTHER = "other"
    """Both said something of one kind, but not the same."""


@dataclass(slots=True)
class Mismatch(Exception):  # noqa: N818  # an event, which may be no error
    """What was expected at a step, and what came."""

    number: int
    difference: Difference
    expected: Said | None
    got: Said | None

    def __post_init__(self) -> None:
        Exception.__init__(self)

    def signature(self) -> tuple[object, ...]:
        """What others like it share."""
        said = self.expected or self.got
        other = self.got.kind if self.got is not None else None
        return (self.difference, said.kind if said else None, said.place if said else None, other)


Key = tuple[str, int]


@dataclass(slots=True)
class Choice:
    """Something that the recording left open.

    Attributes:
        index: how many choices came before it.
        number: the step at which it came up.
        key: what the choice is about.
        options: what could be chosen.
        chosen: what was.
    """

    index: int
    number: int
    key: Key
    options: tuple[int, ...]
    chosen: int


class Engine:
    """A replay under way; its state is its attributes.

    Attributes:
        at: the next step of the script.
        choices: what the recording left open, and what was chosen; the newest.
        chosen: how often there was a choice.
        decisions: what to choose, by key, where it is not the usual.
        agreed: what both said, by the register that was read or by kind.
        not_compared: what the recording does not show of one side, likewise.
        reserved: reads that differ in reserved bits only, likewise.
        log: what was told (True) and said, the newest last.
    """

    def __init__(self, course: Course, target: Target) -> None:
        self.course = course
        self.target = target
        self.at = 0
        self.choices: deque[Choice] = deque(maxlen=_CHOICES_KEPT)
        self.chosen = 0
        self.decisions: Mapping[Key, int] = {}
        self.agreed: Counter[str] = Counter()
        self.not_compared: Counter[str] = Counter()
        self.reserved: Counter[str] = Counter()
        self.log: deque[tuple[bool, Told | Said | bytes]] = deque(maxlen=_LOG_KEPT)
        self._pending: deque[int] = deque()
        self._produced: list[Said] = []
        self._tags: dict[int, int] = {}
        self._delivered: set[int] = set()
        self._held: set[int] = set()
        self._line = False
        self._messages = 0
        self._dropped = 0
        self._telling = 0
        self._written: dict[int, int] = {}
        self._in_vain: Counter[Kind] = Counter()
        self._now_ns = course.script.start_ns
        self._leave(-1)

    @property
    def finished(self) -> bool:
        """Every step is done."""
        done = self.at >= len(self.course.script.steps)
        return done and not self._pending and not self._produced

    @property
    def frames_in(self) -> int:
        """Frames that the target was given."""
        return len(self._delivered)

    @property
    def settled(self) -> bool:
        """It can be copied here."""
        return self.target.settled

    def step(self) -> None:
        """Do the next step.

        Raises:
            Mismatch: the target says something else. :meth:`step` again repeats the step;
                :meth:`go_on` accepts it.
        """
        steps = self.course.script.steps
        if self.at >= len(steps):
            self._finish()
            return
        step = steps[self.at]
        if step.told is not None:
            self._pending.append(self.at)
            if len(self._pending) > _PENDING_MAX:
                self._tell_next()
        elif step.said is not None:
            self._expect(self.at, step, step.said)
        elif step.handler:
            self._enter_handler(step)
        self._leave(self.at)

    def _leave(self, number: int) -> None:
        """A step is done."""
        said = self.course.script.steps[number].said if number >= 0 else None
        if said is not None and said.kind == Kind.MEMORY:
            for at in range(said.address, said.address + said.length):
                self._written.pop(at, None)  # from here on it is as the recorder saw it
        for address, data in self.course.feeds.get(number, ()):
            self.target.set_memory(address, data)
        self.at = number + 1

    def _finish(self) -> None:
        if not self.course.script.ends_unbound:
            # The recording stops while things are under way: what came of them is not in it.
            self.not_compared["behind the end"] += len(self._produced) + len(self._pending)
            self._pending.clear()
            self._produced.clear()
            return
        while self._pending:
            self._tell_next()
        if self._produced:
            raise Mismatch(self.at, Difference.UNEXPECTED, None, self._produced[0])

    # ------------------------------------------------------------ telling

    def _tell_next(self) -> None:
        number = self._pending.popleft()
        step = self.course.script.steps[number]
        self._telling = step.row
        told = step.told
        assert told is not None
        if told.kind == Kind.DMA_READ:
            tag = self._tags.get(told.tag)
            if tag is not None:
                if told.left <= told.length or told.status != Status.OK:
                    del self._tags[told.tag]
                self._go_to(number, step)
                self.log.append((True, told))
                self._hear(self.target.answer(tag, told))
            return
        self._go_to(number, step)
        self.log.append((True, told))
        self._hear(self.target.tell(told, None))

    def _go_to(self, number: int, step: Step) -> None:
        """Let time go on to a step, unless it is decided that a timer waits or hurries."""
        deadline = self.target.deadline_ns
        time_ns = max(self._now_ns, step.time_ns)
        if deadline is None:
            self._now_ns = time_ns
            self._hear(self.target.advance(time_ns))
            return
        chosen = self._choose(number, ("time", number), (0, 1))
        due = deadline <= time_ns
        if chosen and due:
            return
        self._now_ns = max(time_ns, deadline) if chosen else time_ns
        self._hear(self.target.advance(self._now_ns))

    def _choose(self, number: int, key: Key, options: tuple[int, ...]) -> int:
        chosen = self.decisions.get(key, options[0])
        if chosen not in options:
            chosen = options[0]
        if len(options) > 1:
            self.choices.append(Choice(self.chosen, self.at, key, options, chosen))
            self.chosen += 1
        return chosen

    def _hear(self, said: list[Said]) -> None:
        for each in said:
            self.log.append((False, each))
            if each.kind == Kind.DMA_READ and not self.course.compare_reads:
                self._serve(each)
            elif self.course.script.shows_device or each.kind in ANSWERS:
                self._produced.append(each)
            else:
                self._note_unseen(each)

    def _note_unseen(self, said: Said) -> None:
        """The recording does not show what the device said by itself."""
        if said.kind in LINE:
            self._line = said.kind == Kind.INTX_ASSERT
        elif said.kind in MESSAGES:
            self._messages += 1
        else:
            self.not_compared[self.course.what(said)] += 1
            if said.kind == Kind.DMA_WRITE and self.course.script.shows_memory:
                bytes_ = enumerate(said.data, said.address)
                self._written.update(bytes_)

    def _serve(self, read: Said) -> None:
        """Answer a read of the target's that is not compared, from what is known of memory."""
        row = self._telling
        data, unknown = self.course.script.history.at(row, read.address, read.length)
        self.not_compared[self.course.what(read)] += 1
        if unknown and not self.course.script.shows_memory:
            self.not_compared["withheld"] += 1
            return
        told = Told(
            Kind.DMA_READ,
            address=read.address,
            length=read.length,
            data=data,
            left=read.length,
        )
        self.log.append((True, told))
        self._hear(self.target.answer(read.tag, told))

    def _deliver(self, number: int) -> None:
        self._delivered.add(number)
        frame = self.course.frames[number]
        self.log.append((True, frame.data))
        self._hear(self.target.frame(frame.data, None))

    # ----------------------------------------------------------- expecting

    def _expect(self, number: int, step: Step, said: Said) -> None:
        if said.kind == Kind.DMA_READ and not self.course.compare_reads:
            while self._pending:
                self._tell_next()
            self.not_compared[self.course.what(said)] += 1
            return
        if said.kind == Kind.MEMORY:
            self._expect_content(number, step, said)
            return
        timers = 0
        while True:
            place, blocker = self._find(said)
            if place is not None:
                if blocker is not None:
                    raise Mismatch(number, Difference.UNEXPECTED, said, blocker)
                self._compare(number, said, place)
                return
            if self._is_in_memory(said):
                self.agreed[self.course.what(said)] += 1
                return
            if self._said_otherwise(said):
                raise self._missing(number, said)
            if self._bring_frame(number, step):
                continue
            if self._pending:
                self._tell_next()
                continue
            self._now_ns = max(self._now_ns, self.target.deadline_ns or 0)
            later = self.target.wait() if timers < self._patience(said) else None
            if later is None:
                self._in_vain[said.kind] += 1
                raise self._missing(number, said)
            timers += 1
            self._hear(later)

    def _expect_content(self, number: int, step: Step, said: Said) -> None:
        """Memory as the recorder saw it: what the device has written must be there."""
        if said.value != MemoryMoment.TO_CPU:
            while said.value == MemoryMoment.TO_DEVICE and self._pending:
                self._tell_next()
            self._bring_frame(number, step)
            return
        timers = 0
        while (content := self._content(step.row, said)) != said.data:
            if self._bring_frame(number, step):
                continue
            if self._pending:
                self._tell_next()
                continue
            later = self.target.wait() if timers < self._patience(said) else None
            if later is None:
                self._in_vain[said.kind] += 1
                held = replace(said, data=content)
                raise Mismatch(number, Difference.OTHER, said, held)
            timers += 1
            self._hear(later)
        self._bring_frame(number, step)
        self.agreed[self.course.what(said)] += 1

    def _content(self, row: int, said: Said) -> bytes:
        """What memory holds of the target's; where it has not written, what was there before."""
        if not self.target.shows_writes:
            return self.target.memory(said.address, said.length)
        before, _ = self.course.script.history.at(row - 1, said.address, said.length)
        content = bytearray(before)
        for at in range(said.length):
            content[at] = self._written.get(said.address + at, content[at])
        return bytes(content)

    def _patience(self, said: Said) -> int:
        """How many timers are waited for: few, where that has been in vain again and again."""
        return _TIMERS_MAX if self._in_vain[said.kind] < _VAIN_MAX else 1

    def _find(self, said: Said) -> tuple[int | None, Said | None]:
        """Where it was said; and what was said before it that it must not pass."""
        for place, each in enumerate(self._produced):
            if each.is_same(said):
                for earlier in self._produced[:place]:
                    if not may_pass(each, earlier):
                        return place, earlier
                return place, None
        return None, None

    def _said_otherwise(self, said: Said) -> bool:
        """Whether something of the kind was said that nothing later may pass."""
        return any(_alike(each, said) and not may_pass(said, each) for each in self._produced)

    def _is_in_memory(self, said: Said) -> bool:
        if said.kind != Kind.DMA_WRITE or self.target.shows_writes:
            return False
        return self.target.memory(said.address, len(said.data)) == said.data

    def _bring_frame(self, number: int, step: Step) -> bool:
        """Let a frame come in whose first trace is expected now."""
        frame = self.course.starts.get(number)
        if frame is None or frame in self._delivered:
            return False
        if frame not in self._held:
            self._held.add(frame)
            options = tuple(range(len(self._pending) + 1))
            if self.course.frames[frame].fetch == number:
                options = (*options, LATER)
            chosen = self._choose(number, ("frame", number), options)
            if chosen == LATER:
                return bool(self._pending) and self._told_one()
            for _ in range(chosen):
                self._tell_next()
        elif self.decisions.get(("frame", number)) == LATER:
            return False
        self._now_ns = max(self._now_ns, step.time_ns)
        self._telling = step.row
        self._deliver(frame)
        return True

    def _told_one(self) -> bool:
        self._tell_next()
        return True

    def _missing(self, number: int, said: Said) -> Mismatch:
        if said.kind == Kind.DMA_WRITE and not self.target.shows_writes:
            data = self.target.memory(said.address, said.length)
            held = Said(said.kind, address=said.address, length=said.length, data=data)
            return Mismatch(number, Difference.OTHER, said, held)
        like = next((each for each in self._produced if _alike(each, said)), None)
        difference = Difference.MISSING if like is None else Difference.OTHER
        return Mismatch(number, difference, said, like)

    def _compare(self, number: int, said: Said, place: int) -> None:
        got = self._produced[place]
        if said.kind not in ANSWERS:
            del self._produced[place]
            if said.kind == Kind.DMA_READ:
                self._tags[said.tag] = got.tag
            self.agreed[self.course.what(said)] += 1
            return
        if said.status != Status.OK:
            del self._produced[place]
            self.not_compared["not answered"] += 1
            return
        if self.course.hidden(said):
            del self._produced[place]
            self.not_compared[self.course.name_of(said)] += 1
            return
        mask = (1 << 8 * said.length) - 1 & ~self.target.unpredictable(said)
        if not mask:
            del self._produced[place]
            self.not_compared[self.course.name_of(said)] += 1
            return
        mask = 0 if said.kind == Kind.PIO_WRITE else mask  # its completion carries no data
        wrong = (said.value ^ got.value) & mask
        if wrong and not wrong & self.course.described(said):
            self.reserved[self.course.name_of(said)] += 1
            wrong = 0
        mask &= self.course.described(said)
        wrong &= mask
        explained = not wrong or self._absorbed(number, said, got, wrong)
        if got.status != Status.OK or not (explained or self._comes_true(said, wrong, mask)):
            raise Mismatch(number, Difference.VALUE, said, got)
        del self._produced[place]
        self.agreed[self.course.name_of(said)] += 1

    def _absorbed(self, number: int, said: Said, got: Said, wrong: int) -> bool:
        """Whether it is a poll, and the target is earlier: a later read of it got this value.

        Of a device whose clock is not ours, other accesses may come in between.
        """
        if wrong & ~self.course.volatile(said):
            return False
        patient = not self.target.shows_writes
        for step in self.course.script.steps[number + 1 : number + _AHEAD]:
            told, later = step.told, step.said
            if told is not None and (told.place == said.place or not patient):
                if told.kind not in ANSWERS or told.place != said.place:
                    return False
            elif later is None or later.kind not in ANSWERS:
                continue
            elif later.place == said.place:
                if not (later.value ^ got.value) & self.course.described(said):
                    return True
            elif not patient:
                return False
        return False

    def _comes_true(self, said: Said, wrong: int, mask: int) -> bool:
        """Whether the target, whose timers nobody sees, only takes longer: read it again."""
        if self.target.settled or self.target.shows_writes or not self.course.is_plain(said):
            return False
        if wrong & ~self.course.volatile(said):
            return False
        told = Told(said.kind, said.place, said.address, said.length, tag=said.tag)
        for _ in range(_TIMERS_MAX if self._in_vain[said.kind] < _VAIN_MAX else 1):
            self._hear(self.target.wait() or [])
            answers = self.target.tell(told, None)
            if any(each.is_same(said) and not (each.value ^ said.value) & mask for each in answers):
                return True
        self._in_vain[said.kind] += 1
        return False

    def is_constant(self, mismatch: Mismatch) -> bool:
        """Whether it is about bits that only the driver changes: no frame, no timer does."""
        expected, got = mismatch.expected, mismatch.got
        if mismatch.difference != Difference.VALUE or expected is None or got is None:
            return False
        if expected.kind == Kind.CONFIG_READ:
            return True
        wrong = expected.value ^ got.value
        return bool(wrong & self.course.described(expected) & ~self.course.volatile(expected))

    # ------------------------------------------------------------- going on

    def go_on(self, mismatch: Mismatch) -> None:
        """Take it as the recording has it, and go on behind it."""
        if mismatch.got is not None:
            self._forget(mismatch.got)
        self._dropped = self._dropped + 1 if mismatch.difference == Difference.UNEXPECTED else 0
        # A device that says something for ever must not keep the script from going on.
        if not 0 < self._dropped <= _DROPPED_MAX:
            self._dropped = 0
            self._leave(self.at)

    def _forget(self, said: Said) -> None:
        self._produced = [each for each in self._produced if each is not said]
        if said.kind == Kind.DMA_READ:
            self._serve(said)

    def _enter_handler(self, step: Step) -> None:
        """Tap mode: a handler ran, so that there was an interrupt."""
        if self.course.script.shows_device:
            return
        while self._pending:
            self._tell_next()
        if self._line or self._messages:
            self._messages = max(0, self._messages - 1)
            self.agreed["handler enter"] += 1
        else:
            self.not_compared["handler enter"] += 1


def _alike(said: Said, other: Said) -> bool:
    if said.kind in LINE and other.kind in LINE:
        return False
    return said.kind == other.kind and said.kind not in ANSWERS
