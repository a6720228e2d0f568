// SPDX-License-Identifier: GPL-2.0
/* Configuration space and decode: CFG, and ADR002, which is about windows. */
#include "faulty.h"

static u16 faulty_command(struct faulty *f)
{
	u16 command;

	pci_read_config_word(f->pdev, PCI_COMMAND, &command);
	return command;
}

static noinline void faulty_cfg001_memory_off(struct faulty *f)
{
	u16 command = faulty_command(f);

	pci_write_config_word(f->pdev, PCI_COMMAND, command & ~PCI_COMMAND_MEMORY);
	readl(f->regs);
	pci_write_config_word(f->pdev, PCI_COMMAND, command);
}

static noinline void near_cfg001_memory_on_again(struct faulty *f)
{
	u16 command = faulty_command(f);

	pci_write_config_word(f->pdev, PCI_COMMAND, command & ~PCI_COMMAND_MEMORY);
	pci_write_config_word(f->pdev, PCI_COMMAND, command);
	readl(f->regs);
}

#define IO_BAR	2	/* of e1000e */

static noinline void faulty_cfg002_io_off(struct faulty *f)
{
	u16 command = faulty_command(f);

	if (pci_request_region(f->pdev, IO_BAR, KBUILD_MODNAME))
		return;
	pci_write_config_word(f->pdev, PCI_COMMAND, command & ~PCI_COMMAND_IO);
	inl(pci_resource_start(f->pdev, IO_BAR));
	pci_write_config_word(f->pdev, PCI_COMMAND, command);
	pci_release_region(f->pdev, IO_BAR);
}

static noinline void near_cfg002_io_on(struct faulty *f)
{
	if (pci_request_region(f->pdev, IO_BAR, KBUILD_MODNAME))
		return;
	inl(pci_resource_start(f->pdev, IO_BAR));
	pci_release_region(f->pdev, IO_BAR);
}

static noinline void faulty_cfg004_read_only(struct faulty *f)
{
	pci_write_config_word(f->pdev, PCI_DEVICE_ID, (u16)~f->pdev->device);
}

static noinline void near_cfg004_same_value(struct faulty *f)
{
	pci_write_config_word(f->pdev, PCI_DEVICE_ID, f->pdev->device);
}

/* Bus addresses for BAR 0 that nobody has; released with release_resource(). */
static int faulty_free_window(struct faulty *f, struct resource *window)
{
	*window = (struct resource) { .name = KBUILD_MODNAME, .flags = IORESOURCE_MEM };
	return pci_bus_alloc_resource(f->pdev->bus, window, f->length, f->length, 0,
				      IORESOURCE_MEM, NULL, NULL);
}

static noinline void faulty_cfg005_moved_while_on(struct faulty *f)
{
	struct resource window;
	u32 bar;

	if (faulty_free_window(f, &window))
		return;
	pci_read_config_dword(f->pdev, PCI_BASE_ADDRESS_0, &bar);
	pci_write_config_dword(f->pdev, PCI_BASE_ADDRESS_0, window.start);
	pci_write_config_dword(f->pdev, PCI_BASE_ADDRESS_0, bar);
	release_resource(&window);
}

static noinline void near_cfg005_moved_while_off(struct faulty *f)
{
	u16 command = faulty_command(f);
	struct resource window;
	u32 bar;

	if (faulty_free_window(f, &window))
		return;
	pci_read_config_dword(f->pdev, PCI_BASE_ADDRESS_0, &bar);
	pci_write_config_word(f->pdev, PCI_COMMAND, command & ~PCI_COMMAND_MEMORY);
	pci_write_config_dword(f->pdev, PCI_BASE_ADDRESS_0, window.start);
	pci_write_config_dword(f->pdev, PCI_BASE_ADDRESS_0, bar);
	pci_write_config_word(f->pdev, PCI_COMMAND, command);
	release_resource(&window);
}

/* Sizes a BAR as the core does; the address is put back before or after decode is on. */
static noinline void faulty_cfg006_sizing_left(struct faulty *f)
{
	u16 command = faulty_command(f), off = command & ~PCI_COMMAND_MEMORY;
	u32 bar, mask;

	pci_read_config_dword(f->pdev, PCI_BASE_ADDRESS_0, &bar);
	pci_write_config_word(f->pdev, PCI_COMMAND, off);
	pci_write_config_dword(f->pdev, PCI_BASE_ADDRESS_0, ~0U);
	pci_read_config_dword(f->pdev, PCI_BASE_ADDRESS_0, &mask);
	pci_write_config_word(f->pdev, PCI_COMMAND, command);
	pci_write_config_word(f->pdev, PCI_COMMAND, off);
	pci_write_config_dword(f->pdev, PCI_BASE_ADDRESS_0, bar);
	pci_write_config_word(f->pdev, PCI_COMMAND, command);
}

