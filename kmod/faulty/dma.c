// SPDX-License-Identifier: GPL-2.0
/*
 * Mappings, one buffer at a time, and coherent memory: DMA006 to DMA031. Lists: list.c.
 *
 * The device is never told of a buffer that it could write to.
 */
#include <linux/dma-mapping.h>

#include "faulty.h"

#define BUFFER		1024	/* bytes of a mapping */
#define ROUNDS		2048	/* of work that leaks a mapping each */
#define ROUND_BYTES	4

/* Inline: a mapping is to be the fault's own. */
static __always_inline dma_addr_t faulty_map(struct faulty *f, size_t offset, size_t bytes,
					     enum dma_data_direction direction)
{
	dma_addr_t address = dma_map_single(&f->pdev->dev, f->memory + offset, bytes, direction);

	WARN_ON(dma_mapping_error(&f->pdev->dev, address));
	return address;
}

static noinline void faulty_dma006_not_mapped(struct faulty *f)
{
	dma_unmap_single(&f->pdev->dev, virt_to_phys(f->memory), BUFFER, DMA_TO_DEVICE);
}

static noinline void near_dma006_mapped(struct faulty *f)
{
	dma_addr_t address = faulty_map(f, 0, BUFFER, DMA_TO_DEVICE);

	dma_unmap_single(&f->pdev->dev, address, BUFFER, DMA_TO_DEVICE);
}

static noinline void faulty_dma007_unmap_short(struct faulty *f)
{
	dma_addr_t address = faulty_map(f, 0, BUFFER, DMA_TO_DEVICE);

	dma_unmap_single(&f->pdev->dev, address, BUFFER - 4, DMA_TO_DEVICE);
}

/* Two mappings of one buffer that differ in size, each unmapped with its own. */
static noinline void near_dma007_two_sizes(struct faulty *f)
{
	dma_addr_t whole = faulty_map(f, 0, BUFFER, DMA_TO_DEVICE);
	dma_addr_t part = faulty_map(f, 0, BUFFER - 4, DMA_TO_DEVICE);

	dma_unmap_single(&f->pdev->dev, whole, BUFFER, DMA_TO_DEVICE);
	dma_unmap_single(&f->pdev->dev, part, BUFFER - 4, DMA_TO_DEVICE);
}

static noinline void faulty_dma008_direction(struct faulty *f)
{
	dma_addr_t address = faulty_map(f, 0, BUFFER, DMA_TO_DEVICE);

	dma_unmap_single(&f->pdev->dev, address, BUFFER, DMA_FROM_DEVICE);
}

static noinline void near_dma008_bidirectional(struct faulty *f)
{
	dma_addr_t address = faulty_map(f, 0, BUFFER, DMA_BIDIRECTIONAL);

	dma_sync_single_for_cpu(&f->pdev->dev, address, BUFFER, DMA_FROM_DEVICE);
	dma_sync_single_for_device(&f->pdev->dev, address, BUFFER, DMA_TO_DEVICE);
	dma_unmap_single(&f->pdev->dev, address, BUFFER, DMA_BIDIRECTIONAL);
}

static noinline void faulty_dma010_twice(struct faulty *f)
{
	dma_addr_t address = faulty_map(f, 0, BUFFER, DMA_TO_DEVICE);

	dma_unmap_single(&f->pdev->dev, address, BUFFER, DMA_TO_DEVICE);
	dma_unmap_single(&f->pdev->dev, address, BUFFER, DMA_TO_DEVICE);
}

static noinline void near_dma010_mapped_again(struct faulty *f)
{
	dma_addr_t address = faulty_map(f, 0, BUFFER, DMA_TO_DEVICE);

	dma_unmap_single(&f->pdev->dev, address, BUFFER, DMA_TO_DEVICE);
	address = faulty_map(f, 0, BUFFER, DMA_TO_DEVICE);
	dma_unmap_single(&f->pdev->dev, address, BUFFER, DMA_TO_DEVICE);
}

static noinline void faulty_dma011_streaming(struct faulty *f)
{
	f->dma = dma_map_single(&f->pdev->dev, f->memory, BUFFER, DMA_TO_DEVICE);
}

