// SPDX-License-Identifier: GPL-2.0
/*
 * The host bridge that virtual functions hang below: a PCI domain of its own with
 * one bus, whose windows are addresses that nothing on this machine answers at.
 */
#include <linux/pci.h>
#include <linux/platform_device.h>
#include <linux/rcupdate.h>
#include <asm/processor.h>

#include "iomap.h"
#include "virt.h"

#define FIRST_DOMAIN	0x10000		/* firmware's are 16 bits */
#define WINDOW_LARGEST	SZ_1G
#define WINDOW_LEAST	SZ_64M
/* Bus address of the memory window: 32-bit BARs fit, and no DMA address is there. */
#define WINDOW_BUS	0x80000000ULL
#define PORTS_LARGEST	0x1000
#define PORTS_LEAST	0x100

static struct resource uv_memory_window = {
	.name = "uvbus", .flags = IORESOURCE_MEM,
};
static struct resource uv_port_window = {
	.name = "uvbus ports", .flags = IORESOURCE_IO,
};
static struct resource uv_bus_numbers = {
	.name = "uvbus", .flags = IORESOURCE_BUS,	/* bus 0 only */
};
static struct pci_sysdata uv_sysdata = { .node = NUMA_NO_NODE };
static struct platform_device *uv_bridge;
static struct pci_bus *uv_bus;

/* ---- whose is it ---- */

struct uv_virt *uv_virt_of(const struct pci_dev *pdev)
{
	if (pdev->sysdata != &uv_sysdata || PCI_SLOT(pdev->devfn) >= UV_VIRT_MAX)
		return NULL;
	return uv_virts[PCI_SLOT(pdev->devfn)];
}

static u64 uv_bar_bus_address(const struct resource *res)
{
	return res->flags & IORESOURCE_MEM ? res->start - uv_memory_window.start + WINDOW_BUS :
					     res->start;
}

/* Whoever looks is about to use that address: it is noted as the BAR's. */
static struct uv_virt *uv_virt_of_resource(u64 start, unsigned long type, u8 *bar, u64 *offset)
{
	struct uv_virt *found = NULL;
	const struct resource *res;
	const struct pci_dev *pdev;
	unsigned int i, b;

	rcu_read_lock();
	for (i = 0; i < UV_VIRT_MAX && !found; i++) {
		pdev = uv_virts[i] ? READ_ONCE(uv_virts[i]->pdev) : NULL;
		for (b = 0; pdev && b < PCI_STD_NUM_BARS && !found; b++) {
			res = &pdev->resource[b];
			if (!(res->flags & type) || !res->parent ||
			    start < res->start || start > res->end)
				continue;
			*bar = b;
			*offset = start - res->start;
			found = uv_virts[i];
			WRITE_ONCE(found->bar_address[b], uv_bar_bus_address(res));
		}
	}
	rcu_read_unlock();
	return found;
}

struct uv_virt *uv_virt_of_range(u64 phys, u8 *bar, u64 *offset)
{
	if (!uv_bus || phys < uv_memory_window.start || phys > uv_memory_window.end)
		return NULL;
	return uv_virt_of_resource(phys, IORESOURCE_MEM, bar, offset);
}

struct uv_virt *uv_virt_of_port(u32 port, u8 *bar, u64 *offset)
{
	if (!uv_bus || port < uv_port_window.start || port > uv_port_window.end)
		return NULL;
	return uv_virt_of_resource(port, IORESOURCE_IO, bar, offset);
}

/* ---- config space ---- */

static struct uv_virt *uv_virt_of_slot(const struct pci_bus *bus, unsigned int devfn)
{
	if (bus->number || PCI_FUNC(devfn) || PCI_SLOT(devfn) >= UV_VIRT_MAX)
		return NULL;
	return uv_virts[PCI_SLOT(devfn)];
}

static int uv_bus_read(struct pci_bus *bus, unsigned int devfn, int where, int size, u32 *value)
{
	struct uv_virt *virt = uv_virt_of_slot(bus, devfn);

	if (virt)
		return uv_virtconfig_read(virt, where, size, value);
	*value = ~0U;
	return PCIBIOS_DEVICE_NOT_FOUND;
}

static int uv_bus_write(struct pci_bus *bus, unsigned int devfn, int where, int size, u32 value)
{
	struct uv_virt *virt = uv_virt_of_slot(bus, devfn);

	return virt ? uv_virtconfig_write(virt, where, size, value) : PCIBIOS_DEVICE_NOT_FOUND;
}

static struct pci_ops uv_bus_ops = {
	.read	= uv_bus_read,
	.write	= uv_bus_write,
};

/* ---- functions come and go: also by remove and rescan in sysfs ---- */

static void uv_virtbus_added(struct uv_virt *virt, struct pci_dev *pdev)
{
	uv_virtmem_attach(pdev);
	if (pdev->pin) {
		pdev->irq = uv_virtirq_line(virt);
		pdev->pin = 0;	/* else firmware is asked where it is routed to */
	}
	WRITE_ONCE(virt->pdev, pci_dev_get(pdev));
}

static void uv_virtbus_removed(struct uv_virt *virt, struct pci_dev *pdev)
{
	if (virt->pdev != pdev)
		return;
	uv_iomaps_kill(virt);
	WRITE_ONCE(virt->pdev, NULL);
	uv_virtmem_forget(virt);
	synchronize_rcu();	/* pairs with readers of ->pdev */
	pci_dev_put(pdev);
}

