/* SPDX-License-Identifier: GPL-2.0 OR Apache-2.0 */
/*
 * Executes a decoded load, store or string instruction in place of the
 * processor: device accesses go through callbacks, memory is accessed directly,
 * registers are changed as the instruction would have.
 *
 * Compiles in the kernel (registers from pt_regs) and in userspace, where every
 * form is compared with the processor (tests/kmod/test_decode.py).
 */
#ifndef UV_EMULATE_H
#define UV_EMULATE_H

#ifdef __KERNEL__
#include <linux/string.h>
#else
#include <string.h>
#endif

#include "decode.h"

#define UV_RAX		0
#define UV_RCX		1
#define UV_RSI		6
#define UV_RDI		7
#define UV_EFLAGS_DF	(1U << 10)

enum uv_exec {
	UV_EXEC_DONE,		/* go on at the next instruction */
	UV_EXEC_AGAIN,		/* string_limit reached: this instruction again */
	UV_EXEC_UNSUPPORTED,	/* UV_OP_UNKNOWN; nothing was done */
};

/* One access, as the bus sees it. */
struct uv_bus_access {
	__u64 address;
	__u64 value;		/* write: little-endian, zero-extended */
	__u64 index;		/* string forms: which access of how many, since */
	__u64 count;		/* the instruction was (re)started; else 0 of 1 */
	__u8 width;		/* 1, 2, 4, 8 */
	bool string;
	bool fill;		/* stos */
};

struct uv_bus_ops {
	/* movs: which of its two sides is the device's, or both */
	bool (*is_device)(void *context, __u64 address);
	__u64 (*read)(void *context, const struct uv_bus_access *access);
	void (*write)(void *context, const struct uv_bus_access *access);
	/* Elements that a string instruction may do at a stretch; 0: no limit. */
	__u64 string_limit;
};

static inline __u64 uv_truncate(__u64 value, __u8 width)
{
	return width == 8 ? value : value & ((1ULL << (8 * width)) - 1);
}

static inline __u64 uv_sign_extend(__u64 value, __u8 width)
{
	__u64 sign = 1ULL << (8 * width - 1);

	return (uv_truncate(value, width) ^ sign) - sign;
}

static inline __u64 uv_swap_bytes(__u64 value, __u8 width)
{
	return __builtin_bswap64(value) >> (64 - 8 * width);
}

/* As a register operand is written: 32 bits clear the upper half, fewer keep it. */
static inline void uv_set_register(__u64 *reg, bool high, __u8 width, __u64 value)
{
	if (high)
		*reg = (*reg & ~0xff00ULL) | (value & 0xff) << 8;
	else if (width == 8)
		*reg = value;
	else if (width == 4)
		*reg = (__u32)value;
	else
		*reg = (*reg & ~((1ULL << (8 * width)) - 1)) | uv_truncate(value, width);
}

static inline __u64 uv_load_memory(__u64 address, __u8 width)
{
	const void *from = (const void *)(unsigned long)address;
	__u64 value = 0;

	switch (width) {	/* constant sizes: one access each, no library call */
	case 1:
		memcpy(&value, from, 1);
		break;
	case 2:
		memcpy(&value, from, 2);
		break;
	case 4:
		memcpy(&value, from, 4);
		break;
	default:
		memcpy(&value, from, 8);
		break;
	}
	return value;
}

static inline void uv_store_memory(__u64 address, __u8 width, __u64 value)
{
	void *to = (void *)(unsigned long)address;

	switch (width) {
	case 1:
		memcpy(to, &value, 1);
		break;
	case 2:
		memcpy(to, &value, 2);
		break;
	case 4:
		memcpy(to, &value, 4);
		break;
	default:
		memcpy(to, &value, 8);
		break;
	}
}

static inline void uv_execute_load(const struct uv_insn *insn, __u64 *const regs[16],
				   const struct uv_bus_ops *ops, void *context,
				   const struct uv_bus_access *access)
{
	__u64 value = uv_truncate(ops->read(context, access), insn->width);

	if (insn->swap)
		value = uv_swap_bytes(value, insn->width);
	if (insn->sign_extend)
		value = uv_sign_extend(value, insn->width);
	uv_set_register(regs[insn->reg], insn->high, insn->dest_width, value);
}

static inline void uv_execute_store(const struct uv_insn *insn, __u64 *const regs[16],
				    const struct uv_bus_ops *ops, void *context,
				    struct uv_bus_access *access)
{
	__u64 value = insn->has_imm ? insn->imm : *regs[insn->reg] >> (insn->high ? 8 : 0);

