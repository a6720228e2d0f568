// SPDX-License-Identifier: GPL-2.0 OR Apache-2.0
/*
 * What a record costs its producer: the trace ring beside its peers.
 *
 *	ring_speed QUEUE PRODUCERS RECORDS PAYLOAD_BYTES [SLOTS RATE]
 *
 * QUEUE: uvring, mutex, spinlock (a ring of the same slots under one lock), ck
 * (Concurrency Kit's bounded multi-producer ring; records without payload), urcu
 * (liburcu's wait-free-enqueue linked queue; nodes from a preallocated array).
 *
 * RECORDS is per producer. The queue has room for everything, so that nothing is
 * dropped and producers never wait for the consumer, which takes records at the same
 * time and checks each one. With SLOTS and RATE (records a second, of all producers)
 * the queue is that small, and producers keep to that rate.
 * Prints: producer CPU ns per record, wall ns per record until all are consumed,
 * records dropped.
 */
#define _GNU_SOURCE
#include <ck_ring.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <urcu/wfcqueue.h>

#include "ring_reader.h"

#define PRODUCERS_MAX	64
#define PAYLOAD_MAX	4096

struct queue {
	const char *name;
	bool takes_payload;
	void (*set_up)(__u64 slots);
	bool (*write)(const struct uv_record *record, const void *payload, __u32 length);
	bool (*read)(struct uv_record *record, void *payload);
};

static void *allocate(__u64 bytes)
{
	void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

	if (memory == MAP_FAILED) {
		perror("mmap");
		exit(1);
	}
	return memory;
}

/* --------------------------------------------------------------------- uvring */

static struct uv_ring uvring;
static struct uv_ring_reader uvring_reader;

static void uvring_set_up(__u64 slots)
{
	__u64 bytes = UV_RING_HEADER_SIZE + slots * UV_RECORD_SIZE;
	void *memory = allocate(bytes);

	if (uv_ring_init(&uvring, memory, bytes, UV_POLICY_DROP) ||
	    uv_ring_reader_init(&uvring_reader, memory, bytes))
		exit(1);
	uv_ring_set_state(&uvring, UV_RING_RUNNING);
}

static bool uvring_write(const struct uv_record *record, const void *payload, __u32 length)
{
	return uv_ring_write(&uvring, record, payload, length);
}

static bool uvring_read(struct uv_record *record, void *payload)
{
	return uv_ring_read(&uvring_reader, record, payload, PAYLOAD_MAX);
}

/* --------------------------------------------------- the same slots under a lock */

static struct {
	pthread_mutex_t mutex;
	pthread_spinlock_t spinlock;
	union uv_slot *slots;
	__u64 mask, head, tail;
} locked = { .mutex = PTHREAD_MUTEX_INITIALIZER };

static void locked_set_up(__u64 slots)
{
	locked.slots = allocate(slots * UV_RECORD_SIZE);
	locked.mask = slots - 1;
	pthread_spin_init(&locked.spinlock, PTHREAD_PROCESS_PRIVATE);
}

static bool locked_put(const struct uv_record *record, const void *payload, __u32 length)
{
	__u64 slots = 1 + (length + UV_RECORD_SIZE - 1) / UV_RECORD_SIZE;
	const __u8 *from = payload;
	struct uv_record *first;

	if (slots > locked.mask + 1 - (locked.head - locked.tail))
		return false;
	first = &locked.slots[locked.head++ & locked.mask].record;
	*first = *record;
	first->payload = length;
	while (length) {
		__u32 part = length < UV_RECORD_SIZE ? length : UV_RECORD_SIZE;

		memcpy(&locked.slots[locked.head++ & locked.mask], from, part);
		from += part;
		length -= part;
	}
	return true;
}

static bool locked_take(struct uv_record *record, __u8 *payload)
{
	__u32 left;

	if (locked.tail == locked.head)
		return false;
	*record = locked.slots[locked.tail++ & locked.mask].record;
	for (left = record->payload; left;) {
		__u32 part = left < UV_RECORD_SIZE ? left : UV_RECORD_SIZE;

		memcpy(payload, &locked.slots[locked.tail++ & locked.mask], part);
		payload += part;
		left -= part;
	}
	return true;
}

