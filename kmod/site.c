// SPDX-License-Identifier: GPL-2.0
/*
 * Code addresses become sites: module index and offset, named once in-band.
 *
 * A recording must explain itself on another machine, and after the driver has
 * been unloaded: so the first record that mentions an address is preceded by a
 * metadata record with its symbol, and the first that mentions a module by a
 * module-load record. A hash table keeps both costs off the common path.
 */
#include <linux/hash.h>
#include <linux/kallsyms.h>
#include <linux/kprobes.h>
#include <linux/module.h>
#include <linux/stacktrace.h>
#include <linux/static_call.h>
#include <linux/version.h>

#include "log.h"

#define SITES_BITS	15
#define SITES_MAX	(1U << SITES_BITS)
#define SITES_PROBES	64
#define SITE_TOMBSTONE	1UL

#define MODULES_MAX	512
#define MODULE_NONE	0xffff
/* Offsets in .init.text, which lies elsewhere, have this bit. */
#define SITE_INIT_BIT	BIT_ULL(47)

#define FRAMES_MAX	48

/*
 * address: 0 empty, SITE_TOMBSTONE free again, else owned by that address
 * (claimed by cmpxchg, never changed but to a tombstone). site: 0 until it is
 * known; published with release, read with acquire.
 */
struct uv_site_entry {
	unsigned long	address;
	u64		site;
};

/*
 * A module that the trace has mentioned. Slots are taken under
 * uv_modules_lock; start/size change when a module comes back elsewhere, and
 * are only read to recognise a driver's own code: a reader that races with a
 * load sees no code running in it.
 */
struct uv_module_entry {
	char		name[MODULE_NAME_LEN];
	unsigned long	start, end;
	unsigned long	init_start, init_end;
	bool		told;
};

static struct uv_site_entry *uv_sites;
static struct uv_module_entry *uv_modules;	/* [0] is the kernel */
static unsigned int uv_module_count;
static DEFINE_RAW_SPINLOCK(uv_modules_lock);	/* any context; nothing taken inside */
static atomic64_t uv_site_count = ATOMIC64_INIT(0);

/*
 * Not exported. Static calls, as a call through a pointer would fault where IBT
 * is on and the function's unused ENDBR has been sealed.
 */
DEFINE_STATIC_CALL_NULL(uv_lookup_name, kallsyms_lookup_name);
DEFINE_STATIC_CALL_NULL(uv_module_of, __module_address);
static unsigned long uv_text_start;

/* Longer symbols are cut: they are for people. */
#define NAME_BYTES	(2 * UV_CONTINUATION_BYTES)

struct uv_name {
	char text[KSYM_SYMBOL_LEN];
};

static DEFINE_PER_CPU(struct uv_name, uv_names);

static void uv_module_extent(const struct module *mod, struct uv_module_entry *m)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 4, 0)
	const struct module_memory *text = &mod->mem[MOD_TEXT], *init = &mod->mem[MOD_INIT_TEXT];

	m->start = (unsigned long)text->base;
	m->end = m->start + text->size;
	m->init_start = (unsigned long)init->base;
	m->init_end = m->init_start + init->size;
#else
	m->start = (unsigned long)mod->core_layout.base;
	m->end = m->start + mod->core_layout.text_size;
	m->init_start = (unsigned long)mod->init_layout.base;
	m->init_end = m->init_start + mod->init_layout.text_size;
#endif
}

static u16 uv_module_intern(const struct module *mod)
{
	unsigned long irq_flags;
	unsigned int i;

	raw_spin_lock_irqsave(&uv_modules_lock, irq_flags);
	for (i = 1; i < uv_module_count; i++)
		if (!strcmp(uv_modules[i].name, mod->name))
			break;
	if (i < MODULES_MAX) {
		uv_module_extent(mod, &uv_modules[i]);
		if (i == uv_module_count) {
			strscpy(uv_modules[i].name, mod->name, MODULE_NAME_LEN);
			uv_module_count = i + 1;
		}
	} else {
		i = MODULE_NONE;
	}
	raw_spin_unlock_irqrestore(&uv_modules_lock, irq_flags);
	return i;
}

static void uv_module_tell(u16 index, const struct module *mod, enum uv_kind kind)
{
	struct uv_module_entry *m = &uv_modules[index];
	struct uv_record rec;

	uv_event(&rec, kind, NULL);
	rec.length = m->end - m->start;
	rec.module.index = index;
#ifdef CONFIG_STACKTRACE_BUILD_ID
	if (mod) {
		memcpy(rec.module.build_id, mod->build_id, sizeof(mod->build_id));
		rec.module.build_id_length = sizeof(mod->build_id);
	}
#endif
	rec.module.tainted = mod ? !!mod->taints : 0;
	uv_emit(&rec, m->name, strlen(m->name));
}

