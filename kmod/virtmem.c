// SPDX-License-Identifier: GPL-2.0
/*
 * Memory of a virtual function: its DMA addresses are made up here, and mean
 * nothing to anybody else. The device's accesses are checked against the live
 * mappings to the byte, before memory is touched.
 *
 * Mappings are whole pages with a free page behind each. Addresses are handed out
 * upwards and from the start again at the end, so that a freed one does not come
 * back soon: a stray access hits nothing.
 */
#include <linux/dma-map-ops.h>
#include <linux/gfp.h>
#include <linux/mm.h>
#include <linux/rbtree.h>
#include <linux/scatterlist.h>
#include <linux/slab.h>
#include <linux/version.h>

#include "virt.h"

/*
 * Below the window of BARs (virtbus.c) and the addresses of MSIs. Functions begin
 * apart, so that one's address is seldom another's too.
 */
#define IOVA_FIRST		0x00100000ULL
#define IOVA_LAST		0x7fffffffULL
#define IOVA_APART		0x04000000ULL
#define IOVA_MASK_LEAST		DMA_BIT_MASK(24)

#define REQUEST_MAX		4096	/* bytes; and no request crosses such a boundary */

/**
 * struct uv_mapping - one live mapping
 * @node: in uv_virt_memory.live, by @first
 * @first: first byte of its pages
 * @pages: so many
 * @iova: where the memory begins
 * @length: bytes of it
 * @memory: where the CPU sees it; NULL: not memory (map_resource)
 * @direction: enum dma_data_direction
 * @coherent: allocated with its memory
 */
struct uv_mapping {
	struct rb_node		node;
	u64			first;
	u64			pages;
	u64			iova;
	u64			length;
	void			*memory;
	u8			direction;
	bool			coherent;
};

/**
 * struct uv_virt_memory - a function's DMA address space
 * @lock: of all else; held while a device access runs, so that after an unmap none does
 * @live: live mappings, by address
 * @next: where the search for a free range begins
 */
struct uv_virt_memory {
	raw_spinlock_t	lock;
	struct rb_root	live;
	u64		next;
};

/* ---- the tree; under the lock ---- */

static u64 uv_mapping_end(const struct uv_mapping *mapping)
{
	return mapping->first + (mapping->pages + 1) * PAGE_SIZE;	/* its guard included */
}

/* The mapping whose pages or guard hold an address, else the first one behind it, or NULL. */
static struct uv_mapping *uv_mapping_from(const struct uv_virt_memory *memory, u64 address)
{
	struct rb_node *node = memory->live.rb_node;
	struct uv_mapping *mapping, *found = NULL;

	while (node) {
		mapping = rb_entry(node, struct uv_mapping, node);
		if (uv_mapping_end(mapping) > address) {
			found = mapping;
			node = node->rb_left;
		} else {
			node = node->rb_right;
		}
	}
	return found;
}

static struct uv_mapping *uv_mapping_of(const struct uv_virt_memory *memory, u64 iova)
{
	struct uv_mapping *mapping = uv_mapping_from(memory, iova);

	if (!mapping || iova < mapping->iova || iova - mapping->iova >= mapping->length)
		return NULL;
	return mapping;
}

static void uv_mapping_insert(struct uv_virt_memory *memory, struct uv_mapping *new)
{
	struct rb_node **link = &memory->live.rb_node, *parent = NULL;

	while (*link) {
		parent = *link;
		if (new->first < rb_entry(parent, struct uv_mapping, node)->first)
			link = &parent->rb_left;
		else
			link = &parent->rb_right;
	}
	rb_link_node(&new->node, parent, link);
	rb_insert_color(&new->node, &memory->live);
}

/* Where and to what end addresses for one mapping may lie. */
struct uv_iova_room {
	u64 from, last;		/* last byte */
	u64 boundary;		/* mask: a mapping lies within one such piece */
};

/* First free range in [room->from, room->last], or 0. */
static u64 uv_iova_search(const struct uv_virt_memory *memory, const struct uv_iova_room *room,
			  u64 bytes)
{
	u64 at = PAGE_ALIGN(room->from);
	struct uv_mapping *mapping = uv_mapping_from(memory, at);

	for (;;) {
		if ((at & ~room->boundary) != ((at + bytes - 1) & ~room->boundary))
			at = (at | room->boundary) + 1;
		if (at + bytes - 1 > room->last)
			return 0;
		while (mapping && uv_mapping_end(mapping) <= at)
			mapping = rb_entry_safe(rb_next(&mapping->node), struct uv_mapping, node);
		/* a free page behind it, too */
		if (!mapping || at + bytes + PAGE_SIZE <= mapping->first)
			return at;
		at = uv_mapping_end(mapping);
	}
}

