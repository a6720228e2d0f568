# SPDX-License-Identifier: Apache-2.0
"""The instruction forms that the decoder is asked about: those that it executes, and others."""

import random
from collections.abc import Iterator
from typing import NamedTuple

from tests.kmod.assembly import (
    BYTES,
    HIGH_BYTES,
    LONGS,
    NONE,
    PLACEHOLDER,
    QUADS,
    REGISTERS,
    RIP,
    SUFFIX,
    WORDS,
    Memory,
    every_base,
    random_memory,
)

# Where decode_harness.c runs an instruction, and its data.
INSN_ADDRESS = 0x10000200
DATA_ADDRESS = 0x20000000
DATA_BYTES = 0x10000


class Form(NamedTuple):
    """An instruction as text, and its memory operand (None: a string form)."""

    text: str
    memory: Memory | None


class Known(NamedTuple):
    """An instruction that is not executed: what the decoder is to say of it."""

    template: str  # {m} stands for the memory operand
    writes: bool
    width: int  # 0: not told


# ------------------------------------------------------------------- executed


def _moves() -> Iterator[str]:
    for width, names in REGISTERS.items():
        for name in (*names, *(HIGH_BYTES if width == 1 else ())):
            yield f"mov{SUFFIX[width]} %{name}, {{m}}"
            yield f"mov{SUFFIX[width]} {{m}}, %{name}"
    for immediate in ("$0x12", "$-2"):
        for suffix in SUFFIX.values():
            yield f"mov{suffix} {immediate}, {{m}}"
    yield "movw $0x1234, {m}"
    yield "movl $0x89abcdef, {m}"
    yield "movq $-0x12345678, {m}"


def _extensions() -> Iterator[str]:
    for sign in "zs":
        for i in range(16):
            yield f"mov{sign}bw {{m}}, %{WORDS[i]}"
            yield f"mov{sign}bl {{m}}, %{LONGS[i]}"
            yield f"mov{sign}bq {{m}}, %{QUADS[i]}"
            yield f"mov{sign}wl {{m}}, %{LONGS[i]}"
            yield f"mov{sign}wq {{m}}, %{QUADS[i]}"
    for i in range(16):
        yield f"movslq {{m}}, %{QUADS[i]}"
        yield f"movsxd {{m}}, %{LONGS[i]}"


def _others() -> Iterator[str]:
    for i in range(16):
        yield f"movntil %{LONGS[i]}, {{m}}"
        yield f"movntiq %{QUADS[i]}, {{m}}"
        for name in (WORDS[i], LONGS[i], QUADS[i]):
            yield f"movbe %{name}, {{m}}"
            yield f"movbe {{m}}, %{name}"
    # Prefixes that change nothing: cs, ss, ds, es; a REX that is not last; rep on a move.
    for prefix in ("0x2e", "0x36", "0x3e", "0x26", "0x48, 0x3e", "0x64, 0x26", "0xf3", "0xf2"):
        if prefix != "0x64, 0x26":
            yield f".byte {prefix}; movl %ecx, {{m}}"
            yield f".byte {prefix}; movb {{m}}, %dh"
            yield f".byte {prefix}; movw $0x7654, {{m}}"


def _accepts(template: str, memory: Memory) -> bool:
    high = any(f"%{name}" in template for name in HIGH_BYTES)
    in_data = memory.disp >= DATA_ADDRESS or memory.base != NONE or memory.index != NONE
    return in_data and not (high and memory.is_extended)


def loads_and_stores(source: random.Random) -> Iterator[Form]:
    """Every move with every register, each through a score of random memory operands."""
    templates = [*_moves(), *_extensions(), *_others()]
    bases = list(every_base())
    for template in templates:
        memories = [random_memory(source) for _ in range(14)]
        memories += source.sample(bases, 6)
        memories += [Memory(RIP, disp=PLACEHOLDER), Memory(disp=DATA_ADDRESS + 0x4321)]
        for memory in memories:
            if _accepts(template, memory):
                yield Form(template.format(m=memory), memory)
    for memory in bases:
        yield Form(f"movl %edx, {memory}", memory)
        yield Form(f"movzwl {memory}, %eax", memory)
    yield from _absolute()


def _absolute() -> Iterator[Form]:
    """a0..a3, with 64-bit and 32-bit addresses."""
    memory = Memory(disp=DATA_ADDRESS + 0x2468)
    for names in REGISTERS.values():
        yield Form(f"movabs %{names[0]}, {memory.disp:#x}", memory)
        yield Form(f"movabs {memory.disp:#x}, %{names[0]}", memory)
    for opcode in ("0xa0", "0xa1", "0xa2", "0xa3", "0x66, 0xa1", "0x48, 0xa3"):
        yield Form(f".byte 0x67, {opcode}; .long {memory.disp:#x}", memory)


