# SPDX-License-Identifier: Apache-2.0
"""Intel's 8254x Gigabit Ethernet controllers."""
