/* SPDX-License-Identifier: (GPL-2.0 WITH Linux-syscall-note) OR Apache-2.0 */
/*
 * uvbus: the record of one bus transaction, the ring that carries records from
 * the kernel to a recorder, and the ioctls of /dev/uvbus0.
 *
 * This header is the single definition of the trace format. Everything else
 * (the Python dtype, the Wireshark dissector, the documentation) is verified
 * against it in tests. All fields are little-endian; nothing is padded by the
 * compiler.
 */
#ifndef _UAPI_UVBUS_H
#define _UAPI_UVBUS_H

#include <linux/types.h>
#ifndef __KERNEL__
#include <sys/ioctl.h>
#endif

/* ------------------------------------------------------------------ record */

#define UV_RECORD_VERSION	1
#define UV_RECORD_SIZE		128

/* A record or metadata that belongs to no PCI function. */
#define UV_FUNCTION_NONE	0xffff
/* Access outside every BAR, or not to a BAR at all. */
#define UV_BAR_NONE		0xff
#define UV_BAR_ROM		6

enum uv_kind {
	/* transactions on the bus */
	UV_KIND_CONFIG_READ	= 1,
	UV_KIND_CONFIG_WRITE	= 2,
	UV_KIND_MMIO_READ	= 3,
	UV_KIND_MMIO_WRITE	= 4,
	UV_KIND_PIO_READ	= 5,
	UV_KIND_PIO_WRITE	= 6,
	UV_KIND_DMA_READ	= 7,	/* the device reads memory */
	UV_KIND_DMA_WRITE	= 8,	/* the device writes memory */
	UV_KIND_MSI		= 9,
	UV_KIND_MSIX		= 10,
	UV_KIND_INTX_ASSERT	= 11,
	UV_KIND_INTX_DEASSERT	= 12,
	/* what the CPU saw of an interrupt */
	UV_KIND_HANDLER_ENTER	= 13,
	UV_KIND_HANDLER_EXIT	= 14,
	/* DMA API */
	UV_KIND_MAP		= 16,
	UV_KIND_UNMAP		= 17,
	UV_KIND_SYNC_FOR_CPU	= 18,
	UV_KIND_SYNC_FOR_DEVICE	= 19,
	UV_KIND_ALLOC		= 20,
	UV_KIND_FREE		= 21,
	UV_KIND_POOL_CREATE	= 22,
	UV_KIND_POOL_DESTROY	= 23,
	UV_KIND_POOL_ALLOC	= 24,
	UV_KIND_POOL_FREE	= 25,
	UV_KIND_MEMORY		= 26,	/* contents of mapped memory */
	/* the life of a function and of its resources */
	UV_KIND_IOMAP		= 32,
	UV_KIND_IOUNMAP		= 33,
	UV_KIND_REGION_REQUEST	= 34,
	UV_KIND_REGION_RELEASE	= 35,
	UV_KIND_VECTOR_ALLOC	= 36,
	UV_KIND_VECTOR_FREE	= 37,
	UV_KIND_IRQ_REQUEST	= 38,
	UV_KIND_IRQ_FREE	= 39,
	UV_KIND_ENABLE_DEVICE	= 40,
	UV_KIND_DISABLE_DEVICE	= 41,
	UV_KIND_SET_MASTER	= 42,
	UV_KIND_CLEAR_MASTER	= 43,
	UV_KIND_DMA_MASK	= 44,
	UV_KIND_SEGMENT_LIMIT	= 45,
	UV_KIND_MODULE_LOAD	= 46,
	UV_KIND_MODULE_UNLOAD	= 47,
	UV_KIND_PROBE		= 48,	/* request: probe begins; completion: it failed */
	UV_KIND_BIND		= 49,	/* probe has succeeded */
	UV_KIND_UNBIND		= 50,	/* request: remove begins; completion: unbound */
	UV_KIND_POWER		= 51,
	UV_KIND_RESET		= 52,
	UV_KIND_ERROR		= 53,	/* AER */
	/* the trace itself */
	UV_KIND_SNAPSHOT	= 64,
	UV_KIND_METADATA	= 65,
	UV_KIND_MARK		= 66,
	UV_KIND_LOSS		= 67,
	/* inside a ring only, never in a file */
	UV_KIND_PAD		= 254,
	UV_KIND_CONTINUATION	= 255,
};

