// SPDX-License-Identifier: GPL-2.0 OR Apache-2.0
/*
 * x86-64 instruction decoder: prefixes and opcode, then ModRM, SIB and
 * displacement, then immediates, then what it all means.
 */
#ifdef __KERNEL__
#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/string.h>
#else
#include <errno.h>
#include <string.h>
#define ARRAY_SIZE(array)	(sizeof(array) / sizeof((array)[0]))
#endif

#include "decode.h"
#include "decode_tables.h"

struct uv_cursor {
	const __u8 *bytes;
	unsigned int avail;
	unsigned int at;
	bool cut;		/* asked for more than there is */
};

/* Prefixes as they are needed until the instruction is understood. */
struct uv_prefixes {
	bool operand_66;
	bool address_67;
	__u8 rex;		/* 0x40..0x4f, or 0; VEX and EVEX bits in the same places */
	bool has_rex;
	__u8 mandatory;		/* VEX, EVEX: pp; 0, 0x66, 0xf3, 0xf2 */
};

static __u64 uv_take(struct uv_cursor *cursor, unsigned int bytes)
{
	__u64 value = 0;
	unsigned int i;

	if (bytes > cursor->avail - cursor->at) {
		cursor->cut = true;
		return 0;
	}
	for (i = 0; i < bytes; i++)
		value |= (__u64)cursor->bytes[cursor->at++] << (8 * i);
	return value;
}

static __u64 uv_take_signed(struct uv_cursor *cursor, unsigned int bytes)
{
	__u64 value = uv_take(cursor, bytes);
	__u64 sign = 1ULL << (8 * bytes - 1);

	return (value ^ sign) - sign;
}

/* Returns the first byte that is no legacy prefix. */
static __u8 uv_take_prefixes(struct uv_cursor *cursor, struct uv_insn *insn,
			     struct uv_prefixes *prefixes)
{
	for (;;) {
		__u8 byte = uv_take(cursor, 1);

		switch (byte) {
		case 0x26:
		case 0x2e:
		case 0x36:
		case 0x3e:
			break;	/* es, cs, ss, ds: ignored in 64-bit mode */
		case 0x64:
		case 0x65:
			insn->segment = byte;
			break;
		case 0x66:
			prefixes->operand_66 = true;
			break;
		case 0x67:
			prefixes->address_67 = true;
			break;
		case 0xf0:
			insn->lock = true;
			break;
		case 0xf2:
		case 0xf3:
			insn->repeat = byte;
			break;
		default:
			if ((byte & 0xf0) != 0x40)
				return byte;
			/* A REX that is not the last prefix means nothing. */
			prefixes->rex = byte;
			prefixes->has_rex = true;
			continue;
		}
		prefixes->rex = 0;
		prefixes->has_rex = false;
	}
}

static int uv_take_vex(struct uv_cursor *cursor, struct uv_insn *insn,
		       struct uv_prefixes *prefixes, __u8 first)
{
	static const __u8 mandatory[4] = { 0, 0x66, 0xf3, 0xf2 };
	__u8 p0 = uv_take(cursor, 1);
	__u8 last = p0;

	if (prefixes->has_rex || prefixes->operand_66 || insn->repeat || insn->lock)
		return -EINVAL;
	insn->encoding = first == 0x62 ? UV_EVEX : UV_VEX;
	insn->map = UV_MAP_0F;
	prefixes->rex = (~p0 >> 5) & 0x04;
	if (first != 0xc5) {
		insn->map = p0 & (first == 0x62 ? 0x07 : 0x1f);
		prefixes->rex = (~p0 >> 5) & 0x07;
		last = uv_take(cursor, 1);
		prefixes->rex |= last >> 4 & 0x08;
	}
	prefixes->mandatory = mandatory[last & 3];
	if (first == 0x62) {
		if (!cursor->cut && ((p0 & 0x08) || !(last & 0x04)))
			return -EINVAL;
		uv_take(cursor, 1);
	}
	insn->opcode = uv_take(cursor, 1);
	return 0;
}

static int uv_take_opcode(struct uv_cursor *cursor, struct uv_insn *insn,
			  struct uv_prefixes *prefixes)
{
	__u8 byte = uv_take_prefixes(cursor, insn, prefixes);

