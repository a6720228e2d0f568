# SPDX-License-Identifier: Apache-2.0
"""Build IDs of the kernel and of modules: which binaries, to the byte, a trace was recorded with.

The kernel module knows the names of modules, not their build IDs (Debian's kernels are configured
without), so the recorder adds them: on this machine from sysfs, for a VM from the module files.
"""

from __future__ import annotations

import gzip
import io
import lzma
import struct
from pathlib import Path

import zstandard
from elftools.common.exceptions import ELFError
from elftools.elf.elffile import ELFFile

NOTE_SECTION = ".note.gnu.build-id"
_NT_GNU_BUILD_ID = 3
_NOTE = struct.Struct("<III")


def of_notes(notes: bytes) -> bytes:
    """The build ID in ELF notes as ``/sys/kernel/notes`` holds them; empty if there is none.

    Source: System V ABI, "Note Section"; each name and descriptor is padded to four bytes.
    """
    at = 0
    while at + _NOTE.size <= len(notes):
        name_length, length, kind = _NOTE.unpack_from(notes, at)
        name = at + _NOTE.size
        descriptor = name + -(-name_length // 4) * 4
        if kind == _NT_GNU_BUILD_ID and notes[name : name + name_length] == b"GNU\0":
            return notes[descriptor : descriptor + length]
        at = descriptor + -(-length // 4) * 4
    return b""


def of_this_kernel() -> bytes:
    """The build ID of the running kernel; empty if it does not say."""
    try:
        return of_notes(Path("/sys/kernel/notes").read_bytes())
    except OSError:
        return b""


def of_module_file(path: Path) -> bytes:
    """The build ID of a ``.ko``, ``.ko.xz``, ``.ko.gz`` or ``.ko.zst``; empty if it has none.

    Raises:
        OSError: it cannot be read.
    """
    try:
        elf = ELFFile(io.BytesIO(_unpacked(path)))
        section = elf.get_section_by_name(NOTE_SECTION)
    except (ELFError, lzma.LZMAError, gzip.BadGzipFile, zstandard.ZstdError):
        return b""
    return of_notes(section.data()) if section is not None else b""


def _unpacked(path: Path) -> bytes:
    data = path.read_bytes()
    match path.suffix:
        case ".xz":
            return lzma.decompress(data)
        case ".gz":
            return gzip.decompress(data)
        case ".zst":
            return zstandard.ZstdDecompressor().decompressobj().decompress(data)
    return data


class InstalledModules:
    """Build IDs of a kernel's installed modules, by name.

    Args:
        release: of the kernel.
        extra: module files that are loaded beside the installed ones.
        root: of the file system that they lie in.
    """

    def __init__(self, release: str, extra: tuple[Path, ...] = (), root: Path = Path("/")) -> None:
        self._folder = root / "lib/modules" / release
        self._extra = {_name_of(path): path for path in extra}
        self._paths: dict[str, Path] | None = None

    def build_id(self, name: str) -> bytes:
        """Of a module as the kernel names it; empty if its file is not known."""
        path = self._extra.get(name) or self._installed().get(name)
        if path is None:
            return b""
        try:
            return of_module_file(path)
        except OSError:
            return b""

    def _installed(self) -> dict[str, Path]:
        if self._paths is None:
            self._paths = {}
            listed = self._folder / "modules.dep"
            if listed.is_file():
                for line in listed.read_text(encoding="utf-8").splitlines():
                    path = self._folder / line.partition(":")[0]
                    self._paths[_name_of(path)] = path
        return self._paths


class LoadedModules:
    """Build IDs of what this machine has loaded, by name."""

    def __init__(self, root: Path = Path("/")) -> None:
        self._folder = root / "sys/module"

    def build_id(self, name: str) -> bytes:
        """Of a loaded module; empty if it is not loaded or has none."""
        try:
            return of_notes((self._folder / name / "notes" / NOTE_SECTION).read_bytes())
        except OSError:
            return b""


def _name_of(path: Path) -> str:
    """``snd-hda-intel.ko.xz`` is the module ``snd_hda_intel``."""
    return path.name.partition(".ko")[0].replace("-", "_")
