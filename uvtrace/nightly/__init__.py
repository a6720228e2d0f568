# SPDX-License-Identifier: Apache-2.0
"""Every night the same jobs: recorded, judged, kept in a history and compared with yesterday's.

``matrix`` says what to do, ``result`` what a recording came to, ``history`` keeps it, ``compare``
tells what is new.
"""
