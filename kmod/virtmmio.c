// SPDX-License-Identifier: GPL-2.0
/*
 * The driver's accesses to a virtual function become requests to its model.
 *
 * A posted write is sent and forgotten. A read, and a port write, waits for its
 * completion: it spins, with interrupts as the driver had them, and takes the
 * model's messages itself, so that it needs no interrupt and no other CPU but the
 * model's. It would have to leave the exception that it runs in before it could
 * sleep.
 *
 * The wait is bounded. One that was in vain makes the function dead: a driver that
 * polls would turn it into a lock-up. Whatever is not answered reads all ones.
 */
#include <linux/nmi.h>
#include <linux/sched.h>
#include <linux/sched/clock.h>
#include <linux/slab.h>

#include "links.h"

#define WAIT_BUDGET	4	/* messages between two looks at the answer */

enum uv_request_state {
	UV_REQUEST_FREE,
	UV_REQUEST_WAITING,
	UV_REQUEST_ANSWERED,
	UV_REQUEST_FAILED,		/* everybody's wait has been ended */
};

/**
 * struct uv_request - a request that a CPU waits for, or did lately
 * @tag: 0 before its first use
 * @busy: a CPU has it
 * @state: enum uv_request_state; the answer is written before it
 * @value: of the answer
 * @status: of the answer
 * @length: of the answer
 * @recorded: @record is set
 * @record: of the request, for completions that nobody waits for
 */
struct uv_request {
	u64			tag;
	bool			busy;
	u32			state;
	u64			value;
	enum uv_status		status;
	u32			length;
	bool			recorded;
	struct uv_record	record;
};

/* @lock: of all; taken with take_lock held, and takes none. @next: where to look first */
struct uv_virt_requests {
	raw_spinlock_t		lock;
	unsigned int		next;
	struct uv_request	request[UV_VIRT_TAGS];
};

static u64 uv_ones(u8 width)
{
	return width >= sizeof(u64) ? ~0ULL : (1ULL << (8 * width)) - 1;
}

/* ---- tags ---- */

/* The one that has rested longest, so that a late completion still finds its request. */
static struct uv_request *uv_request_take(struct uv_virt_requests *requests,
					  const struct uv_record *rec)
{
	struct uv_request *request = NULL;
	unsigned long flags;
	unsigned int i;

	raw_spin_lock_irqsave(&requests->lock, flags);
	for (i = 0; i < UV_VIRT_TAGS; i++) {
		struct uv_request *next = &requests->request[requests->next];

		requests->next = (requests->next + 1) % UV_VIRT_TAGS;
		if (next->busy)
			continue;
		request = next;
		request->busy = true;
		request->tag = uv_new_tag();
		request->state = UV_REQUEST_WAITING;
		request->recorded = rec;
		if (rec)
			request->record = *rec;
		break;
	}
	raw_spin_unlock_irqrestore(&requests->lock, flags);
	return request;
}

/* Done with; what comes for it now comes too late, or twice. */
static void uv_request_rest(struct uv_virt_requests *requests, struct uv_request *request)
{
	unsigned long flags;

	raw_spin_lock_irqsave(&requests->lock, flags);
	if (request->state == UV_REQUEST_WAITING)
		request->state = UV_REQUEST_FAILED;
	request->busy = false;
	raw_spin_unlock_irqrestore(&requests->lock, flags);
}

static struct uv_request *uv_request_find(struct uv_virt_requests *requests, u64 tag)
{
	unsigned int i;

	for (i = 0; i < UV_VIRT_TAGS; i++)
		if (requests->request[i].tag == tag)
			return &requests->request[i];
	return NULL;
}

/* ---- completions ---- */

/* A completion that nobody waits for: too late, a second one, or of no request at all. */
static void uv_completion_unexpected(struct uv_virt *virt, const struct uv_record *of, u64 tag,
				     enum uv_status status, u64 value, u32 length)
{
	const struct pci_dev *pdev = READ_ONCE(virt->pdev);
	const struct uv_function *fn;
	struct uv_record rec;

	if (!uv_recording() || !pdev)
		return;
	rcu_read_lock();
	fn = uv_function_of(&pdev->dev);
	if (fn) {
		uv_event(&rec, of ? of->kind : UV_KIND_MMIO_READ, fn);
		rec.flags = of ? of->flags & UV_FLAG_WRITE : 0;
		rec.tid = 0;
		rec.phase = UV_PHASE_COMPLETION;
		rec.status = status;
		rec.tag = tag;
		rec.value = value;
		rec.length = length;
		rec.access.bar = UV_BAR_NONE;
		if (of) {
			rec.address = of->address;
			rec.access = of->access;
		}
		uv_emit(&rec, NULL, 0);
	}
	rcu_read_unlock();
}

