// SPDX-License-Identifier: GPL-2.0
/*
 * Time of one readl and one writel of a device register, as whatever tracer is
 * active makes it: load it plain, under uvbus and under mmiotrace, and compare.
 *
 * Binds to QEMU's bochs-display (the frame buffer):
 * its BAR 0 is memory (the frame buffer): the device itself costs nothing.
 */
#include <linux/io.h>
#include <linux/ktime.h>
#include <linux/module.h>
#include <linux/pci.h>

static char *tag = "plain";
module_param(tag, charp, 0444);
static unsigned int count = 20000;
module_param(count, uint, 0444);

static int cost_probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	void __iomem *p;
	u64 begin, middle, end;
	unsigned int i;
	int err = pci_enable_device(pdev);

	if (err)
		return err;
	p = ioremap(pci_resource_start(pdev, 0), PAGE_SIZE);
	if (!p) {
		pci_disable_device(pdev);
		return -ENOMEM;
	}
	begin = ktime_get_ns();
	for (i = 0; i < count; i++)
		readl(p + 8);
	middle = ktime_get_ns();
	for (i = 0; i < count; i++)
		writel(i, p + 8);
	end = ktime_get_ns();
	dev_info(&pdev->dev, "cost %s read_ns %llu write_ns %llu cpus %u\n", tag,
		 div_u64(middle - begin, count), div_u64(end - middle, count), num_online_cpus());
	iounmap(p);
	return 0;
}

static void cost_remove(struct pci_dev *pdev)
{
	pci_disable_device(pdev);
}

static const struct pci_device_id cost_ids[] = {
	{ PCI_DEVICE(0x1234, 0x1111) },
	{ }
};
MODULE_DEVICE_TABLE(pci, cost_ids);

static struct pci_driver cost_driver = {
	.name		= "uvcost",
	.id_table	= cost_ids,
	.probe		= cost_probe,
	.remove		= cost_remove,
};
module_pci_driver(cost_driver);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Times MMIO accesses under the active tracer");