static bool mutex_write(const struct uv_record *record, const void *payload, __u32 length)
{
	bool done;

	pthread_mutex_lock(&locked.mutex);
	done = locked_put(record, payload, length);
	pthread_mutex_unlock(&locked.mutex);
	return done;
}

static bool mutex_read(struct uv_record *record, void *payload)
{
	bool done;

	pthread_mutex_lock(&locked.mutex);
	done = locked_take(record, payload);
	pthread_mutex_unlock(&locked.mutex);
	return done;
}

static bool spinlock_write(const struct uv_record *record, const void *payload, __u32 length)
{
	bool done;

	pthread_spin_lock(&locked.spinlock);
	done = locked_put(record, payload, length);
	pthread_spin_unlock(&locked.spinlock);
	return done;
}

static bool spinlock_read(struct uv_record *record, void *payload)
{
	bool done;

	pthread_spin_lock(&locked.spinlock);
	done = locked_take(record, payload);
	pthread_spin_unlock(&locked.spinlock);
	return done;
}

/* ------------------------------------------------------------- Concurrency Kit */

CK_RING_PROTOTYPE(records, uv_record)

static ck_ring_t ck;
static struct uv_record *ck_slots;

static void ck_set_up(__u64 slots)
{
	ck_slots = allocate(slots * sizeof(*ck_slots));
	ck_ring_init(&ck, slots);
}

static bool ck_write(const struct uv_record *record, const void *payload, __u32 length)
{
	struct uv_record copy = *record;	/* its entry parameter isn't const */

	(void)payload;
	(void)length;
	return ck_ring_enqueue_mpsc_records(&ck, ck_slots, &copy);
}

static bool ck_read(struct uv_record *record, void *payload)
{
	(void)payload;
	return ck_ring_dequeue_mpsc_records(&ck, ck_slots, record);
}

/* --------------------------------------------------------------------- liburcu */

struct urcu_node {
	struct cds_wfcq_node link;
	struct uv_record record;
	__u8 payload[];
};

static struct {
	struct cds_wfcq_head head;
	struct cds_wfcq_tail tail;
	__u8 *nodes;
	__u64 bytes;
	_Atomic __u64 used;	/* stands for an allocator; freeing is not counted */
} urcu;

static void urcu_set_up(__u64 slots)
{
	urcu.bytes = 2 * slots * UV_RECORD_SIZE;
	urcu.nodes = allocate(urcu.bytes);
	cds_wfcq_init(&urcu.head, &urcu.tail);
}

static bool urcu_write(const struct uv_record *record, const void *payload, __u32 length)
{
	__u64 size = (sizeof(struct urcu_node) + length + 63) & ~63ULL;
	__u64 at = atomic_fetch_add_explicit(&urcu.used, size, memory_order_relaxed);
	struct urcu_node *node = (struct urcu_node *)(urcu.nodes + at);

	if (at + size > urcu.bytes)
		return false;
	node->record = *record;
	node->record.payload = length;
	memcpy(node->payload, payload, length);
	cds_wfcq_node_init(&node->link);
	cds_wfcq_enqueue(&urcu.head, &urcu.tail, &node->link);
	return true;
}

static bool urcu_read(struct uv_record *record, void *payload)
{
	struct cds_wfcq_node *link = __cds_wfcq_dequeue_nonblocking(&urcu.head, &urcu.tail);
	struct urcu_node *node;

	if (!link || link == CDS_WFCQ_WOULDBLOCK)
		return false;
	node = caa_container_of(link, struct urcu_node, link);
	*record = node->record;
	memcpy(payload, node->payload, record->payload);
	return true;
}

/* ------------------------------------------------------------------- measuring */

static const struct queue queues[] = {
	{ "uvring", true, uvring_set_up, uvring_write, uvring_read },
	{ "mutex", true, locked_set_up, mutex_write, mutex_read },
	{ "spinlock", true, locked_set_up, spinlock_write, spinlock_read },
	{ "ck", false, ck_set_up, ck_write, ck_read },
	{ "urcu", true, urcu_set_up, urcu_write, urcu_read },
};

