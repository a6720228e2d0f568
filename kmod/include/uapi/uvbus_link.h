/* SPDX-License-Identifier: (GPL-2.0 WITH Linux-syscall-note) OR Apache-2.0 */
/*
 * uvBus: the link between uvbus.ko and the model of one virtual PCI function.
 *
 * A link is a piece of memory that both ends map: a header of one page, then
 * two rings of fixed-size messages, one in each direction, each with one
 * producer and one consumer. It lives in a VM's ivshmem region (several links
 * one after the other, each UV_LINK_ALIGN aligned, the model's end on the host)
 * or behind /dev/uvbusN, N >= 1.
 *
 * This header is the single definition; the Python side is verified against it
 * in tests. All fields are little-endian; nothing is padded by the compiler.
 * Neither end believes the other: what is in shared memory is copied before it
 * is checked, and positions are kept in private memory.
 */
#ifndef _UAPI_UVBUS_LINK_H
#define _UAPI_UVBUS_LINK_H

#include <linux/types.h>
#ifndef __KERNEL__
#include <sys/ioctl.h>
#endif

#define UV_LINK_MAGIC		0x314b4e494c565555ULL	/* "UUVLINK1" */
#define UV_LINK_VERSION		1
#define UV_LINK_HEADER_SIZE	4096
#define UV_LINK_ALIGN		(1024 * 1024)
#define UV_LINKS_MAX		16

/* A message without its data. */
#define UV_MESSAGE_SIZE		64
/* Limits of what a model may ask of a link. */
#define UV_LINK_SLOTS_MIN	64
#define UV_LINK_SLOTS_MAX	16384
#define UV_LINK_DATA_MIN	128
#define UV_LINK_DATA_MAX	4096

/* What the kernel's end says of itself; only the kernel writes it. */
enum uv_link_state {
	UV_LINK_ABSENT		= 0,	/* no module has seen this memory yet */
	UV_LINK_WAITING		= 1,	/* for a model: send HELLO */
	UV_LINK_ATTACHED	= 2,	/* HELLO was accepted */
	UV_LINK_DEAD		= 3,	/* the model did not answer in time, or said nonsense:
					 * the driver reads all ones until the next HELLO
					 */
	UV_LINK_CLOSED		= 4,	/* the module has gone */
};

/* Why a link is dead, or a HELLO was refused (uv_link_header.reason). */
enum uv_link_reason {
	UV_REASON_NONE		= 0,
	UV_REASON_TIMEOUT	= 1,	/* no completion in time */
	UV_REASON_VERSION	= 2,	/* HELLO of another version */
	UV_REASON_GEOMETRY	= 3,	/* slots or data size out of range, or beyond the memory */
	UV_REASON_PROTOCOL	= 4,	/* message of unknown type, or out of turn */
	UV_REASON_OVERRUN	= 5,	/* positions that cannot be */
	UV_REASON_CONFIG	= 6,	/* a config space that is no type 0 function's */
	UV_REASON_BAR		= 7,	/* a BAR too large, or too many */
	UV_REASON_MEMORY	= 8,	/* the kernel had none */
	UV_REASON_BUSY		= 9,	/* the function is being removed, or another one is there */
};

/* Bits of the 64-bit signals that each end sends the other. 32..63 are the users'. */
#define UV_SIGNAL_MESSAGES	(1ULL << 0)	/* there are messages */
#define UV_SIGNAL_STATE		(1ULL << 1)	/* state has changed */

/*
 * One end of one ring; a cache line each. Positions only grow; a message's slot
 * is position & (slots - 1). A producer writes the message, then head (release);
 * a consumer reads head (acquire), copies, then writes tail (release).
 *
 * Notification (as virtio's event index): the consumer writes to notify_at the
 * position whose message it wants to be told of, then looks at head again. The
 * producer that moves head from `old` to `new` signals iff
 * new - notify_at - 1 < new - old (unsigned), after a full barrier. A consumer that
 * polls leaves notify_at behind and gets no signals. The same holds for tail and
 * room_at, for a producer that waits for room. A model signals once it has put its
 * HELLO, whatever notify_at says: the kernel may wait for room that the model has made
 * as it dropped what was left for an earlier one.
 */
