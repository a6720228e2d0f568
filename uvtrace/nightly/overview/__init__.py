# SPDX-License-Identifier: Apache-2.0
"""The page that tells a maintainer in the morning what a night came to.

One file that loads nothing, made as reports are (:mod:`uvtrace.report`): the headline in words,
the matrix, what is new, what is no longer covered, what is accepted, how it went on the nights
before, and from each cell on to its recordings, reports, logs and the guest's last words.
"""
