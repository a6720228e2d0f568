// SPDX-License-Identifier: GPL-2.0
/*
 * Config space of a virtual function, in the kernel: three images from the model
 * (values at power-on, bits that software can write, bits that writing 1 clears),
 * and what writing does. The model is told of every write; BARs, Command, MSI,
 * MSI-X and power state are the kernel's.
 */
#include <linux/pci.h>
#include <linux/string.h>

#include "virt.h"

#define BAR_LENGTH_MAX		(256ULL << 20)
#define IO_LENGTH_MAX		256
#define CAPABILITIES_MAX	48	/* that fit between 0x40 and 0xff */

static u32 uv_get(const u8 *space, u16 where, u8 size)
{
	u32 value = 0;

	memcpy(&value, space + where, size);	/* x86: little-endian, as config space */
	return value;
}

static void uv_put(u8 *space, u16 where, u8 size, u32 value)
{
	memcpy(space + where, &value, size);
}

/* ---- what the model describes ---- */

int uv_virtconfig_image(struct uv_virt *virt, enum uv_config_image which, u32 offset,
			const void *data, u32 length)
{
	struct uv_virt_images *images = virt->staged;
	u8 *to;

	if (!images || offset > PCI_CFG_SPACE_EXP_SIZE ||
	    length > PCI_CFG_SPACE_EXP_SIZE - offset)
		return -EINVAL;
	switch (which) {
	case UV_IMAGE_VALUES:
		to = images->values;
		break;
	case UV_IMAGE_WRITABLE:
		to = images->writable;
		break;
	case UV_IMAGE_CLEARABLE:
		to = images->clearable;
		break;
	default:
		return -EINVAL;
	}
	memcpy(to + offset, data, length);
	return 0;
}

/* Bits that software can write, and clear by writing ones: whatever the model says. */
static void uv_fix(struct uv_virt_images *images, u16 where, u8 size, u32 writable,
		   u32 clearable)
{
	uv_put(images->writable, where, size, writable);
	uv_put(images->clearable, where, size, clearable);
}

static bool uv_capability_fits(u16 where, u16 length)
{
	return where + length <= PCI_CFG_SPACE_SIZE;
}

static bool uv_check_msi(struct uv_virt_images *images, u16 where)
{
	u16 control = uv_get(images->values, where + PCI_MSI_FLAGS, 2);
	bool wide = control & PCI_MSI_FLAGS_64BIT, maskable = control & PCI_MSI_FLAGS_MASKBIT;
	u16 data = where + (wide ? PCI_MSI_DATA_64 : PCI_MSI_DATA_32);
	u16 mask = where + (wide ? PCI_MSI_MASK_64 : PCI_MSI_MASK_32);
	unsigned int log = (control & PCI_MSI_FLAGS_QMASK) >> 1;

	if (images->msi || log > 5 || !uv_capability_fits(data, maskable ? 12 : 4))
		return false;
	images->msi = where;
	control &= ~(PCI_MSI_FLAGS_ENABLE | PCI_MSI_FLAGS_QSIZE);
	uv_put(images->values, where + PCI_MSI_FLAGS, 2, control);
	uv_fix(images, where + PCI_MSI_FLAGS, 2, PCI_MSI_FLAGS_ENABLE | PCI_MSI_FLAGS_QSIZE, 0);
	uv_fix(images, where + PCI_MSI_ADDRESS_LO, 4, ~3U, 0);
	if (wide)
		uv_fix(images, where + PCI_MSI_ADDRESS_HI, 4, ~0U, 0);
	uv_fix(images, data, 2, 0xffff, 0);
	if (maskable) {
		uv_put(images->values, mask, 4, 0);
		uv_put(images->values, mask + 4, 4, 0);
		uv_fix(images, mask, 4, GENMASK((1U << log) - 1, 0), 0);
		uv_fix(images, mask + 4, 4, 0, 0);
	}
	return true;
}

/* Does a structure of MSI-X lie in a memory BAR? location: offset and BAR, as in the capability. */
static bool uv_in_memory_bar(const struct uv_virt_images *images, u32 location, u32 length)
{
	u32 bar = location & PCI_MSIX_TABLE_BIR, offset = location & PCI_MSIX_TABLE_OFFSET;

	if (bar >= PCI_STD_NUM_BARS ||
	    images->values[PCI_BASE_ADDRESS_0 + 4 * bar] & PCI_BASE_ADDRESS_SPACE_IO)
		return false;
	return (u64)offset + length <= images->bar_length[bar];
}

