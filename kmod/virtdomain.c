// SPDX-License-Identifier: GPL-2.0
/*
 * The interrupt controllers of virtual functions: a domain for INTx lines, one for
 * MSI and MSI-X. Handlers run from an irq_work, in hard interrupt context, on RT too.
 */
#include <linux/interrupt.h>
#include <linux/irq.h>
#include <linux/mm.h>

#include "virtirq.h"

/* Times that a line interrupts again before it pauses for a tick. */
#define LINE_BURST	64

static struct irq_domain *uv_intx_domain;
static struct irq_domain *uv_msi_domain;
static struct fwnode_handle *uv_msi_fwnode;

/* ---- to the CPU ---- */

static void uv_vector_elsewhere(void *data)
{
	struct uv_vector *vector = data;

	irq_work_queue(&vector->work);
}

/*
 * Never on the CPU whose model would have to answer them,
 * where it runs beside us (interrupts are off, so that CPU stays what it is).
 */
void uv_vector_kick(struct uv_vector *vector)
{
	unsigned int here = raw_smp_processor_id(), cpu;

	if (uv_link_on_model_cpu(vector->virt->link)) {
		cpu = cpumask_any_but(cpu_online_mask, here);
		/* busy: it is on its way already */
		if (cpu < nr_cpu_ids) {
			smp_call_function_single_async(cpu, &vector->elsewhere);
			return;
		}
	}
	irq_work_queue(&vector->work);
}

static void uv_vector_deliver(struct irq_work *work)
{
	struct uv_vector *vector = container_of(work, struct uv_vector, work);
	irq_hw_number_t hwirq = READ_ONCE(vector->hwirq);
	unsigned int irq = hwirq ? irq_find_mapping(uv_msi_domain, hwirq - 1) : 0;

	if (irq)
		generic_handle_irq(irq);
}

static void uv_line_deliver(struct irq_work *work)
{
	struct uv_virt *virt = container_of(work, struct uv_vector, work)->virt;
	struct uv_virt_interrupts *interrupts = virt->interrupts;
	bool due;

	raw_spin_lock(&interrupts->lock);
	due = interrupts->line && !interrupts->masked && uv_virt_alive(virt);
	raw_spin_unlock(&interrupts->lock);
	if (due)
		generic_handle_irq(interrupts->irq);
}

static void uv_vector_init(struct uv_vector *vector, struct uv_virt *virt,
			   void (*deliver)(struct irq_work *work))
{
	vector->work = IRQ_WORK_INIT_HARD(deliver);
	INIT_CSD(&vector->elsewhere, uv_vector_elsewhere, vector);
	vector->virt = virt;
	vector->table[TABLE_CONTROL] = TABLE_MASKED;
}

/* ---- the interrupt controllers ---- */

static void uv_irq_ack(struct irq_data *data)
{
}

static int uv_irq_set_affinity(struct irq_data *data, const struct cpumask *mask, bool force)
{
	irq_data_update_effective_affinity(data, mask);
	return IRQ_SET_MASK_OK_DONE;
}

static void uv_line_mask(struct irq_data *data)
{
	struct uv_virt_interrupts *interrupts = uv_virts[data->hwirq]->interrupts;
	unsigned long irq_flags;

	raw_spin_lock_irqsave(&interrupts->lock, irq_flags);
	interrupts->masked = true;
	raw_spin_unlock_irqrestore(&interrupts->lock, irq_flags);
}

/*
 * A level: still asserted, it interrupts again. Whether it ever stops is up to the
 * model, so a CPU gets time for other things after some of them.
 */
static void uv_line_unmask(struct irq_data *data)
{
	struct uv_virt *virt = uv_virts[data->hwirq];
	struct uv_virt_interrupts *interrupts = virt->interrupts;
	unsigned long irq_flags;

	raw_spin_lock_irqsave(&interrupts->lock, irq_flags);
	interrupts->masked = false;
	if (!interrupts->line || !uv_virt_alive(virt))
		goto out;
	if (interrupts->repeats++ < LINE_BURST)
		uv_vector_kick(&interrupts->intx);
	else
		schedule_delayed_work(&interrupts->resume, 1);
out:
	raw_spin_unlock_irqrestore(&interrupts->lock, irq_flags);
}

static void uv_line_resume(struct work_struct *work)
{
	struct uv_virt_interrupts *interrupts =
		container_of(work, struct uv_virt_interrupts, resume.work);
	unsigned long irq_flags;

	raw_spin_lock_irqsave(&interrupts->lock, irq_flags);
	interrupts->repeats = 0;
	if (interrupts->line && !interrupts->masked)
		uv_vector_kick(&interrupts->intx);
	raw_spin_unlock_irqrestore(&interrupts->lock, irq_flags);
}

static struct irq_chip uv_intx_chip = {
	.name			= "uvbus-INTx",
	.irq_ack		= uv_irq_ack,
	.irq_mask		= uv_line_mask,
	.irq_unmask		= uv_line_unmask,
	.irq_set_affinity	= uv_irq_set_affinity,
};

static int uv_line_map(struct irq_domain *domain, unsigned int irq, irq_hw_number_t hwirq)
{
	irq_set_chip_and_handler_name(irq, &uv_intx_chip, handle_level_irq, "level");
	irq_set_status_flags(irq, IRQ_LEVEL);
	return 0;
}

static const struct irq_domain_ops uv_intx_ops = {
	.map = uv_line_map,
};

