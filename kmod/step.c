// SPDX-License-Identifier: GPL-2.0
/*
 * Instructions that are no plain load or store run themselves: their registers get
 * the real address for one single step. On a virtual function's register there is
 * nothing that they could run on: they are left out, loudly.
 */
#include <linux/percpu.h>
#include <asm/processor-flags.h>
#include <asm/ptrace.h>

#include "trap.h"
#include "virt.h"

/* A trapped pointer in a register, replaced for one single step. */
struct uv_swap {
	u8	gpr;
	u64	trapped, real;
};

/* This CPU's single step; interrupts are off from its start to its #DB. */
struct uv_step {
	bool		active;
	bool		string;		/* the instruction moves its pointers */
	unsigned int	swaps;
	unsigned long	flags;		/* TF and IF as the driver had them */
	struct uv_swap	swap[GPRS];
};

static DEFINE_PER_CPU(struct uv_step, uv_steps);

bool uv_stepping(void)
{
	return this_cpu_ptr(&uv_steps)->active;
}

static void uv_log_undecoded(struct uv_trap *trap, u64 address)
{
	struct uv_bus_access access = { .address = address, .width = trap->insn.width };
	struct uv_target target = uv_target_of(address, 1);
	struct uv_record rec;

	uv_count(UV_COUNT_UNDECODED);
	if (!uv_recording())
		return;
	uv_describe(&rec, trap, &target,
		    trap->insn.writes ? UV_KIND_MMIO_WRITE : UV_KIND_MMIO_READ, &access);
	rec.flags |= UV_FLAG_UNDECODED;
	rec.access.insn_length = trap->insn.length;
	memcpy(rec.access.insn, trap->bytes, min_t(size_t, trap->insn.length, UV_INSN_MAX));
	uv_trap_emit(trap, &rec);
}

/* Real addresses for the trapped ones in registers; false: there is none to use. */
static bool uv_swap_in(struct uv_trap *trap, struct uv_step *step)
{
	unsigned int i;

	step->swaps = 0;
	for (i = 0; i < GPRS; i++) {
		u64 address = *trap->gpr[i];
		struct uv_swap *swap;
		struct uv_target target;

		if (!uv_trapped(address))
			continue;
		target = uv_target_of(address, 1);
		if (target.fault || target.map->virt)
			continue;
		swap = &step->swap[step->swaps++];
		swap->gpr = i;
		swap->trapped = address;
		swap->real = (u64 __force)(target.map->real + target.offset);
	}
	for (i = 0; i < step->swaps; i++)
		*trap->gpr[step->swap[i].gpr] = step->swap[i].real;
	return step->swaps;
}

/* There is no register behind a virtual function's address that it could run on. */
static void uv_step_refused(const struct uv_trap *trap, const struct uv_target *target)
{
	pr_warn_ratelimited("%pS: access that is neither a load nor a store (%*ph): left out\n",
			    (void *)trap->regs->ip, trap->insn.length, trap->bytes);
	if (uv_recording())
		uv_loss(UV_LOSS_HOOK_MISSED, uv_iomap_function(target->map), 1, 0, 0,
			"instruction on a virtual function's register");
}

bool uv_single_step(struct uv_trap *trap, u64 address)
{
	struct uv_target target = uv_target_of(address, max_t(u8, trap->insn.width, 1));
	struct uv_step *step;

	uv_log_undecoded(trap, address);
	if (!target.fault && target.map->virt) {
		uv_step_refused(trap, &target);
		trap->regs->ip += trap->insn.length;
		return true;
	}
	if (target.fault) {
		/* it must not reach the bus: skip it, as a dead device would */
		trap->regs->ip += trap->insn.length;
		return true;
	}
	/*
	 * Interrupts stay off until the #DB, so that nothing else runs on this
	 * CPU in between.
	 */
	step = this_cpu_ptr(&uv_steps);
	if (step->active || !uv_swap_in(trap, step))
		return false;
	step->active = true;
	step->string = !trap->insn.modrm;
	step->flags = trap->regs->flags & (X86_EFLAGS_TF | X86_EFLAGS_IF);
	trap->regs->flags &= ~X86_EFLAGS_IF;
	trap->regs->flags |= X86_EFLAGS_TF;
	return true;
}

bool uv_step_done(struct pt_regs *regs)
{
	struct uv_step *step = this_cpu_ptr(&uv_steps);
	struct uv_trap trap = { .regs = regs };
	unsigned int i;

	if (!step->active || user_mode(regs))
		return false;
	uv_trap_registers(&trap);
	for (i = 0; i < step->swaps; i++) {
		struct uv_swap *swap = &step->swap[i];
		u64 *gpr = trap.gpr[swap->gpr];

		/* a result that overwrote the pointer stays */
		if (*gpr == swap->real || step->string)
			*gpr += swap->trapped - swap->real;
	}
	regs->flags &= ~(X86_EFLAGS_TF | X86_EFLAGS_IF);
	regs->flags |= step->flags;
	step->active = false;
	return true;
}
