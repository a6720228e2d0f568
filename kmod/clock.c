// SPDX-License-Identifier: GPL-2.0
/*
 * CLOCK_MONOTONIC, cheap enough to be read twice for every access.
 *
 * Where the kernel does not trust the TSC (most emulated machines) its clock is
 * a device register, dearer than the whole trap. Then each CPU reads that clock
 * once a millisecond and counts TSC ticks in between. On one CPU the result
 * never runs backwards; between CPUs it is as good as the kernel's clock plus
 * the TSC's drift within a millisecond.
 */
#include <linux/ktime.h>
#include <linux/math64.h>
#include <asm/tsc.h>

#include "log.h"

#define ANCHOR_NS	NSEC_PER_MSEC
#define SCALE_SHIFT	24

struct uv_anchor {
	u64 tsc;
	u64 mono_ns;
	u64 last_ns;
};

/* This CPU's, interrupts off. */
static DEFINE_PER_CPU(struct uv_anchor, uv_anchors);

/* Nanoseconds per tick << SCALE_SHIFT; 0: the kernel's clock is cheap, use it. */
static u32 uv_tsc_scale;
static u64 uv_anchor_ticks;

void uv_clock_start(void)
{
	int cpu;

	for_each_possible_cpu(cpu)
		memset(per_cpu_ptr(&uv_anchors, cpu), 0, sizeof(struct uv_anchor));
	uv_tsc_scale = 0;
	if (!check_tsc_unstable() || !tsc_khz)
		return;
	/* without a constant rate only an emulated TSC counts real time */
	if (!boot_cpu_has(X86_FEATURE_CONSTANT_TSC) && !boot_cpu_has(X86_FEATURE_HYPERVISOR))
		return;
	uv_anchor_ticks = div_u64((u64)tsc_khz * ANCHOR_NS, NSEC_PER_MSEC);
	uv_tsc_scale = div_u64((u64)NSEC_PER_MSEC << SCALE_SHIFT, tsc_khz);
}

static u64 uv_clock_interpolate(struct uv_anchor *anchor)
{
	u64 tsc = rdtsc(), passed = tsc - anchor->tsc;
	u64 now;

	if (!anchor->tsc || passed > uv_anchor_ticks) {
		now = ktime_get_mono_fast_ns();
		anchor->tsc = rdtsc();
		anchor->mono_ns = now;
	} else {
		now = anchor->mono_ns + mul_u64_u32_shr(passed, uv_tsc_scale, SCALE_SHIFT);
	}
	anchor->last_ns = max(anchor->last_ns, now);
	return anchor->last_ns;
}

u64 uv_clock_irqs_off(void)
{
	if (!uv_tsc_scale)
		return ktime_get_mono_fast_ns();
	return uv_clock_interpolate(this_cpu_ptr(&uv_anchors));
}

u64 uv_clock(void)
{
	unsigned long irq_flags;
	u64 now;

	local_irq_save(irq_flags);
	now = uv_clock_irqs_off();
	local_irq_restore(irq_flags);
	return now;
}
