# SPDX-License-Identifier: Apache-2.0
"""The 1-in-1-out NIC: four registers, one descriptor each way."""
