// SPDX-License-Identifier: GPL-2.0
/*
 * Contents of memory that a driver shares with its device.
 *
 * Streaming memory is told when it changes hands: to the device when it is mapped
 * or synced for it, to the CPU after it is synced back or unmapped. Coherent memory
 * never changes hands: a copy is kept of it, and what differs from the copy is told
 * (and the copy brought up to date) before an access that the device may act upon,
 * before a handler runs, and when streaming memory comes back, which is before the
 * driver takes the descriptor that gave it back.
 *
 * Who wrote what differs cannot be told. What was written and overwritten between
 * two looks is not seen.
 */
#include <linux/interval_tree_generic.h>
#include <linux/list.h>
#include <linux/mm.h>
#include <linux/scatterlist.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/uaccess.h>

#include "log.h"
#include "memory.h"

/* What differs is told in lines of so many bytes: a descriptor of most devices. */
#define LINE_BYTES	16
/* Compared at once, as most of it has not changed. */
#define BLOCK_BYTES	256
/* All of it is compared at each look, with interrupts off. */
#define WATCHED_MAX	(4ULL << 20)
/* One record's worth: interrupts are off while it is copied. */
#define RECORD_BYTES	(32U << 10)

/* Streaming memory that is mapped, by its DMA address. */
struct uv_stream {
	struct rb_node	node;
	u64		first;
	u64		last;
	u64		subtree_last;
	const void	*cpu_address;
	u64		phys;
	struct rcu_head	rcu;
};

#define STREAM_FIRST(stream)	((stream)->first)
#define STREAM_LAST(stream)	((stream)->last)
INTERVAL_TREE_DEFINE(struct uv_stream, node, u64, subtree_last, STREAM_FIRST, STREAM_LAST,
		     static __maybe_unused, uv_stream)

/* Coherent memory that lives. */
struct uv_watched {
	struct list_head	node;
	struct rcu_head		rcu;
	struct uv_memory_piece	piece;
	u8			flavour;
	u8			seen[];		/* what was told, piece.length bytes */
};

/*
 * A function's memory. The lock is taken in any context but NMI, interrupts are off
 * under it; nothing is taken inside, nothing sleeps, records are written.
 */
struct uv_memory {
	raw_spinlock_t		lock;
	struct rb_root_cached	streams;
	struct list_head	watched;
	u64			watched_bytes;
};

static struct uv_memory uv_memories[UV_FUNCTIONS_MAX];
bool uv_memory_recorded;

static struct uv_memory *uv_memory_of(const struct uv_function *fn)
{
	return &uv_memories[fn->index];
}

/* ---- records ---- */

static void uv_memory_lost(const struct uv_function *fn, u64 address, u64 length, const char *why)
{
	uv_loss(UV_LOSS_MEMORY, fn, 1, address, length, why);
}

/* Only memory of the direct map can have holes, where it was taken from the kernel. */
static bool uv_memory_readable(const void *from, u64 bytes)
{
	unsigned long at = (unsigned long)from, end = at + bytes;
	u8 probe;

	for (; at < end; at = (at & PAGE_MASK) + PAGE_SIZE)
		if (copy_from_kernel_nofault(&probe, (void *)at, 1))
			return false;
	return true;
}

static void uv_memory_record(struct uv_record *rec, const struct uv_function *fn,
			     const struct uv_memory_piece *piece, u64 offset, u32 bytes,
			     enum uv_memory_moment moment)
{
	uv_event(rec, UV_KIND_MEMORY, fn);
	rec->address = piece->address + offset;
	rec->length = bytes;
	rec->value = moment;
	rec->dma.cpu_address = (unsigned long)piece->cpu_address + offset;
	rec->dma.phys = piece->phys ? piece->phys + offset : 0;
}

