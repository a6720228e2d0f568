# SPDX-License-Identifier: Apache-2.0
"""Build IDs are those that the toolchain put into the binaries."""

from __future__ import annotations

import lzma
import re
import struct
import subprocess
from pathlib import Path

import pytest

import uvtrace
from uvtrace.record import build_ids
from uvtrace.record.output import Output
from uvtrace.record.slots import Batch
from uvtrace.trace import layout
from uvtrace.trace.enums import Kind

NOTE = struct.pack("<III", 4, 20, 3) + b"GNU\0" + bytes(range(20))
OTHER = struct.pack("<III", 6, 2, 1) + b"Linux\0\0\0" + b"ab\0\0"


def compile_with_build_id(folder: Path, name: str) -> tuple[Path, bytes]:
    """An ELF file with a build ID, and what readelf says it is."""
    path = folder / name
    source = folder / "nothing.c"
    source.write_text("int nothing;\n")
    subprocess.run(
        ["gcc", "-shared", "-fPIC", "-Wl,--build-id=sha1", "-o", path, source], check=True
    )
    said = subprocess.run(["readelf", "-n", path], check=True, capture_output=True, text=True)
    found = re.search(r"Build ID: ([0-9a-f]+)", said.stdout)
    assert found
    return path, bytes.fromhex(found[1])


def test_a_build_id_is_found_among_other_notes() -> None:
    assert build_ids.of_notes(OTHER + NOTE) == bytes(range(20))
    assert build_ids.of_notes(OTHER) == b""


@pytest.mark.parametrize("kept", range(0, len(OTHER), 5))
def test_cut_notes_hold_none(kept: int) -> None:
    assert build_ids.of_notes(OTHER[:kept]) == b""


def test_a_module_file_is_read_as_readelf_reads_it_packed_or_not(tmp_path: Path) -> None:
    plain, expected = compile_with_build_id(tmp_path, "plain.ko")
    assert build_ids.of_module_file(plain) == expected
    packed = tmp_path / "packed.ko.xz"
    packed.write_bytes(lzma.compress(plain.read_bytes()))
    assert build_ids.of_module_file(packed) == expected


def test_a_file_that_is_no_module_has_none(tmp_path: Path) -> None:
    for name in ("text.ko", "text.ko.xz", "text.ko.gz", "text.ko.zst"):
        (tmp_path / name).write_text("not a module")
        assert build_ids.of_module_file(tmp_path / name) == b""


def test_an_installed_module_is_found_by_the_kernels_name_for_it(tmp_path: Path) -> None:
    folder = tmp_path / "lib/modules/6.1-test"
    (folder / "kernel").mkdir(parents=True)
    _, expected = compile_with_build_id(folder / "kernel", "snd-hda-intel.ko")
    (folder / "modules.dep").write_text("kernel/snd-hda-intel.ko: kernel/snd.ko\n")
    modules = build_ids.InstalledModules("6.1-test", root=tmp_path)
    assert modules.build_id("snd_hda_intel") == expected
    assert modules.build_id("snd") == b""


def test_a_loaded_module_is_found_in_sysfs(tmp_path: Path) -> None:
    notes = tmp_path / "sys/module/e1000/notes"
    notes.mkdir(parents=True)
    (notes / build_ids.NOTE_SECTION).write_bytes(NOTE)
    modules = build_ids.LoadedModules(tmp_path)
    assert modules.build_id("e1000") == bytes(range(20))
    assert modules.build_id("nvme") == b""


def test_module_records_get_the_build_id_that_the_kernel_did_not_give(tmp_path: Path) -> None:
    path = tmp_path / "run.pcapng"
    load = layout.make_records(2, kind=Kind.MODULE_LOAD)
    layout.view_of(load, "module")["index"] = [1, 2]
    known = {"e1000": b"\x12\x34"}
    with Output(
        path,
        functions=[("0000:00:03.0", "")],
        os_release="6.1-test",
        command="true",
        clock_offset_ns=0,
        build_id_of=lambda name: known.get(name, b""),
    ) as output:
        output.write_kernel("6.1-test", bytes(range(20)))
        output.write(Batch(load, {0: b"e1000", 1: b"other"}))
    modules = uvtrace.open(path).metadata.modules
    assert modules[0].build_id == bytes(range(20)).hex()
    assert modules[0].name == "vmlinux 6.1-test"
    assert modules[1].build_id == "1234"
    assert modules[2].build_id == ""
