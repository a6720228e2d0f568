/* SPDX-License-Identifier: GPL-2.0 */
/* Between irq.c (handlers) and vector.c (vectors, and the table of hooks). */
#ifndef _UVBUS_VECTOR_H
#define _UVBUS_VECTOR_H

#include <linux/interrupt.h>
#include <linux/irq.h>

#include "wrap.h"

/* Hooks whose function is not exported: they are called through uv_hook.original. */
enum uv_irq_hook_index {
	UV_HOOK_THREAD,
	UV_HOOK_FORCED_THREAD,
	UV_HOOK_MSI_RELEASE,
	UV_IRQ_HOOKS_STATIC,
};

irqreturn_t uv_irq_thread_fn(struct irq_desc *desc, struct irqaction *action);
irqreturn_t uv_irq_forced_thread_fn(struct irq_desc *desc, struct irqaction *action);
int uv_request_threaded_irq(unsigned int irq, irq_handler_t primary, irq_handler_t thread,
			    unsigned long irq_flags, const char *name, void *dev_id);
const void *uv_free_irq(unsigned int irq, void *dev_id);

#endif /* _UVBUS_VECTOR_H */