static bool uv_module_has(const struct uv_module_entry *m, unsigned long address)
{
	return (address >= m->start && address < m->end) ||
	       (address >= m->init_start && address < m->init_end);
}

/* Where an address lies, by asking the kernel. RCU (preemption off) keeps the module. */
static u64 uv_site_resolve(unsigned long address)
{
	const struct uv_module_entry *m;
	struct module *mod;
	u16 index;
	u64 offset;

	mod = static_call(uv_module_of)(address);
	if (!mod) {
		if (!uv_text_start || address < uv_text_start)
			return (UV_SITE_MODULE_UNKNOWN << UV_SITE_MODULE_SHIFT) |
			       (address & UV_SITE_OFFSET_MASK);
		return (address - uv_text_start) & UV_SITE_OFFSET_MASK;
	}
	index = uv_module_intern(mod);
	if (index == MODULE_NONE)
		return UV_SITE_MODULE_UNKNOWN << UV_SITE_MODULE_SHIFT;
	m = &uv_modules[index];
	if (!xchg(&uv_modules[index].told, true))
		uv_module_tell(index, mod, UV_KIND_MODULE_LOAD);
	if (address >= m->start && address < m->end)
		offset = address - m->start;
	else
		offset = (address - m->init_start) | SITE_INIT_BIT;
	return ((u64)index << UV_SITE_MODULE_SHIFT) | (offset & UV_SITE_OFFSET_MASK);
}

static void uv_site_name(unsigned long address, u64 site, bool is_call)
{
	struct uv_record rec;
	unsigned long irq_flags;
	struct uv_name *name;
	int length;

	uv_event(&rec, UV_KIND_METADATA, NULL);
	rec.address = site;
	rec.meta.topic = UV_TOPIC_SYMBOL;
	rec.meta.chunks = 1;
	local_irq_save(irq_flags);	/* uv_names is this CPU's, and of this context */
	name = this_cpu_ptr(&uv_names);
	/* %pB looks one byte back, as the call may be its function's last instruction */
	length = scnprintf(name->text, sizeof(name->text), is_call ? "%pB" : "%pS",
			   (void *)address);
	uv_emit(&rec, name->text, min(length, NAME_BYTES));
	local_irq_restore(irq_flags);
}

u64 uv_site(unsigned long address, bool is_call)
{
	struct uv_site_entry *entry, *reuse = NULL;
	unsigned int slot = hash_long(address, SITES_BITS), i;
	unsigned long seen;
	u64 site;

	if (!address)
		return 0;
	for (i = 0; i < SITES_PROBES; i++) {
		entry = &uv_sites[(slot + i) & (SITES_MAX - 1)];
		seen = READ_ONCE(entry->address);
		if (seen == address) {
			/* pairs with the release below */
			site = smp_load_acquire(&entry->site);
			if (site)
				return site;
			break;	/* another CPU is at it: resolve, but leave naming to it */
		}
		if (seen == SITE_TOMBSTONE && !reuse)
			reuse = entry;
		if (!seen) {
			if (!reuse)
				reuse = entry;
			break;
		}
	}
	rcu_read_lock_sched();
	site = uv_site_resolve(address);
	seen = reuse ? READ_ONCE(reuse->address) : 0;
	if (reuse && seen <= SITE_TOMBSTONE &&
	    cmpxchg(&reuse->address, seen, address) == seen) {
		atomic64_inc(&uv_site_count);
		uv_site_name(address, site, is_call);
		/* pairs with the acquire above: whoever sees the site sees it named */
		smp_store_release(&reuse->site, site);
	}
	rcu_read_unlock_sched();
	return site;
}

u16 uv_site_module(const struct module *module)
{
	u16 index;

	if (!module)
		return 0;
	index = uv_module_intern(module);
	if (index == MODULE_NONE)
		return 0;
	if (uv_recording() && !xchg(&uv_modules[index].told, true))
		uv_module_tell(index, module, UV_KIND_MODULE_LOAD);
	return index;
}

bool uv_in_driver(const struct uv_function *fn, unsigned long address)
{
	u16 index = READ_ONCE(fn->driver_module);

	return index && uv_module_has(&uv_modules[index], address);
}

