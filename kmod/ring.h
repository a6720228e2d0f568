/* SPDX-License-Identifier: GPL-2.0 OR Apache-2.0 */
/*
 * The trace ring: many producers, one consumer, fixed slots of 128 bytes.
 *
 * The algorithm compiles in the kernel and in userspace, where it is run under
 * ThreadSanitizer (tests/kmod/ring_stress.c) and timed (benchmarks/ring_speed.c).
 *
 * A record takes one slot and as many continuation slots as its payload needs.
 * Producers reserve consecutive positions by cmpxchg of a head that lives in
 * private memory, fill the slots, and publish the record by storing position + 1
 * into the seq of its first slot, last and with release. They never wait: a
 * producer that is interrupted between the two delays the reader, not other
 * producers. Callers run with interrupts off (not in NMI: time and loss would
 * still be right, but a producer on the same CPU would hold up the reader).
 *
 * The shared memory may be mapped by a reader that is not trusted. Nothing in it
 * decides an address: mask, head, state and counters are private, the header only
 * mirrors them. tail is the reader's; whatever it holds, a producer at worst drops
 * a record or overwrites slots that the reader has not read.
 *
 * x86 in a guest: the reader may be on the host. It only loads seq (published by
 * a plain store, which x86 keeps in order) and stores tail, so that lock prefixes
 * patched out of a one-CPU guest do no harm.
 */
#ifndef UV_RING_H
#define UV_RING_H

#include "include/uapi/uvbus.h"

#ifdef __KERNEL__
#include <linux/atomic.h>
#include <linux/build_bug.h>
#include <linux/errno.h>
#include <linux/string.h>

#define uv_load(pointer)		READ_ONCE(*(pointer))
#define uv_store(pointer, value)	WRITE_ONCE(*(pointer), value)
#define uv_load_acquire(pointer)	smp_load_acquire(pointer)
#define uv_store_release(pointer, value) smp_store_release(pointer, value)
#define uv_cas(pointer, old, value)	try_cmpxchg(pointer, old, value)
#define uv_exchange(pointer, value)	xchg(pointer, value)
#define uv_fetch_add(pointer, value)	\
	((__u64)atomic64_fetch_add(value, (atomic64_t *)(pointer)))
#else
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#define uv_load(pointer)		__atomic_load_n(pointer, __ATOMIC_RELAXED)
#define uv_store(pointer, value)	__atomic_store_n(pointer, value, __ATOMIC_RELAXED)
#define uv_load_acquire(pointer)	__atomic_load_n(pointer, __ATOMIC_ACQUIRE)
#define uv_store_release(pointer, value) __atomic_store_n(pointer, value, __ATOMIC_RELEASE)
#define uv_cas(pointer, old, value)	\
	__atomic_compare_exchange_n(pointer, old, value, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED)
#define uv_exchange(pointer, value)	__atomic_exchange_n(pointer, value, __ATOMIC_ACQUIRE)
#define uv_fetch_add(pointer, value)	__atomic_fetch_add(pointer, value, __ATOMIC_RELEASE)
#endif

/* Fewer slots would make every payload a cut one. */
#define UV_RING_SLOTS_MIN	16
/* Overwriting only: this seq belongs to a producer that is filling the slot. */
#define UV_RING_BUSY		(1ULL << 63)
/* How often a full ring's tail is read again before a record is dropped. */
#define UV_RING_TAIL_READS	3

union uv_slot {
	struct uv_record record;
	struct uv_continuation continuation;
};

/* Losses that await their in-band record, one counter per cause. */
enum uv_ring_pending {
	UV_PENDING_RING,	/* the ring had no room */
	UV_PENDING_MISSED,	/* uv_ring_lose() */
	UV_PENDINGS,
};

/* Private to the producers. The first lines are read by all and seldom written. */
struct uv_ring {
	struct uv_ring_header *header;
	union uv_slot *slots;
	__u64 mask;		/* slots - 1 */
	__u32 policy;		/* enum uv_ring_policy */
	__u32 payload_max;	/* bytes; a longer payload is cut */
	__u32 state;		/* enum uv_ring_state */
	__u64 tail_seen;	/* a tail that the reader had reached */
	__u64 pending[UV_PENDINGS];
	__u64 lost_total;

	__u64 head __attribute__((aligned(64)));	/* next position */
	__u64 extra;		/* positions that are no first slot of a caller's record */
} __attribute__((aligned(64)));

static inline __u64 uv_ring_round_slots(__u64 slots)
{
	while (slots & (slots - 1))
		slots &= slots - 1;
	return slots;
}

