// SPDX-License-Identifier: GPL-2.0
/*
 * Finds the port instructions of a piece of kernel text.
 *
 * Text is walked from each symbol to the next, as alignment and data between
 * functions would throw a sweep over all of it out of step. Where an instruction
 * is not known, the rest up to the next symbol is searched byte by byte; what is
 * found so is probed only if kprobes agrees that an instruction begins there.
 */
#include <linux/kallsyms.h>
#include <linux/mm.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>
#include <linux/sort.h>
#include <linux/version.h>

#include "pio.h"

struct uv_text {
	unsigned long start, end;
};

enum { UV_TEXT_CORE, UV_TEXT_INIT, UV_TEXTS };

static void uv_module_texts(const struct module *mod, struct uv_text texts[UV_TEXTS])
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 4, 0)
	const struct module_memory *core = &mod->mem[MOD_TEXT], *init = &mod->mem[MOD_INIT_TEXT];

	texts[UV_TEXT_CORE].start = (unsigned long)core->base;
	texts[UV_TEXT_CORE].end = texts[UV_TEXT_CORE].start + core->size;
	texts[UV_TEXT_INIT].start = (unsigned long)init->base;
	texts[UV_TEXT_INIT].end = texts[UV_TEXT_INIT].start + init->size;
#else
	texts[UV_TEXT_CORE].start = (unsigned long)mod->core_layout.base;
	texts[UV_TEXT_CORE].end = texts[UV_TEXT_CORE].start + mod->core_layout.text_size;
	texts[UV_TEXT_INIT].start = (unsigned long)mod->init_layout.base;
	texts[UV_TEXT_INIT].end = texts[UV_TEXT_INIT].start + mod->init_layout.text_size;
#endif
	if (mod->state == MODULE_STATE_LIVE)	/* init text is freed, or about to be */
		texts[UV_TEXT_INIT].end = texts[UV_TEXT_INIT].start;
}

void uv_scan_range(unsigned long start, unsigned long end, uv_port_found *found, void *data)
{
	struct uv_port_insn insn;
	bool in_step = true;
	int length;

	while (start < end) {
		const u8 *bytes = (const u8 *)start;
		unsigned int avail = min_t(unsigned long, end - start, UV_INSN_MAX);

		length = in_step ? uv_insn_length(bytes, avail) : 1;
		if (length <= 0) {
			in_step = false;
			length = 1;
		}
		/* last, as it may put a breakpoint here */
		if (!uv_decode_port(bytes, avail, &insn))
			found(start, &insn, !in_step, data);
		start += length;
	}
}

static int uv_address_compare(const void *a, const void *b)
{
	unsigned long x = *(const unsigned long *)a, y = *(const unsigned long *)b;

	return x < y ? -1 : x > y;
}

/* Values of the module's symbols that lie in text, sorted; at most max. */
static unsigned int uv_symbols_in(struct module *mod, const struct uv_text *text,
				  unsigned long *starts, unsigned int max)
{
	const struct mod_kallsyms *symbols;
	unsigned int i, n = 0;

	rcu_read_lock_sched();	/* the table is exchanged after init */
	symbols = rcu_dereference_sched(mod->kallsyms);
	for (i = 0; symbols && i < symbols->num_symtab && n < max; i++) {
		unsigned long value = symbols->symtab[i].st_value;

		if (value >= text->start && value < text->end)
			starts[n++] = value;
	}
	rcu_read_unlock_sched();
	sort(starts, n, sizeof(*starts), uv_address_compare, NULL);
	return n;
}

static unsigned int uv_symbol_count(struct module *mod)
{
	const struct mod_kallsyms *symbols;
	unsigned int n;

	rcu_read_lock_sched();
	symbols = rcu_dereference_sched(mod->kallsyms);
	n = symbols ? symbols->num_symtab : 0;
	rcu_read_unlock_sched();
	return n;
}

int uv_scan_module(struct module *mod, uv_port_found *found, void *data)
{
	unsigned int max = uv_symbol_count(mod) + 1, n, i, t;
	struct uv_text texts[UV_TEXTS];
	unsigned long *starts, end;

	starts = kvmalloc_array(max, sizeof(*starts), GFP_KERNEL);
	if (!starts)
		return -ENOMEM;
	uv_module_texts(mod, texts);
	for (t = 0; t < UV_TEXTS; t++) {
		/* what precedes the first symbol is walked too */
		n = uv_symbols_in(mod, &texts[t], starts, max - 1);
		if (!n || starts[0] != texts[t].start) {
			memmove(starts + 1, starts, n * sizeof(*starts));
			starts[0] = texts[t].start;
			n++;
		}
		for (i = 0; i < n; i++) {
			end = i + 1 < n ? starts[i + 1] : texts[t].end;
			uv_scan_range(starts[i], end, found, data);
			cond_resched();
		}
	}
	kvfree(starts);
	return 0;
}
