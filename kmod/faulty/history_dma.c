// SPDX-License-Identifier: GPL-2.0
/*
 * What stock drivers did to DMA memory until a commit put it right. The behaviour is theirs as
 * the commit's message tells it, the code is not. Commits and titles: faults.toml.
 */
#include <linux/dma-mapping.h>
#include <linux/scatterlist.h>

#include "faulty.h"

/* cpdma padded short frames as it mapped them, and unmapped the length before padding. */
static noinline void history_cpdma_padding(struct faulty *f)
{
	const size_t frame = 42, shortest = 64;
	dma_addr_t address;

	address = dma_map_single(&f->pdev->dev, f->memory, max(frame, shortest), DMA_TO_DEVICE);
	if (dma_mapping_error(&f->pdev->dev, address))
		return;
	dma_unmap_single(&f->pdev->dev, address, frame, DMA_TO_DEVICE);
}

/* qla2xxx freed one of its coherent areas with the size of another. */
static noinline void history_qla2xxx_other_size(struct faulty *f)
{
	dma_addr_t address;
	void *area = dma_alloc_coherent(&f->pdev->dev, 4088, &address, GFP_KERNEL);

	if (area)
		dma_free_coherent(&f->pdev->dev, 512, area, address);
}

/* atlantic's timestamp ring has extra bytes, which the function for all rings knew nothing of. */
static noinline void history_atlantic_extra_bytes(struct faulty *f)
{
	const size_t ring = 32768, extra = 2048;
	dma_addr_t address;
	void *memory = dma_alloc_coherent(&f->pdev->dev, ring + extra, &address, GFP_KERNEL);

	if (memory)
		dma_free_coherent(&f->pdev->dev, ring, memory, address);
}

#define EFCT_ENTRIES	4

/*
 * efct unmapped as many entries as dma_map_sg() had returned. They are fewer where an IOMMU
 * merges neighbours; there is none here, so merging two is played.
 */
static noinline void history_efct_returned_count(struct faulty *f)
{
	struct scatterlist list[EFCT_ENTRIES];
	unsigned int i;
	int mapped;

	sg_init_table(list, EFCT_ENTRIES);
	for (i = 0; i < EFCT_ENTRIES; i++)
		sg_set_buf(&list[i], f->memory + i * 1024, 1024);
	mapped = dma_map_sg(&f->pdev->dev, list, EFCT_ENTRIES, DMA_FROM_DEVICE);
	if (mapped > 1)
		dma_unmap_sg(&f->pdev->dev, list, mapped - 1, DMA_FROM_DEVICE);
}

static noinline void history_pch_udc_remove(struct faulty *f)
{
	if (f->dma)
		dma_unmap_single(&f->pdev->dev, f->dma, 256, DMA_FROM_DEVICE);
}

/* pch_udc took the address for good, gave it to the device, and unmapped it at the end. */
static noinline void history_pch_udc_unchecked(struct faulty *f)
{
	/* a device that reaches 16 MB, so that the mapping fails */
	if (dma_set_mask(&f->pdev->dev, DMA_BIT_MASK(24)))
		return;
	f->dma = dma_map_single(&f->pdev->dev, f->memory, 256, DMA_FROM_DEVICE);
	writeq(f->dma, f->regs + EDU_DMA_DESTINATION);
	f->at_remove = history_pch_udc_remove;
}

/* rockchip-sfc took virt_to_phys() for the DMA address: it synced what it never mapped. */
static noinline void history_rockchip_sfc_phys(struct faulty *f)
{
	dma_addr_t address = virt_to_phys(f->memory);

	dma_sync_single_for_device(&f->pdev->dev, address, 288, DMA_FROM_DEVICE);
	dma_sync_single_for_cpu(&f->pdev->dev, address, 288, DMA_FROM_DEVICE);
}

#define MT76_FRAMES	4

struct history_mt76_buffer {
	dma_addr_t	address;
	bool		skip_unmap;
};

static void history_mt76_complete(struct faulty *f, const struct history_mt76_buffer *buffer)
{
	if (!buffer->skip_unmap)
		dma_unmap_single(&f->pdev->dev, buffer->address, 128, DMA_TO_DEVICE);
}

/* mt76 did not clear a flag on its stack: what was left there said "do not unmap". */
static noinline void history_mt76_stale_flag(struct faulty *f)
{
	struct history_mt76_buffer buffer = { .skip_unmap = true };
	unsigned int i;

	for (i = 0; i < MT76_FRAMES; i++) {
		buffer.address = dma_map_single(&f->pdev->dev, f->memory + i * 128, 128,
						DMA_TO_DEVICE);
		history_mt76_complete(f, &buffer);
	}
}

#define MT7915_FRAGMENTS	3

/* mt7915 unmapped a frame's fragments from the second on. */
static noinline void history_mt7915_first_fragment(struct faulty *f)
{
	dma_addr_t fragments[MT7915_FRAGMENTS];
	unsigned int i;

	for (i = 0; i < MT7915_FRAGMENTS; i++)
		fragments[i] = dma_map_single(&f->pdev->dev, f->memory + i * 256, 256,
					      DMA_TO_DEVICE);
	for (i = 1; i < MT7915_FRAGMENTS; i++)
		dma_unmap_single(&f->pdev->dev, fragments[i], 256, DMA_TO_DEVICE);
}

const struct faulty_choice faulty_history_dma[] = {
	FAULTY(history_cpdma_padding), FAULTY(history_qla2xxx_other_size),
	FAULTY(history_atlantic_extra_bytes), FAULTY(history_efct_returned_count),
	FAULTY(history_pch_udc_unchecked), FAULTY(history_rockchip_sfc_phys),
	FAULTY(history_mt76_stale_flag), FAULTY(history_mt7915_first_fragment),
	FAULTY_END
};
