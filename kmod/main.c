// SPDX-License-Identifier: GPL-2.0
/*
 * Module life; the recording's state; the ring's memory.
 *
 * The ring lives in this machine's memory, or (shared=1) in an ivshmem BAR
 * that a VM shares with its host, where it survives this kernel's panic.
 */
#include <linux/io.h>
#include <linux/irq_work.h>
#include <linux/module.h>
#include <linux/timekeeping.h>
#include <linux/vmalloc.h>

#include "log.h"
#include "memory.h"
#include "virt.h"
#include "wrap.h"

#define IVSHMEM_VENDOR		0x1af4
#define IVSHMEM_DEVICE		0x1110
#define IVSHMEM_BAR		2

#define RING_BYTES_DEFAULT	(64ULL << 20)
#define RING_BYTES_MAX		(16ULL << 30)

static bool shared;
module_param(shared, bool, 0444);
MODULE_PARM_DESC(shared, "keep the ring in an ivshmem device's memory");

DEFINE_MUTEX(uv_mutex);
bool uv_recording_flag;

struct uv_ring uv_ring;
void *uv_ring_memory;
u64 uv_ring_bytes;
bool uv_ring_is_shared;
DECLARE_WAIT_QUEUE_HEAD(uv_ring_queue);
static unsigned int uv_ring_users;	/* mmaps; under uv_mutex */

static struct pci_dev *uv_shared_dev;
static bool uv_memory_wanted;		/* of the ring that was set up last */
static bool uv_armed;			/* hooks and trap are in place */

/* ---- waking the reader ---- */

static void uv_ring_wake_reader(struct irq_work *work)
{
	wake_up_interruptible(&uv_ring_queue);
}

static struct irq_work uv_wake_work = IRQ_WORK_INIT(uv_ring_wake_reader);

/*
 * Any context, right after a successful write: not a direct wake-up, as that
 * takes locks that the interrupted code may hold.
 */
void uv_ring_wake(void)
{
	struct uv_ring_header *header = uv_ring.header;

	if (READ_ONCE(header->waiting) && !uv_ring_is_shared) {
		WRITE_ONCE(header->waiting, 0);
		irq_work_queue(&uv_wake_work);
	}
}

/* ---- ring memory ---- */

/* The one without MSI-X: with it, and so with doorbells, it holds links (linkhome.c). */
static struct pci_dev *uv_shared_device(void)
{
	struct pci_dev *dev = NULL;

	while ((dev = pci_get_device(IVSHMEM_VENDOR, IVSHMEM_DEVICE, dev)))
		if (!dev->msix_cap)
			break;
	return dev;
}

static int uv_shared_find(void)
{
	struct pci_dev *dev = uv_shared_device();
	int err;

	if (!dev)
		return -ENODEV;
	err = pci_enable_device_mem(dev);
	if (err)
		goto put;
	err = -ENOMEM;
	uv_ring_memory = memremap(pci_resource_start(dev, IVSHMEM_BAR),
				  pci_resource_len(dev, IVSHMEM_BAR), MEMREMAP_WB);
	if (!uv_ring_memory)
		goto disable;
	uv_ring_bytes = pci_resource_len(dev, IVSHMEM_BAR);
	uv_ring_is_shared = true;
	uv_shared_dev = dev;
	return 0;
disable:
	pci_disable_device(dev);
put:
	pci_dev_put(dev);
	return err;
}

static void uv_ring_free(void)
{
	uv_ring.header = NULL;
	if (uv_ring_is_shared) {
		memunmap(uv_ring_memory);
		pci_disable_device(uv_shared_dev);
		pci_dev_put(uv_shared_dev);
	} else {
		vfree(uv_ring_memory);
	}
	uv_ring_memory = NULL;
}

int uv_ring_setup(u64 slot_bytes, u32 policy, u32 flags)
{
	u64 bytes = rounddown_pow_of_two(slot_bytes ?: RING_BYTES_DEFAULT) + UV_RING_HEADER_SIZE;
	void *memory;

	lockdep_assert_held(&uv_mutex);
	if (uv_recording() || uv_ring_users)
		return -EBUSY;
	if (policy > UV_POLICY_OVERWRITE || bytes > RING_BYTES_MAX || flags & ~UV_SETUP_MEMORY)
		return -EINVAL;
	uv_memory_wanted = flags & UV_SETUP_MEMORY;
	/*
	 * A hook that saw uv_recording() true may be late. It writes with
	 * interrupts off and only to a running ring: none is inside after this.
	 */
	WRITE_ONCE(uv_ring.state, UV_RING_IDLE);
	synchronize_rcu();
	if (uv_ring_is_shared)
		return uv_ring_init(&uv_ring, uv_ring_memory, uv_ring_bytes, policy);
	memory = vmalloc_user(PAGE_ALIGN(bytes));
	if (!memory)
		return -ENOMEM;
	vfree(uv_ring_memory);
	uv_ring_memory = memory;
	uv_ring_bytes = PAGE_ALIGN(bytes);
	return uv_ring_init(&uv_ring, uv_ring_memory, bytes, policy);
}

int uv_ring_use(int change)
{
	uv_ring_users += change;
	return uv_ring_users;
}

/* ---- the recording ---- */