/* All contents of streaming memory that has changed hands. */
static void uv_memory_contents(const struct uv_function *fn, const struct uv_dma_event *event,
			       const struct uv_memory_piece *piece, enum uv_memory_moment moment)
{
	u32 limit = min_t(u32, RECORD_BYTES, uv_ring.payload_max), bytes;
	struct uv_record rec;
	u64 done;

	if (!piece->cpu_address) {
		uv_memory_lost(fn, piece->address, piece->length, "the kernel has no address of it");
		return;
	}
	for (done = 0; done < piece->length; done += bytes) {
		bytes = min_t(u64, limit, piece->length - done);
		if (!uv_memory_readable(piece->cpu_address + done, bytes)) {
			uv_memory_lost(fn, piece->address + done, bytes, "it cannot be read");
			continue;
		}
		uv_memory_record(&rec, fn, piece, done, bytes, moment);
		rec.dma.direction = event->direction;
		rec.dma.flavour = event->flavour;
		rec.dma.attrs = event->attrs;
		uv_event_at(&rec, fn, event->ip, true);
		uv_emit(&rec, piece->cpu_address + done, bytes);
	}
}

/* ---- streaming memory ---- */

static bool uv_to_device(u8 direction)
{
	return direction == DMA_TO_DEVICE || direction == DMA_BIDIRECTIONAL;
}

static bool uv_from_device(u8 direction)
{
	return direction == DMA_FROM_DEVICE || direction == DMA_BIDIRECTIONAL;
}

/* What a call does with memory: 0 where nobody gets anything to read by it. */
static enum uv_memory_moment uv_memory_moment_of(const struct uv_dma_event *event)
{
	if (event->failed || event->attrs & DMA_ATTR_SKIP_CPU_SYNC)
		return 0;
	switch (event->kind) {
	case UV_KIND_MAP:
	case UV_KIND_SYNC_FOR_DEVICE:
		return uv_to_device(event->direction) ? UV_MEMORY_TO_DEVICE : 0;
	case UV_KIND_UNMAP:
	case UV_KIND_SYNC_FOR_CPU:
		return uv_from_device(event->direction) ? UV_MEMORY_TO_CPU : 0;
	default:
		return 0;
	}
}

static gfp_t uv_memory_gfp(void)
{
	return GFP_ATOMIC | __GFP_NOWARN;
}

/* With PREEMPT_RT the allocator takes locks that sleep. */
static bool uv_memory_may_allocate(void)
{
	return !IS_ENABLED(CONFIG_PREEMPT_RT) || preemptible();
}

static void uv_stream_add(const struct uv_function *fn, const struct uv_dma_event *event)
{
	struct uv_memory *memory = uv_memory_of(fn);
	struct uv_stream *stream = NULL;
	unsigned long irq_flags;

	if (!event->length || event->address + event->length - 1 < event->address)
		return;
	if (uv_memory_may_allocate())
		stream = kzalloc(sizeof(*stream), uv_memory_gfp());
	if (!stream) {
		uv_memory_lost(fn, event->address, event->length, "no memory to remember it");
		return;
	}
	stream->first = event->address;
	stream->last = event->address + event->length - 1;
	stream->cpu_address = event->cpu_address;
	stream->phys = event->phys;
	raw_spin_lock_irqsave(&memory->lock, irq_flags);
	uv_stream_insert(stream, &memory->streams);
	raw_spin_unlock_irqrestore(&memory->lock, irq_flags);
}

/*
 * The mapping that a range lies in; one that begins with it, if there is such a one,
 * as pages may be mapped more than once. Under the lock.
 */
static struct uv_stream *uv_stream_of(struct uv_memory *memory, u64 address, u64 length)
{
	u64 last = address + max_t(u64, length, 1) - 1;
	struct uv_stream *stream, *found = NULL;

	for (stream = uv_stream_iter_first(&memory->streams, address, last); stream;
	     stream = uv_stream_iter_next(stream, address, last)) {
		if (stream->first > address || stream->last < last)
			continue;
		found = stream;
		if (stream->first == address && stream->last == last)
			break;
	}
	return found;
}

