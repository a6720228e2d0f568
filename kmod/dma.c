// SPDX-License-Identifier: GPL-2.0
/*
 * The DMA API: mappings, their syncs, allocations. Pools: dmapool.c. Masks and
 * limits: dmalimit.c.
 *
 * What gives memory back (unmap, free) is told before the call, as another CPU
 * may get the same address and tell of it before this one returns; what takes
 * memory is told after it. A scatterlist gives one record per DMA segment, with
 * one tag: entry, entries (segments) and nents (what the driver passed) tell
 * how they belong together.
 *
 * DMA-mask: value is the mask, life.new_state 1 the coherent one, 0 the
 * streaming one. Segment-limit: value and length are the longest segment,
 * life.segment_boundary the boundary mask; told before the first map under it.
 */
#include <linux/dma-mapping.h>
#include <linux/mm.h>
#include <linux/scatterlist.h>

#include "dma.h"
#include "memory.h"

/* ---- one event, one record ---- */

/* What gives memory back is told before the call: no answer, no duration. */
static bool uv_dma_gives_back(enum uv_kind kind)
{
	return kind == UV_KIND_UNMAP || kind == UV_KIND_FREE || kind == UV_KIND_POOL_FREE ||
	       kind == UV_KIND_POOL_DESTROY;
}

/* Call it in an RCU read-side section, with fn from uv_traced(). */
static void uv_dma_emit(const struct uv_function *fn, const struct uv_dma_event *event)
{
	struct uv_record rec;

	uv_event(&rec, event->kind, fn);
	rec.phase = uv_dma_gives_back(event->kind) ? UV_PHASE_POSTED : UV_PHASE_WHOLE;
	rec.status = event->failed ? UV_STATUS_FAILED : UV_STATUS_OK;
	rec.time_ns = event->start;
	rec.address = event->address;
	rec.length = event->length;
	rec.tag = event->tag;
	rec.dma.direction = event->direction;
	rec.dma.flavour = event->flavour;
	rec.dma.attrs = event->attrs;
	rec.dma.cpu_address = (unsigned long)event->cpu_address;
	rec.dma.phys = event->phys;
	rec.dma.entry = event->entry;
	rec.dma.entries = event->entries;
	rec.dma.nents = event->nents;
	rec.dma.result = event->result;
	uv_event_at(&rec, fn, event->ip, true);
	uv_emit(&rec, NULL, 0);
}

void uv_dma_log(const struct device *dev, const struct uv_dma_event *event)
{
	const struct uv_function *fn;

	rcu_read_lock();
	fn = uv_traced(dev);
	if (fn) {
		uv_dma_emit(fn, event);
		uv_memory_told(fn, event);
	}
	rcu_read_unlock();
}

/* Before a map: is it worth timing? Tells of new limits on the way. */
static u64 uv_map_begins(struct device *dev, unsigned long ip)
{
	if (!uv_recording())
		return 0;
	uv_segment_limit_tell(dev, ip);
	return uv_clock();
}

/* ---- single, page, resource ---- */

static dma_addr_t uv_dma_map_page_attrs(struct device *dev, struct page *page, size_t offset,
					size_t size, enum dma_data_direction dir,
					unsigned long attrs)
{
	dma_addr_t address;
	u64 start;

	uv_hook_enter();
	start = uv_map_begins(dev, _RET_IP_);
	address = dma_map_page_attrs(dev, page, offset, size, dir, attrs);
	if (start)
		uv_dma_log(dev, &(struct uv_dma_event) {
			.kind = UV_KIND_MAP, .flavour = UV_FLAVOUR_SINGLE, .ip = _RET_IP_,
			.start = start, .direction = dir, .attrs = attrs,
			.address = address, .length = size,
			.failed = address == DMA_MAPPING_ERROR,
			.cpu_address = page_address(page) + offset,
			.phys = page_to_phys(page) + offset,
		});
	uv_hook_exit();
	return address;
}

static void uv_dma_unmap_page_attrs(struct device *dev, dma_addr_t address, size_t size,
				    enum dma_data_direction dir, unsigned long attrs)
{
	struct uv_dma_event event = {
		.kind = UV_KIND_UNMAP, .flavour = UV_FLAVOUR_SINGLE, .ip = _RET_IP_,
		.direction = dir, .attrs = attrs, .address = address, .length = size,
	};
	struct uv_memory_piece piece;

