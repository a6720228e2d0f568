// SPDX-License-Identifier: GPL-2.0
/*
 * Configuration space: the operations of every bus that holds a traced function
 * are replaced by a copy whose read and write also log. Kernel and user-space
 * accesses (pci_user_*) both end there.
 *
 * A read is told with its duration when it has returned, a write before it is
 * made.
 */
#include <linux/list.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/stacktrace.h>

#include "wrap.h"

#define FRAMES_MAX	16
#define EXTENTS_MAX	40

/**
 * struct uv_config_bus - a bus whose operations are replaced, or once were
 * @list: in uv_config_buses
 * @bus: a reference is held
 * @original: the bus's own operations
 * @ops: what replaces them
 * @active: in place
 * @stuck: somebody else replaced them on top of ours; a module reference is held
 *
 * Kept until unload, as a caller may have fetched &ops just before it was
 * restored. The list only grows: read under RCU, changed under uv_mutex.
 */
struct uv_config_bus {
	struct list_head	list;
	struct pci_bus		*bus;
	struct pci_ops		*original;
	struct pci_ops		ops;
	bool			active;
	bool			stuck;
};

static LIST_HEAD(uv_config_buses);
static atomic_t uv_config_raw = ATOMIC_INIT(0);	/* uv_config_read_raw() running */

/* ---- who called: the first frame outside the PCI core's accessors ---- */

static struct uv_extent {
	unsigned long start, end;
} uv_accessors[EXTENTS_MAX];
static unsigned int uv_accessor_count;

#define SIZES(prefix)	prefix "_byte", prefix "_word", prefix "_dword"

static const char * const uv_accessor_names[] = {
	SIZES("pci_bus_read_config"), SIZES("pci_bus_write_config"),
	SIZES("pci_read_config"), SIZES("pci_write_config"),
	SIZES("pci_user_read_config"), SIZES("pci_user_write_config"),
	"pcie_capability_read_word", "pcie_capability_read_dword",
	"pcie_capability_write_word", "pcie_capability_write_dword",
	"pcie_capability_clear_and_set_word", "pcie_capability_clear_and_set_dword",
	"pcie_capability_clear_and_set_word_unlocked",
	"pcie_capability_clear_and_set_word_locked",
	"pci_clear_and_set_config_dword",
};

static void uv_accessors_find(void)
{
	struct uv_extent *extent;
	unsigned int i;

	BUILD_BUG_ON(ARRAY_SIZE(uv_accessor_names) > EXTENTS_MAX);
	if (uv_accessor_count)
		return;
	for (i = 0; i < ARRAY_SIZE(uv_accessor_names); i++) {
		extent = &uv_accessors[uv_accessor_count];
		if (uv_text_extent(uv_accessor_names[i], &extent->start, &extent->end))
			uv_accessor_count++;
	}
}

static bool uv_is_accessor(unsigned long address)
{
	unsigned int i;

	if (within_module(address, THIS_MODULE))
		return true;
	/* a return address may be one past its function's last instruction */
	for (i = 0; i < uv_accessor_count; i++)
		if (address - 1 >= uv_accessors[i].start && address - 1 < uv_accessors[i].end)
			return true;
	return false;
}

static unsigned long uv_config_caller(void)
{
	unsigned long frames[FRAMES_MAX];
	unsigned int n = stack_trace_save(frames, FRAMES_MAX, 0), i;

	for (i = 0; i < n; i++)
		if (!uv_is_accessor(frames[i]))
			return frames[i];
	return 0;
}

/* ---- the replacement ---- */

static enum uv_status uv_config_status(int code)
{
	switch (code) {
	case PCIBIOS_SUCCESSFUL:
		return UV_STATUS_OK;
	case PCIBIOS_DEVICE_NOT_FOUND:
		return UV_STATUS_UNSUPPORTED;
	default:
		return UV_STATUS_FAILED;
	}
}

static void uv_config_log(const struct uv_function *fn, enum uv_kind kind, int where, int size,
			  u32 value, enum uv_status status, u64 start)
{
	struct uv_record rec;

	uv_event(&rec, kind, fn);
	rec.phase = UV_PHASE_WHOLE;
	rec.status = status;
	if (kind == UV_KIND_CONFIG_WRITE)
		rec.flags |= UV_FLAG_WRITE;
	rec.time_ns = start;
	rec.address = where;
	rec.length = size;
	rec.value = value & GENMASK(size * 8 - 1, 0);
	rec.access.bar = UV_BAR_NONE;
	rec.access.width = size;
	rec.access.offset = where;
	uv_event_at(&rec, fn, uv_config_caller(), true);
	uv_emit(&rec, NULL, 0);
}

/* The traced function that an access is for, unless it is our own. Under RCU. */
static struct uv_function *uv_config_traced(const struct pci_bus *bus, unsigned int devfn)
{
	struct uv_function *fn;

	if (!uv_recording())
		return NULL;
	fn = uv_function_of_devfn(bus, devfn);
	if (fn && atomic_read(&uv_config_raw) && uv_nested(UV_NEST_CONFIG_RAW))
		return NULL;
	return fn;
}

/*
 * A bus that was made while ours were in place has inherited its parent's
 * operations, so the parents are searched too. Under RCU.
 */
static struct pci_ops *uv_config_original(const struct pci_bus *bus)
{
	struct uv_config_bus *entry;

	for (; bus; bus = bus->parent)
		list_for_each_entry_rcu(entry, &uv_config_buses, list)
			if (entry->bus == bus)
				return READ_ONCE(entry->original);
	return NULL;
}

