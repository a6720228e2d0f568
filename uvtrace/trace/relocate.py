# SPDX-License-Identifier: Apache-2.0
"""An address space whose addresses are moved so that relations stay and places do not.

What is kept: the offset in a 64 KiB block, hence in a page and across page boundaries; the
distance of two addresses in ranges that touch, hence containment and overlap; order; and on which
side of the usual DMA masks (24, 32 and 40 bits) and of the borders of x86-64's kernel memory a
range begins. What is not kept: where it was.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

PAGE_SHIFT: Final = 12
ALIGN_PAGES: Final = 16
GAP_PAGES: Final = 1
_CLASS_PAGES: Final = (
    *(0x10000 >> PAGE_SHIFT, 1 << 24 - PAGE_SHIFT),
    *(1 << 32 - PAGE_SHIFT, 1 << 40 - PAGE_SHIFT),
    # Linux Documentation/arch/x86/x86_64/mm.rst: the kernel's half with 5 and with 4 levels of
    # page tables, the kernel's image, modules, and what lies behind them.
    *(0xFF000000_00000000 >> PAGE_SHIFT, 0xFFFF8000_00000000 >> PAGE_SHIFT),
    *(0xFFFFFFFF_80000000 >> PAGE_SHIFT, 0xFFFFFFFF_C0000000 >> PAGE_SHIFT),
    0xFFFFFFFF_FF000000 >> PAGE_SHIFT,
)
_LAST: Final = np.uint64(2**64 - 1)
_OFFSET: Final = np.uint64((1 << PAGE_SHIFT) - 1)


class AddressSpace:
    """Collects the ranges that occur, then moves addresses in them.

    0 and all-ones are no places (nothing; a failed mapping) and stay as they are.
    """

    def __init__(self) -> None:
        self._spans = np.empty((0, 2), np.int64)
        self._moved: NDArray[np.int64] | None = None

    def add(self, starts: NDArray[np.uint64], lengths: NDArray[np.uint64]) -> None:
        """Ranges that occur; shapes (n,), lengths in bytes, 0 counts as 1."""
        real = (starts != 0) & (starts != _LAST)
        first, extent = starts[real], np.maximum(lengths[real], np.uint64(1)) - np.uint64(1)
        # A range that runs past the end of the address space ends there.
        last = first + np.minimum(extent, _LAST - first)
        pages = np.stack([first >> np.uint64(PAGE_SHIFT), last >> np.uint64(PAGE_SHIFT)], axis=1)
        self._spans = _merged(np.concatenate([self._spans, pages.astype(np.int64)]))

    def move(self, addresses: NDArray[np.uint64]) -> NDArray[np.uint64]:
        """Where addresses are now; each must lie in a range that was added. Shape (n,)."""
        if self._moved is None:
            self._moved = _placed(self._spans)
        if len(self._spans) == 0:
            return addresses
        pages = (addresses >> np.uint64(PAGE_SHIFT)).astype(np.int64)
        span = np.searchsorted(self._spans[:, 0], pages, side="right") - 1
        moved = pages - self._spans[span, 0] + self._moved[span]
        result = moved.astype(np.uint64) << np.uint64(PAGE_SHIFT) | addresses & _OFFSET
        return np.where((addresses == 0) | (addresses == _LAST), addresses, result)


def _merged(spans: NDArray[np.int64]) -> NDArray[np.int64]:
    """Spans of pages (first, last), sorted, those that overlap or touch made one."""
    if len(spans) == 0:
        return spans
    spans = spans[np.argsort(spans[:, 0], kind="stable")]
    reach = np.maximum.accumulate(spans[:, 1])
    begins = np.concatenate(([True], spans[1:, 0] > reach[:-1] + 1))
    starts = np.flatnonzero(begins)
    ends = np.concatenate((starts[1:] - 1, [len(spans) - 1]))
    return np.stack([spans[starts, 0], reach[ends]], axis=1)


def _placed(spans: NDArray[np.int64]) -> NDArray[np.int64]:
    """The new first page of each span."""
    placed = np.empty(len(spans), np.int64)
    free = 0
    for row, (first, last) in enumerate(spans.tolist()):
        low = max((page for page in _CLASS_PAGES if page <= first), default=_CLASS_PAGES[0])
        free = max(free, low)
        free += (first - free) % ALIGN_PAGES
        placed[row] = free
        free += last - first + 1 + GAP_PAGES
    return placed
