/* SPDX-License-Identifier: GPL-2.0 */
/* Between irq.c (handlers) and vector.c (vectors, and the table of hooks). */
#ifndef _UVBUS_VECTOR_H
#define _UVBUS_VECTOR_H

#include <linux/interrupt.h>
#include <linux/irq.h>

#include "wrap.h"

typedef irqreturn_t uv_thread_fn(struct irq_desc *desc, struct irqaction *action);

/* irq.c: wrappers, and what binds those whose function is not exported */
uv_thread_fn uv_irq_thread_fn, uv_irq_forced_thread_fn;
void irq_thread_fn_bind(void *original);
void irq_forced_thread_fn_bind(void *original);
int uv_request_threaded_irq(unsigned int irq, irq_handler_t primary, irq_handler_t thread,
			    unsigned long irq_flags, const char *name, void *dev_id);
const void *uv_free_irq(unsigned int irq, void *dev_id);

#endif /* _UVBUS_VECTOR_H */
