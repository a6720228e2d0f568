# SPDX-License-Identifier: Apache-2.0
"""Every column that a rule can be written over, by family.

``from uvtrace.check.columns import config, record`` and write ``config.memory_enable``.
"""

from __future__ import annotations

from typing import Final

from uvtrace.check.columns import (
    address,
    config,
    device,
    fields,
    life,
    mapping,
    order,
    ordering,
    record,
    recovery,
    registers,
    requests,
    shape,
    vectors,
    windows,
)
from uvtrace.check.expression import Column

FAMILIES: Final = {
    "record": record.COLUMNS,
    "order": order.COLUMNS,
    "config": config.COLUMNS,
    "address": address.COLUMNS,
    "mapping": mapping.COLUMNS,
    "life": life.COLUMNS,
    "requests": requests.COLUMNS,
    "registers": registers.COLUMNS,
    "recovery": recovery.COLUMNS,
    "vectors": vectors.COLUMNS,
    "fields": fields.COLUMNS,
    "device": device.COLUMNS,
    "windows": windows.COLUMNS,
    "shape": shape.COLUMNS,
    "ordering": ordering.COLUMNS,
}
"""Family to its columns, in the order in which their passes run."""

ALL: Final[dict[str, Column]] = {
    column.name: column for columns in FAMILIES.values() for column in columns
}
"""Column name to column."""
