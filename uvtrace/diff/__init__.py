# SPDX-License-Identifier: Apache-2.0
"""Comparing two recordings: findings, state machines, registers, times."""
