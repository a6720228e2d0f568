/* SPDX-License-Identifier: GPL-2.0 */
/*
 * uvbus.ko, internal interfaces. One concern a file:
 *
 *   main.c      module life, the recording's state, start and stop
 *   chardev.c   /dev/uvbus0: ioctl, mmap, poll
 *   function.c  the PCI functions that are traced; bus notifier; snapshots
 *   log.c       an event becomes a record in the ring
 *   clock.c     CLOCK_MONOTONIC without the price of a device register
 *   site.c      code addresses become module + offset, named once in-band
 *   hook.c      redirects exported kernel functions to wrappers (ftrace)
 *   iomap.c     ioremap family: hands out trapped addresses, looks them up
 *   trap.c      #GP/#SS/#DB: carries out and logs a trapped access
 *   decode.c    x86 instructions that kernel MMIO uses
 *   pio.c       port I/O: probes on in/out instructions
 *   dma.c       DMA API
 *   memory.c    contents of memory that the device shares
 *   config.c    configuration space
 *   irq.c       handlers, request_irq, vectors
 *   life.c      enable, bus mastering, regions, masks, power, reset, AER
 */
#ifndef _UVBUS_H
#define _UVBUS_H

#ifndef pr_fmt
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt
#endif

#include <linux/atomic.h>
#include <linux/instruction_pointer.h>
#include <linux/mutex.h>
#include <linux/pci.h>
#include <linux/percpu.h>
#include <linux/types.h>

#include "include/uapi/uvbus.h"

#define UV_FUNCTIONS_MAX	64

struct uv_config_bus;

/**
 * struct uv_function - a PCI function that is traced
 * @pdev: the device; a reference is held
 * @index: index of its interface in the trace
 * @driver_module: site module index of the bound (or probing) driver, 0 none
 * @driver_name: the driver bound last, for records of its life
 * @prefetch_limit: prefetchable BARs of at least this size are not trapped
 * @rebind: bind a driver when recording starts
 * @bus: config.c's replacement of the bus's operations
 *
 * Lives from UV_IOC_SELECT to UV_IOC_DESELECT, which is refused while
 * recording; readers need RCU.
 */
struct uv_function {
	struct pci_dev		*pdev;
	u16			index;
	u16			driver_module;
	char			driver_name[32];
	u64			prefetch_limit;
	bool			rebind;
	struct uv_config_bus	*bus;
};

/* ---- main.c: the recording ---- */

extern bool uv_recording_flag;		/* written under uv_mutex */
extern struct mutex uv_mutex;		/* selection, start, stop, ring set-up */

/* True while events are to be logged. Hooks check this first. */
static __always_inline bool uv_recording(void)
{
	return READ_ONCE(uv_recording_flag);
}

enum uv_counter {
	UV_COUNT_RECORDS,
	UV_COUNT_TRAPS,
	UV_COUNT_STRING_TRAPS,
	UV_COUNT_UNDECODED,
	UV_COUNT_STRAY,
	UV_COUNT_STACK_FAULTS,
	UV_COUNT_PORT,
	UV_COUNT_HOOK_CALLS,
	UV_COUNTERS,
};

struct uv_counters {
	u64 n[UV_COUNTERS];
};

DECLARE_PER_CPU(struct uv_counters, uv_counters);

static __always_inline void uv_count(enum uv_counter which)
{
	this_cpu_inc(uv_counters.n[which]);
}

/* ---- function.c ---- */

extern struct uv_function __rcu *uv_functions[UV_FUNCTIONS_MAX];
extern unsigned int uv_function_count;	/* entries in use, from 0 */

/*
 * The traced function of a device, or NULL. Any context; the caller is in an
 * RCU read-side section or otherwise keeps the selection alive.
 */
struct uv_function *uv_function_of(const struct device *dev);
/* A virtual function's bus allows it something else now. Any context. */
void uv_function_limits_changed(struct pci_dev *pdev);
struct uv_function *uv_function_of_devfn(const struct pci_bus *bus, unsigned int devfn);

/*
 * The traced function and BAR that a physical range starts in, or NULL.
 * bar: out, 0..5, UV_BAR_ROM. offset: out, of the range in the BAR.
 */
struct uv_function *uv_function_of_range(u64 phys, u8 *bar, u64 *offset);
/* The same for an I/O port. */
struct uv_function *uv_function_of_port(u32 port, u8 *bar, u64 *offset);

/* Bus address of an offset in a BAR. */
u64 uv_bus_address(const struct uv_function *fn, u8 bar, u64 offset);

/* ---- log.c ---- */

/*
 * Begin a record: version, kind, phase POSTED, function (NULL: none), context
 * flags, thread. Any context but NMI.
 */
void uv_event(struct uv_record *rec, enum uv_kind kind, const struct uv_function *fn);

/*
 * Say where it happened. ip is an instruction (is_call false) or the return
 * address of a call; when it lies outside the function's driver the stack is
 * searched for the first frame inside it (rec->caller).
 */
void uv_event_at(struct uv_record *rec, const struct uv_function *fn,
		 unsigned long ip, bool is_call);

/* clock.c: for rec->time_ns: set it before what is timed; uv_emit() makes a duration of it. */
u64 uv_clock(void);

/*
 * Log a record. time_ns, if not 0, is the start of what it tells of:
 * duration_ns becomes now - time_ns. Any context but NMI; never sleeps.
 */
