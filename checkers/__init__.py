# SPDX-License-Identifier: Apache-2.0
"""Rule packs, one file per family; installed as ``uvtrace.checkers``."""
