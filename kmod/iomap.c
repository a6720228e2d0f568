// SPDX-License-Identifier: GPL-2.0
/*
 * The ioremap family: a driver that maps a BAR of a traced function gets an
 * address that traps instead.
 *
 * Numbers are never reused, so an access after iounmap finds its tombstone,
 * never somebody else's mapping.
 *
 * A BAR of a virtual function is trapped whether recording or not: there is nothing
 * else that could be mapped. Such a mapping does not keep the module loaded, which
 * removes the function, and with it the driver, before it goes.
 */
#include <linux/io.h>
#include <linux/module.h>
#include <linux/xarray.h>

#include "iomap.h"
#include "virt.h"

/* Tombstones beyond this are forgotten, oldest first: a late access is then unnamed. */
#define TOMBSTONES_MAX	65536

/*
 * number -> struct uv_iomap. Entries are added and erased under the xarray's
 * lock, read under RCU. uv_iomap_next and uv_iomap_oldest are guarded by
 * uv_iomap_lock (process context).
 */
static DEFINE_XARRAY(uv_iomaps);
static DEFINE_MUTEX(uv_iomap_lock);
static u32 uv_iomap_next = 1;
static u32 uv_iomap_oldest = 1;
static atomic_t uv_iomap_alive = ATOMIC_INIT(0);

struct uv_iomap *uv_iomap_of(unsigned long address)
{
	return xa_load(&uv_iomaps, (address >> UV_TRAP_NUMBER_SHIFT) & UV_TRAP_NUMBER_MAX);
}

u64 uv_iomaps_live(void)
{
	return atomic_read(&uv_iomap_alive);
}

static void __iomem *uv_trapped_address(const struct uv_iomap *map)
{
	unsigned long address = (UV_TRAP_TAG << UV_TRAP_TAG_SHIFT) |
				((unsigned long)map->number << UV_TRAP_NUMBER_SHIFT) |
				UV_TRAP_BIAS;

	return (void __iomem *)address;
}

static void uv_iomap_bury_oldest(void)
{
	struct uv_iomap *map;

	while (uv_iomap_next - uv_iomap_oldest > TOMBSTONES_MAX) {
		map = xa_load(&uv_iomaps, uv_iomap_oldest);
		if (map && READ_ONCE(map->alive))
			break;
		if (map) {
			xa_erase(&uv_iomaps, uv_iomap_oldest);
			kfree_rcu(map, rcu);
		}
		uv_iomap_oldest++;
	}
}

static int uv_iomap_insert(struct uv_iomap *map)
{
	int err = -ENOSPC;

	mutex_lock(&uv_iomap_lock);
	uv_iomap_bury_oldest();
	if (uv_iomap_next <= UV_TRAP_NUMBER_MAX) {
		map->number = uv_iomap_next;
		err = xa_err(xa_store(&uv_iomaps, map->number, map, GFP_KERNEL));
		if (!err)
			uv_iomap_next++;
	}
	mutex_unlock(&uv_iomap_lock);
	return err;
}

static struct uv_iomap *uv_iomap_make(const struct pci_dev *pdev, u64 phys, u64 size, u8 bar,
				      u64 offset, u8 memory_type)
{
	const struct resource *res = &pdev->resource[bar];
	u64 page_end = PAGE_ALIGN(phys + size);
	struct uv_iomap *map;

	map = kzalloc(sizeof(*map), GFP_KERNEL);
	if (!map)
		return NULL;
	map->phys = phys;
	map->bus = pci_bus_address(to_pci_dev(&pdev->dev), bar) + offset;
	map->length = size;
	map->reach = min_t(u64, page_end, res->end + 1) - phys;
	map->offset = offset;
	map->bar = bar;
	map->memory_type = memory_type;
	map->prefetchable = res->flags & IORESOURCE_PREFETCH;
	map->alive = true;
	return map;
}

static struct uv_iomap *uv_iomap_new(const struct uv_function *fn, void __iomem *real, u64 phys,
				     u64 size, u8 bar, u64 offset, u8 memory_type)
{
	struct uv_iomap *map = uv_iomap_make(fn->pdev, phys, size, bar, offset, memory_type);

	if (!map)
		return NULL;
	map->real = real;
	map->function = fn->index;
	/* Held until iounmap: the driver must not be left with addresses that nobody serves. */
	if (!try_module_get(THIS_MODULE)) {
		kfree(map);
		return NULL;
	}
	if (uv_iomap_insert(map)) {
		module_put(THIS_MODULE);
		kfree(map);
		return NULL;
	}
	atomic_inc(&uv_iomap_alive);
	return map;
}