enum uv_phase {
	UV_PHASE_POSTED		= 0,	/* a posted request, or an event without an answer */
	UV_PHASE_REQUEST	= 1,	/* a non-posted request, or the entry of a call */
	UV_PHASE_COMPLETION	= 2,	/* its completion, or the return of a call */
	UV_PHASE_WHOLE		= 3,	/* request and completion in one record (duration_ns) */
};

enum uv_status {
	UV_STATUS_OK		= 0,	/* PCIe: successful completion */
	UV_STATUS_UNSUPPORTED	= 1,	/* PCIe: UR */
	UV_STATUS_RETRY		= 2,	/* PCIe: CRS/RRS */
	UV_STATUS_ABORT		= 4,	/* PCIe: CA */
	UV_STATUS_TIMEOUT	= 8,
	UV_STATUS_FAILED	= 9,	/* a call returned an error */
	UV_STATUS_REFUSED	= 10,	/* uvbus did not let the access reach the bus */
	UV_STATUS_UNKNOWN	= 255,
};

/* uv_record.flags */
#define UV_FLAG_HARDIRQ		(1U << 0)	/* in hard interrupt context */
#define UV_FLAG_SOFTIRQ		(1U << 1)
#define UV_FLAG_IRQS_OFF	(1U << 2)	/* interrupts were disabled */
#define UV_FLAG_NMI		(1U << 3)
#define UV_FLAG_UNDECODED	(1U << 4)	/* single-stepped; value is not known */
#define UV_FLAG_OUTSIDE		(1U << 5)	/* outside its mapping: not executed */
#define UV_FLAG_STALE		(1U << 6)	/* through a mapping after iounmap: not executed */
#define UV_FLAG_STRING		(1U << 7)	/* one access of a string instruction */
#define UV_FLAG_FILL		(1U << 8)	/* one access of a store string (memset_io) */
#define UV_FLAG_WRITE		(1U << 9)	/* direction of an access or request */
#define UV_FLAG_PREFETCHABLE	(1U << 10)
#define UV_FLAG_RELAXED		(1U << 11)	/* PCIe attribute RO */
#define UV_FLAG_ID_ORDERED	(1U << 12)	/* PCIe attribute IDO */
#define UV_FLAG_NO_SNOOP	(1U << 13)	/* PCIe attribute NS */
#define UV_FLAG_THREADED	(1U << 14)	/* handler running in its thread */
#define UV_FLAG_IMPORTED	(1U << 15)	/* from another tool's log, not from uvbus */
#define UV_FLAG_VALUE_CUT	(1U << 16)	/* value holds only the first 8 bytes */
#define UV_FLAG_EARLIER		(1U << 17)	/* existed before recording began */
#define UV_FLAG_PREDICTED	(1U << 18)
#define UV_FLAG_APART		(1U << 19)	/* message whose other end has a record of its own */
#define UV_FLAG_FAR		(1U << 20)	/* that record: the device sent or took the message */

/*
 * A code address as module index and offset, never as a kernel address:
 * bits 63..48 the module (0 the kernel itself, counted from _text), bits 47..0
 * the offset from the module's first text byte. 0 means none. Symbol metadata
 * gives every site a name.
 */
#define UV_SITE_MODULE_SHIFT	48
#define UV_SITE_OFFSET_MASK	((1ULL << 48) - 1)
#define UV_SITE_MODULE_UNKNOWN	0xffffULL

enum uv_map_flavour {
	UV_FLAVOUR_SINGLE	= 0,	/* dma_map_single/page: one symbol since 4.x */
	UV_FLAVOUR_SG		= 1,
	UV_FLAVOUR_COHERENT	= 2,
	UV_FLAVOUR_POOL		= 3,
	UV_FLAVOUR_RESOURCE	= 4,
	UV_FLAVOUR_PAGES	= 5,	/* dma_alloc_pages */
	UV_FLAVOUR_NONCONTIGUOUS = 6,
};

/* include/linux/dma-direction.h */
enum uv_direction {
	UV_DIR_BIDIRECTIONAL	= 0,
	UV_DIR_TO_DEVICE	= 1,
	UV_DIR_FROM_DEVICE	= 2,
	UV_DIR_NONE		= 3,
};

enum uv_memory_type {
	UV_MEMTYPE_UC_MINUS	= 0,	/* ioremap */
	UV_MEMTYPE_WC		= 1,
	UV_MEMTYPE_UC		= 2,
	UV_MEMTYPE_WT		= 3,
	UV_MEMTYPE_CACHED	= 4,
	UV_MEMTYPE_PROT		= 5,
};