static bool uv_check_msix(struct uv_virt_images *images, u16 where)
{
	u16 control = uv_get(images->values, where + PCI_MSIX_FLAGS, 2);
	unsigned int vectors = (control & PCI_MSIX_FLAGS_QSIZE) + 1;

	if (images->msix || !uv_capability_fits(where, PCI_CAP_MSIX_SIZEOF))
		return false;
	if (!uv_in_memory_bar(images, uv_get(images->values, where + PCI_MSIX_TABLE, 4),
			      vectors * PCI_MSIX_ENTRY_SIZE) ||
	    !uv_in_memory_bar(images, uv_get(images->values, where + PCI_MSIX_PBA, 4),
			      DIV_ROUND_UP(vectors, 64) * 8))
		return false;
	images->msix = where;
	uv_put(images->values, where + PCI_MSIX_FLAGS, 2, control & PCI_MSIX_FLAGS_QSIZE);
	uv_fix(images, where + PCI_MSIX_FLAGS, 2,
	       PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL, 0);
	uv_fix(images, where + PCI_MSIX_TABLE, 4, 0, 0);
	uv_fix(images, where + PCI_MSIX_PBA, 4, 0, 0);
	return true;
}

static bool uv_check_pm(struct uv_virt_images *images, u16 where)
{
	u32 state;

	if (images->pm || !uv_capability_fits(where, PCI_PM_SIZEOF))
		return false;
	images->pm = where;
	state = uv_get(images->values, where + PCI_PM_CTRL, 2) & ~PCI_PM_CTRL_STATE_MASK;
	uv_put(images->values, where + PCI_PM_CTRL, 2, state);
	uv_fix(images, where + PCI_PM_CTRL, 2, PCI_PM_CTRL_STATE_MASK | PCI_PM_CTRL_PME_ENABLE,
	       PCI_PM_CTRL_PME_STATUS);
	return true;
}

static bool uv_check_exp(struct uv_virt_images *images, u16 where)
{
	u16 control = where + PCI_EXP_DEVCTL;

	/* version 2 structures of an endpoint end behind Link Status 2 and its slot's */
	if (images->exp || !uv_capability_fits(where, PCI_EXP_DEVSTA + 2))
		return false;
	images->exp = where;
	/* Initiate FLR reads as 0: what it does is in uv_virtconfig_write() */
	uv_put(images->writable, control, 2,
	       uv_get(images->writable, control, 2) & ~PCI_EXP_DEVCTL_BCR_FLR);
	uv_put(images->values, control, 2,
	       uv_get(images->values, control, 2) & ~PCI_EXP_DEVCTL_BCR_FLR);
	return true;
}

static bool uv_check_capabilities(struct uv_virt_images *images)
{
	u8 where = images->values[PCI_CAPABILITY_LIST] & ~3;
	unsigned int n;
	bool good = true;

	images->pm = images->msi = images->msix = images->exp = 0;
	if (!(uv_get(images->values, PCI_STATUS, 2) & PCI_STATUS_CAP_LIST))
		return true;
	for (n = 0; where && good; n++) {
		if (n == CAPABILITIES_MAX || where < PCI_STD_HEADER_SIZEOF)
			return false;
		uv_fix(images, where, 2, 0, 0);
		switch (images->values[where]) {
		case PCI_CAP_ID_PM:
			good = uv_check_pm(images, where);
			break;
		case PCI_CAP_ID_MSI:
			good = uv_check_msi(images, where);
			break;
		case PCI_CAP_ID_MSIX:
			good = uv_check_msix(images, where);
			break;
		case PCI_CAP_ID_EXP:
			good = uv_check_exp(images, where);
			break;
		}
		where = images->values[where + PCI_CAP_LIST_NEXT] & ~3;
	}
	return good;
}

/* A BAR's length from its size mask, whose type bits are not writable; 0: no valid one. */
static u64 uv_bar_length(u64 mask, bool io)
{
	u64 length = mask & -mask;

	if (mask != ~(length - 1))
		return 0;
	if (io)
		return length >= 4 && length <= IO_LENGTH_MAX ? length : 0;
	return length >= 16 && length <= BAR_LENGTH_MAX ? length : 0;
}

