// SPDX-License-Identifier: GPL-2.0
/*
 * Traffic for a function that tools/uvlink.c plays: threads that write registers
 * and read them back, one that has the device read and write memory and waits for
 * its interrupt. Counts what it sees; a model may answer anything.
 */
#include <linux/completion.h>
#include <linux/delay.h>
#include <linux/dma-mapping.h>
#include <linux/interrupt.h>
#include <linux/io.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/pci.h>

#define REG_ID		0x00
#define REG_DMA_LOW	0x10
#define REG_DMA_HIGH	0x14
#define REG_DMA_LENGTH	0x18
#define REG_DMA_GO	0x1c
#define REG_SCRATCH	0x100
#define DEVICE_ID	0x4b4c5655
#define THREADS_MAX	8
#define DMA_BYTES	2048

static unsigned int threads = 2;
module_param(threads, uint, 0444);
static unsigned int pause_us = 50;
module_param(pause_us, uint, 0644);
MODULE_PARM_DESC(pause_us, "between two rounds of a thread");

static unsigned long counted_reads, counted_ones, counted_wrong, counted_moved, counted_missed,
		     counted_interrupts, counted_slowest_us;
module_param_named(reads, counted_reads, ulong, 0444);
module_param_named(ones, counted_ones, ulong, 0444);
module_param_named(wrong, counted_wrong, ulong, 0444);
module_param_named(moved, counted_moved, ulong, 0444);
module_param_named(missed, counted_missed, ulong, 0444);
module_param_named(interrupts, counted_interrupts, ulong, 0444);
module_param_named(slowest_us, counted_slowest_us, ulong, 0644);

struct traffic_thread {
	struct traffic		*traffic;
	struct task_struct	*task;
	unsigned int		number;
};

struct traffic {
	struct pci_dev		*pdev;
	void __iomem		*registers;
	struct completion	moved;
	struct traffic_thread	thread[THREADS_MAX];
	struct task_struct	*mover;
	int			vectors;
};

static irqreturn_t traffic_interrupt(int irq, void *data)
{
	struct traffic *traffic = data;

	counted_interrupts++;
	complete(&traffic->moved);
	return IRQ_HANDLED;
}

static u32 traffic_read(struct traffic *traffic, u32 offset)
{
	ktime_t begin = ktime_get();
	u32 value = readl(traffic->registers + offset);
	unsigned long took = ktime_us_delta(ktime_get(), begin);

	if (took > counted_slowest_us)
		counted_slowest_us = took;
	counted_reads++;
	return value;
}

static int traffic_registers(void *data)
{
	struct traffic_thread *thread = data;
	u32 offset = REG_SCRATCH + 4 * thread->number, value = 0, read;

	while (!kthread_should_stop()) {
		writel(++value, thread->traffic->registers + offset);
		read = traffic_read(thread->traffic, offset);
		if (read == ~0U)
			counted_ones++;
		else if (read != value)
			counted_wrong++;
		if (pause_us)
			usleep_range(pause_us, 2 * pause_us);
		else
			cond_resched();
	}
	return 0;
}

static bool traffic_move(struct traffic *traffic, void *buffer, bool to_device)
{
	enum dma_data_direction direction = to_device ? DMA_TO_DEVICE : DMA_FROM_DEVICE;
	struct device *dev = &traffic->pdev->dev;
	dma_addr_t address = dma_map_single(dev, buffer, DMA_BYTES, direction);
	bool done;

	if (dma_mapping_error(dev, address))
		return false;
	reinit_completion(&traffic->moved);
	writel(lower_32_bits(address), traffic->registers + REG_DMA_LOW);
	writel(upper_32_bits(address), traffic->registers + REG_DMA_HIGH);
	writel(DMA_BYTES, traffic->registers + REG_DMA_LENGTH);
	writel(to_device ? 1 : 2, traffic->registers + REG_DMA_GO);
	done = wait_for_completion_timeout(&traffic->moved, HZ / 4);
	dma_unmap_single(dev, address, DMA_BYTES, direction);
	return done;
}

/* What the device writes counts up by seven. */
static bool traffic_is_pattern(const u8 *buffer)
{
	unsigned int i;

	for (i = 1; i < DMA_BYTES; i++)
		if ((u8)(buffer[i] - buffer[i - 1]) != 7)
			return false;
	return true;
}

