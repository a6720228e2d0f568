# SPDX-License-Identifier: Apache-2.0
"""Recordings that are named by URLs: read, put into a store, and what is said when they cannot."""

from __future__ import annotations

import http.server
import shutil
import socket
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import fsspec
import pytest

import uvtrace
from tests.cli.running import run
from uvtrace.errors import EnvironmentLacksError, InputError, UsageError
from uvtrace.trace import remote

TRACES = Path(__file__).parents[2] / "traces"
RECORDING = TRACES / "nvme-6.1.pcapng.zst"
OTHER = TRACES / "ahci-6.1.pcapng.zst"


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache/uvtrace/fetched"


@pytest.fixture
def memory() -> Iterator[str]:
    """A store in memory."""
    yield "memory://store"
    system = fsspec.filesystem("memory")
    if system.exists("/store"):
        system.rm("/store", recursive=True)


@pytest.fixture
def website() -> Iterator[str]:
    """A web server that hands out our recordings, and takes nothing."""
    handler = partial(http.server.SimpleHTTPRequestHandler, directory=str(TRACES))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture
def stranger() -> Iterator[str]:
    """A server that speaks, but not HTTP."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def greet() -> None:
            while True:
                try:
                    caller, _ = listening.accept()
                except OSError:
                    return
                with caller:
                    caller.sendall(b"SSH-2.0-stranger\r\n")

        greeter = threading.Thread(target=greet, daemon=True)
        greeter.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        listening.shutdown(socket.SHUT_RDWR)
        greeter.join(10)


@pytest.mark.parametrize("kind", ["file", "memory"])
def test_what_is_put_into_a_store_is_read_back(kind: str, tmp_path: Path, memory: str) -> None:
    url = f"{memory if kind == 'memory' else (tmp_path / 'store').as_uri()}/a/b/run.pcapng.zst"
    remote.put(RECORDING, url)
    assert len(uvtrace.open(url)) == len(uvtrace.open(RECORDING))
    system, path = fsspec.core.url_to_fs(url)
    # Nothing is left of its being put there by halves.
    assert len(system.ls(system._parent(path))) == 1


def test_a_url_is_fetched_once_and_again_when_it_has_changed(memory: str, cache: Path) -> None:
    url = f"{memory}/run.pcapng.zst"
    remote.put(RECORDING, url)
    first = remote.local_copy(url)
    assert first.read_bytes() == RECORDING.read_bytes()
    assert remote.local_copy(url) == first
    remote.put(OTHER, url)
    assert remote.local_copy(url).read_bytes() == OTHER.read_bytes()
    assert len(list(cache.iterdir())) == 2


def test_what_was_used_longest_ago_makes_room(
    memory: str, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote, "KEEP_BYTES", RECORDING.stat().st_size + 10)
    for name in ("a", "b"):
        remote.put(RECORDING, f"{memory}/{name}.pcapng.zst")
        remote.local_copy(f"{memory}/{name}.pcapng.zst")
    assert [path.name.partition("-")[2] for path in cache.iterdir()] == ["b.pcapng.zst"]


def test_what_cannot_be_put_whole_is_not_there(memory: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot reach it"):
        remote.put(tmp_path / "none", f"{memory}/none.pcapng")
    assert fsspec.filesystem("memory").ls("/store") == []


def test_commands_take_urls_and_name_them(memory: str, tmp_path: Path) -> None:
    url = f"{memory}/run.pcapng.zst"
    remote.put(RECORDING, url)
    checked = run("check", url, "--select", "TRC", "--format", "json")
    assert checked.code == 0
    assert f'"file": "{url}"' in checked.out
    assert run("show", url, "--limit", "1").out == run("show", RECORDING, "--limit", "1").out
    there = run("show", RECORDING.as_uri(), "--limit", "1")
    assert (there.code, there.out) == (0, run("show", RECORDING, "--limit", "1").out)


def test_a_display_filter_reads_a_url(memory: str) -> None:
    if shutil.which("tshark") is None:
        pytest.skip("tshark is not installed: apt install tshark")
    url = f"{memory}/run.pcapng.zst"
    remote.put(RECORDING, url)
    arguments = ("--filter", "uvbus.kind == 4", "--limit", "3")
    assert run("show", url, *arguments).out == run("show", RECORDING, *arguments).out != ""


@pytest.mark.parametrize(
    ("url", "kind", "said"),
    [
        ("memory://store/none.pcapng", InputError, "there is no such file"),
        ("file:///none/none.pcapng", InputError, "there is no such file"),
        ("gopher://host/run.pcapng", UsageError, "no such kind of URL"),
        ("sftp://me:secret@host/run.pcapng", EnvironmentLacksError, "pip install paramiko"),
        ("http://127.0.0.1:1/run.pcapng", InputError, "there is no such file"),
    ],
)
def test_what_cannot_be_read_is_one_line_without_a_password(
    url: str, kind: type[Exception], said: str
) -> None:
    with pytest.raises(kind) as caught:
        uvtrace.open(url)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "secret" not in str(caught.value)


def test_a_recording_on_a_web_server_is_read(website: str) -> None:
    url = f"{website}/{RECORDING.name}"
    assert len(uvtrace.open(url)) == len(uvtrace.open(RECORDING))


def test_a_web_server_is_no_store(website: str) -> None:
    with pytest.raises(InputError, match="cannot reach it") as caught:
        remote.put(RECORDING, f"{website}/new/run.pcapng.zst")
    assert "\n" not in str(caught.value)


def test_a_server_of_another_kind_is_one_line(stranger: str) -> None:
    with pytest.raises(InputError) as caught:
        remote.local_copy(f"{stranger}/run.pcapng")
    assert "\n" not in str(caught.value)


def test_a_file_whose_name_looks_like_a_url_is_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "memory:").mkdir()
    shutil.copy(RECORDING, tmp_path / "memory:/run.pcapng.zst")
    monkeypatch.chdir(tmp_path)
    assert len(uvtrace.open("memory://run.pcapng.zst")) == len(uvtrace.open(RECORDING))
