# SPDX-License-Identifier: Apache-2.0
"""A recording as a timeline for the Perfetto UI (ui.perfetto.dev)."""