	if (cursor->cut)
		return -ENODATA;
	if (byte == 0x62 || byte == 0xc4 || byte == 0xc5)
		return uv_take_vex(cursor, insn, prefixes, byte);
	insn->map = UV_MAP_ONE;
	if (byte == 0x0f) {
		insn->map = UV_MAP_0F;
		byte = uv_take(cursor, 1);
		if (byte == 0x38 || byte == 0x3a) {
			insn->map = byte == 0x38 ? UV_MAP_0F38 : UV_MAP_0F3A;
			byte = uv_take(cursor, 1);
		}
	}
	insn->opcode = byte;
	return 0;
}

static __u8 uv_vector_attributes(const struct uv_insn *insn)
{
	switch (insn->map) {
	case UV_MAP_0F:
		if (insn->encoding == UV_VEX && insn->opcode == 0x77)
			return 0;	/* vzeroupper */
		return M | (uv_map_0f[insn->opcode] & I1);
	case UV_MAP_0F3A:
		return M | I1;
	case UV_MAP_0F38:
		return M;
	case UV_MAP_5:
	case UV_MAP_6:
		return insn->encoding == UV_EVEX ? M : BAD;
	default:
		return BAD;
	}
}

/* What follows the opcode. */
static __u8 uv_attributes(const struct uv_insn *insn)
{
	if (insn->encoding != UV_LEGACY)
		return uv_vector_attributes(insn);
	switch (insn->map) {
	case UV_MAP_ONE:
		return uv_map_one[insn->opcode];
	case UV_MAP_0F:
		return uv_map_0f[insn->opcode];
	case UV_MAP_0F38:
		return M;
	default:
		return M | I1;
	}
}

static void uv_take_sib(struct uv_cursor *cursor, struct uv_insn *insn, __u8 rex)
{
	__u8 sib = uv_take(cursor, 1);
	__u8 index = (sib >> 3 & 7) | (rex & 2) << 2;

	insn->scale = 1 << (sib >> 6);
	if (index != 4)
		insn->index = index;
	if ((sib & 7) == 5 && insn->modrm < 0x40)
		insn->disp = uv_take_signed(cursor, 4);
	else
		insn->base = (sib & 7) | (rex & 1) << 3;
}

/* mov to and from control and debug registers: ModRM.mod is ignored. */
static bool uv_is_register_move(const struct uv_insn *insn)
{
	return insn->encoding == UV_LEGACY && insn->map == UV_MAP_0F &&
	       insn->opcode >= 0x20 && insn->opcode <= 0x23;
}

static void uv_take_modrm(struct uv_cursor *cursor, struct uv_insn *insn, __u8 rex)
{
	__u8 mod, rm;

	insn->modrm = uv_take(cursor, 1);
	insn->reg = (insn->modrm >> 3 & 7) | (rex & 4) << 1;
	mod = insn->modrm >> 6;
	rm = insn->modrm & 7;
	if (mod == 3 || uv_is_register_move(insn))
		return;
	insn->memory = true;
	if (rm == 4) {
		uv_take_sib(cursor, insn, rex);
	} else if (mod == 0 && rm == 5) {
		insn->base = UV_REG_RIP;
		insn->disp = uv_take_signed(cursor, 4);
	} else {
		insn->base = rm | (rex & 1) << 3;
	}
	if (mod)
		insn->disp = uv_take_signed(cursor, mod == 1 ? 1 : 4);
}

/* Immediates that ModRM or a prefix adds to what the table says. */
static __u8 uv_more_immediates(const struct uv_insn *insn, const struct uv_prefixes *prefixes)
{
	bool test = (insn->modrm >> 3 & 7) < 2;

	if (insn->encoding != UV_LEGACY)
		return 0;
	if (insn->map == UV_MAP_ONE && test && insn->opcode == 0xf6)
		return I1;
	if (insn->map == UV_MAP_ONE && test && insn->opcode == 0xf7)
		return IZ;
	/* SSE4a extrq, insertq: two bytes */
	if (insn->map == UV_MAP_0F && insn->opcode == 0x78 &&
	    (prefixes->operand_66 || insn->repeat == 0xf2))
		return I2;
	return 0;
}

static void uv_take_immediates(struct uv_cursor *cursor, struct uv_insn *insn, __u8 attributes)
{
	unsigned int size = insn->operand_size;

	insn->has_imm = attributes & (I1 | I2 | IZ | IV);
	if (attributes & OFF) {
		insn->disp = uv_take(cursor, insn->address_size);
		insn->memory = true;
	}
	if (attributes & I2)
		insn->imm = uv_take(cursor, 2);
	if (attributes & I1)
		insn->imm = uv_take_signed(cursor, 1);
	if (attributes & IZ)
		insn->imm = uv_take_signed(cursor, size == 2 ? 2 : 4);
	if (attributes & IV)
		insn->imm = uv_take_signed(cursor, size);
	if (attributes & R4)
		uv_take(cursor, 4);
}

