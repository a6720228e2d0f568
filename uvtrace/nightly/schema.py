# SPDX-License-Identifier: Apache-2.0
"""The history's tables, as the newest migration leaves them (a test compares the two)."""

from __future__ import annotations

import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    Date,
    DateTime,
    Dialect,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
)

METADATA = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)
_LARGEST = (1 << 63) - 1


class Words(TypeDecorator[str]):
    """Text out of recordings: what a database refuses is written as Python would escape it."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        """Without NUL and lone surrogates."""
        return None if value is None else storable(value)


class Count(TypeDecorator[int]):
    """A number out of recordings, which may have any 64 bits; what is too large is the largest."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: int | None, dialect: Dialect) -> int | None:
        """Within what a database can hold."""
        return None if value is None else min(int(value), _LARGEST)


class Moment(TypeDecorator[datetime.datetime]):
    """A time in UTC; SQLite would forget the zone."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> datetime.datetime | None:
        """In UTC."""
        return None if value is None else value.astimezone(datetime.UTC)

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime.datetime | None:
        """In UTC, and saying so."""
        if value is None:
            return None
        if value.tzinfo is None:
            return value.replace(tzinfo=datetime.UTC)  # type: ignore[no-any-return]
        return value.astimezone(datetime.UTC)  # type: ignore[no-any-return]


def storable(text: str) -> str:
    """A text as databases take it."""
    return text.encode("utf-8", "backslashreplace").decode().replace("\0", "\\x00")


def _of_job() -> Column[int]:
    return Column("job", ForeignKey("jobs.id", ondelete="CASCADE"), nullable=False, index=True)


def _needed(name: str, type_: Any) -> Column[Any]:
    return Column(name, type_, nullable=False)


RUNS = Table(
    "runs",
    METADATA,
    Column("id", Integer, primary_key=True),
    _needed("matrix", Words),
    _needed("started", Moment),
    Column("finished", Moment),
    _needed("tool", Words),
)
JOBS = Table(
    "jobs",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("run", ForeignKey("runs.id", ondelete="CASCADE"), nullable=False),
    _needed("kernel", Words),
    _needed("device", Words),
    _needed("workload", Words),
    _needed("repetition", Integer),
    _needed("release", Words),
    _needed("digest", String(64)),
    _needed("ended", String(16)),
    _needed("reason", Words),
    _needed("seconds", Float(53)),
    UniqueConstraint("run", "kernel", "device", "workload", "repetition"),
)
VERDICTS = Table(
    "verdicts",
    METADATA,
    Column("id", Integer, primary_key=True),
    _of_job(),
    _needed("function", Words),
    _needed("rule", Words),
    _needed("verdict", String(16)),
    _needed("checked", Count),
    _needed("reason", Words),
)
FINDINGS = Table(
    "findings",
    METADATA,
    Column("id", Integer, primary_key=True),
    _of_job(),
    _needed("signature", Words),
    # Signatures may be longer than what PostgreSQL puts into an index.
    _needed("signature_sha256", String(64)),
    _needed("rule", Words),
    _needed("severity", String(16)),
    _needed("function", Words),
    _needed("site", Words),
    _needed("message", Words),
    _needed("seq", Count),
    _needed("count", Count),
    _needed("suppressed", Words),
    Index(None, "signature_sha256"),
)
AUTOMATA = Table(
    "automata",
    METADATA,
    Column("id", Integer, primary_key=True),
    _of_job(),
    _needed("automaton", Words),
)
STATES = Table(
    "states",
    METADATA,
    Column("id", Integer, primary_key=True),
    _of_job(),
    _needed("automaton", Words),
    _needed("state", Words),
    _needed("visits", Count),
)
EDGES = Table(
    "edges",
    METADATA,
    Column("id", Integer, primary_key=True),
    _of_job(),
    _needed("automaton", Words),
    _needed("source", Words),
    _needed("target", Words),
    _needed("label", Words),
    _needed("count", Count),
)
LATENCIES = Table(
    "latencies",
    METADATA,
    Column("id", Integer, primary_key=True),
    _of_job(),
    _needed("function", Words),
    _needed("what", Words),
    _needed("count", Count),
    _needed("median_ns", Float(53)),
    _needed("p95_ns", Float(53)),
)
TRACES = Table(
    "traces",
    METADATA,
    Column("id", Integer, primary_key=True),
    _of_job(),
    _needed("location", Words),
    _needed("records", Count),
    _needed("lost", Count),
    _needed("size_bytes", Count),
)
ACCEPTED = Table(
    "accepted",
    METADATA,
    Column("id", Integer, primary_key=True),
    _needed("matrix", Words),
    _needed("signature", Words),
    _needed("rule", Words),
    _needed("device", Words),
    _needed("kernel", Words),
    _needed("reason", Words),
    _needed("since", Date),
    Column("expires", Date),
)
