/* SPDX-License-Identifier: GPL-2.0 OR Apache-2.0 */
/*
 * The rings of a link: one producer, one consumer, fixed slots, and notification
 * only where it is wanted (include/uapi/uvbus_link.h has the layout and the rule).
 *
 * Compiles in the kernel and in userspace: for tools/uvlink.c, and for
 * tests/kmod/link_stress.c, which runs it under ThreadSanitizer.
 *
 * Nothing in shared memory decides an address: geometry is copied and checked
 * once, own positions are private, the other end's position is only ever compared.
 * A message is copied before it is looked at.
 *
 * Who wants to be notified stores its wish and then looks again; who has moved a
 * position stores it and then looks at the wish. Both stores are full barriers
 * (xchg: also in a guest whose lock prefixes were patched out), so that at least
 * one of the two sees the other.
 */
#ifndef UV_LINK_H
#define UV_LINK_H

#include "ring.h"
#include "include/uapi/uvbus_link.h"

#ifdef __KERNEL__
/* Store, then a full barrier. */
#define uv_store_full(pointer, value)	virt_store_mb(*(pointer), value)
#define uv_load_full(pointer)		READ_ONCE(*(pointer))
/* What was copied before is not read from shared memory again. */
#define uv_copied()			barrier()
#else
#define uv_store_full(pointer, value)	__atomic_store_n(pointer, value, __ATOMIC_SEQ_CST)
#define uv_load_full(pointer)		__atomic_load_n(pointer, __ATOMIC_SEQ_CST)
#define uv_copied()			__asm__ volatile("" ::: "memory")
#endif

/* A position of the other end that cannot be. */
#define UV_LINK_BROKEN		(-1)

/* What a link's header says, once it has been checked. */
struct uv_link_geometry {
	__u32	slots;
	__u32	message_size;
	__u32	to_model_offset;
	__u32	to_kernel_offset;
	__u64	bytes;
};

static inline __u32 uv_link_data_bytes(const struct uv_link_geometry *geometry)
{
	return geometry->message_size - UV_MESSAGE_SIZE;
}

static inline bool uv_link_ring_fits(const struct uv_link_geometry *geometry, __u32 offset)
{
	__u64 bytes = (__u64)geometry->slots * geometry->message_size;

	return offset >= UV_LINK_HEADER_SIZE && offset % 64 == 0 &&
	       bytes <= geometry->bytes && offset <= geometry->bytes - bytes;
}

static inline bool uv_link_rings_apart(const struct uv_link_geometry *geometry)
{
	__u64 bytes = (__u64)geometry->slots * geometry->message_size;
	__u64 a = geometry->to_model_offset, b = geometry->to_kernel_offset;

	return a + bytes <= b || b + bytes <= a;
}

/**
 * uv_link_geometry_of() - copy a header's geometry and check it
 * @header: in shared memory
 * @available: bytes of memory from the header on
 * @geometry: out
 *
 * Return: UV_REASON_NONE, UV_REASON_VERSION or UV_REASON_GEOMETRY.
 */
static inline enum uv_link_reason uv_link_geometry_of(const struct uv_link_header *header,
						      __u64 available,
						      struct uv_link_geometry *geometry)
{
	if (uv_load_acquire(&header->magic) != UV_LINK_MAGIC ||
	    uv_load(&header->version) != UV_LINK_VERSION)
		return UV_REASON_VERSION;
	geometry->slots = uv_load(&header->slots);
	geometry->message_size = uv_load(&header->message_size);
	geometry->to_model_offset = uv_load(&header->to_model_offset);
	geometry->to_kernel_offset = uv_load(&header->to_kernel_offset);
	geometry->bytes = uv_load(&header->bytes);
	if (geometry->slots < UV_LINK_SLOTS_MIN || geometry->slots > UV_LINK_SLOTS_MAX ||
	    geometry->slots & (geometry->slots - 1) || geometry->message_size % 64 ||
	    geometry->message_size < UV_MESSAGE_SIZE + UV_LINK_DATA_MIN ||
	    geometry->message_size > UV_MESSAGE_SIZE + UV_LINK_DATA_MAX ||
	    geometry->bytes > available ||
	    !uv_link_ring_fits(geometry, geometry->to_model_offset) ||
	    !uv_link_ring_fits(geometry, geometry->to_kernel_offset) ||
	    !uv_link_rings_apart(geometry))
		return UV_REASON_GEOMETRY;
	return UV_REASON_NONE;
}

