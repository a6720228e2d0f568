# SPDX-License-Identifier: Apache-2.0
"""What alembic runs: the migrations, on the connection that ``uvtrace.nightly.database`` gives."""

from __future__ import annotations

from alembic import context

context.configure(connection=context.config.attributes["connection"], render_as_batch=True)
with context.begin_transaction():
    context.run_migrations()
