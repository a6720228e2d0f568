# SPDX-License-Identifier: Apache-2.0
"""LLVM's assembly language, as it is written line by line."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

NO: Final = "false"
YES: Final = "true"


class Assembly:
    """The body of a function. An operand is the name of a value, or a number."""

    def __init__(self, block: str = "entry") -> None:
        self.block = block
        """The one that is written."""
        self._lines: list[str] = []
        self._count = 0

    def text(self) -> str:
        """What has been written."""
        return "\n".join(self._lines)

    def value(self, instruction: str) -> str:
        """Write an instruction; returns the name of its value."""
        self._count += 1
        name = f"%v{self._count}"
        self._lines.append(f"  {name} = {instruction}")
        return name

    def do(self, instruction: str) -> None:
        """Write an instruction that has no value."""
        self._lines.append(f"  {instruction}")

    def label(self, hint: str) -> str:
        """A new name for a block."""
        self._count += 1
        return f"{hint}{self._count}"

    def begin(self, label: str) -> None:
        """Begin a block."""
        self._lines.append(f"{label}:")
        self.block = label

    def go(self, label: str) -> None:
        """End a block: go on at another."""
        self.do(f"br label %{label}")

    def branch(self, condition: str, yes: str, no: str) -> None:
        """End a block: go on at one of two others."""
        self.do(f"br i1 {condition}, label %{yes}, label %{no}")

    def met(self, type_: str, values: Mapping[str, str]) -> str:
        """At the beginning of a block: the value of the block that it was reached from."""
        told = ", ".join(f"[ {value}, %{block} ]" for block, value in values.items())
        return self.value(f"phi {type_} {told}")

    # ------------------------------------------------------- truths, spared where decided

    def both(self, one: str, two: str) -> str:
        """Whether both are true."""
        if one == NO or two == NO:
            return NO
        if one in (YES, two):
            return two
        return one if two == YES else self.value(f"and i1 {one}, {two}")

    def either(self, one: str, two: str) -> str:
        """Whether one of two is true."""
        if one == YES or two == YES:
            return YES
        if one in (NO, two):
            return two
        return one if two == NO else self.value(f"or i1 {one}, {two}")

    def opposite(self, one: str) -> str:
        """Whether it is false."""
        if one in (NO, YES):
            return YES if one == NO else NO
        return self.value(f"xor i1 {one}, true")

    def choice(self, condition: str, type_: str, yes: str, no: str) -> str:
        """One of two values."""
        if condition in (NO, YES) or yes == no:
            return no if condition == NO else yes
        return self.value(f"select i1 {condition}, {type_} {yes}, {type_} {no}")

    # ---------------------------------------------------------------------------- memory

    def load(self, type_: str, base: str, offset: str, align: int) -> str:
        """What lies at an offset, which nobody changes meanwhile."""
        at = self.value(f"getelementptr i8, ptr {base}, i64 {offset}")
        return self.value(f"load {type_}, ptr {at}, align {align}, !invariant.load !0")

    def fetch(self, base: str, offset: str) -> None:
        """Ask for what lies at an offset; there need be nothing."""
        at = self.value(f"getelementptr i8, ptr {base}, i64 {offset}")
        self.do(f"call void @llvm.prefetch.p0(ptr {at}, i32 0, i32 3, i32 1)")

    def store(self, value: str, base: str, index: str) -> None:
        """Store one of an array of numbers."""
        at = self.value(f"getelementptr i64, ptr {base}, i64 {index}")
        self.do(f"store i64 {value}, ptr {at}, align 8")

    def increase(self, base: str, index: str, by: str = "1") -> None:
        """Add to one of an array of numbers."""
        at = self.value(f"getelementptr i64, ptr {base}, i64 {index}")
        old = self.value(f"load i64, ptr {at}, align 8")
        new = self.value(f"add i64 {old}, {by}")
        self.do(f"store i64 {new}, ptr {at}, align 8")
