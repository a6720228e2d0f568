# SPDX-License-Identifier: Apache-2.0
"""The record, the file, and a trace as columns."""
