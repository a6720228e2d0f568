// SPDX-License-Identifier: GPL-2.0
/* Interrupts: IRQ. The device raises one when a register is written. */
#include <linux/delay.h>
#include <linux/interrupt.h>

#include "faulty.h"

#define STORM		1000	/* handler runs */
#define BLIND		3	/* runs that do not look at the device */
#define WAIT_MS		5000

static void faulty_wait_for(struct faulty *f, unsigned int runs)
{
	unsigned int waited;

	for (waited = 0; READ_ONCE(f->runs) < runs && waited < WAIT_MS; waited += 10)
		msleep(20);
}

static void faulty_raise(struct faulty *f)
{
	writel(1, f->regs + EDU_IRQ_RAISE);
}

/* The line stays asserted: the device is only told so when it has gone on for a while. */
static noinline irqreturn_t faulty_irq007_storm_handler(int irq, void *data)
{
	struct faulty *f = data;

	if (!readl(f->regs + EDU_IRQ_STATUS))
		return IRQ_NONE;
	if (f->runs + 1 >= STORM)
		writel(~0U, f->regs + EDU_IRQ_ACK);
	WRITE_ONCE(f->runs, f->runs + 1);
	return IRQ_HANDLED;
}

static noinline void faulty_irq007_storm(struct faulty *f)
{
	if (request_irq(f->pdev->irq, faulty_irq007_storm_handler, IRQF_SHARED, KBUILD_MODNAME, f))
		return;
	faulty_raise(f);
	faulty_wait_for(f, STORM);
	writel(~0U, f->regs + EDU_IRQ_ACK);
	free_irq(f->pdev->irq, f);
}

static noinline irqreturn_t near_irq007_handler(int irq, void *data)
{
	struct faulty *f = data;
	u32 causes = readl(f->regs + EDU_IRQ_STATUS);

	if (!causes)
		return IRQ_NONE;
	writel(causes, f->regs + EDU_IRQ_ACK);
	WRITE_ONCE(f->runs, f->runs + 1);
	return IRQ_HANDLED;
}

/* As many interrupts, each for a reason, each acknowledged. */
static noinline void near_irq007_many(struct faulty *f)
{
	unsigned int i, spins;

	if (request_irq(f->pdev->irq, near_irq007_handler, IRQF_SHARED, KBUILD_MODNAME, f))
		return;
	for (i = 0; i < STORM; i++) {
		faulty_raise(f);
		for (spins = 0; READ_ONCE(f->runs) <= i && spins < 10000; spins++)
			udelay(1);
	}
	free_irq(f->pdev->irq, f);
}

/* "Handled", without a look at the device; from the fourth run on it does look. */
static noinline irqreturn_t faulty_irq013_blind_handler(int irq, void *data)
{
	struct faulty *f = data;

	if (f->runs >= BLIND)
		writel(readl(f->regs + EDU_IRQ_STATUS), f->regs + EDU_IRQ_ACK);
	WRITE_ONCE(f->runs, f->runs + 1);
	return IRQ_HANDLED;
}

static noinline void faulty_irq013_blind(struct faulty *f)
{
	if (request_irq(f->pdev->irq, faulty_irq013_blind_handler, IRQF_SHARED, KBUILD_MODNAME, f))
		return;
	faulty_raise(f);
	faulty_wait_for(f, BLIND + 1);
	free_irq(f->pdev->irq, f);
}

static noinline void near_irq013_one(struct faulty *f)
{
	if (request_irq(f->pdev->irq, near_irq007_handler, IRQF_SHARED, KBUILD_MODNAME, f))
		return;
	faulty_raise(f);
	faulty_wait_for(f, 1);
	free_irq(f->pdev->irq, f);
}

/* e1000e has both capabilities; the core enables one, the driver the other by hand. */
static noinline void faulty_irq005_both(struct faulty *f)
{
	struct pci_dev *pdev = f->pdev;
	u16 control;

	if (pci_alloc_irq_vectors(pdev, 1, 1, PCI_IRQ_MSIX) < 1)
		return;
	pci_read_config_word(pdev, pdev->msi_cap + PCI_MSI_FLAGS, &control);
	pci_write_config_word(pdev, pdev->msi_cap + PCI_MSI_FLAGS,
			      control | PCI_MSI_FLAGS_ENABLE);
	pci_write_config_word(pdev, pdev->msi_cap + PCI_MSI_FLAGS, control);
	pci_free_irq_vectors(pdev);
}