/**
 * uv_ring_init() - lay out a ring
 * @ring: private state, owned by the producers
 * @memory: page-aligned; header and slots; may be shared with the reader
 * @bytes: size of @memory; the slots are rounded down to a power of two
 * @policy: enum uv_ring_policy
 *
 * The ring is UV_RING_IDLE: nothing is written until uv_ring_set_state(ring,
 * UV_RING_RUNNING). The caller fills in start_mono_ns and start_real_ns before.
 *
 * Return: 0, or -EINVAL: no room for UV_RING_SLOTS_MIN slots, or no such policy.
 */
static inline int uv_ring_init(struct uv_ring *ring, void *memory, __u64 bytes, __u32 policy)
{
	struct uv_ring_header *header = memory;
	__u64 slots, quarter;

	if (bytes < UV_RING_HEADER_SIZE + UV_RING_SLOTS_MIN * UV_RECORD_SIZE ||
	    policy > UV_POLICY_OVERWRITE)
		return -EINVAL;
	slots = uv_ring_round_slots((bytes - UV_RING_HEADER_SIZE) / UV_RECORD_SIZE);
	quarter = slots / 4 * UV_CONTINUATION_BYTES;

	memset(ring, 0, sizeof(*ring));
	ring->header = header;
	ring->slots = (union uv_slot *)((__u8 *)memory + UV_RING_HEADER_SIZE);
	ring->mask = slots - 1;
	ring->policy = policy;
	ring->payload_max = quarter < UV_RING_PAYLOAD_MAX ? quarter : UV_RING_PAYLOAD_MAX;

	/* Stale seqs of an earlier ring in the same memory would look published. */
	memset(memory, 0, UV_RING_HEADER_SIZE + slots * UV_RECORD_SIZE);
	header->version = UV_RING_VERSION;
	header->slot_size = UV_RECORD_SIZE;
	header->slots = slots;
	header->data_offset = UV_RING_HEADER_SIZE;
	header->policy = policy;
	/* Pairs with the acquire of magic in uv_ring_reader_init(). */
	uv_store_release(&header->magic, UV_RING_MAGIC);
	return 0;
}

/* Start, stop or idle; writers that have already looked still finish. */
static inline void uv_ring_set_state(struct uv_ring *ring, __u32 state)
{
	uv_store(&ring->state, state);
	uv_store(&ring->header->state, state);
}

/**
 * uv_ring_publish() - bring the header's head and records up to date
 * @ring: the ring
 *
 * Exact when no producer runs. While they do, header->head is only a hint: it
 * may lag behind records that are already readable (their seq says so).
 */
static inline void uv_ring_publish(struct uv_ring *ring)
{
	__u64 extra = uv_load(&ring->extra);
	__u64 head = uv_load(&ring->head);

	uv_store(&ring->header->head, head);
	uv_store(&ring->header->records, head - extra);
}

/* Records written so far, as uv_ring_publish() tells; LOSS records not counted. */
static inline __u64 uv_ring_records(const struct uv_ring *ring)
{
	__u64 extra = uv_load(&ring->extra);

	return uv_load(&ring->head) - extra;
}

static inline union uv_slot *uv_ring_slot(const struct uv_ring *ring, __u64 position)
{
	return &ring->slots[position & ring->mask];
}

static inline void uv_ring_count_lost(struct uv_ring *ring, enum uv_ring_pending which,
				      __u64 count)
{
	uv_fetch_add(&ring->lost_total, count);
	/* Mirrors, so that the count survives this machine; never read back. */
	uv_fetch_add(&ring->header->lost_total, count);
	uv_fetch_add(&ring->header->lost, count);
	/*
	 * After header->lost, and released to the exchange in uv_ring_tell(): who
	 * tells of this loss takes it off header->lost, which must not go below 0.
	 */
	uv_fetch_add(&ring->pending[which], count);
}

/**
 * uv_ring_lose() - account for records that never came to the ring
 * @ring: the ring
 * @count: how many
 *
 * The next record is preceded by a LOSS record, cause UV_LOSS_HOOK_MISSED. A
 * loss of which more is known is better written as a LOSS record of its own.
 */
static inline void uv_ring_lose(struct uv_ring *ring, __u64 count)
{
	uv_ring_count_lost(ring, UV_PENDING_MISSED, count);
}

