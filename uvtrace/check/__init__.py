# SPDX-License-Identifier: Apache-2.0
"""Checking: rules, verdicts, findings."""