/* BAR i; true: valid. *wide: it takes the next one too. */
static bool uv_check_bar(struct uv_virt_images *images, unsigned int i, bool *wide)
{
	u16 where = PCI_BASE_ADDRESS_0 + 4 * i;
	u32 type = uv_get(images->values, where, 4), mask = uv_get(images->writable, where, 4);
	bool io = type & PCI_BASE_ADDRESS_SPACE_IO;
	u64 whole;

	type &= io ? 3 : 15;
	mask &= io ? ~3U : ~15U;
	*wide = false;
	images->bar_length[i] = 0;
	if (!mask) {	/* not implemented */
		uv_put(images->values, where, 4, 0);
		uv_fix(images, where, 4, 0, 0);
		return true;
	}
	uv_put(images->values, where, 4, type);
	uv_fix(images, where, 4, mask, 0);
	/* an I/O BAR may decode 16 bits: its upper ones need not be writable */
	whole = io ? mask | ~0xffffULL : mask | ~0xffffffffULL;
	if (!io && (type & PCI_BASE_ADDRESS_MEM_TYPE_MASK) == PCI_BASE_ADDRESS_MEM_TYPE_64) {
		if (i + 1 >= PCI_STD_NUM_BARS)
			return false;
		*wide = true;
		uv_put(images->values, where + 4, 4, 0);
		uv_fix(images, where + 4, 4, ~0U, 0);
		images->bar_length[i + 1] = 0;
	}
	images->bar_length[i] = uv_bar_length(whole, io);
	return images->bar_length[i];
}

static bool uv_check_bars(struct uv_virt_images *images)
{
	unsigned int i;
	bool wide;

	for (i = 0; i < PCI_STD_NUM_BARS; i++) {
		if (!uv_check_bar(images, i, &wide))
			return false;
		i += wide;
	}
	/* an expansion ROM has no model behind it */
	uv_put(images->values, PCI_ROM_ADDRESS, 4, 0);
	uv_fix(images, PCI_ROM_ADDRESS, 4, 0, 0);
	return true;
}

static void uv_fix_header(struct uv_virt_images *images)
{
	u16 command = PCI_COMMAND_MASTER | PCI_COMMAND_PARITY | PCI_COMMAND_SERR |
		      PCI_COMMAND_INTX_DISABLE;
	unsigned int i;

	for (i = 0; i < PCI_STD_NUM_BARS; i++)
		if (images->bar_length[i])
			command |= images->values[PCI_BASE_ADDRESS_0 + 4 * i] &
				   PCI_BASE_ADDRESS_SPACE_IO ? PCI_COMMAND_IO : PCI_COMMAND_MEMORY;
	/* Memory Write and Invalidate, fast back-to-back: if the function has them */
	command |= uv_get(images->writable, PCI_COMMAND, 2) &
		   (PCI_COMMAND_INVALIDATE | PCI_COMMAND_FAST_BACK | PCI_COMMAND_SPECIAL |
		    PCI_COMMAND_VGA_PALETTE | PCI_COMMAND_WAIT);
	uv_put(images->values, PCI_COMMAND, 2, 0);
	uv_fix(images, PCI_COMMAND, 2, command, 0);
	uv_fix(images, PCI_VENDOR_ID, 4, 0, 0);
	uv_fix(images, PCI_CLASS_REVISION, 4, 0, 0);
	uv_fix(images, PCI_HEADER_TYPE, 2, 0, 0);
	uv_fix(images, PCI_SUBSYSTEM_VENDOR_ID, 4, 0, 0);
	uv_fix(images, PCI_CAPABILITY_LIST, 1, 0, 0);
	uv_fix(images, PCI_INTERRUPT_LINE, 2, 0x00ff, 0);
	images->values[PCI_STATUS] &= ~PCI_STATUS_INTERRUPT;
	uv_put(images->writable, PCI_STATUS, 2, 0);
	/* one function only */
	images->values[PCI_HEADER_TYPE] &= ~0x80;
}

enum uv_link_reason uv_virtconfig_check(struct uv_virt_images *images)
{
	u16 vendor = uv_get(images->values, PCI_VENDOR_ID, 2);

	if (!vendor || vendor == 0xffff || images->values[PCI_INTERRUPT_PIN] > 4 ||
	    (images->values[PCI_HEADER_TYPE] & 0x7f) != PCI_HEADER_TYPE_NORMAL)
		return UV_REASON_CONFIG;
	if (!uv_check_bars(images))
		return UV_REASON_BAR;
	if (!uv_check_capabilities(images))
		return UV_REASON_CONFIG;
	uv_fix_header(images);
	return UV_REASON_NONE;
}

bool uv_virtconfig_same(const struct uv_virt *virt, const struct uv_virt_images *images)
{
	return !memcmp(&virt->config.images, images, sizeof(*images));
}

void uv_virtconfig_install(struct uv_virt *virt, const struct uv_virt_images *images)
{
	virt->config.images = *images;
	memcpy(virt->config.values, images->values, sizeof(virt->config.values));
}

