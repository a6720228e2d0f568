// SPDX-License-Identifier: GPL-2.0
/*
 * Interrupts of virtual functions, as functions send them: INTx as a level, MSI and
 * MSI-X with their masks and pending bits. The MSI-X table and PBA are here, as the
 * function's would be. A message is recorded when it is delivered.
 */
#include <linux/rcupdate.h>

#include "virtirq.h"

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

unsigned int uv_msix_count(const struct uv_virt *virt)
{
	const struct uv_virt_images *images = &virt->config.images;

	return images->msix ? ((images->values[images->msix + PCI_MSIX_FLAGS] |
				images->values[images->msix + PCI_MSIX_FLAGS + 1] << 8) &
			       PCI_MSIX_FLAGS_QSIZE) + 1 : 0;
}

unsigned int uv_msi_count(const struct uv_virt *virt)
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
	interrupts->repeats = 0;
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