struct uv_link_producer {
	__u64	head;
	__u64	room_at;	/* the producer wants to be told when tail passes it */
	__u64	reserved[6];
};

struct uv_link_consumer {
	__u64	tail;
	__u64	notify_at;
	__u64	reserved[6];
};

struct uv_link_header {
	/* written by who makes the memory (the host; /dev/uvbusN), before anything else */
	__u64	magic;
	__u32	version;
	__u32	message_size;	/* slot: UV_MESSAGE_SIZE + data, a multiple of 64 */
	__u32	slots;		/* of each ring; a power of two */
	__u32	to_model_offset;	/* of the rings' first slots, from the header */
	__u32	to_kernel_offset;
	__u32	reserved0;
	__u64	bytes;		/* of the whole link, header included */
	__u64	reserved1[3];
	/* written by the kernel */
	__u32	state;		/* enum uv_link_state */
	__u32	reason;		/* enum uv_link_reason */
	__u64	generation;	/* of the attached model: grows with every HELLO */
	__u64	kernel_signals;	/* pending signals to the model (atomic or, exchange 0) */
	__u64	timeout_ns;	/* completion timeout in force */
	__u64	reserved2[4];
	/* written by the model */
	__u64	model_signals;	/* pending signals to the kernel */
	__u64	reserved3[7];
	/* kernel -> model */
	struct uv_link_producer	to_model_head;		/* kernel writes */
	struct uv_link_consumer	to_model_tail;		/* model writes */
	/* model -> kernel */
	struct uv_link_producer	to_kernel_head;		/* model writes */
	struct uv_link_consumer	to_kernel_tail;		/* kernel writes */
};

enum uv_message_type {
	/* model -> kernel: becoming a device */
	UV_MSG_HELLO		= 1,	/* value: UV_LINK_VERSION; must come first. Ends whatever
					 * an earlier model has left undone
					 */
	UV_MSG_CONFIG		= 2,	/* data: bytes of one of three images of config space from
					 * address; bar: enum uv_config_image
					 */
	UV_MSG_LIMITS		= 3,	/* data: struct uv_link_limits */
	UV_MSG_PLUG		= 4,	/* all is said: the function appears (or, after a new
					 * HELLO with the same images, is alive again)
					 */
	UV_MSG_UNPLUG		= 5,	/* surprise removal: the function disappears */
	/* model -> kernel: transactions */
	UV_MSG_DMA_READ		= 8,	/* address: IOVA, length, tag: answered by COMPLETIONs */
	UV_MSG_DMA_WRITE	= 9,	/* address: IOVA, length, data: posted */
	UV_MSG_INTERRUPT	= 10,	/* vector: as a well-behaved function with this config space
					 * does it: MSI-X if enabled (pending while masked), else
					 * MSI, else INTx asserted until UV_MSG_INTX 0
					 */
	UV_MSG_INTX		= 11,	/* value: 1 assert, 0 deassert; sent as it is */
	UV_MSG_MESSAGE		= 12,	/* interrupt message, sent as it is: address, value (data) */
	UV_MSG_CONFIG_SET	= 13,	/* the function changes its config space: address, length
					 * 1, 2, 4, value; not BARs, Command, MSI, MSI-X
					 */
	UV_MSG_LOG		= 14,	/* data: text for the trace (a mark) */
	/* kernel -> model */
	UV_MSG_WELCOME		= 32,	/* HELLO accepted; value: generation */
	UV_MSG_PLUGGED		= 33,	/* the function is there; value: domain << 16 | bus/devfn */
	UV_MSG_READ		= 34,	/* MMIO or port: bar, address: offset, length, tag */
	UV_MSG_WRITE		= 35,	/* MMIO: posted; port: tag != 0, to be completed */
	UV_MSG_CONFIG_WRITTEN	= 36,	/* config space was written: address, length, value: new */
	UV_MSG_RESET		= 37,	/* value: enum uv_model_reset; answer nothing */
	UV_MSG_POWER		= 38,	/* value: new D-state, 0..3 */
	UV_MSG_UNPLUGGED	= 39,	/* the function has gone (unplug, unload) */
	/* both ways */
	UV_MSG_COMPLETION	= 64,	/* of tag: status, data; of DMA reads: address and length of
					 * this part, byte_count bytes still to come with it
					 */
};

