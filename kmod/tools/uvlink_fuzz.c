// SPDX-License-Identifier: GPL-2.0
/*
 * A hostile model. Most of what it says has a structure that a function could
 * produce: DMA anywhere, interrupts of any vector, completions of any tag. The rest
 * is random to the bit, or a header and positions written over. In between it plays
 * the honest device, so that a driver's traffic goes on, and each time the kernel
 * has had enough of it, it says HELLO again.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "uvlink.h"

#define ATTACH_MS	10000
#define QUIET_MS	300

struct fuzzer {
	struct model	*model;
	uint64_t	random;
	uint64_t	sent, valid, attached, scribbled;
};

static uint64_t next(struct fuzzer *fuzzer)
{
	fuzzer->random ^= fuzzer->random << 13;
	fuzzer->random ^= fuzzer->random >> 7;
	fuzzer->random ^= fuzzer->random << 17;
	return fuzzer->random;
}

static uint64_t below(struct fuzzer *fuzzer, uint64_t limit)
{
	return next(fuzzer) % limit;
}

/* Numbers that tell good bounds from bad ones. */
static uint64_t edge(struct fuzzer *fuzzer)
{
	static const uint64_t edges[] = {
		0, 1, 2, 3, 4, 7, 8, 63, 64, 127, 128, 255, 256, 511, 512, 1023, 1024, 1025, 4095,
		4096, 4097, 65535, 65536, 0x7fffffff, 0x80000000, 0xffffffff, 0x100000000,
		0x7fffffffffffffff, 0x8000000000000000, 0xfffffffffffff000, 0xffffffffffffffff,
	};

	return below(fuzzer, 4) ? edges[below(fuzzer, sizeof(edges) / sizeof(edges[0]))]
				: next(fuzzer);
}

/* An address that is mapped, near one, or anywhere. */
static uint64_t address(struct fuzzer *fuzzer)
{
	uint64_t known = fuzzer->model->registers[REG_DMA_LOW / 4];

	switch (below(fuzzer, 4)) {
	case 0:
		return known + below(fuzzer, 4096);
	case 1:
		return known - 4096 + below(fuzzer, 3 * 4096);
	case 2:
		return 0x100000 + below(fuzzer, 1 << 24);
	default:
		return edge(fuzzer);
	}
}

static bool dma(struct fuzzer *fuzzer, struct uv_message *message)
{
	bool write = below(fuzzer, 2);

	message->type = write ? UV_MSG_DMA_WRITE : UV_MSG_DMA_READ;
	message->address = address(fuzzer);
	message->length = below(fuzzer, 8) ? 1 + below(fuzzer, MAX_PAYLOAD) : edge(fuzzer);
	message->tag = edge(fuzzer);
	return !write || message->length <= uv_link_data_bytes(&fuzzer->model->geometry);
}

static bool interrupt(struct fuzzer *fuzzer, struct uv_message *message)
{
	switch (below(fuzzer, 3)) {
	case 0:
		message->type = UV_MSG_INTERRUPT;
		message->vector = below(fuzzer, 8) ? below(fuzzer, 5) : edge(fuzzer);
		return true;
	case 1:
		message->type = UV_MSG_INTX;
		message->value = below(fuzzer, 2);
		return true;
	default:
		message->type = UV_MSG_MESSAGE;
		message->address = 0xfee00000 + (below(fuzzer, 2) ? 0 : below(fuzzer, 1 << 20));
		message->value = below(fuzzer, 1 << 12);
		return true;
	}
}

static bool config_set(struct fuzzer *fuzzer, struct uv_message *message)
{
	message->type = UV_MSG_CONFIG_SET;
	message->length = 1 << below(fuzzer, 3);
	message->address = below(fuzzer, 256) & ~(message->length - 1);
	message->value = next(fuzzer);
	/* whether the bytes are the function's to change is the kernel's to say */
	return true;
}

static bool completion(struct fuzzer *fuzzer, struct uv_message *message)
{
	static const uint8_t statuses[] = { 0, 0, 0, UV_STATUS_UNSUPPORTED, UV_STATUS_ABORT };

	message->type = UV_MSG_COMPLETION;
	message->status = statuses[below(fuzzer, sizeof(statuses))];
	message->tag = below(fuzzer, 2) ? fuzzer->model->tags[below(fuzzer, TAGS)] :
					  edge(fuzzer);
	message->length = edge(fuzzer);
	message->value = next(fuzzer);
	return true;
}

/* Structure that a function could produce; false: after all not. */
static bool plausible(struct fuzzer *fuzzer, struct uv_message *message)
{
	memset(message, 0, sizeof(*message));
	message->flags = below(fuzzer, 4) ? 0 : UV_FLAG_RELAXED | UV_FLAG_NO_SNOOP;
	switch (below(fuzzer, 64)) {
	case 0 ... 29:
		return dma(fuzzer, message);
	case 30 ... 44:
		return interrupt(fuzzer, message);
	case 45 ... 58:
		return completion(fuzzer, message);
	case 59:
		message->type = UV_MSG_LOG;
		message->length = below(fuzzer, 200);
		return true;
	case 60:
		return config_set(fuzzer, message);
	default:
		message->type = UV_MSG_INTERRUPT;
		return true;
	}
}