unsigned long uv_driver_frame(const struct uv_function *fn)
{
	unsigned long frames[FRAMES_MAX];
	unsigned int n, i;

	if (!READ_ONCE(fn->driver_module))
		return 0;
	n = stack_trace_save(frames, FRAMES_MAX, 1);
	for (i = 0; i < n; i++)
		if (uv_in_driver(fn, frames[i]))
			return frames[i];
	return 0;
}

void uv_sites_restart(void)
{
	unsigned int i;

	memset(uv_sites, 0, SITES_MAX * sizeof(*uv_sites));
	for (i = 0; i < uv_module_count; i++)
		uv_modules[i].told = false;
	atomic64_set(&uv_site_count, 0);
}

void uv_sites_repeat(void)
{
	unsigned int i;

	for (i = 1; i < uv_module_count; i++)
		if (uv_modules[i].told)
			uv_module_tell(i, NULL, UV_KIND_MODULE_LOAD);
	for (i = 0; i < SITES_MAX; i++)
		if (uv_sites[i].address > SITE_TOMBSTONE && uv_sites[i].site)
			uv_site_name(uv_sites[i].address, uv_sites[i].site, true);
}

u64 uv_sites_known(void)
{
	return atomic64_read(&uv_site_count);
}

static void uv_module_forget(struct module *mod)
{
	struct uv_module_entry gone = { };
	unsigned int i;

	uv_module_extent(mod, &gone);
	for (i = 0; i < SITES_MAX; i++) {
		unsigned long address = READ_ONCE(uv_sites[i].address);

		if (address > SITE_TOMBSTONE && uv_module_has(&gone, address)) {
			WRITE_ONCE(uv_sites[i].site, 0);
			/* pairs with the cmpxchg of uv_site(): site is 0 before it can be reused */
			smp_store_release(&uv_sites[i].address, SITE_TOMBSTONE);
		}
	}
}

static int uv_module_event(struct notifier_block *nb, unsigned long event, void *data)
{
	struct module *mod = data;
	unsigned int i;

	switch (event) {
	case MODULE_STATE_COMING:
		if (uv_recording())
			uv_pio_module_coming(mod);
		break;
	case MODULE_STATE_GOING:
		uv_pio_module_going(mod);
		for (i = 1; i < uv_module_count; i++)
			if (uv_modules[i].told && !strcmp(uv_modules[i].name, mod->name)) {
				if (uv_recording())
					uv_module_tell(i, mod, UV_KIND_MODULE_UNLOAD);
				uv_modules[i].told = false;
			}
		uv_module_forget(mod);
		uv_trap_forget_code();
		break;
	}
	return NOTIFY_OK;
}

static struct notifier_block uv_module_notifier = {
	.notifier_call = uv_module_event,
};

void *uv_kernel_symbol(const char *name)
{
	return (void *)static_call(uv_lookup_name)(name);
}

/* kallsyms_lookup_name is not exported: a kprobe finds it. */
static int uv_find_lookup(void)
{
	struct kprobe probe = { .symbol_name = "kallsyms_lookup_name" };
	unsigned long address;
	int err;

	err = register_kprobe(&probe);
	if (err)
		return err;
	address = (unsigned long)probe.addr;
	unregister_kprobe(&probe);
#ifdef CONFIG_X86_KERNEL_IBT
	address &= ~0xfUL;	/* the probe sits behind ENDBR; functions are aligned to 16 */
#endif
	static_call_update(uv_lookup_name, (void *)address);
	return 0;
}

int uv_sites_init(void)
{
	int err = uv_find_lookup();
	void *module_of;

	if (err)
		return err;
	module_of = uv_kernel_symbol("__module_address");
	uv_text_start = (unsigned long)uv_kernel_symbol("_text");
	if (!module_of)
		return -ENOENT;
	static_call_update(uv_module_of, module_of);
	uv_sites = kvcalloc(SITES_MAX, sizeof(*uv_sites), GFP_KERNEL);
	uv_modules = kvcalloc(MODULES_MAX, sizeof(*uv_modules), GFP_KERNEL);
	if (!uv_sites || !uv_modules) {
		err = -ENOMEM;
		goto free;
	}
	strscpy(uv_modules[0].name, "vmlinux", MODULE_NAME_LEN);
	uv_module_count = 1;
	err = register_module_notifier(&uv_module_notifier);
	if (err)
		goto free;
	return 0;
free:
	kvfree(uv_sites);
	kvfree(uv_modules);
	return err;
}

void uv_sites_exit(void)
{
	unregister_module_notifier(&uv_module_notifier);
	kvfree(uv_sites);
	kvfree(uv_modules);
}
