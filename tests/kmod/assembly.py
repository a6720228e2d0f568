# SPDX-License-Identifier: Apache-2.0
"""Memory operands, and instructions that use them, as text for the GNU assembler.

The assembler's bytes are the input of the decoder's tests; what was asked of it is the truth.
"""

import random
import re
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

_EXTENDED = [f"r{i}" for i in range(8, 16)]
QUADS = ("rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi", *_EXTENDED)
LONGS = ("eax", "ecx", "edx", "ebx", "esp", "ebp", "esi", "edi", *(f"{r}d" for r in _EXTENDED))
WORDS = ("ax", "cx", "dx", "bx", "sp", "bp", "si", "di", *(f"{r}w" for r in _EXTENDED))
BYTES = ("al", "cl", "dl", "bl", "spl", "bpl", "sil", "dil", *(f"{r}b" for r in _EXTENDED))
HIGH_BYTES = ("ah", "ch", "dh", "bh")
REGISTERS = {1: BYTES, 2: WORDS, 4: LONGS, 8: QUADS}
SUFFIX = {1: "b", 2: "w", 4: "l", 8: "q"}

RIP = 16
NONE = 0xFF
# Stands for a displacement that is only known once the instruction's length is.
PLACEHOLDER = 0x11223344


@dataclass(frozen=True)
class Memory:
    """A memory operand: registers by number (NONE, RIP), scale, displacement, address size."""

    base: int = NONE
    index: int = NONE
    scale: int = 1
    disp: int = 0
    address_size: int = 8

    def __str__(self) -> str:
        """The operand in AT&T syntax."""
        disp = f"{self.disp:#x}" if self.disp else ""
        if self.base == NONE and self.index == NONE:
            return disp or "0"
        if self.base == RIP:
            return f"{disp}(%{'rip' if self.address_size == 8 else 'eip'})"
        names = REGISTERS[self.address_size]
        base = f"%{names[self.base]}" if self.base != NONE else ""
        index = f",%{names[self.index]},{self.scale}" if self.index != NONE else ""
        return f"{disp}({base}{index})"

    @property
    def is_extended(self) -> bool:
        """Whether its encoding needs a REX prefix, which ah..bh do not stand."""
        return 8 <= self.base < RIP or 8 <= self.index < RIP


def every_base() -> Iterator[Memory]:
    """Each base register without, with a short and with a long displacement; 64 and 32 bits."""
    for size in (8, 4):
        for base in range(16):
            for disp in (0, 0x12, -0x34, 0x1234, -0x12345):
                yield Memory(base, disp=disp, address_size=size)


def random_memory(source: random.Random) -> Memory:
    """Any ModRM/SIB form: base, index or both, or neither."""
    return Memory(
        base=source.choice([*range(16), *range(16), NONE]),
        index=source.choice([*(i for i in range(16) if i != 4), NONE, NONE, NONE]),
        scale=source.choice([1, 2, 4, 8]),
        disp=source.choice([0, 0, 1, -1, 0x7F, -0x80, 0x80, -0x81, 0x3456, -0x7654]),
        address_size=source.choice([8, 8, 8, 4]),
    )


def assemble(lines: Sequence[str], folder: Path) -> list[bytes]:
    """The encoding of each line (one instruction, perhaps with ``.byte`` prefixes)."""
    body = "".join(
        f'1: {line}\n2: .pushsection .lengths,"a"\n.byte 2b-1b\n.popsection\n' for line in lines
    )
    source, code = folder / "forms.s", folder / "forms.o"
    source.write_text(f".text\n{body}")
    subprocess.run(["as", "--64", str(source), "-o", str(code)], check=True)
    text, lengths = section(code, ".text"), section(code, ".lengths")
    assert len(lengths) == len(lines)
    encodings, at = [], 0
    for length in lengths:
        encodings.append(text[at : at + length])
        at += length
    return encodings


def section(code: Path, name: str) -> bytes:
    """The contents of one section of an object file; empty when it has none of that name."""
    copy = code.with_name(code.name + ".section")
    copy.unlink(missing_ok=True)
    command = ["objcopy", "-O", "binary", f"--only-section={name}", str(code), str(copy)]
    subprocess.run(command, check=True, capture_output=True)
    return copy.read_bytes() if copy.exists() else b""


@dataclass(frozen=True)
class Disassembled:
    """One line of objdump: where the instruction starts, and its text."""

    offset: int
    text: str


def disassemble(code: Path, name: str = ".text") -> list[Disassembled]:
    """objdump's view of a section."""
    command = ["objdump", "-d", "-z", "--no-show-raw-insn", "-j", name, str(code)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    lines = re.findall(r"^ +([0-9a-f]+):\t(.*)$", done.stdout, re.MULTILINE)
    return [Disassembled(int(offset, 16), text) for offset, text in lines]


def operand_of(text: str) -> Memory | None:
    """The memory operand with registers in a line of objdump, or None."""
    found = re.search(r"(-?0x[0-9a-f]+)?\((%\w+)?(?:,(%\w+)(?:,([1248]))?)?\)", text)
    if not found or not (found[2] or found[3]):
        return None
    size = 8
    numbers = []
    for name in (found[2], found[3]):
        if name is None or name in ("%riz", "%eiz"):
            numbers.append(NONE)
        elif name in ("%rip", "%eip"):
            numbers.append(RIP)
            size = 8 if name == "%rip" else 4
        else:
            size = 8 if name[1:] in QUADS else 4
            numbers.append(REGISTERS[size].index(name[1:]))
    disp = int(found[1] or "0", 16)
    disp -= (disp >> 63) << 64 if disp >= 0 else 0
    return Memory(numbers[0], numbers[1], int(found[4] or 1), disp, size)
