// SPDX-License-Identifier: GPL-2.0
/*
 * Interrupts of virtual functions: INTx as a level, MSI and MSI-X with their masks
 * and pending bits. The MSI-X table and PBA are here, as the function's would be.
 *
 * A message is recorded when it is delivered; the handlers run from an irq_work,
 * in hard interrupt context, on RT too.
 */
#include <linux/interrupt.h>
#include <linux/irq.h>
#include <linux/irq_work.h>
#include <linux/irqdomain.h>
#include <linux/mm.h>
#include <linux/msi.h>
#include <linux/rcupdate.h>
#include <linux/smp.h>

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
};

static struct irq_domain *uv_intx_domain;
static struct irq_domain *uv_msi_domain;
static struct fwnode_handle *uv_msi_fwnode;

/* ---- what is enabled ---- */

enum uv_mode { UV_MODE_INTX, UV_MODE_MSI, UV_MODE_MSIX };

static u16 uv_msi_control(struct uv_virt *virt)
{
	u16 msi = virt->config.images.msi;

	return msi ? uv_virtconfig_get(virt, msi + PCI_MSI_FLAGS, 2) : 0;
}

static u16 uv_msix_control(struct uv_virt *virt)
{
	u16 msix = virt->config.images.msix;

	return msix ? uv_virtconfig_get(virt, msix + PCI_MSIX_FLAGS, 2) : 0;
}

static enum uv_mode uv_mode(struct uv_virt *virt)
{
	if (uv_msix_control(virt) & PCI_MSIX_FLAGS_ENABLE)
		return UV_MODE_MSIX;
	return uv_msi_control(virt) & PCI_MSI_FLAGS_ENABLE ? UV_MODE_MSI : UV_MODE_INTX;
}

static u16 uv_msi_mask_register(struct uv_virt *virt)
{
	return virt->config.images.msi +
	       (uv_msi_control(virt) & PCI_MSI_FLAGS_64BIT ? PCI_MSI_MASK_64 : PCI_MSI_MASK_32);
}

static u32 uv_msi_masked(struct uv_virt *virt)
{
	if (!(uv_msi_control(virt) & PCI_MSI_FLAGS_MASKBIT))
		return 0;
	return uv_virtconfig_get(virt, uv_msi_mask_register(virt), 4);
}

/* Vectors that software has enabled, a power of two. */
static unsigned int uv_msi_enabled(struct uv_virt *virt)
{
	unsigned int log = (uv_msi_control(virt) & PCI_MSI_FLAGS_QSIZE) >> 4;

	return min(1U << min(log, 5U), max(virt->interrupts->count, 1U));
}

static unsigned int uv_msix_count(const struct uv_virt *virt)
{
	const struct uv_virt_images *images = &virt->config.images;

	return images->msix ? ((images->values[images->msix + PCI_MSIX_FLAGS] |
				images->values[images->msix + PCI_MSIX_FLAGS + 1] << 8) &
			       PCI_MSIX_FLAGS_QSIZE) + 1 : 0;
}

static unsigned int uv_msi_count(const struct uv_virt *virt)
{
	const struct uv_virt_images *images = &virt->config.images;

	return images->msi ? 1U << ((images->values[images->msi + PCI_MSI_FLAGS] &
				     PCI_MSI_FLAGS_QMASK) >> 1) : 0;
}

/* Address and data that software has programmed for a vector. */
static void uv_message_of(struct uv_virt *virt, enum uv_mode mode, unsigned int vector,
			  u64 *address, u32 *data)
{
	u16 msi = virt->config.images.msi;
	const u32 *entry;

	if (mode == UV_MODE_MSIX) {
		entry = virt->interrupts->vectors[vector].table;
		*address = (u64)entry[1] << 32 | entry[0];
		*data = entry[2];
		return;
	}
	*address = uv_virtconfig_get(virt, msi + PCI_MSI_ADDRESS_LO, 4);
	if (uv_msi_control(virt) & PCI_MSI_FLAGS_64BIT) {
		*address |= (u64)uv_virtconfig_get(virt, msi + PCI_MSI_ADDRESS_HI, 4) << 32;
		*data = uv_virtconfig_get(virt, msi + PCI_MSI_DATA_64, 2);
	} else {
		*data = uv_virtconfig_get(virt, msi + PCI_MSI_DATA_32, 2);
	}
	*data = (*data & ~(uv_msi_enabled(virt) - 1)) | vector;
}