bool uv_virtmmio_complete(struct uv_virt *virt, u64 tag, enum uv_status status, u64 value,
			  u32 length)
{
	struct uv_virt_requests *requests = virt->requests;
	struct uv_request *request;
	struct uv_record of;
	unsigned long flags;
	bool known = false;

	raw_spin_lock_irqsave(&requests->lock, flags);
	request = tag ? uv_request_find(requests, tag) : NULL;
	if (request && request->busy && request->state == UV_REQUEST_WAITING) {
		request->value = value;
		request->status = status;
		request->length = length;
		/* pairs with the acquire in uv_request_wait() */
		smp_store_release(&request->state, UV_REQUEST_ANSWERED);
		raw_spin_unlock_irqrestore(&requests->lock, flags);
		return true;
	}
	if (request && request->recorded) {
		of = request->record;
		known = true;
	}
	raw_spin_unlock_irqrestore(&requests->lock, flags);
	uv_completion_unexpected(virt, known ? &of : NULL, tag, status, value, length);
	return false;
}

void uv_virtmmio_fail_all(struct uv_virt *virt)
{
	struct uv_virt_requests *requests = virt->requests;
	unsigned long flags;
	unsigned int i;

	raw_spin_lock_irqsave(&requests->lock, flags);
	for (i = 0; i < UV_VIRT_TAGS; i++) {
		struct uv_request *request = &requests->request[i];

		if (request->busy && request->state == UV_REQUEST_WAITING)
			smp_store_release(&request->state, UV_REQUEST_FAILED);
	}
	raw_spin_unlock_irqrestore(&requests->lock, flags);
}

/* ---- waiting ---- */

/*
 * Waiters on every CPU would keep a model on this machine from running at all. A
 * preemptible one lets it: this is preemption, which the exception and the RCU
 * section around it stand where RCU is preemptible, not sleep.
 */
static void uv_let_model_run(const struct uv_link *link)
{
	if (IS_ENABLED(CONFIG_PREEMPT_RCU) && link->local && preemptible())
		cond_resched();
}

/* Spin until there is an answer, or there will be none. */
static void uv_request_wait(struct uv_virt *virt, struct uv_request *request)
{
	u64 deadline = local_clock() + READ_ONCE(virt->timeout_ns);
	struct uv_link *link = virt->link;
	bool expired = false;

	uv_link_poll_begin(link);
	/* acquire: the answer goes before its state */
	while (smp_load_acquire(&request->state) == UV_REQUEST_WAITING) {
		if (!uv_virt_alive(virt))
			break;	/* it died before this request was there to be failed */
		uv_link_take(link, WAIT_BUDGET, true);
		if (local_clock() > deadline) {
			if (expired) {
				uv_virt_die(virt, UV_REASON_TIMEOUT);
				break;
			}
			expired = true;	/* a last look, should this CPU have been away */
		}
		touch_nmi_watchdog();
		uv_let_model_run(link);
		cpu_relax();
	}
	uv_link_poll_end(link);
}

/* A tag, waited for if all are taken; NULL: the function is dead. */
static struct uv_request *uv_request_get(struct uv_virt *virt, const struct uv_record *rec)
{
	u64 deadline = local_clock() + READ_ONCE(virt->timeout_ns);
	struct uv_request *request;

	while (uv_virt_alive(virt)) {
		request = uv_request_take(virt->requests, rec);
		if (request)
			return request;
		uv_link_take(virt->link, WAIT_BUDGET, true);
		if (local_clock() > deadline)
			uv_virt_die(virt, UV_REASON_TIMEOUT);
		touch_nmi_watchdog();
		cpu_relax();
	}
	return NULL;
}

/* ---- accesses ---- */

/* It decodes what its BAR says, which need not be what was mapped: software can move it. */
static bool uv_bar_is_on(struct uv_virt *virt, u8 bar)
{
	u16 where = PCI_BASE_ADDRESS_0 + 4 * bar;
	u64 mapped, address;
	u32 low;

	if (bar >= PCI_STD_NUM_BARS)
		return uv_virtconfig_memory_on(virt);
	mapped = READ_ONCE(virt->bar_address[bar]);
	low = uv_virtconfig_get(virt, where, 4);
	if (low & PCI_BASE_ADDRESS_SPACE_IO)
		return (low & PCI_BASE_ADDRESS_IO_MASK) == mapped && uv_virtconfig_io_on(virt);
	address = low & (u32)PCI_BASE_ADDRESS_MEM_MASK;
	if (low & PCI_BASE_ADDRESS_MEM_TYPE_64)
		address |= (u64)uv_virtconfig_get(virt, where + 4, 4) << 32;
	return address == mapped && uv_virtconfig_memory_on(virt);
}

static bool uv_bar_is_io(struct uv_virt *virt, u8 bar)
{
	return bar < PCI_STD_NUM_BARS &&
	       uv_virtconfig_get(virt, PCI_BASE_ADDRESS_0 + 4 * bar, 4) &
	       PCI_BASE_ADDRESS_SPACE_IO;
}

