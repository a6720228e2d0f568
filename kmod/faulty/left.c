// SPDX-License-Identifier: GPL-2.0
/*
 * What faults leave behind: resources that are given back when nobody looks any more, and work
 * that runs when it should not.
 */
#include <linux/mutex.h>

#include "faulty.h"

#define LEFT_MAX	4

struct faulty_left {
	struct pci_dev	*pdev;
	faulty_undo_fn	*undo;
	void		*data;
};

static struct faulty_left faulty_lefts[LEFT_MAX];
static unsigned int faulty_left_count;
static DEFINE_MUTEX(faulty_left_lock);	/* of the two above; undo is called under it */

static struct delayed_work faulty_late;	/* one driver is bound at a time */
static void __iomem *faulty_late_regs;
static bool faulty_late_used;

void faulty_leave(struct faulty *f, faulty_undo_fn *undo, void *data)
{
	mutex_lock(&faulty_left_lock);
	if (!WARN_ON(faulty_left_count == LEFT_MAX))
		faulty_lefts[faulty_left_count++] = (struct faulty_left) {
			.pdev = pci_dev_get(f->pdev), .undo = undo, .data = data,
		};
	mutex_unlock(&faulty_left_lock);
}

void faulty_sweep(void)
{
	struct faulty_left *left;

	faulty_settle();
	mutex_lock(&faulty_left_lock);
	while (faulty_left_count) {
		left = &faulty_lefts[--faulty_left_count];
		left->undo(left->pdev, left->data);
		pci_dev_put(left->pdev);
	}
	mutex_unlock(&faulty_left_lock);
}

void faulty_work_later(struct faulty *f, work_func_t work, unsigned long delay)
{
	faulty_late_regs = f->regs;
	faulty_late_used = true;
	INIT_DELAYED_WORK(&faulty_late, work);
	schedule_delayed_work(&faulty_late, delay);
}

void __iomem *faulty_work_regs(void)
{
	return faulty_late_regs;
}

void faulty_settle(void)
{
	if (faulty_late_used)
		flush_delayed_work(&faulty_late);
	faulty_late_used = false;
}
