# SPDX-License-Identifier: Apache-2.0
"""What a trace says of itself, whole or in pieces."""

from __future__ import annotations

import io
import json

from tests.story import Story
from uvtrace.trace.documents import CHUNK_BYTES, document_records, symbol_records
from uvtrace.trace.enums import Topic
from uvtrace.trace.layout import site
from uvtrace.trace.metadata import Metadata, Module
from uvtrace.trace.trace import Trace, open_bytes
from uvtrace.trace.writer import PcapngWriter


def written(*parts: tuple[Topic, str, int], without: int | None = None) -> Trace:
    file = io.BytesIO()
    with PcapngWriter(file) as writer:
        for topic, text, number in parts:
            records, payloads = document_records(topic, text, number)
            kept = [row for row in range(len(records)) if row != without]
            writer.write(records[kept], [payloads[row] for row in kept])
    return open_bytes(file.getvalue())


def test_a_long_text_is_put_together_from_its_chunks() -> None:
    text = "".join(f"line {number} ä\n" for number in range(20_000))
    trace = written((Topic.CONSOLE, text, 1))
    assert len(trace) == -(-len(text.encode()) // CHUNK_BYTES) > 1
    assert trace.metadata.console == text
    assert trace.metadata.incomplete == ()


def test_a_text_of_which_a_chunk_was_lost_is_kept_and_named_incomplete() -> None:
    text = "x" * (3 * CHUNK_BYTES)
    metadata = written((Topic.CONSOLE, text, 1), without=1).metadata
    assert metadata.console == "x" * (2 * CHUNK_BYTES)
    assert metadata.incomplete == ("CONSOLE",)


def test_json_that_lost_a_chunk_is_left_out_and_named_incomplete() -> None:
    text = json.dumps({"long": "x" * (3 * CHUNK_BYTES)})
    metadata = written((Topic.SESSION, text, 1), without=1).metadata
    assert (metadata.session, metadata.incomplete) == ({}, ("SESSION",))


def test_json_nested_too_deeply_or_of_another_type_is_no_crash() -> None:
    for text in ("[" * 100_000, "[1, 2]", "\0", ""):
        metadata = written((Topic.RESULT, text, 1)).metadata
        assert (metadata.result, metadata.incomplete) == ({}, ("RESULT",))


def test_a_later_session_document_adds_to_an_earlier_one() -> None:
    parts = [(Topic.SESSION, '{"a": 1, "b": 1}', 1), (Topic.SESSION, '{"b": 2}', 2)]
    assert written(*parts).metadata.session == {"a": 1, "b": 2}


def test_documents_of_one_topic_do_not_mix_their_chunks() -> None:
    one, two = "a" * (CHUNK_BYTES + 1), "b" * (CHUNK_BYTES + 1)
    assert written((Topic.CONSOLE, one, 1), (Topic.CONSOLE, two, 2)).metadata.console == one + two


def test_a_chunk_count_that_lies_allocates_nothing() -> None:
    records, payloads = document_records(Topic.CONSOLE, "text", 1)
    records["raw"] = records["raw"][0].tobytes()[:12] + b"\xff" * 28
    file = io.BytesIO()
    with PcapngWriter(file) as writer:
        writer.write(records, payloads)
    assert open_bytes(file.getvalue()).metadata.incomplete == ("CONSOLE",)


def test_modules_have_name_build_id_and_length() -> None:
    trace = Story().module_load("e1000", bytes(range(20)), tainted=1).trace()
    expected = Module(1, "e1000", bytes(range(20)).hex(), 0x100000, True)
    assert trace.metadata.modules == {1: expected}


def test_symbols_lose_their_size_and_keep_their_module() -> None:
    names = {
        site(1, 0x1C): "e1000_clean+0x5c/0xdb0 [e1000]",
        site(0, 0x10): "ioread32+0x10/0x40",
        site(1, 0x20): "odd name without any form",
    }
    file = io.BytesIO()
    with PcapngWriter(file) as writer:
        writer.write(*symbol_records(names))
    trace = open_bytes(file.getvalue())
    assert trace.symbol(site(1, 0x1C)) == "e1000_clean+0x5c [e1000]"
    assert trace.symbol(site(0, 0x10)) == "ioread32+0x10"
    assert trace.symbol(site(1, 0x20)) == "odd name without any form"
    assert trace.metadata.symbols == names


def test_a_site_without_a_symbol_is_told_by_offset_and_module() -> None:
    metadata = Metadata(modules={1: Module(1, "e1000", "", 0, False)})
    assert metadata.symbol(0) == ""
    assert metadata.symbol(site(1, 0x1C4)) == "0x1c4 [e1000]"
    assert metadata.symbol(site(2, 0x10)) == "0x10 [module 2]"
    assert metadata.symbol(site(0, 0x10)) == "0x10 [kernel]"
    assert metadata.symbol(site(0xFFFF, 0x10)) == "0x10 [?]"
