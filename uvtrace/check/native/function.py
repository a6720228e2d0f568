# SPDX-License-Identifier: Apache-2.0
"""The functions that judge events, as LLVM's assembly language: one for each kind of event, and
one that goes over the pieces of a chunk and calls them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from enum import IntEnum
from typing import Final, NamedTuple

from uvtrace.check.flat import Flat
from uvtrace.check.native.access import Access, How
from uvtrace.check.native.assembly import NO, YES, Assembly
from uvtrace.check.native.plan import Output, Step, Switch, Test, What
from uvtrace.check.native.values import Frame, Values
from uvtrace.trace.layout import RECORD, RECORD_SIZE

RECORDS_AHEAD: Final = 6
"""Events ahead, of the same kind, of which the record is fetched."""
AHEAD_OF_KIND: Final = 2
"""Events ahead, of the same kind, of which that is fetched which passes have told of them."""
_BYTES_AHEAD: Final = 384
"""How far ahead is fetched what is gone through from its beginning to its end."""
_APART: Final = 48
"""Bytes from one field to the next that is fetched: they may not be of one cache line."""
PIECE: Final = 1024
"""Records, a power of two, of which the events are judged kind by kind: the processor guesses
better what code does next that it has just run, and what is told of them stays in its caches."""
WORD: Final = 64
"""Bits of a word."""
WALK: Final = "walk"
"""The name of the function that goes over the pieces."""


class Argument(IntEnum):
    """What the functions are given, in an array of 64 bits each.

    The address of the first record, the bytes from one to the next, and their number; the position
    of the first one in the trace; how many functions there are; the address of the codes, one for
    each kind that there is (see :class:`Code`), and how many these are. Then what all of them
    count: how many events a violation may concern, and those among them that were counted (shape
    (functions + 1, rules)); the addresses of the addresses at which the rules' next rows are
    written; and of what followers are told, see :class:`Told`. The address of what is called
    behind each piece, and that of what it is given. Two of each column follow: the address of its
    values, and that of its places.
    """

    RECORDS = 0
    STRIDE = 1
    COUNT = 2
    FIRST = 3
    FUNCTIONS = 4
    CODES = 5
    KINDS = 6
    UNKNOWN = 7
    COUNTED = 8
    ENDS = 9
    TOLD = 10
    BEHIND = 11
    GIVEN = 12
    COLUMNS = 13


class Code(IntEnum):
    """What is told of the code of a kind, 64 bits each.

    The address of the function; that of what it counts (int64, shape (functions + 1, counters);
    the last is the trace); that of the number of the row of the next event of the kind, which
    moves on; and where these numbers end: behind them lie at least RECORDS_AHEAD more numbers of
    rows.
    """

    FUNCTION = 0
    COUNTS = 1
    NEXT = 2
    END = 3
    SIZE = 4


class Told(NamedTuple):
    """What a follower is told, in an array that all of them share.

    There are, from ``base`` on, the address of bits, one for each record of the piece, that tell
    which ones it is told of; the addresses of what it is told by (one for each of ``words``); and
    those of its numbers: 64 bits each, by the record's place in the piece.
    """

    base: int
    words: int


class Sizes(NamedTuple):
    """How many counters a kind has, and how many rules there are."""

    counters: int
    rules: int


_HEAD: Final = """\
define void @{name}(ptr noalias %arguments, ptr noalias %counts, ptr noalias %next_at, ptr %end,
    i64 %limit) {{
entry:
  %records_at = getelementptr i64, ptr %arguments, i64 {records}
  %records = load ptr, ptr %records_at, align 8
  %stride_at = getelementptr i64, ptr %arguments, i64 {stride}
  %stride = load i64, ptr %stride_at, align 8
  %functions_at = getelementptr i64, ptr %arguments, i64 {functions}
  %functions = load i64, ptr %functions_at, align 8
  %begin = load ptr, ptr %next_at, align 8
  br label %next
next:
  %own = phi ptr [ %begin, %entry ], [ %following, %judged ]
  %more = icmp ult ptr %own, %end
  br i1 %more, label %look, label %done
look:
  %row = load i64, ptr %own, align 8
  %near = icmp slt i64 %row, %limit
  br i1 %near, label %judge, label %done
judge:
  %later_at = getelementptr i64, ptr %own, i64 {records_ahead}
  %later = load i64, ptr %later_at, align 8
  %later_begin = mul i64 %later, %stride
  %later_record = getelementptr i8, ptr %records, i64 %later_begin
  call void @llvm.prefetch.p0(ptr %later_record, i32 0, i32 3, i32 1)
  %later_half = getelementptr i8, ptr %later_record, i64 {half}
  call void @llvm.prefetch.p0(ptr %later_half, i32 0, i32 3, i32 1)
  %ahead_at = getelementptr i64, ptr %own, i64 {ahead_of_kind}
  %ahead = load i64, ptr %ahead_at, align 8
  %record_begin = mul i64 %row, %stride
  %record = getelementptr i8, ptr %records, i64 %record_begin
  %owner_at = getelementptr i8, ptr %record, i64 {function_offset}
  %owner_told = load i16, ptr %owner_at, align 1, !invariant.load !0
  %owner_wide = zext i16 %owner_told to i64
  %inside = icmp ult i64 %owner_wide, %functions
  %owner = select i1 %inside, i64 %owner_wide, i64 %functions
  %place = and i64 %row, {in_piece}
  %place_word = lshr i64 %place, {word_shift}
  %place_in_word = and i64 %place, {in_word}
  %place_bit = shl i64 1, %place_in_word
"""
_TAIL: Final = """\
  br label %judged
judged:
  %following = getelementptr i64, ptr %own, i64 1
  br label %next
done:
  store ptr %own, ptr %next_at, align 8
  ret void
}
declare void @llvm.prefetch.p0(ptr, i32, i32, i32)
!0 = !{}
"""
_WALK: Final = """\
define void @{name}(ptr noalias %arguments) {{
entry:
  %count_at = getelementptr i64, ptr %arguments, i64 {count}
  %count = load i64, ptr %count_at, align 8
  %codes_at = getelementptr i64, ptr %arguments, i64 {codes}
  %codes = load ptr, ptr %codes_at, align 8
  %kinds_at = getelementptr i64, ptr %arguments, i64 {kinds}
  %kinds = load i64, ptr %kinds_at, align 8
  %behind_at = getelementptr i64, ptr %arguments, i64 {behind}
  %behind = load ptr, ptr %behind_at, align 8
  %given_at = getelementptr i64, ptr %arguments, i64 {given}
  %given = load ptr, ptr %given_at, align 8
  %some = icmp sgt i64 %count, 0
  br i1 %some, label %piece, label %end
piece:
  %begin = phi i64 [ 0, %entry ], [ %limit, %judged ]
  %limit = add i64 %begin, {piece}
  br label %kind
kind:
  %number = phi i64 [ 0, %piece ], [ %next, %kind ]
  %place = mul i64 %number, {code_size}
  %code_at = getelementptr ptr, ptr %codes, i64 %place
  %code = load ptr, ptr %code_at, align 8
  %counts_at = getelementptr ptr, ptr %code_at, i64 {counts}
  %counts = load ptr, ptr %counts_at, align 8
  %next_at = getelementptr ptr, ptr %code_at, i64 {next}
  %end_at = getelementptr ptr, ptr %code_at, i64 {end}
  %own_end = load ptr, ptr %end_at, align 8
  call void %code(ptr %arguments, ptr %counts, ptr %next_at, ptr %own_end, i64 %limit)
  %next = add i64 %number, 1
  %more = icmp slt i64 %next, %kinds
  br i1 %more, label %kind, label %judged
judged:
  %status = call i32 %behind(ptr %given)
  %again = icmp slt i64 %limit, %count
  br i1 %again, label %piece, label %end
end:
  ret void
}}
"""


def walk_assembly() -> str:
    """The text of the function that calls those of the kinds, piece by piece."""
    return _WALK.format(
        name=WALK,
        count=int(Argument.COUNT),
        codes=int(Argument.CODES),
        kinds=int(Argument.KINDS),
        behind=int(Argument.BEHIND),
        given=int(Argument.GIVEN),
        piece=PIECE,
        code_size=int(Code.SIZE),
        counts=int(Code.COUNTS),
        next=int(Code.NEXT),
        end=int(Code.END),
    )


def assembly_of(
    name: str,
    flat: Flat,
    steps: Iterable[Step],
    sizes: Sizes,
    columns: Mapping[str, Column],
    told: Sequence[Told],
) -> str:
    """The text of the function that judges the events of a kind in a piece.

    Args:
        name: of the function.
        flat: the parts of the terms.
        steps: what it does with an event.
        sizes: how many counters and rules there are.
        columns: how each one is read, by name.
        told: where each follower is told of events.
    """
    writer = _Writer(flat, sizes, columns, told)
    writer.fetch(columns.values())
    writer.steps(tuple(steps))
    head = _HEAD.format(
        name=name,
        records=int(Argument.RECORDS),
        stride=int(Argument.STRIDE),
        functions=int(Argument.FUNCTIONS),
        records_ahead=RECORDS_AHEAD,
        half=RECORD_SIZE // 2,
        ahead_of_kind=AHEAD_OF_KIND,
        in_piece=PIECE - 1,
        word_shift=WORD.bit_length() - 1,
        in_word=WORD - 1,
        function_offset=offset_of("function"),
    )
    return f"{head}{writer.assembly.text()}\n{_TAIL}"


class Column(NamedTuple):
    """How a column is read, which number it has, and which column has the same places."""

    access: Access
    number: int
    group: int


def offset_of(field: str) -> int:
    """Where a common field lies in a record."""
    assert RECORD.fields is not None
    return int(RECORD.fields[field][1])


class _Writer:
    """Writes what is done with an event."""

    def __init__(
        self, flat: Flat, sizes: Sizes, columns: Mapping[str, Column], told: Sequence[Told]
    ) -> None:
        self.assembly = Assembly("judge")
        self._sizes = sizes
        self._told = told
        self._told_of: set[int] = set()
        frame = Frame(
            accesses={name: column.access for name, column in columns.items()},
            values={name: Argument.COLUMNS + 2 * each.number for name, each in columns.items()},
            places={name: Argument.COLUMNS + 2 * each.group + 1 for name, each in columns.items()},
            first=Argument.FIRST,
            time_offset=offset_of("time_ns"),
        )
        self._values = Values(flat, frame, self.assembly)

    def fetch(self, columns: Iterable[Column]) -> None:
        """Ask for what is told of a later event, which is not in the processor's caches."""
        of_groups: dict[int, dict[int, dict[int, int]]] = defaultdict(dict)
        for access, number, group in columns:
            if access.how == How.PLACED:
                rows = of_groups[group]
                if access.fetched:
                    rows.setdefault(access.stride, {})[access.offset] = number
        offset = self.assembly.value("shl i64 %ahead, 2") if of_groups else ""
        for group, arrays in of_groups.items():
            self._fetch_rows(group, offset, arrays)

    def _fetch_rows(self, group: int, offset: str, arrays: Mapping[int, Mapping[int, int]]) -> None:
        """Fetch places, and the rows there: of arrays, by how far apart their rows are, the numbers
        of columns by where they lie in a row."""
        asm = self.assembly
        places = self._column_argument(group, 1)
        asm.fetch(places, asm.value(f"add i64 {offset}, {_BYTES_AHEAD}"))
        if not arrays:
            return
        place = asm.value(f"sext i32 {asm.load('i32', places, offset, 4)} to i64")
        for stride, numbers in arrays.items():
            begin = asm.value(f"mul i64 {place}, {stride}")
            fetched = -_APART
            for offset_in_row in sorted(numbers):
                if offset_in_row >= fetched + _APART:
                    fetched = offset_in_row
                    asm.fetch(self._column_argument(numbers[offset_in_row], 0), begin)

    def _column_argument(self, number: int, which: int) -> str:
        """Where the values (0) or the places (1) of a column are; not kept for later."""
        argument = Argument.COLUMNS + 2 * number + which
        return self.assembly.load("ptr", "%arguments", str(8 * argument), 8)

    def steps(self, steps: Sequence[Step]) -> None:
        """Write some steps, one after the other."""
        for step in steps:
            if isinstance(step, Test):
                self._test(step)
            elif isinstance(step, Switch):
                self._switch(step)
            else:
                self._output(step)

    def _inside(self, label: str, steps: Sequence[Step], behind: str) -> None:
        self.assembly.begin(label)
        with self._values.scope():
            self.steps(steps)
        self.assembly.go(behind)

    def _test(self, step: Test) -> None:
        asm = self.assembly
        condition, _ = self._values.truth(step.of)
        then, behind = asm.label("then"), asm.label("behind")
        otherwise = asm.label("else") if step.otherwise else behind
        asm.branch(condition, then, otherwise)
        self._inside(then, step.then, behind)
        if step.otherwise:
            self._inside(otherwise, step.otherwise, behind)
        asm.begin(behind)

    def _switch(self, step: Switch) -> None:
        asm = self.assembly
        value, _ = self._values.number(step.of)
        behind = asm.label("behind")
        labels = {literal: asm.label("case") for literal in step.cases}
        cases = " ".join(f"i64 {literal}, label %{label}" for literal, label in labels.items())
        asm.do(f"switch i64 {value}, label %{behind} [ {cases} ]")
        for literal, steps in step.cases.items():
            self._inside(labels[literal], steps, behind)
        asm.begin(behind)

    # ---------------------------------------------------------------------------- outputs

    def _output(self, output: Output) -> None:
        behind = self.assembly.label("behind")
        with self._values.scope():
            if output.what is What.COUNT:
                self._count(output)
            elif output.what is What.EVENT:
                self._tell_event(output, behind)
            else:
                self._tell_violation(output, behind)
        self.assembly.go(behind)
        self.assembly.begin(behind)

    def _count(self, output: Output) -> None:
        certain = YES
        for number in sorted(output.unsure):
            certain = self.assembly.both(certain, self._values.truth(number)[0])
        if certain == NO:
            return
        place = self._place(output.whole, output.number, self._sizes.counters)
        by = "1" if certain == YES else self.assembly.value(f"zext i1 {certain} to i64")
        self.assembly.increase("%counts", place, by)

    def _tell_violation(self, output: Output, behind: str) -> None:
        certain = judged = YES
        for number in sorted(output.unsure):
            one, possible = self._values.truth(number)
            self._go_on_if(possible, behind)
            certain = self.assembly.both(certain, one)
            if number in output.applies:
                judged = self.assembly.both(judged, one)
        if certain == YES:
            self._tell(output.number)
            return
        asm = self.assembly
        sure, unsure = asm.label("sure"), asm.label("unsure")
        asm.branch(certain, sure, unsure)
        asm.begin(sure)
        with self._values.scope():
            self._tell(output.number)
        asm.go(behind)
        asm.begin(unsure)
        place = self._place(output.whole, output.number, self._sizes.rules)
        asm.increase(self._values.argument(Argument.UNKNOWN), place)
        by = "1" if judged == YES else asm.value(f"zext i1 {judged} to i64")
        asm.increase(self._values.argument(Argument.COUNTED), place, by)

    def _go_on_if(self, condition: str, behind: str) -> None:
        if condition != YES:
            then = self.assembly.label("then")
            self.assembly.branch(condition, then, behind)
            self.assembly.begin(then)

    def _tell(self, rule: int) -> None:
        asm = self.assembly
        ends = self._values.argument(Argument.ENDS)
        at = asm.value(f"getelementptr ptr, ptr {ends}, i64 {rule}")
        end = asm.value(f"load ptr, ptr {at}, align 8")
        asm.do(f"store i64 {Frame.row}, ptr {end}, align 8")
        moved = asm.value(f"getelementptr i64, ptr {end}, i64 1")
        asm.do(f"store ptr {moved}, ptr {at}, align 8")

    def _place(self, whole: bool, number: int, width: int) -> str:
        owner = "%functions" if whole else Frame.owner
        begin = self.assembly.value(f"mul i64 {owner}, {width}")
        return self.assembly.value(f"add i64 {begin}, {number}")

    def _tell_event(self, output: Output, behind: str) -> None:
        for number in sorted(output.unsure):
            self._go_on_if(self._values.truth(number)[0], behind)
        asm, (base, words) = self.assembly, self._told[output.number]
        told = self._values.argument(Argument.TOLD)
        is_new = self._is_new(output.number, asm.load("ptr", told, str(8 * base), 8))
        for word in range(words):
            bits = asm.load("ptr", told, str(8 * (base + 1 + word)), 8)
            self._add_bit(bits, output.bit - WORD * word, is_new)
        for asked in output.numbers:
            numbers = asm.load("ptr", told, str(8 * (base + 1 + words + asked.place)), 8)
            asm.store(self._values.asked(asked), numbers, "%place")

    def _is_new(self, follower: int, records: str) -> str:
        """Take note that a follower is told of the event; whether it was not yet."""
        asm = self.assembly
        at = asm.value(f"getelementptr i64, ptr {records}, i64 %place_word")
        old = asm.value(f"load i64, ptr {at}, align 8")
        asm.do(f"store i64 {asm.value(f'or i64 {old}, %place_bit')}, ptr {at}, align 8")
        if follower not in self._told_of:
            self._told_of.add(follower)
            return YES
        return asm.value(f"icmp eq i64 {asm.value(f'and i64 {old}, %place_bit')}, 0")

    def _add_bit(self, bits: str, bit: int, is_new: str) -> None:
        asm = self.assembly
        at = asm.value(f"getelementptr i64, ptr {bits}, i64 %place")
        old = "0"
        if is_new != YES:
            old = asm.choice(is_new, "i64", "0", asm.value(f"load i64, ptr {at}, align 8"))
        if 0 <= bit < WORD:
            own = 1 << bit if bit < WORD - 1 else -(1 << bit)
            old = str(own) if old == "0" else asm.value(f"or i64 {old}, {own}")
        asm.do(f"store i64 {old}, ptr {at}, align 8")
