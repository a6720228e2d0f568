/* SPDX-License-Identifier: GPL-2.0 */
/* Between virtirq.c (what functions send) and virtdomain.c (how the CPU gets it). */
#ifndef _UVBUS_VIRTIRQ_H
#define _UVBUS_VIRTIRQ_H

#include <linux/irq_work.h>
#include <linux/irqdomain.h>
#include <linux/msi.h>
#include <linux/smp.h>
#include <linux/workqueue.h>

#include "virt.h"

/* An address of the local APICs; which one tells the function. */
#define MESSAGE_ADDRESS		0xfee00000U
#define MESSAGE_FUNCTION_SHIFT	12
/* Of the number that the PCI core gives an interrupt in its domain: its vector. */
#define HWIRQ_VECTOR		0x7ff

#define TABLE_MASKED		PCI_MSIX_ENTRY_CTRL_MASKBIT
#define TABLE_CONTROL		(PCI_MSIX_ENTRY_VECTOR_CTRL / 4)

/**
 * struct uv_vector - one MSI or MSI-X vector, or the INTx line
 * @work: calls the handlers
 * @elsewhere: queues @work on another CPU
 * @virt: whose it is
 * @hwirq: in uv_msi_domain, while the message is composed; else 0
 * @table: its MSI-X table entry
 * @pending: raised while it could not be sent (MSI: of its mask, or of bus mastering)
 */
struct uv_vector {
	struct irq_work		work;
	call_single_data_t	elsewhere;
	struct uv_virt		*virt;
	irq_hw_number_t		hwirq;
	u32			table[4];
	bool			pending;
};

/**
 * struct uv_virt_interrupts - of a function
 * @lock: of all below. Taken inside interrupt descriptors' locks; config.lock is
 *	taken inside it
 * @vectors: as many as MSI or MSI-X has, whichever has more
 * @count: of @vectors
 * @intx: the line
 * @asserted: the function wants its INTx asserted (Interrupt Status)
 * @line: Assert_INTx has been sent, and no Deassert_INTx since
 * @masked: the interrupt controller's side of it
 * @irq: Linux interrupt of INTx
 * @repeats: times that the line has interrupted again since it was asserted, or since
 *	@resume has run
 * @resume: goes on interrupting
 */
struct uv_virt_interrupts {
	raw_spinlock_t		lock;
	struct uv_vector	*vectors;
	unsigned int		count;
	struct uv_vector	intx;
	bool			asserted;
	bool			line;
	bool			masked;
	unsigned int		irq;
	unsigned int		repeats;
	struct delayed_work	resume;
};

/* Vectors that a function has by its capabilities. */
unsigned int uv_msi_count(const struct uv_virt *virt);
unsigned int uv_msix_count(const struct uv_virt *virt);

/* Have the handlers called; any context, interrupts off. */
void uv_vector_kick(struct uv_vector *vector);

#endif /* _UVBUS_VIRTIRQ_H */