static void uv_msi_compose(struct irq_data *data, struct msi_msg *message)
{
	struct uv_virt *virt = uv_virt_of(to_pci_dev(irq_data_get_msi_desc(data)->dev));
	unsigned int vector = data->hwirq & HWIRQ_VECTOR;

	memset(message, 0, sizeof(*message));
	if (!virt || vector >= virt->interrupts->count)
		return;
	/* + 1: 0 is none, and a number that may be given */
	WRITE_ONCE(virt->interrupts->vectors[vector].hwirq, data->hwirq + 1);
	message->address_lo = MESSAGE_ADDRESS | virt->index << MESSAGE_FUNCTION_SHIFT;
	message->data = vector;
}

static struct irq_chip uv_msi_chip = {
	.name			= "uvbus-MSI",
	.irq_ack		= uv_irq_ack,
	.irq_mask		= pci_msi_mask_irq,
	.irq_unmask		= pci_msi_unmask_irq,
	.irq_compose_msi_msg	= uv_msi_compose,
	.irq_set_affinity	= uv_irq_set_affinity,
};

static struct msi_domain_info uv_msi_info = {
	.flags		= MSI_FLAG_USE_DEF_DOM_OPS | MSI_FLAG_USE_DEF_CHIP_OPS |
			  MSI_FLAG_PCI_MSIX | MSI_FLAG_MULTI_PCI_MSI,
	.chip		= &uv_msi_chip,
	.handler	= handle_edge_irq,
	.handler_name	= "edge",
};

int uv_virtirq_init_domains(void)
{
	uv_intx_domain = irq_domain_create_simple(NULL, UV_VIRT_MAX, 0, &uv_intx_ops, NULL);
	uv_msi_fwnode = irq_domain_alloc_named_fwnode("uvbus-msi");
	if (uv_msi_fwnode)
		uv_msi_domain = pci_msi_create_irq_domain(uv_msi_fwnode, &uv_msi_info, NULL);
	if (uv_intx_domain && uv_msi_domain)
		return 0;
	uv_virtirq_exit_domains();
	return -ENOMEM;
}

void uv_virtirq_exit_domains(void)
{
	if (uv_msi_domain)
		irq_domain_remove(uv_msi_domain);
	if (uv_msi_fwnode)
		irq_domain_free_fwnode(uv_msi_fwnode);
	if (uv_intx_domain)
		irq_domain_remove(uv_intx_domain);
	uv_msi_domain = NULL;
	uv_msi_fwnode = NULL;
	uv_intx_domain = NULL;
}

struct irq_domain *uv_virtirq_msi_domain(void)
{
	return uv_msi_domain;
}

unsigned int uv_virtirq_line(struct uv_virt *virt)
{
	return virt->interrupts->irq;
}

/* ---- life ---- */

/* The function sends nothing more: wait for what is on its way to the handlers. */
static void uv_vectors_free(struct uv_vector *vectors, unsigned int count)
{
	unsigned int i;

	/*
	 * Twice, as a CPU serves those who wait first: what was queued before has
	 * been served when it comes to the second.
	 */
	kick_all_cpus_sync();
	kick_all_cpus_sync();
	for (i = 0; i < count; i++)
		irq_work_sync(&vectors[i].work);
	kvfree(vectors);
}

int uv_virtirq_install(struct uv_virt *virt)
{
	struct uv_virt_interrupts *interrupts = virt->interrupts;
	unsigned int i, n = max(uv_msi_count(virt), uv_msix_count(virt)), old_count;
	struct uv_vector *vectors = NULL, *old;
	unsigned long irq_flags;

	if (n) {
		vectors = kvcalloc(n, sizeof(*vectors), GFP_KERNEL);
		if (!vectors)
			return -ENOMEM;
	}
	for (i = 0; i < n; i++)
		uv_vector_init(&vectors[i], virt, uv_vector_deliver);
	raw_spin_lock_irqsave(&interrupts->lock, irq_flags);
	old = interrupts->vectors;
	old_count = interrupts->count;
	interrupts->vectors = vectors;
	interrupts->count = n;
	interrupts->asserted = false;
	interrupts->line = false;
	raw_spin_unlock_irqrestore(&interrupts->lock, irq_flags);
	if (old)
		uv_vectors_free(old, old_count);
	return 0;
}

int uv_virtirq_init(struct uv_virt *virt)
{
	struct uv_virt_interrupts *interrupts = kzalloc(sizeof(*interrupts), GFP_KERNEL);

	if (!interrupts)
		return -ENOMEM;
	raw_spin_lock_init(&interrupts->lock);
	interrupts->masked = true;	/* until it is requested */
	INIT_DELAYED_WORK(&interrupts->resume, uv_line_resume);
	uv_vector_init(&interrupts->intx, virt, uv_line_deliver);
	virt->interrupts = interrupts;
	interrupts->irq = irq_create_mapping(uv_intx_domain, virt->index);
	return interrupts->irq ? 0 : -ENOMEM;
}

void uv_virtirq_exit(struct uv_virt *virt)
{
	struct uv_virt_interrupts *interrupts = virt->interrupts;

	if (!interrupts)
		return;
	uv_vectors_free(interrupts->vectors, interrupts->count);
	/* a handler that still runs could have it resumed: first the line, then its interrupt */
	cancel_delayed_work_sync(&interrupts->resume);
	irq_work_sync(&interrupts->intx.work);
	cancel_delayed_work_sync(&interrupts->resume);
	if (interrupts->irq)
		irq_dispose_mapping(interrupts->irq);
	kfree(interrupts);
	virt->interrupts = NULL;
}