static noinline void near_irq005_in_turn(struct faulty *f)
{
	if (pci_alloc_irq_vectors(f->pdev, 1, 1, PCI_IRQ_MSI) == 1)
		pci_free_irq_vectors(f->pdev);
	if (pci_alloc_irq_vectors(f->pdev, 1, 1, PCI_IRQ_MSIX) == 1)
		pci_free_irq_vectors(f->pdev);
}

#define TABLE_BAR	3	/* of e1000e */

static void __iomem *faulty_map_table(struct faulty *f)
{
	void __iomem *table;

	if (pci_request_region(f->pdev, TABLE_BAR, KBUILD_MODNAME))
		return NULL;
	table = ioremap(pci_resource_start(f->pdev, TABLE_BAR),
			pci_resource_len(f->pdev, TABLE_BAR));
	if (!table)
		pci_release_region(f->pdev, TABLE_BAR);
	return table;
}

static void faulty_unmap_table(struct faulty *f, void __iomem *table)
{
	iounmap(table);
	pci_release_region(f->pdev, TABLE_BAR);
}

static noinline void faulty_irq011_table_byte(struct faulty *f)
{
	void __iomem *table = faulty_map_table(f);

	if (!table)
		return;
	readb(table + 12);
	faulty_unmap_table(f, table);
}

static noinline void near_irq011_table_dword(struct faulty *f)
{
	void __iomem *table = faulty_map_table(f);

	if (!table)
		return;
	readl(table + 12);
	faulty_unmap_table(f, table);
}

static void faulty_undo_msi_enable(struct pci_dev *pdev, void *data)
{
	u16 control;

	pci_read_config_word(pdev, pdev->msi_cap + PCI_MSI_FLAGS, &control);
	pci_write_config_word(pdev, pdev->msi_cap + PCI_MSI_FLAGS,
			      control & ~PCI_MSI_FLAGS_ENABLE);
}

/* MSI enabled by hand and left so; nothing makes the device send one. */
static noinline void faulty_irq012_msi_enabled(struct faulty *f)
{
	struct pci_dev *pdev = f->pdev;
	u16 control;

	pci_read_config_word(pdev, pdev->msi_cap + PCI_MSI_FLAGS, &control);
	pci_write_config_word(pdev, pdev->msi_cap + PCI_MSI_FLAGS,
			      control | PCI_MSI_FLAGS_ENABLE);
	faulty_leave(f, faulty_undo_msi_enable, NULL);
}

static void faulty_undo_vectors(struct pci_dev *pdev, void *data)
{
	u16 command;

	/* the core's own book-keeping went with the binding */
	pdev->msi_enabled = 0;
	pdev->irq = (unsigned long)data;
	faulty_undo_msi_enable(pdev, NULL);
	pci_read_config_word(pdev, PCI_COMMAND, &command);
	pci_write_config_word(pdev, PCI_COMMAND, command & ~PCI_COMMAND_INTX_DISABLE);
}

/* The kernel warns of this one as the function is unbound. */
static noinline void faulty_irq012_vectors(struct faulty *f)
{
	unsigned long line = f->pdev->irq;

	if (pci_alloc_irq_vectors(f->pdev, 1, 1, PCI_IRQ_MSI) == 1)
		faulty_leave(f, faulty_undo_vectors, (void *)line);
}

static void near_irq012_free(struct faulty *f)
{
	free_irq(f->irq, f);
	pci_free_irq_vectors(f->pdev);
}

static noinline void near_irq012_freed(struct faulty *f)
{
	if (pci_alloc_irq_vectors(f->pdev, 1, 1, PCI_IRQ_MSI) != 1)
		return;
	f->irq = pci_irq_vector(f->pdev, 0);
	if (request_irq(f->irq, near_irq007_handler, 0, KBUILD_MODNAME, f)) {
		pci_free_irq_vectors(f->pdev);
		return;
	}
	f->at_remove = near_irq012_free;
	faulty_raise(f);
	faulty_wait_for(f, 1);
}

const struct faulty_choice faulty_interrupts[] = {
	FAULTY(faulty_irq005_both), FAULTY(near_irq005_in_turn),
	FAULTY(faulty_irq007_storm), FAULTY(near_irq007_many),
	FAULTY(faulty_irq011_table_byte), FAULTY(near_irq011_table_dword),
	FAULTY(faulty_irq012_msi_enabled), FAULTY(faulty_irq012_vectors), FAULTY(near_irq012_freed),
	FAULTY(faulty_irq013_blind), FAULTY(near_irq013_one),
	FAULTY_END
};
