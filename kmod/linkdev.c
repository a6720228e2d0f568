// SPDX-License-Identifier: GPL-2.0
/*
 * /dev/uvbusN, N >= 1: a link whose model runs on this machine.
 *
 * One model at a time. Its memory is made by UV_LINK_IOC_MAKE and lives until the
 * file is released, which the kernel does when the model dies, however it does:
 * then its function is dead at once.
 *
 * A waiting CPU is not the model's: signals are sent from another CPU, as this one
 * may have its interrupts off until the model has answered. Two CPUs are needed.
 */
#include <linux/capability.h>
#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/poll.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/vmalloc.h>

#include "links.h"

/*
 * @mutex: of @owner and @memory.
 * @owner: the file of the model that is there
 */
struct uv_linkdev {
	struct miscdevice	misc;
	char			name[16];
	struct uv_link		*link;
	struct mutex		mutex;
	struct file		*owner;
	struct uv_link_header	*memory;
};

static struct uv_linkdev *uv_linkdevs[UV_LINKS_MAX];

/* ---- signals to the model ---- */

static void uv_linkdev_wake(struct irq_work *work)
{
	wake_up_interruptible(&container_of(work, struct uv_link, wake_work)->queue);
}

static void uv_linkdev_wake_here(void *link)
{
	irq_work_queue(&((struct uv_link *)link)->wake_work);
}

/* On another CPU, as this one may be about to wait with interrupts off. */
void uv_linkdev_notify(struct uv_link *link)
{
	unsigned long flags;
	unsigned int cpu;

	local_irq_save(flags);	/* the other CPU stays online */
	cpu = cpumask_any_but(cpu_online_mask, raw_smp_processor_id());
	if (cpu < nr_cpu_ids)
		/* busy: it is on its way already */
		smp_call_function_single_async(cpu, &link->wake_elsewhere);
	else
		irq_work_queue(&link->wake_work);
	local_irq_restore(flags);
}

/* send_lock is not needed: the memory stays while the file is open. */
static u64 uv_linkdev_signals(const struct uv_linkdev *dev)
{
	const struct uv_link_header *header = READ_ONCE(dev->memory);

	return header ? READ_ONCE(header->kernel_signals) : 0;
}

static ssize_t uv_linkdev_read(struct file *file, char __user *buffer, size_t bytes, loff_t *at)
{
	struct uv_linkdev *dev = file->private_data;
	struct uv_link_header *header = READ_ONCE(dev->memory);
	u64 signals;
	int err;

	if (bytes < sizeof(signals) || !header)
		return -EINVAL;
	while (!(signals = xchg(&header->kernel_signals, 0))) {
		if (file->f_flags & O_NONBLOCK)
			return -EAGAIN;
		err = wait_event_interruptible(dev->link->queue, uv_linkdev_signals(dev));
		if (err)
			return err;
	}
	return copy_to_user(buffer, &signals, sizeof(signals)) ? -EFAULT : sizeof(signals);
}

static __poll_t uv_linkdev_poll(struct file *file, poll_table *wait)
{
	struct uv_linkdev *dev = file->private_data;

	poll_wait(file, &dev->link->queue, wait);
	return EPOLLOUT | EPOLLWRNORM | (uv_linkdev_signals(dev) ? EPOLLIN | EPOLLRDNORM : 0);
}

/* ---- signals from the model ---- */

static ssize_t uv_linkdev_write(struct file *file, const char __user *buffer, size_t bytes,
				loff_t *at)
{
	struct uv_linkdev *dev = file->private_data;
	u64 signals;

	if (bytes != sizeof(signals) || !READ_ONCE(dev->memory))
		return -EINVAL;
	if (copy_from_user(&signals, buffer, sizeof(signals)))
		return -EFAULT;
	/* whatever it says: look */
	uv_link_drain(dev->link);
	return sizeof(signals);
}

/* ---- memory ---- */

static int uv_linkdev_make_locked(struct uv_linkdev *dev, const struct uv_link_make *make)
{
	struct uv_link_geometry geometry;
	struct uv_link_header *header;

	if (dev->memory)
		return -EBUSY;
	header = vmalloc_user(make->bytes);
	if (!header)
		return -ENOMEM;
	uv_link_make_header(header, make->slots, make->data);
	header->bytes = make->bytes;
	if (uv_link_geometry_of(header, make->bytes, &geometry) != UV_REASON_NONE) {
		vfree(header);
		return -EINVAL;
	}
	WRITE_ONCE(dev->memory, header);
	uv_link_set_memory(dev->link, header, &geometry);
	uv_link_set_state(dev->link, UV_LINK_WAITING, UV_REASON_NONE);
	uv_link_drain(dev->link);	/* asks to be notified */
	return 0;
}

