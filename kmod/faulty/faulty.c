// SPDX-License-Identifier: GPL-2.0
/*
 * The driver around the faults: it does everything right, and calls the one that was chosen.
 *
 *   echo faulty_dma007_unmap_short >/sys/module/uvfaulty/parameters/fault
 *   echo 0000:00:10.0 >/sys/bus/pci/drivers/uvfaulty/bind
 *   echo 0000:00:10.0 >/sys/bus/pci/drivers/uvfaulty/unbind
 *   cat /sys/module/uvfaulty/parameters/settled
 *
 * Reading "settled" waits for what a fault does after it was unbound.
 */
#include <linux/dma-mapping.h>
#include <linux/module.h>
#include <linux/moduleparam.h>
#include <linux/string.h>

#include "faulty.h"

static const struct faulty_choice * const faulty_tables[] = {
	faulty_config, faulty_address, faulty_dma, faulty_list, faulty_resources,
	faulty_interrupts, faulty_power, faulty_registers, faulty_history_dma,
	faulty_history_life,
};

/* Changed while nothing is bound: sysfs serialises parameters, not probe(). */
static const struct faulty_choice *faulty_chosen;

static const struct faulty_choice *faulty_find(const char *name)
{
	const struct faulty_choice *choice;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(faulty_tables); i++)
		for (choice = faulty_tables[i]; choice->name; choice++)
			if (sysfs_streq(choice->name, name))
				return choice;
	return NULL;
}

static int faulty_choose(const char *value, const struct kernel_param *parameter)
{
	const struct faulty_choice *choice = faulty_find(value);

	if (!choice && !sysfs_streq(value, "") && !sysfs_streq(value, "none"))
		return -EINVAL;
	faulty_sweep();
	faulty_chosen = choice;
	return 0;
}

static int faulty_tell(char *buffer, const struct kernel_param *parameter)
{
	return sysfs_emit(buffer, "%s\n", faulty_chosen ? faulty_chosen->name : "none");
}

static const struct kernel_param_ops faulty_choice_ops = {
	.set = faulty_choose,
	.get = faulty_tell,
};
module_param_cb(fault, &faulty_choice_ops, NULL, 0644);
MODULE_PARM_DESC(fault, "which fault probe() commits; none: no fault");

static int faulty_tell_settled(char *buffer, const struct kernel_param *parameter)
{
	faulty_settle();
	return sysfs_emit(buffer, "Y\n");
}

static const struct kernel_param_ops faulty_settled_ops = {
	.get = faulty_tell_settled,
};
module_param_cb(settled, &faulty_settled_ops, NULL, 0444);
MODULE_PARM_DESC(settled, "reading it waits until the last fault has done all that it does");

static int faulty_take(struct faulty *f)
{
	struct pci_dev *pdev = f->pdev;
	int err;

	err = dma_set_mask_and_coherent(&pdev->dev, DMA_BIT_MASK(64));
	if (err)
		return err;
	err = pci_enable_device(pdev);
	if (err)
		return err;
	err = pci_request_region(pdev, 0, KBUILD_MODNAME);
	if (err)
		goto disable;
	f->start = pci_resource_start(pdev, 0);
	f->length = pci_resource_len(pdev, 0);
	f->regs = ioremap(f->start, f->length);
	if (!f->regs) {
		err = -ENOMEM;
		goto release;
	}
	pci_set_master(pdev);
	return 0;
release:
	pci_release_region(pdev, 0);
disable:
	pci_disable_device(pdev);
	return err;
}

static int faulty_probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	struct faulty *f = devm_kzalloc(&pdev->dev, sizeof(*f), GFP_KERNEL);
	int err;

	if (!f)
		return -ENOMEM;
	f->pdev = pdev;
	f->memory = (u8 *)devm_get_free_pages(&pdev->dev, GFP_KERNEL | __GFP_ZERO,
					      FAULTY_PAGES_ORDER);
	if (!f->memory)
		return -ENOMEM;
	err = faulty_take(f);
	if (err)
		return err;
	pci_set_drvdata(pdev, f);
	if (faulty_chosen)
		faulty_chosen->run(f);
	return 0;
}

static void faulty_remove(struct pci_dev *pdev)
{
	struct faulty *f = pci_get_drvdata(pdev);

	pci_clear_master(pdev);
	if (f->at_remove)
		f->at_remove(f);
	if (!(f->keep & FAULTY_KEEP_IOMAP))
		iounmap(f->regs);
	if (!(f->keep & FAULTY_KEEP_REGION))
		pci_release_region(pdev, 0);
	if (!(f->keep & FAULTY_KEEP_ENABLED))
		pci_disable_device(pdev);
	if (f->at_end)
		f->at_end(f);
}

static const struct pci_device_id faulty_ids[] = {
	{ PCI_DEVICE(0x1234, 0x11e8) },		/* edu */
	{ PCI_DEVICE(0x8086, 0x100e) },		/* 82540EM: e1000 */
	{ PCI_DEVICE(0x8086, 0x10d3) },		/* 82574L: e1000e */
	{ PCI_DEVICE(0x1b36, 0x0010) },		/* nvme */
	{ }
};

/* No MODULE_DEVICE_TABLE: nothing should ever load this by itself. */
static struct pci_driver faulty_driver = {
	.name		= KBUILD_MODNAME,
	.id_table	= faulty_ids,
	.probe		= faulty_probe,
	.remove		= faulty_remove,
};

static int __init faulty_init(void)
{
	return pci_register_driver(&faulty_driver);
}
module_init(faulty_init);

static void __exit faulty_exit(void)
{
	pci_unregister_driver(&faulty_driver);
	faulty_sweep();
}
module_exit(faulty_exit);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Commits a chosen driver fault on a device of QEMU's, for testing uvtrace");
