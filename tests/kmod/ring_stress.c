// SPDX-License-Identifier: GPL-2.0 OR Apache-2.0
/*
 * Many producers, one consumer, one verdict: every record that uv_ring_write()
 * accepted comes out once, whole and in its producer's order, and every other one
 * is accounted for.
 *
 *	ring_stress POLICY SLOTS PRODUCERS RECORDS PAYLOAD_MAX [hostile|nested|killed]
 *
 * hostile: instead of a consumer, a thread scribbles over the shared header.
 * nested: signals interrupt producers in the middle of a write, and write too.
 * killed: producers are another process, which is killed in the middle of it all, as
 * a guest that panics; what it leaves is read.
 * Prints what was counted as JSON; exits 1 and says why when a check fails.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "ring_reader.h"

#define PRODUCERS_MAX	32	/* those in signal handlers included */
#define PAYLOAD_MAX	4096
#define PAGE		4096
#define STUCK_MS	2000	/* without progress when nobody produces */

struct producer {
	struct uv_ring *ring;
	pthread_t thread;
	__u32 id;
	__u64 records;
	__u64 payload_max;
	_Atomic __u64 next;	/* number of the next record */
	__u8 *accepted;		/* by number: uv_ring_write() said true */
	__u8 *seen;		/* by number: the consumer had it */
	__u64 capacity;		/* of the two arrays */
	__u64 last;		/* consumer: number seen last, + 1 */
	bool tells_misses;
	__u64 missed;
};

static struct producer producers[PRODUCERS_MAX];
static unsigned int producer_count;
static struct uv_ring ring;
static atomic_bool producing = true, finished;
static _Thread_local struct producer *nested;

static struct {
	__u64 read, told_full, told_missed, nested, damaged, largest;
} counted;

static void fail(const char *what, __u64 one, __u64 other)
{
	fprintf(stderr, "ring_stress: %s: %llu, %llu\n", what, one, other);
	exit(1);
}

static void expect_equal(const char *what, __u64 one, __u64 other)
{
	if (one != other)
		fail(what, one, other);
}

static __u64 mix(__u64 value)
{
	value ^= value >> 31;
	value *= 0x7fb5d329728ea185ULL;
	value ^= value >> 27;
	value *= 0x81dadef4bc2dd44dULL;
	return value ^ value >> 33;
}

/* A record all of whose fields follow from its producer and number. */
static __u32 compose(const struct producer *from, __u64 number, struct uv_record *record,
		     __u8 *payload)
{
	__u64 seed = mix((__u64)from->id << 40 | number);
	__u32 length = from->payload_max && seed % 3 ? seed % (from->payload_max + 1) : 0;
	__u32 i;

	memset(record, 0, sizeof(*record));
	record->version = UV_RECORD_VERSION;
	record->kind = UV_KIND_MMIO_WRITE;
	record->tid = from->id;
	record->function = 3;
	record->length = length;
	record->value = number;
	record->address = seed;
	record->tag = ~seed;
	for (i = 0; i < sizeof(record->raw); i++)
		record->raw[i] = seed >> (i % 8 * 8);
	for (i = 0; i < length; i++)
		payload[i] = (seed >> (i % 56)) + i;
	return length;
}

static void produce_one(struct producer *from)
{
	__u64 number = atomic_fetch_add(&from->next, 1);
	__u8 payload[PAYLOAD_MAX];
	struct uv_record record;
	__u32 length = compose(from, number, &record, payload);

	from->accepted[number] = uv_ring_write(from->ring, &record, payload, length);
	/* Let the consumer in now and then, so that a small machine laps the ring, too. */
	if (!from->accepted[number] && number % 4 == 0)
		sched_yield();
	if (from->tells_misses && number % 7 == 0) {
		uv_ring_lose(from->ring, 2);
		from->missed += 2;
	}
}

static void *produce(void *argument)
{
	struct producer *from = argument;
	__u64 i;

	nested = from + producer_count;
	for (i = 0; i < from->records; i++)
		produce_one(from);
	return NULL;
}

/* As a hard interrupt would: on the same thread, inside a write. */
static void on_signal(int number)
{
	(void)number;
	if (nested && atomic_load(&nested->next) < nested->capacity)
		produce_one(nested);
}

