// SPDX-License-Identifier: GPL-2.0
/*
 * Interrupts as the CPU sees them: registration of handlers, and their runs.
 * Vectors: vector.c.
 *
 * Runs are told by the irq tracepoints, and by the two functions that a
 * handler's thread calls. A shared line has handlers of several functions, so
 * every registration of a selected function is remembered. Who registers says
 * it: an MSI names its device; of INTx the driver data, the handler's module and
 * the caller are evidence.
 */
#include <linux/hashtable.h>
#include <linux/interrupt.h>
#include <linux/irq.h>
#include <linux/irqdesc.h>
#include <linux/msi.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/tracepoint.h>

#include "memory.h"
#include "vector.h"

/* Handlers that interrupt each other on one CPU; Linux has not nested them for years. */
#define RUNS_MAX	4

/* Looked up under RCU in hard interrupts; changed under uv_handlers_lock. */
struct uv_handler {
	struct hlist_node	node;
	struct rcu_head		rcu;
	const void		*dev_id;
	const struct device	*dev;	/* only compared; NULL: of no selected function */
	unsigned int		irq;
	u16			vector;
	u8			type;
	bool			earlier;	/* found at its first run, not at its request */
	unsigned long		irq_flags;
	irq_handler_t		primary;
	irq_handler_t		thread;
};

/* A traced handler that runs on this CPU; interrupts are off or it is nested properly. */
struct uv_run {
	const struct irqaction	*action;
	u64			tag;
	u64			start;
};

struct uv_runs {
	unsigned int	depth;
	struct uv_run	runs[RUNS_MAX];
};

static DEFINE_HASHTABLE(uv_handlers, 8);
/* Process context only; nothing is taken inside. */
static DEFINE_SPINLOCK(uv_handlers_lock);
static DEFINE_PER_CPU(struct uv_runs, uv_runs);
/* By function index: it was said that a shared line could not be told apart. */
static DECLARE_BITMAP(uv_ambiguity_told, UV_FUNCTIONS_MAX);

/* ---- whose handler is it ---- */

static bool uv_handler_msi(struct uv_handler *handler)
{
	struct irq_data *data = irq_get_irq_data(handler->irq);
	struct msi_desc *desc = data ? irq_data_get_msi_desc(data) : NULL;
	const struct uv_function *fn;

	if (!desc)
		return false;
	fn = uv_function_of(desc->dev);
	if (!fn)
		return true;	/* an MSI, but of a function that is not selected */
	handler->dev = desc->dev;
	handler->type = desc->pci.msi_attrib.is_msix ? UV_IRQ_MSIX : UV_IRQ_MSI;
	/* one descriptor serves all messages of plain MSI */
	handler->vector = desc->msi_index + (handler->irq - desc->irq);
	return true;
}

/* Evidence that a handler of a line is a function's: the more, the surer. */
static unsigned int uv_handler_evidence(const struct uv_handler *handler,
					const struct uv_function *fn)
{
	/* on whatever line: IDE in compatibility mode has two of its own */
	if (handler->dev_id && pci_get_drvdata(fn->pdev) == handler->dev_id)
		return 2;
	if (fn->pdev->irq != handler->irq)
		return 0;
	if ((handler->primary && uv_in_driver(fn, (unsigned long)handler->primary)) ||
	    (handler->thread && uv_in_driver(fn, (unsigned long)handler->thread)))
		return 1;
	return !handler->earlier && uv_driver_frame(fn) ? 1 : 0;
}

static void uv_handler_ambiguous(const struct uv_function *fn)
{
	if (uv_recording() && !test_and_set_bit(fn->index, uv_ambiguity_told))
		uv_loss(UV_LOSS_HOOK_MISSED, fn, 0, 0, 0,
			"handler-enter: several functions of one driver share the line");
}

