// SPDX-License-Identifier: GPL-2.0
/*
 * /dev/uvbus0: choose functions, start, stop, statistics, and the ring.
 *
 * Root only: a trace holds kernel and DMA addresses and what the driver sends.
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

#include "log.h"

#define MARK_MAX	(256 * 1024)

static int uv_open(struct inode *inode, struct file *file)
{
	return capable(CAP_SYS_ADMIN) ? nonseekable_open(inode, file) : -EPERM;
}

static int uv_ioctl_info(void __user *arg)
{
	struct uv_info info = {
		.abi = UV_ABI_VERSION,
		.record_version = UV_RECORD_VERSION,
		.functions = uv_function_count,
		.state = uv_state(),
		.ring_bytes = uv_ring_memory ? uv_ring_bytes : 0,
		.shared = uv_ring_is_shared,
		.unhooked = uv_hooks_missing(),
	};

	return copy_to_user(arg, &info, sizeof(info)) ? -EFAULT : 0;
}

static int uv_ioctl_select(void __user *arg)
{
	struct uv_select select;
	int err;

	if (copy_from_user(&select, arg, sizeof(select)))
		return -EFAULT;
	if (select.reserved || select.reserved0)
		return -EINVAL;
	err = uv_function_select(&select);
	if (err)
		return err;
	return copy_to_user(arg, &select, sizeof(select)) ? -EFAULT : 0;
}

static int uv_ioctl_ring(void __user *arg)
{
	struct uv_ring_setup setup;

	if (copy_from_user(&setup, arg, sizeof(setup)))
		return -EFAULT;
	return uv_ring_setup(setup.bytes, setup.policy, setup.flags);
}

static int uv_ioctl_stats(void __user *arg)
{
	struct uv_stats stats = {
		.records = uv_counter_sum(UV_COUNT_RECORDS),
		.lost = uv_ring_memory ? READ_ONCE(uv_ring.lost_total) : 0,
		.traps = uv_counter_sum(UV_COUNT_TRAPS),
		.string_traps = uv_counter_sum(UV_COUNT_STRING_TRAPS),
		.undecoded = uv_counter_sum(UV_COUNT_UNDECODED),
		.stray = uv_counter_sum(UV_COUNT_STRAY),
		.stack_faults = uv_counter_sum(UV_COUNT_STACK_FAULTS),
		.trapped_mappings = uv_iomaps_live(),
		.port_accesses = uv_counter_sum(UV_COUNT_PORT),
		.hook_calls = uv_counter_sum(UV_COUNT_HOOK_CALLS),
		.sites = uv_sites_known(),
		.functions_bound = uv_functions_bound(),
	};

	return copy_to_user(arg, &stats, sizeof(stats)) ? -EFAULT : 0;
}

/* A text longer than one payload goes out in chunks that share a document number. */
static int uv_mark_emit(const struct uv_mark *mark, const char *text)
{
	u32 limit = min_t(u32, uv_ring.payload_max, UV_RING_PAYLOAD_MAX), at, chunk = 0;
	u32 document = uv_new_tag();
	struct uv_record rec;

	for (at = 0; at < mark->length || !chunk; at += limit) {
		u32 bytes = min(limit, mark->length - at);

		uv_event(&rec, mark->topic ? UV_KIND_METADATA : UV_KIND_MARK, NULL);
		rec.length = bytes;
		rec.meta.topic = mark->topic;
		rec.meta.document = document;
		rec.meta.chunk = chunk++;
		rec.meta.chunks = max(DIV_ROUND_UP(mark->length, limit), 1U);
		rec.meta.offset = at;
		rec.meta.total = mark->length;
		uv_emit(&rec, text + at, bytes);
	}
	return 0;
}