/* Bytes to fields; fails on what cannot be an instruction. */
static int uv_parse(struct uv_cursor *cursor, struct uv_insn *insn, struct uv_prefixes *prefixes)
{
	__u8 attributes;
	int error;

	insn->base = UV_REG_NONE;
	insn->index = UV_REG_NONE;
	insn->scale = 1;
	error = uv_take_opcode(cursor, insn, prefixes);
	if (cursor->cut)
		return -ENODATA;
	if (error)
		return error;
	insn->operand_size = prefixes->rex & 8 ? 8 : prefixes->operand_66 ? 2 : 4;
	insn->address_size = prefixes->address_67 ? 4 : 8;
	attributes = uv_attributes(insn);
	if (attributes & BAD)
		return -EINVAL;
	if (attributes & M)
		uv_take_modrm(cursor, insn, prefixes->rex);
	uv_take_immediates(cursor, insn, attributes | uv_more_immediates(insn, prefixes));
	if (cursor->cut)
		return -ENODATA;
	insn->length = cursor->at;
	return 0;
}

/* The register operand of a byte instruction: ah..bh, unless there is a REX. */
static void uv_byte_register(struct uv_insn *insn, const struct uv_prefixes *prefixes)
{
	if (!prefixes->has_rex && insn->reg >= 4 && insn->reg < 8) {
		insn->reg -= 4;
		insn->high = true;
	}
}

static void uv_mean(struct uv_insn *insn, enum uv_op op, __u8 width)
{
	insn->op = op;
	insn->width = width;
	if (op == UV_OP_LOAD || op == UV_OP_LODS)
		insn->dest_width = width;
}

static void uv_mean_one(struct uv_insn *insn, const struct uv_prefixes *prefixes)
{
	__u8 width = insn->opcode & 1 ? insn->operand_size : 1;

	switch (insn->opcode) {
	case 0x88:
	case 0x89:
	case 0x8a:
	case 0x8b:
		if (!insn->memory)
			return;
		uv_mean(insn, insn->opcode & 2 ? UV_OP_LOAD : UV_OP_STORE, width);
		if (width == 1)
			uv_byte_register(insn, prefixes);
		return;
	case 0xa0:
	case 0xa1:
	case 0xa2:
	case 0xa3:
		uv_mean(insn, insn->opcode & 2 ? UV_OP_STORE : UV_OP_LOAD, width);
		return;
	case 0xc6:
	case 0xc7:
		if (insn->memory && !(insn->modrm & 0x38))
			uv_mean(insn, UV_OP_STORE, width);
		return;
	case 0x63:	/* movsxd; with a 16-bit register vendors differ */
		if (!insn->memory || insn->operand_size == 2)
			return;
		uv_mean(insn, UV_OP_LOAD, 4);
		insn->dest_width = insn->operand_size;
		insn->sign_extend = true;
		return;
	}
}

static void uv_mean_string(struct uv_insn *insn)
{
	__u8 width = insn->opcode & 1 ? insn->operand_size : 1;

	switch (insn->opcode & 0xfe) {
	case 0xa4:
		uv_mean(insn, UV_OP_MOVS, width);
		insn->writes = true;
		return;
	case 0xaa:
		uv_mean(insn, UV_OP_STOS, width);
		insn->writes = true;
		return;
	case 0xac:
		uv_mean(insn, UV_OP_LODS, width);
		return;
	}
}

static void uv_mean_0f(struct uv_insn *insn, const struct uv_prefixes *prefixes)
{
	if (!insn->memory || insn->repeat)
		return;
	switch (insn->opcode) {
	case 0xb6:
	case 0xb7:
	case 0xbe:
	case 0xbf:
		uv_mean(insn, UV_OP_LOAD, insn->opcode & 1 ? 2 : 1);
		insn->dest_width = insn->operand_size;
		insn->sign_extend = insn->opcode & 8;
		return;
	case 0xc3:	/* movnti */
		if (!prefixes->operand_66)
			uv_mean(insn, UV_OP_STORE, insn->operand_size);
		return;
	}
}

static void uv_mean_0f38(struct uv_insn *insn)
{
	if (!insn->memory || insn->repeat || (insn->opcode & 0xfe) != 0xf0)
		return;
	uv_mean(insn, insn->opcode & 1 ? UV_OP_STORE : UV_OP_LOAD, insn->operand_size);
	insn->swap = true;	/* movbe */
}

