/* SPDX-License-Identifier: GPL-2.0 */
/* Contents of memory, recorded where that is asked for (UV_SETUP_MEMORY). */
#ifndef _UVBUS_MEMORY_H
#define _UVBUS_MEMORY_H

#include "dma.h"

struct scatterlist;

/* True while contents are recorded. */
extern bool uv_memory_recorded;

/*
 * Both under uv_mutex: recording is about to begin; it has ended, and nobody who
 * saw it on is inside any more.
 */
void uv_memory_start(bool wanted);
void uv_memory_stop(void);

/*
 * A call of the DMA API about one piece of memory was logged: tell the contents that
 * the device or the CPU has got by it, watch no longer what is given back. Under RCU.
 */
void uv_memory_told(const struct uv_function *fn, const struct uv_dma_event *event);

/*
 * Coherent memory was allocated: watch it from now on. gfp: as the driver gave it,
 * what it allows is allowed here, too. Not under RCU.
 */
void uv_memory_watch(const struct device *dev, const struct uv_dma_event *event, gfp_t gfp);

/**
 * struct uv_memory_piece - memory behind an address that a device uses
 * @address: DMA address
 * @cpu_address: NULL: it cannot be read
 */
struct uv_memory_piece {
	u64		address;
	u64		length;
	const void	*cpu_address;
	u64		phys;
};

/* Before an unmap: what it is about, and afterwards: what the CPU got back. */
void uv_memory_unmapping(const struct device *dev, const struct uv_dma_event *event,
			 struct uv_memory_piece *piece);
void uv_memory_unmapped(const struct device *dev, const struct uv_dma_event *event,
			const struct uv_memory_piece *piece);

/* After a call about a scatterlist: kind, direction, attrs and ip of event count. */
void uv_memory_sg(const struct device *dev, const struct uv_dma_event *event,
		  struct scatterlist *list, int nents);

/* Tell what has changed in coherent memory. Any context but NMI; under RCU. */
void __uv_memory_look(const struct uv_function *fn, enum uv_memory_moment moment);

static __always_inline void uv_memory_look(const struct uv_function *fn,
					   enum uv_memory_moment moment)
{
	if (READ_ONCE(uv_memory_recorded) && fn)
		__uv_memory_look(fn, moment);
}

#endif /* _UVBUS_MEMORY_H */