bool uv_virtconfig_has_ports(const struct uv_virt_images *images)
{
	unsigned int i;

	for (i = 0; i < PCI_STD_NUM_BARS; i++)
		if (images->bar_length[i] && images->values[PCI_BASE_ADDRESS_0 + 4 * i] &
		    PCI_BASE_ADDRESS_SPACE_IO)
			return true;
	return false;
}

/* ---- the state ---- */

static void uv_reset_values(struct uv_virt *virt)
{
	struct uv_virt_config *config = &virt->config;
	unsigned long irq_flags;

	raw_spin_lock_irqsave(&config->lock, irq_flags);
	memcpy(config->values, config->images.values, sizeof(config->values));
	raw_spin_unlock_irqrestore(&config->lock, irq_flags);
}

void uv_virtconfig_reset(struct uv_virt *virt, bool with_bars)
{
	struct pci_dev *pdev = virt->pdev;
	struct pci_bus_region region;
	unsigned int i;
	u16 where;

	uv_reset_values(virt);
	uv_virtirq_reset(virt);
	if (!with_bars || !pdev)
		return;
	for (i = 0; i < PCI_STD_NUM_BARS; i++) {
		if (!virt->config.images.bar_length[i] || !pdev->resource[i].parent)
			continue;
		where = PCI_BASE_ADDRESS_0 + 4 * i;
		pcibios_resource_to_bus(pdev->bus, &region, &pdev->resource[i]);
		uv_virtconfig_change(virt, where, 4,
				     uv_get(virt->config.images.writable, where, 4),
				     lower_32_bits(region.start));
		if (pdev->resource[i].flags & IORESOURCE_MEM_64)
			uv_virtconfig_change(virt, where + 4, 4, ~0U,
					     upper_32_bits(region.start));
	}
}

u32 uv_virtconfig_get(struct uv_virt *virt, u16 where, u8 size)
{
	unsigned long irq_flags;
	u32 value;

	raw_spin_lock_irqsave(&virt->config.lock, irq_flags);
	value = uv_get(virt->config.values, where, size);
	raw_spin_unlock_irqrestore(&virt->config.lock, irq_flags);
	return value;
}

void uv_virtconfig_change(struct uv_virt *virt, u16 where, u8 size, u32 clear, u32 set)
{
	unsigned long irq_flags;
	u32 value;

	raw_spin_lock_irqsave(&virt->config.lock, irq_flags);
	value = uv_get(virt->config.values, where, size);
	uv_put(virt->config.values, where, size, (value & ~clear) | set);
	raw_spin_unlock_irqrestore(&virt->config.lock, irq_flags);
}

static unsigned int uv_power_state(struct uv_virt *virt)
{
	u16 pm = virt->config.images.pm;

	return pm ? uv_virtconfig_get(virt, pm + PCI_PM_CTRL, 2) & PCI_PM_CTRL_STATE_MASK : 0;
}

static bool uv_command_in_d0(struct uv_virt *virt, u16 bit)
{
	return uv_virtconfig_get(virt, PCI_COMMAND, 2) & bit && !uv_power_state(virt);
}

bool uv_virtconfig_memory_on(struct uv_virt *virt)
{
	return uv_command_in_d0(virt, PCI_COMMAND_MEMORY);
}

bool uv_virtconfig_io_on(struct uv_virt *virt)
{
	return uv_command_in_d0(virt, PCI_COMMAND_IO);
}

bool uv_virtconfig_master(struct uv_virt *virt)
{
	return uv_command_in_d0(virt, PCI_COMMAND_MASTER);
}

/* ---- software's accesses: from virtbus.c, interrupts off ---- */

static bool uv_reachable(const struct uv_virt *virt, int where, int size)
{
	return uv_virt_alive(virt) && where >= 0 && where + size <= virt->config.images.size;
}

int uv_virtconfig_read(struct uv_virt *virt, int where, int size, u32 *value)
{
	if (!uv_reachable(virt, where, size)) {
		*value = ~0U;
		return PCIBIOS_DEVICE_NOT_FOUND;
	}
	*value = uv_virtconfig_get(virt, where, size);
	return PCIBIOS_SUCCESSFUL;
}

static void uv_tell(struct uv_virt *virt, u8 type, u64 where, u32 size, u64 value)
{
	struct uv_message message = {
		.type = type, .address = where, .length = size, .value = value,
	};

	uv_link_send(virt->link, &message, NULL, 0, UV_CREDIT_POSTED);
}

static void uv_function_reset(struct uv_virt *virt, enum uv_model_reset kind)
{
	uv_virtconfig_reset(virt, false);
	uv_tell(virt, UV_MSG_RESET, 0, 0, kind);
}

