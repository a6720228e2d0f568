// SPDX-License-Identifier: GPL-2.0
/*
 * The PCI functions that are traced: selection, recognition, life and
 * snapshots.
 */
#include <linux/device.h>
#include <linux/module.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>

#include "log.h"
#include "virt.h"

#define PREFETCH_LIMIT_DEFAULT	(64ULL << 20)

/* Written under uv_mutex, entries never change while recording; read under RCU. */
struct uv_function __rcu *uv_functions[UV_FUNCTIONS_MAX];
unsigned int uv_function_count;

#define for_each_function(i, fn)						\
	for ((i) = 0; (i) < READ_ONCE(uv_function_count); (i)++)		\
		if (((fn) = rcu_dereference_check(uv_functions[i], true)))

struct uv_function *uv_function_of(const struct device *dev)
{
	struct uv_function *fn;
	unsigned int i;

	for_each_function(i, fn)
		if (&fn->pdev->dev == dev)
			return fn;
	return NULL;
}

struct uv_function *uv_function_of_devfn(const struct pci_bus *bus, unsigned int devfn)
{
	struct uv_function *fn;
	unsigned int i;

	for_each_function(i, fn)
		if (fn->pdev->bus == bus && fn->pdev->devfn == devfn)
			return fn;
	return NULL;
}

static struct uv_function *uv_function_of_resource(u64 start, unsigned long type,
						   u8 *bar, u64 *offset)
{
	struct uv_function *fn;
	unsigned int i, b;

	for_each_function(i, fn) {
		for (b = 0; b <= PCI_ROM_RESOURCE; b++) {
			const struct resource *res = &fn->pdev->resource[b];

			if (!(res->flags & type) || !resource_size(res) || !res->start)
				continue;
			if (start < res->start || start > res->end)
				continue;
			*bar = b;
			*offset = start - res->start;
			return fn;
		}
	}
	return NULL;
}

struct uv_function *uv_function_of_range(u64 phys, u8 *bar, u64 *offset)
{
	return uv_function_of_resource(phys, IORESOURCE_MEM, bar, offset);
}

struct uv_function *uv_function_of_port(u32 port, u8 *bar, u64 *offset)
{
	return uv_function_of_resource(port, IORESOURCE_IO, bar, offset);
}

u64 uv_bus_address(const struct uv_function *fn, u8 bar, u64 offset)
{
	if (bar > PCI_ROM_RESOURCE)
		return offset;
	return pci_bus_address(fn->pdev, bar) + offset;
}

/* ---- snapshots: the state that checking starts from ---- */

static void uv_snapshot(const struct uv_function *fn, enum uv_snapshot topic,
			const void *payload, u32 length, u64 address, u64 value)
{
	struct uv_record rec;

	uv_event(&rec, UV_KIND_SNAPSHOT, fn);
	rec.address = address;
	rec.value = value;
	rec.length = length;
	rec.meta.topic = topic;
	rec.meta.chunks = 1;
	rec.meta.total = length;
	uv_emit(&rec, payload, length);
}

static void uv_snapshot_config(const struct uv_function *fn)
{
	unsigned int size = min(fn->pdev->cfg_size, PCI_CFG_SPACE_EXP_SIZE), where;
	__le32 *space = kzalloc(PCI_CFG_SPACE_EXP_SIZE, GFP_KERNEL);
	u32 value;

	if (!space)
		return;
	for (where = 0; where < size; where += 4) {
		if (uv_config_read_raw(fn, where, 4, &value))
			value = ~0U;
		space[where / 4] = cpu_to_le32(value);
	}
	uv_snapshot(fn, UV_SNAPSHOT_CONFIG, space, size, 0, 0);
	kfree(space);
}

static void uv_snapshot_bars(const struct uv_function *fn)
{
	struct uv_bar bars[PCI_ROM_RESOURCE + 1];
	unsigned int b;

	for (b = 0; b <= PCI_ROM_RESOURCE; b++) {
		const struct resource *res = &fn->pdev->resource[b];
		bool used = res->flags && resource_size(res) && res->end;

		bars[b] = (struct uv_bar){
			.bus_address = used ? uv_bus_address(fn, b, 0) : 0,
			.length = used ? resource_size(res) : 0,
			.phys_address = used ? res->start : 0,
			.flags = res->flags,
			.index = b,
		};
	}
	uv_snapshot(fn, UV_SNAPSHOT_BARS, bars, sizeof(bars), 0, 0);
}