	uv_hook_enter();
	uv_memory_unmapping(dev, &event, &piece);
	uv_dma_log(dev, &event);
	dma_unmap_page_attrs(dev, address, size, dir, attrs);
	uv_memory_unmapped(dev, &event, &piece);
	uv_hook_exit();
}

static dma_addr_t uv_dma_map_resource(struct device *dev, phys_addr_t phys, size_t size,
				      enum dma_data_direction dir, unsigned long attrs)
{
	dma_addr_t address;
	u64 start;

	uv_hook_enter();
	start = uv_map_begins(dev, _RET_IP_);
	address = dma_map_resource(dev, phys, size, dir, attrs);
	if (start)
		uv_dma_log(dev, &(struct uv_dma_event) {
			.kind = UV_KIND_MAP, .flavour = UV_FLAVOUR_RESOURCE, .ip = _RET_IP_,
			.start = start, .direction = dir, .attrs = attrs,
			.address = address, .length = size, .phys = phys,
			.failed = address == DMA_MAPPING_ERROR,
		});
	uv_hook_exit();
	return address;
}

static void uv_dma_unmap_resource(struct device *dev, dma_addr_t address, size_t size,
				  enum dma_data_direction dir, unsigned long attrs)
{
	uv_hook_enter();
	uv_dma_log(dev, &(struct uv_dma_event) {
		.kind = UV_KIND_UNMAP, .flavour = UV_FLAVOUR_RESOURCE, .ip = _RET_IP_,
		.direction = dir, .attrs = attrs, .address = address, .length = size,
	});
	dma_unmap_resource(dev, address, size, dir, attrs);
	uv_hook_exit();
}

/* ---- scatterlists ---- */

/* DMA segments of a mapped list: an IOMMU may have merged entries and left the rest empty. */
static unsigned int uv_sg_segments(struct scatterlist *list, int nents)
{
	struct scatterlist *sg;
	int i;

	for_each_sg(list, sg, nents, i)
		if (!sg_dma_len(sg))
			break;
	return i;
}

/*
 * One record per DMA segment. The memory behind them is in the same order but
 * cut differently: a second cursor follows it.
 */
static void uv_sg_log(const struct device *dev, const struct uv_dma_event *call,
		      struct scatterlist *list, unsigned int segments)
{
	struct uv_dma_event event = *call;
	const struct uv_function *fn;
	struct scatterlist *sg, *memory = list;
	u64 within = 0;
	unsigned int i;

	rcu_read_lock();
	fn = uv_traced(dev);
	if (!fn)
		goto out;
	event.entries = segments;
	event.tag = uv_new_tag();
	for_each_sg(list, sg, segments, i) {
		event.entry = i;
		event.address = sg_dma_address(sg);
		event.length = sg_dma_len(sg);
		event.phys = memory ? sg_phys(memory) + within : 0;
		event.cpu_address = memory ? sg_virt(memory) + within : NULL;
		uv_dma_emit(fn, &event);
		event.start = 0;	/* the first segment's duration is the call's */
		for (within += event.length; memory && within >= memory->length;
		     memory = sg_next(memory))
			within -= memory->length;
	}
	if (!segments)
		uv_dma_emit(fn, &event);
out:
	rcu_read_unlock();
}

static u64 uv_sg_bytes(struct scatterlist *list, int nents)
{
	struct scatterlist *sg;
	u64 bytes = 0;
	int i;

	for_each_sg(list, sg, nents, i)
		bytes += sg->length;
	return bytes;
}

/* segments: what the call made; none if it failed, which gives one record. */
static void uv_sg_mapped(struct device *dev, struct scatterlist *list, int nents, int segments,
			 struct uv_dma_event event)
{
	event.kind = UV_KIND_MAP;
	event.flavour = UV_FLAVOUR_SG;
	event.nents = nents;
	if (segments <= 0) {
		event.failed = true;
		event.address = DMA_MAPPING_ERROR;
		event.length = uv_sg_bytes(list, nents);
		segments = 0;
	}
	uv_sg_log(dev, &event, list, segments);
	uv_memory_sg(dev, &event, list, nents);
}