/* Memory: when its contents were looked at, in value. */
enum uv_memory_moment {
	UV_MEMORY_TO_DEVICE	= 1,	/* the device may read it from now on */
	UV_MEMORY_TO_CPU	= 2,	/* the driver may read it from now on */
};

enum uv_irq_type {
	UV_IRQ_INTX		= 0,
	UV_IRQ_MSI		= 1,
	UV_IRQ_MSIX		= 2,
	UV_IRQ_OTHER		= 3,
};

enum uv_snapshot {
	UV_SNAPSHOT_CONFIG	= 1,	/* payload: config space from 0 */
	UV_SNAPSHOT_BARS	= 2,	/* payload: struct uv_bar[] */
	UV_SNAPSHOT_DRIVER	= 3,	/* payload: driver name, or empty */
	UV_SNAPSHOT_DELAYS	= 4,	/* value: d3hot_delay, address: d3cold_delay, in ms */
	UV_SNAPSHOT_REGISTERS	= 5,	/* payload: registers from address */
	UV_SNAPSHOT_LIMITS	= 6,	/* of a virtual bus: value: payload, address: read request */
};

enum uv_topic {
	UV_TOPIC_SESSION	= 1,	/* JSON: tool, host, kernel, command, devices, rules' parameters */
	UV_TOPIC_SYMBOL		= 2,	/* address: site; payload: symbol+offset/size [module] */
	UV_TOPIC_CONSOLE	= 3,	/* text of the kernel log */
	UV_TOPIC_RESULT		= 4,	/* JSON: exit code of the command, statistics */
	UV_TOPIC_CONVERTED	= 5,	/* text: converted from another format or version */
};

enum uv_loss_cause {
	UV_LOSS_RING_FULL	= 1,
	UV_LOSS_HOOK_MISSED	= 2,	/* a probe did not run; value: how often */
	UV_LOSS_OVERWRITTEN	= 3,	/* flight recorder */
	UV_LOSS_STOPPED		= 4,	/* ring full, policy: stop */
	UV_LOSS_NOT_HOOKED	= 5,	/* this kernel lacks a hook; payload: its name */
	UV_LOSS_NOT_TRAPPED	= 6,	/* a mapping was left alone; address, length */
	UV_LOSS_DAMAGED		= 7,	/* slots that hold no whole record */
	UV_LOSS_MEMORY		= 8,	/* contents were not recorded; address, length; payload: why */
};

struct uv_bar {
	__u64	bus_address;
	__u64	length;		/* 0: not implemented */
	__u64	phys_address;	/* CPU address; differs where the bridge translates */
	__u32	flags;		/* IORESOURCE_IO/MEM/PREFETCH/MEM_64 */
	__u32	index;		/* 0..5, 6 the expansion ROM */
};

struct uv_access {		/* config, MMIO and port I/O */
	__u8	bar;
	__u8	width;		/* bytes of this bus access */
	__u8	insn_length;	/* of insn; 0 unless it was not decoded */
	__u8	memory_type;	/* enum uv_memory_type */
	__u32	mapping;	/* number of the iomap it went through; 0 none */
	__u64	offset;		/* in the BAR; of config: in config space */
	__u32	string_index;	/* which access of a string instruction */
	__u32	string_count;
	__u8	insn[16];
};

struct uv_dma_call {		/* map .. pool free, memory */
	__u8	direction;
	__u8	flavour;
	__u16	align;		/* pools: log2 of alignment */
	__u32	attrs;		/* DMA_ATTR_* */
	__u64	cpu_address;	/* kernel virtual address; 0 where there is none */
	__u64	phys;		/* physical address of the memory; pools: pool id */
	__u32	entry;		/* segment of a scatterlist, from 0 */
	__u32	entries;	/* segments in this call's DMA list */
	__u32	nents;		/* entry count that the driver passed */
	__s32	result;
};

struct uv_bus {			/* DMA and interrupt messages from the device */
	__u16	requester;	/* bus/device/function */
	__u16	completer;
	__u16	vector;
	__u8	first_be;
	__u8	last_be;
	__u8	traffic_class;
	__u8	attributes;	/* bit 0 NS, 1 RO, 2 IDO */
	__u16	byte_count;	/* completions: bytes to come, with its own */
	__u32	message_data;
	__u64	message_address;
	__u64	mapping;
	__u64	reserved;
};

