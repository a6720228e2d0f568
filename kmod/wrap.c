// SPDX-License-Identifier: GPL-2.0
/* What the wrappers share: nested calls, extents of kernel functions. */
#include <linux/hash.h>
#include <linux/preempt.h>
#include <linux/sched.h>
#include <linux/spinlock.h>

#include "wrap.h"

#define NEST_BITS	6

/*
 * Marks are on the stacks of those inside; a bucket's lock is held for a few
 * instructions, nothing is taken inside it. Raw, with interrupts off: entered
 * from hard interrupts and under other raw locks.
 */
struct uv_nest_bucket {
	raw_spinlock_t		lock;
	struct hlist_head	marks;
};

static struct uv_nest_bucket uv_nest_buckets[1 << NEST_BITS] = {
	[0 ... (1 << NEST_BITS) - 1] = {
		.lock = __RAW_SPIN_LOCK_UNLOCKED(uv_nest_buckets.lock),
	},
};

/* An interrupt on top of a task is not inside the task's calls. */
static unsigned int uv_nest_context(void)
{
	return preempt_count() & (HARDIRQ_MASK | SOFTIRQ_OFFSET);
}

static struct uv_nest_bucket *uv_nest_bucket(void)
{
	return &uv_nest_buckets[hash_ptr(current, NEST_BITS)];
}

static bool uv_nest_find(const struct uv_nest_bucket *bucket, enum uv_nest_class class)
{
	const struct uv_nest *nest;

	hlist_for_each_entry(nest, &bucket->marks, node)
		if (nest->task == current && nest->class == class &&
		    nest->context == uv_nest_context())
			return true;
	return false;
}

bool uv_nest_enter(struct uv_nest *nest, enum uv_nest_class class)
{
	struct uv_nest_bucket *bucket = uv_nest_bucket();
	unsigned long irq_flags;
	bool outermost;

	nest->task = current;
	nest->context = uv_nest_context();
	nest->class = class;
	raw_spin_lock_irqsave(&bucket->lock, irq_flags);
	outermost = !uv_nest_find(bucket, class);
	hlist_add_head(&nest->node, &bucket->marks);
	raw_spin_unlock_irqrestore(&bucket->lock, irq_flags);
	return outermost;
}

void uv_nest_exit(struct uv_nest *nest)
{
	struct uv_nest_bucket *bucket = uv_nest_bucket();
	unsigned long irq_flags;

	raw_spin_lock_irqsave(&bucket->lock, irq_flags);
	hlist_del(&nest->node);
	raw_spin_unlock_irqrestore(&bucket->lock, irq_flags);
}

bool uv_nested(enum uv_nest_class class)
{
	struct uv_nest_bucket *bucket = uv_nest_bucket();
	unsigned long irq_flags;
	bool found;

	raw_spin_lock_irqsave(&bucket->lock, irq_flags);
	found = uv_nest_find(bucket, class);
	raw_spin_unlock_irqrestore(&bucket->lock, irq_flags);
	return found;
}

typedef int uv_size_offset_fn(unsigned long address, unsigned long *size,
			      unsigned long *offset);
UV_ORIGINAL(kallsyms_lookup_size_offset, uv_size_offset_fn)

bool uv_text_extent(const char *name, unsigned long *start, unsigned long *end)
{
	static bool bound;	/* under uv_mutex */
	unsigned long size, offset;
	void *lookup;

	lockdep_assert_held(&uv_mutex);
	if (!bound) {
		lookup = uv_kernel_symbol("kallsyms_lookup_size_offset");
		if (!lookup)
			return false;
		kallsyms_lookup_size_offset_bind(lookup);
		bound = true;
	}
	*start = (unsigned long)uv_kernel_symbol(name);
	if (!*start ||
	    !static_call(kallsyms_lookup_size_offset_original)(*start, &size, &offset))
		return false;
	*end = *start + size;
	return true;
}
