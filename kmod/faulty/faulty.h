/* SPDX-License-Identifier: GPL-2.0 */
/*
 * uvfaulty.ko: a driver that does one thing wrong, by choice.
 *
 * Each fault is a function of its own, named faulty_RULE_WHAT; what nearly is that fault and
 * is legal is a function near_RULE_WHAT; history_DRIVER_WHAT does what a stock driver once did
 * wrong. faults.toml says of each what a checker must say. None of them can harm the machine:
 * the device is QEMU's, and no fault lets it write to memory.
 */
#ifndef _UVFAULTY_H
#define _UVFAULTY_H

#include <linux/io.h>
#include <linux/pci.h>
#include <linux/types.h>
#include <linux/workqueue.h>

/* QEMU's edu device: docs/specs/edu.rst */
#define EDU_ID			0x00
#define EDU_LIVENESS		0x04
#define EDU_FACTORIAL		0x08
#define EDU_STATUS		0x20
#define EDU_STATUS_COMPUTING	0x01
#define EDU_STATUS_IRQ		0x80
#define EDU_IRQ_STATUS		0x24
#define EDU_HOLE		0x40
#define EDU_IRQ_RAISE		0x60
#define EDU_IRQ_ACK		0x64
#define EDU_DMA_SOURCE		0x80
#define EDU_DMA_DESTINATION	0x88
#define EDU_DMA_COUNT		0x90
#define EDU_DMA_COMMAND		0x98
#define EDU_DMA_RUN		0x1
#define EDU_DMA_BUFFER		0x40000

/* Memory for mappings, physically contiguous. */
#define FAULTY_PAGES_ORDER	2
#define FAULTY_BYTES		(PAGE_SIZE << FAULTY_PAGES_ORDER)

struct faulty;
typedef void faulty_fn(struct faulty *f);

/* What remove() leaves as it is. */
#define FAULTY_KEEP_REGION	BIT(0)
#define FAULTY_KEEP_IOMAP	BIT(1)
#define FAULTY_KEEP_ENABLED	BIT(2)

/**
 * struct faulty - a bound function
 * @pdev: it
 * @regs: BAR 0, all of it
 * @start: CPU address of BAR 0
 * @length: bytes of BAR 0
 * @memory: FAULTY_BYTES of memory, freed after remove()
 * @io: a further mapping of some fault
 * @dma: a mapping that lives until remove()
 * @irq: a line whose handler lives until remove()
 * @runs: of an interrupt handler
 * @keep: FAULTY_KEEP_*
 * @at_remove: called when remove() begins: bus mastering is off, all else still held
 * @at_end: called when remove() has given everything back
 */
struct faulty {
	struct pci_dev	*pdev;
	void __iomem	*regs;
	resource_size_t	start;
	resource_size_t	length;
	u8		*memory;
	void __iomem	*io;
	dma_addr_t	dma;
	int		irq;
	unsigned int	runs;
	unsigned int	keep;
	faulty_fn	*at_remove;
	faulty_fn	*at_end;
};

/* A name that the module's parameter takes, and what probe() then calls. */
struct faulty_choice {
	const char	*name;
	faulty_fn	*run;
};

#define FAULTY(function)	{ .name = #function, .run = function }
#define FAULTY_END		{ }

/* One table for each file. */
extern const struct faulty_choice faulty_config[], faulty_address[], faulty_dma[], faulty_list[],
				  faulty_resources[], faulty_interrupts[], faulty_power[],
				  faulty_registers[], faulty_history_dma[], faulty_history_life[];

/*
 * What a fault leaves behind is given back later, when the next fault is chosen or the module
 * goes: otherwise the next probe() would find the region taken.
 */
typedef void faulty_undo_fn(struct pci_dev *pdev, void *data);
void faulty_leave(struct faulty *f, faulty_undo_fn *undo, void *data);
void faulty_sweep(void);

/* Work that runs after remove(); faulty_settle() waits for it. */
void faulty_work_later(struct faulty *f, work_func_t work, unsigned long delay);
void __iomem *faulty_work_regs(void);
void faulty_settle(void);

#endif /* _UVFAULTY_H */
