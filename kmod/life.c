// SPDX-License-Identifier: GPL-2.0
/*
 * The life of a function: enable and disable, bus mastering, its regions, power
 * states, resets, errors. Probe and unbind: function.c. Masks: dma.c.
 *
 * Enable-device, disable-device: value is the enable count after the call.
 * Region-request: value is the IORESOURCE_* flags of the call, payload the name.
 * Reset: a request when it begins and a completion when it has ended, as the
 * core accesses config space between them; payload is the method.
 * Error: payload is the header of the TLP, if it was logged.
 */
#include <linux/aer.h>
#include <linux/ioport.h>
#include <linux/tracepoint.h>

#include "wrap.h"

typedef int uv_enable_fn(struct pci_dev *pdev, unsigned long flags);
typedef int uv_set_power_fn(struct pci_dev *pdev, pci_power_t state, bool locked);
typedef int uv_power_up_fn(struct pci_dev *pdev);

UV_ORIGINAL(pci_enable_device_flags, uv_enable_fn)
UV_ORIGINAL(__pci_set_power_state, uv_set_power_fn)
UV_ORIGINAL(pci_power_up, uv_power_up_fn)

/* ---- enable, bus mastering ---- */

static void uv_life_event(struct uv_record *rec, enum uv_kind kind, const struct uv_function *fn,
			  u64 start, int result)
{
	uv_event(rec, kind, fn);
	rec->phase = UV_PHASE_WHOLE;
	rec->status = result < 0 ? UV_STATUS_FAILED : UV_STATUS_OK;
	rec->time_ns = start;
	rec->life.bar = UV_BAR_NONE;
	rec->life.result = result;
}

static void uv_call_log(struct pci_dev *pdev, enum uv_kind kind, u64 value, int result, u64 start,
			unsigned long ip)
{
	const struct uv_function *fn;
	struct uv_record rec;

	rcu_read_lock();
	fn = uv_traced(&pdev->dev);
	if (fn) {
		uv_life_event(&rec, kind, fn, start, result);
		rec.value = value;
		uv_event_at(&rec, fn, ip, true);
		uv_emit(&rec, NULL, 0);
	}
	rcu_read_unlock();
}

/*
 * pci_enable_device() and its variants jump here, and so does the managed one,
 * which some kernels have inlined: the call site is the driver's.
 */
static int uv_pci_enable_device_flags(struct pci_dev *pdev, unsigned long flags)
{
	u64 start;
	int err;

	uv_hook_enter();
	start = uv_call_begins();
	err = static_call(pci_enable_device_flags_original)(pdev, flags);
	if (start)
		uv_call_log(pdev, UV_KIND_ENABLE_DEVICE, atomic_read(&pdev->enable_cnt), err,
			    start, _RET_IP_);
	uv_hook_exit();
	return err;
}

static void uv_pci_disable_device(struct pci_dev *pdev)
{
	u64 start;

	uv_hook_enter();
	start = uv_call_begins();
	pci_disable_device(pdev);
	if (start)
		uv_call_log(pdev, UV_KIND_DISABLE_DEVICE, atomic_read(&pdev->enable_cnt), 0,
			    start, _RET_IP_);
	uv_hook_exit();
}

static void uv_pci_set_master(struct pci_dev *pdev)
{
	u64 start;

	uv_hook_enter();
	start = uv_call_begins();
	pci_set_master(pdev);
	if (start)
		uv_call_log(pdev, UV_KIND_SET_MASTER, 0, 0, start, _RET_IP_);
	uv_hook_exit();
}

static void uv_pci_clear_master(struct pci_dev *pdev)
{
	u64 start;

	uv_hook_enter();
	start = uv_call_begins();
	pci_clear_master(pdev);
	if (start)
		uv_call_log(pdev, UV_KIND_CLEAR_MASTER, 0, 0, start, _RET_IP_);
	uv_hook_exit();
}

/* ---- regions: pci_request_*, devres and pcim_* all end in the resource tree ---- */

struct uv_region {
	const struct resource	*parent;
	resource_size_t		start;
	resource_size_t		length;
	int			flags;
	const char		*name;	/* of a request */
};

static void uv_region_log(const struct uv_region *region, enum uv_kind kind, int result, u64 start,
			  unsigned long ip)
{
	const struct uv_function *fn = NULL;
	struct uv_record rec;
	u64 offset;
	u8 bar;

	rcu_read_lock();
	if (!uv_recording())
		goto out;
	if (resource_type(region->parent) == IORESOURCE_IO)
		fn = uv_function_of_port(region->start, &bar, &offset);
	else if (resource_type(region->parent) == IORESOURCE_MEM)
		fn = uv_function_of_range(region->start, &bar, &offset);
	if (!fn)
		goto out;
	uv_life_event(&rec, kind, fn, start, result);
	if (kind == UV_KIND_REGION_RELEASE)
		rec.phase = UV_PHASE_POSTED;
	rec.address = uv_bus_address(fn, bar, offset);
	rec.length = region->length;
	rec.value = region->flags;
	rec.life.bar = bar;
	rec.life.offset = offset;
	uv_event_at(&rec, fn, ip, true);
	uv_emit(&rec, region->name, region->name ? strlen(region->name) : 0);
out:
	rcu_read_unlock();
}

