// SPDX-License-Identifier: GPL-2.0
/*
 * Carries out and logs a trapped access.
 *
 * The driver's pointer is non-canonical, so the CPU raises #GP, or #SS when the
 * base register is rsp or rbp. The instruction is decoded, the access made on
 * the kernel's own mapping and logged, and the instruction stepped over: all
 * CPUs stay online, the driver's binary is untouched.
 *
 * An instruction that is no plain load or store is logged with its bytes and
 * then runs itself (step.c).
 *
 * Never sleeps, may nest (in the memory side of a string instruction: no
 * further than the kernel itself would). Interrupts are off from the decoding to
 * the end of a single access, which costs the driver nothing, as an instruction
 * cannot be interrupted either; a string instruction, and an access to a virtual
 * function, which waits for its model, run with interrupts as the driver had them.
 */
#include <linux/hash.h>
#include <linux/io.h>
#include <linux/kdebug.h>
#include <linux/kprobes.h>
#include <linux/static_call.h>
#include <linux/uaccess.h>
#include <asm/debugreg.h>
#include <asm/trapnr.h>

#include "memory.h"
#include "trap.h"
#include "virt.h"
#include "wrap.h"

/* Then the instruction is taken up again by another trap: bounds the RCU section. */
#define STRING_LIMIT	4096

/*
 * Instructions seen lately on this CPU, by address; interrupts off. A module
 * that goes makes them all void: another may come to its address.
 */
#define DECODED_BITS	6

struct uv_decoded {
	unsigned long	ip;
	unsigned int	generation;
	struct uv_insn	insn;
};

struct uv_decoded_cache {
	struct uv_decoded entry[1 << DECODED_BITS];
};

static DEFINE_PER_CPU(struct uv_decoded_cache, uv_decoded);
static atomic_t uv_decode_generation = ATOMIC_INIT(1);

void uv_trap_forget_code(void)
{
	atomic_inc(&uv_decode_generation);
}

DEFINE_STATIC_CALL_NULL(uv_get_kprobe, get_kprobe);	/* not exported: see site.c */
static bool uv_has_get_kprobe;

void uv_trap_registers(struct uv_trap *trap)
{
	struct pt_regs *r = trap->regs;
	unsigned long *const gpr[GPRS] = {
		&r->ax, &r->cx, &r->dx, &r->bx, &r->sp, &r->bp, &r->si, &r->di,
		&r->r8, &r->r9, &r->r10, &r->r11, &r->r12, &r->r13, &r->r14, &r->r15,
	};
	unsigned int i;

	for (i = 0; i < GPRS; i++)
		trap->gpr[i] = (u64 *)gpr[i];
}

/* ---- one access ---- */

struct uv_target uv_target_of(u64 address, unsigned int width)
{
	struct uv_target target = {
		.map = uv_iomap_of(address),
		.offset = uv_trapped_offset(address),
	};

	if (!target.map || !READ_ONCE(target.map->alive)) {
		target.fault = UV_FLAG_STALE;
	} else if (target.offset < 0 || target.offset + width > target.map->reach) {
		target.fault = UV_FLAG_OUTSIDE;
	} else {
		target.outside = target.offset + width > target.map->length;
	}
	return target;
}

static u64 uv_real_read(const struct uv_target *target, unsigned int width)
{
	const void __iomem *p = target->map->real + target->offset;

	switch (width) {
	case 1:
		return readb(p);
	case 2:
		return readw(p);
	case 4:
		return readl(p);
	default:
		return readq(p);
	}
}

static void uv_real_write(const struct uv_target *target, unsigned int width, u64 value)
{
	void __iomem *p = target->map->real + target->offset;

	switch (width) {
	case 1:
		writeb(value, p);
		break;
	case 2:
		writew(value, p);
		break;
	case 4:
		writel(value, p);
		break;
	default:
		writeq(value, p);
	}
}

