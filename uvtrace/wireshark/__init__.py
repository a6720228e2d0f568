# SPDX-License-Identifier: Apache-2.0
"""The dissector, its installation, and display filters."""
