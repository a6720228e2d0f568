// SPDX-License-Identifier: GPL-2.0 OR Apache-2.0
/*
 * Both ends of a link as threads: what is put is taken, whole, once and in order,
 * and nobody sleeps while there is something to do.
 *
 * An end that finds nothing asks to be notified and sleeps on a condition; if a
 * notification were lost it would sleep for ever, which the watchdog tells.
 *
 *   link_stress SLOTS DATA MESSAGES [hostile]
 *
 * hostile: a thread writes the kernel's end's neighbours' positions over; the
 * kernel's end must stay within its memory (AddressSanitizer watches).
 */
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "link.h"

#define WATCHDOG_S	40

/* A doorbell: counts, as an eventfd does. */
struct bell {
	pthread_mutex_t	mutex;
	pthread_cond_t	rung;
	__u64		count, rings, sleeps;
};

struct direction {
	struct uv_link_sender	send;
	struct uv_link_taker	take;
	struct bell		*to_sender, *to_taker;
	__u64			messages;
	unsigned int		batch;
};

static struct bell kernel_bell = { PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0, 0, 0 };
static struct bell model_bell = { PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0, 0, 0 };
static struct bell kernel_room = { PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0, 0, 0 };
static struct bell model_room = { PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0, 0, 0 };
static __u32 data_bytes;
static bool finished;

static void fail(const char *what, __u64 got, __u64 wanted)
{
	fprintf(stderr, "%s: %" PRIu64 ", not %" PRIu64 "\n", what, (uint64_t)got,
		(uint64_t)wanted);
	exit(1);
}

static void ring(struct bell *bell)
{
	pthread_mutex_lock(&bell->mutex);
	bell->count++;
	bell->rings++;
	pthread_cond_signal(&bell->rung);
	pthread_mutex_unlock(&bell->mutex);
}

static void sleep_on(struct bell *bell)
{
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += WATCHDOG_S;
	pthread_mutex_lock(&bell->mutex);
	bell->sleeps++;
	while (!bell->count)
		if (pthread_cond_timedwait(&bell->rung, &bell->mutex, &until))
			fail("a notification was lost", bell->rings, bell->sleeps);
	bell->count = 0;
	pthread_mutex_unlock(&bell->mutex);
}

/* ---- honest ends ---- */

static __u32 length_of(__u64 number)
{
	return number * 37 % (data_bytes + 1);
}

static void *sender(void *argument)
{
	struct direction *direction = argument;
	__u8 data[UV_LINK_DATA_MAX];
	__u64 number;

	for (number = 0; number < direction->messages; number++) {
		struct uv_message message = { .tag = number, .length = length_of(number) };
		__s64 room;

		while ((room = uv_link_room(&direction->send, 1)) < 1) {
			if (room == UV_LINK_BROKEN)
				fail("the taker's position cannot be", number, 0);
			if (uv_link_publish(&direction->send))
				ring(direction->to_taker);
			if (number % 8 == 0)
				usleep(1);
			if (!uv_link_wait_for_room(&direction->send))
				sleep_on(direction->to_sender);
		}
		memset(data, number * 11, message.length);
		uv_link_put(&direction->send, &message, data, message.length);
		if (number % direction->batch == 0 && uv_link_publish(&direction->send))
			ring(direction->to_taker);
	}
	if (uv_link_publish(&direction->send))
		ring(direction->to_taker);
	return NULL;
}

static void check(const struct uv_link_taker *take, const struct uv_message *message, __u64 number)
{
	__u8 data[UV_LINK_DATA_MAX];
	__u32 at;

	if (message->tag != number)
		fail("message", message->tag, number);
	if (message->length != length_of(number))
		fail("length", message->length, length_of(number));
	uv_link_data(take, data, message->length);
	for (at = 0; at < message->length; at++)
		if (data[at] != (__u8)(number * 11))
			fail("byte of data", data[at], (__u8)(number * 11));
}

static void *taker(void *argument)
{
	struct direction *direction = argument;
	struct uv_message message;
	__u64 number = 0;

	while (number < direction->messages) {
		int found = uv_link_next(&direction->take, &message);

		if (found == UV_LINK_BROKEN)
			fail("the sender's position cannot be", number, 0);
		if (!found) {
			if (number % 8 == 0)
				usleep(1);	/* widens the gap that the second look closes */
			if (!uv_link_arm(&direction->take))
				sleep_on(direction->to_taker);
			uv_link_disarm(&direction->take);
			continue;
		}
		check(&direction->take, &message, number);
		uv_link_taken(&direction->take);
		number++;
		if (number % direction->batch == 0 && uv_link_free(&direction->take))
			ring(direction->to_sender);
		else if (direction->take.head == direction->take.tail &&
			 uv_link_free(&direction->take))
			ring(direction->to_sender);
	}
	return NULL;
}