void uv_describe(struct uv_record *rec, const struct uv_trap *trap,
		 const struct uv_target *target, enum uv_kind kind,
		 const struct uv_bus_access *access)
{
	const struct uv_iomap *map = target->map;
	const struct uv_function *fn = NULL;

	if (map)
		fn = uv_iomap_function(map);
	uv_event(rec, kind, fn);
	if (trap->regs->flags & X86_EFLAGS_IF)
		rec->flags &= ~UV_FLAG_IRQS_OFF;
	rec->length = access->width;
	rec->access.width = access->width;
	rec->access.bar = UV_BAR_NONE;
	if (map) {
		rec->address = map->bus + target->offset;
		rec->access.bar = map->bar;
		rec->access.offset = map->offset + target->offset;
		rec->access.mapping = map->number;
		rec->access.memory_type = map->memory_type;
		if (map->prefetchable)
			rec->flags |= UV_FLAG_PREFETCHABLE;
	}
	if (kind == UV_KIND_MMIO_WRITE)
		rec->flags |= UV_FLAG_WRITE;
	if (target->outside)
		rec->flags |= UV_FLAG_OUTSIDE;
	if (target->fault) {
		rec->flags |= target->fault;
		rec->status = UV_STATUS_REFUSED;
	}
	if (access->string) {
		rec->flags |= access->fill ? UV_FLAG_STRING | UV_FLAG_FILL : UV_FLAG_STRING;
		rec->access.string_index = min_t(u64, access->index, U32_MAX);
		rec->access.string_count = min_t(u64, access->count, U32_MAX);
	}
	uv_event_at(rec, fn, trap->regs->ip, false);
}

void uv_trap_emit(const struct uv_trap *trap, struct uv_record *rec)
{
	if (trap->irqs_off)
		uv_emit_irqs_off(rec, NULL, 0);
	else
		uv_emit(rec, NULL, 0);
}

/*
 * To a virtual function. rec: where to describe it; NULL comes back unless it is to
 * be recorded. Its records are made where the request is sent and its answer comes.
 */
static struct uv_record *uv_virtual_describe(struct uv_record *rec, const struct uv_trap *trap,
					     const struct uv_target *target, enum uv_kind kind,
					     const struct uv_bus_access *access)
{
	if (!uv_recording() || !uv_iomap_function(target->map))
		return NULL;
	uv_describe(rec, trap, target, kind, access);
	return rec;
}

static u64 uv_virtual_read(const struct uv_trap *trap, const struct uv_target *target,
			   const struct uv_bus_access *access)
{
	const struct uv_iomap *map = target->map;
	struct uv_record rec;

	return uv_virtmmio_read(map->virt, uv_virtual_describe(&rec, trap, target,
							       UV_KIND_MMIO_READ, access),
				map->bar, map->offset + target->offset, access->width);
}

static void uv_virtual_write(const struct uv_trap *trap, const struct uv_target *target,
			     const struct uv_bus_access *access)
{
	const struct uv_iomap *map = target->map;
	struct uv_record rec;

	uv_virtmmio_write(map->virt, uv_virtual_describe(&rec, trap, target,
							 UV_KIND_MMIO_WRITE, access),
			  map->bar, map->offset + target->offset, access->width, access->value);
}

static __u64 uv_trap_read(void *context, const struct uv_bus_access *access)
{
	struct uv_target target = uv_target_of(access->address, access->width);
	struct uv_trap *trap = context;
	struct uv_record rec;
	u64 value;

	if (target.fault || target.outside)
		uv_count(UV_COUNT_STRAY);
	if (!target.fault && target.map->virt)
		return uv_virtual_read(trap, &target, access);
	if (!uv_recording())
		return target.fault ? ~0ULL : uv_real_read(&target, access->width);
	uv_describe(&rec, trap, &target, UV_KIND_MMIO_READ, access);
	rec.phase = UV_PHASE_WHOLE;
	rec.time_ns = trap->irqs_off ? uv_clock_irqs_off() : uv_clock();
	value = target.fault ? ~0ULL : uv_real_read(&target, access->width);
	rec.value = uv_truncate(value, access->width);
	uv_trap_emit(trap, &rec);
	return value;
}

