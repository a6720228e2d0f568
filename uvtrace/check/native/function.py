# SPDX-License-Identifier: Apache-2.0
"""The function that judges the events of a kind, as LLVM's assembly language."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from enum import IntEnum
from typing import Final, NamedTuple

from uvtrace.check.flat import Flat
from uvtrace.check.native.access import Access, How
from uvtrace.check.native.assembly import NO, YES, Assembly
from uvtrace.check.native.plan import Output, Step, Switch, Test, What
from uvtrace.check.native.values import Frame, Values
from uvtrace.trace.layout import RECORD, RECORD_SIZE

_AHEAD: Final = 12
"""Events ahead whose records are fetched: those of other kinds lie between them."""


class Argument(IntEnum):
    """What the function is given, in an array of 64 bits each.

    The address of the first record, and the bytes from one to the next; the address of the judged
    rows (int64), and their number; the position of the chunk's first record; how many functions
    there are; the addresses of the counts (int64, shape (functions + 1, counters); the last is the
    trace), of how many events a violation may concern, and of those among them that were counted
    (shape (functions + 1, outputs)); and of the addresses at which the outputs' next rows are
    written. The columns' addresses follow, and those of the groups of places.
    """

    RECORDS = 0
    STRIDE = 1
    ROWS = 2
    COUNT = 3
    FIRST = 4
    FUNCTIONS = 5
    COUNTS = 6
    UNKNOWN = 7
    COUNTED = 8
    ENDS = 9
    COLUMNS = 10


class Sizes(NamedTuple):
    """How many counters and outputs there are."""

    counters: int
    outputs: int


_HEAD: Final = """\
define void @{name}(ptr noalias %arguments) {{
entry:
{arguments}
  %some = icmp sgt i64 %count, 0
  br i1 %some, label %loop, label %end
loop:
  %index = phi i64 [ 0, %entry ], [ %following, %next ]
  %row_at = getelementptr i64, ptr %rows, i64 %index
  %row = load i64, ptr %row_at, align 8, !invariant.load !0
  %later = add i64 %index, {ahead}
  %is_there = icmp slt i64 %later, %count
  %later_index = select i1 %is_there, i64 %later, i64 %index
  %later_at = getelementptr i64, ptr %rows, i64 %later_index
  %later_row = load i64, ptr %later_at, align 8, !invariant.load !0
  %later_offset = mul i64 %later_row, %stride
  %later_record = getelementptr i8, ptr %records, i64 %later_offset
  call void @llvm.prefetch.p0(ptr %later_record, i32 0, i32 3, i32 1)
  %later_half = getelementptr i8, ptr %later_record, i64 {half}
  call void @llvm.prefetch.p0(ptr %later_half, i32 0, i32 3, i32 1)
  %record = mul i64 %row, %stride
  %position = add i64 %row, %first
  %owner_offset = add i64 %record, {function_offset}
  %owner_at = getelementptr i8, ptr %records, i64 %owner_offset
  %owner_told = load i16, ptr %owner_at, align 1, !invariant.load !0
  %owner_wide = zext i16 %owner_told to i64
  %inside = icmp ult i64 %owner_wide, %functions
  %owner = select i1 %inside, i64 %owner_wide, i64 %functions
"""
_TAIL: Final = """\
  br label %next
next:
  %following = add i64 %index, 1
  %more = icmp slt i64 %following, %count
  br i1 %more, label %loop, label %end
end:
  ret void
}
declare void @llvm.prefetch.p0(ptr, i32, i32, i32)
!0 = !{}
"""


def assembly_of(
    name: str,
    flat: Flat,
    steps: Iterable[Step],
    sizes: Sizes,
    accesses: Mapping[str, Access],
    groups: Mapping[str, int],
) -> str:
    """The function's text.

    Args:
        name: of the function.
        flat: the parts of the terms.
        steps: what it does with an event.
        sizes: how many counters and outputs there are.
        accesses: of each column, by name; their addresses are given in this order.
        groups: of each column that has places, which of the groups they are.
    """
    arguments = _Arguments(accesses, groups)
    writer = _Writer(flat, sizes, Frame(accesses, arguments.columns, arguments.places))
    writer.steps(tuple(steps))
    head = _HEAD.format(
        name=name,
        arguments=arguments.text(),
        half=RECORD_SIZE // 2,
        ahead=_AHEAD,
        function_offset=offset_of("function"),
    )
    return f"{head}{writer.assembly.text()}\n{_TAIL}"


def offset_of(field: str) -> int:
    """Where a common field lies in a record."""
    assert RECORD.fields is not None
    return int(RECORD.fields[field][1])


class _Arguments:
    """Loads the arguments."""

    def __init__(self, accesses: Mapping[str, Access], groups: Mapping[str, int]) -> None:
        self._lines: list[str] = []
        for name, at, type_ in (
            ("records", Argument.RECORDS, "ptr"),
            ("stride", Argument.STRIDE, "i64"),
            ("rows", Argument.ROWS, "ptr"),
            ("count", Argument.COUNT, "i64"),
            ("first", Argument.FIRST, "i64"),
            ("functions", Argument.FUNCTIONS, "i64"),
            ("counts", Argument.COUNTS, "ptr"),
            ("unknown", Argument.UNKNOWN, "ptr"),
            ("counted", Argument.COUNTED, "ptr"),
            ("ends", Argument.ENDS, "ptr"),
        ):
            self._load(name, at, type_)
        self.columns: dict[str, str] = {}
        for number, (column, access) in enumerate(accesses.items()):
            if access.how in (How.ROW, How.ASKED, How.PLACED):
                self.columns[column] = f"%column{number}"
                self._load(f"column{number}", Argument.COLUMNS + number, "ptr")
        first = Argument.COLUMNS + len(accesses)
        for group in sorted(set(groups.values())):
            self._load(f"places{group}", first + group, "ptr")
        self.places = {column: f"%places{group}" for column, group in groups.items()}

    def text(self) -> str:
        return "\n".join(self._lines)

    def _load(self, name: str, at: int, type_: str) -> None:
        self._lines += [
            f"  %{name}_at = getelementptr i64, ptr %arguments, i64 {int(at)}",
            f"  %{name} = load {type_}, ptr %{name}_at, align 8, !invariant.load !0",
        ]


class _Writer:
    """Writes what is done with an event."""

    def __init__(self, flat: Flat, sizes: Sizes, frame: Frame) -> None:
        self.assembly = Assembly()
        self._sizes = sizes
        self._values = Values(flat, frame, self.assembly, offset_of("time_ns"))

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
            elif output.what is What.ROWS:
                self._tell_rows(output, behind)
            else:
                self._tell_violation(output, behind)
        self.assembly.go(behind)
        self.assembly.begin(behind)

    def _unsure(self, numbers: Iterable[int]) -> list[int]:
        return sorted(numbers)

    def _count(self, output: Output) -> None:
        certain = YES
        for number in self._unsure(output.unsure):
            certain = self.assembly.both(certain, self._values.truth(number)[0])
        if certain == NO:
            return
        place = self._place(output.whole, output.number, self._sizes.counters)
        by = "1" if certain == YES else self.assembly.value(f"zext i1 {certain} to i64")
        self.assembly.increase("%counts", place, by)

    def _tell_rows(self, output: Output, behind: str) -> None:
        for number in self._unsure(output.unsure):
            self._go_on_if(self._values.truth(number)[0], behind)
        self._tell(output.number)

    def _tell_violation(self, output: Output, behind: str) -> None:
        certain = judged = YES
        for number in self._unsure(output.unsure):
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
        self._tell(output.number)
        asm.go(behind)
        asm.begin(unsure)
        place = self._place(output.whole, output.number, self._sizes.outputs)
        asm.increase("%unknown", place)
        by = "1" if judged == YES else asm.value(f"zext i1 {judged} to i64")
        asm.increase("%counted", place, by)

    def _go_on_if(self, condition: str, behind: str) -> None:
        if condition != YES:
            then = self.assembly.label("then")
            self.assembly.branch(condition, then, behind)
            self.assembly.begin(then)

    def _tell(self, output: int) -> None:
        asm = self.assembly
        at = asm.value(f"getelementptr ptr, ptr %ends, i64 {output}")
        end = asm.value(f"load ptr, ptr {at}, align 8")
        asm.do(f"store i64 {Frame.row}, ptr {end}, align 8")
        moved = asm.value(f"getelementptr i64, ptr {end}, i64 1")
        asm.do(f"store ptr {moved}, ptr {at}, align 8")

    def _place(self, whole: bool, number: int, width: int) -> str:
        owner = "%functions" if whole else Frame.owner
        begin = self.assembly.value(f"mul i64 {owner}, {width}")
        return self.assembly.value(f"add i64 {begin}, {number}")