static int uv_config_read(struct pci_bus *bus, unsigned int devfn, int where, int size,
			  u32 *value)
{
	int code = PCIBIOS_FUNC_NOT_SUPPORTED;
	enum uv_status status;
	struct uv_function *fn;
	struct pci_ops *ops;
	u64 start;

	uv_hook_enter();
	rcu_read_lock();
	ops = uv_config_original(bus);
	fn = uv_config_traced(bus, devfn);
	start = uv_call_begins();
	if (ops)
		code = ops->read(bus, devfn, where, size, value);
	if (fn) {
		status = uv_config_status(code);
		/* Request Retry Status, where the root port makes it visible */
		if (!code && where == PCI_VENDOR_ID && size == 4 && (*value & 0xffff) == 1)
			status = UV_STATUS_RETRY;
		uv_config_log(fn, UV_KIND_CONFIG_READ, where, size, code ? ~0U : *value,
			      status, start);
	}
	rcu_read_unlock();
	uv_hook_exit();
	return code;
}

static int uv_config_write(struct pci_bus *bus, unsigned int devfn, int where, int size,
			   u32 value)
{
	int code = PCIBIOS_FUNC_NOT_SUPPORTED;
	struct uv_function *fn;
	struct pci_ops *ops;

	uv_hook_enter();
	rcu_read_lock();
	ops = uv_config_original(bus);
	fn = uv_config_traced(bus, devfn);
	if (fn)
		uv_config_log(fn, UV_KIND_CONFIG_WRITE, where, size, value, UV_STATUS_OK, 0);
	if (ops)
		code = ops->write(bus, devfn, where, size, value);
	rcu_read_unlock();
	uv_hook_exit();
	return code;
}

/* ---- putting it in place and back ---- */

static struct uv_config_bus *uv_config_entry(struct pci_bus *bus)
{
	struct uv_config_bus *entry;

	list_for_each_entry(entry, &uv_config_buses, list)
		if (entry->bus == bus)
			return entry;
	entry = kzalloc(sizeof(*entry), GFP_KERNEL);
	if (!entry)
		return NULL;
	entry->bus = bus;
	entry->original = bus->ops;
	get_device(&bus->dev);
	list_add_tail_rcu(&entry->list, &uv_config_buses);
	return entry;
}

static int uv_config_replace(struct uv_function *fn)
{
	struct pci_bus *bus = fn->pdev->bus;
	struct uv_config_bus *entry = uv_config_entry(bus);

	if (!entry)
		return -ENOMEM;
	fn->bus = entry;
	if (entry->stuck) {
		/* still below somebody else's, where it sees every access */
		entry->active = true;
		return 0;
	}
	if (entry->active)
		return 0;
	WRITE_ONCE(entry->original, bus->ops);
	entry->ops = *bus->ops;
	entry->ops.read = uv_config_read;
	entry->ops.write = uv_config_write;
	entry->active = true;
	/* takes pci_lock, which orders the entry before the pointer to its ops */
	pci_bus_set_ops(bus, &entry->ops);
	return 0;
}

static int uv_config_restore_child(struct pci_dev *dev, void *data)
{
	struct uv_config_bus *entry = data;

	if (dev->subordinate && dev->subordinate->ops == &entry->ops)
		pci_bus_set_ops(dev->subordinate, entry->original);
	return 0;
}

static void uv_config_restore(struct uv_config_bus *entry)
{
	entry->active = false;
	pci_walk_bus(entry->bus, uv_config_restore_child, entry);
	if (READ_ONCE(entry->bus->ops) != &entry->ops) {
		if (!entry->stuck) {
			pr_warn("%s: another module has replaced the config operations: uvbus stays loaded\n",
				dev_name(&entry->bus->dev));
			__module_get(THIS_MODULE);
		}
		entry->stuck = true;
		return;
	}
	pci_bus_set_ops(entry->bus, entry->original);
	if (entry->stuck)
		module_put(THIS_MODULE);
	entry->stuck = false;
}

int uv_config_start(void)
{
	struct uv_function *fn;
	unsigned int i;
	int err;

	uv_accessors_find();
	for (i = 0; i < uv_function_count; i++) {
		fn = rcu_dereference_protected(uv_functions[i], lockdep_is_held(&uv_mutex));
		err = fn ? uv_config_replace(fn) : 0;
		if (err)
			return err;
	}
	return 0;
}

void uv_config_stop(void)
{
	struct uv_config_bus *entry;

	list_for_each_entry(entry, &uv_config_buses, list)
		if (entry->active)
			uv_config_restore(entry);
}

void uv_config_exit(void)
{
	struct uv_config_bus *entry, *next;

	list_for_each_entry_safe(entry, next, &uv_config_buses, list) {
		put_device(&entry->bus->dev);
		kfree(entry);
	}
	INIT_LIST_HEAD(&uv_config_buses);
}

int uv_config_read_raw(const struct uv_function *fn, int where, int size, u32 *value)
{
	struct uv_nest nest;
	u16 word;
	u8 byte;
	int code;

	uv_nest_enter(&nest, UV_NEST_CONFIG_RAW);
	atomic_inc(&uv_config_raw);
	switch (size) {
	case 1:
		code = pci_bus_read_config_byte(fn->pdev->bus, fn->pdev->devfn, where, &byte);
		*value = byte;
		break;
	case 2:
		code = pci_bus_read_config_word(fn->pdev->bus, fn->pdev->devfn, where, &word);
		*value = word;
		break;
	default:
		code = pci_bus_read_config_dword(fn->pdev->bus, fn->pdev->devfn, where, value);
	}
	atomic_dec(&uv_config_raw);
	uv_nest_exit(&nest);
	return pcibios_err_to_errno(code);
}