static void uv_snapshot_driver(const struct uv_function *fn)
{
	const char *name = dev_driver_string(&fn->pdev->dev);

	if (!fn->pdev->dev.driver)
		name = "";
	uv_snapshot(fn, UV_SNAPSHOT_DRIVER, name, strlen(name), 0, 0);
}

/* What its bus allows a virtual function, which need not have a capability that says it. */
static void uv_snapshot_limits(const struct uv_function *fn)
{
	const struct uv_virt *virt = uv_virt_of(fn->pdev);

	if (virt)
		uv_snapshot(fn, UV_SNAPSHOT_LIMITS, NULL, 0,
			    virt->limits.max_read_request ?: UV_VIRT_REQUEST_DEFAULT,
			    virt->limits.max_payload ?: UV_VIRT_REQUEST_DEFAULT);
}

void uv_function_limits_changed(struct pci_dev *pdev)
{
	const struct uv_function *fn;

	rcu_read_lock();
	fn = uv_function_of(&pdev->dev);
	if (fn && uv_recording())
		uv_snapshot_limits(fn);
	rcu_read_unlock();
}

void uv_functions_snapshot(void)
{
	struct uv_function *fn;
	unsigned int i;

	for_each_function(i, fn) {
		uv_snapshot_bars(fn);
		uv_snapshot_config(fn);
		uv_snapshot_driver(fn);
		uv_snapshot(fn, UV_SNAPSHOT_DELAYS, NULL, 0, fn->pdev->d3cold_delay,
			    fn->pdev->d3hot_delay);
		uv_snapshot_limits(fn);
	}
}

/* ---- selection ---- */

static int uv_function_add(struct pci_dev *pdev, struct uv_select *select)
{
	struct uv_function *fn = uv_function_of(&pdev->dev);
	struct device_driver *drv;

	if (!fn) {
		if (uv_function_count == UV_FUNCTIONS_MAX)
			return -ENOSPC;
		fn = kzalloc(sizeof(*fn), GFP_KERNEL);
		if (!fn)
			return -ENOMEM;
		fn->pdev = pci_dev_get(pdev);
		fn->index = uv_function_count;
		rcu_assign_pointer(uv_functions[uv_function_count], fn);
		/* pairs with READ_ONCE in for_each_function: entry before count */
		smp_store_release(&uv_function_count, uv_function_count + 1);
	}
	fn->prefetch_limit = select->exclude_prefetchable ?: PREFETCH_LIMIT_DEFAULT;
	fn->rebind = select->flags & UV_SELECT_REBIND;
	select->index = fn->index;

	if (fn->rebind && pdev->dev.driver)
		device_release_driver(&pdev->dev);
	device_lock(&pdev->dev);
	drv = pdev->dev.driver;
	fn->driver_module = drv ? uv_site_module(drv->owner) : 0;
	strscpy(fn->driver_name, drv ? drv->name : "", sizeof(fn->driver_name));
	device_unlock(&pdev->dev);
	select->bound = !!drv;
	return 0;
}

static int uv_function_select_id(struct uv_select *select)
{
	struct pci_dev *pdev = NULL;
	int err = -ENODEV;

	while ((pdev = pci_get_device(select->vendor, select->device, pdev))) {
		err = uv_function_add(pdev, select);
		if (err || !(select->flags & UV_SELECT_ALL)) {
			pci_dev_put(pdev);
			break;
		}
	}
	return err;
}

int uv_function_select(struct uv_select *select)
{
	struct pci_dev *pdev;
	int err;

	lockdep_assert_held(&uv_mutex);
	if (uv_recording())
		return -EBUSY;
	if (select->flags & ~(UV_SELECT_BY_ID | UV_SELECT_REBIND | UV_SELECT_ALL))
		return -EINVAL;
	if (select->flags & UV_SELECT_BY_ID)
		return uv_function_select_id(select);
	pdev = pci_get_domain_bus_and_slot(select->domain, select->bus, select->devfn);
	if (!pdev)
		return -ENODEV;
	err = uv_function_add(pdev, select);
	pci_dev_put(pdev);
	return err;
}