/* ---- a hostile model ---- */

static void *scribble(void *argument)
{
	struct uv_link_header *header = argument;
	__u64 random = 88172645463325252ULL;

	while (!uv_load(&finished)) {
		random ^= random << 13;
		random ^= random >> 7;
		random ^= random << 17;
		/* near what could be, or anywhere */
		uv_store(&header->to_model_tail.tail, random & 1 ?
			 uv_load(&header->to_model_head.head) - (random >> 8 & 127) : random);
		uv_store(&header->to_kernel_head.head, random & 2 ?
			 uv_load(&header->to_kernel_tail.tail) + (random >> 16 & 127) : random);
		uv_store(&header->slots, (__u32)(random >> 32));
		uv_store(&header->to_model_offset, (__u32)(random >> 24));
	}
	return NULL;
}

/* The kernel's end goes on as if nothing were; AddressSanitizer sees where. */
static void run_hostile(struct uv_link_header *header, struct direction *out,
			struct direction *in)
{
	struct uv_message message = { 0 };
	__u8 data[UV_LINK_DATA_MAX] = { 0 };
	__u64 put = 0, taken = 0, i;
	pthread_t thread;

	pthread_create(&thread, NULL, scribble, header);
	/* on a busy machine the other thread must have its turn, too */
	for (i = 0; i < out->messages || ((put < 1000 || taken < 1000) && i < 1000000000); i++) {
		if (uv_link_room(&out->send, 1) >= 1) {
			uv_link_put(&out->send, &message, data, data_bytes);
			uv_link_publish(&out->send);
			put++;
		}
		if (uv_link_next(&in->take, &message) == 1) {
			uv_link_data(&in->take, data, data_bytes);
			uv_link_taken(&in->take);
			uv_link_free(&in->take);
			taken++;
		}
	}
	uv_store(&finished, true);
	pthread_join(thread, NULL);
	printf("{\"put\": %" PRIu64 ", \"taken\": %" PRIu64 "}\n", (uint64_t)put, (uint64_t)taken);
}

static void run_honest(struct direction *out, struct direction *in)
{
	pthread_t threads[4];
	unsigned int i;

	pthread_create(&threads[0], NULL, sender, out);
	pthread_create(&threads[1], NULL, taker, out);
	pthread_create(&threads[2], NULL, sender, in);
	pthread_create(&threads[3], NULL, taker, in);
	for (i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	printf("{\"messages\": %" PRIu64 ", \"rings\": %" PRIu64 ", \"sleeps\": %" PRIu64 "}\n",
	       (uint64_t)(out->messages + in->messages),
	       (uint64_t)(model_bell.rings + kernel_bell.rings),
	       (uint64_t)(model_bell.sleeps + kernel_bell.sleeps));
}

int main(int argc, char **argv)
{
	struct direction out = { .to_sender = &kernel_room, .to_taker = &model_bell, .batch = 1 };
	struct direction in = { .to_sender = &model_room, .to_taker = &kernel_bell, .batch = 7 };
	struct uv_link_geometry geometry;
	struct uv_link_header *header;
	__u32 slots;
	__u64 bytes;

	if (argc < 4)
		fail("arguments", argc, 4);
	slots = strtoul(argv[1], NULL, 0);
	data_bytes = strtoul(argv[2], NULL, 0);
	out.messages = in.messages = strtoull(argv[3], NULL, 0);
	bytes = uv_link_bytes(slots, data_bytes);
	header = aligned_alloc(4096, (bytes + 4095) / 4096 * 4096);
	memset(header, 0, bytes);
	uv_link_make_header(header, slots, data_bytes);
	/* the first positions lie where 64 bits end soon */
	header->to_model_head.head = header->to_model_tail.tail = -100ULL;
	header->to_kernel_head.head = header->to_kernel_tail.tail = -100ULL;
	header->to_model_tail.notify_at = header->to_kernel_tail.notify_at = -200ULL;
	header->to_model_head.room_at = header->to_kernel_head.room_at = -100000ULL;
	if (uv_link_geometry_of(header, bytes, &geometry))
		fail("geometry", slots, data_bytes);
	uv_link_kernel_end(header, &geometry, &out.send, &in.take);
	uv_link_model_end(header, &geometry, &in.send, &out.take);
	if (argc > 4 && !strcmp(argv[4], "hostile"))
		run_hostile(header, &out, &in);
	else
		run_honest(&out, &in);
	free(header);
	return 0;
}