def strings() -> Iterator[Form]:
    """movs, stos and lods in all widths, repeated or not, with 64-bit and 32-bit addresses."""
    for name in ("movs", "stos", "lods"):
        for suffix in SUFFIX.values():
            for prefix in ("", ".byte 0xf3;", ".byte 0xf2;", ".byte 0x67;", ".byte 0xf3, 0x67;"):
                yield Form(f"{prefix} {name}{suffix}", None)


# --------------------------------------------------------------- only described

_ALU = ("add", "or", "adc", "sbb", "and", "sub", "xor", "cmp")


def _arithmetic() -> Iterator[Known]:
    for width, names in REGISTERS.items():
        s, reg = SUFFIX[width], names[9]
        for name in _ALU:
            yield Known(f"{name}{s} %{reg}, {{m}}", name != "cmp", width)
            yield Known(f"{name}{s} {{m}}, %{reg}", False, width)
            yield Known(f"{name}{s} $0x11, {{m}}", name != "cmp", width)
        for name in ("inc", "dec", "not", "neg", "mul", "div", "imul", "idiv"):
            yield Known(f"{name}{s} {{m}}", name in ("inc", "dec", "not", "neg"), width)
        for name in ("shl", "sar", "ror", "rcl"):
            for count in ("", "$3, ", "%cl, "):
                yield Known(f"{name}{s} {count}{{m}}", True, width)
        yield Known(f"test{s} %{reg}, {{m}}", False, width)
        yield Known(f"test{s} $0x11, {{m}}", False, width)
        yield Known(f"xchg{s} %{reg}, {{m}}", True, width)
        yield Known(f"xadd{s} %{reg}, {{m}}", True, width)
        yield Known(f"cmpxchg{s} %{reg}, {{m}}", True, width)
        yield Known(f"lock or{s} %{reg}, {{m}}", True, width)
        yield Known(f"lock cmpxchg{s} %{reg}, {{m}}", True, width)


def _wide_only() -> Iterator[Known]:
    for width in (2, 4, 8):
        s, reg = SUFFIX[width], REGISTERS[width][10]
        for name in ("bt", "bts", "btr", "btc"):
            yield Known(f"{name}{s} %{reg}, {{m}}", name != "bt", width)
            yield Known(f"{name}{s} $5, {{m}}", name != "bt", width)
        for name in ("shld", "shrd"):
            yield Known(f"{name}{s} $5, %{reg}, {{m}}", True, width)
            yield Known(f"{name}{s} %cl, %{reg}, {{m}}", True, width)
        yield Known(f"imul{s} {{m}}, %{reg}", False, width)
        yield Known(f"imul{s} $3, {{m}}, %{reg}", False, width)
        yield Known(f"imul{s} $0x333, {{m}}, %{reg}", False, width)
        yield Known(f"cmovne{s} {{m}}, %{reg}", False, width)
        for name in ("popcnt", "tzcnt", "lzcnt", "bsf", "bsr"):
            yield Known(f"{name}{s} {{m}}, %{reg}", False, 0)
    for condition in ("o", "ne", "g"):
        yield Known(f"set{condition} {{m}}", True, 1)


