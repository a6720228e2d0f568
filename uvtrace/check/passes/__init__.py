# SPDX-License-Identifier: Apache-2.0
"""Passes: what fills the derived columns, chunk by chunk, carrying state from one to the next."""