void uv_emit(struct uv_record *rec, const void *payload, u32 length);

/* The same two for callers that have interrupts off already. */
u64 uv_clock_irqs_off(void);
void uv_emit_irqs_off(struct uv_record *rec, const void *payload, u32 length);

/* Events that could not be recorded: cause of enum uv_loss_cause. what: text or NULL. */
void uv_loss(enum uv_loss_cause cause, const struct uv_function *fn, u64 count,
	     u64 address, u64 length, const char *what);

/* A fresh number that pairs records; never 0. */
u64 uv_new_tag(void);

/* ---- site.c ---- */

/*
 * The site of a code address; names it in the stream when it is new. Any
 * context but NMI.
 */
u64 uv_site(unsigned long address, bool is_call);
/* Site module index of a loaded module; 0 for NULL (built in). Process context. */
u16 uv_site_module(const struct module *module);
/* Does this code address lie in the function's driver? */
bool uv_in_driver(const struct uv_function *fn, unsigned long address);
/* First frame of the current stack inside the function's driver, or 0. */
unsigned long uv_driver_frame(const struct uv_function *fn);

void uv_sites_restart(void);	/* forget all names: a new recording begins */
void uv_sites_repeat(void);	/* name all again: flight recorder ends */
u64 uv_sites_known(void);
int uv_sites_init(void);
void uv_sites_exit(void);

/* Address of a kernel symbol that is not exported, or NULL. Process context. */
void *uv_kernel_symbol(const char *name);

/* ---- hook.c ---- */

/**
 * struct uv_hook - a kernel function whose callers reach a wrapper instead
 * @name: symbol
 * @wrapper: same prototype; calls the function by its name (or @original),
 *	which is not redirected for calls out of this module. The call must not
 *	be a tail call: end the wrapper with uv_hook_exit().
 * @kinds: the records that it gives, for messages ("map", "request-irq")
 * @optional: absent on some supported kernels; its absence is no loss
 * @bind: told the function's address before the hook works, for those that are
 *	not exported: sets the static call that the wrapper makes. A call
 *	through a pointer would trap where IBT is on and the kernel has sealed
 *	the function's ENDBR.
 * @original: out: address of the function
 */
struct uv_hook {
	const char	*name;
	void		*wrapper;
	const char	*kinds;
	bool		optional;
	void		(*bind)(void *original);
	void		*original;
};

#define UV_HOOK(fn, what) { .name = #fn, .wrapper = uv_##fn, .kinds = what }
#define UV_HOOK_OPTIONAL(fn, what) \
	{ .name = #fn, .wrapper = uv_##fn, .kinds = what, .optional = true }

DECLARE_PER_CPU(long, uv_hooks_inflight);

/* Brackets of every wrapper: unloading waits until nobody is inside. */
static __always_inline void uv_hook_enter(void)
{
	this_cpu_inc(uv_hooks_inflight);
	uv_count(UV_COUNT_HOOK_CALLS);
}

static __always_inline void uv_hook_exit(void)
{
	barrier();
	this_cpu_dec(uv_hooks_inflight);
}

int uv_hooks_install(void);
void uv_hooks_remove(void);
unsigned int uv_hooks_missing(void);
void uv_hooks_report(void);		/* loss records for what is not hooked */

extern struct uv_hook uv_trap_hooks[], uv_iomap_hooks[], uv_dma_hooks[], uv_irq_hooks[],
		      uv_life_hooks[];
extern const unsigned int uv_trap_hook_count, uv_iomap_hook_count, uv_dma_hook_count,
			  uv_irq_hook_count, uv_life_hook_count;

/* ---- iomap.c, trap.c ---- */

u64 uv_iomaps_live(void);
/* Drop the tombstones: their function indexes are about to lose their meaning. */
void uv_iomaps_forget(void);
void uv_trap_forget_code(void);		/* a module goes: its addresses may be reused */
int uv_trap_init(void);
void uv_trap_exit(void);

/* ---- what the other files bring ---- */

/*
 * *_start: recording is about to begin, uv_mutex held, functions are selected;
 * may fail with an errno, what was started is stopped by the caller.
 * *_stop: recording has ended (uv_recording() is false already). Idempotent.
 */
int uv_config_start(void);		/* replaces the buses' pci_ops */
void uv_config_stop(void);
/* Config read past the replacement (no record), e.g. for snapshots. */
int uv_config_read_raw(const struct uv_function *fn, int where, int size, u32 *value);
int uv_irq_start(void);			/* tracepoints */
void uv_irq_stop(void);
int uv_pio_start(void);			/* probes on loaded drivers and lib/iomap */
void uv_pio_stop(void);
/* A module is coming (its text is in place, not yet run) or going. */
void uv_pio_module_coming(struct module *module);
void uv_pio_module_going(struct module *module);
/* A driver that was loaded before is about to probe a function; device lock held. */
void uv_pio_bound(struct uv_function *fn);
/* Ports of virtual functions exist: probes are in place until uv_pio_serve_end(). */
void uv_pio_serve_begin(void);
void uv_pio_serve_end(void);
/* A module's driver is about to probe a virtual function with ports. */
void uv_pio_serve(struct module *module);
int uv_life_start(void);		/* AER tracepoint */
void uv_life_stop(void);
/* A driver has been bound to a function (kernels that skip syncs: undo that). */
void uv_dma_bound(struct uv_function *fn);

#endif /* _UVBUS_H */