static bool uv_mapping_place(struct uv_virt_memory *memory, struct uv_mapping *new,
			     struct uv_iova_room room)
{
	u64 bytes = new->pages * PAGE_SIZE;
	unsigned long irq_flags;

	raw_spin_lock_irqsave(&memory->lock, irq_flags);
	room.from = memory->next <= room.last ? memory->next : IOVA_FIRST;
	new->first = uv_iova_search(memory, &room, bytes);
	if (!new->first) {
		room.from = IOVA_FIRST;
		new->first = uv_iova_search(memory, &room, bytes);
	}
	if (new->first) {
		new->iova += new->first;
		memory->next = uv_mapping_end(new);
		uv_mapping_insert(memory, new);
	}
	raw_spin_unlock_irqrestore(&memory->lock, irq_flags);
	return new->first;
}

/* ---- map and unmap ---- */

static struct uv_virt *uv_virt_of_dev(struct device *dev)
{
	return uv_virt_of(to_pci_dev(dev));
}

/* offset: of the memory in its first page. Returns the address, or DMA_MAPPING_ERROR. */
static dma_addr_t uv_mapping_new(struct device *dev, void *memory, u64 offset, size_t length,
				 enum dma_data_direction direction, u64 mask, gfp_t gfp,
				 bool coherent)
{
	struct uv_iova_room room = {
		.last = min3(mask, dev->bus_dma_limit ?: U64_MAX, IOVA_LAST),
		.boundary = (u64)dma_get_seg_boundary(dev),
	};
	struct uv_virt *virt = uv_virt_of_dev(dev);
	struct uv_mapping *mapping;

	if (!virt || !length || length > IOVA_LAST)
		return DMA_MAPPING_ERROR;
	mapping = kmalloc(sizeof(*mapping), gfp);
	if (!mapping)
		return DMA_MAPPING_ERROR;
	*mapping = (struct uv_mapping){
		.pages = PFN_UP(offset + length),
		.iova = offset,
		.length = length,
		.memory = memory,
		.direction = direction,
		.coherent = coherent,
	};
	if (room.boundary < PAGE_SIZE - 1 || mapping->pages * PAGE_SIZE - 1 > room.boundary)
		room.boundary = U64_MAX;	/* cannot be kept; the driver asked for it */
	if (!uv_mapping_place(virt->memory, mapping, room)) {
		kfree(mapping);
		return DMA_MAPPING_ERROR;
	}
	return mapping->iova;
}

/* Takes a mapping out; the device does not reach it any more. what: for complaints. */
static struct uv_mapping *uv_mapping_take(struct device *dev, dma_addr_t iova, size_t length,
					  bool coherent, const char *what)
{
	struct uv_virt *virt = uv_virt_of_dev(dev);
	struct uv_mapping *mapping;
	unsigned long irq_flags;
	bool exact = false;

	if (!virt)
		return NULL;
	raw_spin_lock_irqsave(&virt->memory->lock, irq_flags);
	mapping = uv_mapping_of(virt->memory, iova);
	if (mapping && mapping->coherent != coherent)
		mapping = NULL;
	if (mapping) {
		exact = mapping->iova == iova && mapping->length == length;
		rb_erase(&mapping->node, &virt->memory->live);
	}
	raw_spin_unlock_irqrestore(&virt->memory->lock, irq_flags);
	if (!exact)
		pr_warn_once("%s: %s of %zu bytes at %pad, where %s\n", dev_name(dev), what, length,
			     &iova, mapping ? "something else is mapped" : "nothing is mapped");
	return mapping;
}

static dma_addr_t uv_dma_map_page(struct device *dev, struct page *page, unsigned long offset,
				  size_t length, enum dma_data_direction direction,
				  unsigned long attrs)
{
	phys_addr_t phys = page_to_phys(page) + offset;

	return uv_mapping_new(dev, phys_to_virt(phys), offset_in_page(phys), length, direction,
			      dma_get_mask(dev), GFP_ATOMIC | __GFP_NOWARN, false);
}

static void uv_dma_unmap_page(struct device *dev, dma_addr_t iova, size_t length,
			      enum dma_data_direction direction, unsigned long attrs)
{
	kfree(uv_mapping_take(dev, iova, length, false, "unmap"));
}

static void uv_dma_unmap_sg(struct device *dev, struct scatterlist *list, int nents,
			    enum dma_data_direction direction, unsigned long attrs)
{
	struct scatterlist *entry;
	int i;