static unsigned int uv_dma_map_sg_attrs(struct device *dev, struct scatterlist *list, int nents,
					enum dma_data_direction dir, unsigned long attrs)
{
	unsigned int segments;
	u64 start;

	uv_hook_enter();
	start = uv_map_begins(dev, _RET_IP_);
	segments = dma_map_sg_attrs(dev, list, nents, dir, attrs);
	if (start)
		uv_sg_mapped(dev, list, nents, segments, (struct uv_dma_event) {
			.ip = _RET_IP_, .start = start, .direction = dir, .attrs = attrs,
			.result = segments,
		});
	uv_hook_exit();
	return segments;
}

static int uv_dma_map_sgtable(struct device *dev, struct sg_table *table,
			      enum dma_data_direction dir, unsigned long attrs)
{
	u64 start;
	int err;

	uv_hook_enter();
	start = uv_map_begins(dev, _RET_IP_);
	err = dma_map_sgtable(dev, table, dir, attrs);
	if (start)
		uv_sg_mapped(dev, table->sgl, table->orig_nents, err ? 0 : table->nents,
			     (struct uv_dma_event) {
			.ip = _RET_IP_, .start = start, .direction = dir, .attrs = attrs,
			.result = err,
		});
	uv_hook_exit();
	return err;
}

/* Unmap and syncs: the segments are those of the list as the driver passes it. */
static void uv_sg_told(struct device *dev, const struct uv_dma_event *event,
		       struct scatterlist *list)
{
	if (uv_recording())
		uv_sg_log(dev, event, list, uv_sg_segments(list, event->nents));
}

static void uv_dma_unmap_sg_attrs(struct device *dev, struct scatterlist *list, int nents,
				  enum dma_data_direction dir, unsigned long attrs)
{
	struct uv_dma_event event = {
		.kind = UV_KIND_UNMAP, .flavour = UV_FLAVOUR_SG, .ip = _RET_IP_,
		.direction = dir, .attrs = attrs, .nents = nents,
	};

	uv_hook_enter();
	uv_sg_told(dev, &event, list);
	dma_unmap_sg_attrs(dev, list, nents, dir, attrs);
	uv_memory_sg(dev, &event, list, nents);
	uv_hook_exit();
}

/* ---- syncs ---- */

/*
 * Kernels that can skip syncs do so inline, in front of an out-of-line function
 * with another name.
 */
#ifdef CONFIG_DMA_NEED_SYNC
#define UV_SYNC(name)	__dma_sync_##name
#else
#define UV_SYNC(name)	dma_sync_##name
#endif
#define __UV_SYNC_HOOK(fn)	UV_HOOK(fn, "sync")
#define UV_SYNC_HOOK(fn)	__UV_SYNC_HOOK(fn)

