# SPDX-License-Identifier: Apache-2.0
"""SystemRDL 2.0 into a register map.

The language is compiled by systemrdl-compiler; what is ours beyond its standard properties is
declared in ``uvtrace.rdl`` beside this file. The last addrmap of the file is the device. Its
children that have ``uv_bar`` are the BARs; where none has, the whole of it is BAR0.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Mapping
from enum import Enum
from pathlib import Path
from typing import TypeVar

from systemrdl.compiler import RDLCompiler
from systemrdl.messages import MessagePrinter, RDLCompileError, Severity
from systemrdl.node import (
    AddressableNode,
    AddrmapNode,
    FieldNode,
    MemNode,
    Node,
    RegNode,
    RootNode,
)
from systemrdl.source_ref import FileSourceRef, SourceRefBase

from uvtrace.errors import InputError
from uvtrace.registers.map import (
    MAX_WIDTH,
    Access,
    AddressPart,
    AddressSpace,
    Dimension,
    Field,
    HalfOrder,
    OnRead,
    OnWrite,
    Register,
    RegisterMap,
)

PRELUDE = Path(__file__).with_name("uvtrace.rdl")
"""Declares our properties; its folder is on the include path."""

log = logging.getLogger(__name__)

Choice = TypeVar("Choice", bound=Enum)


def load_rdl(
    path: str | os.PathLike[str], parameters: Mapping[str, int] | None = None
) -> RegisterMap:
    """Read a device's registers from a SystemRDL file.

    Args:
        path: the file; what it includes is looked for beside it.
        parameters: values for the parameters of the top address map, such as nvme's DSTRD.

    Raises:
        InputError: not readable, or not a description that makes sense; names file and line.
    """
    top = _compile(Path(path), parameters or {}).top
    spaces: list[AddressSpace] = []
    registers: list[Register] = []
    for space in _spaces(top, path):
        bar = _unsigned(space, "uv_bar") or 0
        spaces.append(AddressSpace(bar, bool(_own(space, "uv_io")), space.inst_name))
        registers += [_register(node, space, bar) for node in _registers(space)]
    return RegisterMap(
        device=top.get_property("name", default="") or top.inst_name,
        spaces=tuple(sorted(spaces, key=lambda space: space.bar)),
        registers=tuple(registers),
        partial=bool(_own(top, "uv_partial")),
    )


class _Collector(MessagePrinter):
    """Keeps the compiler's errors; its warnings go to the log."""

    def __init__(self) -> None:
        self.errors: list[tuple[str, SourceRefBase | None]] = []

    def print_message(self, severity: Severity, text: str, src_ref: SourceRefBase | None) -> None:
        if severity >= Severity.ERROR:
            self.errors.append((text, src_ref))
        elif severity == Severity.WARNING:
            log.warning("%s", text)


def _compile(path: Path, parameters: Mapping[str, int]) -> RootNode:
    if not path.is_file():
        raise InputError("there is no such file", path=path)
    collector = _Collector()
    compiler = RDLCompiler(message_printer=collector)
    folders = [str(PRELUDE.parent)]
    try:
        included = compiler.preprocess_file(str(path), folders).included_files
        if PRELUDE not in {Path(name).resolve() for name in included}:
            compiler.compile_file(str(PRELUDE))
        compiler.compile_file(str(path), folders)
        return compiler.elaborate(parameters=dict(parameters))
    except RDLCompileError as error:
        raise _input_error(path, collector, str(error)) from error
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot be read: {error}", path=path) from error
    except (ValueError, TypeError) as error:
        # That is how the compiler complains of parameters and of what it is given at all.
        raise InputError(f"{error}", path=path) from error


def _input_error(path: Path, collector: _Collector, otherwise: str) -> InputError:
    text, source = collector.errors[0] if collector.errors else (otherwise, None)
    more = len(collector.errors) - 1
    return _refused(
        path,
        source,
        " ".join(text.split()),
        hint=f"and {more} more after it" if more > 0 else None,
    )


def _refused(
    path: str | os.PathLike[str],
    source: SourceRefBase | None,
    what: str,
    hint: str | None = None,
) -> InputError:
    if isinstance(source, FileSourceRef):
        line = getattr(source, "line", None)
        return InputError(what, path=source.path, line=line, hint=hint)
    return InputError(what, path=path, hint=hint)


def _node_refused(node: Node, what: str) -> InputError:
    return _refused(node.get_path(), node.inst_src_ref, f"{node.get_path()}: {what}")


# -------------------------------------------------------------------- the tree


def _spaces(top: AddrmapNode, path: str | os.PathLike[str]) -> list[AddrmapNode]:
    """The address maps that are a BAR each."""
    children = list(top.children(unroll=False))
    marked = [c for c in children if isinstance(c, AddrmapNode) and _own(c, "uv_bar") is not None]
    if not marked:
        return [top]
    for child in children:
        if isinstance(child, AddressableNode) and child not in marked:
            raise _node_refused(child, "stands beside BARs, but says of no uv_bar")
    bars = [_unsigned(child, "uv_bar") for child in marked]
    for child, bar in zip(marked, bars, strict=True):
        if bar is None or bar > 5:
            raise _node_refused(child, f"uv_bar = {bar}: a function has BARs 0 to 5")
        if bars.count(bar) > 1:
            raise _node_refused(child, f"uv_bar = {bar} is said of two address maps")
        if child.is_array:
            raise _node_refused(child, "a BAR cannot be an array")
    return marked