	for_each_sg(list, entry, nents, i)
		uv_dma_unmap_page(dev, sg_dma_address(entry), sg_dma_len(entry), direction, attrs);
}

static int uv_dma_map_sg(struct device *dev, struct scatterlist *list, int nents,
			 enum dma_data_direction direction, unsigned long attrs)
{
	struct scatterlist *entry;
	int i;

	for_each_sg(list, entry, nents, i) {
		entry->dma_address = uv_dma_map_page(dev, sg_page(entry), entry->offset,
						     entry->length, direction, attrs);
		if (entry->dma_address == DMA_MAPPING_ERROR) {
			uv_dma_unmap_sg(dev, list, i, direction, attrs);
			return -ENOMEM;
		}
		sg_dma_len(entry) = entry->length;
	}
	return nents;
}

/* Of another device's registers: an address that nothing answers at. */
static dma_addr_t uv_dma_map_resource(struct device *dev, phys_addr_t phys, size_t length,
				      enum dma_data_direction direction, unsigned long attrs)
{
	return uv_mapping_new(dev, NULL, offset_in_page(phys), length, direction,
			      dma_get_mask(dev), GFP_ATOMIC | __GFP_NOWARN, false);
}

/* One memory for device and CPU; who owns it is the checker's to judge. */
static void uv_dma_sync_single(struct device *dev, dma_addr_t iova, size_t length,
			       enum dma_data_direction direction)
{
}

static void uv_dma_sync_sg(struct device *dev, struct scatterlist *list, int nents,
			   enum dma_data_direction direction)
{
}

/* ---- memory with a mapping ---- */

static struct page *uv_dma_alloc_pages(struct device *dev, size_t length, dma_addr_t *iova,
				       enum dma_data_direction direction, gfp_t gfp)
{
	struct page *page;

	gfp &= ~(__GFP_DMA | __GFP_DMA32 | __GFP_HIGHMEM | __GFP_COMP);
	page = alloc_pages_node(dev_to_node(dev), gfp | __GFP_ZERO | __GFP_NOWARN,
				get_order(length));
	if (!page)
		return NULL;
	*iova = uv_mapping_new(dev, page_address(page), 0, length, direction,
			       min(dev->coherent_dma_mask, dma_get_mask(dev)),
			       gfp & ~__GFP_ZERO, true);
	if (*iova != DMA_MAPPING_ERROR)
		return page;
	__free_pages(page, get_order(length));
	return NULL;
}

static void uv_dma_free_pages(struct device *dev, size_t length, struct page *page,
			      dma_addr_t iova, enum dma_data_direction direction)
{
	struct uv_mapping *mapping = uv_mapping_take(dev, iova, length, true, "free");

	/* what was mapped there, not what the driver says; nothing: rather lost than corrupt */
	if (mapping)
		free_pages((unsigned long)mapping->memory, get_order(mapping->length));
	kfree(mapping);
}

static void *uv_dma_alloc(struct device *dev, size_t length, dma_addr_t *iova, gfp_t gfp,
			  unsigned long attrs)
{
	struct page *page = uv_dma_alloc_pages(dev, length, iova, DMA_BIDIRECTIONAL, gfp);

	return page ? page_address(page) : NULL;
}

static void uv_dma_free(struct device *dev, size_t length, void *memory, dma_addr_t iova,
			unsigned long attrs)
{
	uv_dma_free_pages(dev, length, NULL, iova, DMA_BIDIRECTIONAL);
}

static int uv_dma_get_sgtable(struct device *dev, struct sg_table *table, void *memory,
			      dma_addr_t iova, size_t length, unsigned long attrs)
{
	int err = sg_alloc_table(table, 1, GFP_KERNEL);

	if (!err)
		sg_set_page(table->sgl, virt_to_page(memory), PAGE_ALIGN(length), 0);
	return err;
}

static int uv_dma_mmap(struct device *dev, struct vm_area_struct *vma, void *memory,
		       dma_addr_t iova, size_t length, unsigned long attrs)
{
	unsigned long pages = PFN_UP(length);

	if (vma->vm_pgoff >= pages || vma_pages(vma) > pages - vma->vm_pgoff)
		return -ENXIO;
	return remap_pfn_range(vma, vma->vm_start,
			       page_to_pfn(virt_to_page(memory)) + vma->vm_pgoff,
			       vma_pages(vma) << PAGE_SHIFT, vma->vm_page_prot);
}

static int uv_dma_supported(struct device *dev, u64 mask)
{
	return mask >= IOVA_MASK_LEAST;
}

static u64 uv_dma_required_mask(struct device *dev)
{
	return DMA_BIT_MASK(32);
}

