# SPDX-License-Identifier: Apache-2.0
"""DMA: mappings, and the device's accesses to them.

By what they judge: the calls that end or sync a mapping (:mod:`.dma_calls`), the mappings that
are made and held (:mod:`.dma_mappings`), the device's own accesses (:mod:`.dma_device`).
"""

from __future__ import annotations

from . import dma_calls, dma_device, dma_mappings

RULES = (*dma_calls.RULES, *dma_mappings.RULES, *dma_device.RULES)