def _registers(space: AddrmapNode) -> Iterator[RegNode]:
    for node in space.descendants(unroll=False):
        if isinstance(node, RegNode):
            yield node
        elif isinstance(node, MemNode) and not any(True for _ in node.children()):
            log.info("%s is memory; it has no registers", node.get_path())


def _lineage(node: RegNode, space: AddrmapNode) -> list[AddressableNode]:
    """The register and what it stands in below its BAR, outermost first."""
    chain: list[AddressableNode] = []
    at: Node | None = node
    while isinstance(at, AddressableNode) and at != space:
        chain.append(at)
        at = at.parent
    return chain[::-1]


def _dimensions(chain: list[AddressableNode]) -> tuple[Dimension, ...]:
    found: list[Dimension] = []
    for node in chain:
        counts = node.array_dimensions or []
        stride = node.array_stride or 0
        own: list[Dimension] = []
        for count in reversed(counts):
            own.insert(0, Dimension(count, stride))
            stride *= count
        found += own
    return tuple(found)


def _register(node: RegNode, space: AddrmapNode, bar: int) -> Register:
    chain = _lineage(node, space)
    width = node.get_property("regwidth")
    fields = tuple(_field(field) for field in node.fields())
    return Register(
        name=_name(node, space, bar),
        bar=bar,
        offset=sum(n.raw_address_offset for n in chain),
        width=width,
        access_bytes=_access_bytes(node, width),
        fields=fields,
        dimensions=_dimensions(chain),
        alias_of=_alias(node, space, bar),
        required=_unsigned(node, "uv_required_reserved"),
        half_order=_choice(node, "uv_half_order", HalfOrder, HalfOrder.ANY),
        address_part=_choice(node, "uv_address_register", AddressPart, AddressPart.NONE),
        surprise_ones=bool(_own(node, "uv_surprise_ones")),
        mask_clear=bool(_own(node, "uv_mask_clear")),
        index_into=_unsigned(node, "uv_index_into"),
        data_of=_unsigned(node, "uv_data_of"),
        description=_text(node),
    )


def _name(node: RegNode, space: AddrmapNode, bar: int) -> str:
    """The register's path in its BAR; registers beside BAR0's carry their BAR's name."""
    parts = [n.inst_name + "[]" * len(n.array_dimensions or ()) for n in _lineage(node, space)]
    inside = bar != 0 and not isinstance(space.parent, RootNode)
    return ".".join([space.inst_name, *parts] if inside else parts)


def _alias(node: RegNode, space: AddrmapNode, bar: int) -> str | None:
    named = _own(node, "uv_alias_of")
    if named is not None:
        return str(named)
    return _name(node.alias_primary, space, bar) if node.is_alias else None


def _access_bytes(node: RegNode, width: int) -> tuple[int, ...]:
    if width > MAX_WIDTH:
        raise _node_refused(node, f"is {width} bits wide; split it into registers of 64")
    least = node.get_property("accesswidth")
    most = _unsigned(node, "uv_access_max") or width
    widths = tuple(bits // 8 for bits in (8, 16, 32, 64) if least <= bits <= min(most, width))
    if not widths:
        raise _node_refused(node, f"accesswidth {least} is more than uv_access_max {most}")
    return widths


def _field(node: FieldNode) -> Field:
    access = Access[node.get_property("sw").name.upper()]
    if _inherited(node, "uv_write_once"):
        access = {Access.RW: Access.RW1, Access.W: Access.W1}.get(access, access)
    on_read, on_write = node.get_property("onread"), node.get_property("onwrite")
    reset = node.get_property("reset")
    volatile = _inherited(node, "uv_volatile")
    return Field(
        name=node.inst_name,
        low=node.low,
        width=node.width,
        access=access,
        on_read=None if on_read is None else OnRead(on_read.name),
        on_write=None if on_write is None else OnWrite(on_write.name),
        singlepulse=bool(node.get_property("singlepulse")),
        reset=reset if isinstance(reset, int) else None,
        volatile=bool(node.is_volatile if volatile is None else volatile),
        reserved=bool(_own(node, "uv_reserved")),
        required=_unsigned(node, "uv_required_reserved"),
        strapped=bool(_inherited(node, "uv_strapped")),
        resets=_unsigned(node, "uv_resets"),
        description=_text(node),
    )


# ------------------------------------------------------------------ properties


def _own(node: Node, name: str) -> object:
    """The value of a property of ours, or None."""
    value: object = node.get_property(name, default=None)
    return value


def _inherited(node: FieldNode, name: str) -> object:
    """What the field says, or else its register."""
    value = _own(node, name)
    return value if value is not None or node.parent is None else _own(node.parent, name)


def _unsigned(node: Node, name: str) -> int | None:
    value = _own(node, name)
    return int(value) if isinstance(value, int) else None


def _choice(node: RegNode, name: str, kind: type[Choice], default: Choice) -> Choice:
    value = _own(node, name)
    if value is None:
        return default
    members = {member.name.lower(): member for member in kind}
    if value not in members:
        raise _node_refused(node, f"{name} = {value!r} is none of {', '.join(members)}")
    return members[str(value)]


def _text(node: Node) -> str:
    """``desc``, or else a ``name`` that says more than the instance's."""
    text = node.get_property("desc") or node.get_property("name", default="") or ""
    return "" if text == node.inst_name else " ".join(text.split())
