/* SPDX-License-Identifier: GPL-2.0 OR Apache-2.0 */
/*
 * The reference consumer of the trace ring, for userspace: tests, benchmarks,
 * and whoever writes another reader. One reader per ring.
 *
 * A live ring is read while it is written; positions are given back in steps of
 * an eighth of the ring. A flight recorder (UV_POLICY_OVERWRITE) is read once its
 * producers have stopped, or their machine is dead.
 */
#ifndef UV_RING_READER_H
#define UV_RING_READER_H

#include "ring.h"

struct uv_ring_reader {
	struct uv_ring_header *header;
	const union uv_slot *slots;
	__u64 mask;
	__u64 position;		/* next slot to read */
	__u64 returned;		/* tail as published */
	__u64 end;		/* flight recorder: one past the newest slot */
	__u64 damaged;		/* slots that hold no part of a whole record */
	bool overwrites;
};

/* One past the newest slot, from the slots alone: a dead machine left no head. */
static inline __u64 uv_ring_newest(const struct uv_ring_reader *reader)
{
	__u64 index, newest = 0;

	for (index = 0; index <= reader->mask; index++) {
		__u64 seq = uv_load_acquire(&reader->slots[index].record.seq) & ~UV_RING_BUSY;

		if (seq > newest)
			newest = seq;
	}
	return newest;
}

/**
 * uv_ring_reader_init() - attach to a ring
 * @reader: state to fill
 * @memory: the mapping that starts with struct uv_ring_header
 * @bytes: its size
 *
 * Return: 0, -EAGAIN: no ring there yet, -EPROTO: not a ring of this version.
 */
static inline int uv_ring_reader_init(struct uv_ring_reader *reader, void *memory, __u64 bytes)
{
	struct uv_ring_header *header = memory;
	__u64 slots;

	/* Pairs with the release of magic in uv_ring_init(). */
	if (uv_load_acquire(&header->magic) != UV_RING_MAGIC)
		return -EAGAIN;
	slots = header->slots;
	if (header->version != UV_RING_VERSION || header->slot_size != UV_RECORD_SIZE ||
	    header->data_offset > bytes || !slots || slots & (slots - 1) ||
	    slots > (bytes - header->data_offset) / UV_RECORD_SIZE)
		return -EPROTO;

	memset(reader, 0, sizeof(*reader));
	reader->header = header;
	reader->slots = (const union uv_slot *)((__u8 *)memory + header->data_offset);
	reader->mask = slots - 1;
	reader->overwrites = header->policy == UV_POLICY_OVERWRITE;
	reader->position = reader->returned = uv_load(&header->tail);
	if (reader->overwrites) {
		reader->end = uv_ring_newest(reader);
		reader->position = reader->end > slots ? reader->end - slots : 0;
	}
	return 0;
}

static inline const union uv_slot *uv_ring_reader_slot(const struct uv_ring_reader *reader,
						       __u64 position)
{
	return &reader->slots[position & reader->mask];
}

/* Pairs with the release in uv_ring_commit(). */
static inline bool uv_ring_readable(const struct uv_ring_reader *reader, __u64 position)
{
	const union uv_slot *slot = uv_ring_reader_slot(reader, position);

	return uv_load_acquire(&slot->record.seq) == position + 1;
}

/* Give slots back. Pairs with the acquire of tail in uv_ring_reserve(). */
static inline void uv_ring_reader_advance(struct uv_ring_reader *reader)
{
	if (reader->overwrites || reader->returned == reader->position)
		return;
	uv_store_release(&reader->header->tail, reader->position);
	reader->returned = reader->position;
}

/* Continuations that follow in whole, or -1: a damaged record. */
static inline __s64 uv_ring_continuations(const struct uv_ring_reader *reader)
{
	const struct uv_record *record = &uv_ring_reader_slot(reader, reader->position)->record;
	__u64 count = ((__u64)record->payload + UV_CONTINUATION_BYTES - 1) / UV_CONTINUATION_BYTES;
	__u64 index;

	if (count > reader->mask || (reader->overwrites && count >= reader->end - reader->position))
		return -1;
	for (index = 1; index <= count; index++) {
		__u64 position = reader->position + index;

		if (!uv_ring_readable(reader, position) ||
		    uv_ring_reader_slot(reader, position)->record.kind != UV_KIND_CONTINUATION)
			return -1;
	}
	return count;
}

static inline void uv_ring_gather(const struct uv_ring_reader *reader, __u8 *payload, __u32 bytes)
{
	__u64 position = reader->position + 1;

	while (bytes) {
		__u32 part = bytes < UV_CONTINUATION_BYTES ? bytes : UV_CONTINUATION_BYTES;

		memcpy(payload, uv_ring_reader_slot(reader, position++)->continuation.data, part);
		payload += part;
		bytes -= part;
	}
}

/**
 * uv_ring_read() - take the next record
 * @reader: the reader
 * @record: filled with the record; its payload field is the payload's length
 * @payload: room for @capacity bytes, or NULL when it isn't wanted
 * @capacity: of @payload; what is longer is cut
 *
 * Pads are skipped; LOSS records are returned like any other.
 *
 * Return: whether there was a record.
 */
static inline bool uv_ring_read(struct uv_ring_reader *reader, struct uv_record *record,
				void *payload, __u32 capacity)
{
	for (;;) {
		const struct uv_record *slot;
		__s64 continuations;

		if (reader->position - reader->returned > reader->mask / 8)
			uv_ring_reader_advance(reader);
		if (reader->overwrites && reader->position >= reader->end)
			return false;
		if (!uv_ring_readable(reader, reader->position)) {
			if (!reader->overwrites) {
				uv_ring_reader_advance(reader);
				return false;
			}
			reader->damaged++;
			reader->position++;
			continue;
		}
		slot = &uv_ring_reader_slot(reader, reader->position)->record;
		if (slot->kind == UV_KIND_PAD) {
			reader->position++;
			continue;
		}
		continuations = slot->kind == UV_KIND_CONTINUATION ? -1 :
				uv_ring_continuations(reader);
		if (continuations < 0) {
			reader->damaged++;
			reader->position++;
			continue;
		}
		*record = *slot;
		if (payload)
			uv_ring_gather(reader, payload,
				       slot->payload < capacity ? slot->payload : capacity);
		reader->position += 1 + continuations;
		return true;
	}
}

#endif /* UV_RING_READER_H */