static long uv_linkdev_make(struct uv_linkdev *dev, void __user *arg)
{
	struct uv_link_make make;
	int err;

	if (copy_from_user(&make, arg, sizeof(make)))
		return -EFAULT;
	if (make.reserved[0] || make.reserved[1] || !is_power_of_2(make.slots) ||
	    make.slots < UV_LINK_SLOTS_MIN || make.slots > UV_LINK_SLOTS_MAX ||
	    make.data < UV_LINK_DATA_MIN || make.data > UV_LINK_DATA_MAX || make.data % 64)
		return -EINVAL;
	make.bytes = PAGE_ALIGN(uv_link_bytes(make.slots, make.data));
	err = mutex_lock_interruptible(&dev->mutex);
	if (err)
		return err;
	err = uv_linkdev_make_locked(dev, &make);
	mutex_unlock(&dev->mutex);
	if (err)
		return err;
	return copy_to_user(arg, &make, sizeof(make)) ? -EFAULT : 0;
}

static long uv_linkdev_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	return cmd == UV_LINK_IOC_MAKE ?
	       uv_linkdev_make(file->private_data, (void __user *)arg) : -ENOTTY;
}

/* A mapping holds the file, and the file the memory. */
static int uv_linkdev_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct uv_linkdev *dev = file->private_data;
	void *memory = READ_ONCE(dev->memory);

	return memory ? remap_vmalloc_range(vma, memory, vma->vm_pgoff) : -ENODATA;
}

/* ---- open and release ---- */

static int uv_linkdev_open(struct inode *inode, struct file *file)
{
	struct uv_linkdev *dev = container_of(file->private_data, struct uv_linkdev, misc);
	int err = 0;

	if (!capable(CAP_SYS_ADMIN))
		return -EPERM;
	if (num_online_cpus() < 2) {
		pr_warn("%s: a model on this machine needs a second CPU\n", dev->name);
		return -ENODEV;
	}
	mutex_lock(&dev->mutex);
	if (dev->owner) {
		err = -EBUSY;
	} else {
		dev->owner = file;
		WRITE_ONCE(dev->link->model, current->tgid);
		file->private_data = dev;
		nonseekable_open(inode, file);
	}
	mutex_unlock(&dev->mutex);
	return err;
}

/* The model has gone, and with it every mapping of the memory. */
static int uv_linkdev_release(struct inode *inode, struct file *file)
{
	struct uv_linkdev *dev = file->private_data;
	struct uv_link *link = dev->link;

	WRITE_ONCE(link->model, 0);
	uv_virt_die(link->virt, UV_REASON_NONE);
	/* what it has said last is not carried out any more, what is under way is awaited */
	uv_link_set_memory(link, NULL, NULL);
	flush_work(&link->control_work);
	uv_virt_die(link->virt, UV_REASON_NONE);
	uv_link_set_memory(link, NULL, NULL);	/* after a HELLO that was under way */
	/* twice, as a CPU serves those who wait first */
	kick_all_cpus_sync();
	kick_all_cpus_sync();
	irq_work_sync(&link->wake_work);
	mutex_lock(&dev->mutex);
	vfree(dev->memory);
	WRITE_ONCE(dev->memory, NULL);
	dev->owner = NULL;
	mutex_unlock(&dev->mutex);
	return 0;
}

static const struct file_operations uv_linkdev_fops = {
	.owner		= THIS_MODULE,
	.open		= uv_linkdev_open,
	.release	= uv_linkdev_release,
	.read		= uv_linkdev_read,
	.write		= uv_linkdev_write,
	.poll		= uv_linkdev_poll,
	.mmap		= uv_linkdev_mmap,
	.unlocked_ioctl	= uv_linkdev_ioctl,
	.compat_ioctl	= compat_ptr_ioctl,
};

int uv_linkdev_init(struct uv_link *link)
{
	struct uv_linkdev *dev = kzalloc(sizeof(*dev), GFP_KERNEL);
	int err;

	if (!dev)
		return -ENOMEM;
	link->wake_work = IRQ_WORK_INIT(uv_linkdev_wake);
	INIT_CSD(&link->wake_elsewhere, uv_linkdev_wake_here, link);
	mutex_init(&dev->mutex);
	dev->link = link;
	snprintf(dev->name, sizeof(dev->name), "uvbus%u", link->index + 1);
	dev->misc.minor = MISC_DYNAMIC_MINOR;
	dev->misc.name = dev->name;
	dev->misc.fops = &uv_linkdev_fops;
	dev->misc.mode = 0600;
	err = misc_register(&dev->misc);
	if (err) {
		kfree(dev);
		return err;
	}
	uv_linkdevs[link->index] = dev;
	return 0;
}

/* Nobody has it open: an open file holds the module. */
void uv_linkdev_exit(struct uv_link *link)
{
	struct uv_linkdev *dev = uv_linkdevs[link->index];

	if (!dev)
		return;
	misc_deregister(&dev->misc);
	uv_linkdevs[link->index] = NULL;
	mutex_destroy(&dev->mutex);
	kfree(dev);
}