static struct resource *uv___request_region(struct resource *parent, resource_size_t first,
					    resource_size_t length, const char *name, int flags)
{
	struct resource *region;
	u64 start;

	uv_hook_enter();
	start = uv_call_begins();
	region = __request_region(parent, first, length, name, flags);
	if (start)
		uv_region_log(&(struct uv_region) {
			.parent = parent, .start = first, .length = length, .flags = flags,
			.name = name,
		}, UV_KIND_REGION_REQUEST, region ? 0 : -EBUSY, start, _RET_IP_);
	uv_hook_exit();
	return region;
}

static void uv___release_region(struct resource *parent, resource_size_t first,
				resource_size_t length)
{
	uv_hook_enter();
	if (uv_recording())
		uv_region_log(&(struct uv_region) {
			.parent = parent, .start = first, .length = length,
		}, UV_KIND_REGION_RELEASE, 0, 0, _RET_IP_);
	__release_region(parent, first, length);
	uv_hook_exit();
}

/* ---- power ---- */

static u8 uv_power_state(pci_power_t state)
{
	return (__force int)state;
}

/* What changed nothing and did not fail is no event: enabling asks for D0 every time. */
static void uv_power_log(struct pci_dev *pdev, u8 old, u8 wanted, int result, u64 start,
			 unsigned long ip)
{
	u8 now = uv_power_state(pdev->current_state);
	const struct uv_function *fn;
	struct uv_record rec;

	if (old == now && result >= 0)
		return;
	rcu_read_lock();
	fn = uv_traced(&pdev->dev);
	if (fn) {
		uv_life_event(&rec, UV_KIND_POWER, fn, start, result);
		rec.value = wanted;
		rec.life.old_state = old;
		rec.life.new_state = now;
		uv_event_at(&rec, fn, ip, true);
		uv_emit(&rec, NULL, 0);
	}
	rcu_read_unlock();
}

static int uv___pci_set_power_state(struct pci_dev *pdev, pci_power_t state, bool locked)
{
	u8 old = uv_power_state(pdev->current_state);
	struct uv_nest nest;
	bool outermost;
	u64 start;
	int err;

	uv_hook_enter();
	outermost = uv_nest_enter(&nest, UV_NEST_POWER);
	start = uv_call_begins();
	err = static_call(__pci_set_power_state_original)(pdev, state, locked);
	if (start && outermost)
		uv_power_log(pdev, old, uv_power_state(state), err, start, _RET_IP_);
	uv_nest_exit(&nest);
	uv_hook_exit();
	return err;
}

/* Resume comes here directly. */
static int uv_pci_power_up(struct pci_dev *pdev)
{
	u8 old = uv_power_state(pdev->current_state);
	struct uv_nest nest;
	bool outermost;
	u64 start;
	int err;

	uv_hook_enter();
	outermost = uv_nest_enter(&nest, UV_NEST_POWER);
	start = uv_call_begins();
	err = static_call(pci_power_up_original)(pdev);
	if (start && outermost)
		uv_power_log(pdev, old, uv_power_state(PCI_D0), err, start, _RET_IP_);
	uv_nest_exit(&nest);
	uv_hook_exit();
	return err;
}

/* ---- resets: they end in each other, the outermost tells ---- */

/* What a reset reaches: one function, or all below a bus. */
struct uv_reset {
	const char		*method;
	const struct pci_dev	*pdev;
	const struct pci_bus	*bus;
	unsigned long		ip;
	u64			tag;
	u64			start;
	bool			told;	/* that it began: so its end is told too */
	struct uv_nest		nest;
};

static bool uv_reset_reaches(const struct uv_reset *reset, const struct uv_function *fn)
{
	const struct pci_bus *bus;

	if (fn->pdev == reset->pdev)
		return true;
	for (bus = fn->pdev->bus; reset->bus && bus; bus = bus->parent)
		if (bus == reset->bus)
			return true;
	return false;
}

static void uv_reset_log(const struct uv_reset *reset, enum uv_phase phase, int result)
{
	const struct uv_function *fn;
	struct uv_record rec;
	unsigned int i;

	rcu_read_lock();
	for (i = 0; uv_recording() && i < READ_ONCE(uv_function_count); i++) {
		fn = rcu_dereference(uv_functions[i]);
		if (!fn || !uv_reset_reaches(reset, fn))
			continue;
		uv_life_event(&rec, UV_KIND_RESET, fn,
			      phase == UV_PHASE_COMPLETION ? reset->start : 0, result);
		rec.phase = phase;
		rec.tag = reset->tag;
		uv_event_at(&rec, fn, reset->ip, true);
		uv_emit(&rec, reset->method, strlen(reset->method));
	}
	rcu_read_unlock();
}