/* ---- records; under the lock, or at least with interrupts off ---- */

static void uv_interrupt_record(struct uv_virt *virt, enum uv_kind kind, enum uv_status status,
				u16 vector, u64 address, u32 data, u32 flags)
{
	struct pci_dev *pdev = READ_ONCE(virt->pdev);
	const struct uv_function *fn;
	struct uv_record rec;

	if (!uv_recording() || !pdev)
		return;
	rcu_read_lock();
	fn = uv_function_of(&pdev->dev);
	if (fn) {
		uv_event(&rec, kind, fn);
		rec.status = status;
		rec.flags |= flags;
		rec.address = address;
		rec.length = kind == UV_KIND_MSI || kind == UV_KIND_MSIX ? 4 : 0;
		rec.value = data;
		rec.bus.requester = pci_dev_id(pdev);
		rec.bus.vector = vector;
		rec.bus.message_address = address;
		rec.bus.message_data = data;
		uv_emit(&rec, NULL, 0);
	}
	rcu_read_unlock();
}

/* ---- to the CPU ---- */

static void uv_vector_elsewhere(void *data)
{
	struct uv_vector *vector = data;

	irq_work_queue(&vector->work);
}

/*
 * Have the handlers called. Never on the CPU whose model would have to answer them,
 * where it runs beside us (interrupts are off, so that CPU stays what it is).
 */
static void uv_vector_kick(struct uv_vector *vector)
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

/* ---- sending; under the lock ---- */

static bool uv_can_send(struct uv_virt *virt)
{
	return uv_virt_alive(virt) && uv_virtconfig_master(virt);
}

static bool uv_vector_masked(struct uv_virt *virt, enum uv_mode mode, unsigned int vector)
{
	if (mode == UV_MODE_MSI)
		return uv_msi_masked(virt) >> vector & 1;
	return uv_msix_control(virt) & PCI_MSIX_FLAGS_MASKALL ||
	       virt->interrupts->vectors[vector].table[TABLE_CONTROL] & TABLE_MASKED;
}

static void uv_set_pending(struct uv_virt *virt, enum uv_mode mode, unsigned int vector,
			   bool pending)
{
	u16 where;

	virt->interrupts->vectors[vector].pending = pending;
	if (mode != UV_MODE_MSI || !(uv_msi_control(virt) & PCI_MSI_FLAGS_MASKBIT))
		return;
	where = uv_msi_mask_register(virt) + 4;
	uv_virtconfig_change(virt, where, 4, BIT(vector), pending ? BIT(vector) : 0);
}

/* Which vector a message of this function is for by what it says, or -1. */
static int uv_vector_of_message(struct uv_virt *virt, u64 address, u32 data)
{
	u64 mine = MESSAGE_ADDRESS | (u64)virt->index << MESSAGE_FUNCTION_SHIFT;

	return address == mine && data < virt->interrupts->count ? data : -1;
}

static void uv_vector_send(struct uv_virt *virt, enum uv_mode mode, unsigned int vector,
			   u32 flags)
{
	u64 address;
	u32 data;
	int target;

	uv_set_pending(virt, mode, vector, false);
	uv_message_of(virt, mode, vector, &address, &data);
	target = uv_vector_of_message(virt, address, data);
	uv_interrupt_record(virt, mode == UV_MODE_MSIX ? UV_KIND_MSIX : UV_KIND_MSI,
			    target < 0 ? UV_STATUS_UNSUPPORTED : UV_STATUS_OK, vector, address,
			    data, flags);
	if (target >= 0)
		uv_vector_kick(&virt->interrupts->vectors[target]);
}

