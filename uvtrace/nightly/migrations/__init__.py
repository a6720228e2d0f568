# SPDX-License-Identifier: Apache-2.0
"""What turns a history of any earlier version into one of this: scripts that alembic runs."""
