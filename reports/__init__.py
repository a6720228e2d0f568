# SPDX-License-Identifier: Apache-2.0
"""Renderers of results, one file per format; installed as ``uvtrace.reports``."""
