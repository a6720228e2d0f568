// SPDX-License-Identifier: GPL-2.0
/*
 * Port I/O: a kprobe on every in and out instruction that a traced function's
 * driver could reach its ports with: in its own text, in the modules that it
 * uses, and in the kernel's lib/iomap.c.
 *
 * The probe carries out the access itself, so that a string instruction gives
 * one record per bus access, and steps over the instruction. An access to any
 * other port is left to the instruction. A read is told when it has returned, a
 * write before it is made.
 *
 * A port of a virtual function is no port of this machine: the probes are there
 * whether recording or not, and the access goes to the function's model.
 */
#include <linux/kprobes.h>
#include <linux/list.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <asm/io.h>

#include "memory.h"
#include "pio.h"
#include "virt.h"

/* Then the instruction is taken up again by another trap: bounds the time with interrupts off. */
#define STRING_LIMIT	4096

struct uv_probe {
	struct list_head	list;
	struct kprobe		kprobe;
	struct uv_port_insn	insn;
	struct module		*module;	/* NULL: kernel text */
	unsigned long		missed;		/* told as loss; a race tells once too often */
};

/*
 * Guards the list, and with it registration; taken under uv_mutex and in module
 * notifiers; kprobes' own locks are taken inside. Handlers do not look at the list.
 */
static DEFINE_MUTEX(uv_probes_mutex);
static LIST_HEAD(uv_probes);
static bool uv_probing;		/* between start and stop; under uv_probes_mutex */
static bool uv_serving;		/* virtual functions have ports; under uv_probes_mutex */

/* ---- one access ---- */

static u32 uv_port_in(u16 port, u8 width)
{
	switch (width) {
	case 1:
		return inb(port);
	case 2:
		return inw(port);
	default:
		return inl(port);
	}
}

static void uv_port_out(u16 port, u8 width, u32 value)
{
	switch (width) {
	case 1:
		outb(value, port);
		break;
	case 2:
		outw(value, port);
		break;
	default:
		outl(value, port);
	}
}

/* As in and out change it: a dword clears the upper half. */
static void uv_set_ax(struct pt_regs *regs, u8 width, u32 value)
{
	switch (width) {
	case 1:
		regs->ax = (regs->ax & ~0xffUL) | value;
		break;
	case 2:
		regs->ax = (regs->ax & ~0xffffUL) | value;
		break;
	default:
		regs->ax = value;
	}
}

/* What a breakpoint adds to the context must not be taken for the driver's. */
static void uv_port_context(struct uv_record *rec, const struct pt_regs *regs)
{
	rec->flags &= ~(UV_FLAG_NMI | UV_FLAG_HARDIRQ | UV_FLAG_IRQS_OFF);
	if (hardirq_count() > (in_nmi() ? HARDIRQ_OFFSET : 0))
		rec->flags |= UV_FLAG_HARDIRQ;
	if (!(regs->flags & X86_EFLAGS_IF))
		rec->flags |= UV_FLAG_IRQS_OFF;
}

/* A traced access: its record without the value, and what makes it. */
struct uv_port_access {
	const struct uv_port_insn	*insn;
	struct pt_regs			*regs;
	u16				port;
	bool				told;	/* of a traced function: rec is described */
	struct uv_record		rec;
	struct uv_virt			*virt;	/* or NULL: the machine's own */
	u8				bar;
	u64				offset;
};

static void uv_port_describe(struct uv_port_access *access, const struct uv_function *fn,
			     unsigned long ip)
{
	const struct uv_port_insn *insn = access->insn;
	struct uv_record *rec = &access->rec;

	if (insn->write)
		uv_memory_look(fn, UV_MEMORY_TO_DEVICE);
	uv_event(rec, insn->write ? UV_KIND_PIO_WRITE : UV_KIND_PIO_READ, fn);
	uv_port_context(rec, access->regs);
	if (insn->write)
		rec->flags |= UV_FLAG_WRITE;
	rec->phase = UV_PHASE_WHOLE;	/* port writes are non-posted too */
	rec->address = uv_bus_address(fn, access->bar, access->offset);
	rec->length = insn->width;
	rec->access.bar = access->bar;
	rec->access.width = insn->width;
	rec->access.offset = access->offset;
	uv_event_at(rec, fn, ip, false);
	access->told = true;
}