/* The memory that a driver means by a DMA address; take: it is no longer mapped. */
static void uv_stream_find(const struct uv_function *fn, const struct uv_dma_event *event,
			   bool take, struct uv_memory_piece *piece)
{
	struct uv_memory *memory = uv_memory_of(fn);
	struct uv_stream *stream;
	unsigned long irq_flags;
	u64 offset;

	*piece = (struct uv_memory_piece) { .address = event->address, .length = event->length };
	raw_spin_lock_irqsave(&memory->lock, irq_flags);
	stream = uv_stream_of(memory, event->address, event->length);
	if (stream) {
		offset = event->address - stream->first;
		piece->cpu_address = stream->cpu_address ? stream->cpu_address + offset : NULL;
		piece->phys = stream->phys + offset;
		if (take)
			uv_stream_remove(stream, &memory->streams);
	}
	raw_spin_unlock_irqrestore(&memory->lock, irq_flags);
	if (stream && take)
		kfree_rcu(stream, rcu);
}

void uv_memory_unmapping(const struct device *dev, const struct uv_dma_event *event,
			 struct uv_memory_piece *piece)
{
	const struct uv_function *fn;

	piece->length = 0;
	if (!READ_ONCE(uv_memory_recorded))
		return;
	rcu_read_lock();
	fn = uv_traced(dev);
	if (fn) {
		uv_stream_find(fn, event, true, piece);
		if (!uv_memory_moment_of(event))
			piece->length = 0;
		else
			uv_memory_look(fn, UV_MEMORY_TO_CPU);
	}
	rcu_read_unlock();
}

void uv_memory_unmapped(const struct device *dev, const struct uv_dma_event *event,
			const struct uv_memory_piece *piece)
{
	const struct uv_function *fn;

	if (!piece->length)
		return;
	rcu_read_lock();
	fn = uv_traced(dev);
	if (fn)
		uv_memory_contents(fn, event, piece, UV_MEMORY_TO_CPU);
	rcu_read_unlock();
}

static void uv_stream_told(const struct uv_function *fn, const struct uv_dma_event *event)
{
	enum uv_memory_moment moment = uv_memory_moment_of(event);
	struct uv_memory_piece piece;

	if (event->kind == UV_KIND_MAP && !event->failed)
		uv_stream_add(fn, event);
	if (!moment)
		return;
	if (moment == UV_MEMORY_TO_CPU)
		uv_memory_look(fn, moment);
	uv_stream_find(fn, event, false, &piece);
	uv_memory_contents(fn, event, &piece, moment);
}

/*
 * Pieces that lie together both in memory and for the device: an IOMMU may have cut
 * the list in its own way.
 */
static void uv_memory_sg_pieces(const struct uv_function *fn, const struct uv_dma_event *event,
				struct scatterlist *list, int nents, enum uv_memory_moment moment)
{
	struct scatterlist *segment = list, *entry = list;
	u64 of_segment = 0, of_entry = 0;
	int segments = 0, entries = 0;
	struct uv_memory_piece piece;

	while (segments < nents && entries < nents && segment && entry && sg_dma_len(segment)) {
		piece.length = min_t(u64, sg_dma_len(segment) - of_segment,
				     entry->length - of_entry);
		piece.address = sg_dma_address(segment) + of_segment;
		piece.cpu_address = sg_virt(entry) + of_entry;
		piece.phys = sg_phys(entry) + of_entry;
		uv_memory_contents(fn, event, &piece, moment);
		of_segment += piece.length;
		of_entry += piece.length;
		if (of_segment >= sg_dma_len(segment)) {
			segment = sg_next(segment);
			segments++;
			of_segment = 0;
		}
		if (of_entry >= entry->length) {
			entry = sg_next(entry);
			entries++;
			of_entry = 0;
		}
	}
}

void uv_memory_sg(const struct device *dev, const struct uv_dma_event *event,
		  struct scatterlist *list, int nents)
{
	enum uv_memory_moment moment = uv_memory_moment_of(event);
	const struct uv_function *fn;

