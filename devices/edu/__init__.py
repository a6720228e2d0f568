# SPDX-License-Identifier: Apache-2.0
"""QEMU's edu device."""