static void uv_trap_write(void *context, const struct uv_bus_access *access)
{
	struct uv_target target = uv_target_of(access->address, access->width);
	struct uv_record rec;

	if (target.fault || target.outside)
		uv_count(UV_COUNT_STRAY);
	if (!target.fault && target.map->virt) {
		uv_virtual_write(context, &target, access);
		return;
	}
	if (uv_recording()) {
		if (!access->index && target.map)
			uv_memory_look(uv_iomap_function(target.map), UV_MEMORY_TO_DEVICE);
		uv_describe(&rec, context, &target, UV_KIND_MMIO_WRITE, access);
		rec.value = access->value;
		uv_trap_emit(context, &rec);
	}
	if (!target.fault)
		uv_real_write(&target, access->width, access->value);
}

static bool uv_trap_is_device(void *context, __u64 address)
{
	return uv_trapped(address);
}

static const struct uv_bus_ops uv_trap_ops = {
	.is_device	= uv_trap_is_device,
	.read		= uv_trap_read,
	.write		= uv_trap_write,
	.string_limit	= STRING_LIMIT,
};

/* ---- the trap ---- */

/* Into trap->bytes and trap->insn. */
static bool uv_fetch(struct uv_trap *trap)
{
	unsigned long ip = trap->regs->ip;
	unsigned int avail = UV_INSN_MAX;
	struct kprobe *probe;

	if (copy_from_kernel_nofault(trap->bytes, (void *)ip, avail)) {
		avail = min_t(unsigned long, avail, PAGE_ALIGN(ip) - ip);
		if (!avail || copy_from_kernel_nofault(trap->bytes, (void *)ip, avail))
			return false;
	}
	if (trap->bytes[0] == INT3_INSN_OPCODE && uv_has_get_kprobe) {
		/* the probe has run already, and stands on the first byte */
		probe = static_call(uv_get_kprobe)((void *)ip);
		if (probe)
			trap->bytes[0] = probe->opcode;
	}
	return !uv_decode(trap->bytes, avail, &trap->insn);
}

static bool uv_fetch_cached(struct uv_trap *trap)
{
	unsigned long ip = trap->regs->ip;
	struct uv_decoded *seen;
	unsigned int generation = atomic_read(&uv_decode_generation);

	seen = &this_cpu_ptr(&uv_decoded)->entry[hash_long(ip, DECODED_BITS)];
	if (seen->ip == ip && seen->generation == generation) {
		trap->insn = seen->insn;
		return true;
	}
	if (!uv_fetch(trap))
		return false;
	if (trap->insn.op != UV_OP_UNKNOWN) {	/* those are logged with their bytes */
		seen->ip = ip;
		seen->generation = generation;
		seen->insn = trap->insn;
	}
	return true;
}

/* The trapped address that the instruction uses, or 0. */
static u64 uv_trap_address(struct uv_trap *trap)
{
	const struct uv_insn *insn = &trap->insn;
	u64 address;
	unsigned int i;

	if (uv_insn_is_string(insn)) {
		if (uv_trapped(*trap->gpr[UV_RDI]) && insn->op != UV_OP_LODS)
			return *trap->gpr[UV_RDI];
		if (uv_trapped(*trap->gpr[UV_RSI]) && insn->op != UV_OP_STOS)
			return *trap->gpr[UV_RSI];
		return 0;
	}
	if (insn->memory) {
		address = uv_effective_address(insn, trap->gpr, trap->regs->ip + insn->length);
		return uv_trapped(address) ? address : 0;
	}
	/* implicit operands: whatever register holds one */
	for (i = 0; i < GPRS; i++)
		if (uv_trapped(*trap->gpr[i]))
			return *trap->gpr[i];
	return 0;
}

static bool uv_trap_execute(struct uv_trap *trap, u64 address)
{
	struct pt_regs *regs = trap->regs;

	switch (uv_execute(&trap->insn, trap->gpr, regs->ip + trap->insn.length, regs->flags,
			   &uv_trap_ops, trap)) {
	case UV_EXEC_DONE:
		regs->ip += trap->insn.length;
		return true;
	case UV_EXEC_AGAIN:
		return true;
	default:
		return uv_single_step(trap, address);
	}
}

