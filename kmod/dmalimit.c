// SPDX-License-Identifier: GPL-2.0
/*
 * What a device's DMA is limited to: masks, segment length and boundary.
 *
 * DMA-mask: value is the mask, life.new_state 1 the coherent one, 0 the
 * streaming one. Segment-limit: value and length are the longest segment,
 * life.segment_boundary the boundary mask; told before the first map under it.
 */
#include <linux/dma-mapping.h>

#include "dma.h"
#include "log.h"

/* ---- segment limits: a driver sets them inline, so they are noticed here ---- */

/*
 * What the trace says of a function's limits. recording: the start time of the
 * recording that it was said in. Written without a lock: two CPUs that tell the
 * same limits twice do no harm.
 */
static struct uv_segment_limit {
	u64	recording;
	u64	boundary;
	u32	length;
} uv_segment_limits[UV_FUNCTIONS_MAX];

void uv_segment_limit_tell(struct device *dev, unsigned long ip)
{
	struct uv_segment_limit *told, now = {
		.boundary = dma_get_seg_boundary(dev),
		.length = dma_get_max_seg_size(dev),
	};
	const struct uv_function *fn;
	struct uv_record rec;

	rcu_read_lock();
	fn = uv_traced(dev);
	if (!fn)
		goto out;
	now.recording = READ_ONCE(uv_ring.header->start_mono_ns);
	told = &uv_segment_limits[fn->index];
	if (READ_ONCE(told->recording) == now.recording &&
	    READ_ONCE(told->boundary) == now.boundary && READ_ONCE(told->length) == now.length)
		goto out;
	WRITE_ONCE(told->boundary, now.boundary);
	WRITE_ONCE(told->length, now.length);
	WRITE_ONCE(told->recording, now.recording);
	uv_event(&rec, UV_KIND_SEGMENT_LIMIT, fn);
	rec.value = now.length;
	rec.length = now.length;
	rec.life.bar = UV_BAR_NONE;
	rec.life.segment_boundary = now.boundary;
	uv_event_at(&rec, fn, ip, true);
	uv_emit(&rec, NULL, 0);
out:
	rcu_read_unlock();
}

/* ---- masks ---- */

/*
 * Let a traced device's syncs reach the out-of-line functions, which do nothing
 * where nothing is to be done. A coherent device pays a call per sync for it.
 */
static void uv_dma_want_syncs(struct device *dev)
{
#ifdef CONFIG_DMA_NEED_SYNC
	dev->dma_skip_sync = false;
#endif
}

void uv_dma_bound(struct uv_function *fn)
{
	uv_dma_want_syncs(&fn->pdev->dev);
}

static void uv_mask_log(struct device *dev, u64 mask, bool coherent, int err, u64 start,
			unsigned long ip)
{
	const struct uv_function *fn;
	struct uv_record rec;

	rcu_read_lock();
	fn = uv_traced(dev);
	if (fn) {
		uv_event(&rec, UV_KIND_DMA_MASK, fn);
		rec.phase = UV_PHASE_WHOLE;
		rec.status = err ? UV_STATUS_FAILED : UV_STATUS_OK;
		rec.time_ns = start;
		rec.value = mask;
		rec.life.bar = UV_BAR_NONE;
		rec.life.new_state = coherent;
		rec.life.result = err;
		uv_event_at(&rec, fn, ip, true);
		uv_emit(&rec, NULL, 0);
	}
	rcu_read_unlock();
}

int uv_dma_set_mask(struct device *dev, u64 mask)
{
	u64 start;
	int err;

	uv_hook_enter();
	start = uv_call_begins();
	err = dma_set_mask(dev, mask);
	if (start)
		uv_mask_log(dev, mask, false, err, start, _RET_IP_);
	rcu_read_lock();
	if (uv_function_of(dev))	/* the call has set the bit again */
		uv_dma_want_syncs(dev);
	rcu_read_unlock();
	uv_hook_exit();
	return err;
}

int uv_dma_set_coherent_mask(struct device *dev, u64 mask)
{
	u64 start;
	int err;

	uv_hook_enter();
	start = uv_call_begins();
	err = dma_set_coherent_mask(dev, mask);
	if (start)
		uv_mask_log(dev, mask, true, err, start, _RET_IP_);
	uv_hook_exit();
	return err;
}