static u32 uv_port_read(struct uv_port_access *access)
{
	struct uv_record rec = access->rec;
	u32 value;

	if (access->virt) {
		uv_count(UV_COUNT_PORT);
		return uv_virtmmio_read(access->virt, access->told ? &rec : NULL, access->bar,
					access->offset, access->insn->width);
	}
	rec.time_ns = uv_clock();
	value = uv_port_in(access->port, access->insn->width);
	rec.value = value;
	uv_emit(&rec, NULL, 0);
	uv_count(UV_COUNT_PORT);
	return value;
}

static void uv_port_write(struct uv_port_access *access, u32 value)
{
	struct uv_record rec = access->rec;

	if (access->virt) {
		uv_count(UV_COUNT_PORT);
		uv_virtmmio_write(access->virt, access->told ? &rec : NULL, access->bar,
				  access->offset, access->insn->width,
				  value & GENMASK(access->insn->width * 8 - 1, 0));
		return;
	}
	rec.value = value & GENMASK(access->insn->width * 8 - 1, 0);
	uv_emit(&rec, NULL, 0);
	uv_count(UV_COUNT_PORT);
	uv_port_out(access->port, access->insn->width, value);
}

/*
 * ins and outs. False: the memory cannot be reached; what is left is done by the
 * instruction itself, which then faults as it should.
 */
static bool uv_port_string(struct uv_port_access *access)
{
	const struct uv_port_insn *insn = access->insn;
	struct pt_regs *regs = access->regs;
	unsigned long *pointer = insn->write ? &regs->si : &regs->di;
	unsigned long count = insn->repeat ? regs->cx : 1, n;
	long step = regs->flags & X86_EFLAGS_DF ? -(long)insn->width : insn->width;
	u32 value = 0;

	access->rec.flags |= UV_FLAG_STRING;
	access->rec.access.string_count = min_t(unsigned long, count, U32_MAX);
	for (n = 0; n < min_t(unsigned long, count, STRING_LIMIT); n++) {
		/* asked before a read from the port too, which cannot be undone */
		if (copy_from_kernel_nofault(&value, (void *)*pointer, insn->width))
			return false;
		access->rec.access.string_index = n;
		if (insn->write) {
			uv_port_write(access, value);
		} else {
			value = uv_port_read(access);
			memcpy((void *)*pointer, &value, insn->width);
		}
		*pointer += step;
		if (insn->repeat)
			regs->cx--;
	}
	return true;
}

/* ---- the probe ---- */

static void uv_probe_missed(struct uv_probe *probe)
{
	unsigned long missed = READ_ONCE(probe->kprobe.nmissed);

	if (likely(missed == probe->missed))
		return;
	uv_loss(UV_LOSS_HOOK_MISSED, NULL, missed - probe->missed, 0, 0, "pio");
	probe->missed = missed;
}

/* Runs in the breakpoint's handler: preemption and interrupts off. */
static int uv_on_port_insn(struct kprobe *kprobe, struct pt_regs *regs)
{
	struct uv_probe *probe = container_of(kprobe, struct uv_probe, kprobe);
	const struct uv_port_insn *insn = &probe->insn;
	struct uv_port_access access = {
		.insn = insn, .regs = regs,
		.port = insn->has_port ? insn->port : regs->dx,
	};
	unsigned long address = (unsigned long)kprobe->addr;
	const struct uv_function *fn;
	bool done = false;

	rcu_read_lock();
	fn = uv_recording() ? uv_function_of_port(access.port, &access.bar, &access.offset) :
			      NULL;
	if (uv_virtual)
		access.virt = uv_virt_of_port(access.port, &access.bar, &access.offset);
	if (!fn && !access.virt)
		goto out;
	uv_probe_missed(probe);
	if (insn->string && (insn->segment || insn->address_size != 8)) {
		uv_loss(UV_LOSS_HOOK_MISSED, fn, 1, 0, 0, "pio: form of outs that no compiler makes");
		goto out;
	}
	if (fn)
		uv_port_describe(&access, fn, address);
	if (insn->string) {
		done = uv_port_string(&access);
		/* a repeated one that is not through is taken up again */
		if (done)
			regs->ip = insn->repeat && regs->cx ? address : address + insn->length;
	} else {
		if (insn->write)
			uv_port_write(&access, regs->ax);
		else
			uv_set_ax(regs, insn->width, uv_port_read(&access));
		regs->ip = address + insn->length;
		done = true;
	}
out:
	rcu_read_unlock();
	return done;
}
NOKPROBE_SYMBOL(uv_on_port_insn);