static int traffic_mover(void *data)
{
	struct traffic *traffic = data;
	u8 *buffer = kzalloc(DMA_BYTES, GFP_KERNEL);
	bool to_device = false;

	while (buffer && !kthread_should_stop()) {
		if (!to_device)
			memset(buffer, 0, DMA_BYTES);
		if (traffic_move(traffic, buffer, to_device) &&
		    (to_device || traffic_is_pattern(buffer)))
			counted_moved++;
		else
			counted_missed++;
		to_device = !to_device;
		usleep_range(200, 400);
	}
	kfree(buffer);
	while (!kthread_should_stop())
		msleep(20);
	return 0;
}

static void traffic_stop(struct traffic *traffic)
{
	unsigned int i;

	for (i = 0; i < THREADS_MAX; i++)
		if (traffic->thread[i].task)
			kthread_stop(traffic->thread[i].task);
	if (traffic->mover)
		kthread_stop(traffic->mover);
}

static int traffic_start(struct traffic *traffic)
{
	struct task_struct *task;
	unsigned int i;

	for (i = 0; i < min_t(unsigned int, threads, THREADS_MAX); i++) {
		traffic->thread[i].traffic = traffic;
		traffic->thread[i].number = i;
		task = kthread_run(traffic_registers, &traffic->thread[i], "uvtraffic/%u", i);
		if (IS_ERR(task))
			return PTR_ERR(task);
		traffic->thread[i].task = task;
	}
	task = kthread_run(traffic_mover, traffic, "uvtraffic/dma");
	if (IS_ERR(task))
		return PTR_ERR(task);
	traffic->mover = task;
	return 0;
}

static int traffic_open(struct traffic *traffic)
{
	struct pci_dev *pdev = traffic->pdev;
	u32 id;
	int err;

	traffic->registers = pci_iomap(pdev, 0, 0);
	if (!traffic->registers)
		return -ENOMEM;
	id = traffic_read(traffic, REG_ID);
	dev_info(&pdev->dev, "traffic id %#x\n", id);
	if (id != DEVICE_ID)
		counted_wrong++;
	err = dma_set_mask_and_coherent(&pdev->dev, DMA_BIT_MASK(32));
	if (err)
		return err;
	traffic->vectors = pci_alloc_irq_vectors(pdev, 1, 4, PCI_IRQ_ALL_TYPES);
	if (traffic->vectors < 0)
		return traffic->vectors;
	err = request_irq(pci_irq_vector(pdev, 0), traffic_interrupt, 0, "uvtraffic", traffic);
	if (err)
		pci_free_irq_vectors(pdev);
	return err;
}

static int traffic_probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	struct traffic *traffic = kzalloc(sizeof(*traffic), GFP_KERNEL);
	int err;

	if (!traffic)
		return -ENOMEM;
	traffic->pdev = pdev;
	init_completion(&traffic->moved);
	pci_set_drvdata(pdev, traffic);
	err = pci_enable_device(pdev);
	if (err)
		goto free;
	pci_set_master(pdev);
	err = traffic_open(traffic);
	if (err)
		goto disable;
	err = traffic_start(traffic);
	if (!err)
		return 0;
	traffic_stop(traffic);
	free_irq(pci_irq_vector(pdev, 0), traffic);
	pci_free_irq_vectors(pdev);
disable:
	if (traffic->registers)
		pci_iounmap(pdev, traffic->registers);
	pci_disable_device(pdev);
free:
	kfree(traffic);
	return err;
}

static void traffic_remove(struct pci_dev *pdev)
{
	struct traffic *traffic = pci_get_drvdata(pdev);

	traffic_stop(traffic);
	pci_clear_master(pdev);
	free_irq(pci_irq_vector(pdev, 0), traffic);
	pci_free_irq_vectors(pdev);
	pci_iounmap(pdev, traffic->registers);
	pci_disable_device(pdev);
	kfree(traffic);
}

static const struct pci_device_id traffic_ids[] = {
	{ PCI_DEVICE(0x5556, 0xfffe) },
	{ PCI_DEVICE(0x5556, 0xfffd) },
	{ }
};
MODULE_DEVICE_TABLE(pci, traffic_ids);

static struct pci_driver traffic_driver = {
	.name		= "uvtraffic",
	.id_table	= traffic_ids,
	.probe		= traffic_probe,
	.remove		= traffic_remove,
};
module_pci_driver(traffic_driver);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Traffic for a function that uvlink plays");
