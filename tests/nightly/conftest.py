# SPDX-License-Identifier: Apache-2.0
"""The databases that the history is tested with: SQLite, and a PostgreSQL server of our own."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from tests.nightly.scenes import Stage

FOLDERS = "/usr/lib/postgresql"
USER = "tester"
UNPRIVILEGED = ("postgres", "nobody")


def _programs() -> Path | None:
    """The folder of the newest PostgreSQL server, or None."""
    folders = sorted(Path(FOLDERS).glob("*/bin"), key=lambda path: int(path.parent.name))
    there = shutil.which("initdb")
    folders += [Path(there).resolve().parent] if there else []
    return next((folder for folder in reversed(folders) if (folder / "pg_ctl").exists()), None)


def _unprivileged() -> str | None:
    """As whom the server runs, which refuses to be root: None for who runs the tests."""
    if os.geteuid():
        return None
    names = {entry.pw_name for entry in pwd.getpwall()}
    return next(name for name in UNPRIVILEGED if name in names)


class Server:
    """A PostgreSQL server in a folder, reached through a socket in it."""

    def __init__(self, programs: Path, folder: Path) -> None:
        self._programs = programs
        self._folder = folder
        self._user = _unprivileged()
        if self._user is not None:
            shutil.chown(folder, self._user)

    def run(self, program: str, *arguments: str) -> None:
        """Run one of PostgreSQL's programs; its words are those of the failure."""
        done = subprocess.run(
            [self._programs / program, *arguments],
            user=self._user,
            group=pwd.getpwnam(self._user).pw_gid if self._user else None,
            extra_groups=[] if self._user else None,
            cwd=self._folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stderr

    def start(self) -> None:
        """Make a cluster, and serve it until :meth:`stop`."""
        data = str(self._folder / "data")
        self.run("initdb", "-D", data, "-U", USER, "-A", "trust", "-N", "-E", "UTF8", "--locale=C")
        options = f"-k {self._folder} -c listen_addresses='' -c fsync=off -c max_connections=20"
        log = str(self._folder / "log")
        self.run("pg_ctl", "start", "-w", "-D", data, "-o", options, "-l", log)

    def stop(self) -> None:
        """End the server at once."""
        self.run("pg_ctl", "stop", "-w", "-m", "immediate", "-D", str(self._folder / "data"))

    def emptied(self) -> str:
        """The URL of its database, with nothing in it."""
        with psycopg.connect(self._url, autocommit=True) as connection:
            connection.execute("DROP SCHEMA public CASCADE")
            connection.execute("CREATE SCHEMA public")
        return self._url

    @property
    def _url(self) -> str:
        return f"postgresql://{USER}@/postgres?host={self._folder}"


@pytest.fixture(scope="session")
def postgresql() -> Iterator[Server]:
    """A PostgreSQL server that only these tests know."""
    programs = _programs()
    if programs is None:
        pytest.skip("no PostgreSQL server is installed: apt install postgresql")
    # Not below pytest's folder: the server's user may not enter it, and a socket's path is short.
    with tempfile.TemporaryDirectory(prefix="uvtrace-pg-") as folder:
        server = Server(programs, Path(folder))
        server.start()
        try:
            yield server
        finally:
            server.stop()


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where an empty history is: an SQLite file, then a PostgreSQL database."""
    if request.param == "sqlite":
        return str(tmp_path / "history.db")
    server: Server = request.getfixturevalue("postgresql")
    return server.emptied()


@pytest.fixture
def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stage:
    """A crew of this process, whose recordings come from what a test puts in place."""
    return Stage(tmp_path, monkeypatch)
