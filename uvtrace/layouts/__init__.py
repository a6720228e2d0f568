# SPDX-License-Identifier: Apache-2.0
"""What lies in memory that a driver shares with its device: declared by contracts, told by traces.

A contract declares where such memory is (the registers that hold its address) and what its entries
look like; a :class:`~uvtrace.layouts.decoder.Decoder` follows a trace and puts contents into words.
"""

from uvtrace.layouts.declaration import Area, Field, Form, Layout, Layouts, Match, Registers
from uvtrace.layouts.decoder import Decoder
from uvtrace.layouts.ring import Ring, layouts_of

__all__ = [
    "Area",
    "Decoder",
    "Field",
    "Form",
    "Layout",
    "Layouts",
    "Match",
    "Registers",
    "Ring",
    "layouts_of",
]