static int uv_virtbus_event(struct notifier_block *nb, unsigned long event, void *data)
{
	struct device *dev = data;
	struct pci_dev *pdev = to_pci_dev(dev);
	struct uv_virt *virt = uv_virt_of(pdev);

	if (!virt)
		return NOTIFY_DONE;
	switch (event) {
	case BUS_NOTIFY_ADD_DEVICE:
		uv_virtbus_added(virt, pdev);
		break;
	case BUS_NOTIFY_BIND_DRIVER:
		uv_virtmem_attach(pdev);	/* an earlier driver's end has taken it away */
		if (uv_virtconfig_has_ports(&virt->config.images))
			uv_pio_serve(dev->driver->owner);
		break;
	case BUS_NOTIFY_REMOVED_DEVICE:
		uv_virtbus_removed(virt, pdev);
		break;
	}
	return NOTIFY_DONE;
}

static struct notifier_block uv_virtbus_notifier = {
	.notifier_call = uv_virtbus_event,
};

/* Under the rescan lock. */
static void uv_virtbus_drop(struct uv_virt *virt)
{
	struct pci_dev *pdev = pci_get_slot(uv_bus, PCI_DEVFN(virt->index, 0));

	if (pdev) {
		pci_stop_and_remove_bus_device(pdev);
		pci_dev_put(pdev);
	}
}

int uv_virtbus_add(struct uv_virt *virt)
{
	pci_lock_rescan_remove();
	pci_scan_slot(uv_bus, PCI_DEVFN(virt->index, 0));
	/* died meanwhile: what was read of it, its BARs for one, may be all ones */
	if (!uv_virt_alive(virt))
		uv_virtbus_drop(virt);
	pci_assign_unassigned_bus_resources(uv_bus);
	pci_bus_add_devices(uv_bus);
	pci_unlock_rescan_remove();
	return virt->pdev ? 0 : -ENODEV;
}

void uv_virtbus_remove(struct uv_virt *virt)
{
	pci_lock_rescan_remove();
	uv_virtbus_drop(virt);
	pci_unlock_rescan_remove();
}

u64 uv_virtbus_number(const struct uv_virt *virt)
{
	return (u64)uv_sysdata.domain << 16 | PCI_DEVID(0, PCI_DEVFN(virt->index, 0));
}

/* ---- the bridge ---- */

/* In the upper half of what the CPU can address: there is neither memory nor a device. */
static int uv_memory_window_find(void)
{
	u64 half = 1ULL << (boot_cpu_data.x86_phys_bits - 1), size;
	int err = -ENOMEM;

	for (size = WINDOW_LARGEST; err && size >= WINDOW_LEAST; size /= 2)
		err = allocate_resource(&iomem_resource, &uv_memory_window, size, half,
					2 * half - 1, size, NULL, NULL);
	return err;
}

/* Ports that no device has, of another bridge's: they are all some bridge's. */
static bool uv_port_window_find(void)
{
	struct pci_bus *bus = NULL;
	unsigned int size;

	for (size = PORTS_LARGEST; size >= PORTS_LEAST; size /= 2)
		while ((bus = pci_find_next_bus(bus)))
			if (!pci_bus_alloc_resource(bus, &uv_port_window, size, size,
						    PCIBIOS_MIN_IO, 0, NULL, NULL))
				return true;
	pr_warn("no I/O ports are free: virtual functions' I/O BARs will not work\n");
	return false;
}

static int uv_free_domain(void)
{
	struct pci_bus *bus = NULL;
	int domain = FIRST_DOMAIN;

	while ((bus = pci_find_next_bus(bus)))
		domain = max(domain, pci_domain_nr(bus) + 1);
	return domain;
}

static void uv_windows_release(void)
{
	if (uv_port_window.parent)
		release_resource(&uv_port_window);
	if (uv_memory_window.parent)
		release_resource(&uv_memory_window);
}

static int uv_bus_create(void)
{
	LIST_HEAD(windows);

	pci_add_resource(&windows, &uv_bus_numbers);
	pci_add_resource_offset(&windows, &uv_memory_window,
				uv_memory_window.start - WINDOW_BUS);
	if (uv_port_window.parent)
		pci_add_resource(&windows, &uv_port_window);
	pci_lock_rescan_remove();
	uv_sysdata.domain = uv_free_domain();
	uv_bus = pci_create_root_bus(&uv_bridge->dev, 0, &uv_bus_ops, &uv_sysdata, &windows);
	if (uv_bus) {
		dev_set_msi_domain(&uv_bus->dev, uv_virtirq_msi_domain());
		pci_bus_add_devices(uv_bus);
	} else {
		pci_free_resource_list(&windows);
	}
	pci_unlock_rescan_remove();
	return uv_bus ? 0 : -ENODEV;
}

int uv_virtbus_init(void)
{
	int err = uv_memory_window_find();

	if (err) {
		pr_err("no address space for virtual functions (%d)\n", err);
		return err;
	}
	uv_port_window_find();
	uv_bridge = platform_device_register_simple("uvbus", PLATFORM_DEVID_NONE, NULL, 0);
	if (IS_ERR(uv_bridge)) {
		err = PTR_ERR(uv_bridge);
		goto windows;
	}
	err = bus_register_notifier(&pci_bus_type, &uv_virtbus_notifier);
	if (err)
		goto bridge;
	err = uv_bus_create();
	if (!err)
		return 0;
	bus_unregister_notifier(&pci_bus_type, &uv_virtbus_notifier);
bridge:
	platform_device_unregister(uv_bridge);
windows:
	uv_windows_release();
	return err;
}

void uv_virtbus_exit(void)
{
	pci_lock_rescan_remove();
	pci_stop_root_bus(uv_bus);
	pci_remove_root_bus(uv_bus);
	pci_unlock_rescan_remove();
	uv_bus = NULL;
	bus_unregister_notifier(&pci_bus_type, &uv_virtbus_notifier);
	platform_device_unregister(uv_bridge);
	uv_windows_release();
}