static bool uv_listed(const __u8 *list, unsigned int count, __u8 opcode)
{
	while (count--)
		if (list[count] == opcode)
			return true;
	return false;
}

static bool uv_group_writes(const struct uv_insn *insn)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(uv_writes_group); i++)
		if (uv_writes_group[i].map == insn->map && uv_writes_group[i].opcode == insn->opcode)
			return uv_writes_group[i].regs >> (insn->modrm >> 3 & 7) & 1;
	return false;
}

static bool uv_vector_writes(const struct uv_insn *insn, const struct uv_prefixes *prefixes)
{
	switch (insn->map) {
	case UV_MAP_0F:
		if (insn->opcode == 0x7e)	/* with f3 it loads */
			return prefixes->mandatory != 0xf3;
		return uv_listed(uv_writes_vector, ARRAY_SIZE(uv_writes_vector), insn->opcode);
	case UV_MAP_0F38:	/* maskmov, compress, narrowing moves */
		return insn->opcode == 0x2e || insn->opcode == 0x2f || insn->opcode == 0x8e ||
		       insn->opcode == 0x8a || insn->opcode == 0x8b || insn->opcode == 0x63 ||
		       (insn->encoding == UV_EVEX && prefixes->mandatory == 0xf3 &&
			insn->opcode >= 0x10 && insn->opcode < 0x36 && (insn->opcode & 7) < 6);
	case UV_MAP_0F3A:	/* pextr, extract, cvtps2ph */
		return (insn->opcode >= 0x14 && insn->opcode <= 0x17) || insn->opcode == 0x19 ||
		       insn->opcode == 0x1b || insn->opcode == 0x1d || insn->opcode == 0x39 ||
		       insn->opcode == 0x3b;
	default:
		return insn->map == UV_MAP_5 && (insn->opcode == 0x11 || insn->opcode == 0x7e);
	}
}

static bool uv_writes_memory(const struct uv_insn *insn, const struct uv_prefixes *prefixes)
{
	if (insn->encoding != UV_LEGACY)
		return uv_vector_writes(insn, prefixes);
	switch (insn->map) {
	case UV_MAP_ONE:
		return uv_listed(uv_writes_one, ARRAY_SIZE(uv_writes_one), insn->opcode) ||
		       uv_group_writes(insn);
	case UV_MAP_0F:
		if (insn->opcode == 0x7e)
			return insn->repeat != 0xf3;
		return uv_listed(uv_writes_0f, ARRAY_SIZE(uv_writes_0f), insn->opcode) ||
		       uv_group_writes(insn);
	case UV_MAP_0F38:	/* movbe, but crc32 with f2; wrss; movdiri */
		return (insn->opcode == 0xf1 && insn->repeat != 0xf2) ||
		       (insn->opcode == 0xf6 && !insn->repeat && !prefixes->operand_66) ||
		       insn->opcode == 0xf5 || insn->opcode == 0xf9;
	default:
		return insn->opcode >= 0x14 && insn->opcode <= 0x17;
	}
}

/* ModRM memory forms that access nothing, or not (only) where ModRM says. */
static bool uv_is_no_access(const struct uv_insn *insn)
{
	bool gather = insn->opcode >= 0x90 && insn->opcode <= 0x93;
	bool scatter = insn->opcode >= 0xa0 && insn->opcode <= 0xa3;

	if (insn->encoding == UV_EVEX && insn->modrm >> 6 == 1)
		return true;	/* disp8 is scaled by a factor we don't look up */
	if (insn->encoding != UV_LEGACY)
		return insn->map == UV_MAP_0F38 && (gather || scatter);
	if (insn->map == UV_MAP_ONE)
		return insn->opcode == 0x8d;	/* lea */
	if (insn->map == UV_MAP_0F)		/* prefetch, hints, nop; invlpg */
		return insn->opcode == 0x0d || (insn->opcode >= 0x18 && insn->opcode <= 0x1f) ||
		       (insn->opcode == 0x01 && (insn->modrm & 0x38) == 0x38);
	return false;
}