static void uv_handler_intx(struct uv_handler *handler)
{
	const struct uv_function *fn, *owner = NULL;
	unsigned int i, evidence, best = 0;
	bool tie = false;

	for (i = 0; i < READ_ONCE(uv_function_count); i++) {
		fn = rcu_dereference(uv_functions[i]);
		if (!fn)
			continue;
		evidence = uv_handler_evidence(handler, fn);
		if (!evidence || evidence < best)
			continue;
		tie = evidence == best;
		best = evidence;
		owner = fn;
	}
	if (!owner)
		return;
	if (tie) {
		uv_handler_ambiguous(owner);
		return;
	}
	handler->dev = &owner->pdev->dev;
	handler->type = owner->pdev->irq == handler->irq ? UV_IRQ_INTX : UV_IRQ_OTHER;
}

/* Under RCU. Sets dev (NULL: not ours), type, vector. */
static void uv_handler_resolve(struct uv_handler *handler)
{
	if (!uv_handler_msi(handler))
		uv_handler_intx(handler);
}

/* ---- the registry ---- */

static unsigned long uv_handler_key(unsigned int irq, const void *dev_id)
{
	return (unsigned long)dev_id ^ irq;
}

static struct uv_handler *uv_handler_of(unsigned int irq, const void *dev_id)
{
	struct uv_handler *handler;

	hash_for_each_possible_rcu(uv_handlers, handler, node, uv_handler_key(irq, dev_id),
				   lockdep_is_held(&uv_handlers_lock))
		if (handler->irq == irq && handler->dev_id == dev_id)
			return handler;
	return NULL;
}

/* Remember what is about to be registered, if it is a selected function's. */
static bool uv_handler_add(struct uv_handler *handler)
{
	struct uv_handler *kept;

	rcu_read_lock();
	uv_handler_resolve(handler);
	rcu_read_unlock();
	if (!handler->dev)
		return false;
	kept = kmemdup(handler, sizeof(*handler), GFP_KERNEL);
	if (!kept) {
		if (uv_recording())
			uv_loss(UV_LOSS_HOOK_MISSED, NULL, 0, 0, 0, "handler-enter: no memory");
		return false;
	}
	spin_lock(&uv_handlers_lock);
	hash_add_rcu(uv_handlers, &kept->node, uv_handler_key(kept->irq, kept->dev_id));
	spin_unlock(&uv_handlers_lock);
	return true;
}

/* The newest first, if a driver has registered the same twice. */
static void uv_handler_remove(unsigned int irq, const void *dev_id)
{
	struct uv_handler *handler;

	spin_lock(&uv_handlers_lock);
	handler = uv_handler_of(irq, dev_id);
	if (handler)
		hash_del_rcu(&handler->node);
	spin_unlock(&uv_handlers_lock);
	if (handler)
		kfree_rcu(handler, rcu);
}

/* A copy of the registration that a running action has; false: not ours. Under RCU. */
static bool uv_handler_running(const struct irqaction *action, struct uv_handler *copy)
{
	const struct uv_handler *known = uv_handler_of(action->irq, action->dev_id);

	if (known) {
		*copy = *known;
		copy->primary = action->handler;
		copy->thread = action->thread_fn;
		return true;
	}
	*copy = (struct uv_handler) {
		.irq = action->irq, .dev_id = action->dev_id, .earlier = true,
		.irq_flags = action->flags, .primary = action->handler,
		.thread = action->thread_fn,
	};
	uv_handler_resolve(copy);
	return copy->dev;
}

/* ---- records ---- */

static void uv_irq_event(struct uv_record *rec, enum uv_kind kind, const struct uv_function *fn,
			 const struct uv_handler *handler)
{
	uv_event(rec, kind, fn);
	if (handler->earlier)
		rec->flags |= UV_FLAG_EARLIER;
	rec->irq.irq = handler->irq;
	rec->irq.vector = handler->vector;
	rec->irq.type = handler->type;
	rec->irq.shared = !!(handler->irq_flags & IRQF_SHARED);
	rec->irq.irq_flags = handler->irq_flags;
	rec->irq.handler = uv_site((unsigned long)handler->primary, false);
	rec->irq.thread = uv_site((unsigned long)handler->thread, false);
}

static void uv_run_log(const struct uv_function *fn, const struct uv_handler *handler,
		       enum uv_kind kind, const struct uv_run *run, bool threaded, int result)
{
	struct uv_record rec;

