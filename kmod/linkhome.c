// SPDX-License-Identifier: GPL-2.0
/*
 * Where links live: in memory that a VM shares with its host (an ivshmem-doorbell
 * device: one interrupt vector a link, in both directions), or behind /dev/uvbusN.
 */
#include <linux/interrupt.h>
#include <linux/io.h>
#include <linux/module.h>

#include "links.h"

#define IVSHMEM_VENDOR		0x1af4
#define IVSHMEM_DEVICE		0x1110
#define IVSHMEM_REGISTERS	0	/* BAR */
#define IVSHMEM_MEMORY		2	/* BAR */
#define IVSHMEM_DOORBELL	12	/* register: peer << 16 | vector */
#define IVSHMEM_HOST		1	/* the host's peer number */

#define LOCAL_DEFAULT		4

static int links = -1;
module_param(links, int, 0444);
MODULE_PARM_DESC(links, "links for models on this machine, /dev/uvbus1 and up (default 4, in a VM that shares links with its host 0)");

static struct uv_link *uv_links[UV_LINKS_MAX];
static unsigned int uv_link_count;

/* The VM's shared memory; NULL where there is none. */
static struct {
	struct pci_dev	*pdev;
	void __iomem	*registers;
	void		*memory;
	u64		bytes;
	unsigned int	links;		/* the first ones of uv_links */
	unsigned int	requested;	/* interrupts */
} uv_vm;

/* ---- telling the model ---- */

void uv_link_notify(struct uv_link *link, u64 signals)
{
	lockdep_assert_held(&link->send_lock);
	if (!link->header)
		return;
	/*
	 * A host that exchanges them in between, with a guest whose lock prefixes
	 * were patched out: then it is told once too often.
	 */
	atomic64_or(signals, (atomic64_t *)&link->header->kernel_signals);
	if (link->local)
		uv_linkdev_notify(link);
	else
		writel(IVSHMEM_HOST << 16 | link->index, uv_vm.registers + IVSHMEM_DOORBELL);
}

/* ---- the VM's home ---- */

/* The ring's ivshmem device has no interrupts, this one has. */
static struct pci_dev *uv_vm_find(void)
{
	struct pci_dev *pdev = NULL;

	do {
		pdev = pci_get_device(IVSHMEM_VENDOR, IVSHMEM_DEVICE, pdev);
	} while (pdev && !pdev->msix_cap);
	return pdev;
}

static irqreturn_t uv_vm_interrupt(int irq, void *data)
{
	struct uv_link *link = data;

	if (link->header)
		xchg(&link->header->model_signals, 0);
	uv_link_drain(link);
	return IRQ_HANDLED;
}

/* The link at this offset; its geometry, or why there is none. */
static bool uv_vm_link_at(u64 offset, struct uv_link_geometry *geometry)
{
	struct uv_link_header *header = uv_vm.memory + offset;
	enum uv_link_reason reason;

	if (READ_ONCE(header->magic) != UV_LINK_MAGIC)
		return false;
	reason = uv_link_geometry_of(header, uv_vm.bytes - offset, geometry);
	if (reason == UV_REASON_NONE)
		return true;
	pr_err("link %u: not usable (reason %u)\n", uv_vm.links, reason);
	WRITE_ONCE(header->reason, reason);
	WRITE_ONCE(header->state, UV_LINK_DEAD);
	return false;
}

/* Links lie one behind the other. */
static int uv_vm_links(void)
{
	struct uv_link_geometry geometry;
	u64 offset = 0;

	while (uv_vm.links < UV_LINKS_MAX && offset + UV_LINK_HEADER_SIZE <= uv_vm.bytes &&
	       uv_vm_link_at(offset, &geometry)) {
		struct uv_link *link = uv_link_new(uv_link_count, false, UV_VM_TIMEOUT);

		if (IS_ERR(link))
			return PTR_ERR(link);
		uv_links[uv_link_count++] = link;
		uv_vm.links++;
		uv_link_set_memory(link, uv_vm.memory + offset, &geometry);
		offset += ALIGN(geometry.bytes, UV_LINK_ALIGN);
	}
	return 0;
}

