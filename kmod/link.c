// SPDX-License-Identifier: GPL-2.0
/*
 * The kernel's end of a link: sends in order of issue, takes in order, one
 * message after the other, on whatever CPU looks first.
 *
 * Taking: whoever holds take_lock takes; who finds it held leaves a mark, which
 * its holder sees before it goes. Interrupts are off while it is held, and it is
 * given up between messages, so that a handler that waits for the model on the
 * same CPU can take by itself. What needs to sleep goes to a worker, and the
 * link stands still until that is done.
 *
 * Sending: messages have three classes, and the last slots of the ring are kept
 * for those that must be able to pass the others: posted requests go where
 * reads must wait, completions go where posted requests must wait.
 */
#include <linux/nmi.h>
#include <linux/sched/clock.h>
#include <linux/slab.h>

#include "links.h"

/* Messages taken at one go: bounds the time in an interrupt handler. */
#define DRAIN_BUDGET	64
#define SPIN_BUDGET	8

struct workqueue_struct *uv_link_workers;

/* Slots that a class leaves free. */
static u32 uv_link_kept(const struct uv_link *link, enum uv_credit credit)
{
	switch (credit) {
	case UV_CREDIT_NONPOSTED:
		return link->geometry.slots / 4;
	case UV_CREDIT_POSTED:
		return link->geometry.slots / 8;
	default:
		return 0;
	}
}

u32 uv_link_data_max(const struct uv_link *link)
{
	return uv_link_data_bytes(&link->geometry);
}

bool uv_link_wait_is_vain(const struct uv_link *link)
{
	return link->local &&
	       (current->tgid == READ_ONCE(link->model) || num_online_cpus() < 2);
}

/* Called by virtirq.c, mostly while a message is carried out: then by_waiter is this CPU's. */
bool uv_link_on_model_cpu(const struct uv_link *link)
{
	return link->local &&
	       (READ_ONCE(link->by_waiter) || current->tgid == READ_ONCE(link->model));
}

/* ---- state ---- */

void uv_link_set_state(struct uv_link *link, enum uv_link_state state,
		       enum uv_link_reason reason)
{
	unsigned long flags;

	raw_spin_lock_irqsave(&link->send_lock, flags);
	WRITE_ONCE(link->state, state);
	if (link->header) {
		WRITE_ONCE(link->header->reason, reason);
		WRITE_ONCE(link->header->timeout_ns, link->virt->timeout_ns);
		smp_store_release(&link->header->state, state);	/* reason goes before it */
		uv_link_notify(link, UV_SIGNAL_STATE);
	}
	raw_spin_unlock_irqrestore(&link->send_lock, flags);
}

void uv_link_dead(struct uv_link *link, enum uv_link_reason reason)
{
	if (!uv_link_attached(link))
		return;
	pr_warn_ratelimited("link %u is dead (reason %u)\n", link->index, reason);
	uv_link_set_state(link, UV_LINK_DEAD, reason);
}

void uv_link_attach(struct uv_link *link)
{
	struct uv_message welcome = { .type = UV_MSG_WELCOME };
	unsigned long flags;

	raw_spin_lock_irqsave(&link->send_lock, flags);
	welcome.value = ++link->generation;
	link->send_number = 0;
	if (link->header)
		WRITE_ONCE(link->header->generation, link->generation);
	raw_spin_unlock_irqrestore(&link->send_lock, flags);
	uv_link_set_state(link, UV_LINK_ATTACHED, UV_REASON_NONE);
	uv_link_send(link, &welcome, NULL, 0, UV_CREDIT_COMPLETION);
}

void uv_link_set_memory(struct uv_link *link, struct uv_link_header *header,
			const struct uv_link_geometry *geometry)
{
	unsigned long flags;

	/* Not raced for: a holder is done within a message's time. */
	raw_spin_lock_irqsave(&link->take_lock, flags);
	raw_spin_lock(&link->send_lock);
	if (header) {
		link->geometry = *geometry;
		uv_link_kernel_end(header, geometry, &link->send, &link->take);
	}
	WRITE_ONCE(link->header, header);
	WRITE_ONCE(link->state, UV_LINK_ABSENT);
	link->reads_count = 0;
	raw_spin_unlock(&link->send_lock);
	raw_spin_unlock_irqrestore(&link->take_lock, flags);
}

/* ---- sending ---- */

int uv_link_try_send(struct uv_link *link, struct uv_message *message, const void *data,
		     u32 length, enum uv_credit credit, struct uv_record *rec)
{
	unsigned long flags;
	int err = -EPIPE;
	u32 wanted;
	s64 room;

	raw_spin_lock_irqsave(&link->send_lock, flags);
	if (!link->header || !uv_link_attached(link))
		goto out;
	err = -EPROTO;
	wanted = 1 + uv_link_kept(link, credit);
	room = uv_link_room(&link->send, wanted);
	if (room < 0)
		goto out;
	err = -EAGAIN;
	if (room < wanted)
		goto out;
	err = 0;
	if (rec)
		uv_emit_irqs_off(rec, data, length);
	message->number = link->send_number++;
	message->time_ns = ktime_get_mono_fast_ns();
	uv_link_put(&link->send, message, data, length);
	if (uv_link_publish(&link->send))
		uv_link_notify(link, UV_SIGNAL_MESSAGES);
out:
	raw_spin_unlock_irqrestore(&link->send_lock, flags);
	return err;
}