	if (!moment || !READ_ONCE(uv_memory_recorded))
		return;
	rcu_read_lock();
	fn = uv_traced(dev);
	if (fn) {
		if (moment == UV_MEMORY_TO_CPU)
			uv_memory_look(fn, moment);
		uv_memory_sg_pieces(fn, event, list, nents, moment);
	}
	rcu_read_unlock();
}

/* ---- coherent memory ---- */

static struct uv_watched *uv_watched_make(const struct uv_dma_event *event, gfp_t gfp)
{
	size_t bytes = sizeof(struct uv_watched) + event->length;
	struct uv_watched *watched;

	/* zeroed: memory that is not zero when it is first looked at is told */
	if (gfpflags_allow_blocking(gfp))
		watched = kvzalloc(bytes, GFP_KERNEL | __GFP_NOWARN);
	else
		watched = uv_memory_may_allocate() ? kzalloc(bytes, uv_memory_gfp()) : NULL;
	if (!watched)
		return NULL;
	watched->piece = (struct uv_memory_piece) {
		.address = event->address, .length = event->length,
		.cpu_address = event->cpu_address, .phys = event->phys,
	};
	watched->flavour = event->flavour;
	return watched;
}

static bool uv_watched_add(struct uv_memory *memory, struct uv_watched *watched)
{
	unsigned long irq_flags;
	bool room;

	raw_spin_lock_irqsave(&memory->lock, irq_flags);
	room = memory->watched_bytes + watched->piece.length <= WATCHED_MAX;
	if (room) {
		list_add_tail(&watched->node, &memory->watched);
		memory->watched_bytes += watched->piece.length;
	}
	raw_spin_unlock_irqrestore(&memory->lock, irq_flags);
	return room;
}

void uv_memory_watch(const struct device *dev, const struct uv_dma_event *event, gfp_t gfp)
{
	struct uv_watched *watched = NULL;
	const struct uv_function *fn;
	const char *why = NULL;
	bool selected;

	if (!READ_ONCE(uv_memory_recorded) || event->failed)
		return;
	rcu_read_lock();
	selected = uv_traced(dev);
	rcu_read_unlock();
	if (!selected)
		return;
	if (!event->cpu_address)
		why = "the kernel has no address of it";
	else if (event->length > WATCHED_MAX)
		why = "more coherent memory than is compared";
	else
		watched = uv_watched_make(event, gfp);
	if (!why && !watched)
		why = "no memory to remember it";
	rcu_read_lock();
	fn = uv_traced(dev);
	if (fn && watched && uv_watched_add(uv_memory_of(fn), watched))
		watched = NULL;
	else if (fn)
		uv_memory_lost(fn, event->address, event->length,
			       why ?: "more coherent memory than is compared");
	rcu_read_unlock();
	kvfree(watched);
}

/* Bytes from offset on that have changed, as far as one record goes. Under the lock. */
static u32 uv_watched_run(const struct uv_watched *watched, u64 offset)
{
	u64 length = watched->piece.length, end = offset, line;
	u32 limit = min_t(u32, RECORD_BYTES, uv_ring.payload_max);

	while (end < length && end - offset + LINE_BYTES <= limit) {
		line = min_t(u64, LINE_BYTES, length - end);
		if (!memcmp(watched->piece.cpu_address + end, watched->seen + end, line))
			break;
		end += line;
	}
	return end - offset;
}

/* Under the lock. */
static void uv_watched_tell(const struct uv_function *fn, struct uv_watched *watched,
			    enum uv_memory_moment moment)
{
	const struct uv_memory_piece *piece = &watched->piece;
	u64 offset = 0, block;
	struct uv_record rec;
	u32 bytes;

