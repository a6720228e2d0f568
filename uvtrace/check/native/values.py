# SPDX-License-Identifier: Apache-2.0
"""The values of terms' parts, written down as machine code for one event.

A number is a pair of operands: 64 bits, and whether they are known. A truth is a pair, too: whether
it is *certain*, and whether it is *possible*. Where nothing can be unknown, that is decided while
the code is written.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Final

import numpy as np

from uvtrace.check.flat import Flat, Node
from uvtrace.check.keys import MIX, SHIFT
from uvtrace.check.native.access import Access, How
from uvtrace.check.native.assembly import NO, YES, Assembly
from uvtrace.check.native.plan import Asked

Pair = tuple[str, str]

_WORD_BYTES: Final = 8
_MIX: Final = MIX - (1 << 64)
"""As LLVM writes it."""
_POWERS: Final = {str(1 << power): power for power in range(63)}
"""The powers of two, as operands."""
_HEAVY: Final = 8
"""Parts that a truth has at least, to be left out where another one has decided."""
_SIMPLE: Final = {"+": "add", "-": "sub", "*": "mul", "&": "and", "|": "or", "^": "xor"}
_ORDERS: Final = {"<": "lt", "<=": "le", ">": "gt", ">=": "ge"}


class Frame:
    """What the code for an event can refer to: operands that are there throughout, and arguments.

    Attributes:
        accesses: how columns are read, by name.
        values: the argument that is the address of a column's values, by name.
        places: the argument that is the address of a column's places, by name; one for all columns
            that have the same places.
        first: the argument that is the position of the chunk's first record.
        time_offset: where the time lies in a record.
        record, row, owner, told_owner, inside: the event's record, and its row; the index of its
            function, also where there is no such function, and whether there is.
    """

    record: Final = "%record"
    row: Final = "%row"
    owner: Final = "%owner"
    told_owner: Final = "%owner_wide"
    inside: Final = "%inside"

    def __init__(
        self,
        accesses: Mapping[str, Access],
        values: Mapping[str, int],
        places: Mapping[str, int],
        first: int,
        time_offset: int,
    ) -> None:
        self.accesses = accesses
        self.values = values
        self.places = places
        self.first = first
        self.time_offset = time_offset


class Values:
    """Writes each part's value once for all code that is certain to come behind it."""

    def __init__(self, flat: Flat, frame: Frame, assembly: Assembly) -> None:
        self._flat = flat
        self._frame = frame
        self._asm = assembly
        self._scopes: list[dict[int | str, Pair]] = [{}]

    @contextmanager
    def scope(self) -> Iterator[None]:
        """What is written inside is not used behind it."""
        self._scopes.append({})
        yield
        self._scopes.pop()

    def number(self, number: int) -> Pair:
        """The value and whether it is known."""
        return self._of(number)

    def truth(self, number: int) -> Pair:
        """Whether it is certain, and whether it is possible."""
        return self._of(number)

    def argument(self, number: int, type_: str = "ptr") -> str:
        """One of the arguments, loaded where it is first used."""
        key = f"argument {number}"
        found = self._known_already(key)
        if found is None:
            loaded = self._asm.load(type_, "%arguments", str(_WORD_BYTES * number), _WORD_BYTES)
            found = self._scopes[-1][key] = loaded, YES
        return found[0]

    def asked(self, asked: Asked) -> str:
        """What is told of an event; see :func:`uvtrace.check.keys.keys_of`."""
        values = [self.number(node)[0] for node in asked.nodes]
        if not asked.is_key:
            return values[0]
        owner = Frame.told_owner if asked.every else Frame.owner
        one_more = self._asm.value(f"add i64 {owner}, 1")
        key = self._asm.value(f"mul i64 {one_more}, {_MIX}")
        for value in values:
            key = self._asm.value(f"add i64 {self._mixed(key)}, {value}")
        return self._mixed(key)

    def _mixed(self, key: str) -> str:
        shifted = self._asm.value(f"lshr i64 {key}, {SHIFT}")
        mixed = self._asm.value(f"xor i64 {key}, {shifted}")
        return self._asm.value(f"mul i64 {mixed}, {_MIX}")

    def _known_already(self, key: int | str) -> Pair | None:
        return next((scope[key] for scope in reversed(self._scopes) if key in scope), None)

    def _of(self, number: int) -> Pair:
        found = self._known_already(number)
        if found is None:
            found = self._written(self._flat.nodes[number])
            self._scopes[-1][number] = found
        return found

    def _written(self, node: Node) -> Pair:
        match node.op:
            case "literal":
                return str(node.facts[0]), YES
            case "constant":
                return (YES, YES) if node.facts[0] else (NO, NO)
            case "unknown":
                # As a number 0, unknown; as a truth possible. Whoever is not strict asks which.
                return NO, YES
            case "inside":
                return self._frame.inside, self._frame.inside
            case "column":
                return self._column(node)
            case "truth column":
                return self._truth_column(node)
            case "compute":
                return self._compute(node)
            case "bits":
                return self._bits(node)
            case "choose":
                return self._choose(node)
            case "compare":
                return self._compare(node)
            case "member":
                return self._member(node)
            case "not":
                certain, possible = self.truth(node.inputs[0])
                opposite = self._asm.opposite(possible)
                same = certain == possible
                return opposite, opposite if same else self._asm.opposite(certain)
            case "all" | "some":
                return self._joined(node)
        return self._is_known(node.inputs[0])

    # ---------------------------------------------------------------------------- columns

    def _column(self, node: Node) -> Pair:
        name, unknown = node.facts
        value = self._value_of(name)
        if unknown is None:
            return value, YES
        return value, self._asm.value(f"icmp ne i64 {value}, {unknown}")

    def _truth_column(self, node: Node) -> Pair:
        name, maybe = node.facts
        value = self._value_of(name)
        certain = self._asm.value(f"icmp eq i64 {value}, 1")
        return certain, self._asm.value(f"icmp ne i64 {value}, 0") if maybe else certain

    def _value_of(self, name: str) -> str:
        key = f"column {name}"
        found = self._known_already(key)
        if found is None:
            found = self._scopes[-1][key] = self._read(name), YES
        return found[0]

    def _read(self, name: str) -> str:
        access, frame = self._frame.accesses[name], self._frame
        match access.how:
            case How.CONSTANT:
                return str(access.fill)
            case How.POSITION:
                return self._asm.value(f"add i64 {frame.row}, {self.argument(frame.first, 'i64')}")
            case How.RECORD:
                value = self._in_record(access, access.offset)
                if access.instead is None:
                    return value
                other = self._in_record(access, access.instead)
                empty = self._asm.value(f"icmp eq i64 {value}, 0")
                return self._asm.choice(empty, "i64", other, value)
            case How.PLACED:
                return self._placed(name, access)
        return self._load(access, self.argument(frame.values[name]), frame.row)

    def _in_record(self, access: Access, offset: int) -> str:
        return self._at(access, self._frame.record, str(offset))

    def _placed(self, name: str, access: Access) -> str:
        number = self._frame.places[name]
        key = f"place {number}"
        found = self._known_already(key)
        if found is None:
            at = self._asm.value(f"shl i64 {self._frame.row}, 2")
            told = self._asm.load("i32", self.argument(number), at, 4)
            place = self._asm.value(f"sext i32 {told} to i64")
            lacks = self._asm.value(f"icmp slt i64 {place}, 0")
            found = self._scopes[-1][key] = place, lacks
        place, lacks = found
        base = self.argument(self._frame.values[name])
        if access.fill is None:
            value = self._load(access, base, place)
        else:
            first = self._asm.choice(lacks, "i64", "0", place)
            there = self._load(access, base, first)
            value = self._asm.choice(lacks, "i64", str(access.fill), there)
        return self._since(access, value) if access.since else value

    def _since(self, access: Access, begun: str) -> str:
        now = self._asm.load("i64", self._frame.record, str(self._frame.time_offset), 1)
        passed = self._asm.value(f"sub i64 {now}, {begun}")
        if access.since != "passed":
            back = self._asm.value(f"icmp slt i64 {passed}, 0")
            passed = self._asm.choice(back, "i64", "0", passed)
        never = self._asm.value(f"icmp slt i64 {begun}, 0")
        return self._asm.choice(never, "i64", "-1", passed)

    def _load(self, access: Access, base: str, index: str) -> str:
        return self._at(access, base, self._asm.value(f"mul i64 {index}, {access.stride}"))

    def _at(self, access: Access, base: str, offset: str) -> str:
        lies, counts = np.dtype(access.lies), np.dtype(access.counts)
        value = self._asm.load(f"i{8 * lies.itemsize}", base, offset, 1)
        value = self._wide(value, lies)
        if counts.itemsize < 8 and counts != lies:
            width = 8 * counts.itemsize
            value = self._wide(self._asm.value(f"trunc i64 {value} to i{width}"), counts)
        return value

    def _wide(self, value: str, dtype: np.dtype[np.generic]) -> str:
        if dtype.itemsize == 8:
            return value
        extension = "sext" if dtype.kind == "i" else "zext"
        return self._asm.value(f"{extension} i{8 * dtype.itemsize} {value} to i64")

    # ---------------------------------------------------------------------------- numbers

    def _operand(self, number: int) -> Pair:
        return ("0", NO) if number == self._flat.unknown else self.number(number)

    def _compute(self, node: Node) -> Pair:
        (left, left_known), (right, right_known) = map(self._operand, node.inputs)
        op, word = node.facts
        known = self._asm.both(left_known, right_known)
        if op in _SIMPLE:
            return self._asm.value(f"{_SIMPLE[op]} i64 {left}, {right}"), known
        if op in ("<<", ">>"):
            return self._shift(op, word, left, right), known
        return self._division(op, word, left, right), known

    def _shift(self, op: str, word: bool, left: str, right: str) -> str:
        fits = self._asm.value(f"icmp ult i64 {right}, 64")
        by = self._asm.choice(fits, "i64", right, "0")
        if op == ">>" and not word:
            # As far as it goes: all bits are the sign.
            most = self._asm.choice(fits, "i64", right, "63")
            return self._asm.value(f"ashr i64 {left}, {most}")
        instruction = "shl" if op == "<<" else "lshr"
        shifted = self._asm.value(f"{instruction} i64 {left}, {by}")
        return self._asm.choice(fits, "i64", shifted, "0")

    def _division(self, op: str, word: bool, left: str, right: str) -> str:
        if right in _POWERS:
            # Shifts go towards smaller numbers, as the terms do.
            if op == "%":
                return self._asm.value(f"and i64 {left}, {int(right) - 1}")
            instruction = "lshr" if word else "ashr"
            return self._asm.value(f"{instruction} i64 {left}, {_POWERS[right]}")
        if op == "//" or not right.startswith("%"):
            return self._divided(op, word, left, right)
        # Most often it is a power of two, and to divide takes as long as a dozen other things.
        asm = self._asm
        ones = asm.value(f"sub i64 {right}, 1")
        more = asm.value(f"and i64 {right}, {ones}")
        is_power = asm.value(f"icmp eq i64 {more}, 0")
        positive = asm.value(f"icmp sgt i64 {right}, 0")
        masks, divides, behind = asm.label("masks"), asm.label("divides"), asm.label("behind")
        asm.branch(asm.both(is_power, positive), masks, divides)
        asm.begin(masks)
        masked = asm.value(f"and i64 {left}, {ones}")
        asm.go(behind)
        asm.begin(divides)
        divided = self._divided(op, word, left, right)
        asm.go(behind)
        asm.begin(behind)
        return asm.met("i64", {masks: masked, divides: divided})

    def _divided(self, op: str, word: bool, left: str, right: str) -> str:
        none = self._asm.value(f"icmp eq i64 {right}, 0")
        if word:
            by = self._asm.choice(none, "i64", "1", right)
            instruction = "udiv" if op == "//" else "urem"
            value = self._asm.value(f"{instruction} i64 {left}, {by}")
            return self._asm.choice(none, "i64", "0", value)
        negative = self._asm.value(f"icmp eq i64 {right}, -1")
        trivial = self._asm.either(none, negative)
        by = self._asm.choice(trivial, "i64", "1", right)
        value = self._floored(op, left, by)
        if op == "%":
            return self._asm.choice(trivial, "i64", "0", value)
        # The least number has no opposite, and the processor traps.
        opposite = self._asm.value(f"sub i64 0, {left}")
        value = self._asm.choice(negative, "i64", opposite, value)
        return self._asm.choice(none, "i64", "0", value)

    def _floored(self, op: str, left: str, right: str) -> str:
        """Division towards smaller numbers; the processor's goes towards 0."""
        quotient = self._asm.value(f"sdiv i64 {left}, {right}")
        product = self._asm.value(f"mul i64 {quotient}, {right}")
        rest = self._asm.value(f"sub i64 {left}, {product}")
        some = self._asm.value(f"icmp ne i64 {rest}, 0")
        mixed = self._asm.value(f"xor i64 {rest}, {right}")
        differ = self._asm.value(f"icmp slt i64 {mixed}, 0")
        less = self._asm.both(some, differ)
        if op == "//":
            step = self._asm.value(f"sext i1 {less} to i64")
            return self._asm.value(f"add i64 {quotient}, {step}")
        add = self._asm.choice(less, "i64", right, "0")
        return self._asm.value(f"add i64 {rest}, {add}")

    def _bits(self, node: Node) -> Pair:
        value, known = self._operand(node.inputs[0])
        low, mask = node.facts
        shifted = self._asm.value(f"lshr i64 {value}, {low}")
        return self._asm.value(f"and i64 {shifted}, {mask}"), known

    def _choose(self, node: Node) -> Pair:
        certain, possible = self.truth(node.inputs[0])
        (yes, yes_known), (no, no_known) = map(self._operand, node.inputs[1:])
        known = self._asm.choice(certain, "i1", yes_known, no_known)
        if certain != possible:
            decided = self._asm.either(certain, self._asm.opposite(possible))
            known = self._asm.both(known, decided)
        return self._asm.choice(certain, "i64", yes, no), known

    # ----------------------------------------------------------------------------- truths

    def _compare(self, node: Node) -> Pair:
        (left, left_known), (right, right_known) = map(self._operand, node.inputs)
        op, word = node.facts
        if op in _ORDERS:
            condition = f"{'u' if word else 's'}{_ORDERS[op]}"
        else:
            condition = "eq" if op == "==" else "ne"
        result = self._asm.value(f"icmp {condition} i64 {left}, {right}")
        return self._decided(result, self._asm.both(left_known, right_known))

    def _member(self, node: Node) -> Pair:
        value, known = self._operand(node.inputs[0])
        _, runs = node.facts
        result = NO
        for low, high in runs:
            # How far it is from the first: modulo 2^64 that orders signed numbers and words.
            beyond = self._asm.value(f"sub i64 {value}, {low}")
            width = (high - low) % (1 << 64)
            inside = self._asm.value(f"icmp ule i64 {beyond}, {width}")
            result = self._asm.either(result, inside)
        return self._decided(result, known)

    def _decided(self, result: str, known: str) -> Pair:
        if known == YES:
            return result, result
        possible = self._asm.either(result, self._asm.opposite(known))
        return self._asm.both(result, known), possible

    def _joined(self, node: Node) -> Pair:
        return self._of_parts(node.op, node.inputs)

    def _of_parts(self, op: str, parts: Sequence[int]) -> Pair:
        """All of some truths, or some; the cheap ones come first."""
        first, rest = self.truth(parts[0]), parts[1:]
        if not rest:
            return first
        decides = self._asm.opposite(first[1]) if op == "all" else first[0]
        weight = sum(self._flat.nodes[number].weight for number in rest)
        if weight >= _HEAVY and decides not in (NO, YES):
            return self._spared(op, first, decides, rest)
        return self._of_two(op, first, self._of_parts(op, rest))

    def _of_two(self, op: str, one: Pair, other: Pair) -> Pair:
        join = self._asm.both if op == "all" else self._asm.either
        certain = join(one[0], other[0])
        if one[0] == one[1] and other[0] == other[1]:
            return certain, certain
        return certain, join(one[1], other[1])

    def _spared(self, op: str, first: Pair, decides: str, rest: Sequence[int]) -> Pair:
        """The same, where the first truth may spare looking at the others."""
        asm = self._asm
        others, behind, begun = asm.label("others"), asm.label("behind"), asm.block
        asm.branch(decides, behind, others)
        asm.begin(others)
        with self.scope():
            certain, possible = self._of_two(op, first, self._of_parts(op, rest))
        ended = asm.block
        asm.go(behind)
        asm.begin(behind)
        decided = NO if op == "all" else YES
        told = asm.met("i1", {begun: decided, ended: certain})
        if certain == possible:
            return told, told
        return told, asm.met("i1", {begun: decided, ended: possible})

    def _is_known(self, of: int) -> Pair:
        if self._flat.nodes[of].op in ("column", "compute", "bits", "choose"):
            known = self.number(of)[1]
        else:
            certain, possible = self.truth(of)
            known = self._asm.either(certain, self._asm.opposite(possible))
        return known, known