static inline void uv_ring_dropped(struct uv_ring *ring)
{
	__u32 running = UV_RING_RUNNING;

	uv_ring_count_lost(ring, UV_PENDING_RING, 1);
	if (ring->policy == UV_POLICY_STOP && uv_cas(&ring->state, &running, UV_RING_FULL))
		uv_store(&ring->header->state, UV_RING_FULL);
}

/* A tail beyond head, or more than a lap behind it, leaves no room either. */
static inline bool uv_ring_has_room(const struct uv_ring *ring, __u64 head, __u64 tail,
				    __u64 slots)
{
	__u64 used = head - tail;

	return used <= ring->mask + 1 && slots <= ring->mask + 1 - used;
}

/*
 * Advance head if the reader has left room. The loop ends: a failed cmpxchg
 * means that another producer has succeeded, and tail is read a few times only.
 */
static inline bool uv_ring_reserve(struct uv_ring *ring, __u64 slots, __u64 *position)
{
	/* Pairs with the release below, in another producer. */
	__u64 tail = uv_load_acquire(&ring->tail_seen);
	__u64 head = uv_load(&ring->head);
	unsigned int reads = 0;
	__u64 fresh;

	for (;;) {
		while (uv_ring_has_room(ring, head, tail, slots)) {
			if (uv_cas(&ring->head, &head, head + slots)) {
				*position = head;
				return true;
			}
		}
		if (reads++ == UV_RING_TAIL_READS)
			return false;
		/*
		 * Pairs with the release of tail in uv_ring_reader_advance(): the
		 * reader has done with these slots. head is read after it, so
		 * that an honest tail is never beyond head.
		 */
		fresh = uv_load_acquire(&ring->header->tail);
		head = uv_load(&ring->head);
		/* Pairs with the acquire above: hands the reader's release on. */
		if (fresh != tail)
			uv_store_release(&ring->tail_seen, fresh);
		tail = fresh;
	}
}

/*
 * Overwriting: take the slot from an earlier lap. Fails when a slow producer is
 * still filling it, or when a faster one has already overtaken this position.
 */
static inline bool uv_ring_claim(const struct uv_ring *ring, __u64 position)
{
	union uv_slot *slot = uv_ring_slot(ring, position);
	__u64 seq = uv_load(&slot->record.seq);

	if (ring->policy != UV_POLICY_OVERWRITE)
		return true;	/* the reservation has made it ours */
	/* Acquire: pairs with the release of the earlier lap's seq. */
	return seq <= position && uv_cas(&slot->record.seq, &seq, UV_RING_BUSY | (position + 1));
}

/* Store seq last. Pairs with the acquire of seq in uv_ring_readable(). */
static inline void uv_ring_commit(const struct uv_ring *ring, __u64 position)
{
	uv_store_release(&uv_ring_slot(ring, position)->record.seq, position + 1);
}

/* Everything but seq, which still marks the slot as unpublished. */
static inline void uv_ring_fill(const struct uv_ring *ring, __u64 position,
				const struct uv_record *record)
{
	__u8 *to = (__u8 *)uv_ring_slot(ring, position);
	const __u8 *from = (const __u8 *)record;

	memcpy(to, from, 8);
	memcpy(to + 16, from + 16, UV_RECORD_SIZE - 16);
}

static inline void uv_ring_pad(const struct uv_ring *ring, __u64 position)
{
	struct uv_record *record = &uv_ring_slot(ring, position)->record;

	record->version = UV_RECORD_VERSION;
	record->kind = UV_KIND_PAD;
	record->payload = 0;
	uv_ring_commit(ring, position);
}

static inline __u16 uv_ring_cause(const struct uv_ring *ring, enum uv_ring_pending which)
{
	if (which == UV_PENDING_MISSED)
		return UV_LOSS_HOOK_MISSED;
	switch (ring->policy) {
	case UV_POLICY_STOP:
		return UV_LOSS_STOPPED;
	case UV_POLICY_OVERWRITE:
		return UV_LOSS_OVERWRITTEN;
	default:
		return UV_LOSS_RING_FULL;
	}
}

/* Tell of lost records at the position reserved for it, or pad it. */
static inline void uv_ring_tell(struct uv_ring *ring, __u64 position, enum uv_ring_pending which,
				const struct uv_record *next)
{
	struct uv_record loss;
	__u64 count;

	if (!uv_ring_claim(ring, position))
		return;		/* still pending: the next record tells */
	/* Acquire: pairs with the release of pending in uv_ring_count_lost(). */
	count = uv_exchange(&ring->pending[which], 0);
	if (!count) {		/* another producer has told of it */
		uv_ring_pad(ring, position);
		return;
	}
	memset(&loss, 0, sizeof(loss));
	loss.version = UV_RECORD_VERSION;
	loss.kind = UV_KIND_LOSS;
	loss.phase = UV_PHASE_POSTED;
	loss.time_ns = next->time_ns;
	loss.cpu = next->cpu;
	loss.function = UV_FUNCTION_NONE;
	loss.value = count;
	loss.meta.topic = uv_ring_cause(ring, which);
	uv_ring_fill(ring, position, &loss);
	uv_ring_commit(ring, position);
	/* Not before: a machine that dies here has told twice, not never. */
	uv_fetch_add(&ring->header->lost, -count);
}

