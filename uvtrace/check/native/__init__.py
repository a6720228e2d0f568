# SPDX-License-Identifier: Apache-2.0
"""Rules about single events as machine code: one loop over the events of a kind.

:mod:`plan` decides in which order what is tested, :mod:`function` writes that down for LLVM, which
:mod:`code` has compiled and loaded; :mod:`store` keeps what was compiled from one run to the next.
"""
