/* SPDX-License-Identifier: GPL-2.0 */
/* Between pio.c (probes, and the accesses they carry out) and pioscan.c (where to probe). */
#ifndef _UVBUS_PIO_H
#define _UVBUS_PIO_H

#include <linux/module.h>

#include "decode.h"
#include "wrap.h"

/* Called for each in, out, ins and outs. not_sure: found without knowing where instructions begin. */
typedef void uv_port_found(unsigned long address, const struct uv_port_insn *insn,
			   bool not_sure, void *data);

/* All port instructions in [start, end), which begins with an instruction. */
void uv_scan_range(unsigned long start, unsigned long end, uv_port_found *found, void *data);
/* All of a module's text, init text included while it has one. Process context. */
int uv_scan_module(struct module *mod, uv_port_found *found, void *data);

#endif /* _UVBUS_PIO_H */