static void near_dma011_unmap(struct faulty *f)
{
	dma_unmap_single(&f->pdev->dev, f->dma, BUFFER, DMA_TO_DEVICE);
}

static noinline void near_dma011_until_remove(struct faulty *f)
{
	f->dma = dma_map_single(&f->pdev->dev, f->memory, BUFFER, DMA_TO_DEVICE);
	f->at_remove = near_dma011_unmap;
}

struct faulty_coherent {
	dma_addr_t	address;
	void		*memory;
};

static struct faulty_coherent faulty_coherent;

static void faulty_undo_coherent(struct pci_dev *pdev, void *data)
{
	struct faulty_coherent *left = data;

	dma_free_coherent(&pdev->dev, BUFFER, left->memory, left->address);
}

static noinline void faulty_dma011_coherent(struct faulty *f)
{
	faulty_coherent.memory = dma_alloc_coherent(&f->pdev->dev, BUFFER,
						    &faulty_coherent.address, GFP_KERNEL);
	if (faulty_coherent.memory)
		faulty_leave(f, faulty_undo_coherent, &faulty_coherent);
}

/* devres frees it after remove() and before the function counts as unbound. */
static noinline void near_dma011_managed(struct faulty *f)
{
	dma_addr_t address;

	dmam_alloc_coherent(&f->pdev->dev, BUFFER, &address, GFP_KERNEL);
}

/*
 * A mapping that fails: memory above the mask, and no bounce buffers in a machine of 1 GB.
 * The kernel warns of it once.
 */
static __always_inline dma_addr_t faulty_map_in_vain(struct faulty *f)
{
	dma_addr_t address;

	if (dma_set_mask(&f->pdev->dev, DMA_BIT_MASK(24)))
		return DMA_MAPPING_ERROR;
	address = dma_map_single(&f->pdev->dev, f->memory, BUFFER, DMA_TO_DEVICE);
	dma_set_mask(&f->pdev->dev, DMA_BIT_MASK(64));
	return address;
}

static noinline void faulty_dma013_error_unmapped(struct faulty *f)
{
	dma_addr_t address = faulty_map_in_vain(f);

	dma_unmap_single(&f->pdev->dev, address, BUFFER, DMA_TO_DEVICE);
}

static noinline void near_dma013_error_checked(struct faulty *f)
{
	dma_addr_t address = faulty_map_in_vain(f);

	if (!dma_mapping_error(&f->pdev->dev, address))
		dma_unmap_single(&f->pdev->dev, address, BUFFER, DMA_TO_DEVICE);
}

/* The address goes into a register; the engine is not started. */
static noinline void faulty_dma031_not_checked(struct faulty *f)
{
	dma_addr_t address = faulty_map_in_vain(f);

	writeq(address, f->regs + EDU_DMA_SOURCE);
}

static noinline void near_dma031_checked(struct faulty *f)
{
	dma_addr_t address = faulty_map_in_vain(f);

	if (dma_mapping_error(&f->pdev->dev, address))
		address = 0;
	writeq(address, f->regs + EDU_DMA_SOURCE);
}

static noinline void faulty_dma014_sync_not_mapped(struct faulty *f)
{
	dma_addr_t address = faulty_map(f, 0, BUFFER, DMA_FROM_DEVICE);

	dma_unmap_single(&f->pdev->dev, address, BUFFER, DMA_FROM_DEVICE);
	dma_sync_single_for_cpu(&f->pdev->dev, address, BUFFER, DMA_FROM_DEVICE);
}

static noinline void near_dma014_sync_mapped(struct faulty *f)
{
	dma_addr_t address = faulty_map(f, 0, BUFFER, DMA_FROM_DEVICE);

	dma_sync_single_for_cpu(&f->pdev->dev, address, BUFFER, DMA_FROM_DEVICE);
	dma_unmap_single(&f->pdev->dev, address, BUFFER, DMA_FROM_DEVICE);
}