static void uv_line_update(struct uv_virt *virt)
{
	struct uv_virt_interrupts *interrupts = virt->interrupts;
	u16 disabled = uv_virtconfig_get(virt, PCI_COMMAND, 2) & PCI_COMMAND_INTX_DISABLE;
	bool line = interrupts->asserted && !disabled && uv_mode(virt) == UV_MODE_INTX;

	uv_virtconfig_change(virt, PCI_STATUS, 2, PCI_STATUS_INTERRUPT,
			     interrupts->asserted ? PCI_STATUS_INTERRUPT : 0);
	if (line == interrupts->line)
		return;
	interrupts->line = line;
	uv_interrupt_record(virt, line ? UV_KIND_INTX_ASSERT : UV_KIND_INTX_DEASSERT,
			    UV_STATUS_OK, 0, 0, 0, 0);
	if (line && !interrupts->masked)
		uv_vector_kick(&interrupts->intx);
}

static void uv_send_pending(struct uv_virt *virt, enum uv_mode mode)
{
	unsigned int i, n = mode == UV_MODE_MSI ? uv_msi_enabled(virt) : uv_msix_count(virt);

	if (!uv_can_send(virt))
		return;
	for (i = 0; i < min(n, virt->interrupts->count); i++)
		if (virt->interrupts->vectors[i].pending && !uv_vector_masked(virt, mode, i))
			uv_vector_send(virt, mode, i, 0);
}

void uv_virtirq_config_changed(struct uv_virt *virt)
{
	enum uv_mode mode;
	unsigned long irq_flags;

	raw_spin_lock_irqsave(&virt->interrupts->lock, irq_flags);
	mode = uv_mode(virt);
	uv_line_update(virt);
	if (mode != UV_MODE_INTX)
		uv_send_pending(virt, mode);
	raw_spin_unlock_irqrestore(&virt->interrupts->lock, irq_flags);
}

/* ---- what the model asks for ---- */

static void uv_raise_message(struct uv_virt *virt, enum uv_mode mode, u16 vector, u32 flags)
{
	unsigned int has = mode == UV_MODE_MSIX ? uv_msix_count(virt) : uv_msi_count(virt);

	if (vector >= has || vector >= virt->interrupts->count) {
		uv_interrupt_record(virt, mode == UV_MODE_MSIX ? UV_KIND_MSIX : UV_KIND_MSI,
				    UV_STATUS_REFUSED, vector, 0, 0, flags);
		return;
	}
	if (mode == UV_MODE_MSI)	/* fewer than asked for: they are shared */
		vector &= uv_msi_enabled(virt) - 1;
	if (uv_can_send(virt) && !uv_vector_masked(virt, mode, vector))
		uv_vector_send(virt, mode, vector, flags);
	else
		uv_set_pending(virt, mode, vector, true);
}

void uv_virtirq_raise(struct uv_virt *virt, u16 vector, u32 flags)
{
	struct uv_virt_interrupts *interrupts = virt->interrupts;
	unsigned long irq_flags;
	enum uv_mode mode;

	raw_spin_lock_irqsave(&interrupts->lock, irq_flags);
	mode = uv_mode(virt);
	if (!uv_virt_alive(virt)) {
		uv_interrupt_record(virt, mode == UV_MODE_MSIX ? UV_KIND_MSIX :
				    mode == UV_MODE_MSI ? UV_KIND_MSI : UV_KIND_INTX_ASSERT,
				    UV_STATUS_REFUSED, vector, 0, 0, flags);
	} else if (mode != UV_MODE_INTX) {
		uv_raise_message(virt, mode, vector, flags);
	} else {
		interrupts->asserted = true;
		uv_line_update(virt);
	}
	raw_spin_unlock_irqrestore(&interrupts->lock, irq_flags);
}

