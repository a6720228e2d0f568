// SPDX-License-Identifier: GPL-2.0
/*
 * An event becomes a record in the ring.
 *
 * The clock is read and the slot is taken with interrupts off, so that on one
 * CPU the order in the ring is the order in time, and so that no reader ever
 * waits long for a slot that was taken but is not yet written.
 */
#include <linux/hardirq.h>
#include <linux/irq_work.h>

#include "log.h"

DEFINE_PER_CPU(struct uv_counters, uv_counters);

static atomic64_t uv_tags = ATOMIC64_INIT(0);

u64 uv_new_tag(void)
{
	return atomic64_inc_return(&uv_tags);
}

static u32 uv_context_flags(void)
{
	bool softirq = in_serving_softirq();
	int count = preempt_count();
	u32 flags = 0;

	/*
	 * A kprobe's int3 counts as NMI and as hard interrupt; look through it,
	 * as no real NMI comes here. The interrupt flag is then the handler's.
	 */
	if (in_nmi())
		count -= NMI_OFFSET + HARDIRQ_OFFSET;
	else if (irqs_disabled())
		flags |= UV_FLAG_IRQS_OFF;
	if (count & HARDIRQ_MASK)
		flags |= UV_FLAG_HARDIRQ;
	if (softirq)
		flags |= UV_FLAG_SOFTIRQ;
	return flags;
}

void uv_event(struct uv_record *rec, enum uv_kind kind, const struct uv_function *fn)
{
	memset(rec, 0, sizeof(*rec));
	rec->version = UV_RECORD_VERSION;
	rec->kind = kind;
	rec->phase = UV_PHASE_POSTED;
	rec->flags = uv_context_flags();
	rec->function = fn ? fn->index : UV_FUNCTION_NONE;
	rec->tid = current->pid;
}

void uv_event_at(struct uv_record *rec, const struct uv_function *fn,
		 unsigned long ip, bool is_call)
{
	unsigned long frame;

	rec->ip = uv_site(ip, is_call);
	if (!fn || uv_in_driver(fn, ip))
		return;
	frame = uv_driver_frame(fn);
	if (frame)
		rec->caller = uv_site(frame, true);
}

void uv_emit_irqs_off(struct uv_record *rec, const void *payload, u32 length)
{
	u64 now = uv_clock_irqs_off(), duration;

	if (rec->time_ns) {
		duration = now - rec->time_ns;
		rec->duration_ns = min_t(u64, duration, U32_MAX);
	}
	rec->time_ns = now;
	rec->cpu = raw_smp_processor_id();
	if (uv_ring_write(&uv_ring, rec, payload, length)) {
		uv_count(UV_COUNT_RECORDS);
		uv_ring_wake();	/* the ring's memory stays while interrupts are off */
	}
}

void uv_emit(struct uv_record *rec, const void *payload, u32 length)
{
	unsigned long irq_flags;

	local_irq_save(irq_flags);
	uv_emit_irqs_off(rec, payload, length);
	local_irq_restore(irq_flags);
}

void uv_loss(enum uv_loss_cause cause, const struct uv_function *fn, u64 count,
	     u64 address, u64 length, const char *what)
{
	struct uv_record rec;

	uv_event(&rec, UV_KIND_LOSS, fn);
	rec.value = count;
	rec.address = address;
	rec.length = length;
	rec.meta.topic = cause;
	uv_emit(&rec, what, what ? strlen(what) : 0);
}