static int uv_vm_interrupts(void)
{
	unsigned int i;
	int err;

	if (!uv_vm.links)
		return 0;
	err = pci_alloc_irq_vectors(uv_vm.pdev, uv_vm.links, uv_vm.links, PCI_IRQ_MSIX);
	if (err < 0)
		return err;
	for (i = 0; i < uv_vm.links; i++) {
		err = request_irq(pci_irq_vector(uv_vm.pdev, i), uv_vm_interrupt, 0, "uvbus-link",
				  uv_links[i]);
		if (err)
			return err;
		uv_vm.requested++;
	}
	return 0;
}

static int uv_vm_map(struct pci_dev *pdev)
{
	int err = pci_enable_device_mem(pdev);

	if (err)
		return err;
	pci_set_master(pdev);
	uv_vm.pdev = pdev;
	uv_vm.bytes = pci_resource_len(pdev, IVSHMEM_MEMORY);
	uv_vm.registers = ioremap(pci_resource_start(pdev, IVSHMEM_REGISTERS),
				  pci_resource_len(pdev, IVSHMEM_REGISTERS));
	uv_vm.memory = memremap(pci_resource_start(pdev, IVSHMEM_MEMORY), uv_vm.bytes,
				MEMREMAP_WB);
	return uv_vm.registers && uv_vm.memory ? 0 : -ENOMEM;
}

static void uv_vm_exit(void)
{
	unsigned int i;

	if (!uv_vm.pdev)
		return;
	for (i = 0; i < uv_vm.requested; i++)
		free_irq(pci_irq_vector(uv_vm.pdev, i), uv_links[i]);
	pci_free_irq_vectors(uv_vm.pdev);
	pci_clear_master(uv_vm.pdev);
}

static void uv_vm_unmap(void)
{
	if (!uv_vm.pdev)
		return;
	if (uv_vm.memory)
		memunmap(uv_vm.memory);
	if (uv_vm.registers)
		iounmap(uv_vm.registers);
	pci_disable_device(uv_vm.pdev);
	pci_dev_put(uv_vm.pdev);
	memset(&uv_vm, 0, sizeof(uv_vm));
}

static int uv_vm_init(void)
{
	struct pci_dev *pdev = uv_vm_find();
	int err;

	if (!pdev)
		return 0;
	err = uv_vm_map(pdev);
	if (!uv_vm.pdev)
		pci_dev_put(pdev);
	if (!err)
		err = uv_vm_links();
	if (!err)
		err = uv_vm_interrupts();
	return err;
}

/* ---- the local home ---- */

static int uv_local_init(void)
{
	unsigned int count = links < 0 ? (uv_vm.links ? 0 : LOCAL_DEFAULT) : links;
	struct uv_link *link;
	int err = 0;

	count = min(count, UV_LINKS_MAX - uv_link_count);
	while (count-- && !err) {
		link = uv_link_new(uv_link_count, true, UV_LOCAL_TIMEOUT);
		if (IS_ERR(link))
			return PTR_ERR(link);
		uv_links[uv_link_count++] = link;
		err = uv_linkdev_init(link);
	}
	return err;
}

/* ---- all ---- */

int uv_links_init(void)
{
	int err;

	uv_link_workers = alloc_workqueue("uvbus-link", WQ_UNBOUND | WQ_HIGHPRI, 0);
	if (!uv_link_workers)
		return -ENOMEM;
	err = uv_vm_init();
	if (!err)
		err = uv_local_init();
	if (err) {
		pr_err("links cannot be set up (%d)\n", err);
		uv_links_exit();
	}
	return err;
}

/* A model may have been there before us. */
void uv_links_start(void)
{
	unsigned int i;

	for (i = 0; i < uv_vm.links; i++) {
		uv_link_set_state(uv_links[i], UV_LINK_WAITING, UV_REASON_NONE);
		uv_link_drain(uv_links[i]);
	}
}

void uv_links_exit(void)
{
	unsigned int i;

	uv_vm_exit();
	for (i = 0; i < uv_link_count; i++) {
		struct uv_link *link = uv_links[i];

		if (link->local)
			uv_linkdev_exit(link);
		uv_link_set_state(link, UV_LINK_CLOSED, UV_REASON_NONE);
		uv_link_free_link(link);
		uv_links[i] = NULL;
	}
	uv_link_count = 0;
	uv_vm_unmap();
	if (uv_link_workers)
		destroy_workqueue(uv_link_workers);
	uv_link_workers = NULL;
}