#define UV_DEFINE_SYNC_SINGLE(which, tells)						\
static void uv_sync_single_##which(struct device *dev, dma_addr_t address, size_t size,	\
				   enum dma_data_direction dir)				\
{											\
	u64 start;									\
											\
	uv_hook_enter();								\
	start = uv_call_begins();							\
	UV_SYNC(single_##which)(dev, address, size, dir);				\
	if (start)									\
		uv_dma_log(dev, &(struct uv_dma_event) {				\
			.kind = tells, .flavour = UV_FLAVOUR_SINGLE, .ip = _RET_IP_,	\
			.start = start, .direction = dir,				\
			.address = address, .length = size,				\
		});									\
	uv_hook_exit();									\
}

#define UV_DEFINE_SYNC_SG(which, tells)							\
static void uv_sync_sg_##which(struct device *dev, struct scatterlist *list, int nents,	\
			       enum dma_data_direction dir)				\
{											\
	struct uv_dma_event event = {							\
		.kind = tells, .flavour = UV_FLAVOUR_SG, .ip = _RET_IP_,		\
		.direction = dir, .nents = nents,					\
	};										\
											\
	uv_hook_enter();								\
	event.start = uv_call_begins();							\
	UV_SYNC(sg_##which)(dev, list, nents, dir);					\
	uv_sg_told(dev, &event, list);							\
	uv_memory_sg(dev, &event, list, nents);						\
	uv_hook_exit();									\
}

UV_DEFINE_SYNC_SINGLE(for_cpu, UV_KIND_SYNC_FOR_CPU)
UV_DEFINE_SYNC_SINGLE(for_device, UV_KIND_SYNC_FOR_DEVICE)
UV_DEFINE_SYNC_SG(for_cpu, UV_KIND_SYNC_FOR_CPU)
UV_DEFINE_SYNC_SG(for_device, UV_KIND_SYNC_FOR_DEVICE)

#ifdef CONFIG_DMA_NEED_SYNC
#define uv___dma_sync_single_for_cpu	uv_sync_single_for_cpu
#define uv___dma_sync_single_for_device	uv_sync_single_for_device
#define uv___dma_sync_sg_for_cpu	uv_sync_sg_for_cpu
#define uv___dma_sync_sg_for_device	uv_sync_sg_for_device
#else
#define uv_dma_sync_single_for_cpu	uv_sync_single_for_cpu
#define uv_dma_sync_single_for_device	uv_sync_single_for_device
#define uv_dma_sync_sg_for_cpu		uv_sync_sg_for_cpu
#define uv_dma_sync_sg_for_device	uv_sync_sg_for_device
#endif

/* ---- coherent memory, pages, non-contiguous memory ---- */

static phys_addr_t uv_phys_of(void *cpu_address)
{
	if (is_vmalloc_addr(cpu_address))
		return page_to_phys(vmalloc_to_page(cpu_address)) + offset_in_page(cpu_address);
	return virt_addr_valid(cpu_address) ? virt_to_phys(cpu_address) : 0;
}

/* A pool's own memory is told as such, so that its blocks are what counts. */
static enum uv_map_flavour uv_coherent_flavour(void)
{
	return uv_nested(UV_NEST_POOL) ? UV_FLAVOUR_POOL : UV_FLAVOUR_COHERENT;
}

static void *uv_dma_alloc_attrs(struct device *dev, size_t size, dma_addr_t *handle, gfp_t gfp,
				unsigned long attrs)
{
	/* without a kernel mapping the pointer is only a cookie */
	bool mapped = !(attrs & DMA_ATTR_NO_KERNEL_MAPPING);
	void *memory;
	u64 start;

	uv_hook_enter();
	start = uv_call_begins();
	memory = dma_alloc_attrs(dev, size, handle, gfp, attrs);
	if (start) {
		struct uv_dma_event event = {
			.kind = UV_KIND_ALLOC, .flavour = uv_coherent_flavour(),
			.ip = _RET_IP_, .start = start, .attrs = attrs,
			.address = memory ? *handle : 0, .length = size,
			.failed = !memory, .cpu_address = mapped ? memory : NULL,
			.phys = memory && mapped ? uv_phys_of(memory) : 0,
		};

		uv_dma_log(dev, &event);
		if (event.flavour == UV_FLAVOUR_COHERENT)	/* of a pool: its blocks are */
			uv_memory_watch(dev, &event, gfp);
	}
	uv_hook_exit();
	return memory;
}

static void uv_dma_free_attrs(struct device *dev, size_t size, void *memory, dma_addr_t handle,
			      unsigned long attrs)
{
	bool mapped = !(attrs & DMA_ATTR_NO_KERNEL_MAPPING);

	uv_hook_enter();
	if (uv_recording())
		uv_dma_log(dev, &(struct uv_dma_event) {
			.kind = UV_KIND_FREE, .flavour = uv_coherent_flavour(),
			.ip = _RET_IP_, .attrs = attrs, .address = handle, .length = size,
			.cpu_address = mapped ? memory : NULL,
		});
	dma_free_attrs(dev, size, memory, handle, attrs);
	uv_hook_exit();
}

static struct page *uv_dma_alloc_pages(struct device *dev, size_t size, dma_addr_t *handle,
				       enum dma_data_direction dir, gfp_t gfp)
{
	struct page *page;
	u64 start;