/* Bytes of a link whose rings lie one behind the other after the header. */
static inline __u64 uv_link_bytes(__u32 slots, __u32 data)
{
	return UV_LINK_HEADER_SIZE + 2ULL * slots * (UV_MESSAGE_SIZE + data);
}

/* Make a link's header in zeroed memory; slots and data have been checked. */
static inline void uv_link_make_header(struct uv_link_header *header, __u32 slots, __u32 data)
{
	header->version = UV_LINK_VERSION;
	header->message_size = UV_MESSAGE_SIZE + data;
	header->slots = slots;
	header->to_model_offset = UV_LINK_HEADER_SIZE;
	header->to_kernel_offset = UV_LINK_HEADER_SIZE + slots * (UV_MESSAGE_SIZE + data);
	header->bytes = uv_link_bytes(slots, data);
	/* Pairs with the acquire in uv_link_geometry_of(). */
	uv_store_release(&header->magic, UV_LINK_MAGIC);
}

/* The event index: has the step from before to now passed the position wished for? */
static inline bool uv_link_passed(__u64 wish, __u64 before, __u64 now)
{
	return now - wish - 1 < now - before;
}

/* ---- sending ---- */

struct uv_link_sender {
	struct uv_link_producer		*mine;
	const struct uv_link_consumer	*other;
	__u8	*slots;
	__u32	size, count;
	__u64	head;		/* next position */
	__u64	told;		/* head as published */
	__u64	tail;		/* of the other end, as last seen */
};

/**
 * uv_link_room() - how many messages can be put
 * @sender: the sending end
 * @wanted: more is of no interest; the other end's position is not read if not needed
 *
 * Return: slots that are free, or UV_LINK_BROKEN.
 */
static inline __s64 uv_link_room(struct uv_link_sender *sender, __u32 wanted)
{
	__u64 used = sender->head - sender->tail;

	if (sender->count - used < wanted) {
		/* Pairs with uv_link_free(): the other end has done with these slots. */
		__u64 tail = uv_load_acquire(&sender->other->tail);

		used = sender->head - tail;
		if (used > sender->count)
			return UV_LINK_BROKEN;
		sender->tail = tail;
	}
	return sender->count - used;
}

/* Fill the next slot; there is room. The other end sees it after uv_link_publish(). */
static inline void uv_link_put(struct uv_link_sender *sender, const struct uv_message *message,
			       const void *data, __u32 length)
{
	__u8 *slot = sender->slots + (sender->head & (sender->count - 1)) * sender->size;

	memcpy(slot, message, UV_MESSAGE_SIZE);
	if (length)
		memcpy(slot + UV_MESSAGE_SIZE, data, length);
	sender->head++;
}

/* Show what has been put. Return: whether the other end wants to be notified. */
static inline bool uv_link_publish(struct uv_link_sender *sender)
{
	__u64 before = sender->told;

	if (before == sender->head)
		return false;
	sender->told = sender->head;
	/* Pairs with the acquire of head in uv_link_next(), and with uv_link_arm(). */
	uv_store_full(&sender->mine->head, sender->head);
	return uv_link_passed(uv_load_full(&sender->other->notify_at), before, sender->head);
}

/*
 * There was no room: ask to be notified when the next slot comes free.
 * Return: whether there is room after all.
 */
static inline bool uv_link_wait_for_room(struct uv_link_sender *sender)
{
	/* Pairs with uv_link_free(). */
	uv_store_full(&sender->mine->room_at, sender->tail);
	return uv_load_full(&sender->other->tail) != sender->tail;
}

/* ---- taking ---- */

struct uv_link_taker {
	struct uv_link_consumer		*mine;
	const struct uv_link_producer	*other;
	const __u8	*slots;
	__u32	size, count;
	__u64	tail;		/* next position */
	__u64	told;		/* tail as published */
	__u64	head;		/* of the other end, as last seen */
	bool	armed;		/* notification is asked for */
};

/**
 * uv_link_next() - copy the next message
 * @taker: the taking end
 * @message: out
 *
 * Return: 1, 0 when there is none, or UV_LINK_BROKEN.
 */
static inline int uv_link_next(struct uv_link_taker *taker, struct uv_message *message)
{
	if (taker->head == taker->tail) {
		/* Pairs with the store in uv_link_publish(). */
		__u64 head = uv_load_acquire(&taker->other->head);

		if (head - taker->tail > taker->count)
			return UV_LINK_BROKEN;
		taker->head = head;
		if (head == taker->tail)
			return 0;
	}
	memcpy(message, taker->slots + (taker->tail & (taker->count - 1)) * taker->size,
	       UV_MESSAGE_SIZE);
	uv_copied();
	return 1;
}