/* Ones in all bits of BAR 0 that can be written: the others are read-only (CFG004). */
static u32 faulty_all_ones(struct faulty *f, u32 bar)
{
	return (u32)~(f->length - 1) | (bar & ~PCI_BASE_ADDRESS_MEM_MASK);
}

static noinline void near_cfg006_sizing_restored(struct faulty *f)
{
	u16 command = faulty_command(f);
	u32 bar, mask;

	pci_read_config_dword(f->pdev, PCI_BASE_ADDRESS_0, &bar);
	pci_write_config_word(f->pdev, PCI_COMMAND, command & ~PCI_COMMAND_MEMORY);
	pci_write_config_dword(f->pdev, PCI_BASE_ADDRESS_0, faulty_all_ones(f, bar));
	pci_read_config_dword(f->pdev, PCI_BASE_ADDRESS_0, &mask);
	pci_write_config_dword(f->pdev, PCI_BASE_ADDRESS_0, bar);
	pci_write_config_word(f->pdev, PCI_COMMAND, command);
}

/* The accessors refuse this; a driver that calls the bus's own operations goes round them. */
static noinline void faulty_cfg007_misaligned(struct faulty *f)
{
	u32 value;

	f->pdev->bus->ops->read(f->pdev->bus, f->pdev->devfn, PCI_SUBSYSTEM_VENDOR_ID + 3, 2,
				&value);
}

/* The accessors do not know how large a function's space is. */
static noinline void faulty_cfg007_beyond(struct faulty *f)
{
	u32 value;

	pci_read_config_dword(f->pdev, f->pdev->cfg_size, &value);
}

static noinline void near_cfg007_last(struct faulty *f)
{
	u16 word;
	u32 value;

	pci_read_config_word(f->pdev, PCI_SUBSYSTEM_ID, &word);
	pci_read_config_dword(f->pdev, f->pdev->cfg_size - 4, &value);
}

/* 64-bit BAR 0 of nvme: the upper half keeps what sizing wrote. */
static noinline void faulty_cfg009_upper_half(struct faulty *f)
{
	u16 command = faulty_command(f), off = command & ~PCI_COMMAND_MEMORY;
	u32 low, high;

	pci_read_config_dword(f->pdev, PCI_BASE_ADDRESS_0, &low);
	pci_read_config_dword(f->pdev, PCI_BASE_ADDRESS_1, &high);
	pci_write_config_word(f->pdev, PCI_COMMAND, off);
	pci_write_config_dword(f->pdev, PCI_BASE_ADDRESS_0, ~0U);
	pci_write_config_dword(f->pdev, PCI_BASE_ADDRESS_1, ~0U);
	pci_write_config_dword(f->pdev, PCI_BASE_ADDRESS_0, low);
	pci_write_config_word(f->pdev, PCI_COMMAND, command);
	pci_write_config_word(f->pdev, PCI_COMMAND, off);
	pci_write_config_dword(f->pdev, PCI_BASE_ADDRESS_1, high);
	pci_write_config_word(f->pdev, PCI_COMMAND, command);
}

static noinline void near_cfg009_both_halves(struct faulty *f)
{
	u16 command = faulty_command(f);
	u32 low, high;

	pci_read_config_dword(f->pdev, PCI_BASE_ADDRESS_0, &low);
	pci_read_config_dword(f->pdev, PCI_BASE_ADDRESS_1, &high);
	pci_write_config_word(f->pdev, PCI_COMMAND, command & ~PCI_COMMAND_MEMORY);
	pci_write_config_dword(f->pdev, PCI_BASE_ADDRESS_0, faulty_all_ones(f, low));
	pci_write_config_dword(f->pdev, PCI_BASE_ADDRESS_1, ~0U);
	pci_write_config_dword(f->pdev, PCI_BASE_ADDRESS_0, low);
	pci_write_config_dword(f->pdev, PCI_BASE_ADDRESS_1, high);
	pci_write_config_word(f->pdev, PCI_COMMAND, command);
}