/* Does the driver's interrupt flag hold while this access is made? */
static bool uv_trap_is_long(const struct uv_trap *trap, u64 address)
{
	const struct uv_iomap *map;

	if (uv_insn_is_string(&trap->insn))
		return true;
	map = uv_virtual ? uv_iomap_of(address) : NULL;
	return map && map->virt;
}

static bool uv_trap_handle(struct pt_regs *regs, bool stack_fault)
{
	unsigned long irq_flags;
	bool handled = false;
	struct uv_trap trap;
	u64 address;

	if (user_mode(regs))
		return false;
	trap.regs = regs;
	trap.irqs_off = true;
	uv_trap_registers(&trap);
	local_irq_save(irq_flags);
	if (!uv_fetch_cached(&trap))
		goto out;
	address = uv_trap_address(&trap);
	if (!address)
		goto out;
	uv_count(UV_COUNT_TRAPS);
	if (stack_fault)
		uv_count(UV_COUNT_STACK_FAULTS);
	if (uv_insn_is_string(&trap.insn))
		uv_count(UV_COUNT_STRING_TRAPS);
	if (uv_trap_is_long(&trap, address)) {
		trap.irqs_off = false;
		local_irq_restore(irq_flags);
		return uv_trap_execute(&trap, address);
	}
	handled = uv_trap_execute(&trap, address);
out:
	/* a single step has taken the interrupt flag out of regs: leave them off */
	if (!uv_stepping())
		local_irq_restore(irq_flags);
	return handled;
}

static bool uv_trap(struct pt_regs *regs, bool stack_fault)
{
	bool handled;

	rcu_read_lock();
	handled = uv_trap_handle(regs, stack_fault);
	rcu_read_unlock();
	return handled;
}

/*
 * The kernel asks its exception tables before it tells anybody of a #GP. That
 * search costs a quarter of the trap, and hides accesses that have an entry: so
 * we are asked first where this function can be hooked, and else by uv_die().
 */
typedef int uv_fixup_fn(struct pt_regs *regs, int trapnr, unsigned long error_code,
			unsigned long fault_address);
UV_ORIGINAL(fixup_exception, uv_fixup_fn)

static int uv_fixup_exception(struct pt_regs *regs, int trapnr, unsigned long error_code,
			      unsigned long fault_address)
{
	int fixed;

	this_cpu_inc(uv_hooks_inflight);	/* not counted as a hook call: it is a trap */
	if (trapnr == X86_TRAP_GP && uv_trap(regs, false))
		fixed = 1;
	else
		fixed = static_call(fixup_exception_original)(regs, trapnr, error_code,
							      fault_address);
	uv_hook_exit();
	return fixed;
}

struct uv_hook uv_trap_hooks[] = {
	UV_HOOK_STATIC_OPTIONAL(fixup_exception, "trap"),
};

const unsigned int uv_trap_hook_count = ARRAY_SIZE(uv_trap_hooks);

static int uv_die(struct notifier_block *nb, unsigned long event, void *data)
{
	struct die_args *args = data;
	unsigned long *dr6;
	bool handled = false;

	switch (event) {
	case DIE_GPF:
		handled = uv_trap(args->regs, false);
		break;
	case DIE_TRAP:
		if (args->trapnr != X86_TRAP_SS)
			break;
		handled = uv_trap(args->regs, true);
		break;
	case DIE_DEBUG:
		dr6 = (unsigned long *)args->err;
		if (*dr6 & DR_STEP && uv_step_done(args->regs)) {
			*dr6 &= ~DR_STEP;
			handled = true;
		}
		break;
	}
	return handled ? NOTIFY_STOP : NOTIFY_DONE;
}

static struct notifier_block uv_die_notifier = {
	.notifier_call	= uv_die,
	.priority	= 100,
};

int uv_trap_init(void)
{
	void *get_kprobe_at = uv_kernel_symbol("get_kprobe");

	if (get_kprobe_at) {
		static_call_update(uv_get_kprobe, get_kprobe_at);
		uv_has_get_kprobe = true;
	}
	return register_die_notifier(&uv_die_notifier);
}

void uv_trap_exit(void)
{
	unregister_die_notifier(&uv_die_notifier);
}
