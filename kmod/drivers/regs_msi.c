// SPDX-License-Identifier: GPL-2.0
/*
 * regs_msi: a driver for the register file with an interrupt generator,
 * devices/regs_msi. Nothing but sysfs, in the function's folder:
 *
 *   id, scratch, wide, sent, delay_us    the registers; scratch, wide and
 *                                        delay_us can be written
 *   trigger      "COUNT [VECTOR]": let it interrupt so often; EBUSY while it does
 *   interrupts   how often each vector's handler ran
 *   mode         msix, msi or intx
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/atomic.h>
#include <linux/interrupt.h>
#include <linux/io-64-nonatomic-lo-hi.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/pci.h>
#include <linux/sysfs.h>

/* In no list of vendors that we know: see uvnic1.c. */
#define REGS_MSI_VENDOR		0x5556
#define REGS_MSI_DEVICE		0x0002

/* BAR0; BAR1 has the vectors. */
#define REGS_ID			0x00
#define REGS_SCRATCH		0x04
#define REGS_SENT		0x08
#define REGS_DELAY_US		0x0c
#define REGS_VECTOR		0x10
#define REGS_TRIGGER		0x14
#define   TRIGGER_MAX		0xffff
#define REGS_PENDING		0x18
#define REGS_WIDE		0x20	/* 64 bits */

#define REGS_VECTORS_MAX	8

struct regs_msi_vector {
	struct regs_msi	*regs;
	atomic_t	interrupts;
};

struct regs_msi {
	struct pci_dev		*pdev;
	void __iomem		*base;
	struct mutex		lock;	/* VECTOR and TRIGGER are written together */
	int			vectors;
	struct regs_msi_vector	vector[REGS_VECTORS_MAX];
};

/* ------------------------------------------------------------- interrupts */

/*
 * With one vector for each bit of PENDING, or one for all. Messages need no
 * acknowledgement, a line does: it is down when PENDING is 0.
 */
static irqreturn_t regs_msi_interrupt(int irq, void *data)
{
	struct regs_msi_vector *vector = data;
	struct regs_msi *regs = vector->regs;
	u32 pending;

	if (!pci_dev_msi_enabled(regs->pdev)) {
		pending = ioread32(regs->base + REGS_PENDING);
		if (!pending || pending == ~0U)
			return IRQ_NONE;
		iowrite32(pending, regs->base + REGS_PENDING);
	}
	atomic_inc(&vector->interrupts);
	return IRQ_HANDLED;
}

static void regs_msi_free_irqs(struct regs_msi *regs, int requested)
{
	while (requested--)
		free_irq(pci_irq_vector(regs->pdev, requested), &regs->vector[requested]);
	pci_free_irq_vectors(regs->pdev);
}

static int regs_msi_request_irqs(struct regs_msi *regs)
{
	int ret, i;

	ret = pci_alloc_irq_vectors(regs->pdev, 1, REGS_VECTORS_MAX, PCI_IRQ_ALL_TYPES);
	if (ret < 0)
		return ret;
	regs->vectors = ret;
	for (i = 0; i < regs->vectors; i++) {
		regs->vector[i].regs = regs;
		ret = request_irq(pci_irq_vector(regs->pdev, i), regs_msi_interrupt, IRQF_SHARED,
				  KBUILD_MODNAME, &regs->vector[i]);
		if (ret) {
			regs_msi_free_irqs(regs, i);
			return ret;
		}
	}
	return 0;
}

/* Stops what runs. The answer to the read comes after the last interrupt. */
static void regs_msi_quiet(struct regs_msi *regs)
{
	iowrite32(0, regs->base + REGS_TRIGGER);
	iowrite32(ioread32(regs->base + REGS_PENDING), regs->base + REGS_PENDING);
	ioread32(regs->base + REGS_TRIGGER);
}

/* ------------------------------------------------------------------ sysfs */

static ssize_t regs_msi_show(struct device *dev, unsigned int offset, char *text)
{
	struct regs_msi *regs = dev_get_drvdata(dev);

	return sysfs_emit(text, "0x%x\n", ioread32(regs->base + offset));
}

static ssize_t regs_msi_store(struct device *dev, unsigned int offset, const char *text,
			      size_t length)
{
	struct regs_msi *regs = dev_get_drvdata(dev);
	u32 value;
	int ret = kstrtou32(text, 0, &value);

	if (ret)
		return ret;
	iowrite32(value, regs->base + offset);
	return length;
}

static ssize_t id_show(struct device *dev, struct device_attribute *attr, char *text)
{
	return regs_msi_show(dev, REGS_ID, text);
}
static DEVICE_ATTR_RO(id);

static ssize_t sent_show(struct device *dev, struct device_attribute *attr, char *text)
{
	return regs_msi_show(dev, REGS_SENT, text);
}
static DEVICE_ATTR_RO(sent);

static ssize_t scratch_show(struct device *dev, struct device_attribute *attr, char *text)
{
	return regs_msi_show(dev, REGS_SCRATCH, text);
}

static ssize_t scratch_store(struct device *dev, struct device_attribute *attr,
			     const char *text, size_t length)
{
	return regs_msi_store(dev, REGS_SCRATCH, text, length);
}
static DEVICE_ATTR_RW(scratch);

static ssize_t delay_us_show(struct device *dev, struct device_attribute *attr, char *text)
{
	return regs_msi_show(dev, REGS_DELAY_US, text);
}

