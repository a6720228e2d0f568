# SPDX-License-Identifier: Apache-2.0
"""What contracts speak of: a driver's writes and reads of registers, and its interrupt handlers."""

from __future__ import annotations

from uvtrace.check.columns import record
from uvtrace.check.expression import Truth
from uvtrace.check.terms import is_executed, is_first_part, is_return, succeeded
from uvtrace.trace.enums import Kind

_written = (record.kind == Kind.MMIO_WRITE) & is_first_part & is_executed
_answered = (record.kind == Kind.MMIO_READ) & is_return & succeeded & is_executed

requests_irq = (record.kind == Kind.IRQ_REQUEST) & (record.result == 0) & is_return
"""A handler is there from now on."""
frees_irq = (record.kind == Kind.IRQ_FREE) & is_return


def writes_bar(bar: int = 0) -> Truth:
    """The driver writes some register of a BAR."""
    return _written & (record.bar == bar)


def reads_bar(bar: int = 0) -> Truth:
    """The driver reads some register of a BAR, and gets a value."""
    return _answered & (record.bar == bar)


def writes(offset: int, bar: int = 0) -> Truth:
    """The driver writes a register.

    Args:
        offset: of the register in its BAR, in bytes.
        bar: that it is in.
    """
    return writes_bar(bar) & (record.offset == offset)


def reads(offset: int, bar: int = 0) -> Truth:
    """The driver reads a register and gets a value; arguments as of :func:`writes`."""
    return reads_bar(bar) & (record.offset == offset)