static bool uv_iomap_wanted(const struct uv_function *fn, u8 bar, u64 size)
{
	const struct resource *res = &fn->pdev->resource[bar];

	if (size > UV_TRAP_LENGTH_MAX)
		return false;
	return !(res->flags & IORESOURCE_PREFETCH) || resource_size(res) < fn->prefetch_limit;
}

static void uv_iomap_log(const struct uv_function *fn, const struct uv_iomap *map, u64 phys,
			 u64 size, u8 bar, u64 offset, u8 memory_type, bool failed, unsigned long ip)
{
	struct uv_record rec;

	uv_event(&rec, UV_KIND_IOMAP, fn);
	rec.phase = UV_PHASE_COMPLETION;
	rec.status = failed ? UV_STATUS_FAILED : UV_STATUS_OK;
	rec.address = uv_bus_address(fn, bar, offset);
	rec.length = size;
	rec.life.bar = bar;
	rec.life.memory_type = memory_type;
	rec.life.offset = offset;
	rec.life.mapping = map ? map->number : 0;
	rec.life.trapped = !!map;
	rec.life.result = failed ? -ENOMEM : 0;
	uv_event_at(&rec, fn, ip, true);
	uv_emit(&rec, NULL, 0);
}

/* The heart of every ioremap wrapper: swap the mapping for a trapped address. */
static void __iomem *uv_iomap_swap(void __iomem *real, u64 phys, u64 size, u8 memory_type,
				   unsigned long ip)
{
	struct uv_iomap *map = NULL;
	struct uv_function *fn;
	u64 offset;
	u8 bar;

	if (!uv_recording())
		return real;
	fn = uv_function_of_range(phys, &bar, &offset);
	if (!fn)
		return real;
	if (real && uv_iomap_wanted(fn, bar, size))
		map = uv_iomap_new(fn, real, phys, size, bar, offset, memory_type);
	uv_iomap_log(fn, map, phys, size, bar, offset, memory_type, !real, ip);
	if (map)
		return uv_trapped_address(map);
	if (real)
		uv_loss(UV_LOSS_NOT_TRAPPED, fn, 0, uv_bus_address(fn, bar, offset), size, NULL);
	return real;
}

/* ---- virtual functions ---- */

struct uv_function *uv_iomap_function(const struct uv_iomap *map)
{
	const struct pci_dev *pdev;

	if (!map->virt)
		return rcu_dereference_check(uv_functions[map->function], true);
	pdev = READ_ONCE(map->virt->pdev);
	return pdev ? uv_function_of(&pdev->dev) : NULL;
}

static void __iomem *uv_iomap_virtual(struct uv_virt *virt, u64 phys, u64 size, u8 bar,
				      u64 offset, u8 memory_type, unsigned long ip)
{
	struct pci_dev *pdev = virt->pdev;	/* its driver, or the PCI core, is calling */
	struct uv_iomap *map = NULL;
	struct uv_function *fn;

	if (pdev && size && size <= UV_TRAP_LENGTH_MAX)
		map = uv_iomap_make(pdev, phys, size, bar, offset, memory_type);
	if (map) {
		map->virt = virt;
		if (uv_iomap_insert(map)) {
			kfree(map);
			map = NULL;
		}
	}
	rcu_read_lock();
	fn = uv_recording() && pdev ? uv_function_of(&pdev->dev) : NULL;
	if (fn)
		uv_iomap_log(fn, map, phys, size, bar, offset, memory_type, !map, ip);
	rcu_read_unlock();
	return map ? uv_trapped_address(map) : NULL;
}

void uv_iomaps_kill(const struct uv_virt *virt)
{
	struct uv_iomap *map;
	unsigned long number;

	mutex_lock(&uv_iomap_lock);
	xa_for_each(&uv_iomaps, number, map)
		if (map->virt && (!virt || map->virt == virt))
			WRITE_ONCE(map->alive, false);
	mutex_unlock(&uv_iomap_lock);
	/* pairs with the RCU section of the trap */
	synchronize_rcu();
}

/* ---- the wrappers ---- */

/* Nothing but a virtual function's BAR: *virt, which has been mapped if the result is not NULL. */
static void __iomem *uv_iomap_try_virtual(u64 phys, u64 size, u8 memory_type, unsigned long ip,
					  struct uv_virt **virt)
{
	u64 offset;
	u8 bar;

	*virt = uv_virtual ? uv_virt_of_range(phys, &bar, &offset) : NULL;
	if (!*virt)
		return NULL;
	return uv_iomap_virtual(*virt, phys, size, bar, offset, memory_type, ip);
}