	uv_irq_event(&rec, kind, fn, handler);
	if (threaded)
		rec.flags |= UV_FLAG_THREADED;
	rec.tag = run->tag;
	rec.ip = threaded ? rec.irq.thread : rec.irq.handler;
	if (kind == UV_KIND_HANDLER_EXIT) {
		rec.time_ns = run->start;
		rec.irq.result = result;
	}
	uv_emit(&rec, NULL, 0);
}

/* Tell that a handler starts, if it is a traced one; run->tag tells that it was. */
static void uv_run_begin(const struct irqaction *action, struct uv_run *run, bool threaded)
{
	const struct uv_function *fn;
	struct uv_handler handler;

	run->tag = 0;
	if (!uv_recording())
		return;
	rcu_read_lock();
	if (uv_handler_running(action, &handler)) {
		fn = uv_traced(handler.dev);
		if (fn) {
			uv_memory_look(fn, UV_MEMORY_TO_CPU);
			run->action = action;
			run->tag = uv_new_tag();
			run->start = uv_clock();
			uv_run_log(fn, &handler, UV_KIND_HANDLER_ENTER, run, threaded, 0);
		}
	}
	rcu_read_unlock();
}

static void uv_run_end(const struct irqaction *action, const struct uv_run *run, bool threaded,
		       int result)
{
	const struct uv_function *fn;
	struct uv_handler handler;

	rcu_read_lock();
	if (uv_handler_running(action, &handler)) {
		fn = uv_traced(handler.dev);
		if (fn)
			uv_run_log(fn, &handler, UV_KIND_HANDLER_EXIT, run, threaded, result);
	}
	rcu_read_unlock();
}

/* ---- hard interrupts: tracepoints, called with preemption off ---- */

static void uv_on_handler_entry(void *data, int irq, struct irqaction *action)
{
	struct uv_runs *runs = this_cpu_ptr(&uv_runs);
	struct uv_run run;

	uv_run_begin(action, &run, false);
	if (run.tag && runs->depth < RUNS_MAX)
		runs->runs[runs->depth++] = run;
}

static void uv_on_handler_exit(void *data, int irq, struct irqaction *action, int result)
{
	struct uv_runs *runs = this_cpu_ptr(&uv_runs);

	/* not on top: not traced, or it began before the recording */
	if (!runs->depth || runs->runs[runs->depth - 1].action != action)
		return;
	runs->depth--;
	uv_run_end(action, &runs->runs[runs->depth], false, result);
}

static struct tracepoint *uv_point_entry, *uv_point_exit;
static bool uv_points_used;

static void uv_point_find(struct tracepoint *point, void *data)
{
	if (!strcmp(point->name, "irq_handler_entry"))
		uv_point_entry = point;
	else if (!strcmp(point->name, "irq_handler_exit"))
		uv_point_exit = point;
}

int uv_irq_start(void)
{
	int cpu, err;

	for_each_kernel_tracepoint(uv_point_find, NULL);
	if (!uv_point_entry || !uv_point_exit) {
		uv_loss(UV_LOSS_NOT_HOOKED, NULL, 0, 0, 0, "handler-enter: irq_handler_entry");
		return 0;
	}
	bitmap_zero(uv_ambiguity_told, UV_FUNCTIONS_MAX);
	for_each_possible_cpu(cpu)
		per_cpu(uv_runs, cpu).depth = 0;
	err = tracepoint_probe_register(uv_point_exit, uv_on_handler_exit, NULL);
	if (err)
		return err;
	err = tracepoint_probe_register(uv_point_entry, uv_on_handler_entry, NULL);
	if (err) {
		tracepoint_probe_unregister(uv_point_exit, uv_on_handler_exit, NULL);
		tracepoint_synchronize_unregister();
		return err;
	}
	uv_points_used = true;
	return 0;
}

void uv_irq_stop(void)
{
	if (!uv_points_used)
		return;
	tracepoint_probe_unregister(uv_point_entry, uv_on_handler_entry, NULL);
	tracepoint_probe_unregister(uv_point_exit, uv_on_handler_exit, NULL);
	tracepoint_synchronize_unregister();
	uv_points_used = false;
}

/* ---- threaded handlers: the kernel's two callers of thread_fn ---- */

