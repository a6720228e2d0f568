// SPDX-License-Identifier: GPL-2.0
/* Power states, resets, polling: PWR. PWR005 is in resources.c. */
#include <linux/delay.h>

#include "faulty.h"

#define RESET_MS	100	/* PCIe: before the first access after a reset */
#define D3HOT_MS	10	/* PCI PM: before the first access after D3hot */
#define POLLS		10000

static noinline void faulty_pwr001_asleep(struct faulty *f)
{
	pci_save_state(f->pdev);
	pci_set_power_state(f->pdev, PCI_D3hot);
	readl(f->regs);
	pci_set_power_state(f->pdev, PCI_D0);
	pci_restore_state(f->pdev);
}

static noinline void near_pwr001_awake(struct faulty *f)
{
	pci_save_state(f->pdev);
	pci_set_power_state(f->pdev, PCI_D3hot);
	pci_set_power_state(f->pdev, PCI_D0);
	pci_restore_state(f->pdev);
	readl(f->regs);
}

static void faulty_write_state(struct faulty *f, u16 state)
{
	u16 control;

	pci_read_config_word(f->pdev, f->pdev->pm_cap + PCI_PM_CTRL, &control);
	pci_write_config_word(f->pdev, f->pdev->pm_cap + PCI_PM_CTRL,
			      (control & ~PCI_PM_CTRL_STATE_MASK) | state);
}

/* By hand, as drivers do in their own reset; the core would wait. */
static noinline void faulty_pwr003_no_delay(struct faulty *f)
{
	pci_save_state(f->pdev);
	faulty_write_state(f, 3);
	msleep(D3HOT_MS);
	faulty_write_state(f, 0);
	readl(f->regs);
	msleep(D3HOT_MS);
	pci_restore_state(f->pdev);
}

static noinline void near_pwr003_delay(struct faulty *f)
{
	pci_save_state(f->pdev);
	faulty_write_state(f, 3);
	msleep(D3HOT_MS);
	faulty_write_state(f, 0);
	msleep(2 * D3HOT_MS);
	pci_restore_state(f->pdev);
	readl(f->regs);
}

static void faulty_flr(struct faulty *f)
{
	pcie_capability_set_word(f->pdev, PCI_EXP_DEVCTL, PCI_EXP_DEVCTL_BCR_FLR);
}

static noinline void faulty_pwr002_too_soon(struct faulty *f)
{
	u16 command;

	pci_save_state(f->pdev);
	faulty_flr(f);
	pci_read_config_word(f->pdev, PCI_COMMAND, &command);
	msleep(2 * RESET_MS);
	pci_restore_state(f->pdev);
	readl(f->regs);
}

static noinline void near_pwr002_waited(struct faulty *f)
{
	pci_save_state(f->pdev);
	faulty_flr(f);
	msleep(2 * RESET_MS);
	pci_restore_state(f->pdev);
	readl(f->regs);
}

/* Decode is turned on again and the BARs are not put back; then the device is used. */
static noinline void faulty_pwr006_not_restored(struct faulty *f)
{
	u16 command;

	pci_save_state(f->pdev);
	pci_read_config_word(f->pdev, PCI_COMMAND, &command);
	faulty_flr(f);
	msleep(2 * RESET_MS);
	pci_write_config_word(f->pdev, PCI_COMMAND, command);
	readl(f->regs);
	pci_restore_state(f->pdev);
}

static noinline void faulty_pwr008_polled(struct faulty *f)
{
	unsigned int i;

	for (i = 0; i < POLLS; i++)
		if (readl(f->regs + EDU_STATUS) & EDU_STATUS_COMPUTING)
			break;
}

/* Many reads, but each after something was done. */
static noinline void near_pwr008_progress(struct faulty *f)
{
	unsigned int i;

	for (i = 0; i < POLLS / 5; i++) {
		writel(i, f->regs + EDU_LIVENESS);
		readl(f->regs + EDU_LIVENESS);
	}
}

const struct faulty_choice faulty_power[] = {
	FAULTY(faulty_pwr001_asleep), FAULTY(near_pwr001_awake),
	FAULTY(faulty_pwr002_too_soon), FAULTY(near_pwr002_waited),
	FAULTY(faulty_pwr003_no_delay), FAULTY(near_pwr003_delay),
	FAULTY(faulty_pwr006_not_restored),
	FAULTY(faulty_pwr008_polled), FAULTY(near_pwr008_progress),
	FAULTY_END
};