enum uv_config_image {
	UV_IMAGE_VALUES		= 0,	/* at power-on; BARs: type bits only */
	UV_IMAGE_WRITABLE	= 1,	/* bits that software can change; BARs: the size mask */
	UV_IMAGE_CLEARABLE	= 2,	/* bits that writing 1 clears */
};

enum uv_model_reset {
	UV_RESET_POWER_ON	= 0,
	UV_RESET_FLR		= 1,
	UV_RESET_BUS		= 2,
	UV_RESET_D3HOT		= 3,	/* D3hot -> D0 without No_Soft_Reset */
};

/* uv_message.flags: attributes of a request, as in UV_FLAG_*: RELAXED, ID_ORDERED, NO_SNOOP */

struct uv_message {
	__u8	type;		/* enum uv_message_type */
	__u8	status;		/* enum uv_status, of a completion */
	__u8	bar;		/* 0..5; UV_BAR_ROM */
	__u8	reserved0;
	__u32	flags;
	__u64	address;
	__u32	length;		/* bytes of the access, and of data where there is any */
	__u32	byte_count;
	__u64	tag;
	__u64	value;		/* data of up to 8 bytes, little-endian, instead of data */
	__u32	number;		/* of the message in its direction, from 0 after WELCOME / HELLO */
	__u16	vector;
	__u16	reserved1;
	__u64	time_ns;	/* kernel's messages: CLOCK_MONOTONIC at sending */
	__u64	reserved2;
};

/*
 * MMIO accesses of up to 8 bytes carry their data in value; DMA and images in the
 * bytes behind the message, length of them, up to message_size - UV_MESSAGE_SIZE.
 */

/* What the bus allows the function; 0: the default profile "uvPCI" (128 bytes, 32 bits). */
struct uv_link_limits {
	__u32	max_payload;		/* bytes; 128 .. UV_LINK_DATA_MAX */
	__u32	max_read_request;	/* bytes; a power of two, 128 .. 4096 */
	__u32	alignment;		/* of address and length, bytes: 1, 4 */
	__u32	reads;			/* DMA reads outstanding at once; 1 .. 64, default 32 */
	__u32	expansion;		/* config space of 4096 bytes instead of 256 */
	__u32	reserved[3];
	__u64	timeout_ns;		/* completion timeout; 0: the module's */
	__u64	reserved2;
};

/* ------------------------------------------------- /dev/uvbusN, N >= 1 */

/*
 * open: one model at a time (EBUSY). ioctl UV_LINK_IOC_MAKE: allocates the memory
 * and makes its header; mmap: the link. write: 8 bytes, signals to the kernel;
 * read: 8 bytes, the pending signals, blocking unless O_NONBLOCK; poll: POLLIN
 * while there are any. close: the model has gone.
 */
struct uv_link_make {
	__u32	slots;
	__u32	data;		/* bytes a message carries at most */
	__u64	bytes;		/* out: to mmap */
	__u64	reserved[2];
};

#define UV_LINK_IOC_MAGIC	0xB6
#define UV_LINK_IOC_MAKE	_IOWR(UV_LINK_IOC_MAGIC, 0, struct uv_link_make)

#endif /* _UAPI_UVBUS_LINK_H */
