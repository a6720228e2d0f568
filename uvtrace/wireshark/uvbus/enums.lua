-- SPDX-License-Identifier: Apache-2.0
--
-- The numbers of kmod/include/uapi/uvbus.h and their text. A test compares
-- every table with the header through `tshark -G values`.

local enums = {}

enums.kind = {
    [1] = "config read", [2] = "config write",
    [3] = "MMIO read", [4] = "MMIO write",
    [5] = "port read", [6] = "port write",
    [7] = "DMA read", [8] = "DMA write",
    [9] = "MSI", [10] = "MSI-X",
    [11] = "INTx assert", [12] = "INTx deassert",
    [13] = "handler enter", [14] = "handler exit",
    [16] = "map", [17] = "unmap",
    [18] = "sync for cpu", [19] = "sync for device",
    [20] = "alloc", [21] = "free",
    [22] = "pool create", [23] = "pool destroy",
    [24] = "pool alloc", [25] = "pool free",
    [26] = "memory",
    [32] = "iomap", [33] = "iounmap",
    [34] = "region request", [35] = "region release",
    [36] = "vector alloc", [37] = "vector free",
    [38] = "irq request", [39] = "irq free",
    [40] = "enable device", [41] = "disable device",
    [42] = "set master", [43] = "clear master",
    [44] = "DMA mask", [45] = "segment limit",
    [46] = "module load", [47] = "module unload",
    [48] = "probe", [49] = "bind", [50] = "unbind",
    [51] = "power", [52] = "reset", [53] = "error",
    [64] = "snapshot", [65] = "metadata", [66] = "mark", [67] = "loss",
    [254] = "pad", [255] = "continuation",
}

-- The same numbers by the header's names, for the code that decides by kind.
enums.KIND = {
    CONFIG_READ = 1, CONFIG_WRITE = 2, MMIO_READ = 3, MMIO_WRITE = 4,
    PIO_READ = 5, PIO_WRITE = 6, DMA_READ = 7, DMA_WRITE = 8,
    MSI = 9, MSIX = 10, INTX_ASSERT = 11, INTX_DEASSERT = 12,
    HANDLER_ENTER = 13, HANDLER_EXIT = 14,
    MAP = 16, UNMAP = 17, SYNC_FOR_CPU = 18, SYNC_FOR_DEVICE = 19,
    ALLOC = 20, FREE = 21, POOL_CREATE = 22, POOL_DESTROY = 23,
    POOL_ALLOC = 24, POOL_FREE = 25, MEMORY = 26,
    IOMAP = 32, IOUNMAP = 33, REGION_REQUEST = 34, REGION_RELEASE = 35,
    VECTOR_ALLOC = 36, VECTOR_FREE = 37, IRQ_REQUEST = 38, IRQ_FREE = 39,
    ENABLE_DEVICE = 40, DISABLE_DEVICE = 41, SET_MASTER = 42, CLEAR_MASTER = 43,
    DMA_MASK = 44, SEGMENT_LIMIT = 45, MODULE_LOAD = 46, MODULE_UNLOAD = 47,
    PROBE = 48, BIND = 49, UNBIND = 50, POWER = 51, RESET = 52, ERROR = 53,
    SNAPSHOT = 64, METADATA = 65, MARK = 66, LOSS = 67,
}

enums.phase = { [0] = "posted", [1] = "request", [2] = "completion", [3] = "whole" }
enums.PHASE = { POSTED = 0, REQUEST = 1, COMPLETION = 2, WHOLE = 3 }

enums.status = {
    [0] = "OK", [1] = "unsupported request (UR)", [2] = "retry (RRS)",
    [4] = "completer abort (CA)", [8] = "timeout", [9] = "failed",
    [10] = "refused", [255] = "unknown",
}
enums.STATUS = { OK = 0, UNSUPPORTED = 1, ABORT = 4, TIMEOUT = 8, FAILED = 9, UNKNOWN = 255 }
enums.status_short = {
    [1] = "UR", [2] = "RRS", [4] = "CA", [8] = "TIMEOUT", [9] = "FAILED", [10] = "REFUSED",
    [255] = "status unknown",
}