/* Its presence keeps the probe from being optimised into a jump, which cannot skip. */
static void uv_after_port_insn(struct kprobe *kprobe, struct pt_regs *regs, unsigned long flags)
{
}
NOKPROBE_SYMBOL(uv_after_port_insn);

/* ---- registration ---- */

static void uv_probe_refused(unsigned long address, int err)
{
	char what[KSYM_SYMBOL_LEN + 8];
	int length;

	length = scnprintf(what, sizeof(what), "pio: %pS", (void *)address);
	pr_warn("port access at %pS cannot be probed (%d)\n", (void *)address, err);
	uv_loss(UV_LOSS_NOT_HOOKED, NULL, 0, 0, 0, length ? what : NULL);
}

static void uv_probe_add(unsigned long address, const struct uv_port_insn *insn, bool not_sure,
			 void *data)
{
	struct uv_probe *probe = kzalloc(sizeof(*probe), GFP_KERNEL);
	int err = -ENOMEM;

	if (!probe)
		goto refused;
	probe->kprobe.addr = (kprobe_opcode_t *)address;
	probe->kprobe.pre_handler = uv_on_port_insn;
	probe->kprobe.post_handler = uv_after_port_insn;
	probe->insn = *insn;
	probe->module = data;
	err = register_kprobe(&probe->kprobe);
	if (err)
		goto refused;
	list_add_tail(&probe->list, &uv_probes);
	return;
refused:
	kfree(probe);
	if (!not_sure)	/* else it was no instruction after all */
		uv_probe_refused(address, err);
}

/* Remove the probes of a module, or all: one grace period for the lot. */
static void uv_probes_remove(const struct module *mod, bool all)
{
	struct uv_probe *probe, *next;
	struct kprobe **batch;
	LIST_HEAD(gone);
	int n = 0;

	list_for_each_entry_safe(probe, next, &uv_probes, list)
		if (all || probe->module == mod) {
			list_move(&probe->list, &gone);
			n++;
		}
	if (!n)
		return;
	list_for_each_entry(probe, &gone, list)
		uv_probe_missed(probe);
	batch = kvcalloc(n, sizeof(*batch), GFP_KERNEL);
	n = 0;
	list_for_each_entry(probe, &gone, list) {
		if (batch)
			batch[n++] = &probe->kprobe;
		else
			unregister_kprobe(&probe->kprobe);
	}
	if (batch)
		unregister_kprobes(batch, n);
	kvfree(batch);
	list_for_each_entry_safe(probe, next, &gone, list)
		kfree(probe);
}

static bool uv_probes_have(const struct module *mod)
{
	const struct uv_probe *probe;

	list_for_each_entry(probe, &uv_probes, list)
		if (probe->module == mod)
			return true;
	return false;
}

/* Is there a port that could be told of? */
static bool uv_ports_selected(void)
{
	const struct uv_function *fn;
	unsigned int i, bar;
	bool found = false;

	rcu_read_lock();
	for (i = 0; i < READ_ONCE(uv_function_count); i++) {
		fn = rcu_dereference(uv_functions[i]);
		for (bar = 0; fn && bar < PCI_STD_NUM_BARS; bar++)
			found |= !!(pci_resource_flags(fn->pdev, bar) & IORESOURCE_IO);
	}
	rcu_read_unlock();
	return found;
}

static void uv_module_probe(struct module *mod)
{
	int err;

	lockdep_assert_held(&uv_probes_mutex);
	if (mod == THIS_MODULE || uv_probes_have(mod))
		return;
	err = uv_scan_module(mod, uv_probe_add, mod);
	if (err) {
		pr_warn("%s: port accesses cannot be found (%d)\n", mod->name, err);
		uv_loss(UV_LOSS_NOT_HOOKED, NULL, 0, 0, 0, "pio: no memory");
	}
}

/*
 * A driver's port accesses may be in a module that it uses, as 8390 serves
 * ne2k-pci. What a module uses is settled before its init runs.
 */
static void uv_module_probe_used(struct module *mod, unsigned int depth)
{
#ifdef CONFIG_MODULE_UNLOAD
	struct module_use *use;

	if (depth < 4)
		list_for_each_entry(use, &mod->target_list, target_list)
			uv_module_probe_used(use->target, depth + 1);
#endif
	uv_module_probe(mod);
}