/* An access that was over at once, without the model. */
static void uv_record_whole(struct uv_record *rec, enum uv_status status, u64 value)
{
	if (!rec)
		return;
	rec->phase = UV_PHASE_WHOLE;
	rec->status = status;
	rec->value = value;
	uv_emit(rec, NULL, 0);
}

/* Why an access does not reach the model; UV_STATUS_OK: it does. */
static enum uv_status uv_access_status(struct uv_virt *virt, u8 bar, bool waits)
{
	if (!uv_virt_alive(virt) || !uv_bar_is_on(virt, bar))
		return UV_STATUS_REFUSED;
	if (waits && uv_link_wait_is_vain(virt->link))
		return UV_STATUS_FAILED;
	return UV_STATUS_OK;
}

static void uv_record_completion(const struct uv_record *rec, const struct uv_request *request,
				 enum uv_status status, u64 value, u64 began)
{
	struct uv_record completion = *rec;

	completion.phase = UV_PHASE_COMPLETION;
	completion.status = status;
	completion.tag = request->tag;
	completion.value = value;
	completion.time_ns = began;
	if (status == UV_STATUS_OK)
		completion.length = request->length;
	uv_emit(&completion, NULL, 0);
}

/* A non-posted request and its answer. */
static u64 uv_request_and_wait(struct uv_virt *virt, struct uv_record *rec,
			       struct uv_message *message, u8 width)
{
	enum uv_status status = UV_STATUS_TIMEOUT;
	struct uv_request *request;
	u64 value = uv_ones(width), began = 0;

	request = uv_request_get(virt, rec);
	if (!request) {
		uv_record_whole(rec, UV_STATUS_REFUSED, value);
		return value;
	}
	message->tag = request->tag;
	if (rec) {
		began = uv_clock();
		rec->phase = UV_PHASE_REQUEST;
		rec->tag = request->tag;
	}
	if (uv_link_send_recorded(virt->link, message, NULL, 0, UV_CREDIT_NONPOSTED, rec)) {
		uv_request_rest(virt->requests, request);
		if (rec)
			rec->tag = 0;
		uv_record_whole(rec, UV_STATUS_REFUSED, value);
		return value;
	}
	uv_request_wait(virt, request);
	/* acquire: as in uv_request_wait() */
	if (smp_load_acquire(&request->state) == UV_REQUEST_ANSWERED) {
		status = request->status;
		if (status == UV_STATUS_OK)
			value = request->value & uv_ones(width);
	}
	if (rec)
		uv_record_completion(rec, request, status,
				     message->type == UV_MSG_WRITE ? message->value : value,
				     began);
	uv_request_rest(virt->requests, request);
	return value;
}

u64 uv_virtmmio_read(struct uv_virt *virt, struct uv_record *rec, u8 bar, u64 offset, u8 width)
{
	struct uv_message message = {
		.type = UV_MSG_READ, .bar = bar, .address = offset, .length = width,
	};
	enum uv_status status = uv_access_status(virt, bar, true);
	u64 value;

	if (status == UV_STATUS_REFUSED) {
		uv_record_whole(rec, status, uv_ones(width));
		return ~0ULL;
	}
	if (uv_virtirq_table(virt, bar, offset, width, false, &value)) {
		uv_record_whole(rec, UV_STATUS_OK, value);
		return value;
	}
	if (status != UV_STATUS_OK) {
		uv_record_whole(rec, status, uv_ones(width));
		return ~0ULL;
	}
	return uv_request_and_wait(virt, rec, &message, width);
}

void uv_virtmmio_write(struct uv_virt *virt, struct uv_record *rec, u8 bar, u64 offset, u8 width,
		       u64 value)
{
	struct uv_message message = {
		.type = UV_MSG_WRITE, .bar = bar, .address = offset, .length = width,
		.value = value & uv_ones(width),
	};
	bool io = uv_bar_is_io(virt, bar);
	enum uv_status status = uv_access_status(virt, bar, io);

	if (rec)
		rec->value = message.value;
	if (status != UV_STATUS_OK) {
		uv_record_whole(rec, status, message.value);
		return;
	}
	if (io) {
		uv_request_and_wait(virt, rec, &message, width);
		return;
	}
	if (rec)
		rec->phase = UV_PHASE_POSTED;
	if (uv_virtirq_table(virt, bar, offset, width, true, &value)) {
		if (rec)
			uv_emit(rec, NULL, 0);
		return;
	}
	if (uv_link_send_recorded(virt->link, &message, NULL, 0, UV_CREDIT_POSTED, rec))
		uv_record_whole(rec, UV_STATUS_REFUSED, message.value);
}

/* ---- life ---- */

int uv_virtmmio_init(struct uv_virt *virt)
{
	virt->requests = kzalloc(sizeof(*virt->requests), GFP_KERNEL);
	if (!virt->requests)
		return -ENOMEM;
	raw_spin_lock_init(&virt->requests->lock);
	return 0;
}

void uv_virtmmio_exit(struct uv_virt *virt)
{
	kfree(virt->requests);
	virt->requests = NULL;
}