struct uv_irq {			/* handler, request-irq, free-irq, vectors */
	__u32	irq;		/* Linux interrupt number */
	__u16	vector;		/* MSI/MSI-X table index; 0 of INTx */
	__u8	type;		/* enum uv_irq_type */
	__u8	shared;
	__s32	result;		/* irqreturn_t, or errno of a call */
	__u32	count;		/* vectors asked for, or granted */
	__u64	handler;	/* site */
	__u64	thread;		/* site of the threaded handler */
	__u32	irq_flags;	/* IRQF_* */
	__u32	minimum;	/* vectors at least wanted */
};

struct uv_life {		/* iomap .. reset, module, error */
	__u8	bar;
	__u8	memory_type;
	__u8	old_state;	/* power: D0..D3cold as 0..4 */
	__u8	new_state;
	__s32	result;		/* errno, 0 or positive as the call returned it */
	__u64	offset;		/* in the BAR */
	__u32	mapping;	/* number of the iomap */
	__u32	error_status;	/* AER status register */
	__u8	severity;	/* AER: 0 non-fatal, 1 fatal, 2 corrected */
	__u8	trapped;	/* iomap: accesses through it are seen */
	__u16	module;		/* module records: its index */
	__u32	reserved;
	__u64	segment_boundary;
};

struct uv_module {		/* module-load: payload is the name */
	__u16	index;
	__u8	build_id_length;
	__u8	tainted;
	__u32	srcversion;	/* reserved: 0 */
	__u8	build_id[32];
};

struct uv_meta {		/* metadata, snapshot, mark, loss */
	__u16	topic;		/* enum uv_topic, uv_snapshot or uv_loss_cause */
	__u16	reserved;
	__u32	document;	/* chunks of one text share it */
	__u32	chunk;
	__u32	chunks;
	__u64	first_seq;	/* loss: first record lost, where known */
	__u64	offset;		/* snapshot: first byte of the payload */
	__u64	total;		/* bytes of the whole document */
};

struct uv_record {
	__u8	version;
	__u8	kind;		/* enum uv_kind */
	__u8	phase;		/* enum uv_phase */
	__u8	status;		/* enum uv_status */
	__u32	flags;		/* UV_FLAG_* */
	/*
	 * In a file: the record's number; a gap is loss. In a ring: position
	 * of the slot + 1, written last, so that it publishes the slot.
	 */
	__u64	seq;
	__u64	time_ns;	/* CLOCK_MONOTONIC of the recorded machine, when it was
				 * logged: what took time began duration_ns before
				 */
	__u32	tid;
	__u16	cpu;
	__u16	function;	/* index of the pcapng interface, or UV_FUNCTION_NONE */
	/*
	 * MMIO, port: bus address. Config: offset. DMA and DMA API: DMA
	 * address. MSI: message address. iomap, region: bus address.
	 */
	__u64	address;
	__u64	length;		/* bytes */
	__u64	value;		/* data read or written, little-endian; mask; count lost;
				 * enum uv_memory_moment
				 */
	__u64	tag;		/* pairs request and completion, entry and exit, the
				 * segments of one call; 0 none
				 */
	__u64	ip;		/* site of the instruction, or of the call */
	__u64	caller;		/* first site inside the driver when ip is elsewhere */
	__u32	payload;	/* bytes that follow in the ring; in a file the packet's
				 * own length says how many were kept
				 */
	__u32	duration_ns;	/* saturates; 0 where not measured */
	union {
		struct uv_access	access;
		struct uv_dma_call	dma;
		struct uv_bus		bus;
		struct uv_irq		irq;
		struct uv_life		life;
		struct uv_module	module;
		struct uv_meta		meta;
		__u8			raw[40];
	};
};

/* A slot that carries the payload of the record before it. */
#define UV_CONTINUATION_BYTES	112

struct uv_continuation {
	__u8	version;
	__u8	kind;		/* UV_KIND_CONTINUATION */
	__u16	reserved;
	__u32	bytes;		/* used of data */
	__u64	seq;		/* position + 1, as in uv_record */
	__u8	data[UV_CONTINUATION_BYTES];
};

/* -------------------------------------------------------------------- ring */

#define UV_RING_MAGIC		0x31474e4952565555ULL	/* "UUVRING1" */
#define UV_RING_VERSION		1
#define UV_RING_HEADER_SIZE	4096
/* A payload longer than this is cut when it enters the ring. */
#define UV_RING_PAYLOAD_MAX	(64 * 1024)

enum uv_ring_state {
	UV_RING_IDLE		= 0,
	UV_RING_RUNNING		= 1,
	UV_RING_STOPPED		= 2,	/* by request */
	UV_RING_FULL		= 3,	/* by its policy */
};

