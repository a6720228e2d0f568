// SPDX-License-Identifier: GPL-2.0
/* What a driver must have given back when it is unbound: RES, and PWR005. */
#include <linux/delay.h>
#include <linux/dma-mapping.h>
#include <linux/interrupt.h>

#include "faulty.h"

static void faulty_undo_iomap(struct pci_dev *pdev, void *data)
{
	iounmap((void __iomem __force *)data);
}

static noinline void faulty_res001_iomap(struct faulty *f)
{
	f->io = ioremap(f->start, PAGE_SIZE);
	if (f->io)
		faulty_leave(f, faulty_undo_iomap, (void __force *)f->io);
}

/* devres unmaps it, after remove(). */
static noinline void near_res001_managed(struct faulty *f)
{
	f->io = devm_ioremap(&f->pdev->dev, f->start, PAGE_SIZE);
}

static irqreturn_t faulty_nothing_handler(int irq, void *data)
{
	return IRQ_NONE;
}

/* Its address tells registrations apart; it outlives the binding. */
static int faulty_left_irq;

static void faulty_undo_irq(struct pci_dev *pdev, void *data)
{
	free_irq(faulty_left_irq, data);
}

static noinline void faulty_res002_handler(struct faulty *f)
{
	faulty_left_irq = f->pdev->irq;
	if (!request_irq(faulty_left_irq, faulty_nothing_handler, IRQF_SHARED, KBUILD_MODNAME,
			 &faulty_left_irq))
		faulty_leave(f, faulty_undo_irq, &faulty_left_irq);
}

static noinline void near_res002_managed(struct faulty *f)
{
	if (devm_request_irq(&f->pdev->dev, f->pdev->irq, faulty_nothing_handler, IRQF_SHARED,
			     KBUILD_MODNAME, f))
		pci_warn(f->pdev, "no interrupt line\n");
}

static void faulty_undo_region(struct pci_dev *pdev, void *data)
{
	pci_release_region(pdev, 0);
}

/* Released and taken again here, so that it is this function's. */
static noinline void faulty_res003_region(struct faulty *f)
{
	pci_release_region(f->pdev, 0);
	f->keep |= FAULTY_KEEP_REGION;
	if (!pci_request_region(f->pdev, 0, KBUILD_MODNAME))
		faulty_leave(f, faulty_undo_region, NULL);
}

static void faulty_undo_enable(struct pci_dev *pdev, void *data)
{
	pci_disable_device(pdev);
}

/* Enabled twice, disabled once. */
static noinline void faulty_res003_enabled(struct faulty *f)
{
	if (!pci_enable_device(f->pdev))
		faulty_leave(f, faulty_undo_enable, NULL);
}

static void near_res003_disable(struct faulty *f)
{
	pci_disable_device(f->pdev);
}

static noinline void near_res003_twice(struct faulty *f)
{
	if (!pci_enable_device(f->pdev))
		f->at_remove = near_res003_disable;
}

/*
 * The engine reads memory 100 ms after it was started, and then the memory is not mapped any
 * more. (It stays allocated until the engine is done: nothing is harmed.)
 */
static noinline void faulty_res004_engine_runs(struct faulty *f)
{
	dma_addr_t address = dma_map_single(&f->pdev->dev, f->memory, 64, DMA_TO_DEVICE);

	writeq(address, f->regs + EDU_DMA_SOURCE);
	writeq(EDU_DMA_BUFFER, f->regs + EDU_DMA_DESTINATION);
	writeq(64, f->regs + EDU_DMA_COUNT);
	writeq(EDU_DMA_RUN, f->regs + EDU_DMA_COMMAND);
	dma_unmap_single(&f->pdev->dev, address, 64, DMA_TO_DEVICE);
	while (readq(f->regs + EDU_DMA_COMMAND) & EDU_DMA_RUN)
		msleep(20);
}

static noinline void near_res004_engine_done(struct faulty *f)
{
	dma_addr_t address = dma_map_single(&f->pdev->dev, f->memory, 64, DMA_TO_DEVICE);

	writeq(address, f->regs + EDU_DMA_SOURCE);
	writeq(EDU_DMA_BUFFER, f->regs + EDU_DMA_DESTINATION);
	writeq(64, f->regs + EDU_DMA_COUNT);
	writeq(EDU_DMA_RUN, f->regs + EDU_DMA_COMMAND);
	while (readq(f->regs + EDU_DMA_COMMAND) & EDU_DMA_RUN)
		msleep(20);
	dma_unmap_single(&f->pdev->dev, address, 64, DMA_TO_DEVICE);
}

static void faulty_undo_master(struct pci_dev *pdev, void *data)
{
	pci_clear_master(pdev);
}

static noinline void faulty_pwr005_master_again(struct faulty *f)
{
	pci_set_master(f->pdev);
	faulty_leave(f, faulty_undo_master, NULL);
}

static noinline void faulty_pwr005_master_left(struct faulty *f)
{
	f->at_end = faulty_pwr005_master_again;
}

static noinline void near_pwr005_twice(struct faulty *f)
{
	pci_set_master(f->pdev);
}

const struct faulty_choice faulty_resources[] = {
	FAULTY(faulty_res001_iomap), FAULTY(near_res001_managed),
	FAULTY(faulty_res002_handler), FAULTY(near_res002_managed),
	FAULTY(faulty_res003_region), FAULTY(faulty_res003_enabled), FAULTY(near_res003_twice),
	FAULTY(faulty_res004_engine_runs), FAULTY(near_res004_engine_done),
	FAULTY(faulty_pwr005_master_left), FAULTY(near_pwr005_twice),
	FAULTY_END
};
