// SPDX-License-Identifier: GPL-2.0
/*
 * What stock drivers left behind until a commit put it right. The behaviour is theirs as the
 * commit's message tells it, the code is not. Commits and titles: faults.toml.
 */
#include <linux/delay.h>
#include <linux/interrupt.h>

#include "faulty.h"

struct history_sfc {
	int	line;
	bool	irqs_hooked;
};

static struct history_sfc history_sfc;

static irqreturn_t history_sfc_handler(int irq, void *data)
{
	return IRQ_NONE;
}

static void history_sfc_undo(struct pci_dev *pdev, void *data)
{
	struct history_sfc *sfc = data;

	free_irq(sfc->line, sfc);
}

static void history_sfc_remove(struct faulty *f)
{
	if (history_sfc.irqs_hooked)
		free_irq(history_sfc.line, &history_sfc);
}

/* sfc freed its handler only if a flag was set, and set it only of MSI. */
static noinline void history_sfc_legacy_irq(struct faulty *f)
{
	history_sfc.line = f->pdev->irq;
	if (request_irq(history_sfc.line, history_sfc_handler, IRQF_SHARED, KBUILD_MODNAME,
			&history_sfc))
		return;
	f->at_remove = history_sfc_remove;
	faulty_leave(f, history_sfc_undo, &history_sfc);
}

static void history_pm2fb_undo(struct pci_dev *pdev, void *data)
{
	pci_disable_device(pdev);
}

/* pm2fb's remove had no pci_disable_device(). The enabling is done anew, to be this one's. */
static noinline void history_pm2fb_no_disable(struct faulty *f)
{
	pci_disable_device(f->pdev);
	f->keep |= FAULTY_KEEP_ENABLED;
	if (pci_enable_device(f->pdev))
		return;
	pci_set_master(f->pdev);
	faulty_leave(f, history_pm2fb_undo, NULL);
}

static void history_denali_undo(struct pci_dev *pdev, void *data)
{
	pci_release_region(pdev, 0);
}

/* denali's remove did not release its regions. The request is done anew, to be this one's. */
static noinline void history_denali_no_release(struct faulty *f)
{
	pci_release_region(f->pdev, 0);
	f->keep |= FAULTY_KEEP_REGION;
	if (!pci_request_region(f->pdev, 0, KBUILD_MODNAME))
		faulty_leave(f, history_denali_undo, NULL);
}

static noinline void history_nicstar_poll(struct work_struct *work)
{
	readl(faulty_work_regs() + EDU_IRQ_STATUS);
}

static void history_nicstar_still_armed(struct faulty *f)
{
	faulty_work_later(f, history_nicstar_poll, msecs_to_jiffies(200));
}

/*
 * nicstar did not wait for its poll timer, which reads the status register, before it unmapped
 * the registers.
 */
static noinline void history_nicstar_timer(struct faulty *f)
{
	f->at_end = history_nicstar_still_armed;
}

const struct faulty_choice faulty_history_life[] = {
	FAULTY(history_sfc_legacy_irq), FAULTY(history_pm2fb_no_disable),
	FAULTY(history_denali_no_release), FAULTY(history_nicstar_timer),
	FAULTY_END
};