-- {bit, name, text}: uv_record.flags
enums.flags = {
    { 0, "hardirq", "In hard interrupt context" },
    { 1, "softirq", "In softirq context" },
    { 2, "irqs_off", "Interrupts disabled" },
    { 3, "nmi", "In NMI" },
    { 4, "undecoded", "Instruction not decoded: single-stepped, value not known" },
    { 5, "outside", "Outside its mapping: not executed" },
    { 6, "stale", "Through a mapping after iounmap: not executed" },
    { 7, "string", "One access of a string instruction" },
    { 8, "fill", "One access of a store string (memset_io)" },
    { 9, "write", "Write" },
    { 10, "prefetchable", "Prefetchable" },
    { 11, "relaxed", "Relaxed ordering (RO)" },
    { 12, "id_ordered", "ID-based ordering (IDO)" },
    { 13, "no_snoop", "No snoop (NS)" },
    { 14, "threaded", "Threaded handler" },
    { 15, "imported", "Imported from another tool's log" },
    { 16, "value_cut", "Value holds only the first 8 bytes" },
    { 17, "earlier", "Existed before recording began" },
    { 18, "predicted", "Predicted, not recorded" },
    { 19, "apart", "The message's other end has a record of its own" },
    { 20, "far", "At the device: when it sent or took the message" },
}

enums.bar = {
    [0] = "BAR0", [1] = "BAR1", [2] = "BAR2", [3] = "BAR3", [4] = "BAR4", [5] = "BAR5",
    [6] = "expansion ROM", [255] = "none",
}
enums.flavour = {
    [0] = "single", [1] = "sg", [2] = "coherent", [3] = "pool", [4] = "resource",
    [5] = "pages", [6] = "noncontiguous",
}
enums.direction = {
    [0] = "BIDIRECTIONAL", [1] = "TO_DEVICE", [2] = "FROM_DEVICE", [3] = "NONE",
}
enums.memory_type = {
    [0] = "UC-", [1] = "WC", [2] = "UC", [3] = "WT", [4] = "cached", [5] = "prot",
}
enums.irq_type = { [0] = "INTx", [1] = "MSI", [2] = "MSI-X", [3] = "other" }
enums.snapshot = {
    [1] = "config space", [2] = "BARs", [3] = "driver", [4] = "delays", [5] = "registers",
    [6] = "limits",
}
enums.topic = {
    [1] = "session", [2] = "symbol", [3] = "console", [4] = "result", [5] = "converted",
}
enums.loss_cause = {
    [1] = "ring full", [2] = "hook missed", [3] = "overwritten (flight recorder)",
    [4] = "ring full: recording stopped", [5] = "not hooked in this kernel",
    [6] = "mapping not trapped", [7] = "slots damaged", [8] = "contents of memory not recorded",
}
-- Causes whose value is a number of lost records; the others tell of things never seen.
enums.counted_loss = { [1] = true, [2] = true, [3] = true, [4] = true, [7] = true }
-- 5 is what include/linux/pci.h calls PCI_UNKNOWN: a function that nothing has powered yet.
enums.power_state = {
    [0] = "D0", [1] = "D1", [2] = "D2", [3] = "D3hot", [4] = "D3cold", [5] = "unknown",
}
enums.severity = { [0] = "non-fatal", [1] = "fatal", [2] = "corrected" }
enums.handled = { [0] = "not handled", [1] = "handled", [2] = "wakes its thread" }

-- include/uapi/asm-generic/errno-base.h and errno.h: what bus calls return.
enums.errno = {
    [1] = "EPERM", [2] = "ENOENT", [5] = "EIO", [6] = "ENXIO", [11] = "EAGAIN",
    [12] = "ENOMEM", [13] = "EACCES", [14] = "EFAULT", [16] = "EBUSY", [17] = "EEXIST",
    [19] = "ENODEV", [22] = "EINVAL", [28] = "ENOSPC", [34] = "ERANGE", [38] = "ENOSYS",
    [95] = "EOPNOTSUPP", [110] = "ETIMEDOUT", [517] = "EPROBE_DEFER",
}

return enums
