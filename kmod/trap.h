/* SPDX-License-Identifier: GPL-2.0 */
/* Between trap.c (the trap, and accesses that are carried out) and step.c (the others). */
#ifndef _UVBUS_TRAP_H
#define _UVBUS_TRAP_H

#include "decode.h"
#include "emulate.h"
#include "iomap.h"

#define GPRS		16

/* One trap: what the bus callbacks need to know of it. */
struct uv_trap {
	struct pt_regs	*regs;
	u64		*gpr[GPRS];
	struct uv_insn	insn;
	u8		bytes[UV_INSN_MAX];
	bool		irqs_off;	/* by us, during this access */
};

/* What an address points to. offset: of the access in the mapping. */
struct uv_target {
	struct uv_iomap	*map;
	s64		offset;
	u32		fault;		/* UV_FLAG_OUTSIDE or UV_FLAG_STALE: not to be executed */
	bool		outside;	/* past the length asked for, but within reach */
};

struct uv_target uv_target_of(u64 address, unsigned int width);
void uv_trap_registers(struct uv_trap *trap);
/* A record of an access, without phase and value. */
void uv_describe(struct uv_record *rec, const struct uv_trap *trap,
		 const struct uv_target *target, enum uv_kind kind,
		 const struct uv_bus_access *access);
void uv_trap_emit(const struct uv_trap *trap, struct uv_record *rec);

/* Have an instruction run itself, which uses this address. True: on its way, or left out. */
bool uv_single_step(struct uv_trap *trap, u64 address);
/* At #DB: was that ours? */
bool uv_step_done(struct pt_regs *regs);
/* This CPU is about to run one: interrupts stay off. */
bool uv_stepping(void);

#endif /* _UVBUS_TRAP_H */