static noinline void faulty_dma015_sync_outside(struct faulty *f)
{
	dma_addr_t address = faulty_map(f, 0, BUFFER, DMA_FROM_DEVICE);

	dma_sync_single_for_cpu(&f->pdev->dev, address + BUFFER - 64, 128, DMA_FROM_DEVICE);
	dma_unmap_single(&f->pdev->dev, address, BUFFER, DMA_FROM_DEVICE);
}

static noinline void near_dma015_sync_part(struct faulty *f)
{
	dma_addr_t address = faulty_map(f, 0, BUFFER, DMA_FROM_DEVICE);

	dma_sync_single_for_cpu(&f->pdev->dev, address + BUFFER - 64, 64, DMA_FROM_DEVICE);
	dma_unmap_single(&f->pdev->dev, address, BUFFER, DMA_FROM_DEVICE);
}

static noinline void faulty_dma016_sync_direction(struct faulty *f)
{
	dma_addr_t address = faulty_map(f, 0, BUFFER, DMA_TO_DEVICE);

	dma_sync_single_for_cpu(&f->pdev->dev, address, BUFFER, DMA_FROM_DEVICE);
	dma_unmap_single(&f->pdev->dev, address, BUFFER, DMA_TO_DEVICE);
}

static noinline void near_dma016_sync_same(struct faulty *f)
{
	dma_addr_t address = faulty_map(f, 0, BUFFER, DMA_TO_DEVICE);

	dma_sync_single_for_cpu(&f->pdev->dev, address, BUFFER, DMA_TO_DEVICE);
	dma_sync_single_for_device(&f->pdev->dev, address, BUFFER, DMA_TO_DEVICE);
	dma_unmap_single(&f->pdev->dev, address, BUFFER, DMA_TO_DEVICE);
}

static noinline void faulty_dma017_overlap(struct faulty *f)
{
	dma_addr_t first = dma_map_single(&f->pdev->dev, f->memory, BUFFER, DMA_TO_DEVICE);
	dma_addr_t second = dma_map_single(&f->pdev->dev, f->memory + BUFFER / 2, BUFFER,
					   DMA_FROM_DEVICE);

	dma_unmap_single(&f->pdev->dev, second, BUFFER, DMA_FROM_DEVICE);
	dma_unmap_single(&f->pdev->dev, first, BUFFER, DMA_TO_DEVICE);
}

/* Both are only read by the device. */
static noinline void near_dma017_both_read(struct faulty *f)
{
	dma_addr_t first = faulty_map(f, 0, BUFFER, DMA_TO_DEVICE);
	dma_addr_t second = faulty_map(f, BUFFER / 2, BUFFER, DMA_TO_DEVICE);

	dma_unmap_single(&f->pdev->dev, second, BUFFER, DMA_TO_DEVICE);
	dma_unmap_single(&f->pdev->dev, first, BUFFER, DMA_TO_DEVICE);
}

/* They touch, and do not overlap. */
static noinline void near_dma017_adjacent(struct faulty *f)
{
	dma_addr_t first = faulty_map(f, 0, BUFFER, DMA_TO_DEVICE);
	dma_addr_t second = faulty_map(f, BUFFER, BUFFER, DMA_FROM_DEVICE);

	dma_unmap_single(&f->pdev->dev, second, BUFFER, DMA_FROM_DEVICE);
	dma_unmap_single(&f->pdev->dev, first, BUFFER, DMA_TO_DEVICE);
}

/* Both sizes take one page: the allocator does not mind. */
static noinline void faulty_dma023_free_size(struct faulty *f)
{
	dma_addr_t address;
	void *memory = dma_alloc_coherent(&f->pdev->dev, BUFFER, &address, GFP_KERNEL);

	if (memory)
		dma_free_coherent(&f->pdev->dev, BUFFER / 2, memory, address);
}

static noinline void near_dma023_free_same(struct faulty *f)
{
	dma_addr_t address;
	void *memory = dma_alloc_coherent(&f->pdev->dev, BUFFER, &address, GFP_KERNEL);

	if (memory)
		dma_free_coherent(&f->pdev->dev, BUFFER, memory, address);
}