/* Width of an access that is not decoded further, where the opcode makes it plain. */
static __u8 uv_guess_width(const struct uv_insn *insn)
{
	__u8 opcode = insn->opcode;
	__u8 by_opcode = opcode & 1 ? insn->operand_size : 1;

	if (insn->encoding != UV_LEGACY)
		return 0;
	if (insn->map == UV_MAP_ONE) {
		if (opcode == 0x83 || opcode == 0x69 || opcode == 0x6b)
			return insn->operand_size;
		if (opcode < 0x40 || (opcode >= 0x80 && opcode <= 0x8b) ||
		    (opcode >= 0xc0 && opcode <= 0xd3) || opcode == 0xf6 || opcode == 0xf7 ||
		    (opcode >= 0xfe && (insn->modrm & 0x38) < 0x10))
			return by_opcode;
	}
	if (insn->map == UV_MAP_0F) {
		if (opcode >= 0x90 && opcode <= 0x9f)
			return 1;
		if (opcode == 0xb0 || opcode == 0xb1 || opcode == 0xc0 || opcode == 0xc1)
			return by_opcode;
		if ((opcode >= 0xa3 && opcode <= 0xad) || opcode == 0xaf || opcode == 0xb3 ||
		    opcode == 0xba || opcode == 0xbb || (opcode >= 0x40 && opcode <= 0x4f))
			return insn->operand_size;
	}
	return 0;
}

static void uv_understand(struct uv_insn *insn, const struct uv_prefixes *prefixes)
{
	bool plain = insn->encoding == UV_LEGACY && !insn->lock && !insn->segment;

	if (insn->memory && uv_is_no_access(insn))
		insn->memory = false;
	insn->writes = insn->memory && uv_writes_memory(insn, prefixes);
	if (plain && insn->map == UV_MAP_ONE) {
		uv_mean_one(insn, prefixes);
		uv_mean_string(insn);
	} else if (plain && insn->map == UV_MAP_0F) {
		uv_mean_0f(insn, prefixes);
	} else if (plain && insn->map == UV_MAP_0F38) {
		uv_mean_0f38(insn);
	}
	if (insn->op == UV_OP_UNKNOWN && insn->memory)
		insn->width = uv_guess_width(insn);
	if (insn->op == UV_OP_LODS || (insn->map == UV_MAP_ONE && insn->opcode >= 0xa0 &&
				       insn->opcode <= 0xa3))
		insn->reg = 0;	/* rax */
}

int uv_decode(const __u8 *bytes, unsigned int avail, struct uv_insn *insn)
{
	struct uv_cursor cursor = { .bytes = bytes };
	struct uv_prefixes prefixes = { 0 };
	int error;

	cursor.avail = avail < UV_INSN_MAX ? avail : UV_INSN_MAX;
	memset(insn, 0, sizeof(*insn));
	error = uv_parse(&cursor, insn, &prefixes);
	if (error == -ENODATA && cursor.avail == UV_INSN_MAX)
		return -EINVAL;		/* not cut short: longer than an instruction may be */
	if (error)
		return error;
	uv_understand(insn, &prefixes);
	return 0;
}

int uv_insn_length(const __u8 *bytes, unsigned int avail)
{
	struct uv_insn insn;
	int error = uv_decode(bytes, avail, &insn);

	return error ? error : insn.length;
}

int uv_decode_port(const __u8 *bytes, unsigned int avail, struct uv_port_insn *port)
{
	struct uv_insn insn;
	int error = uv_decode(bytes, avail, &insn);
	__u8 opcode = insn.opcode;
	bool string = opcode >= 0x6c && opcode <= 0x6f;

	if (error)
		return error;
	if (insn.encoding != UV_LEGACY || insn.map != UV_MAP_ONE || insn.lock ||
	    !(string || (opcode >= 0xe4 && opcode <= 0xe7) || (opcode >= 0xec && opcode <= 0xef)))
		return -ENOENT;
	memset(port, 0, sizeof(*port));
	port->length = insn.length;
	port->write = opcode & 2;
	port->string = string;
	port->has_port = insn.has_imm;
	port->port = insn.imm;
	port->width = !(opcode & 1) ? 1 : insn.operand_size == 2 ? 2 : 4;
	port->address_size = insn.address_size;
	if (string) {
		port->repeat = insn.repeat;
		port->segment = port->write ? insn.segment : 0;
	}
	return 0;
}

__u64 uv_effective_address(const struct uv_insn *insn, __u64 *const regs[16], __u64 rip_next)
{
	__u64 address = insn->disp;

	if (insn->base == UV_REG_RIP)
		address += rip_next;
	else if (insn->base != UV_REG_NONE)
		address += *regs[insn->base];
	if (insn->index != UV_REG_NONE)
		address += *regs[insn->index] * insn->scale;
	return insn->address_size == 4 ? (__u32)address : address;
}
