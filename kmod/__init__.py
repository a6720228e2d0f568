# SPDX-License-Identifier: Apache-2.0
"""Sources of the kernel module, shipped so that it can be built where it is needed."""
