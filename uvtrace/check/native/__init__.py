# SPDX-License-Identifier: Apache-2.0
"""Rules about single events as machine code: one loop over the events of a kind.

:mod:`plan` decides in which order what is tested, :mod:`function` writes that down for LLVM.
:mod:`uvtrace.loops.code` has it compiled and loaded, :mod:`uvtrace.loops.store` keeps it.
"""