void uv_pio_bound(struct uv_function *fn)
{
	const struct device_driver *driver = READ_ONCE(fn->pdev->dev.driver);

	mutex_lock(&uv_probes_mutex);
	if (!uv_probing || !driver || (uv_serving && uv_virt_of(fn->pdev)))
		goto out;
	if (driver->owner)
		uv_module_probe_used(driver->owner, 0);
	else if (uv_ports_selected())
		uv_loss(UV_LOSS_NOT_HOOKED, fn, 0, 0, 0, "pio: the driver is built in");
out:
	mutex_unlock(&uv_probes_mutex);
}

void uv_pio_module_coming(struct module *mod)
{
	mutex_lock(&uv_probes_mutex);
	if (uv_probing || uv_serving)
		uv_module_probe(mod);
	mutex_unlock(&uv_probes_mutex);
}

/* Its memory goes away: kprobes has disarmed the probes or is about to. */
void uv_pio_module_going(struct module *mod)
{
	mutex_lock(&uv_probes_mutex);
	uv_probes_remove(mod, false);
	mutex_unlock(&uv_probes_mutex);
}

/* ---- lib/iomap.c: for drivers that got their ports from pci_iomap() ---- */

static const char * const uv_iomap_functions[] = {
	"ioread8", "ioread16", "ioread16be", "ioread32", "ioread32be",
	"ioread64_lo_hi", "ioread64_hi_lo", "ioread64be_lo_hi", "ioread64be_hi_lo",
	"ioread8_rep", "ioread16_rep", "ioread32_rep",
	"iowrite8", "iowrite16", "iowrite16be", "iowrite32", "iowrite32be",
	"iowrite64_lo_hi", "iowrite64_hi_lo", "iowrite64be_lo_hi", "iowrite64be_hi_lo",
	"iowrite8_rep", "iowrite16_rep", "iowrite32_rep",
};

static void uv_iomap_probe(void)
{
	unsigned long start, end;
	unsigned int i;

	if (uv_probes_have(NULL))
		return;
	for (i = 0; i < ARRAY_SIZE(uv_iomap_functions); i++)
		if (uv_text_extent(uv_iomap_functions[i], &start, &end))
			uv_scan_range(start, end, uv_probe_add, NULL);
		else
			uv_loss(UV_LOSS_NOT_HOOKED, NULL, 0, 0, 0, uv_iomap_functions[i]);
}

int uv_pio_start(void)
{
	struct uv_function *fn;
	unsigned int i;

	if (!uv_ports_selected())
		return 0;
	mutex_lock(&uv_probes_mutex);
	uv_probing = true;
	uv_iomap_probe();
	mutex_unlock(&uv_probes_mutex);
	for (i = 0; i < uv_function_count; i++) {
		fn = rcu_dereference_protected(uv_functions[i], lockdep_is_held(&uv_mutex));
		if (!fn)
			continue;
		device_lock(&fn->pdev->dev);	/* the driver stays */
		uv_pio_bound(fn);
		device_unlock(&fn->pdev->dev);
	}
	return 0;
}

void uv_pio_stop(void)
{
	mutex_lock(&uv_probes_mutex);
	uv_probing = false;
	if (!uv_serving)
		uv_probes_remove(NULL, true);
	mutex_unlock(&uv_probes_mutex);
}

/* ---- virtual functions ---- */

void uv_pio_serve_begin(void)
{
	mutex_lock(&uv_mutex);		/* for the symbols' extents */
	mutex_lock(&uv_probes_mutex);
	if (!uv_serving) {
		uv_serving = true;
		uv_iomap_probe();
	}
	mutex_unlock(&uv_probes_mutex);
	mutex_unlock(&uv_mutex);
}

void uv_pio_serve_end(void)
{
	mutex_lock(&uv_probes_mutex);
	uv_serving = false;
	if (!uv_probing)
		uv_probes_remove(NULL, true);
	mutex_unlock(&uv_probes_mutex);
}

void uv_pio_serve(struct module *mod)
{
	mutex_lock(&uv_probes_mutex);
	if (uv_serving && mod)
		uv_module_probe_used(mod, 0);
	else
		pr_warn("a driver that is built in cannot reach a virtual function's ports\n");
	mutex_unlock(&uv_probes_mutex);
}
