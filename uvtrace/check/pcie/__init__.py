# SPDX-License-Identifier: Apache-2.0
"""What PCI Express guarantees, as data: transaction ordering and its proofs."""
