# SPDX-License-Identifier: Apache-2.0
"""One script for each change of the tables; one that was released never changes."""