static size_t uv_dma_max_mapping(struct device *dev)
{
	return SZ_16M;
}

static const struct dma_map_ops uv_virt_dma_ops = {
	.alloc			= uv_dma_alloc,
	.free			= uv_dma_free,
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 7, 0)
	.alloc_pages_op		= uv_dma_alloc_pages,
#else
	.alloc_pages		= uv_dma_alloc_pages,
#endif
	.free_pages		= uv_dma_free_pages,
	.mmap			= uv_dma_mmap,
	.get_sgtable		= uv_dma_get_sgtable,
	.map_page		= uv_dma_map_page,
	.unmap_page		= uv_dma_unmap_page,
	.map_sg			= uv_dma_map_sg,
	.unmap_sg		= uv_dma_unmap_sg,
	.map_resource		= uv_dma_map_resource,
	.unmap_resource		= uv_dma_unmap_page,
	.sync_single_for_cpu	= uv_dma_sync_single,
	.sync_single_for_device	= uv_dma_sync_single,
	.sync_sg_for_cpu	= uv_dma_sync_sg,
	.sync_sg_for_device	= uv_dma_sync_sg,
	.dma_supported		= uv_dma_supported,
	.get_required_mask	= uv_dma_required_mask,
	.max_mapping_size	= uv_dma_max_mapping,
};

void uv_virtmem_attach(struct pci_dev *pdev)
{
	set_dma_ops(&pdev->dev, &uv_virt_dma_ops);
}

/* ---- the device's accesses ---- */

static bool uv_access_allowed(const struct uv_virt *virt, u64 iova, u32 length, bool write)
{
	u32 most = write ? virt->limits.max_payload : virt->limits.max_read_request;
	u32 alignment = max_t(u32, virt->limits.alignment, 1);

	if (!length || length > min_t(u32, most ?: UV_VIRT_REQUEST_DEFAULT, REQUEST_MAX))
		return false;
	if (iova % alignment || length % alignment)
		return false;
	return iova / REQUEST_MAX == (iova + length - 1) / REQUEST_MAX;
}

static bool uv_mapping_allows(const struct uv_mapping *mapping, u64 iova, u32 length, bool write)
{
	if (!mapping->memory || length > mapping->length - (iova - mapping->iova))
		return false;
	switch (mapping->direction) {
	case DMA_BIDIRECTIONAL:
		return true;
	case DMA_TO_DEVICE:
		return !write;
	case DMA_FROM_DEVICE:
		return write;
	default:
		return false;
	}
}

enum uv_status uv_virtmem_access(struct uv_virt *virt, u64 iova, void *data, u32 length,
				 bool write)
{
	enum uv_status status = UV_STATUS_UNSUPPORTED;
	struct uv_mapping *mapping;
	unsigned long irq_flags;
	void *memory;

	if (!uv_access_allowed(virt, iova, length, write))
		return status;
	raw_spin_lock_irqsave(&virt->memory->lock, irq_flags);
	mapping = uv_mapping_of(virt->memory, iova);
	if (mapping && uv_mapping_allows(mapping, iova, length, write)) {
		memory = mapping->memory + (iova - mapping->iova);
		if (write)
			memcpy(memory, data, length);
		else
			memcpy(data, memory, length);
		status = UV_STATUS_OK;
	}
	raw_spin_unlock_irqrestore(&virt->memory->lock, irq_flags);
	return status;
}

/* ---- life ---- */

int uv_virtmem_init(struct uv_virt *virt)
{
	struct uv_virt_memory *memory = kzalloc(sizeof(*memory), GFP_KERNEL);

	if (!memory)
		return -ENOMEM;
	raw_spin_lock_init(&memory->lock);
	memory->live = RB_ROOT;
	memory->next = IOVA_FIRST + virt->index * IOVA_APART;
	virt->memory = memory;
	return 0;
}

/* Memory that a driver has not freed is left alone: it may still use it. */
void uv_virtmem_forget(struct uv_virt *virt)
{
	struct uv_mapping *mapping, *next;
	struct rb_root live;
	unsigned long irq_flags;

	raw_spin_lock_irqsave(&virt->memory->lock, irq_flags);
	live = virt->memory->live;
	virt->memory->live = RB_ROOT;
	raw_spin_unlock_irqrestore(&virt->memory->lock, irq_flags);
	rbtree_postorder_for_each_entry_safe(mapping, next, &live, node)
		kfree(mapping);
}

void uv_virtmem_exit(struct uv_virt *virt)
{
	if (!virt->memory)
		return;
	uv_virtmem_forget(virt);
	kfree(virt->memory);
	virt->memory = NULL;
}