/* Four times the 128 bytes that QEMU's e1000e is capable of. */
static noinline void faulty_cfg010_payload(struct faulty *f)
{
	u16 control;

	pcie_capability_read_word(f->pdev, PCI_EXP_DEVCTL, &control);
	pcie_capability_write_word(f->pdev, PCI_EXP_DEVCTL, (control & ~PCI_EXP_DEVCTL_PAYLOAD) |
				   PCI_EXP_DEVCTL_PAYLOAD_512B);
	pcie_capability_write_word(f->pdev, PCI_EXP_DEVCTL, control);
}

static noinline void near_cfg010_payload(struct faulty *f)
{
	u32 capable;
	u16 control;

	pcie_capability_read_dword(f->pdev, PCI_EXP_DEVCAP, &capable);
	pcie_capability_read_word(f->pdev, PCI_EXP_DEVCTL, &control);
	pcie_capability_write_word(f->pdev, PCI_EXP_DEVCTL, (control & ~PCI_EXP_DEVCTL_PAYLOAD) |
				   (capable & PCI_EXP_DEVCAP_PAYLOAD) << 5);
	pcie_capability_write_word(f->pdev, PCI_EXP_DEVCTL, control);
}

static noinline void faulty_cfg011_reserved(struct faulty *f)
{
	pci_write_config_word(f->pdev, PCI_COMMAND, faulty_command(f) | 0xf800);
}

static noinline void near_cfg011_defined(struct faulty *f)
{
	u16 command = faulty_command(f);

	pci_write_config_word(f->pdev, PCI_COMMAND, command | PCI_COMMAND_SERR);
	pci_write_config_word(f->pdev, PCI_COMMAND, command);
}

/* BAR 1 of e1000e is put on top of its BAR 0. */
static noinline void faulty_adr002_two_windows(struct faulty *f)
{
	u16 command = faulty_command(f), off = command & ~PCI_COMMAND_MEMORY;
	u32 first, second;

	pci_read_config_dword(f->pdev, PCI_BASE_ADDRESS_0, &first);
	pci_read_config_dword(f->pdev, PCI_BASE_ADDRESS_1, &second);
	pci_write_config_word(f->pdev, PCI_COMMAND, off);
	pci_write_config_dword(f->pdev, PCI_BASE_ADDRESS_1, first);
	pci_write_config_word(f->pdev, PCI_COMMAND, command);
	pci_write_config_word(f->pdev, PCI_COMMAND, off);
	pci_write_config_dword(f->pdev, PCI_BASE_ADDRESS_1, second);
	pci_write_config_word(f->pdev, PCI_COMMAND, command);
}

static noinline void near_adr002_never_on(struct faulty *f)
{
	u16 command = faulty_command(f);
	u32 first, second;

	pci_read_config_dword(f->pdev, PCI_BASE_ADDRESS_0, &first);
	pci_read_config_dword(f->pdev, PCI_BASE_ADDRESS_1, &second);
	pci_write_config_word(f->pdev, PCI_COMMAND, command & ~PCI_COMMAND_MEMORY);
	pci_write_config_dword(f->pdev, PCI_BASE_ADDRESS_1, first);
	pci_write_config_dword(f->pdev, PCI_BASE_ADDRESS_1, second);
	pci_write_config_word(f->pdev, PCI_COMMAND, command);
}

const struct faulty_choice faulty_config[] = {
	FAULTY(faulty_cfg001_memory_off), FAULTY(near_cfg001_memory_on_again),
	FAULTY(faulty_cfg002_io_off), FAULTY(near_cfg002_io_on),
	FAULTY(faulty_cfg004_read_only), FAULTY(near_cfg004_same_value),
	FAULTY(faulty_cfg005_moved_while_on), FAULTY(near_cfg005_moved_while_off),
	FAULTY(faulty_cfg006_sizing_left), FAULTY(near_cfg006_sizing_restored),
	FAULTY(faulty_cfg007_misaligned), FAULTY(faulty_cfg007_beyond), FAULTY(near_cfg007_last),
	FAULTY(faulty_cfg009_upper_half), FAULTY(near_cfg009_both_halves),
	FAULTY(faulty_cfg010_payload), FAULTY(near_cfg010_payload),
	FAULTY(faulty_cfg011_reserved), FAULTY(near_cfg011_defined),
	FAULTY(faulty_adr002_two_windows), FAULTY(near_adr002_never_on),
	FAULTY_END
};