static const struct queue *queue;
static unsigned int producer_count;
static __u64 records;
static __u32 payload_bytes;
static pthread_barrier_t barrier;
static _Atomic __u64 cpu_ns, dropped;
static __u64 rate;		/* 0: as fast as it goes */

/* Records written between two looks at the clock. */
#define BURST		64

static __u64 now_ns(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return now.tv_sec * 1000000000ULL + now.tv_nsec;
}

/* Sleep until record `number` of a producer is due. */
static void keep_pace(__u64 begun, __u64 number)
{
	__u64 due = begun + number * producer_count * 1000000000ULL / rate;
	struct timespec until = { due / 1000000000, due % 1000000000 };

	clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
}

static void *produce(void *argument)
{
	struct uv_record record = { .kind = UV_KIND_MMIO_WRITE, .tid = (__u32)(unsigned long)argument };
	__u8 payload[PAYLOAD_MAX] = { 0 };
	__u64 start, begun, number;

	pthread_barrier_wait(&barrier);
	begun = now_ns(CLOCK_MONOTONIC);
	start = now_ns(CLOCK_THREAD_CPUTIME_ID);
	for (number = 0; number < records; number++) {
		record.value = number;
		if (!queue->write(&record, payload, payload_bytes))
			dropped++;
		if (rate && number % BURST == BURST - 1)
			keep_pace(begun, number + 1);
	}
	cpu_ns += now_ns(CLOCK_THREAD_CPUTIME_ID) - start;
	return NULL;
}

/* Every record in its producer's order, none missing unheard, or the times mean nothing. */
static void consume(void)
{
	static __u64 next[PRODUCERS_MAX];
	__u8 payload[PAYLOAD_MAX];
	struct uv_record record;
	__u64 all = records * producer_count, seen = 0;

	while (seen + atomic_load(&dropped) < all) {
		if (!queue->read(&record, payload)) {
			sched_yield();
			continue;
		}
		if (record.kind == UV_KIND_LOSS)
			continue;
		if (record.value < next[record.tid] ||
		    (record.value > next[record.tid] && !atomic_load(&dropped))) {
			fprintf(stderr, "ring_speed: %s has lost a record\n", queue->name);
			exit(1);
		}
		next[record.tid] = record.value + 1;
		seen++;
	}
}

static __u64 round_up_to_power_of_two(__u64 value)
{
	__u64 power = 1;

	while (power < value)
		power *= 2;
	return power;
}

int main(int argc, char **argv)
{
	pthread_t threads[PRODUCERS_MAX];
	__u64 start, wall, slots, i;

	if (argc != 5 && argc != 7)
		return 2;
	for (i = 0; i < sizeof(queues) / sizeof(queues[0]); i++)
		if (!strcmp(queues[i].name, argv[1]))
			queue = &queues[i];
	producer_count = atoi(argv[2]);
	records = strtoull(argv[3], NULL, 0);
	payload_bytes = atoi(argv[4]);
	if (!queue || !producer_count || producer_count > PRODUCERS_MAX ||
	    payload_bytes > PAYLOAD_MAX || (payload_bytes && !queue->takes_payload))
		return 2;

	slots = 1 + (payload_bytes + UV_CONTINUATION_BYTES - 1) / UV_CONTINUATION_BYTES;
	slots = slots * records * producer_count + 1;	/* ck holds one less than its size */
	if (argc == 7) {
		slots = strtoull(argv[5], NULL, 0);
		rate = strtoull(argv[6], NULL, 0);
	}
	queue->set_up(round_up_to_power_of_two(slots));
	pthread_barrier_init(&barrier, NULL, producer_count + 1);
	for (i = 0; i < producer_count; i++)
		pthread_create(&threads[i], NULL, produce, (void *)(unsigned long)i);
	pthread_barrier_wait(&barrier);
	start = now_ns(CLOCK_MONOTONIC);
	consume();
	wall = now_ns(CLOCK_MONOTONIC) - start;
	for (i = 0; i < producer_count; i++)
		pthread_join(threads[i], NULL);
	printf("%.2f %.2f %llu\n", (double)cpu_ns / (records * producer_count),
	       (double)wall / (records * producer_count), (unsigned long long)dropped);
	return 0;
}
