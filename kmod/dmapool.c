// SPDX-License-Identifier: GPL-2.0
/*
 * DMA pools. Only dma_pool_create() names the device, so pools of selected
 * functions are remembered from then on; blocks of a pool that is older than
 * the hooks cannot be told. The id of a pool is in dma.phys.
 *
 * Pool-create: payload is the name, length the block size, value the boundary.
 */
#include <linux/hashtable.h>
#include <linux/log2.h>
#include <linux/slab.h>
#include <linux/spinlock.h>

#include "dma.h"
#include "memory.h"

/* Looked up under RCU in any context; changed under uv_pools_lock. */
struct uv_pool {
	struct hlist_node	node;
	struct rcu_head		rcu;
	const struct dma_pool	*pool;
	const struct device	*dev;	/* only compared */
	u64			id;
	size_t			size;
};

static DEFINE_HASHTABLE(uv_pools, 6);
/* Process context only; nothing is taken inside. */
static DEFINE_SPINLOCK(uv_pools_lock);

static struct uv_pool *uv_pool_of(const struct dma_pool *pool)
{
	struct uv_pool *entry;

	hash_for_each_possible_rcu(uv_pools, entry, node, (unsigned long)pool,
				   lockdep_is_held(&uv_pools_lock))
		if (entry->pool == pool)
			return entry;
	return NULL;
}

static struct uv_pool *uv_pool_add(const struct dma_pool *pool, struct device *dev, size_t size)
{
	struct uv_pool *entry = kzalloc(sizeof(*entry), GFP_KERNEL);

	if (!entry)
		return NULL;
	entry->pool = pool;
	entry->dev = dev;
	entry->id = uv_new_tag();
	entry->size = size;
	spin_lock(&uv_pools_lock);
	hash_add_rcu(uv_pools, &entry->node, (unsigned long)pool);
	spin_unlock(&uv_pools_lock);
	return entry;
}

static void uv_pool_remove(const struct dma_pool *pool)
{
	struct uv_pool *entry;

	spin_lock(&uv_pools_lock);
	entry = uv_pool_of(pool);
	if (entry)
		hash_del_rcu(&entry->node);
	spin_unlock(&uv_pools_lock);
	if (entry)
		kfree_rcu(entry, rcu);
}

static void uv_pool_log_create(struct device *dev, const char *name, size_t size, size_t align,
			       size_t boundary, bool failed, u64 id, u64 start,
			       unsigned long ip)
{
	const struct uv_function *fn;
	struct uv_record rec;

	rcu_read_lock();
	fn = uv_traced(dev);
	if (fn) {
		uv_event(&rec, UV_KIND_POOL_CREATE, fn);
		rec.phase = UV_PHASE_WHOLE;
		rec.status = failed ? UV_STATUS_FAILED : UV_STATUS_OK;
		rec.time_ns = start;
		rec.length = size;
		rec.value = boundary;
		rec.dma.flavour = UV_FLAVOUR_POOL;
		rec.dma.align = align ? ilog2(align) : 0;
		rec.dma.phys = id;
		uv_event_at(&rec, fn, ip, true);
		uv_emit(&rec, name, name ? strlen(name) : 0);
	}
	rcu_read_unlock();
}

struct dma_pool *uv_dma_pool_create(const char *name, struct device *dev, size_t size,
				    size_t align, size_t boundary)
{
	struct uv_pool *entry = NULL;
	struct dma_pool *pool;
	bool selected;
	u64 start;

	uv_hook_enter();
	start = uv_call_begins();
	pool = dma_pool_create(name, dev, size, align, boundary);
	rcu_read_lock();
	selected = uv_function_of(dev);	/* recording or not: its blocks may be told later */
	rcu_read_unlock();
	if (pool && selected)
		entry = uv_pool_add(pool, dev, size);
	if (pool && selected && !entry && uv_recording())
		uv_loss(UV_LOSS_NOT_HOOKED, NULL, 0, 0, 0, "pool-alloc: no memory to know the pool");
	if (start)
		uv_pool_log_create(dev, name, size, align, boundary, !pool,
				   entry ? entry->id : 0, start, _RET_IP_);
	uv_hook_exit();
	return pool;
}

/* A copy of what is known of the pool; false: not a pool of a selected function. */
static bool uv_pool_known(const struct dma_pool *pool, struct uv_pool *known)
{
	const struct uv_pool *entry;

	rcu_read_lock();
	entry = uv_pool_of(pool);
	if (entry)
		*known = *entry;
	rcu_read_unlock();
	return entry;
}

void uv_dma_pool_destroy(struct dma_pool *pool)
{
	struct uv_pool known;
	struct uv_nest nest;

	uv_hook_enter();
	if (uv_pool_known(pool, &known)) {
		uv_dma_log(known.dev, &(struct uv_dma_event) {
			.kind = UV_KIND_POOL_DESTROY, .flavour = UV_FLAVOUR_POOL,
			.ip = _RET_IP_, .length = known.size, .phys = known.id,
		});
		uv_pool_remove(pool);
	}
	uv_nest_enter(&nest, UV_NEST_POOL);
	dma_pool_destroy(pool);
	uv_nest_exit(&nest);
	uv_hook_exit();
}

void *uv_dma_pool_alloc(struct dma_pool *pool, gfp_t gfp, dma_addr_t *handle)
{
	struct uv_dma_event event;
	struct uv_pool known;
	struct uv_nest nest;
	void *memory;
	u64 start;

	uv_hook_enter();
	start = uv_call_begins();
	if (!start || !uv_pool_known(pool, &known)) {
		memory = dma_pool_alloc(pool, gfp, handle);
		goto out;
	}
	uv_nest_enter(&nest, UV_NEST_POOL);
	memory = dma_pool_alloc(pool, gfp, handle);
	uv_nest_exit(&nest);
	event = (struct uv_dma_event) {
		.kind = UV_KIND_POOL_ALLOC, .flavour = UV_FLAVOUR_POOL, .ip = _RET_IP_,
		.start = start, .address = memory ? *handle : 0, .length = known.size,
		.failed = !memory, .cpu_address = memory, .phys = known.id,
	};
	uv_dma_log(known.dev, &event);
	event.phys = 0;		/* not of the memory */
	uv_memory_watch(known.dev, &event, gfp);
out:
	uv_hook_exit();
	return memory;
}

void uv_dma_pool_free(struct dma_pool *pool, void *memory, dma_addr_t handle)
{
	struct uv_pool known;

	uv_hook_enter();
	if (uv_recording() && uv_pool_known(pool, &known))
		uv_dma_log(known.dev, &(struct uv_dma_event) {
			.kind = UV_KIND_POOL_FREE, .flavour = UV_FLAVOUR_POOL,
			.ip = _RET_IP_, .address = handle, .length = known.size,
			.cpu_address = memory, .phys = known.id,
		});
	dma_pool_free(pool, memory, handle);
	uv_hook_exit();
}

void uv_dma_exit(void)
{
	struct uv_pool *entry;
	struct hlist_node *next;
	int bucket;

	hash_for_each_safe(uv_pools, bucket, next, entry, node) {
		hash_del_rcu(&entry->node);
		kfree_rcu(entry, rcu);
	}
}