	while (offset < piece->length) {
		block = min_t(u64, BLOCK_BYTES, piece->length - offset);
		if (!(offset % BLOCK_BYTES) &&
		    !memcmp(piece->cpu_address + offset, watched->seen + offset, block)) {
			offset += block;
			continue;
		}
		bytes = uv_watched_run(watched, offset);
		if (!bytes) {
			offset += LINE_BYTES;
			continue;
		}
		/* the device may write on: what is told is what is remembered */
		memcpy(watched->seen + offset, piece->cpu_address + offset, bytes);
		uv_memory_record(&rec, fn, piece, offset, bytes, moment);
		rec.dma.flavour = watched->flavour;
		uv_emit_irqs_off(&rec, watched->seen + offset, bytes);
		offset += bytes;
	}
}

void __uv_memory_look(const struct uv_function *fn, enum uv_memory_moment moment)
{
	struct uv_memory *memory = uv_memory_of(fn);
	struct uv_watched *watched;
	unsigned long irq_flags;

	raw_spin_lock_irqsave(&memory->lock, irq_flags);
	list_for_each_entry(watched, &memory->watched, node)
		uv_watched_tell(fn, watched, moment);
	raw_spin_unlock_irqrestore(&memory->lock, irq_flags);
}

/* Before memory is given back: what it held at last. */
static void uv_unwatch(const struct uv_function *fn, const struct uv_dma_event *event)
{
	struct uv_memory *memory = uv_memory_of(fn);
	struct uv_watched *watched, *found = NULL;
	unsigned long irq_flags;

	raw_spin_lock_irqsave(&memory->lock, irq_flags);
	list_for_each_entry(watched, &memory->watched, node)
		if (watched->piece.address == event->address) {
			found = watched;
			break;
		}
	if (found) {
		uv_watched_tell(fn, found, UV_MEMORY_TO_CPU);
		list_del(&found->node);
		memory->watched_bytes -= found->piece.length;
	}
	raw_spin_unlock_irqrestore(&memory->lock, irq_flags);
	if (found)
		kvfree_rcu(found, rcu);
}

void uv_memory_told(const struct uv_function *fn, const struct uv_dma_event *event)
{
	if (!READ_ONCE(uv_memory_recorded))
		return;
	switch (event->kind) {
	case UV_KIND_FREE:
	case UV_KIND_POOL_FREE:
		uv_unwatch(fn, event);
		break;
	case UV_KIND_MAP:
	case UV_KIND_SYNC_FOR_CPU:
	case UV_KIND_SYNC_FOR_DEVICE:
		if (event->flavour == UV_FLAVOUR_SINGLE)
			uv_stream_told(fn, event);
		break;
	default:
		break;
	}
}

/* ---- life ---- */

void uv_memory_start(bool wanted)
{
	unsigned int i;

	lockdep_assert_held(&uv_mutex);
	for (i = 0; i < UV_FUNCTIONS_MAX; i++) {
		raw_spin_lock_init(&uv_memories[i].lock);
		uv_memories[i].streams = RB_ROOT_CACHED;
		INIT_LIST_HEAD(&uv_memories[i].watched);
		uv_memories[i].watched_bytes = 0;
	}
	WRITE_ONCE(uv_memory_recorded, wanted);
}

void uv_memory_stop(void)
{
	struct uv_stream *stream, *next_stream;
	struct uv_watched *watched, *next;
	unsigned int i;

	lockdep_assert_held(&uv_mutex);
	if (!uv_memory_recorded)
		return;
	WRITE_ONCE(uv_memory_recorded, false);
	synchronize_rcu();
	for (i = 0; i < UV_FUNCTIONS_MAX; i++) {
		rbtree_postorder_for_each_entry_safe(stream, next_stream,
						     &uv_memories[i].streams.rb_root, node)
			kfree(stream);
		list_for_each_entry_safe(watched, next, &uv_memories[i].watched, node)
			kvfree(watched);
		uv_memories[i].streams = RB_ROOT_CACHED;
		INIT_LIST_HEAD(&uv_memories[i].watched);
	}
}
