// SPDX-License-Identifier: GPL-2.0
/* Scatterlists: DMA009, DMA012, DMA024. */
#include <linux/dma-mapping.h>
#include <linux/scatterlist.h>

#include "faulty.h"

#define ENTRIES		3
#define ENTRY_BYTES	512

static int faulty_map_list(struct faulty *f, struct scatterlist *list)
{
	unsigned int i;

	sg_init_table(list, ENTRIES);
	/* gaps between them, so that no IOMMU could merge them */
	for (i = 0; i < ENTRIES; i++)
		sg_set_buf(&list[i], f->memory + 2 * i * ENTRY_BYTES, ENTRY_BYTES);
	return dma_map_sg(&f->pdev->dev, list, ENTRIES, DMA_TO_DEVICE);
}

/* One entry, mapped as a list and given back as a single buffer. */
static noinline void faulty_dma009_list_as_single(struct faulty *f)
{
	struct scatterlist list;

	sg_init_one(&list, f->memory, ENTRY_BYTES);
	if (dma_map_sg(&f->pdev->dev, &list, 1, DMA_TO_DEVICE))
		dma_unmap_single(&f->pdev->dev, sg_dma_address(&list), ENTRY_BYTES,
				 DMA_TO_DEVICE);
}

/* What dma_map_resource() gave goes to dma_unmap_page(). */
static noinline void faulty_dma009_resource_as_page(struct faulty *f)
{
	dma_addr_t address = dma_map_resource(&f->pdev->dev, f->start, PAGE_SIZE,
					      DMA_BIDIRECTIONAL, 0);

	if (!dma_mapping_error(&f->pdev->dev, address))
		dma_unmap_page_attrs(&f->pdev->dev, address, PAGE_SIZE, DMA_BIDIRECTIONAL,
				     DMA_ATTR_SKIP_CPU_SYNC);
}

static noinline void near_dma009_list_of_one(struct faulty *f)
{
	struct scatterlist list;

	sg_init_one(&list, f->memory, ENTRY_BYTES);
	if (dma_map_sg(&f->pdev->dev, &list, 1, DMA_TO_DEVICE))
		dma_unmap_sg(&f->pdev->dev, &list, 1, DMA_TO_DEVICE);
}

static noinline void faulty_dma012_fewer_entries(struct faulty *f)
{
	struct scatterlist list[ENTRIES];

	if (faulty_map_list(f, list))
		dma_unmap_sg(&f->pdev->dev, list, ENTRIES - 1, DMA_TO_DEVICE);
}

static noinline void faulty_dma012_sync_fewer(struct faulty *f)
{
	struct scatterlist list[ENTRIES];

	if (!faulty_map_list(f, list))
		return;
	dma_sync_sg_for_cpu(&f->pdev->dev, list, ENTRIES - 1, DMA_TO_DEVICE);
	dma_unmap_sg(&f->pdev->dev, list, ENTRIES, DMA_TO_DEVICE);
}

static noinline void near_dma012_same_entries(struct faulty *f)
{
	struct scatterlist list[ENTRIES];

	if (!faulty_map_list(f, list))
		return;
	dma_sync_sg_for_cpu(&f->pdev->dev, list, ENTRIES, DMA_TO_DEVICE);
	dma_unmap_sg(&f->pdev->dev, list, ENTRIES, DMA_TO_DEVICE);
}

#define SEGMENT_MAX	1024
#define SEGMENT_DEFAULT	65536

/* The driver says what its device can take, and maps more than that at once. */
static noinline void faulty_dma024_segment_size(struct faulty *f)
{
	struct scatterlist list;

	dma_set_max_seg_size(&f->pdev->dev, SEGMENT_MAX);
	sg_init_one(&list, f->memory, 2 * SEGMENT_MAX);
	if (dma_map_sg(&f->pdev->dev, &list, 1, DMA_TO_DEVICE))
		dma_unmap_sg(&f->pdev->dev, &list, 1, DMA_TO_DEVICE);
	dma_set_max_seg_size(&f->pdev->dev, SEGMENT_DEFAULT);
}

static noinline void near_dma024_segment_size(struct faulty *f)
{
	struct scatterlist list;

	dma_set_max_seg_size(&f->pdev->dev, SEGMENT_MAX);
	sg_init_one(&list, f->memory, SEGMENT_MAX);
	if (dma_map_sg(&f->pdev->dev, &list, 1, DMA_TO_DEVICE))
		dma_unmap_sg(&f->pdev->dev, &list, 1, DMA_TO_DEVICE);
	dma_set_max_seg_size(&f->pdev->dev, SEGMENT_DEFAULT);
}

/* 4 KiB boundary: the segment begins in the middle of one page and ends in the next. */
static noinline void faulty_dma024_boundary(struct faulty *f)
{
	struct scatterlist list;

	dma_set_seg_boundary(&f->pdev->dev, PAGE_SIZE - 1);
	sg_init_one(&list, f->memory + PAGE_SIZE / 2, PAGE_SIZE);
	if (dma_map_sg(&f->pdev->dev, &list, 1, DMA_TO_DEVICE))
		dma_unmap_sg(&f->pdev->dev, &list, 1, DMA_TO_DEVICE);
	dma_set_seg_boundary(&f->pdev->dev, DMA_BIT_MASK(32));
}

static noinline void near_dma024_boundary(struct faulty *f)
{
	struct scatterlist list;

	dma_set_seg_boundary(&f->pdev->dev, PAGE_SIZE - 1);
	sg_init_one(&list, f->memory + PAGE_SIZE, PAGE_SIZE);
	if (dma_map_sg(&f->pdev->dev, &list, 1, DMA_TO_DEVICE))
		dma_unmap_sg(&f->pdev->dev, &list, 1, DMA_TO_DEVICE);
	dma_set_seg_boundary(&f->pdev->dev, DMA_BIT_MASK(32));
}

const struct faulty_choice faulty_list[] = {
	FAULTY(faulty_dma009_list_as_single), FAULTY(faulty_dma009_resource_as_page),
	FAULTY(near_dma009_list_of_one),
	FAULTY(faulty_dma012_fewer_entries), FAULTY(faulty_dma012_sync_fewer),
	FAULTY(near_dma012_same_entries),
	FAULTY(faulty_dma024_segment_size), FAULTY(near_dma024_segment_size),
	FAULTY(faulty_dma024_boundary), FAULTY(near_dma024_boundary),
	FAULTY_END
};