#define UV_DEFINE_THREAD(name)							\
DEFINE_STATIC_CALL_NULL(name##_original, uv_thread_fn);				\
										\
void name##_bind(void *original)						\
{										\
	static_call_update(name##_original, (uv_thread_fn *)original);		\
}										\
										\
irqreturn_t uv_##name(struct irq_desc *desc, struct irqaction *action)		\
{										\
	irqreturn_t result;							\
	struct uv_run run;							\
										\
	uv_hook_enter();							\
	uv_run_begin(action, &run, true);					\
	result = static_call(name##_original)(desc, action);			\
	if (run.tag)								\
		uv_run_end(action, &run, true, result);				\
	uv_hook_exit();								\
	return result;								\
}

UV_DEFINE_THREAD(irq_thread_fn)
UV_DEFINE_THREAD(irq_forced_thread_fn)

/* ---- registration ---- */

static void uv_registration_log(const struct uv_handler *handler, enum uv_kind kind,
				enum uv_phase phase, u64 tag, u64 start, int result,
				unsigned long ip)
{
	const struct uv_function *fn;
	struct uv_record rec;

	rcu_read_lock();
	fn = uv_traced(handler->dev);
	if (fn) {
		uv_irq_event(&rec, kind, fn, handler);
		rec.phase = phase;
		rec.status = result < 0 ? UV_STATUS_FAILED : UV_STATUS_OK;
		rec.time_ns = start;
		rec.tag = tag;
		rec.irq.result = result;
		uv_event_at(&rec, fn, ip, true);
		uv_emit(&rec, NULL, 0);
	}
	rcu_read_unlock();
}

int uv_request_threaded_irq(unsigned int irq, irq_handler_t primary, irq_handler_t thread,
			    unsigned long irq_flags, const char *name, void *dev_id)
{
	struct uv_handler handler = {
		.irq = irq, .dev_id = dev_id, .irq_flags = irq_flags,
		.primary = primary, .thread = thread,
	};
	u64 tag, start;
	int err;

	uv_hook_enter();
	/* before the call, as the first interrupt may come before it returns */
	if (!uv_handler_add(&handler)) {
		err = request_threaded_irq(irq, primary, thread, irq_flags, name, dev_id);
		goto out;
	}
	tag = uv_new_tag();
	start = uv_call_begins();
	uv_registration_log(&handler, UV_KIND_IRQ_REQUEST, UV_PHASE_REQUEST, tag, 0, 0, _RET_IP_);
	err = request_threaded_irq(irq, primary, thread, irq_flags, name, dev_id);
	if (err)
		uv_handler_remove(irq, dev_id);
	uv_registration_log(&handler, UV_KIND_IRQ_REQUEST, UV_PHASE_COMPLETION, tag, start, err,
			    _RET_IP_);
out:
	uv_hook_exit();
	return err;
}

/* What is being freed: as it was registered, or as far as it can still be told. */
static void uv_handler_freed(unsigned int irq, const void *dev_id, struct uv_handler *handler)
{
	const struct uv_handler *known;

	*handler = (struct uv_handler) { .irq = irq, .dev_id = dev_id };
	rcu_read_lock();
	known = uv_handler_of(irq, dev_id);
	if (known) {
		*handler = *known;
	} else if (uv_recording()) {
		uv_handler_resolve(handler);
		handler->earlier = true;
	}
	rcu_read_unlock();
}

const void *uv_free_irq(unsigned int irq, void *dev_id)
{
	struct uv_handler handler;
	const void *name;
	u64 start;

	uv_hook_enter();
	uv_handler_freed(irq, dev_id, &handler);
	start = uv_call_begins();
	name = free_irq(irq, dev_id);	/* waits for running handlers, which are still ours */
	if (handler.dev) {
		uv_handler_remove(irq, dev_id);
		uv_registration_log(&handler, UV_KIND_IRQ_FREE, UV_PHASE_WHOLE, 0, start, 0,
				    _RET_IP_);
	}
	uv_hook_exit();
	return name;
}

void uv_irq_exit(void)
{
	struct uv_handler *handler;
	struct hlist_node *next;
	int bucket;

	hash_for_each_safe(uv_handlers, bucket, next, handler, node) {
		hash_del_rcu(&handler->node);
		kfree_rcu(handler, rcu);
	}
}
