# SPDX-License-Identifier: Apache-2.0
"""Sources of traces: the kernel module, a VM, other tools' logs."""
