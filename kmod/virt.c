// SPDX-License-Identifier: GPL-2.0
/*
 * The life of virtual functions: described by a model, plugged, dead, alive again,
 * gone.
 *
 * A driver's probe and remove wait for the model, and the link's worker must serve
 * it meanwhile: so the device is added and removed in a work of its own.
 */
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>
#include <linux/workqueue.h>

#include "iomap.h"
#include "virt.h"

bool uv_virtual;
module_param_named(virtual, uv_virtual, bool, 0444);
MODULE_PARM_DESC(virtual, "make PCI functions of the models that attach");

struct uv_virt *uv_virts[UV_VIRT_MAX];

static struct workqueue_struct *uv_virt_work;
static bool uv_virt_closing;	/* nothing is plugged any more; written under every lock */

static void uv_virt_tell(struct uv_virt *virt, u8 type)
{
	struct uv_message message = {
		.type = type,
		.value = uv_virtbus_number(virt),
	};

	uv_link_send(virt->link, &message, NULL, 0, UV_CREDIT_POSTED);
}

/* ---- what the model asks for; from the link's worker ---- */

enum uv_link_reason uv_virt_hello(struct uv_virt *virt)
{
	struct uv_virt_images *images = kvzalloc(sizeof(*images), GFP_KERNEL), *wanted;
	unsigned long irq_flags;

	if (!images)
		return UV_REASON_MEMORY;
	raw_spin_lock_irqsave(&virt->lock, irq_flags);
	virt->state = UV_VIRT_DESCRIBED;
	virt->hellos++;
	wanted = virt->wanted;
	virt->wanted = NULL;
	raw_spin_unlock_irqrestore(&virt->lock, irq_flags);
	uv_virtmmio_fail_all(virt);
	memset(&virt->limits, 0, sizeof(virt->limits));
	kvfree(wanted);
	kvfree(virt->staged);
	virt->staged = images;
	return UV_REASON_NONE;
}

enum uv_link_reason uv_virt_plug(struct uv_virt *virt)
{
	struct uv_virt_images *images = virt->staged;
	enum uv_link_reason reason;
	unsigned long irq_flags;

	if (!images)
		return UV_REASON_PROTOCOL;
	images->size = virt->limits.expansion ? PCI_CFG_SPACE_EXP_SIZE : PCI_CFG_SPACE_SIZE;
	reason = uv_virtconfig_check(images);
	if (reason)
		return reason;
	raw_spin_lock_irqsave(&virt->lock, irq_flags);
	if (uv_virt_closing) {
		reason = UV_REASON_BUSY;
	} else if (virt->state != UV_VIRT_DESCRIBED) {
		reason = UV_REASON_PROTOCOL;
	} else {
		virt->wanted = images;	/* there was none: HELLO has taken it away */
		virt->staged = NULL;
		queue_work(uv_virt_work, &virt->settle);
	}
	raw_spin_unlock_irqrestore(&virt->lock, irq_flags);
	return reason;
}

void uv_virt_unplug(struct uv_virt *virt)
{
	unsigned long irq_flags;

	raw_spin_lock_irqsave(&virt->lock, irq_flags);
	if (virt->state != UV_VIRT_EMPTY && !uv_virt_closing) {
		virt->state = UV_VIRT_GONE;
		virt->remove_wanted = true;
		queue_work(uv_virt_work, &virt->settle);
	}
	raw_spin_unlock_irqrestore(&virt->lock, irq_flags);
	uv_virtmmio_fail_all(virt);
}

void uv_virt_die(struct uv_virt *virt, enum uv_link_reason reason)
{
	unsigned long irq_flags;
	bool was_alive;

	raw_spin_lock_irqsave(&virt->lock, irq_flags);
	was_alive = virt->state == UV_VIRT_ALIVE;
	if (was_alive || virt->state == UV_VIRT_DESCRIBED)
		virt->state = UV_VIRT_DEAD;
	raw_spin_unlock_irqrestore(&virt->lock, irq_flags);
	uv_link_dead(virt->link, reason);
	if (!was_alive)
		return;
	uv_virtmmio_fail_all(virt);
	pr_warn_ratelimited("virtual function %u does not answer any more (reason %d)\n",
			    virt->index, reason);
}

/* ---- carrying it out ---- */

/* What one settling has to do. */
struct uv_wish {
	struct uv_virt_images	*images;	/* NULL: nothing is to be plugged */
	bool			remove;
	u64			hellos;
};

static struct uv_wish uv_wish_take(struct uv_virt *virt)
{
	struct uv_wish wish;
	unsigned long irq_flags;

	raw_spin_lock_irqsave(&virt->lock, irq_flags);
	wish = (struct uv_wish){
		.images = virt->wanted,
		.remove = virt->remove_wanted,
		.hellos = virt->hellos,
	};
	virt->wanted = NULL;
	virt->remove_wanted = false;
	raw_spin_unlock_irqrestore(&virt->lock, irq_flags);
	return wish;
}

static void uv_settle_remove(struct uv_virt *virt)
{
	unsigned long irq_flags;
	bool gone;

	uv_virtbus_remove(virt);
	raw_spin_lock_irqsave(&virt->lock, irq_flags);
	gone = virt->state == UV_VIRT_GONE;
	if (gone)
		virt->state = UV_VIRT_EMPTY;
	raw_spin_unlock_irqrestore(&virt->lock, irq_flags);
	if (gone)
		uv_virt_tell(virt, UV_MSG_UNPLUGGED);
}