u64 uv_counter_sum(enum uv_counter which)
{
	u64 sum = 0;
	int cpu;

	for_each_possible_cpu(cpu)
		sum += READ_ONCE(per_cpu(uv_counters, cpu).n[which]);
	return sum;
}

static void uv_counters_clear(void)
{
	int cpu;

	for_each_possible_cpu(cpu)
		memset(per_cpu_ptr(&uv_counters, cpu), 0, sizeof(struct uv_counters));
}

u32 uv_state(void)
{
	return uv_ring_memory ? READ_ONCE(uv_ring.state) : UV_RING_IDLE;
}

/* Once armed, always armed until unload: a driver may hold trapped addresses. */
static int uv_arm(void)
{
	int err;

	if (uv_armed)
		return 0;
	err = uv_trap_init();
	if (err)
		return err;
	err = uv_hooks_install();
	if (err) {
		uv_trap_exit();
		return err;
	}
	uv_armed = true;
	return 0;
}

static void uv_sources_stop(void)
{
	uv_pio_stop();
	uv_irq_stop();
	uv_life_stop();
	uv_config_stop();
}

static int uv_sources_start(void)
{
	int err = uv_config_start();

	if (!err)
		err = uv_life_start();
	if (!err)
		err = uv_irq_start();
	if (!err)
		err = uv_pio_start();
	if (err)
		uv_sources_stop();
	return err;
}

int uv_start(void)
{
	int err;

	lockdep_assert_held(&uv_mutex);
	if (uv_recording())
		return -EBUSY;
	if (!uv_function_count)
		return -ENODEV;
	if (!uv_ring_memory || !uv_ring.header) {
		err = uv_ring_setup(0, UV_POLICY_DROP, 0);
		if (err)
			return err;
	}
	err = uv_arm();
	if (err)
		return err;
	uv_sites_restart();
	uv_counters_clear();
	uv_clock_start();
	uv_ring.header->start_mono_ns = uv_clock();
	uv_ring.header->start_real_ns = ktime_get_real_ns();
	uv_ring_set_state(&uv_ring, UV_RING_RUNNING);
	uv_functions_snapshot();
	uv_hooks_report();
	uv_memory_start(uv_memory_wanted);
	err = uv_sources_start();
	if (err) {
		uv_memory_stop();
		uv_ring_set_state(&uv_ring, UV_RING_STOPPED);
		return err;
	}
	WRITE_ONCE(uv_recording_flag, true);
	return 0;
}

int uv_stop(void)
{
	lockdep_assert_held(&uv_mutex);
	if (!uv_recording())
		return -EALREADY;
	WRITE_ONCE(uv_recording_flag, false);
	uv_sources_stop();
	/* every hook and trap that saw the flag set has left its record */
	synchronize_rcu();
	uv_memory_stop();
	if (uv_ring.policy == UV_POLICY_OVERWRITE) {
		uv_functions_snapshot();
		uv_sites_repeat();
	}
	if (uv_state() == UV_RING_RUNNING)
		uv_ring_set_state(&uv_ring, UV_RING_STOPPED);
	uv_ring_publish(&uv_ring);
	wake_up_interruptible(&uv_ring_queue);
	return 0;
}

static void uv_disarm(void)
{
	if (!uv_armed)
		return;
	uv_hooks_remove();
	uv_trap_exit();
	uv_armed = false;
}

/* ---- module ---- */

/* A virtual function's driver has trapped addresses from the beginning. */
static int __init uv_virtual_init(void)
{
	int err;

	mutex_lock(&uv_mutex);
	err = uv_arm();
	mutex_unlock(&uv_mutex);
	if (err)
		return err;
	err = uv_virt_init();
	if (err)
		uv_disarm();
	return err;
}

static int __init uv_init(void)
{
	int err = uv_sites_init();

	if (err)
		return err;
	if (shared) {
		err = uv_shared_find();
		if (err) {
			pr_err("no ivshmem device for the ring (%d)\n", err);
			goto sites;
		}
	}
	err = uv_functions_init();
	if (err)
		goto ring;
	if (uv_virtual) {
		err = uv_virtual_init();
		if (err)
			goto functions;
	}
	err = uv_chardev_init();
	if (err)
		goto virtual;
	return 0;
virtual:
	if (uv_virtual)
		uv_virt_exit();
	uv_disarm();
functions:
	uv_functions_exit();
ring:
	if (uv_ring_memory)
		uv_ring_free();
sites:
	uv_sites_exit();
	return err;
}

/*
 * Not reached while a trapped mapping of a real function is alive: each holds a
 * reference. Virtual functions are removed here, and with them their drivers.
 */
static void __exit uv_exit(void)
{
	uv_chardev_exit();
	mutex_lock(&uv_mutex);
	uv_stop();
	mutex_unlock(&uv_mutex);
	if (uv_virtual)
		uv_virt_exit();
	uv_disarm();
	uv_config_exit();
	uv_irq_exit();
	uv_dma_exit();
	uv_functions_exit();
	irq_work_sync(&uv_wake_work);
	if (uv_ring_memory)
		uv_ring_free();
	uv_sites_exit();
	rcu_barrier();	/* kfree_rcu of tombstones */
}

module_init(uv_init);
module_exit(uv_exit);
MODULE_LICENSE("GPL");
MODULE_AUTHOR("uvtrace");
MODULE_DESCRIPTION("Records the bus traffic between a driver and its PCI device");