void uv_virtirq_intx(struct uv_virt *virt, bool assert)
{
	struct uv_virt_interrupts *interrupts = virt->interrupts;
	unsigned long irq_flags;
	bool refused;

	raw_spin_lock_irqsave(&interrupts->lock, irq_flags);
	refused = !uv_virt_alive(virt) || uv_mode(virt) != UV_MODE_INTX ||
		  !virt->config.images.values[PCI_INTERRUPT_PIN] ||
		  uv_virtconfig_get(virt, PCI_COMMAND, 2) & PCI_COMMAND_INTX_DISABLE;
	if (!assert || !refused) {
		interrupts->asserted = assert;
		uv_line_update(virt);
	} else {
		uv_interrupt_record(virt, UV_KIND_INTX_ASSERT, UV_STATUS_REFUSED, 0, 0, 0, 0);
	}
	raw_spin_unlock_irqrestore(&interrupts->lock, irq_flags);
}

/* The vector that software has programmed this message for, whether enabled or not; -1: none. */
static int uv_programmed_vector(struct uv_virt *virt, enum uv_mode mode, u64 address, u32 data)
{
	unsigned int i, n = mode == UV_MODE_MSIX ? uv_msix_count(virt) :
			    virt->config.images.msi ? uv_msi_enabled(virt) : 0;
	u64 expected_address;
	u32 expected_data;

	for (i = 0; i < min(n, virt->interrupts->count); i++) {
		uv_message_of(virt, mode, i, &expected_address, &expected_data);
		if (expected_address == address && expected_data == data)
			return i;
	}
	return -1;
}

void uv_virtirq_message(struct uv_virt *virt, u64 address, u32 data, u32 flags)
{
	struct uv_virt_interrupts *interrupts = virt->interrupts;
	unsigned long irq_flags;
	enum uv_mode mode;
	bool good = false;
	int vector, target;

	raw_spin_lock_irqsave(&interrupts->lock, irq_flags);
	mode = uv_mode(virt);
	/* sent though not enabled: by the capability that it has */
	if (mode == UV_MODE_INTX)
		vector = uv_programmed_vector(virt, virt->config.images.msix ? UV_MODE_MSIX :
					      UV_MODE_MSI, address, data);
	else
		vector = uv_programmed_vector(virt, mode, address, data);
	target = uv_vector_of_message(virt, address, data);
	good = vector >= 0 && target >= 0 && mode != UV_MODE_INTX && uv_can_send(virt) &&
	       !uv_vector_masked(virt, mode, vector);
	uv_interrupt_record(virt, mode == UV_MODE_MSIX || (mode == UV_MODE_INTX &&
			    virt->config.images.msix) ? UV_KIND_MSIX : UV_KIND_MSI,
			    good ? UV_STATUS_OK : UV_STATUS_REFUSED,
			    vector >= 0 ? vector : data & HWIRQ_VECTOR, address, data, flags);
	if (good)
		uv_vector_kick(&interrupts->vectors[target]);
	raw_spin_unlock_irqrestore(&interrupts->lock, irq_flags);
}

/* ---- the MSI-X table and PBA ---- */

static u64 uv_table_read(const struct uv_virt_interrupts *interrupts, u64 offset, u8 width)
{
	u64 value = 0;
	u32 entry = offset / PCI_MSIX_ENTRY_SIZE, byte = offset % PCI_MSIX_ENTRY_SIZE;

	memcpy(&value, (const u8 *)interrupts->vectors[entry].table + byte,
	       min_t(u32, width, PCI_MSIX_ENTRY_SIZE - byte));
	return value;
}

/* Dwords and pairs of them: the specification leaves anything else undefined. */
static void uv_table_write(struct uv_virt *virt, u64 offset, u8 width, u64 value)
{
	unsigned int vector = offset / PCI_MSIX_ENTRY_SIZE;
	u32 *entry = virt->interrupts->vectors[vector].table;
	u32 dword = offset % PCI_MSIX_ENTRY_SIZE / 4;

	if (width < 4 || offset % width)
		return;
	entry[dword] = lower_32_bits(value);
	if (width == 8)
		entry[dword + 1] = upper_32_bits(value);
	entry[0] &= ~3U;
	entry[TABLE_CONTROL] &= TABLE_MASKED;
	if (uv_mode(virt) == UV_MODE_MSIX && virt->interrupts->vectors[vector].pending &&
	    uv_can_send(virt) && !uv_vector_masked(virt, UV_MODE_MSIX, vector))
		uv_vector_send(virt, UV_MODE_MSIX, vector, 0);
}