static noinline void faulty_dma025_nothing(struct faulty *f)
{
	dma_addr_t address = dma_map_single(&f->pdev->dev, f->memory, 0, DMA_TO_DEVICE);

	dma_unmap_single(&f->pdev->dev, address, 0, DMA_TO_DEVICE);
}

static noinline void near_dma025_one_byte(struct faulty *f)
{
	dma_addr_t address = faulty_map(f, 0, 1, DMA_TO_DEVICE);

	dma_unmap_single(&f->pdev->dev, address, 1, DMA_TO_DEVICE);
}

static void faulty_dma026_unmap_all(struct faulty *f)
{
	unsigned int i;

	for (i = 0; i < ROUNDS; i++)
		dma_unmap_single(&f->pdev->dev, virt_to_phys(f->memory) + i * ROUND_BYTES,
				 ROUND_BYTES, DMA_TO_DEVICE);
}

/* Each round of work keeps one of its two mappings; only remove() finds them again. */
static noinline void faulty_dma026_growth(struct faulty *f)
{
	dma_addr_t address;
	unsigned int i;

	BUILD_BUG_ON((ROUNDS + 1) * ROUND_BYTES > FAULTY_BYTES);
	for (i = 0; i < ROUNDS; i++) {
		writel(i, f->regs + EDU_LIVENESS);
		dma_map_single(&f->pdev->dev, f->memory + i * ROUND_BYTES, ROUND_BYTES,
			       DMA_TO_DEVICE);
		address = dma_map_single(&f->pdev->dev, f->memory + ROUNDS * ROUND_BYTES,
					 ROUND_BYTES, DMA_TO_DEVICE);
		dma_unmap_single(&f->pdev->dev, address, ROUND_BYTES, DMA_TO_DEVICE);
	}
	f->at_remove = faulty_dma026_unmap_all;
}

/* As much work, but a ring of 64 mappings: it fills and stays full. */
#define RING	64

static noinline void near_dma026_ring(struct faulty *f)
{
	dma_addr_t ring[RING] = { };
	unsigned int i, slot;

	for (i = 0; i < ROUNDS + RING; i++) {
		slot = i % RING;
		if (i >= RING)
			dma_unmap_single(&f->pdev->dev, ring[slot], ROUND_BYTES, DMA_TO_DEVICE);
		if (i >= ROUNDS)
			continue;
		writel(i, f->regs + EDU_LIVENESS);
		ring[slot] = faulty_map(f, slot * ROUND_BYTES, ROUND_BYTES, DMA_TO_DEVICE);
	}
}

const struct faulty_choice faulty_dma[] = {
	FAULTY(faulty_dma006_not_mapped), FAULTY(near_dma006_mapped),
	FAULTY(faulty_dma007_unmap_short), FAULTY(near_dma007_two_sizes),
	FAULTY(faulty_dma008_direction), FAULTY(near_dma008_bidirectional),
	FAULTY(faulty_dma010_twice), FAULTY(near_dma010_mapped_again),
	FAULTY(faulty_dma011_streaming), FAULTY(near_dma011_until_remove),
	FAULTY(faulty_dma011_coherent), FAULTY(near_dma011_managed),
	FAULTY(faulty_dma013_error_unmapped), FAULTY(near_dma013_error_checked),
	FAULTY(faulty_dma031_not_checked), FAULTY(near_dma031_checked),
	FAULTY(faulty_dma014_sync_not_mapped), FAULTY(near_dma014_sync_mapped),
	FAULTY(faulty_dma015_sync_outside), FAULTY(near_dma015_sync_part),
	FAULTY(faulty_dma016_sync_direction), FAULTY(near_dma016_sync_same),
	FAULTY(faulty_dma017_overlap), FAULTY(near_dma017_both_read),
	FAULTY(near_dma017_adjacent),
	FAULTY(faulty_dma023_free_size), FAULTY(near_dma023_free_same),
	FAULTY(faulty_dma025_nothing), FAULTY(near_dma025_one_byte),
	FAULTY(faulty_dma026_growth), FAULTY(near_dma026_ring),
	FAULTY_END
};