enum uv_ring_policy {
	UV_POLICY_DROP		= 0,	/* full: drop the newest and account for it */
	UV_POLICY_STOP		= 1,	/* full: stop recording */
	UV_POLICY_OVERWRITE	= 2,	/* flight recorder: the newest win */
};

/*
 * The first page of the shared memory; the slots begin at data_offset.
 * Positions only grow; a slot is position & (slots - 1).
 */
struct uv_ring_header {
	__u64	magic;
	__u32	version;
	__u32	slot_size;
	__u64	slots;		/* a power of two */
	__u64	data_offset;
	__u32	policy;
	__u32	state;
	__u64	start_mono_ns;	/* of one moment, so that time_ns */
	__u64	start_real_ns;	/* can be told as wall-clock time */

	__u64	head __attribute__((aligned(64)));	/* next position: a hint, exact
						 * once stopped; a slot's seq
						 * says what can be read
						 */
	__u64	tail __attribute__((aligned(64)));	/* first unread; consumer */
	__u32	waiting;	/* consumer sleeps: wake it */
	__u32	reserved;
	__u64	lost __attribute__((aligned(64)));	/* not yet told in a loss record */
	__u64	lost_total;
	__u64	records;	/* written by callers; exact once stopped */
};

/* ------------------------------------------------------------------ ioctls */

#define UV_ABI_VERSION		1

struct uv_info {
	__u32	abi;
	__u32	record_version;
	__u32	functions;
	__u32	state;		/* enum uv_ring_state */
	__u64	ring_bytes;	/* to mmap, header included */
	__u32	shared;		/* ring lives in memory shared with a VM's host */
	__u32	unhooked;	/* functions of this kernel that could not be hooked */
};

#define UV_SELECT_BY_ID		(1U << 0)	/* vendor and device, else BDF */
#define UV_SELECT_REBIND	(1U << 1)	/* re-bind now if a driver is bound */
#define UV_SELECT_ALL		(1U << 2)	/* every function with that ID */

struct uv_select {
	__u32	flags;
	__u32	domain;
	__u8	bus;
	__u8	devfn;
	__u16	vendor;
	__u16	device;
	__u16	index;		/* out: function index */
	__u32	bound;		/* out: a driver is bound: its mappings are not trapped */
	__u32	reserved0;
	__u64	exclude_prefetchable; /* leave prefetchable BARs of at least this size
				       * alone; 0: the default of 64 MiB
				       */
	__u64	reserved;
};

#define UV_SETUP_MEMORY		(1U << 0)	/* record contents of memory, too */

struct uv_ring_setup {
	__u64	bytes;		/* slots only; rounded down to a power of two */
	__u32	policy;
	__u32	flags;		/* UV_SETUP_* */
};

struct uv_stats {
	__u64	records;
	__u64	lost;
	__u64	traps;
	__u64	string_traps;
	__u64	undecoded;
	__u64	stray;		/* accesses outside or after their mapping */
	__u64	stack_faults;	/* #SS among the traps */
	__u64	trapped_mappings;	/* live now */
	__u64	port_accesses;
	__u64	hook_calls;
	__u64	hooks_missed;
	__u64	sites;		/* distinct call sites named */
	__u64	functions_bound;	/* traced functions that a driver holds */
	__u64	reserved[3];
};

struct uv_mark {
	__u64	text;		/* pointer */
	__u32	length;
	__u32	topic;		/* 0: a mark, else enum uv_topic */
};

#define UV_IOC_MAGIC		0xB5
#define UV_IOC_INFO		_IOR(UV_IOC_MAGIC, 0, struct uv_info)
#define UV_IOC_SELECT		_IOWR(UV_IOC_MAGIC, 1, struct uv_select)
#define UV_IOC_DESELECT		_IO(UV_IOC_MAGIC, 2)	/* all functions */
#define UV_IOC_RING		_IOW(UV_IOC_MAGIC, 3, struct uv_ring_setup)
#define UV_IOC_START		_IO(UV_IOC_MAGIC, 4)
#define UV_IOC_STOP		_IO(UV_IOC_MAGIC, 5)
#define UV_IOC_STATS		_IOR(UV_IOC_MAGIC, 6, struct uv_stats)
#define UV_IOC_MARK		_IOW(UV_IOC_MAGIC, 7, struct uv_mark)

#endif /* _UAPI_UVBUS_H */