static u64 uv_pba_read(const struct uv_virt_interrupts *interrupts, u64 offset, u8 width)
{
	unsigned int bit, first = offset * 8;
	u64 value = 0;

	for (bit = 0; bit < width * 8U && first + bit < interrupts->count; bit++)
		if (interrupts->vectors[first + bit].pending)
			value |= BIT_ULL(bit);
	return value;
}

/* Is it an access to the structure that a location register of the capability points at? */
static bool uv_in_structure(const struct uv_virt *virt, u16 reg, u32 length, u8 bar, u64 *offset)
{
	const struct uv_virt_images *images = &virt->config.images;
	u32 location, start;

	memcpy(&location, images->values + images->msix + reg, sizeof(location));
	start = location & PCI_MSIX_TABLE_OFFSET;
	if (bar != (location & PCI_MSIX_TABLE_BIR) || *offset < start || *offset - start >= length)
		return false;
	*offset -= start;
	return true;
}

bool uv_virtirq_table(struct uv_virt *virt, u8 bar, u64 offset, u8 width, bool write, u64 *value)
{
	struct uv_virt_interrupts *interrupts = virt->interrupts;
	unsigned int count = uv_msix_count(virt);
	unsigned long irq_flags;
	bool table, pba;

	if (!count)
		return false;
	table = uv_in_structure(virt, PCI_MSIX_TABLE, count * PCI_MSIX_ENTRY_SIZE, bar, &offset);
	pba = !table && uv_in_structure(virt, PCI_MSIX_PBA, DIV_ROUND_UP(count, 64) * 8, bar,
					&offset);
	if (!table && !pba)
		return false;
	raw_spin_lock_irqsave(&interrupts->lock, irq_flags);
	if (count > interrupts->count) {	/* the function is being replaced */
		if (!write)
			*value = ~0ULL;
	} else if (write) {
		if (table)
			uv_table_write(virt, offset, width, *value);
	} else {
		*value = table ? uv_table_read(interrupts, offset, width) :
				 uv_pba_read(interrupts, offset, width);
	}
	raw_spin_unlock_irqrestore(&interrupts->lock, irq_flags);
	return true;
}

void uv_virtirq_reset(struct uv_virt *virt)
{
	struct uv_virt_interrupts *interrupts = virt->interrupts;
	unsigned long irq_flags;
	unsigned int i;

	raw_spin_lock_irqsave(&interrupts->lock, irq_flags);
	interrupts->asserted = false;
	interrupts->line = false;
	for (i = 0; i < interrupts->count; i++) {
		interrupts->vectors[i].pending = false;
		memset(interrupts->vectors[i].table, 0, sizeof(interrupts->vectors[i].table));
		interrupts->vectors[i].table[TABLE_CONTROL] = TABLE_MASKED;
	}
	raw_spin_unlock_irqrestore(&interrupts->lock, irq_flags);
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

/* A level: still asserted, it interrupts again. */
static void uv_line_unmask(struct irq_data *data)
{
	struct uv_virt *virt = uv_virts[data->hwirq];
	struct uv_virt_interrupts *interrupts = virt->interrupts;
	unsigned long irq_flags;

	raw_spin_lock_irqsave(&interrupts->lock, irq_flags);
	interrupts->masked = false;
	if (interrupts->line && uv_virt_alive(virt))
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
	irq_work_sync(&interrupts->intx.work);
	if (interrupts->irq)
		irq_dispose_mapping(interrupts->irq);
	kfree(interrupts);
	virt->interrupts = NULL;
}