static ssize_t delay_us_store(struct device *dev, struct device_attribute *attr,
			      const char *text, size_t length)
{
	return regs_msi_store(dev, REGS_DELAY_US, text, length);
}
static DEVICE_ATTR_RW(delay_us);

static ssize_t wide_show(struct device *dev, struct device_attribute *attr, char *text)
{
	struct regs_msi *regs = dev_get_drvdata(dev);

	return sysfs_emit(text, "0x%llx\n", readq(regs->base + REGS_WIDE));
}

static ssize_t wide_store(struct device *dev, struct device_attribute *attr,
			  const char *text, size_t length)
{
	struct regs_msi *regs = dev_get_drvdata(dev);
	u64 value;
	int ret = kstrtou64(text, 0, &value);

	if (ret)
		return ret;
	writeq(value, regs->base + REGS_WIDE);
	return length;
}
static DEVICE_ATTR_RW(wide);

static ssize_t trigger_store(struct device *dev, struct device_attribute *attr,
			     const char *text, size_t length)
{
	struct regs_msi *regs = dev_get_drvdata(dev);
	unsigned int count, vector = 0;
	ssize_t ret = length;

	if (sscanf(text, "%u %u", &count, &vector) < 1 || count > TRIGGER_MAX ||
	    vector >= REGS_VECTORS_MAX)
		return -EINVAL;
	mutex_lock(&regs->lock);
	/* What is left to be sent; 0 may be written at any time. */
	if (count && ioread32(regs->base + REGS_TRIGGER)) {
		ret = -EBUSY;
	} else {
		iowrite32(vector, regs->base + REGS_VECTOR);
		iowrite32(count, regs->base + REGS_TRIGGER);
	}
	mutex_unlock(&regs->lock);
	return ret;
}
static DEVICE_ATTR_WO(trigger);

static ssize_t interrupts_show(struct device *dev, struct device_attribute *attr, char *text)
{
	struct regs_msi *regs = dev_get_drvdata(dev);
	int length = 0, i;

	for (i = 0; i < regs->vectors; i++)
		length += sysfs_emit_at(text, length, "%d\n",
					atomic_read(&regs->vector[i].interrupts));
	return length;
}
static DEVICE_ATTR_RO(interrupts);

static ssize_t mode_show(struct device *dev, struct device_attribute *attr, char *text)
{
	struct pci_dev *pdev = to_pci_dev(dev);

	return sysfs_emit(text, "%s\n",
			  pdev->msix_enabled ? "msix" : pdev->msi_enabled ? "msi" : "intx");
}
static DEVICE_ATTR_RO(mode);

static struct attribute *regs_msi_attrs[] = {
	&dev_attr_id.attr,
	&dev_attr_sent.attr,
	&dev_attr_scratch.attr,
	&dev_attr_delay_us.attr,
	&dev_attr_wide.attr,
	&dev_attr_trigger.attr,
	&dev_attr_interrupts.attr,
	&dev_attr_mode.attr,
	NULL
};
ATTRIBUTE_GROUPS(regs_msi);

/* ------------------------------------------------------- probe and remove */

static int regs_msi_probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	struct regs_msi *regs;
	int ret;

	regs = kzalloc(sizeof(*regs), GFP_KERNEL);
	if (!regs)
		return -ENOMEM;
	regs->pdev = pdev;
	mutex_init(&regs->lock);
	pci_set_drvdata(pdev, regs);

	ret = pci_enable_device_mem(pdev);
	if (ret)
		goto free;
	ret = pci_request_mem_regions(pdev, KBUILD_MODNAME);
	if (ret)
		goto disable;
	ret = -ENOMEM;
	regs->base = pci_iomap(pdev, 0, 0);
	if (!regs->base)
		goto release;
	regs_msi_quiet(regs);
	/* It reads no memory, but its messages are writes. */
	pci_set_master(pdev);
	ret = regs_msi_request_irqs(regs);
	if (ret)
		goto clear;
	return 0;

clear:
	pci_clear_master(pdev);
	pci_iounmap(pdev, regs->base);
release:
	pci_release_mem_regions(pdev);
disable:
	pci_disable_device(pdev);
free:
	kfree(regs);
	return ret;
}

static void regs_msi_remove(struct pci_dev *pdev)
{
	struct regs_msi *regs = pci_get_drvdata(pdev);

	regs_msi_quiet(regs);
	regs_msi_free_irqs(regs, regs->vectors);
	pci_clear_master(pdev);
	pci_iounmap(pdev, regs->base);
	pci_release_mem_regions(pdev);
	pci_disable_device(pdev);
	kfree(regs);
}

static const struct pci_device_id regs_msi_ids[] = {
	{ PCI_DEVICE(REGS_MSI_VENDOR, REGS_MSI_DEVICE) },
	{ }
};
MODULE_DEVICE_TABLE(pci, regs_msi_ids);

static struct pci_driver regs_msi_driver = {
	.name		= KBUILD_MODNAME,
	.id_table	= regs_msi_ids,
	.probe		= regs_msi_probe,
	.remove		= regs_msi_remove,
	.dev_groups	= regs_msi_groups,
};
module_pci_driver(regs_msi_driver);

MODULE_DESCRIPTION("Registers in sysfs, interrupts at command");
MODULE_LICENSE("GPL");