/* False: another model has come, this one has died, or is to be unplugged. */
static bool uv_settle_alive(struct uv_virt *virt, const struct uv_wish *wish)
{
	unsigned long irq_flags;
	bool alive;

	raw_spin_lock_irqsave(&virt->lock, irq_flags);
	alive = virt->state == UV_VIRT_DESCRIBED && virt->hellos == wish->hellos;
	if (alive)
		virt->state = UV_VIRT_ALIVE;
	raw_spin_unlock_irqrestore(&virt->lock, irq_flags);
	return alive;
}

static void uv_settle_plug(struct uv_virt *virt, const struct uv_wish *wish)
{
	bool revived = READ_ONCE(virt->pdev);

	if (!revived) {
		uv_virtconfig_install(virt, wish->images);
		if (uv_virtirq_install(virt)) {
			uv_virt_die(virt, UV_REASON_MEMORY);
			return;
		}
	}
	uv_virtconfig_reset(virt, true);
	if (!uv_settle_alive(virt, wish))
		return;
	uv_virt_tell(virt, UV_MSG_PLUGGED);
	if (uv_virtconfig_has_ports(&virt->config.images))
		uv_pio_serve_begin();
	if (!revived && uv_virtbus_add(virt))
		pr_warn("virtual function %u could not be added\n", virt->index);
	if (revived)
		uv_function_limits_changed(virt->pdev);
}

static void uv_virt_settle(struct work_struct *work)
{
	struct uv_virt *virt = container_of(work, struct uv_virt, settle);
	struct uv_wish wish = uv_wish_take(virt);

	if (wish.remove || (wish.images && READ_ONCE(virt->pdev) &&
			    !uv_virtconfig_same(virt, wish.images)))
		uv_settle_remove(virt);
	if (wish.images)
		uv_settle_plug(virt, &wish);
	kvfree(wish.images);
}

/* ---- all of them ---- */

static void uv_virt_free(struct uv_virt *virt)
{
	uv_virtmmio_exit(virt);
	uv_virtirq_exit(virt);
	uv_virtmem_exit(virt);
	kvfree(virt->staged);
	kvfree(virt->wanted);
	kvfree(virt);
}

struct uv_virt *uv_virt_new(unsigned int index, struct uv_link *link)
{
	struct uv_virt *virt;
	int err;

	if (index >= UV_VIRT_MAX || uv_virts[index])
		return ERR_PTR(-EINVAL);
	virt = kvzalloc(sizeof(*virt), GFP_KERNEL);
	if (!virt)
		return ERR_PTR(-ENOMEM);
	virt->index = index;
	virt->link = link;
	raw_spin_lock_init(&virt->lock);
	raw_spin_lock_init(&virt->config.lock);
	INIT_WORK(&virt->settle, uv_virt_settle);
	err = uv_virtmem_init(virt);
	if (!err)
		err = uv_virtirq_init(virt);
	if (!err)
		err = uv_virtmmio_init(virt);
	if (err) {
		uv_virt_free(virt);
		return ERR_PTR(err);
	}
	smp_store_release(&uv_virts[index], virt);	/* whoever sees it sees it whole */
	return virt;
}

static void uv_virts_free(void)
{
	struct uv_virt *virt;
	unsigned int i;

	for (i = 0; i < UV_VIRT_MAX; i++) {
		virt = uv_virts[i];
		uv_virts[i] = NULL;
		if (virt)
			uv_virt_free(virt);
	}
}

int uv_virt_init(void)
{
	int err = -ENOMEM;

	uv_virt_work = alloc_workqueue("uvbus", WQ_UNBOUND, 0);
	if (!uv_virt_work)
		return err;
	err = uv_virtirq_init_domains();
	if (err)
		goto work;
	err = uv_virtbus_init();
	if (err)
		goto domains;
	err = uv_links_init();
	if (err)
		goto bus;
	uv_links_start();
	return 0;
bus:
	uv_virtbus_exit();
	uv_pio_serve_end();
	uv_virts_free();
domains:
	uv_virtirq_exit_domains();
work:
	destroy_workqueue(uv_virt_work);
	return err;
}

static void uv_virts_close(void)
{
	unsigned long irq_flags;
	unsigned int i;

	for (i = 0; i < UV_VIRT_MAX; i++) {
		if (!uv_virts[i])
			continue;
		raw_spin_lock_irqsave(&uv_virts[i]->lock, irq_flags);
		uv_virt_closing = true;
		raw_spin_unlock_irqrestore(&uv_virts[i]->lock, irq_flags);
		cancel_work_sync(&uv_virts[i]->settle);
	}
}

void uv_virt_exit(void)
{
	unsigned int i;

	uv_virts_close();
	uv_virtbus_exit();
	uv_pio_serve_end();
	for (i = 0; i < UV_VIRT_MAX; i++) {
		if (!uv_virts[i])
			continue;
		WRITE_ONCE(uv_virts[i]->state, UV_VIRT_GONE);
		uv_virt_tell(uv_virts[i], UV_MSG_UNPLUGGED);
	}
	uv_links_exit();
	/* a driver that has not unmapped its BARs is left with addresses that reach nothing */
	uv_iomaps_kill(NULL);
	uv_virts_free();
	uv_virtirq_exit_domains();
	destroy_workqueue(uv_virt_work);
}