int uv_function_deselect_all(void)
{
	struct uv_function *gone[UV_FUNCTIONS_MAX];
	unsigned int i, n = uv_function_count;

	lockdep_assert_held(&uv_mutex);
	if (uv_recording() || uv_iomaps_live())
		return -EBUSY;
	for (i = 0; i < n; i++) {
		gone[i] = rcu_dereference_protected(uv_functions[i], true);
		RCU_INIT_POINTER(uv_functions[i], NULL);
	}
	WRITE_ONCE(uv_function_count, 0);
	uv_iomaps_forget();
	synchronize_rcu();
	for (i = 0; i < n; i++) {
		pci_dev_put(gone[i]->pdev);
		kfree(gone[i]);
	}
	return 0;
}

void uv_functions_rebind(void)
{
	struct uv_function *fn;
	unsigned int i;

	for_each_function(i, fn) {
		if (!fn->rebind)
			continue;
		fn->rebind = false;
		if (device_attach(&fn->pdev->dev) < 0)
			pr_warn("%s: could not be bound again\n", pci_name(fn->pdev));
	}
}

u64 uv_functions_bound(void)
{
	struct uv_function *fn;
	unsigned int i;
	u64 bound = 0;

	for_each_function(i, fn)
		bound += !!READ_ONCE(fn->pdev->dev.driver);
	return bound;
}

/* ---- life: probe, bind, unbind ---- */

static void uv_function_event(struct uv_function *fn, enum uv_kind kind, enum uv_phase phase,
			      enum uv_status status)
{
	struct uv_record rec;

	if (!uv_recording())
		return;
	uv_event(&rec, kind, fn);
	rec.phase = phase;
	rec.status = status;
	rec.module.index = fn->driver_module;
	uv_emit(&rec, fn->driver_name, strlen(fn->driver_name));
}

static int uv_bus_event(struct notifier_block *nb, unsigned long event, void *data)
{
	struct device *dev = data;
	struct uv_function *fn = uv_function_of(dev);

	if (!fn)
		return NOTIFY_DONE;
	switch (event) {
	case BUS_NOTIFY_BIND_DRIVER:
		strscpy(fn->driver_name, dev->driver->name, sizeof(fn->driver_name));
		WRITE_ONCE(fn->driver_module, uv_site_module(dev->driver->owner));
		uv_function_event(fn, UV_KIND_PROBE, UV_PHASE_REQUEST, UV_STATUS_OK);
		uv_dma_bound(fn);
		uv_pio_bound(fn);
		break;
	case BUS_NOTIFY_BOUND_DRIVER:
		uv_function_event(fn, UV_KIND_BIND, UV_PHASE_POSTED, UV_STATUS_OK);
		uv_dma_bound(fn);
		break;
	case BUS_NOTIFY_DRIVER_NOT_BOUND:
		uv_function_event(fn, UV_KIND_PROBE, UV_PHASE_COMPLETION, UV_STATUS_FAILED);
		WRITE_ONCE(fn->driver_module, 0);
		break;
	case BUS_NOTIFY_UNBIND_DRIVER:
		uv_function_event(fn, UV_KIND_UNBIND, UV_PHASE_REQUEST, UV_STATUS_OK);
		break;
	case BUS_NOTIFY_UNBOUND_DRIVER:
		/* after devres has released what the driver left to it */
		uv_function_event(fn, UV_KIND_UNBIND, UV_PHASE_COMPLETION, UV_STATUS_OK);
		WRITE_ONCE(fn->driver_module, 0);
		break;
	}
	return NOTIFY_DONE;
}

static struct notifier_block uv_bus_notifier = {
	.notifier_call = uv_bus_event,
};

int uv_functions_init(void)
{
	return bus_register_notifier(&pci_bus_type, &uv_bus_notifier);
}

void uv_functions_exit(void)
{
	bus_unregister_notifier(&pci_bus_type, &uv_bus_notifier);
	mutex_lock(&uv_mutex);
	uv_function_deselect_all();
	mutex_unlock(&uv_mutex);
}
