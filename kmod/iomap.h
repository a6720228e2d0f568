/* SPDX-License-Identifier: GPL-2.0 */
/* Trapped mappings: what iomap.c hands out and trap.c looks up. */
#ifndef _UVBUS_IOMAP_H
#define _UVBUS_IOMAP_H

#include "uvbus.h"

struct uv_virt;

/*
 * A trapped address: bit 63 set and bit 62 clear make it non-canonical on 4-
 * and 5-level paging and keep it out of LAM and UAI, so that the CPU raises #GP
 * (or #SS) on any access. Below the tag: the number of the mapping, never used
 * twice, and an offset that is biased so that an access in front of the mapping
 * stays within its own number.
 */
#define UV_TRAP_TAG		0x9fUL
#define UV_TRAP_TAG_SHIFT	56
#define UV_TRAP_NUMBER_SHIFT	32
#define UV_TRAP_NUMBER_MAX	((1U << 24) - 1)
#define UV_TRAP_BIAS		0x40000000UL
#define UV_TRAP_LENGTH_MAX	0x80000000UL

static __always_inline bool uv_trapped(unsigned long address)
{
	return address >> UV_TRAP_TAG_SHIFT == UV_TRAP_TAG;
}

/* Signed: negative in front of the mapping. */
static __always_inline s64 uv_trapped_offset(unsigned long address)
{
	return (s64)(address & 0xffffffffUL) - (s64)UV_TRAP_BIAS;
}

/**
 * struct uv_iomap - one trapped mapping
 * @real: the kernel's mapping; NULL of a virtual function
 * @virt: the virtual function that accesses go to, or NULL
 * @function: of those that are traced; a virtual one is looked up at each access, as
 *	it may be selected while it is mapped
 * @reach: bytes behind @real that are mapped and belong to the BAR; at least
 *	@length (a mapping is made of whole pages)
 * @alive: until iounmap; cleared, then an RCU grace period, then unmapped
 *
 * Entries outlive iounmap as tombstones, so that a late access can be named.
 */
struct uv_iomap {
	void __iomem	*real;
	struct uv_virt	*virt;
	u64		phys;
	u64		bus;
	u64		length;
	u64		reach;
	u64		offset;		/* in the BAR */
	u32		number;
	u16		function;
	u8		bar;
	u8		memory_type;
	bool		prefetchable;
	bool		alive;
	struct rcu_head	rcu;
};

/* The mapping of a trapped address, alive or not; NULL: none ever. Under RCU. */
struct uv_iomap *uv_iomap_of(unsigned long address);
/* The traced function behind a mapping, or NULL. Under RCU. */
struct uv_function *uv_iomap_function(const struct uv_iomap *map);
/* A virtual function goes (NULL: all): nothing is reached through its mappings any more. */
void uv_iomaps_kill(const struct uv_virt *virt);

#endif /* _UVBUS_IOMAP_H */