/* Copy the data of the message that uv_link_next() gave; length was checked. */
static inline void uv_link_data(const struct uv_link_taker *taker, void *data, __u32 length)
{
	memcpy(data, taker->slots + (taker->tail & (taker->count - 1)) * taker->size +
	       UV_MESSAGE_SIZE, length);
	uv_copied();
}

/* The message that uv_link_next() gave has been copied. */
static inline void uv_link_taken(struct uv_link_taker *taker)
{
	taker->tail++;
}

/* Give back what has been taken. Return: whether the other end waits for room. */
static inline bool uv_link_free(struct uv_link_taker *taker)
{
	__u64 before = taker->told;

	if (before == taker->tail)
		return false;
	taker->told = taker->tail;
	/* Pairs with the acquire of tail in uv_link_room(), and with uv_link_wait_for_room(). */
	uv_store_full(&taker->mine->tail, taker->tail);
	return uv_link_passed(uv_load_full(&taker->other->room_at), before, taker->tail);
}

/*
 * Everything was taken: ask to be notified of the next message.
 * Return: whether there is one already.
 */
static inline bool uv_link_arm(struct uv_link_taker *taker)
{
	taker->armed = true;
	/* Pairs with uv_link_publish(). */
	uv_store_full(&taker->mine->notify_at, taker->tail);
	return uv_load_full(&taker->other->head) != taker->tail;
}

/* This end looks by itself for a while. */
static inline void uv_link_disarm(struct uv_link_taker *taker)
{
	if (!taker->armed)
		return;
	taker->armed = false;
	uv_store(&taker->mine->notify_at, taker->tail - 1);
}

/* Is there something to take? A hint, without a lock. */
static inline bool uv_link_pending(const struct uv_link_taker *taker)
{
	return uv_load(&taker->other->head) != uv_load(&taker->tail);
}

/* ---- both ends of a link, at the positions that the header has ---- */

static inline void uv_link_kernel_end(struct uv_link_header *header,
				      const struct uv_link_geometry *geometry,
				      struct uv_link_sender *sender, struct uv_link_taker *taker)
{
	memset(sender, 0, sizeof(*sender));
	memset(taker, 0, sizeof(*taker));
	sender->mine = &header->to_model_head;
	sender->other = &header->to_model_tail;
	sender->slots = (__u8 *)header + geometry->to_model_offset;
	taker->mine = &header->to_kernel_tail;
	taker->other = &header->to_kernel_head;
	taker->slots = (__u8 *)header + geometry->to_kernel_offset;
	sender->size = taker->size = geometry->message_size;
	sender->count = taker->count = geometry->slots;
	sender->head = sender->told = uv_load(&sender->mine->head);
	sender->tail = sender->head - sender->count;	/* not known: looks */
	taker->tail = taker->told = taker->head = uv_load(&taker->mine->tail);
}

/*
 * The model's end, as a model attaches: what an earlier one has left in the ring to the
 * kernel stays and is taken before HELLO; what the kernel had sent to it is dropped.
 */
static inline void uv_link_model_end(struct uv_link_header *header,
				     const struct uv_link_geometry *geometry,
				     struct uv_link_sender *sender, struct uv_link_taker *taker)
{
	memset(sender, 0, sizeof(*sender));
	memset(taker, 0, sizeof(*taker));
	sender->mine = &header->to_kernel_head;
	sender->other = &header->to_kernel_tail;
	sender->slots = (__u8 *)header + geometry->to_kernel_offset;
	taker->mine = &header->to_model_tail;
	taker->other = &header->to_model_head;
	taker->slots = (__u8 *)header + geometry->to_model_offset;
	sender->size = taker->size = geometry->message_size;
	sender->count = taker->count = geometry->slots;
	sender->tail = uv_load_acquire(&sender->other->tail);
	sender->head = uv_load(&sender->mine->head);
	if (sender->head - sender->tail > sender->count) {
		/*
		 * That cannot be, and the kernel takes nothing more. But it may be at the
		 * message of its tail, which it has yet to move: this slot is left to nothing.
		 */
		memset(sender->slots + (sender->tail & (sender->count - 1)) * sender->size, 0,
		       UV_MESSAGE_SIZE);
		sender->head = sender->tail + 1;
	}
	/* An earlier model may have died before it notified: HELLO's step covers its messages. */
	sender->told = sender->tail;
	uv_store_release(&sender->mine->head, sender->head);
	taker->tail = taker->told = taker->head = uv_load_acquire(&taker->other->head);
	uv_store_full(&taker->mine->tail, taker->tail);
}

#endif /* UV_LINK_H */