/* Claim every slot of a record; if one is refused, pad those already taken. */
static inline bool uv_ring_claim_all(const struct uv_ring *ring, __u64 position, __u64 slots)
{
	__u64 taken;

	for (taken = 0; taken < slots; taken++)
		if (!uv_ring_claim(ring, position + taken))
			break;
	if (taken == slots)
		return true;
	while (taken--)
		uv_ring_pad(ring, position + taken);
	return false;
}

/* Continuations first: the first slot's seq publishes them all. */
static inline void uv_ring_put(const struct uv_ring *ring, __u64 position,
			       const struct uv_record *record, const void *payload, __u32 length)
{
	const __u8 *from = payload;
	__u32 left = length;
	__u64 next;

	for (next = position + 1; left; next++) {
		struct uv_continuation *to = &uv_ring_slot(ring, next)->continuation;
		__u32 bytes = left < UV_CONTINUATION_BYTES ? left : UV_CONTINUATION_BYTES;

		to->version = UV_RECORD_VERSION;
		to->kind = UV_KIND_CONTINUATION;
		to->reserved = 0;
		to->bytes = bytes;
		if (bytes == UV_CONTINUATION_BYTES)
			memcpy(to->data, from, UV_CONTINUATION_BYTES);	/* inlined */
		else
			memcpy(to->data, from, bytes);
		uv_ring_commit(ring, next);
		from += bytes;
		left -= bytes;
	}
	uv_ring_fill(ring, position, record);
	uv_ring_slot(ring, position)->record.payload = length;
	uv_ring_commit(ring, position);
}

/* A hint for readers; only uv_ring_publish() makes it exact. */
static inline void uv_ring_hint(const struct uv_ring *ring, __u64 head)
{
	if (uv_load(&ring->header->head) < head)
		uv_store(&ring->header->head, head);
}

/**
 * uv_ring_write() - append a record
 * @ring: the ring
 * @record: copied, except seq and payload, which the ring sets
 * @payload: @length bytes, or NULL when @length is 0
 * @length: cut to ring->payload_max; record->length is the caller's to set
 *
 * Any context but NMI, interrupts off. Never waits. Losses not yet told go in
 * front of the record. When the ring isn't running nothing is written or counted;
 * once its policy has stopped it, records are counted as lost.
 *
 * Return: whether the record was written.
 */
static inline bool uv_ring_write(struct uv_ring *ring, const struct uv_record *record,
				 const void *payload, __u32 length)
{
	bool told[UV_PENDINGS];
	__u64 position, notices = 0, slots;
	__u32 state = uv_load(&ring->state);
	int which;

	if (state != UV_RING_RUNNING) {
		if (state == UV_RING_FULL)
			uv_ring_dropped(ring);
		return false;
	}
	if (length > ring->payload_max)
		length = ring->payload_max;
	for (which = 0; which < UV_PENDINGS; which++) {
		told[which] = uv_load(&ring->pending[which]) != 0;
		notices += told[which];
	}
	slots = 1 + (length + UV_CONTINUATION_BYTES - 1) / UV_CONTINUATION_BYTES;

	if (ring->policy == UV_POLICY_OVERWRITE) {
		position = uv_fetch_add(&ring->head, notices + slots);
	} else if (!uv_ring_reserve(ring, notices + slots, &position)) {
		uv_ring_dropped(ring);
		return false;
	}
	if (notices + slots > 1)
		uv_fetch_add(&ring->extra, notices + slots - 1);
	for (which = 0; which < UV_PENDINGS; which++)
		if (told[which])
			uv_ring_tell(ring, position++, which, record);
	if (!uv_ring_claim_all(ring, position, slots)) {
		uv_fetch_add(&ring->extra, 1);
		uv_ring_dropped(ring);
		return false;
	}
	uv_ring_put(ring, position, record, payload, length);
	uv_ring_hint(ring, position + slots);
	return true;
}

#endif /* UV_RING_H */
