// SPDX-License-Identifier: GPL-2.0
/*
 * What a model says: validated, then carried out in order.
 *
 * Nothing that a model sends can do more than its function could: DMA is checked
 * against the live mappings, interrupts against config space. What a function
 * could not say at all ends the link: UV_REASON_PROTOCOL.
 *
 * Transactions are carried out where they are taken, interrupts off. What makes or
 * unmakes a device is handed to a worker, and nothing else is taken meanwhile.
 */
#include <linux/log2.h>
#include <linux/rcupdate.h>

#include "links.h"

#define ATTRIBUTES	(UV_FLAG_RELAXED | UV_FLAG_ID_ORDERED | UV_FLAG_NO_SNOOP)
#define REQUEST_MAX	4096

/* ---- records ---- */

/* The traced function of a device that may be about to go; RCU. NULL: nothing to record. */
static struct uv_function *uv_message_function(const struct uv_virt *virt)
{
	const struct pci_dev *pdev = READ_ONCE(virt->pdev);

	return uv_recording() && pdev ? uv_function_of(&pdev->dev) : NULL;
}

/* Of DMA. False: nobody records this function. */
static bool uv_dma_record(struct uv_record *rec, const struct uv_virt *virt, enum uv_kind kind,
			  u64 address, u32 length, u32 flags)
{
	const struct uv_function *fn = uv_message_function(virt);

	if (!fn)
		return false;
	uv_event(rec, kind, fn);
	/* the context is that of whoever took the message, and says nothing */
	rec->flags = flags;
	rec->tid = 0;
	rec->address = address;
	rec->length = length;
	rec->bus.requester = PCI_DEVID(0, PCI_DEVFN(virt->index, 0));
	rec->bus.attributes = (flags & UV_FLAG_NO_SNOOP ? 1 : 0) |
			      (flags & UV_FLAG_RELAXED ? 2 : 0) |
			      (flags & UV_FLAG_ID_ORDERED ? 4 : 0);
	return true;
}

static void uv_value_of(struct uv_record *rec, const void *data, u32 length)
{
	__le64 value = 0;

	memcpy(&value, data, min_t(u32, length, sizeof(value)));
	rec->value = le64_to_cpu(value);
	if (length > sizeof(value))
		rec->flags |= UV_FLAG_VALUE_CUT;
}

/* ---- DMA ---- */

/* May it use the bus at all? */
static bool uv_is_master(struct uv_virt *virt)
{
	return uv_virt_alive(virt) && uv_virtconfig_master(virt);
}

static void uv_carry_out_write(struct uv_link *link)
{
	const struct uv_message *message = &link->message;
	enum uv_status status = UV_STATUS_REFUSED;
	struct uv_virt *virt = link->virt;
	struct uv_record rec;

	uv_link_data(&link->take, link->data, message->length);
	if (uv_is_master(virt) &&
	    uv_virtmem_access(virt, message->address, link->data, message->length, true) ==
	    UV_STATUS_OK)
		status = UV_STATUS_OK;
	rcu_read_lock();
	if (uv_dma_record(&rec, virt, UV_KIND_DMA_WRITE, message->address, message->length,
			  message->flags | UV_FLAG_WRITE)) {
		rec.status = status;
		rec.tag = message->tag;
		uv_value_of(&rec, link->data, message->length);
		uv_emit_irqs_off(&rec, link->data, message->length);
	}
	rcu_read_unlock();
}

/* Bytes of the next completion of a read: they end where a multiple of the payload does. */
static u32 uv_part(const struct uv_link *link, const struct uv_link_read *read)
{
	u32 payload = link->virt->limits.max_payload ?: UV_VIRT_REQUEST_DEFAULT;
	u32 unit = rounddown_pow_of_two(min(payload, uv_link_data_max(link)));

	return min_t(u32, read->left, unit - (read->iova & (unit - 1)));
}

/* Send one completion; 0, -EAGAIN, or it can never be sent. */
static int uv_complete_part(struct uv_link *link, struct uv_link_read *read,
			    enum uv_status status, const void *data, u32 length)
{
	struct uv_message completion = {
		.type = UV_MSG_COMPLETION,
		.status = status,
		.flags = read->flags,
		.address = read->iova,
		.length = length,
		.byte_count = read->left,
		.tag = read->tag,
	};
	struct uv_record rec;
	bool recorded;
	int err;

	rcu_read_lock();
	recorded = read->record_tag && uv_dma_record(&rec, link->virt, UV_KIND_DMA_READ,
						     read->iova, length, read->flags);
	if (recorded) {
		rec.phase = UV_PHASE_COMPLETION;
		rec.status = status;
		rec.tag = read->record_tag;
		rec.bus.byte_count = read->left;
		if (length)
			uv_value_of(&rec, data, length);
	}
	err = uv_link_try_send(link, &completion, data, length, UV_CREDIT_COMPLETION,
			       recorded ? &rec : NULL);
	rcu_read_unlock();
	return err;
}

