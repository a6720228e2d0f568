# SPDX-License-Identifier: Apache-2.0
"""Loops over arrays, written in Python, as machine code that is kept from one run to the next.

:mod:`loop` is what the rest of uvtrace uses; :mod:`arguments` says what a loop may be given,
:mod:`building` has numba compile it, :mod:`code` loads what :mod:`store` has kept. Numba is
imported where something is compiled, and nowhere else: to import it and to load code from its own
cache takes longer than to judge a small recording.
"""
