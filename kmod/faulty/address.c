// SPDX-License-Identifier: GPL-2.0
/* Addresses of MMIO: ADR. */
#include <linux/delay.h>

#include "faulty.h"

static noinline void faulty_adr001_past_end(struct faulty *f)
{
	readl(f->regs + f->length);
}

static noinline void near_adr001_last(struct faulty *f)
{
	readl(f->regs + f->length - 4);
}

static noinline void faulty_adr003_misaligned(struct faulty *f)
{
	readl(f->regs + EDU_LIVENESS + 2);
}

static noinline void near_adr003_aligned(struct faulty *f)
{
	readl(f->regs + EDU_LIVENESS);
}

static noinline void faulty_adr004_after_iounmap(struct faulty *f)
{
	void __iomem *second = ioremap(f->start, f->length);

	if (!second)
		return;
	iounmap(second);
	readl(second);
}

/* The same registers through another mapping, which is there still. */
static noinline void near_adr004_other_mapping(struct faulty *f)
{
	void __iomem *second = ioremap(f->start, f->length);

	if (!second)
		return;
	readl(second);
	iounmap(second);
	readl(f->regs);
}

static noinline void faulty_adr005_region_released(struct faulty *f)
{
	pci_release_region(f->pdev, 0);
	readl(f->regs);
	if (pci_request_region(f->pdev, 0, KBUILD_MODNAME))
		f->keep |= FAULTY_KEEP_REGION;
}

static noinline void near_adr005_region_again(struct faulty *f)
{
	pci_release_region(f->pdev, 0);
	if (pci_request_region(f->pdev, 0, KBUILD_MODNAME)) {
		f->keep |= FAULTY_KEEP_REGION;
		return;
	}
	readl(f->regs);
}

static void faulty_undo_iomap(struct pci_dev *pdev, void *data)
{
	iounmap((void __iomem __force *)data);
}

static noinline void faulty_adr005_late_work(struct work_struct *work)
{
	readl(faulty_work_regs());
}

static void faulty_adr005_go_on(struct faulty *f)
{
	faulty_work_later(f, faulty_adr005_late_work, msecs_to_jiffies(200));
}

/* Delayed work that nobody cancels; its mapping is left so that this is not ADR004. */
static noinline void faulty_adr005_unbound(struct faulty *f)
{
	f->keep |= FAULTY_KEEP_IOMAP;
	faulty_leave(f, faulty_undo_iomap, (void __force *)f->regs);
	f->at_end = faulty_adr005_go_on;
}

static noinline void near_adr005_work(struct work_struct *work)
{
	readl(faulty_work_regs());
}

static void near_adr005_flush(struct faulty *f)
{
	faulty_settle();
}

static noinline void near_adr005_flushed(struct faulty *f)
{
	faulty_work_later(f, near_adr005_work, msecs_to_jiffies(20));
	f->at_remove = near_adr005_flush;
}

static noinline void faulty_adr008_larger(struct faulty *f)
{
	void __iomem *larger = ioremap(f->start, f->length + PAGE_SIZE);

	if (larger)
		iounmap(larger);
}

static noinline void near_adr008_part(struct faulty *f)
{
	void __iomem *part = ioremap(f->start + f->length - PAGE_SIZE, PAGE_SIZE);

	if (part)
		iounmap(part);
}

static noinline void faulty_adr008_not_requested(struct faulty *f)
{
	void __iomem *second;

	pci_release_region(f->pdev, 0);
	second = ioremap(f->start, f->length);
	if (second)
		iounmap(second);
	if (pci_request_region(f->pdev, 0, KBUILD_MODNAME))
		f->keep |= FAULTY_KEEP_REGION;
}

const struct faulty_choice faulty_address[] = {
	FAULTY(faulty_adr001_past_end), FAULTY(near_adr001_last),
	FAULTY(faulty_adr003_misaligned), FAULTY(near_adr003_aligned),
	FAULTY(faulty_adr004_after_iounmap), FAULTY(near_adr004_other_mapping),
	FAULTY(faulty_adr005_region_released), FAULTY(near_adr005_region_again),
	FAULTY(faulty_adr005_unbound), FAULTY(near_adr005_flushed),
	FAULTY(faulty_adr008_larger), FAULTY(near_adr008_part),
	FAULTY(faulty_adr008_not_requested),
	FAULTY_END
};