/* What is left of a read, as far as there is room. False: more is to come. */
static bool uv_answer_read(struct uv_link *link, struct uv_link_read *read)
{
	struct uv_virt *virt = link->virt;
	u32 at = 0, length;
	int err;

	if (!uv_is_master(virt) ||
	    uv_virtmem_access(virt, read->iova, link->read_data, read->left, false) !=
	    UV_STATUS_OK)
		return uv_complete_part(link, read, UV_STATUS_UNSUPPORTED, NULL, 0) != -EAGAIN;
	do {
		length = uv_part(link, read);
		err = uv_complete_part(link, read, UV_STATUS_OK, link->read_data + at, length);
		if (err)
			return err != -EAGAIN;
		at += length;
		read->iova += length;
		read->left -= length;
	} while (read->left);
	return true;
}

bool uv_link_answer_reads(struct uv_link *link)
{
	while (link->reads_count) {
		if (!uv_answer_read(link, &link->reads[link->reads_first])) {
			if (!uv_link_wait_for_room(&link->send))
				return false;
			continue;
		}
		link->reads_first = (link->reads_first + 1) % UV_LINK_READS;
		link->reads_count--;
	}
	return true;
}

static void uv_carry_out_read(struct uv_link *link)
{
	const struct uv_message *message = &link->message;
	struct uv_virt *virt = link->virt;
	struct uv_link_read *read;
	struct uv_record rec;

	if (!uv_link_attached(link))
		return;		/* nobody to answer */
	read = &link->reads[(link->reads_first + link->reads_count++) % UV_LINK_READS];
	read->iova = message->address;
	read->tag = message->tag;
	read->left = message->length;
	read->flags = message->flags;
	read->record_tag = 0;
	rcu_read_lock();
	if (uv_dma_record(&rec, virt, UV_KIND_DMA_READ, message->address, message->length,
			  message->flags)) {
		read->record_tag = uv_new_tag();
		rec.phase = UV_PHASE_REQUEST;
		rec.tag = read->record_tag;
		/* whether it will find memory is looked at again for every part */
		if (!uv_is_master(virt) ||
		    uv_virtmem_access(virt, read->iova, link->read_data, read->left, false) !=
		    UV_STATUS_OK)
			rec.status = UV_STATUS_REFUSED;
		uv_emit_irqs_off(&rec, NULL, 0);
	}
	rcu_read_unlock();
	uv_link_answer_reads(link);
}

/* ---- the other transactions ---- */

/* Text becomes a mark of the recording. */
static void uv_carry_out_log(struct uv_link *link)
{
	struct uv_record rec;
	u32 length = link->message.length;

	if (!uv_recording())
		return;
	uv_link_data(&link->take, link->data, length);
	rcu_read_lock();
	uv_event(&rec, UV_KIND_MARK, uv_message_function(link->virt));
	rec.length = length;
	rec.meta.chunks = 1;
	rec.meta.total = length;
	uv_emit_irqs_off(&rec, link->data, length);
	rcu_read_unlock();
}

/* A completion of the driver's read or port write. */
static void uv_carry_out_completion(struct uv_link *link)
{
	const struct uv_message *message = &link->message;

	uv_virtmmio_complete(link->virt, message->tag, message->status, message->value,
			     message->length);
}

static bool uv_config_set_fits(const struct uv_message *message)
{
	return (message->length == 1 || message->length == 2 || message->length == 4) &&
	       message->address <= PCI_CFG_SPACE_EXP_SIZE - message->length &&
	       message->address % message->length == 0;
}

static bool uv_status_is_known(u8 status)
{
	return status == UV_STATUS_OK || status == UV_STATUS_UNSUPPORTED ||
	       status == UV_STATUS_RETRY || status == UV_STATUS_ABORT;
}

/* False: no function could say that. */
static bool uv_transaction(struct uv_link *link)
{
	const struct uv_message *message = &link->message;
	struct uv_virt *virt = link->virt;

	switch (message->type) {
	case UV_MSG_DMA_READ:
		uv_carry_out_read(link);
		return true;
	case UV_MSG_DMA_WRITE:
		if (message->length > uv_link_data_max(link))
			return false;
		uv_carry_out_write(link);
		return true;
	case UV_MSG_INTERRUPT:
		uv_virtirq_raise(virt, message->vector, message->flags);
		return true;
	case UV_MSG_INTX:
		if (message->value > 1)
			return false;
		uv_virtirq_intx(virt, message->value);
		return true;
	case UV_MSG_MESSAGE:
		if (message->value > U32_MAX)
			return false;
		uv_virtirq_message(virt, message->address, message->value, message->flags);
		return true;
	case UV_MSG_CONFIG_SET:
		return uv_config_set_fits(message) &&
		       !uv_virtconfig_set(virt, message->address, message->length,
					  message->value);
	case UV_MSG_LOG:
		if (message->length > uv_link_data_max(link))
			return false;
		uv_carry_out_log(link);
		return true;
	case UV_MSG_COMPLETION:
		if (!uv_status_is_known(message->status))
			return false;
		uv_carry_out_completion(link);
		return true;
	default:
		return false;
	}
}

static bool uv_is_control(u8 type)
{
	return type >= UV_MSG_HELLO && type <= UV_MSG_UNPLUG;
}