static void *pester(void *argument)
{
	unsigned int i;

	(void)argument;
	while (atomic_load(&producing)) {
		for (i = 0; i < producer_count; i++)
			pthread_kill(producers[i].thread, SIGUSR1);
		sched_yield();
	}
	return NULL;
}

static void check_record(const struct uv_record *record, const __u8 *payload)
{
	struct producer *from = &producers[record->tid];
	__u8 expected_payload[PAYLOAD_MAX];
	struct uv_record expected;
	__u32 length;

	if (record->tid >= PRODUCERS_MAX || !from->accepted || record->value >= from->capacity)
		fail("record of an unknown producer", record->tid, record->value);
	length = compose(from, record->value, &expected, expected_payload);
	expected.payload = length < ring.payload_max ? length : ring.payload_max;
	expected.seq = record->seq;
	if (memcmp(&expected, record, sizeof(expected)))
		fail("torn record", record->tid, record->value);
	if (memcmp(expected_payload, payload, record->payload))
		fail("torn payload", record->tid, record->value);
	if (record->value < from->last)
		fail("order of one producer", from->last, record->value);
	from->last = record->value + 1;
	if (from->seen[record->value]++)
		fail("record read twice", record->tid, record->value);
	counted.read++;
	if (record->payload > counted.largest)
		counted.largest = record->payload;
}

static void check_loss(const struct uv_record *record)
{
	expect_equal("function of a loss", record->function, UV_FUNCTION_NONE);
	if (!record->value)
		fail("empty loss record", record->seq, 0);
	if (record->meta.topic == UV_LOSS_HOOK_MISSED)
		counted.told_missed += record->value;
	else
		counted.told_full += record->value;
}

static void *consume(void *argument)
{
	struct uv_ring_reader *reader = argument;
	__u8 payload[PAYLOAD_MAX];
	struct uv_record record;

	for (;;) {
		bool last_look = atomic_load(&finished);

		while (uv_ring_read(reader, &record, payload, sizeof(payload))) {
			if (record.kind == UV_KIND_LOSS)
				check_loss(&record);
			else
				check_record(&record, payload);
		}
		if (last_look)
			return NULL;
		sched_yield();
	}
}

static void wait_for_consumer(void)
{
	struct timespec nap = { .tv_nsec = 1000000 };
	__u64 tail = 0;
	int idle_ms = 0;

	while (tail != ring.head) {
		__u64 before = tail;

		nanosleep(&nap, NULL);
		tail = uv_load_acquire(&ring.header->tail);
		idle_ms = tail == before ? idle_ms + 1 : 0;
		if (idle_ms > STUCK_MS)
			fail("the consumer is stuck", tail, ring.head);
	}
}

static void *scribble(void *argument)
{
	struct uv_ring_header *header = argument;
	__u64 random = 1;

	while (atomic_load(&producing)) {
		random = mix(random + 1);
		uv_store(&header->tail, random & 7 ? uv_load(&ring.head) - random % 64 : random);
		uv_store(&header->head, random >> 3);
		uv_store(&header->slots, random >> 5);
		uv_store(&header->data_offset, random);
		uv_store(&header->lost, random);
		uv_store(&header->policy, (__u32)random);
		uv_store(&header->state, (__u32)random);
	}
	return NULL;
}

