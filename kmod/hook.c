// SPDX-License-Identifier: GPL-2.0
/*
 * Redirects exported kernel functions to wrappers.
 *
 * kprobes and kretprobes lose events without saying where. An ftrace
 * redirection, as livepatch uses it, cannot: every caller lands in the
 * wrapper, which has arguments, result and caller in one place. One ftrace_ops
 * covers all functions; the original is reached by calling it from this
 * module, whose own calls are let through.
 */
#include <linux/delay.h>
#include <linux/ftrace.h>
#include <linux/module.h>
#include <linux/rcupdate.h>
#include <linux/sort.h>
#include <linux/version.h>

#include "uvbus.h"

#define HOOKS_MAX	160
/* An ENDBR may stand between the function's address and its fentry call. */
#define ENTRY_BYTES	16

struct uv_target {
	unsigned long	address;
	unsigned long	wrapper;
};

DEFINE_PER_CPU(long, uv_hooks_inflight);

/* Sorted by address; constant while uv_redirect() is registered. */
static struct uv_target uv_targets[HOOKS_MAX];
static unsigned int uv_target_count;
static unsigned int uv_missing_count;
static bool uv_installed;

static struct {
	struct uv_hook		*hooks;
	const unsigned int	*count;
} uv_hook_sets[] = {
	{ uv_trap_hooks, &uv_trap_hook_count },
	{ uv_iomap_hooks, &uv_iomap_hook_count },
	{ uv_dma_hooks, &uv_dma_hook_count },
	{ uv_irq_hooks, &uv_irq_hook_count },
	{ uv_life_hooks, &uv_life_hook_count },
};

#define for_each_hook(set, hook)						\
	for ((set) = 0; (set) < ARRAY_SIZE(uv_hook_sets); (set)++)		\
		for ((hook) = uv_hook_sets[set].hooks;				\
		     (hook) < uv_hook_sets[set].hooks + *uv_hook_sets[set].count; (hook)++)

static notrace const struct uv_target *uv_target_at(unsigned long ip)
{
	unsigned int low = 0, high = uv_target_count;

	while (low < high) {
		unsigned int middle = (low + high) / 2;

		if (uv_targets[middle].address <= ip)
			low = middle + 1;
		else
			high = middle;
	}
	if (!low || ip - uv_targets[low - 1].address >= ENTRY_BYTES)
		return NULL;
	return &uv_targets[low - 1];
}

static notrace void uv_redirect(unsigned long ip, unsigned long parent_ip,
				struct ftrace_ops *ops, struct ftrace_regs *fregs)
{
	const struct uv_target *target;

	if (within_module(parent_ip, THIS_MODULE))
		return;
	target = uv_target_at(ip);
	if (!target)
		return;
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 2, 0)
	ftrace_regs_set_instruction_pointer(fregs, target->wrapper);
#else
	ftrace_instruction_pointer_set(fregs, target->wrapper);
#endif
}

static struct ftrace_ops uv_ops = {
	.func	= uv_redirect,
	.flags	= FTRACE_OPS_FL_SAVE_REGS | FTRACE_OPS_FL_IPMODIFY,
};

static int uv_target_compare(const void *a, const void *b)
{
	const struct uv_target *x = a, *y = b;

	return x->address < y->address ? -1 : x->address > y->address;
}

static int uv_target_add(struct uv_hook *hook)
{
	int err;

	hook->original = uv_kernel_symbol(hook->name);
	if (!hook->original) {
		if (!hook->optional)
			uv_missing_count++;
		return 0;
	}
	if (uv_target_count == HOOKS_MAX)
		return -ENOSPC;
	err = ftrace_set_filter_ip(&uv_ops, (unsigned long)hook->original, 0, 0);
	if (err) {
		pr_warn("%s cannot be traced (%d): no %s records\n",
			hook->name, err, hook->kinds);
		hook->original = NULL;
		uv_missing_count++;
		return 0;
	}
	if (hook->bind)
		hook->bind(hook->original);
	uv_targets[uv_target_count].address = (unsigned long)hook->original;
	uv_targets[uv_target_count++].wrapper = (unsigned long)hook->wrapper;
	return 0;
}

int uv_hooks_install(void)
{
	struct uv_hook *hook;
	unsigned int set;
	int err = 0;

	if (uv_installed)
		return 0;
	uv_target_count = 0;
	uv_missing_count = 0;
	for_each_hook(set, hook) {
		err = uv_target_add(hook);
		if (err)
			goto free;
	}
	sort(uv_targets, uv_target_count, sizeof(*uv_targets), uv_target_compare, NULL);
	err = register_ftrace_function(&uv_ops);
	if (err) {
		pr_err("hooks refused (%d): is a livepatch loaded, or ftrace_enabled 0?\n", err);
		goto free;
	}
	uv_installed = true;
	return 0;
free:
	ftrace_free_filter(&uv_ops);
	return err;
}

static long uv_inflight(void)
{
	long sum = 0;
	int cpu;

	for_each_possible_cpu(cpu)
		sum += READ_ONCE(per_cpu(uv_hooks_inflight, cpu));
	return sum;
}

void uv_hooks_remove(void)
{
	unsigned int waited_ms = 0;

	if (!uv_installed)
		return;
	unregister_ftrace_function(&uv_ops);
	ftrace_free_filter(&uv_ops);
	uv_installed = false;
	/*
	 * Nobody enters a wrapper any more once every task has passed a
	 * quiescent state; those inside leave when the function that they
	 * wrap returns.
	 */
	synchronize_rcu_tasks();
	while (uv_inflight() > 0) {
		msleep(20);
		waited_ms += 20;
		if (!(waited_ms % 10000))
			pr_warn("waiting for %ld hooked calls to return\n", uv_inflight());
	}
	/* and past the wrapper's last instructions */
	synchronize_rcu_tasks();
	synchronize_rcu();
}

unsigned int uv_hooks_missing(void)
{
	return uv_missing_count;
}

void uv_hooks_report(void)
{
	struct uv_hook *hook;
	unsigned int set;

	for_each_hook(set, hook)
		if (!hook->original && !hook->optional)
			uv_loss(UV_LOSS_NOT_HOOKED, NULL, 0, 0, 0, hook->name);
}
