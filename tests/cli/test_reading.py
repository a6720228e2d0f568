# SPDX-License-Identifier: Apache-2.0
"""info, show, scrub, export, import, mark."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

import uvtrace
from tests.cli.running import run
from tests.story import Story
from uvtrace.errors import EnvironmentLacksError
from uvtrace.record.mark import write_mark


def test_info_tells_a_newcomer_what_is_in_it(clean: Path) -> None:
    outcome = run("info", clean)
    assert outcome.code == 0
    words = " ".join(outcome.out.split())
    for fact in (
        "kernel 6.1.0",
        "command ping -c 1 (exit code 0)",
        "lost 0",
        "modules e1000",
        "function 0000:00:03.0 e1000, 8086:100e",
        "MMIO write 1",
    ):
        assert fact in words


def test_info_as_json_has_stable_names(clean: Path) -> None:
    document = json.loads(run("info", "--json", clean).out)
    assert document["format"] == 1
    assert document["kinds"]["mmio_write"] == 1
    assert document["lost"] == 0
    assert document["functions"][0]["name"] == "0000:00:03.0"
    assert document["functions"][0]["kinds"]["map"] == 1
    assert set(document) == {
        *("format", "file", "records", "transactions", "lost", "losses", "duration_ns", "kernel"),
        *("command", "exit_code", "functions", "kinds", "cpus", "undecoded", "modules", "sites"),
        *("converted", "damage"),
    }


def test_info_reads_standard_input(clean: Path) -> None:
    assert run("info", "-", stdin=clean.read_bytes()).code == 0


def test_show_prints_one_line_per_record(clean: Path) -> None:
    lines = run("show", clean).out.splitlines()
    assert len(lines) == len(uvtrace.open(clean))
    (write,) = (line for line in lines if "MMIO write" in line)
    assert "BAR0+0x3800" in write
    assert "0000:00:03.0" in write
    assert "e1000_mmio_write+0x10 [e1000]" in write


def test_show_stops_after_the_limit(clean: Path) -> None:
    assert len(run("show", clean, "--limit", 3).out.splitlines()) == 3
    assert run("show", clean, "--limit", 0).out == ""


def test_show_as_json_has_every_field(clean: Path) -> None:
    lines = [json.loads(line) for line in run("show", "--json", clean).out.splitlines()]
    (write,) = (line for line in lines if line["kind_name"] == "mmio_write")
    assert write["access"]["offset"] == 0x3800
    assert write["function_name"] == "0000:00:03.0"
    assert write["site"] == "e1000_mmio_write+0x10 [e1000]"


def test_show_escapes_what_could_steer_the_terminal(tmp_path: Path) -> None:
    path = tmp_path / "run.pcapng"
    Story().mark("\x1b[2Jgone\r\u202e").mmio_read(0, site="evil\x9b+0x1").write(path)
    out = run("show", path).out + run("info", path).out
    assert not set("\x1b\r\x9b\u202e") & set(out)


@pytest.mark.skipif(shutil.which("tshark") is None, reason="tshark is not installed")
def test_show_takes_a_display_filter(clean: Path) -> None:
    lines = run("show", clean, "--filter", "uvbus.kind == 4").out.splitlines()
    assert len(lines) == 1
    assert "MMIO write" in lines[0]


def test_show_refuses_a_filter_on_standard_input(clean: Path) -> None:
    assert run("show", "-", "--filter", "uvbus", stdin=clean.read_bytes()).code == 2


def test_scrub_writes_a_recording_and_says_what_it_dropped(clean: Path, tmp_path: Path) -> None:
    outcome = run("scrub", clean, "-o", tmp_path / "public.pcapng.zst")
    assert outcome.code == 0
    assert "dropped" in outcome.err
    assert run("check", tmp_path / "public.pcapng.zst").code == 0


def test_scrub_does_not_overwrite_what_it_reads(clean: Path) -> None:
    before = clean.read_bytes()
    assert run("scrub", clean, "-o", clean).code == 2
    assert clean.read_bytes() == before


def test_export_writes_a_table(clean: Path, tmp_path: Path) -> None:
    assert run("export", clean, "--format", "parquet", "-o", tmp_path / "t.parquet").code == 0
    assert (tmp_path / "t.parquet").read_bytes()[:4] == b"PAR1"
    outcome = run("export", clean, "--format", "csv", "-o", "-")
    assert outcome.out.splitlines()[0].startswith("function_name,site,version,kind")


def test_export_writes_a_timeline(clean: Path, tmp_path: Path) -> None:
    outcome = run("export", clean, "--format", "perfetto", "-o", tmp_path / "t.pftrace")
    assert (outcome.code, outcome.out) == (0, "")
    assert "open it in ui.perfetto.dev" in outcome.err
    assert b"driver's life" in (tmp_path / "t.pftrace").read_bytes()


def test_import_reads_a_log_from_a_file_or_standard_input(tmp_path: Path) -> None:
    text = b"VERSION 20070824\nMAP 1.0 1 0xfe000000 0x0 0x1000 0x0 0\n"
    (tmp_path / "log").write_bytes(text)
    for source, stdin in ((str(tmp_path / "log"), b""), ("-", text)):
        target = tmp_path / "run.pcapng"
        assert run("import", "mmiotrace", source, "-o", target, stdin=stdin).code == 0
        assert run("info", target).code == 0


def test_import_names_the_bad_line(tmp_path: Path) -> None:
    (tmp_path / "log").write_text("VERSION 20070824\nR 4\n")
    outcome = run("import", "mmiotrace", tmp_path / "log", "-o", tmp_path / "run.pcapng")
    assert outcome.code == 3
    assert f"{tmp_path / 'log'}:2: " in outcome.err


def test_a_mark_without_the_kernel_module_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentLacksError, match="uvtrace record loads it"):
        write_mark("cable pulled", tmp_path / "uvbus0")