	uv_hook_enter();
	start = uv_call_begins();
	page = dma_alloc_pages(dev, size, handle, dir, gfp);
	if (start)
		uv_dma_log(dev, &(struct uv_dma_event) {
			.kind = UV_KIND_ALLOC, .flavour = UV_FLAVOUR_PAGES, .ip = _RET_IP_,
			.start = start, .direction = dir, .failed = !page,
			.address = page ? *handle : 0, .length = size,
			.cpu_address = page ? page_address(page) : NULL,
			.phys = page ? page_to_phys(page) : 0,
		});
	uv_hook_exit();
	return page;
}

static void uv_dma_free_pages(struct device *dev, size_t size, struct page *page,
			      dma_addr_t handle, enum dma_data_direction dir)
{
	uv_hook_enter();
	uv_dma_log(dev, &(struct uv_dma_event) {
		.kind = UV_KIND_FREE, .flavour = UV_FLAVOUR_PAGES, .ip = _RET_IP_,
		.direction = dir, .address = handle, .length = size,
	});
	dma_free_pages(dev, size, page, handle, dir);
	uv_hook_exit();
}

static struct sg_table *uv_dma_alloc_noncontiguous(struct device *dev, size_t size,
						   enum dma_data_direction dir, gfp_t gfp,
						   unsigned long attrs)
{
	struct uv_dma_event event = {
		.kind = UV_KIND_ALLOC, .flavour = UV_FLAVOUR_NONCONTIGUOUS, .ip = _RET_IP_,
		.direction = dir, .attrs = attrs, .length = size,
	};
	struct sg_table *table;

	uv_hook_enter();
	event.start = uv_map_begins(dev, _RET_IP_);
	table = dma_alloc_noncontiguous(dev, size, dir, gfp, attrs);
	event.failed = !table;
	event.nents = table ? table->orig_nents : 0;
	if (event.start)
		uv_sg_log(dev, &event, table ? table->sgl : NULL, table ? table->nents : 0);
	uv_hook_exit();
	return table;
}

static void uv_dma_free_noncontiguous(struct device *dev, size_t size, struct sg_table *table,
				      enum dma_data_direction dir)
{
	struct uv_dma_event event = {
		.kind = UV_KIND_FREE, .flavour = UV_FLAVOUR_NONCONTIGUOUS, .ip = _RET_IP_,
		.direction = dir, .nents = table->orig_nents,
	};

	uv_hook_enter();
	uv_sg_log(dev, &event, table->sgl, table->nents);
	dma_free_noncontiguous(dev, size, table, dir);
	uv_hook_exit();
}

struct uv_hook uv_dma_hooks[] = {
	UV_HOOK(dma_map_page_attrs, "map"),
	UV_HOOK(dma_unmap_page_attrs, "unmap"),
	UV_HOOK(dma_map_sg_attrs, "map"),
	UV_HOOK(dma_map_sgtable, "map"),
	UV_HOOK(dma_unmap_sg_attrs, "unmap"),
	UV_HOOK(dma_map_resource, "map"),
	UV_HOOK(dma_unmap_resource, "unmap"),
	UV_SYNC_HOOK(UV_SYNC(single_for_cpu)),
	UV_SYNC_HOOK(UV_SYNC(single_for_device)),
	UV_SYNC_HOOK(UV_SYNC(sg_for_cpu)),
	UV_SYNC_HOOK(UV_SYNC(sg_for_device)),
	UV_HOOK(dma_alloc_attrs, "alloc"),
	UV_HOOK(dma_free_attrs, "free"),
	UV_HOOK(dma_alloc_pages, "alloc"),
	UV_HOOK(dma_free_pages, "free"),
	UV_HOOK(dma_alloc_noncontiguous, "alloc"),
	UV_HOOK(dma_free_noncontiguous, "free"),
	UV_HOOK(dma_set_mask, "dma-mask"),
	UV_HOOK(dma_set_coherent_mask, "dma-mask"),
	UV_HOOK(dma_pool_create, "pool-create"),
	UV_HOOK(dma_pool_destroy, "pool-destroy"),
	UV_HOOK(dma_pool_alloc, "pool-alloc"),
	UV_HOOK(dma_pool_free, "pool-free"),
};

const unsigned int uv_dma_hook_count = ARRAY_SIZE(uv_dma_hooks);