static int uv_ioctl_mark(void __user *arg)
{
	struct uv_mark mark;
	char *text;

	if (copy_from_user(&mark, arg, sizeof(mark)))
		return -EFAULT;
	if (mark.length > MARK_MAX || mark.topic > U16_MAX)
		return -EINVAL;
	if (!uv_ring_memory || uv_state() != UV_RING_RUNNING)
		return -ENODATA;
	text = vmemdup_user(u64_to_user_ptr(mark.text), mark.length);
	if (IS_ERR(text))
		return PTR_ERR(text);
	uv_mark_emit(&mark, text);
	kvfree(text);
	return 0;
}

static int uv_ioctl_locked(unsigned int cmd, void __user *arg)
{
	switch (cmd) {
	case UV_IOC_INFO:
		return uv_ioctl_info(arg);
	case UV_IOC_SELECT:
		return uv_ioctl_select(arg);
	case UV_IOC_DESELECT:
		return uv_function_deselect_all();
	case UV_IOC_RING:
		return uv_ioctl_ring(arg);
	case UV_IOC_START:
		return uv_start();
	case UV_IOC_STOP:
		return uv_stop();
	case UV_IOC_STATS:
		return uv_ioctl_stats(arg);
	case UV_IOC_MARK:
		return uv_ioctl_mark(arg);
	default:
		return -ENOTTY;
	}
}

static long uv_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	int err = mutex_lock_interruptible(&uv_mutex);

	if (err)
		return err;
	err = uv_ioctl_locked(cmd, (void __user *)arg);
	mutex_unlock(&uv_mutex);
	/* binding runs the driver's probe: not under our lock */
	if (!err && cmd == UV_IOC_START)
		uv_functions_rebind();
	return err;
}

/* ---- mmap: the ring cannot be replaced while it is mapped ---- */

static void uv_vm_open(struct vm_area_struct *vma)
{
	mutex_lock(&uv_mutex);
	uv_ring_use(1);
	mutex_unlock(&uv_mutex);
}

static void uv_vm_close(struct vm_area_struct *vma)
{
	mutex_lock(&uv_mutex);
	uv_ring_use(-1);
	mutex_unlock(&uv_mutex);
}

static const struct vm_operations_struct uv_vm_ops = {
	.open	= uv_vm_open,
	.close	= uv_vm_close,
};

static int uv_mmap(struct file *file, struct vm_area_struct *vma)
{
	int err = -ENODATA;

	mutex_lock(&uv_mutex);
	if (uv_ring_memory && !uv_ring_is_shared)
		err = remap_vmalloc_range(vma, uv_ring_memory, vma->vm_pgoff);
	if (!err) {
		vma->vm_ops = &uv_vm_ops;
		uv_ring_use(1);
	}
	mutex_unlock(&uv_mutex);
	return err;
}

static __poll_t uv_poll(struct file *file, poll_table *wait)
{
	__poll_t mask = EPOLLERR;

	poll_wait(file, &uv_ring_queue, wait);
	mutex_lock(&uv_mutex);	/* keeps the ring's memory */
	if (uv_ring_memory && uv_ring.header) {
		mask = uv_state() == UV_RING_RUNNING ? 0 : EPOLLHUP;
		/* Set before the look: a record that comes after it wakes us. */
		WRITE_ONCE(uv_ring.header->waiting, 1);
		smp_mb();	/* pairs with the cmpxchg of head in uv_ring_write() */
		if (READ_ONCE(uv_ring.head) != READ_ONCE(uv_ring.header->tail))
			mask |= EPOLLIN | EPOLLRDNORM;
	}
	mutex_unlock(&uv_mutex);
	return mask;
}

static const struct file_operations uv_fops = {
	.owner		= THIS_MODULE,
	.open		= uv_open,
	.unlocked_ioctl	= uv_ioctl,
	.compat_ioctl	= compat_ptr_ioctl,
	.mmap		= uv_mmap,
	.poll		= uv_poll,
};

static struct miscdevice uv_misc = {
	.minor	= MISC_DYNAMIC_MINOR,
	.name	= "uvbus0",
	.fops	= &uv_fops,
	.mode	= 0600,
};

int uv_chardev_init(void)
{
	return misc_register(&uv_misc);
}

void uv_chardev_exit(void)
{
	misc_deregister(&uv_misc);
}
