# SPDX-License-Identifier: Apache-2.0
"""Opens the history's database, and brings its tables up to date."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.util.exc import CommandError
from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError

from uvtrace.errors import EnvironmentLacksError, UsageError, UvtraceError

MIGRATIONS = Path(__file__).parent / "migrations"
_LOCK = 0x7576_7472_6163_65
"""The advisory lock of those that migrate a PostgreSQL database: ``uvtrace``."""
_WAIT_S = 60
"""How long one process waits for another that writes to the same SQLite file."""


def url_of(where: str | Path) -> URL:
    """The URL of a database: a URL, or the path of an SQLite file.

    Raises:
        UsageError: it is neither SQLite nor PostgreSQL.
    """
    if isinstance(where, Path) or "://" not in where:
        return URL.create("sqlite", database=str(where))
    try:
        url = make_url(where)
    except (ArgumentError, ValueError) as error:
        raise UsageError("not the URL of a database", hint=_FORMS) from error
    if url.drivername in ("postgresql", "postgres", "postgresql+psycopg"):
        return url.set(drivername="postgresql+psycopg")
    if url.drivername == "sqlite":
        return url
    raise UsageError("neither SQLite nor PostgreSQL", where=shown(url), hint=_FORMS)


_FORMS = "give the path of a file, sqlite:///FILE or postgresql://USER@HOST/NAME"


def shown(url: URL) -> str:
    """A URL as others may see it: without its password."""
    return url.render_as_string(hide_password=True)


def opened(where: str | Path) -> Engine:
    """A database whose tables are up to date; what is missing is made.

    Raises:
        UsageError: it is neither SQLite nor PostgreSQL.
        EnvironmentLacksError: the driver for PostgreSQL is not installed.
        UvtraceError: it cannot be reached, or a later version of uvtrace has written it.
    """
    url = url_of(where)
    with told(url):
        engine = _engine(url)
        with engine.begin() as connection:
            _migrate(connection)
    return engine


@contextmanager
def told(url: URL) -> Iterator[None]:
    """What a database complains of, in one line and without a password."""
    try:
        yield
    except (ModuleNotFoundError, NoSuchModuleError) as error:
        hint = 'pip install "psycopg[binary]"'
        raise EnvironmentLacksError(str(error), where=shown(url), hint=hint) from error
    except CommandError as error:
        hint = "was it written by a later version of uvtrace?"
        raise UvtraceError("the tables are not known here", where=shown(url), hint=hint) from error
    except DBAPIError as error:
        what = str(error.orig).strip().partition("\n")[0]
        raise UvtraceError(what or type(error.orig).__name__, where=shown(url)) from error


def _engine(url: URL) -> Engine:
    if url.get_backend_name() != "sqlite":
        return create_engine(url)
    engine = create_engine(url, connect_args={"timeout": _WAIT_S})
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _prepare_sqlite(connection: Any, _record: object) -> None:
    # Python's sqlite3 begins transactions late, and never before tables are made: we begin them.
    connection.isolation_level = None
    connection.execute("PRAGMA foreign_keys = ON")


def _begin_sqlite(connection: Connection) -> None:
    # At once for writing: a reader that becomes a writer later would not wait, but fail. For the
    # same reason the journal stays as it is: the change to WAL is made by a reader become writer.
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def _migrate(connection: Connection) -> None:
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