/* PMCSR was written: was: the state before. */
static void uv_power_changed(struct uv_virt *virt, unsigned int was)
{
	u16 control = virt->config.images.pm + PCI_PM_CTRL;
	unsigned int now = uv_power_state(virt);

	if (now == was)
		return;
	uv_tell(virt, UV_MSG_POWER, 0, 0, now);
	if (was == 3 && !now &&
	    !(uv_virtconfig_get(virt, control, 2) & PCI_PM_CTRL_NO_SOFT_RESET))
		uv_function_reset(virt, UV_RESET_D3HOT);
}

/* Does an access touch size bytes at a capability's register? */
static bool uv_touches(int where, int size, u16 capability, u16 reg, u16 length)
{
	int at = capability + reg;

	return capability && where < at + length && at < where + size;
}

static bool uv_starts_flr(const struct uv_virt_images *images, int where, int size, u32 value)
{
	int high = images->exp + PCI_EXP_DEVCTL + 1;	/* the byte that holds the bit */

	if (!uv_touches(where, size, images->exp, PCI_EXP_DEVCTL + 1, 1) ||
	    !(uv_get(images->values, images->exp + PCI_EXP_DEVCAP, 4) & PCI_EXP_DEVCAP_FLR))
		return false;
	return value >> (8 * (high - where)) & (PCI_EXP_DEVCTL_BCR_FLR >> 8);
}

static u16 uv_msi_length(const struct uv_virt_images *images)
{
	u16 control = uv_get(images->values, images->msi + PCI_MSI_FLAGS, 2);
	u16 length = control & PCI_MSI_FLAGS_MASKBIT ? PCI_MSI_MASK_32 + 8 : PCI_MSI_DATA_32 + 2;

	return control & PCI_MSI_FLAGS_64BIT ? length + 4 : length;
}

int uv_virtconfig_write(struct uv_virt *virt, int where, int size, u32 value)
{
	const struct uv_virt_images *images = &virt->config.images;
	u32 old, new, writable, clearable;
	unsigned long irq_flags;
	unsigned int power;

	if (!uv_reachable(virt, where, size))
		return PCIBIOS_DEVICE_NOT_FOUND;
	power = uv_power_state(virt);
	writable = uv_get(images->writable, where, size);
	clearable = uv_get(images->clearable, where, size);
	raw_spin_lock_irqsave(&virt->config.lock, irq_flags);
	old = uv_get(virt->config.values, where, size);
	new = ((old & ~writable) | (value & writable)) & ~(value & clearable);
	uv_put(virt->config.values, where, size, new);
	raw_spin_unlock_irqrestore(&virt->config.lock, irq_flags);
	uv_tell(virt, UV_MSG_CONFIG_WRITTEN, where, size, new);
	if (uv_starts_flr(images, where, size, value))
		uv_function_reset(virt, UV_RESET_FLR);
	if (uv_touches(where, size, images->pm, PCI_PM_CTRL, 1))
		uv_power_changed(virt, power);
	if (uv_touches(where, size, images->msi, 0, uv_msi_length(images)) ||
	    uv_touches(where, size, images->msix, PCI_MSIX_FLAGS, 2) ||
	    uv_touches(where, size, images->pm, PCI_PM_CTRL, 1) || where < PCI_STATUS)
		uv_virtirq_config_changed(virt);
	return PCIBIOS_SUCCESSFUL;
}

/* ---- the model's ---- */

static bool uv_kernels_own(const struct uv_virt_images *images, int where, int size)
{
	return where < PCI_STATUS ||
	       (where < PCI_CARDBUS_CIS && where + size > PCI_BASE_ADDRESS_0) ||
	       uv_touches(where, size, images->msi, 0, uv_msi_length(images)) ||
	       uv_touches(where, size, images->msix, 0, PCI_CAP_MSIX_SIZEOF) ||
	       uv_touches(where, size, images->pm, PCI_PM_CTRL, 1);
}

int uv_virtconfig_set(struct uv_virt *virt, u32 where, u32 size, u32 value)
{
	const struct uv_virt_images *images = &virt->config.images;

	if (where >= images->size || (size != 1 && size != 2 && size != 4) || where % size)
		return -EINVAL;
	if (uv_kernels_own(images, where, size))
		return -EPERM;
	/* Interrupt Status stays the kernel's */
	if (where == PCI_STATUS)
		uv_virtconfig_change(virt, where, size, ~(u32)PCI_STATUS_INTERRUPT,
				     value & ~(u32)PCI_STATUS_INTERRUPT);
	else
		uv_virtconfig_change(virt, where, size, ~0U, value);
	return 0;
}