	value = uv_truncate(value, insn->width);
	access->value = insn->swap ? uv_swap_bytes(value, insn->width) : value;
	ops->write(context, access);
}

static inline __u64 uv_string_read(const struct uv_bus_ops *ops, void *context,
				   struct uv_bus_access *access, __u64 address)
{
	access->address = address;
	if (!ops->is_device(context, address))
		return uv_load_memory(address, access->width);
	return uv_truncate(ops->read(context, access), access->width);
}

static inline void uv_string_write(const struct uv_bus_ops *ops, void *context,
				   struct uv_bus_access *access, __u64 address, __u64 value)
{
	access->address = address;
	access->value = value;
	if (ops->is_device(context, address))
		ops->write(context, access);
	else
		uv_store_memory(address, access->width, value);
}

/* One element; rsi and rdi move on. */
static inline void uv_string_element(const struct uv_insn *insn, __u64 *const regs[16],
				     const struct uv_bus_ops *ops, void *context,
				     struct uv_bus_access *access, __u64 step)
{
	__u64 source = uv_truncate(*regs[UV_RSI], insn->address_size);
	__u64 target = uv_truncate(*regs[UV_RDI], insn->address_size);
	__u64 value;

	access->value = 0;
	if (insn->op == UV_OP_STOS)
		value = uv_truncate(*regs[UV_RAX], insn->width);
	else
		value = uv_string_read(ops, context, access, source);
	if (insn->op == UV_OP_LODS)
		uv_set_register(regs[UV_RAX], false, insn->width, value);
	else
		uv_string_write(ops, context, access, target, value);
	if (insn->op != UV_OP_STOS)
		uv_set_register(regs[UV_RSI], false, insn->address_size, source + step);
	if (insn->op != UV_OP_LODS)
		uv_set_register(regs[UV_RDI], false, insn->address_size, target + step);
}

static inline enum uv_exec uv_execute_string(const struct uv_insn *insn, __u64 *const regs[16],
					     __u64 flags, const struct uv_bus_ops *ops,
					     void *context)
{
	__u64 step = flags & UV_EFLAGS_DF ? -(__u64)insn->width : insn->width;
	struct uv_bus_access access = {
		.count = insn->repeat ? uv_truncate(*regs[UV_RCX], insn->address_size) : 1,
		.width = insn->width,
		.string = true,
		.fill = insn->op == UV_OP_STOS,
	};

	for (; access.index < access.count; access.index++) {
		if (ops->string_limit && access.index == ops->string_limit)
			return UV_EXEC_AGAIN;
		uv_string_element(insn, regs, ops, context, &access, step);
		/* Counted down as it goes, so that it can be taken up again. */
		if (insn->repeat)
			uv_set_register(regs[UV_RCX], false, insn->address_size,
					access.count - access.index - 1);
	}
	return UV_EXEC_DONE;
}

/**
 * uv_execute() - do what the instruction does
 * @insn: from uv_decode()
 * @regs: rax, rcx, rdx, rbx, rsp, rbp, rsi, rdi, r8..r15; changed in place
 * @rip_next: address of the next instruction; rip itself is the caller's to move
 * @flags: only the direction flag matters; none is changed
 * @ops: the bus. Loads and stores always go there; of string instructions, the
 *	sides for which is_device() says so, the others are memory that must not fault
 * @context: handed to @ops
 *
 * Return: see enum uv_exec.
 */
static inline enum uv_exec uv_execute(const struct uv_insn *insn, __u64 *const regs[16],
				      __u64 rip_next, __u64 flags,
				      const struct uv_bus_ops *ops, void *context)
{
	struct uv_bus_access access = { .width = insn->width, .count = 1 };

	switch (insn->op) {
	case UV_OP_LOAD:
		access.address = uv_effective_address(insn, regs, rip_next);
		uv_execute_load(insn, regs, ops, context, &access);
		return UV_EXEC_DONE;
	case UV_OP_STORE:
		access.address = uv_effective_address(insn, regs, rip_next);
		uv_execute_store(insn, regs, ops, context, &access);
		return UV_EXEC_DONE;
	case UV_OP_MOVS:
	case UV_OP_STOS:
	case UV_OP_LODS:
		return uv_execute_string(insn, regs, flags, ops, context);
	default:
		return UV_EXEC_UNSUPPORTED;
	}
}

#endif /* UV_EMULATE_H */