int uv_link_send_recorded(struct uv_link *link, struct uv_message *message, const void *data,
			  u32 length, enum uv_credit credit, struct uv_record *rec)
{
	struct uv_virt *virt = link->virt;
	u64 deadline = 0;
	int err;

	for (;;) {
		err = uv_link_try_send(link, message, data, length, credit, rec);
		if (err != -EAGAIN)
			break;
		if (!deadline)
			deadline = local_clock() + virt->timeout_ns;
		if (local_clock() > deadline || uv_link_wait_is_vain(link)) {
			uv_virt_die(virt, UV_REASON_TIMEOUT);
			return -ETIMEDOUT;
		}
		/* the model may be waiting for room itself */
		uv_link_take(link, SPIN_BUDGET, true);
		touch_nmi_watchdog();
		cpu_relax();
	}
	if (err == -EPROTO) {
		uv_virt_die(virt, UV_REASON_OVERRUN);
		err = -EPIPE;
	}
	return err;
}

int uv_link_send(struct uv_link *link, struct uv_message *message, const void *data, u32 length,
		 enum uv_credit credit)
{
	return uv_link_send_recorded(link, message, data, length, credit, NULL);
}

/* ---- taking ---- */

/* Nothing to take: ask to be told of the next message, unless somebody looks anyway. */
static bool uv_link_idle(struct uv_link *link)
{
	if (atomic_read(&link->pollers)) {
		uv_link_disarm(&link->take);
		return false;
	}
	return uv_link_arm(&link->take);
}

/* One message. True: there may be more. */
static bool uv_link_take_one(struct uv_link *link, enum uv_link_reason *fault)
{
	if (!link->header || link->held || READ_ONCE(link->state) == UV_LINK_ABSENT)
		return false;
	if (!uv_link_answer_reads(link) && link->reads_count == UV_LINK_READS)
		return false;
	/* Looked at anew: another model may have come, and started from where this end is. */
	link->take.head = link->take.tail;
	switch (uv_link_next(&link->take, &link->message)) {
	case 0:
		return uv_link_idle(link);
	case 1:
		break;
	default:
		if (uv_link_attached(link))
			*fault = UV_REASON_OVERRUN;
		uv_link_idle(link);	/* the next model puts it right, and says so */
		return false;
	}
	*fault = uv_link_carry_out(link);
	uv_link_taken(&link->take);
	if (uv_link_free(&link->take)) {
		raw_spin_lock(&link->send_lock);
		uv_link_notify(link, UV_SIGNAL_MESSAGES);
		raw_spin_unlock(&link->send_lock);
	}
	return true;
}

bool uv_link_take(struct uv_link *link, unsigned int budget, bool waiter)
{
	enum uv_link_reason fault;
	unsigned long flags;
	bool more;

	WRITE_ONCE(link->again, true);
	do {
		fault = UV_REASON_NONE;
		smp_mb();	/* again, then the lock; pairs with that after unlocking */
		local_irq_save(flags);
		if (!raw_spin_trylock(&link->take_lock)) {
			local_irq_restore(flags);
			return false;	/* its holder sees `again` */
		}
		WRITE_ONCE(link->again, false);
		smp_mb();	/* a mark that this has wiped away was set before this look */
		WRITE_ONCE(link->by_waiter, waiter);
		more = uv_link_take_one(link, &fault);
		WRITE_ONCE(link->by_waiter, false);
		/* before a HELLO behind it is taken: that is of another model */
		if (fault != UV_REASON_NONE)
			uv_virt_die(link->virt, fault);
		raw_spin_unlock_irqrestore(&link->take_lock, flags);
		smp_mb();	/* unlocking, then `again`: pairs with the first one */
		more |= READ_ONCE(link->again);
	} while (more && --budget);
	return more;
}

void uv_link_drain(struct uv_link *link)
{
	if (uv_link_take(link, DRAIN_BUDGET, false))
		queue_work(uv_link_workers, &link->drain_work);
}

static void uv_link_drain_work(struct work_struct *work)
{
	struct uv_link *link = container_of(work, struct uv_link, drain_work);

	uv_link_drain(link);
	cond_resched();
}

void uv_link_poll_begin(struct uv_link *link)
{
	atomic_inc(&link->pollers);
	smp_mb__after_atomic();	/* before the look that disarms */
}

/* The last one asks for notification again, and sees what came meanwhile. */
void uv_link_poll_end(struct uv_link *link)
{
	if (atomic_dec_and_test(&link->pollers))
		uv_link_drain(link);
}

/* ---- life ---- */

struct uv_link *uv_link_new(unsigned int index, bool local, u64 timeout_ns)
{
	struct uv_link *link = kzalloc(sizeof(*link), GFP_KERNEL);
	struct uv_virt *virt;

	if (!link)
		return ERR_PTR(-ENOMEM);
	link->index = index;
	link->local = local;
	link->default_timeout_ns = timeout_ns;
	raw_spin_lock_init(&link->send_lock);
	raw_spin_lock_init(&link->take_lock);
	INIT_WORK(&link->control_work, uv_link_control);
	INIT_WORK(&link->drain_work, uv_link_drain_work);
	init_waitqueue_head(&link->queue);
	virt = uv_virt_new(index, link);
	if (IS_ERR(virt)) {
		kfree(link);
		return ERR_CAST(virt);
	}
	virt->timeout_ns = timeout_ns;
	link->virt = virt;
	return link;
}

/* Nobody reaches it from its home any more. */
void uv_link_free_link(struct uv_link *link)
{
	uv_link_set_memory(link, NULL, NULL);
	cancel_work_sync(&link->control_work);
	cancel_work_sync(&link->drain_work);
	link->virt->link = NULL;
	kfree(link);
}
