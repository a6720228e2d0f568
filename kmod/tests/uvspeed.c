// SPDX-License-Identifier: GPL-2.0
/*
 * How fast a device answers: the round trip of a readl, and how long a writel takes
 * when after every so many of them a readl waits until they have arrived.
 *
 * Binds to devices with a plain register at offset 4: QEMU's edu, uvlink's function
 * and the model regs_msi. Measures at probe; says a line for each batch.
 */
#include <linux/io.h>
#include <linux/ktime.h>
#include <linux/module.h>
#include <linux/pci.h>
#include <linux/sched.h>

#define REG_PLAIN	0x04

static unsigned int reads = 2000;
module_param(reads, uint, 0444);
static unsigned int writes = 4096;
module_param(writes, uint, 0444);
MODULE_PARM_DESC(writes, "for each size of batch");

static void speed_reads(struct pci_dev *pdev, void __iomem *p)
{
	u64 began = ktime_get_ns(), ones = 0;
	unsigned int i;

	for (i = 0; i < reads; i++) {
		ones += readl(p + REG_PLAIN) == ~0U;
		cond_resched();
	}
	dev_info(&pdev->dev, "speed read %llu ones %llu\n",
		 div_u64(ktime_get_ns() - began, reads), ones);
}

static void speed_batches(struct pci_dev *pdev, void __iomem *p, unsigned int batch)
{
	u64 began = ktime_get_ns(), ones = 0;
	unsigned int i;

	for (i = 1; i <= writes; i++) {
		writel(i, p + REG_PLAIN);
		if (i % batch)
			continue;
		ones += readl(p + REG_PLAIN) == ~0U;
		cond_resched();
	}
	dev_info(&pdev->dev, "speed batch %u %llu ones %llu\n", batch,
		 div_u64(ktime_get_ns() - began, writes), ones);
}

static int speed_probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	unsigned int batch;
	void __iomem *p;
	int err = pci_enable_device(pdev);

	if (err)
		return err;
	p = pci_iomap(pdev, 0, 0);
	if (!p) {
		pci_disable_device(pdev);
		return -ENOMEM;
	}
	writel(1, p + REG_PLAIN);
	speed_reads(pdev, p);
	for (batch = 1; batch <= 1024; batch *= 4)
		speed_batches(pdev, p, batch);
	pci_iounmap(pdev, p);
	return 0;
}

static void speed_remove(struct pci_dev *pdev)
{
	pci_disable_device(pdev);
}

static const struct pci_device_id speed_ids[] = {
	{ PCI_DEVICE(0x1234, 0x11e8) },
	{ PCI_DEVICE(0x5556, 0xfffe) },
	{ PCI_DEVICE(0x5556, 0x0002) },
	{ }
};
MODULE_DEVICE_TABLE(pci, speed_ids);

static struct pci_driver speed_driver = {
	.name		= "uvspeed",
	.id_table	= speed_ids,
	.probe		= speed_probe,
	.remove		= speed_remove,
};
module_pci_driver(speed_driver);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Times a device's answers");
