/* SPDX-License-Identifier: GPL-2.0 */
/* An event of the DMA API, between dma.c and dmapool.c. */
#ifndef _UVBUS_DMA_H
#define _UVBUS_DMA_H

#include <linux/dmapool.h>

#include "wrap.h"

/**
 * struct uv_dma_event - what a record of the DMA API says
 * @start: when the call began; 0: its duration is not told
 * @ip: return address of the call
 *
 * The rest is as in struct uv_record and struct uv_dma_call.
 */
struct uv_dma_event {
	enum uv_kind	kind;
	u8		flavour;
	u8		direction;
	bool		failed;
	u64		start;
	unsigned long	ip;
	unsigned long	attrs;
	u64		address;
	u64		length;
	u64		tag;
	const void	*cpu_address;
	u64		phys;
	u32		entry;
	u32		entries;
	u32		nents;
	s32		result;
};

/* Log it if the device is traced and recording is on. */
void uv_dma_log(const struct device *dev, const struct uv_dma_event *event);

/* dmalimit.c: tell of a device's segment limits if the trace does not know them; wrappers */
void uv_segment_limit_tell(struct device *dev, unsigned long ip);
int uv_dma_set_mask(struct device *dev, u64 mask);
int uv_dma_set_coherent_mask(struct device *dev, u64 mask);

/* dmapool.c: wrappers */
struct dma_pool *uv_dma_pool_create(const char *name, struct device *dev, size_t size,
				    size_t align, size_t boundary);
void uv_dma_pool_destroy(struct dma_pool *pool);
void *uv_dma_pool_alloc(struct dma_pool *pool, gfp_t gfp, dma_addr_t *handle);
void uv_dma_pool_free(struct dma_pool *pool, void *memory, dma_addr_t handle);

#endif /* _UVBUS_DMA_H */