/* Between two pages that fault. */
static void *allocate_guarded(__u64 bytes)
{
	__u8 *base = mmap(NULL, bytes + 2 * PAGE, PROT_NONE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (base == MAP_FAILED || mprotect(base + PAGE, bytes, PROT_READ | PROT_WRITE))
		fail("mmap", bytes, 0);
	return base + PAGE;
}

static void set_up_producer(unsigned int id, __u64 records, __u64 capacity, __u64 payload_max)
{
	struct producer *new = &producers[id];

	new->ring = &ring;
	new->id = id;
	new->records = records;
	new->capacity = capacity;
	new->payload_max = payload_max;
	new->accepted = calloc(capacity, 1);
	new->seen = calloc(capacity, 1);
}

/* What producers were told against what came out. */
static void check_totals(bool hostile)
{
	__u64 produced = 0, accepted = 0, missed = 0, number;
	unsigned int i;

	for (i = 0; i < PRODUCERS_MAX; i++) {
		const struct producer *from = &producers[i];

		missed += from->missed;
		for (number = 0; number < from->next; number++) {
			produced++;
			accepted += from->accepted[number];
			if (from->seen[number] && !from->accepted[number])
				fail("refused record was read", i, number);
			if (!hostile && ring.policy != UV_POLICY_OVERWRITE &&
			    from->accepted[number] && !from->seen[number])
				fail("accepted record was not read", i, number);
		}
	}
	expect_equal("accepted and records", accepted, uv_ring_records(&ring));
	expect_equal("produced and accounted for", produced + missed,
		     uv_ring_records(&ring) + ring.lost_total);
	printf("{\"produced\": %llu, \"accepted\": %llu, \"read\": %llu, \"lost\": %llu, "
	       "\"missed\": %llu, \"told\": %llu, \"nested\": %llu, \"damaged\": %llu, "
	       "\"largest\": %llu, \"positions\": %llu, \"state\": %u}\n",
	       produced, accepted, counted.read, ring.lost_total - missed, missed,
	       counted.told_full + counted.told_missed, counted.nested, counted.damaged,
	       counted.largest, ring.head, ring.state);
}

static void check_losses_told(void)
{
	const struct uv_ring_header *header = ring.header;

	expect_equal("mirror of lost", header->lost_total, ring.lost_total);
	if (ring.policy == UV_POLICY_OVERWRITE)
		return;		/* loss records are overwritten, too */
	expect_equal("losses told in-band or pending", counted.told_full + counted.told_missed +
		     header->lost, header->lost_total);
	if (ring.policy == UV_POLICY_DROP)
		expect_equal("losses still untold", header->lost, 0);
}

/* A flight recorder holds the newest, without holes but those it owned up to. */
static void check_flight(const struct uv_ring_reader *reader)
{
	__u64 slots_max = 1 + ring.payload_max / UV_CONTINUATION_BYTES + 1;

	counted.damaged = reader->damaged;
	expect_equal("newest position", reader->end, ring.head);
	if (reader->damaged > slots_max * (1 + ring.lost_total))
		fail("damaged slots", reader->damaged, ring.lost_total);
	if (!counted.read)
		fail("flight recorder is empty", 0, 0);
}

/* Wait until all have written what they should; nobody signals them after that. */
static void wait_for_producers(__u64 records)
{
	struct timespec nap = { .tv_nsec = 1000000 };
	bool busy = true;
	unsigned int i;

	while (busy) {
		nanosleep(&nap, NULL);
		for (busy = false, i = 0; i < producer_count; i++)
			busy |= atomic_load(&producers[i].next) < records;
	}
}

static void run_producers(__u64 records, bool interrupts)
{
	pthread_t pesterer;
	unsigned int i;

	signal(SIGUSR1, on_signal);
	for (i = 0; i < producer_count; i++)
		pthread_create(&producers[i].thread, NULL, produce, &producers[i]);
	if (interrupts) {
		pthread_create(&pesterer, NULL, pester, NULL);
		wait_for_producers(records);
		atomic_store(&producing, false);
		pthread_join(pesterer, NULL);
	}
	for (i = 0; i < producer_count; i++)
		pthread_join(producers[i].thread, NULL);
	atomic_store(&producing, false);
	for (i = 0; i < producer_count; i++)
		counted.nested += producers[producer_count + i].next;
}

/* With a reader that is alive: an honest one, or a hostile one. */
static void run_live(void *memory, __u64 bytes, __u64 records, bool hostile, bool interrupts)
{
	static struct uv_ring_reader reader;
	pthread_t consumer;

	if (uv_ring_reader_init(&reader, memory, bytes))
		fail("uv_ring_reader_init", 0, 0);
	if (hostile)
		pthread_create(&consumer, NULL, scribble, memory);
	else
		pthread_create(&consumer, NULL, consume, &reader);
	run_producers(records, interrupts);
	/* Let the consumer catch up, then one record that tells of the last losses. */
	if (!hostile)
		wait_for_consumer();
	produce_one(&producers[2 * producer_count]);
	atomic_store(&finished, true);
	pthread_join(consumer, NULL);
	expect_equal("damaged slots", reader.damaged, 0);
}

/* A flight recorder, read when all is over. */
static void run_flight(void *memory, __u64 bytes, __u64 records, bool interrupts)
{
	static struct uv_ring_reader reader;

	run_producers(records, interrupts);
	produce_one(&producers[2 * producer_count]);
	atomic_store(&finished, true);
	if (uv_ring_reader_init(&reader, memory, bytes))
		fail("uv_ring_reader_init", 0, 0);
	consume(&reader);
	check_flight(&reader);
	if (!producers[2 * producer_count].seen[0])
		fail("the newest record is missing", 0, 0);
}

/* Producers die with their process; what the ring then holds must be whole. */
static void run_killed(void *memory, __u64 bytes, __u64 records)
{
	static struct uv_ring_reader reader;
	struct timespec nap = { .tv_nsec = 1000000 };
	bool live = ring.policy != UV_POLICY_OVERWRITE;
	pthread_t consumer;
	pid_t child = fork();

	if (!child) {
		run_producers(records, false);
		fail("producers were done before they were killed", records, 0);
	}
	if (live && !uv_ring_reader_init(&reader, memory, bytes))
		pthread_create(&consumer, NULL, consume, &reader);
	/* Two laps at least, however busy this machine is. */
	while (uv_load(&ring.header->head) < 2 * (ring.mask + 1) &&
	       waitpid(child, NULL, WNOHANG) == 0)
		nanosleep(&nap, NULL);
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	atomic_store(&finished, true);
	if (live) {
		pthread_join(consumer, NULL);
		expect_equal("damaged slots", reader.damaged, 0);
	} else {
		uv_ring_reader_init(&reader, memory, bytes);
		consume(&reader);
	}
	printf("{\"read\": %llu, \"damaged\": %llu, \"lost\": %llu, \"told\": %llu, "
	       "\"untold\": %llu, \"position\": %llu}\n", counted.read, reader.damaged,
	       ring.header->lost_total, counted.told_full + counted.told_missed,
	       ring.header->lost, reader.position);
}

static void set_up_producers(__u64 records, __u64 payload_max, bool interrupts)
{
	unsigned int i;

	for (i = 0; i < producer_count; i++) {
		set_up_producer(i, records, records, payload_max);
		set_up_producer(producer_count + i, 0, interrupts ? records * 4 : 1, payload_max);
	}
	set_up_producer(2 * producer_count, 1, 1, 0);	/* flushes */
	producers[0].tells_misses = true;
}

int main(int argc, char **argv)
{
	__u64 slots, records, payload_max, bytes;
	bool hostile, interrupts;
	void *memory;

	if (argc < 6)
		fail("arguments", argc, 6);
	slots = strtoull(argv[2], NULL, 0);
	producer_count = atoi(argv[3]);
	records = strtoull(argv[4], NULL, 0);
	payload_max = strtoull(argv[5], NULL, 0);
	hostile = argc > 6 && !strcmp(argv[6], "hostile");
	interrupts = argc > 6 && !strcmp(argv[6], "nested");
	if (payload_max > PAYLOAD_MAX || producer_count * 2 + 1 > PRODUCERS_MAX)
		fail("limits", payload_max, producer_count);
	bytes = UV_RING_HEADER_SIZE + slots * UV_RECORD_SIZE;
	memory = allocate_guarded((bytes + PAGE - 1) / PAGE * PAGE);
	if (uv_ring_init(&ring, memory, bytes, atoi(argv[1])))
		fail("uv_ring_init", slots, atoi(argv[1]));
	uv_ring_set_state(&ring, UV_RING_RUNNING);
	set_up_producers(records, payload_max, interrupts);
	if (argc > 6 && !strcmp(argv[6], "killed")) {
		run_killed(memory, bytes, records);
		return 0;
	}
	if (ring.policy == UV_POLICY_OVERWRITE && !hostile)
		run_flight(memory, bytes, records, interrupts);
	else
		run_live(memory, bytes, records, hostile, interrupts);
	check_totals(hostile);
	if (!hostile)
		check_losses_told();
	return 0;
}