/* Anything at all. */
static void nonsense(struct fuzzer *fuzzer, struct uv_message *message)
{
	uint64_t *words = (uint64_t *)message;
	unsigned int i;

	for (i = 0; i < sizeof(*message) / 8; i++)
		words[i] = below(fuzzer, 2) ? edge(fuzzer) : next(fuzzer);
	if (below(fuzzer, 2))
		message->type = below(fuzzer, 20);
}

/* The kernel's own fields, positions that cannot be, another geometry. */
static void scribble(struct fuzzer *fuzzer)
{
	struct uv_link_header *header = fuzzer->model->header;

	fuzzer->scribbled++;
	switch (below(fuzzer, 7)) {
	case 0:
		uv_store(&header->to_model_tail.tail, edge(fuzzer));
		break;
	case 1:
		uv_store(&header->to_kernel_head.head, edge(fuzzer));
		break;
	case 2:
		uv_store(&header->to_kernel_head.room_at, edge(fuzzer));
		uv_store(&header->to_model_tail.notify_at, edge(fuzzer));
		break;
	case 3:
		uv_store(&header->slots, (uint32_t)edge(fuzzer));
		uv_store(&header->message_size, (uint32_t)edge(fuzzer));
		break;
	case 4:
		uv_store(&header->to_model_offset, (uint32_t)edge(fuzzer));
		uv_store(&header->to_kernel_offset, (uint32_t)edge(fuzzer));
		break;
	case 5:
		uv_store(&header->generation, edge(fuzzer));
		uv_store(&header->timeout_ns, edge(fuzzer));
		break;
	default:
		uv_store(&header->model_signals, edge(fuzzer));
		break;
	}
}

static bool is_attached(const struct fuzzer *fuzzer)
{
	return uv_load_acquire(&fuzzer->model->header->state) == UV_LINK_ATTACHED;
}

static void attach_again(struct fuzzer *fuzzer)
{
	unsigned int attempt;

	for (attempt = 0; attempt < 10 && !stopped; attempt++) {
		if (model_attach(fuzzer->model, ATTACH_MS)) {
			fuzzer->attached++;
			return;
		}
	}
	if (!stopped)
		die("not attached again (state %u, reason %u) after %" PRIu64 " messages",
		    fuzzer->model->header->state, fuzzer->model->header->reason, fuzzer->sent);
}

/* A run of plausible messages, then something that no kernel should stand. */
static void run(struct fuzzer *fuzzer)
{
	uint8_t data[UV_LINK_DATA_MAX];
	uint64_t length = 1 + below(fuzzer, 4000), bad = 1 + below(fuzzer, 8), i;
	uint32_t carried = uv_link_data_bytes(&fuzzer->model->geometry);
	struct uv_message message;

	for (i = 0; i < length + bad && is_attached(fuzzer) && !stopped; i++) {
		if (i < length)
			fuzzer->valid += plausible(fuzzer, &message);
		else
			nonsense(fuzzer, &message);
		if (!below(fuzzer, 16))
			memset(data, next(fuzzer), carried);
		if (!model_send(fuzzer->model, &message, data, carried))
			break;
		fuzzer->sent++;
		if (!below(fuzzer, 8))
			model_flush(fuzzer->model);
		if (!below(fuzzer, 4))
			model_serve(fuzzer->model);
	}
	model_flush(fuzzer->model);
	if (!below(fuzzer, 4))
		scribble(fuzzer);
}

/* Long enough for a driver to be bound, which then is there for the next runs. */
static void behave(struct fuzzer *fuzzer)
{
	unsigned int i;

	for (i = 0; i < QUIET_MS && is_attached(fuzzer) && !stopped; i++) {
		model_serve(fuzzer->model);
		model_sleep(fuzzer->model, 1);
	}
}

/* The memory's maker is trusted with its geometry by this end, so put it back. */
static void repair(struct fuzzer *fuzzer)
{
	const struct uv_link_geometry *geometry = &fuzzer->model->geometry;
	struct uv_link_header *header = fuzzer->model->header;

	uv_store(&header->slots, geometry->slots);
	uv_store(&header->message_size, geometry->message_size);
	uv_store(&header->to_model_offset, geometry->to_model_offset);
	uv_store(&header->to_kernel_offset, geometry->to_kernel_offset);
}

void fuzz(struct model *model, uint64_t seed, uint64_t count)
{
	struct fuzzer fuzzer = { .model = model, .random = seed * 2 + 1 };

	while (fuzzer.sent < count && !stopped) {
		run(&fuzzer);
		repair(&fuzzer);
		attach_again(&fuzzer);
		if (!below(&fuzzer, 64))
			behave(&fuzzer);
	}
	printf("{\"sent\": %" PRIu64 ", \"valid\": %" PRIu64 ", \"attached\": %" PRIu64
	       ", \"scribbled\": %" PRIu64 "}\n", fuzzer.sent, fuzzer.valid, fuzzer.attached,
	       fuzzer.scribbled);
}
