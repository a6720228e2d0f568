# SPDX-License-Identifier: Apache-2.0
"""Columns of the config state in force at each event, from snapshots and config accesses.

``*_since`` is the access or snapshot that told the state in force.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from uvtrace.check.expression import Column, EventColumn, NumberColumn, TruthColumn


def _state(name: str, meaning: str) -> TruthColumn:
    return TruthColumn(name, np.int8, meaning, unknown=-1)


def _size(name: str, meaning: str, unit: str = "bytes") -> NumberColumn:
    return NumberColumn(name, np.int32, meaning, unit, unknown=-1)


memory_enable = _state("memory_enable", "Memory Space Enable")
io_enable = _state("io_enable", "I/O Space Enable")
bus_master = _state("bus_master", "Bus Master Enable")
intx_disable = _state("intx_disable", "Interrupt Disable")
memory_enable_since = EventColumn("memory_enable_since", np.int64, "what set Memory Space Enable")
io_enable_since = EventColumn("io_enable_since", np.int64, "what set I/O Space Enable")
bus_master_since = EventColumn("bus_master_since", np.int64, "what set Bus Master Enable")
intx_disable_since = EventColumn("intx_disable_since", np.int64, "what set Interrupt Disable")

msi_enable = _state("msi_enable", "MSI Enable")
msi_since = EventColumn("msi_since", np.int64, "what set MSI Enable")
msi_vectors = _size("msi_vectors", "the vectors that MSI is enabled for", "vectors")
msi_address = NumberColumn(
    "msi_address", np.uint64, "the programmed MSI address", unknown=2**64 - 1
)
msi_data = NumberColumn("msi_data", np.int32, "the programmed MSI data", unknown=-1)
msix_enable = _state("msix_enable", "MSI-X Enable")
msix_since = EventColumn("msix_since", np.int64, "what set MSI-X Enable")
msix_function_mask = _state("msix_function_mask", "the MSI-X Function Mask")
msix_table_size = _size("msix_table_size", "the MSI-X table's size", "vectors")
msix_table_bar = _size("msix_table_bar", "the MSI-X table's BAR", "")
msix_table_offset = NumberColumn(
    "msix_table_offset", np.int64, "the MSI-X table's offset in its BAR", "bytes", unknown=-1
)
msix_pba_bar = _size("msix_pba_bar", "the MSI-X PBA's BAR", "")
msix_pba_offset = NumberColumn(
    "msix_pba_offset", np.int64, "the MSI-X PBA's offset in its BAR", "bytes", unknown=-1
)

max_payload = _size("max_payload", "Max Payload Size")
max_payload_supported = _size("max_payload_supported", "Max Payload Size Supported")
max_read_request = _size("max_read_request", "Max Read Request Size")
relaxed_enable = _state("relaxed_enable", "Enable Relaxed Ordering")
ido_request_enable = _state("ido_request_enable", "IDO Request Enable")
ido_completion_enable = _state("ido_completion_enable", "IDO Completion Enable")
device_control_since = EventColumn(
    "device_control_since", np.int64, "what set Device Control or Device Control 2"
)

power_state = NumberColumn("power_state", np.int8, "the power state (0 to 4)", unknown=-1)
power_since = EventColumn("power_since", np.int64, "what set the power state")
no_soft_reset = _state("no_soft_reset", "No_Soft_Reset")
config_size = NumberColumn(
    "config_size", np.uint64, "the size of config space; 4096 until a snapshot tells", "bytes"
)

capability = NumberColumn(
    "capability",
    np.int32,
    "the capability that a config access falls into; 0 the header, 0x10000 + ID an extended one",
    unknown=-1,
)
capability_offset = NumberColumn(
    "capability_offset", np.int32, "the offset in that capability", "bytes", unknown=-1
)
old_value = NumberColumn(
    "old_value", np.int64, "what the bytes of a config access held before it", unknown=-1
)
read_only_bits = NumberColumn(
    "read_only_bits", np.uint64, "the bits of a config access that are read-only"
)
reserved_bits = NumberColumn(
    "reserved_bits", np.uint64, "the bits of a config access that must be preserved (RsvdP)"
)
clear_bits = NumberColumn(
    "clear_bits", np.uint64, "the bits of a config access that writing 1 clears (RW1C)"
)
last_config_read = EventColumn(
    "last_config_read", np.int64, "the last read of the dword that a config access is to"
)
last_config_read_value = NumberColumn(
    "last_config_read_value", np.int64, "what that read gave", unknown=-1
)
capability_fault = NumberColumn(
    "capability_fault",
    np.int8,
    "what is wrong with the capability list of a snapshot: 0 nothing, 1 it loops,"
    " 2 it is misaligned, 3 it points below 0x40, 4 it points beyond config space",
)
bars_all_ones = NumberColumn(
    "bars_all_ones", np.int32, "the BARs that hold all ones, one bit each", unknown=-1
)
bars_all_ones_since = EventColumn(
    "bars_all_ones_since", np.int64, "what wrote the last of these all ones"
)
bars_half = NumberColumn(
    "bars_half",
    np.int32,
    "the 64-bit BARs of which only one half was written since both agreed, one bit each",
    unknown=-1,
)

COLUMNS: Final[tuple[Column, ...]] = tuple(
    term for term in globals().copy().values() if isinstance(term, Column)
)
