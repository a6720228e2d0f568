/* SPDX-License-Identifier: GPL-2.0 OR Apache-2.0 */
/*
 * Decoder of x86-64 instructions, for what a tracer of device accesses asks:
 * what does this instruction do to which memory (uv_decode), does it access a
 * port (uv_decode_port), how long is it (uv_insn_length).
 *
 * 64-bit mode only. Pure: no state, reads nothing beyond the bytes it is given.
 * Compiles in the kernel, whose own decoder is not exported to modules, and in
 * userspace, where it is compared with objdump and with the processor itself
 * (tests/kmod/test_decode.py).
 */
#ifndef UV_DECODE_H
#define UV_DECODE_H

#include <linux/types.h>
#ifndef __KERNEL__
#include <stdbool.h>
#endif

#define UV_INSN_MAX	15	/* bytes; the processor refuses longer ones */

/* uv_insn.base and .index beside 0..15 (rax, rcx, rdx, rbx, rsp, rbp, rsi, rdi, r8..) */
#define UV_REG_RIP	16
#define UV_REG_NONE	0xff

enum uv_op {
	UV_OP_UNKNOWN,	/* length, and where it has one the memory operand */
	UV_OP_LOAD,	/* register <- memory */
	UV_OP_STORE,	/* memory <- register or immediate */
	UV_OP_MOVS,	/* string forms, with or without repeat */
	UV_OP_STOS,
	UV_OP_LODS,
};

enum uv_opcode_map {
	UV_MAP_ONE,	/* one-byte opcodes */
	UV_MAP_0F,
	UV_MAP_0F38,
	UV_MAP_0F3A,
	UV_MAP_5 = 5,	/* EVEX only */
	UV_MAP_6 = 6,
};

enum uv_encoding {
	UV_LEGACY,
	UV_VEX,
	UV_EVEX,
};

struct uv_insn {
	__u8 length;		/* bytes of the instruction */
	__u8 op;		/* enum uv_op */
	__u8 encoding;		/* enum uv_encoding */
	__u8 map;		/* enum uv_opcode_map */
	__u8 opcode;
	__u8 modrm;		/* 0 where the opcode has none */

	__u8 width;		/* bytes of the memory access; 0 not known */
	__u8 dest_width;	/* load: bytes of the register operand */
	bool sign_extend;
	bool swap;		/* movbe */
	__u8 reg;		/* register operand, 0..15 */
	bool high;		/* it is ah, ch, dh or bh: bits 15..8 of reg (0..3) */
	bool has_imm;
	__u64 imm;		/* sign-extended */

	bool lock;
	__u8 repeat;		/* 0, 0xf2, 0xf3 */
	__u8 segment;		/* 0, 0x64 fs, 0x65 gs; others mean nothing in 64-bit mode */
	__u8 operand_size;	/* 2, 4, 8 */

	bool memory;		/* accesses memory through the operand below */
	bool writes;		/* ... and writes it (string forms: through rdi) */
	__u8 address_size;	/* 8, or 4 */
	__u8 base;		/* 0..15, UV_REG_RIP, UV_REG_NONE */
	__u8 index;		/* 0..15, UV_REG_NONE */
	__u8 scale;		/* 1, 2, 4, 8 */
	__s64 disp;
};

struct uv_port_insn {
	__u8 length;
	bool write;		/* out, outs */
	bool string;		/* ins, outs: memory at rdi, rsi; count in rcx if repeat */
	bool has_port;		/* port is in the instruction, else in dx */
	__u8 port;
	__u8 width;		/* 1, 2, 4 */
	__u8 repeat;		/* 0, 0xf2, 0xf3 */
	__u8 segment;		/* outs: 0, 0x64 fs, 0x65 gs */
	__u8 address_size;	/* string forms: 8, or 4 */
};

/**
 * uv_decode() - decode one instruction
 * @bytes: the instruction
 * @avail: readable bytes; UV_INSN_MAX are always enough
 * @insn: filled in
 *
 * What is not a plain load or store (arithmetic on memory, SSE moves, fs and gs,
 * lock) is UV_OP_UNKNOWN, but with its length and memory operand, so that it can
 * be single-stepped and named. Memory that is not given by ModRM (stack, xlat,
 * gather) is not told, nor the scaled displacement of EVEX.
 *
 * Return: 0, -ENODATA: cut short at @avail, -EINVAL: no valid instruction.
 */
int uv_decode(const __u8 *bytes, unsigned int avail, struct uv_insn *insn);

/**
 * uv_decode_port() - decode in, out, ins or outs
 *
 * Return: 0, -ENOENT: a different instruction, else as uv_decode().
 */
int uv_decode_port(const __u8 *bytes, unsigned int avail, struct uv_port_insn *port);

/**
 * uv_insn_length() - length of any instruction
 *
 * Return: 1..15, else as uv_decode().
 */
int uv_insn_length(const __u8 *bytes, unsigned int avail);

/**
 * uv_effective_address() - where the memory operand is
 * @insn: with insn->memory
 * @regs: rax, rcx, rdx, rbx, rsp, rbp, rsi, rdi, r8..r15
 * @rip_next: address of the next instruction
 *
 * Segment bases are not added (see insn->segment).
 */
__u64 uv_effective_address(const struct uv_insn *insn, __u64 *const regs[16], __u64 rip_next);

/* A non-canonical address raises #SS, not #GP, when its base is rsp or rbp. */
static inline bool uv_base_is_stack(const struct uv_insn *insn)
{
	return insn->memory && (insn->base == 4 || insn->base == 5);
}

static inline bool uv_insn_is_string(const struct uv_insn *insn)
{
	return insn->op == UV_OP_MOVS || insn->op == UV_OP_STOS || insn->op == UV_OP_LODS;
}

#endif /* UV_DECODE_H */