static void uv_reset_begin(struct uv_reset *reset)
{
	uv_hook_enter();
	reset->told = uv_nest_enter(&reset->nest, UV_NEST_RESET) && uv_recording();
	if (!reset->told)
		return;
	reset->tag = uv_new_tag();
	reset->start = uv_clock();
	uv_reset_log(reset, UV_PHASE_REQUEST, 0);
}

static void uv_reset_end(struct uv_reset *reset, int result)
{
	if (reset->told)
		uv_reset_log(reset, UV_PHASE_COMPLETION, result);
	uv_nest_exit(&reset->nest);
	uv_hook_exit();
}

#define UV_DEFINE_RESET(name, reaches)						\
static int uv_##name(struct pci_dev *pdev)					\
{										\
	struct uv_reset reset = {						\
		.method = #name, .pdev = pdev, .bus = reaches, .ip = _RET_IP_,	\
	};									\
	int err;								\
										\
	uv_reset_begin(&reset);							\
	err = name(pdev);							\
	uv_reset_end(&reset, err);						\
	return err;								\
}

UV_DEFINE_RESET(pcie_flr, NULL)
UV_DEFINE_RESET(__pci_reset_function_locked, NULL)
UV_DEFINE_RESET(pci_reset_function, NULL)
UV_DEFINE_RESET(pci_reset_function_locked, NULL)
UV_DEFINE_RESET(pci_try_reset_function, NULL)
UV_DEFINE_RESET(pci_reset_bus, pdev->bus)
UV_DEFINE_RESET(pci_bridge_secondary_bus_reset, pdev->subordinate)

static int uv_pcie_reset_flr(struct pci_dev *pdev, bool probe)
{
	struct uv_reset reset = { .method = "pcie_reset_flr", .pdev = pdev, .ip = _RET_IP_ };
	int err;

	if (probe) {	/* only asks whether it could */
		uv_hook_enter();
		err = pcie_reset_flr(pdev, probe);
		uv_hook_exit();
		return err;
	}
	uv_reset_begin(&reset);
	err = pcie_reset_flr(pdev, probe);
	uv_reset_end(&reset, err);
	return err;
}

/* ---- errors: the AER tracepoint ---- */

#define TLP_HEADER_BYTES	16

static void uv_on_aer(void *data, const char *name, const u32 status, const u8 severity,
		      const u8 header_valid, const void *header)
{
	const struct uv_function *fn;
	struct uv_record rec;
	unsigned int i;

	rcu_read_lock();
	for (i = 0; uv_recording() && i < READ_ONCE(uv_function_count); i++) {
		fn = rcu_dereference(uv_functions[i]);
		if (!fn || strcmp(dev_name(&fn->pdev->dev), name))
			continue;
		uv_event(&rec, UV_KIND_ERROR, fn);
		rec.life.bar = UV_BAR_NONE;
		rec.life.error_status = status;
		rec.life.severity = severity;
		uv_emit(&rec, header, header_valid ? TLP_HEADER_BYTES : 0);
	}
	rcu_read_unlock();
}

static struct tracepoint *uv_point_aer;
static bool uv_point_used;

static void uv_point_find(struct tracepoint *point, void *data)
{
	if (!strcmp(point->name, "aer_event"))
		uv_point_aer = point;
}

int uv_life_start(void)
{
	int err;

	for_each_kernel_tracepoint(uv_point_find, NULL);
	if (!uv_point_aer) {
		uv_loss(UV_LOSS_NOT_HOOKED, NULL, 0, 0, 0, "error: aer_event");
		return 0;
	}
	err = tracepoint_probe_register(uv_point_aer, uv_on_aer, NULL);
	uv_point_used = !err;
	return err;
}

void uv_life_stop(void)
{
	if (!uv_point_used)
		return;
	tracepoint_probe_unregister(uv_point_aer, uv_on_aer, NULL);
	tracepoint_synchronize_unregister();
	uv_point_used = false;
}

struct uv_hook uv_life_hooks[] = {
	UV_HOOK_STATIC(pci_enable_device_flags, "enable-device"),
	UV_HOOK_STATIC(__pci_set_power_state, "power"),
	UV_HOOK_STATIC(pci_power_up, "power"),
	UV_HOOK(pci_disable_device, "disable-device"),
	UV_HOOK(pci_set_master, "set-master"),
	UV_HOOK(pci_clear_master, "clear-master"),
	UV_HOOK(__request_region, "region-request"),
	UV_HOOK(__release_region, "region-release"),
	UV_HOOK(pcie_flr, "reset"),
	UV_HOOK(pcie_reset_flr, "reset"),
	UV_HOOK(__pci_reset_function_locked, "reset"),
	UV_HOOK(pci_reset_function, "reset"),
	UV_HOOK(pci_reset_function_locked, "reset"),
	UV_HOOK(pci_try_reset_function, "reset"),
	UV_HOOK(pci_reset_bus, "reset"),
	UV_HOOK(pci_bridge_secondary_bus_reset, "reset"),
};

const unsigned int uv_life_hook_count = ARRAY_SIZE(uv_life_hooks);
