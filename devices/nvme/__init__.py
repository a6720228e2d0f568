# SPDX-License-Identifier: Apache-2.0
"""NVM Express controllers over PCIe."""