_READS = """
pushq {m}|callq *{m}|jmpq *{m}|crc32b {m}, %eax|crc32l {m}, %r9d|ldmxcsr {m}|fldcw {m}|flds {m}
fldl {m}|fildl {m}|fadds {m}|clflush {m}|lidt {m}|lldt {m}|movups {m}, %xmm1|movaps {m}, %xmm9
movdqu {m}, %xmm1|movdqa {m}, %xmm1|movss {m}, %xmm1|movsd {m}, %xmm1|movd {m}, %xmm1
movq {m}, %xmm1|movlps {m}, %xmm1|movhps {m}, %xmm1|pxor {m}, %xmm1|movntdqa {m}, %xmm1
pinsrw $1, {m}, %xmm1|pinsrd $1, {m}, %xmm1|pinsrq $1, {m}, %xmm9|pshufb {m}, %xmm2
pshufd $1, {m}, %xmm2|cmpps $1, {m}, %xmm2|cvtsi2sdl {m}, %xmm2|cvttsd2si {m}, %eax
palignr $1, {m}, %xmm3|aesenc {m}, %xmm3|pclmulqdq $0, {m}, %xmm3|sha256rnds2 {m}, %xmm3
vmovups {m}, %ymm1|vmovdqu {m}, %ymm9|vpxor {m}, %ymm2, %ymm3|vmovd {m}, %xmm1
vmovq {m}, %xmm1|vpbroadcastb {m}, %ymm1|vinserti128 $1, {m}, %ymm1, %ymm2|andn {m}, %eax, %ecx
bextr %eax, {m}, %ecx|shlx %eax, {m}, %ecx|rorx $3, {m}, %ecx|mulx {m}, %eax, %ecx
vpmaskmovd {m}, %ymm1, %ymm2|vfmadd213ps {m}, %ymm1, %ymm2|kmovw {m}, %k1|adcx {m}, %eax
""".replace("\n", "|")
_WRITES = """
popq {m}|stmxcsr {m}|fnstcw {m}|fsts {m}|fstpl {m}|fistpl {m}|fisttpll {m}|fstpt {m}|fxsave {m}
xsave {m}|xsaveopt {m}|cmpxchg8b {m}|cmpxchg16b {m}|sgdt {m}|sidt {m}|sldt {m}|movups %xmm1, {m}
movaps %xmm9, {m}|movdqu %xmm1, {m}|movdqa %xmm1, {m}|movss %xmm1, {m}|movsd %xmm1, {m}
movd %xmm1, {m}|movq %xmm1, {m}|movlps %xmm1, {m}|movhps %xmm1, {m}|movntps %xmm1, {m}
movntdq %xmm1, {m}|movntq %mm1, {m}|pextrb $1, %xmm1, {m}|pextrw $1, %xmm1, {m}
pextrq $1, %xmm9, {m}|vmovups %ymm1, {m}|vmovdqu %ymm9, {m}|vmovd %xmm1, {m}|vmovq %xmm1, {m}
vmovntdq %ymm1, {m}|vextracti128 $1, %ymm1, {m}|vpmaskmovd %ymm2, %ymm1, {m}|kmovw %k1, {m}
vcvtps2ph $1, %ymm1, {m}|movdiri %eax, {m}|movw %ds, {m}
""".replace("\n", "|")
# Displacements of EVEX forms are scaled where they fit a byte: see EVEX_MEMORY.
_EVEX = (
    Known("vmovdqu64 {m}, %zmm1", False, 0),
    Known("vmovdqu8 %zmm17, {m}", True, 0),
    Known("vmovdqa32 %zmm1, {m}", True, 0),
    Known("vpaddd {m}, %zmm1, %zmm2", False, 0),
    Known("vpaddd {m}{{1to16}}, %zmm1, %zmm2", False, 0),
    Known("vpternlogd $3, {m}, %zmm1, %zmm2", False, 0),
    Known("vextracti64x4 $1, %zmm1, {m}", True, 0),
    Known("vpmovdb %zmm1, {m}", True, 0),
    Known("vpcmpeqd {m}, %zmm1, %k2", False, 0),
)
EVEX_MEMORY = (Memory(3), Memory(9, 12, 4, 0x12345), Memory(1, disp=-0x12345))

NO_ACCESS = ("leaq {m}, %rax", "prefetcht0 {m}", "nopw {m}", "nopl {m}", "invlpg {m}")


def described(source: random.Random) -> Iterator[tuple[Known, Memory]]:
    """Instructions that the decoder does not execute, with their memory operands."""
    forms = [*_arithmetic(), *_wide_only()]
    forms += [Known(text, False, 0) for text in _READS.split("|") if text]
    forms += [Known(text, True, 0) for text in _WRITES.split("|") if text]
    for form in forms:
        for memory in [random_memory(source) for _ in range(8)]:
            yield form, memory
        yield form, Memory(RIP, disp=PLACEHOLDER)
    for form in _EVEX:
        for memory in EVEX_MEMORY:
            yield form, memory


# ----------------------------------------------------------------------- ports


class Port(NamedTuple):
    """A port instruction: what the decoder is to say of it."""

    text: str
    write: bool
    string: bool
    width: int
    immediate: int | None
    repeat: int


def ports() -> Iterator[Port]:
    """in, out, ins, outs in every form."""
    for width, name in ((1, BYTES[0]), (2, WORDS[0]), (4, LONGS[0])):
        for number in (0, 0x7F, 0x80, 0xFF):
            yield Port(f"in ${number:#x}, %{name}", False, False, width, number, 0)
            yield Port(f"out %{name}, ${number:#x}", True, False, width, number, 0)
        yield Port(f"in %dx, %{name}", False, False, width, None, 0)
        yield Port(f"out %{name}, %dx", True, False, width, None, 0)
        for prefix, repeat in (("", 0), ("rep ", 0xF3), (".byte 0xf2; ", 0xF2)):
            yield Port(f"{prefix}ins{SUFFIX[width]}", False, True, width, None, repeat)
            yield Port(f"{prefix}outs{SUFFIX[width]}", True, True, width, None, repeat)
    yield Port(".byte 0x48; in %dx, %eax", False, False, 4, None, 0)
    yield Port("rep outsl %ds:(%esi), %dx", True, True, 4, None, 0xF3)
