# SPDX-License-Identifier: Apache-2.0
"""Device packs, one folder per device; installed as ``uvtrace.devices``."""