/* The length of data that a control message carries; none is longer than data_max. */
static u32 uv_control_data(const struct uv_message *message)
{
	return message->type == UV_MSG_CONFIG || message->type == UV_MSG_LIMITS ?
	       message->length : 0;
}

static enum uv_link_reason uv_hand_over(struct uv_link *link)
{
	u32 length = uv_control_data(&link->message);

	if (length > uv_link_data_max(link))
		return UV_REASON_PROTOCOL;
	link->control = link->message;
	uv_link_data(&link->take, link->control_data, length);
	link->held = true;
	queue_work(uv_link_workers, &link->control_work);
	return UV_REASON_NONE;
}

enum uv_link_reason uv_link_carry_out(struct uv_link *link)
{
	const struct uv_message *message = &link->message;
	u32 state = READ_ONCE(link->state);

	if (message->type == UV_MSG_HELLO)
		return uv_hand_over(link);
	/* What a model says before its HELLO is an earlier one's, or nobody's. */
	if (state != UV_LINK_ATTACHED && state != UV_LINK_DEAD)
		return UV_REASON_NONE;
	if (message->flags & ~ATTRIBUTES)
		return UV_REASON_PROTOCOL;
	if (uv_is_control(message->type))
		return state == UV_LINK_ATTACHED ? uv_hand_over(link) : UV_REASON_NONE;
	return uv_transaction(link) ? UV_REASON_NONE : UV_REASON_PROTOCOL;
}

/* ---- the worker ---- */

/* Zero stands for the default, which virtmem.c knows. */
static bool uv_is_size(u32 value)
{
	return !value || (is_power_of_2(value) && value >= UV_VIRT_REQUEST_DEFAULT &&
			  value <= REQUEST_MAX);
}

static enum uv_link_reason uv_limits(struct uv_link *link)
{
	struct uv_virt *virt = link->virt;
	struct uv_link_limits limits;

	if (link->control.length != sizeof(limits) || uv_virt_alive(virt))
		return UV_REASON_PROTOCOL;
	memcpy(&limits, link->control_data, sizeof(limits));
	limits.timeout_ns = limits.timeout_ns ?: link->default_timeout_ns;
	if (!uv_is_size(limits.max_payload) || !uv_is_size(limits.max_read_request) ||
	    (limits.alignment > 1 && limits.alignment != 4) || limits.reads > UV_LINK_READS ||
	    limits.expansion > 1 || limits.timeout_ns < UV_LIMIT_TIMEOUT_MIN ||
	    limits.timeout_ns > UV_LIMIT_TIMEOUT_MAX)
		return UV_REASON_PROTOCOL;
	virt->limits = limits;
	WRITE_ONCE(virt->timeout_ns, limits.timeout_ns);
	uv_link_set_state(link, UV_LINK_ATTACHED, UV_REASON_NONE);	/* shows the timeout */
	return UV_REASON_NONE;
}

static enum uv_link_reason uv_hello(struct uv_link *link)
{
	enum uv_link_reason reason = UV_REASON_VERSION;
	struct uv_virt *virt = link->virt;

	if (link->control.value == UV_LINK_VERSION)
		reason = uv_virt_hello(virt);
	uv_virtmmio_fail_all(virt);	/* an earlier model's */
	if (reason != UV_REASON_NONE) {
		uv_link_set_state(link, UV_LINK_DEAD, reason);
		return UV_REASON_NONE;
	}
	WRITE_ONCE(virt->timeout_ns, link->default_timeout_ns);
	memset(&virt->limits, 0, sizeof(virt->limits));
	uv_link_attach(link);
	return UV_REASON_NONE;
}

static enum uv_link_reason uv_control(struct uv_link *link)
{
	const struct uv_message *message = &link->control;

	if (message->type == UV_MSG_HELLO)
		return uv_hello(link);
	if (!uv_link_attached(link))
		return UV_REASON_NONE;	/* it has died since */
	switch (message->type) {
	case UV_MSG_CONFIG:
		if (message->bar > UV_IMAGE_CLEARABLE ||
		    message->address > PCI_CFG_SPACE_EXP_SIZE ||
		    uv_virtconfig_image(link->virt, message->bar, message->address,
					link->control_data, message->length))
			return UV_REASON_PROTOCOL;
		return UV_REASON_NONE;
	case UV_MSG_LIMITS:
		return uv_limits(link);
	case UV_MSG_PLUG:
		return uv_virt_plug(link->virt);
	default:
		uv_virt_unplug(link->virt);
		return UV_REASON_NONE;
	}
}

void uv_link_control(struct work_struct *work)
{
	struct uv_link *link = container_of(work, struct uv_link, control_work);
	enum uv_link_reason reason = uv_control(link);
	unsigned long flags;

	if (reason != UV_REASON_NONE)
		uv_virt_die(link->virt, reason);
	raw_spin_lock_irqsave(&link->take_lock, flags);
	/* reads that an earlier model left belong to nobody */
	if (link->control.type == UV_MSG_HELLO)
		link->reads_count = 0;
	link->held = false;
	raw_spin_unlock_irqrestore(&link->take_lock, flags);
	uv_link_drain(link);
}
