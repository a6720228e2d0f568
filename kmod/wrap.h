/* SPDX-License-Identifier: GPL-2.0 */
/* What the wrappers of dma.c, irq.c, life.c and config.c share. */
#ifndef _UVBUS_WRAP_H
#define _UVBUS_WRAP_H

#include <linux/list.h>
#include <linux/rcupdate.h>
#include <linux/static_call.h>

#include "uvbus.h"

/*
 * The function whose events are to be logged now, or NULL. The caller is in an
 * RCU read-side section until it has emitted: stopping waits for those. A
 * wrapper asks again after a call that may sleep, as the recording may have
 * ended and the selection changed meanwhile.
 */
static __always_inline struct uv_function *uv_traced(const struct device *dev)
{
	return uv_recording() ? uv_function_of(dev) : NULL;
}

/* When a call began: 0, and so no duration, unless recording. */
static __always_inline u64 uv_call_begins(void)
{
	return uv_recording() ? uv_clock() : 0;
}

/*
 * Hooked functions call each other: only the call that the driver made is told.
 * A mark says that this context is inside a call of some class.
 */
enum uv_nest_class {
	UV_NEST_POOL,		/* the DMA pool's own allocations */
	UV_NEST_VECTORS,	/* pci_free_irq_vectors() disables MSI-X or MSI */
	UV_NEST_RESET,		/* pci_reset_function() ends in pcie_flr() */
	UV_NEST_POWER,		/* pci_set_power_state() ends in pci_power_up() */
	UV_NEST_CONFIG_RAW,	/* our own config reads, which are not told */
};

struct uv_nest {
	struct hlist_node	node;
	struct task_struct	*task;
	unsigned int		context;	/* interrupt levels of preempt_count() */
	enum uv_nest_class	class;
};

/* Any context but NMI. Returns true if this is the outermost of its class. */
bool uv_nest_enter(struct uv_nest *nest, enum uv_nest_class class);
void uv_nest_exit(struct uv_nest *nest);
bool uv_nested(enum uv_nest_class class);

/*
 * A kernel function that is not exported: UV_ORIGINAL(name, type) defines the
 * static call name_original and name_bind() for its hook. A direct call, as one
 * through a pointer would trap where IBT is on and ENDBR has been sealed.
 */
#define UV_ORIGINAL(name, type)							\
	DEFINE_STATIC_CALL_NULL(name##_original, type);				\
	static void name##_bind(void *original)					\
	{									\
		static_call_update(name##_original, (type *)original);		\
	}

#define UV_HOOK_STATIC(fn, what)						\
	{ .name = #fn, .wrapper = uv_##fn, .kinds = what, .bind = fn##_bind }
#define UV_HOOK_STATIC_OPTIONAL(fn, what)					\
	{ .name = #fn, .wrapper = uv_##fn, .kinds = what, .bind = fn##_bind,	\
	  .optional = true }

/*
 * Where a kernel function's text lies: [*start, *end). False if this kernel
 * does not have it. Under uv_mutex.
 */
bool uv_text_extent(const char *name, unsigned long *start, unsigned long *end);

/*
 * After the hooks are removed, which also waits for config accesses: forget
 * buses, and pools and handlers that are still alive.
 */
void uv_config_exit(void);
void uv_dma_exit(void);
void uv_irq_exit(void);

#endif /* _UVBUS_WRAP_H */
