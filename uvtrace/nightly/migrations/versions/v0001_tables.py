# SPDX-License-Identifier: Apache-2.0
"""The first tables. A migration that has been released never changes: the next one does."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables."""
    _runs()
    _results()
    _coverage()
    _of_job(
        "latencies",
        *(_text("function"), _text("what"), _number("count")),
        *(_real("median_ns"), _real("p95_ns")),
    )
    _of_job("traces", _text("location"), *map(_number, ("records", "lost", "size_bytes")))
    names = ("matrix", "signature", "rule", "device", "kernel", "reason")
    op.create_table(
        "accepted",
        _id(),
        *map(_text, names),
        sa.Column("since", sa.Date, nullable=False),
        sa.Column("expires", sa.Date),
        sa.PrimaryKeyConstraint("id", name="pk_accepted"),
    )


def _runs() -> None:
    op.create_table(
        "runs",
        _id(),
        _text("matrix"),
        sa.Column("started", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished", sa.DateTime(timezone=True)),
        _text("tool"),
        sa.PrimaryKeyConstraint("id", name="pk_runs"),
    )
    place = ("run", "kernel", "device", "workload", "repetition")
    op.create_table(
        "jobs",
        *(_id(), sa.Column("run", sa.Integer, nullable=False)),
        *(_text("kernel"), _text("device"), _text("workload")),
        sa.Column("repetition", sa.Integer, nullable=False),
        *(_text("release"), _word("digest", 64), _word("ended", 16), _text("reason")),
        _real("seconds"),
        sa.PrimaryKeyConstraint("id", name="pk_jobs"),
        sa.ForeignKeyConstraint(["run"], ["runs.id"], name="fk_jobs_run", ondelete="CASCADE"),
        sa.UniqueConstraint(*place, name=f"uq_jobs_{'_'.join(place)}"),
    )


def _results() -> None:
    _of_job(
        "verdicts",
        *(_text("function"), _text("rule"), _word("verdict", 16)),
        *(_number("checked"), _text("reason")),
    )
    _of_job(
        "findings",
        *(_text("signature"), _word("signature_sha256", 64)),
        *(_text("rule"), _word("severity", 16)),
        *map(_text, ("function", "site", "message")),
        *(_number("seq"), _number("count"), _text("suppressed")),
    )
    op.create_index("ix_findings_signature_sha256", "findings", ["signature_sha256"])


def _coverage() -> None:
    _of_job("automata", _text("automaton"))
    _of_job("states", _text("automaton"), _text("state"), _number("visits"))
    _of_job("edges", *map(_text, ("automaton", "source", "target", "label")), _number("count"))


def _of_job(name: str, *columns: sa.Column[Any]) -> None:
    """A table of what jobs came to."""
    op.create_table(
        name,
        *(_id(), sa.Column("job", sa.Integer, nullable=False), *columns),
        sa.PrimaryKeyConstraint("id", name=f"pk_{name}"),
        sa.ForeignKeyConstraint(["job"], ["jobs.id"], name=f"fk_{name}_job", ondelete="CASCADE"),
    )
    op.create_index(f"ix_{name}_job", name, ["job"])


def _id() -> sa.Column[Any]:
    return sa.Column("id", sa.Integer, autoincrement=True, nullable=False)


def _text(name: str) -> sa.Column[Any]:
    return sa.Column(name, sa.Text, nullable=False)


def _word(name: str, length: int) -> sa.Column[Any]:
    return sa.Column(name, sa.String(length), nullable=False)


def _number(name: str) -> sa.Column[Any]:
    return sa.Column(name, sa.BigInteger, nullable=False)


def _real(name: str) -> sa.Column[Any]:
    return sa.Column(name, sa.Float(53), nullable=False)
