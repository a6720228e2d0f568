# SPDX-License-Identifier: Apache-2.0
"""A register file with an interrupt generator."""