#define UV_IOREMAP(name, memory_type)						\
static void __iomem *uv_##name(resource_size_t phys, unsigned long size)	\
{										\
	struct uv_virt *virt;							\
	void __iomem *p;							\
										\
	uv_hook_enter();							\
	p = uv_iomap_try_virtual(phys, size, memory_type, _RET_IP_, &virt);	\
	if (!virt)								\
		p = uv_iomap_swap(name(phys, size), phys, size, memory_type,	\
				  _RET_IP_);					\
	uv_hook_exit();								\
	return p;								\
}

UV_IOREMAP(ioremap, UV_MEMTYPE_UC_MINUS)
UV_IOREMAP(ioremap_wc, UV_MEMTYPE_WC)
UV_IOREMAP(ioremap_uc, UV_MEMTYPE_UC)
UV_IOREMAP(ioremap_wt, UV_MEMTYPE_WT)
UV_IOREMAP(ioremap_cache, UV_MEMTYPE_CACHED)

static void __iomem *uv_ioremap_prot(resource_size_t phys, unsigned long size,
				     unsigned long prot)
{
	struct uv_virt *virt;
	void __iomem *p;

	uv_hook_enter();
	p = uv_iomap_try_virtual(phys, size, UV_MEMTYPE_PROT, _RET_IP_, &virt);
	if (!virt)
		p = uv_iomap_swap(ioremap_prot(phys, size, prot), phys, size, UV_MEMTYPE_PROT,
				  _RET_IP_);
	uv_hook_exit();
	return p;
}

static void uv_iounmap_log(const struct uv_iomap *map, bool stale, unsigned long ip)
{
	struct uv_function *fn;
	struct uv_record rec;

	if (!uv_recording())
		return;
	fn = map ? uv_iomap_function(map) : NULL;
	if (map && map->virt && !fn)
		return;		/* not one that is traced */
	uv_event(&rec, UV_KIND_IOUNMAP, fn);
	if (stale) {
		rec.flags |= UV_FLAG_STALE;
		rec.status = UV_STATUS_REFUSED;
	}
	if (map) {
		rec.address = map->bus;
		rec.length = map->length;
		rec.life.bar = map->bar;
		rec.life.memory_type = map->memory_type;
		rec.life.offset = map->offset;
		rec.life.mapping = map->number;
		rec.life.trapped = 1;
	}
	uv_event_at(&rec, fn, ip, true);
	uv_emit(&rec, NULL, 0);
}

static void uv_iounmap_trapped(unsigned long address, unsigned long ip)
{
	struct uv_iomap *map;
	void __iomem *real = NULL;
	bool mine = false;

	rcu_read_lock();
	map = uv_iomap_of(address);
	/* One of two callers wins; the other is a double iounmap, told and refused. */
	if (map && xchg(&map->alive, false)) {
		mine = true;
		real = map->real;
	}
	uv_iounmap_log(map, !mine, ip);
	rcu_read_unlock();
	if (!real)
		return;
	/* Pairs with the RCU section of the trap: nobody uses the mapping any more. */
	synchronize_rcu();
	iounmap(real);
	atomic_dec(&uv_iomap_alive);
	module_put(THIS_MODULE);
}

static void uv_iounmap(volatile void __iomem *addr)
{
	unsigned long address = (unsigned long __force)addr;

	uv_hook_enter();
	if (uv_trapped(address))
		uv_iounmap_trapped(address, _RET_IP_);
	else
		iounmap(addr);
	uv_hook_exit();
}

struct uv_hook uv_iomap_hooks[] = {
	UV_HOOK(ioremap, "iomap"),
	UV_HOOK(ioremap_wc, "iomap"),
	UV_HOOK(ioremap_uc, "iomap"),
	UV_HOOK(ioremap_wt, "iomap"),
	UV_HOOK(ioremap_cache, "iomap"),
	UV_HOOK(ioremap_prot, "iomap"),
	UV_HOOK(iounmap, "iounmap"),
};

const unsigned int uv_iomap_hook_count = ARRAY_SIZE(uv_iomap_hooks);

void uv_iomaps_forget(void)
{
	struct uv_iomap *map;
	unsigned long number;

	mutex_lock(&uv_iomap_lock);
	xa_for_each(&uv_iomaps, number, map) {
		if (READ_ONCE(map->alive))	/* a virtual function's */
			continue;
		xa_erase(&uv_iomaps, number);
		kfree_rcu(map, rcu);
	}
	mutex_unlock(&uv_iomap_lock);
}
