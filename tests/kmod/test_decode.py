# SPDX-License-Identifier: Apache-2.0
"""The decoder against the assembler, objdump, and the processor itself."""

import lzma
import random
import shutil
import struct
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.kmod.assembly import (
    NONE,
    PLACEHOLDER,
    QUADS,
    RIP,
    Memory,
    assemble,
    disassemble,
    operand_of,
    section,
)
from tests.kmod.compiler import HERE, KMOD, build, run
from tests.kmod.forms import (
    DATA_ADDRESS,
    DATA_BYTES,
    INSN_ADDRESS,
    NO_ACCESS,
    described,
    loads_and_stores,
    ports,
    strings,
)

HARNESS = HERE / "decode_harness.c"
UNKNOWN = 0
CASE = struct.Struct("<B15sBBB5x16Q")
MASK = (1 << 64) - 1
# Present since Haswell and Excavator; without it those forms are decoded but not executed.
HAS_MOVBE = " movbe " in Path("/proc/cpuinfo").read_text()


@pytest.fixture(scope="module")
def harness(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("decode")
    return build([HARNESS, KMOD / "decode.c"], folder / "harness")


# ------------------------------------------------------------------ describing


class Said(NamedTuple):
    """A line of ``decode_harness describe``."""

    result: int
    length: int
    op: int
    width: int
    dest_width: int
    memory: int
    writes: int
    address_size: int
    base: int
    index_register: int
    scale: int
    disp: int
    is_stack: int
    is_port: int
    port_writes: int
    port_string: int
    port_width: int
    port_immediate: int
    port: int
    port_repeat: int

    @property
    def operand(self) -> Memory | None:
        if not self.memory:
            return None
        scale = self.scale if self.index_register != NONE else 1
        return Memory(self.base, self.index_register, scale, self.disp, self.address_size)


def describe(harness: Path, encodings: Sequence[bytes]) -> list[Said]:
    samples = b"".join(struct.pack("<B15s", len(code), code) for code in encodings)
    done = run(harness, "describe", stdin=samples)
    assert done.returncode == 0
    said = [Said(*map(int, line.split())) for line in done.stdout.decode().splitlines()]
    assert len(said) == len(encodings)
    return said


def as_asked(memory: Memory) -> Memory:
    """The operand as an assembler encodes it: without an index the scale says nothing."""
    if memory.index == NONE:
        return Memory(memory.base, NONE, 1, memory.disp, memory.address_size)
    return memory


def same_place(said: Memory | None, asked: Memory) -> bool:
    """Equal, but for an absolute address, where the assembler may choose the address size."""
    asked = as_asked(asked)
    if said is None or asked.base != NONE or asked.index != NONE:
        return said == asked
    return (said.base, said.index, said.disp) == (NONE, NONE, asked.disp)


def test_loads_and_stores_are_understood_in_every_form(harness: Path, tmp_path: Path) -> None:
    forms = list(loads_and_stores(random.Random(1)))
    encodings = assemble([form.text for form in forms], tmp_path)
    assert len(forms) > 8000
    for form, code, said in zip(forms, encodings, describe(harness, encodings), strict=True):
        assert said.result == 0, form
        assert said.length == len(code), form
        assert said.op != UNKNOWN, form
        assert form.memory is not None
        assert same_place(said.operand, form.memory), form
        assert said.is_stack == (form.memory.base in (4, 5)), form


def test_other_instructions_have_their_length_and_operand_told(
    harness: Path, tmp_path: Path
) -> None:
    asked = list(described(random.Random(2)))
    encodings = assemble([form.template.format(m=memory) for form, memory in asked], tmp_path)
    for (form, memory), code, said in zip(
        asked, encodings, describe(harness, encodings), strict=True
    ):
        assert (said.result, said.length) == (0, len(code)), form
        assert said.op == UNKNOWN, form
        assert same_place(said.operand, memory), (form, memory, code.hex())
        assert said.writes == form.writes, (form, memory)
        assert said.width == form.width, form


def test_operands_agree_with_the_disassembler(harness: Path, tmp_path: Path) -> None:
    source = random.Random(3)
    lines = [form.text for form in loads_and_stores(source)]
    lines += [form.template.format(m=memory) for form, memory in described(source)]
    encodings = assemble(lines, tmp_path)
    at, compared = 0, 0
    theirs = {line.offset: line.text for line in disassemble(tmp_path / "forms.o")}
    for code, said in zip(encodings, describe(harness, encodings), strict=True):
        operand = operand_of(theirs[at])
        if operand is not None:
            assert said.operand == operand, theirs[at]
            compared += 1
        at += len(code)
    assert compared > 10000


def test_an_instruction_that_only_computes_an_address_accesses_nothing(
    harness: Path, tmp_path: Path
) -> None:
    lines = [template.format(m=Memory(3, 6, 4, 0x10)) for template in NO_ACCESS]
    for line, said in zip(lines, describe(harness, assemble(lines, tmp_path)), strict=True):
        assert (said.result, said.op, said.memory) == (0, UNKNOWN, 0), line


@pytest.mark.parametrize(
    "text",
    [
        "movl %fs:(%rax), %ecx",
        "movl %ecx, %gs:0x10(%rbx)",
        "movsb %fs:(%rsi), %es:(%rdi)",
        "lodsl %gs:(%rsi), %eax",
    ],
)
def test_fs_and_gs_are_left_to_the_processor(harness: Path, tmp_path: Path, text: str) -> None:
    (said,) = describe(harness, assemble([text], tmp_path))
    assert (said.result, said.op) == (0, UNKNOWN)


def test_port_instructions_are_told_from_all_others(harness: Path, tmp_path: Path) -> None:
    asked = list(ports())
    encodings = assemble([port.text for port in asked], tmp_path)
    for port, code, said in zip(asked, encodings, describe(harness, encodings), strict=True):
        assert (said.is_port, said.length) == (1, len(code)), port
        assert (said.port_writes, said.port_string) == (port.write, port.string), port
        assert (said.port_width, said.port_repeat) == (port.width, port.repeat), port
        assert said.port_immediate == (port.immediate is not None), port
        assert said.port == (port.immediate or 0), port
    others = [form.text for form in loads_and_stores(random.Random(4))]
    assert not any(said.is_port for said in describe(harness, assemble(others, tmp_path)))


# ------------------------------------------------------------------- executing


def registers_for(memory: Memory, code: bytes, source: random.Random) -> tuple[bytes, list[int]]:
    """Registers with which the operand lies in the data; the code with its rip distance set."""
    regs = [source.getrandbits(64) for _ in range(16)]
    target = DATA_ADDRESS + 0x1000 + source.randrange(DATA_BYTES - 0x2000)
    if memory.base == RIP:
        distance = target - (INSN_ADDRESS + len(code))
        place = PLACEHOLDER.to_bytes(4, "little")
        assert code.count(place) == 1
        return code.replace(place, struct.pack("<i", distance)), regs
    scale = memory.scale
    if memory.index == memory.base != NONE:
        regs[memory.base] = (target - memory.disp) // (scale + 1)
    elif memory.index != NONE and memory.base == NONE:
        regs[memory.index] = (target - memory.disp) // scale
    elif memory.base != NONE:
        index = source.randrange(-0x1000, 0x1000) if memory.index != NONE else 0
        if memory.index != NONE:
            regs[memory.index] = index
        regs[memory.base] = target - memory.disp - index * scale
    if memory.address_size == 4:  # what is above 32 bits must not matter
        for reg in {memory.base, memory.index} - {NONE}:
            regs[reg] = regs[reg] & 0xFFFFFFFF | source.getrandbits(32) << 32
    return code, [reg & MASK for reg in regs]


def load_store_cases(folder: Path, source: random.Random) -> Iterator[bytes]:
    forms = list(loads_and_stores(source))
    for form, code in zip(forms, assemble([form.text for form in forms], folder), strict=True):
        if "movbe" in form.text and not HAS_MOVBE:
            continue
        assert form.memory is not None
        code, regs = registers_for(form.memory, code, source)
        yield CASE.pack(len(code), code, 0, 3, 0, *regs)


def string_cases(folder: Path, source: random.Random, repeats: int) -> Iterator[bytes]:
    for code in assemble([form.text for form in strings()], folder):
        for _ in range(repeats):
            regs = [source.getrandbits(64) for _ in range(16)]
            high = source.getrandbits(32) << 32 if code.count(0x67) else 0
            places = [source.randrange(0x1000, DATA_BYTES - 0x1000) for _ in range(2)]
            if source.random() < 0.3:  # overlapping
                places[1] = places[0] + source.randrange(-8, 9)
            regs[QUADS.index("rsi")] = DATA_ADDRESS + places[0] + high
            regs[QUADS.index("rdi")] = DATA_ADDRESS + places[1] + high
            if code[0] in (0xF2, 0xF3):
                # Of no repetition with 32-bit addresses, processors disagree about the registers'
                # upper halves: an EPYC leaves them, a Xeon clears them.
                regs[QUADS.index("rcx")] = source.randrange(1 if high else 0, 40) + high
            choices = (source.randrange(2), source.randrange(4), source.randrange(4))
            yield CASE.pack(len(code), code, *choices, *regs)


def all_cases(folder: Path) -> list[bytes]:
    source = random.Random(5)
    return [*load_store_cases(folder, source), *string_cases(folder, source, 60)]


def test_executing_equals_what_the_processor_does(harness: Path, tmp_path: Path) -> None:
    cases = all_cases(tmp_path)
    done = run(harness, "execute", stdin=b"".join(cases))
    output = done.stdout.decode()
    assert done.returncode == 0, output[-2000:]
    words = output.split()
    assert words[:4] == ["executed", str(len(cases)), "wrong", "0"]
    # Every load and store is one access to the bus, and many string elements are.
    assert len(cases) > 12000
    assert int(words[5]) > len(cases)


# File, what is right, what is wrong.
MUTANTS = {
    "32-bit loads keep the upper half": (
        "emulate.h",
        "*reg = (__u32)value;",
        "*reg = (*reg >> 32 << 32) | (__u32)value;",
    ),
    "ah is taken for spl": ("decode.c", "insn->high = true;", "insn->high = false;"),
    "sign is not extended": ("emulate.h", "if (insn->sign_extend)", "if (0)"),
    "direction flag is ignored": ("emulate.h", "flags & UV_EFLAGS_DF ?", "0 && flags ?"),
    "addresses are not truncated": ("decode.c", "insn->address_size == 4 ? (__u32)address :", ""),
    "rsp is an index": ("decode.c", "if (index != 4)", "if (true)"),
    "rbp is a base without displacement": ("decode.c", "(sib & 7) == 5 && insn->modrm < 0x40", "0"),
    "count is not kept when interrupted": ("emulate.h", "access.count - access.index - 1);", "0);"),
}


@pytest.mark.parametrize("name", MUTANTS)
def test_a_wrong_decoder_is_caught(tmp_path: Path, name: str) -> None:
    file, right, wrong = MUTANTS[name]
    for path in KMOD.glob("*.[ch]"):
        shutil.copy(path, tmp_path)
    text = (tmp_path / file).read_text()
    assert text.count(right) == 1
    (tmp_path / file).write_text(text.replace(right, wrong))
    program = build([HARNESS, tmp_path / "decode.c"], tmp_path / "mutant", include=tmp_path)
    done = run(program, "execute", stdin=b"".join(all_cases(tmp_path)))
    assert done.returncode == 1
    assert b"differ" in done.stdout or b"stray" in done.stdout or b"not decoded" in done.stdout


# --------------------------------------------------------------------- walking


def kernel_modules() -> list[Path]:
    """Stock modules of every installed kernel: drivers, and vector code."""
    wanted = ("e1000", "e1000e", "igb", "8139cp", "pcnet32", "nvme", "aesni-intel", "raid6_pq")
    found = [
        path
        for kernel in sorted(Path("/lib/modules").glob("*/kernel"))
        for name in wanted
        for path in kernel.rglob(f"{name}.ko*")
    ]
    assert found, "no kernel modules under /lib/modules: install linux-image-amd64"
    return found


def unpacked(path: Path, folder: Path) -> Path:
    data = path.read_bytes()
    target = folder / f"{path.parts[3]}-{path.name.split('.')[0]}.ko"
    target.write_bytes(lzma.decompress(data) if path.suffix == ".xz" else data)
    return target


def test_every_boundary_in_stock_modules_is_that_of_the_disassembler(
    harness: Path, tmp_path: Path
) -> None:
    compared = 0
    for path in kernel_modules():
        module = unpacked(path, tmp_path)
        for name in (".text", ".init.text", ".exit.text", ".text.unlikely"):
            text = section(module, name)
            if not text:
                continue
            theirs = [line.offset for line in disassemble(module, name)]
            done = run(harness, "walk", stdin=text)
            ours = [int(line, 16) for line in done.stdout.split()]
            assert ours == theirs, f"{path} {name}"
            compared += len(ours)
    assert compared > 50000


def test_what_is_longer_than_15_bytes_or_cut_is_refused(harness: Path) -> None:
    too_long = b"\x66" * 11 + b"\xc7\x00\x34"
    no_instruction = (b"\x66" * 15, too_long + b"\x12", b"\x06", b"\x0f\x0a")
    cut = (b"", b"\x48", b"\x48\x8b", b"\x8b\x05\x00\x00\x00", b"\xc7\x00\x01\x00\x00")
    said = describe(harness, [*no_instruction, *cut])
    einval, enodata = -22, -61
    assert [line.result for line in said[:4]] == [einval, 0, einval, einval]
    assert {line.result for line in said[4:]} == {enodata}


def test_random_bytes_are_never_read_beyond_their_end(tmp_path: Path) -> None:
    flags = ("-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
    program = build([HARNESS, KMOD / "decode.c"], tmp_path / "fuzz", flags=flags)
    done: subprocess.CompletedProcess[bytes] = run(program, "fuzz", 2_000_000)
    assert done.returncode == 0, done.stderr.decode()
    decoded = int(done.stdout.split()[1])
    assert 500_000 < decoded < 2_000_000
