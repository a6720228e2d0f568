/* SPDX-License-Identifier: GPL-2.0 */
/* What link.c, linkmsg.c, linkhome.c, linkdev.c and virtmmio.c share. */
#ifndef _UVBUS_LINKS_H
#define _UVBUS_LINKS_H

#include <linux/atomic.h>
#include <linux/irq_work.h>
#include <linux/sched.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#include "virt.h"
#include "link.h"

/* The device's reads that wait for room for their completions. */
#define UV_LINK_READS		64
#define UV_LIMIT_TIMEOUT_MIN	NSEC_PER_MSEC
#define UV_LIMIT_TIMEOUT_MAX	(10ULL * NSEC_PER_SEC)
#define UV_VM_TIMEOUT		NSEC_PER_SEC
#define UV_LOCAL_TIMEOUT	(50ULL * NSEC_PER_MSEC)

/* A DMA read that was delivered and is not yet wholly completed. */
struct uv_link_read {
	u64	iova;		/* of what is still to come */
	u64	tag;		/* the model's */
	u64	record_tag;	/* 0: its request has no record */
	u32	left;
	u32	flags;
};

/**
 * struct uv_link - one link
 * @index: of its function
 * @virt: the function that its model plays
 * @local: /dev/uvbusN; else in a VM's shared memory
 * @header: the shared memory; NULL while there is none. Changed under both locks
 * @send_lock: serialises what goes to the model, and the records of it; inside @take_lock
 * @take_lock: whoever holds it takes the model's messages; interrupts off
 * @state: enum uv_link_state; written under @send_lock, read anywhere
 * @again: somebody wants a look, and another CPU was taking
 * @held: the worker has @control to carry out: nothing else is taken; under @take_lock
 * @pollers: waiters that look by themselves, so that no notification is needed
 */
struct uv_link {
	unsigned int		index;
	struct uv_virt		*virt;
	bool			local;
	struct uv_link_header	*header;
	struct uv_link_geometry	geometry;
	u32			state;
	u64			generation;
	u64			default_timeout_ns;

	raw_spinlock_t		send_lock;
	struct uv_link_sender	send;
	u32			send_number;

	raw_spinlock_t		take_lock;
	struct uv_link_taker	take;
	bool			again;
	bool			held;
	bool			by_waiter;	/* who takes is a waiter; under take_lock */
	atomic_t		pollers;
	struct uv_message	message;	/* being carried out; under take_lock */
	u8			data[UV_LINK_DATA_MAX];
	struct uv_link_read	reads[UV_LINK_READS];	/* a queue; under take_lock */
	unsigned int		reads_first, reads_count;
	u8			read_data[UV_LINK_DATA_MAX];

	/* the worker's, while held */
	struct uv_message	control;
	u8			control_data[UV_LINK_DATA_MAX];
	struct work_struct	control_work;
	struct work_struct	drain_work;

	/* linkdev.c */
	pid_t			model;		/* thread group of who has it open; 0 none */
	wait_queue_head_t	queue;
	struct irq_work		wake_work;
	call_single_data_t	wake_elsewhere;
};

/* ---- link.c ---- */

extern struct workqueue_struct *uv_link_workers;

struct uv_link *uv_link_new(unsigned int index, bool local, u64 timeout_ns);
void uv_link_free_link(struct uv_link *link);
/* Memory comes (its geometry was checked) and goes; nobody uses the old one after return. */
void uv_link_set_memory(struct uv_link *link, struct uv_link_header *header,
			const struct uv_link_geometry *geometry);
void uv_link_set_state(struct uv_link *link, enum uv_link_state state,
		       enum uv_link_reason reason);
/* A HELLO was accepted: a new generation; says WELCOME. */
void uv_link_attach(struct uv_link *link);
/*
 * Put one message if there is room: 0, -EAGAIN, -EPIPE, -EPROTO. rec: the record of its
 * issue, or NULL; written under the lock, so that records are in the link's order.
 */
int uv_link_try_send(struct uv_link *link, struct uv_message *message, const void *data,
		     u32 length, enum uv_credit credit, struct uv_record *rec);
int uv_link_send_recorded(struct uv_link *link, struct uv_message *message, const void *data,
			  u32 length, enum uv_credit credit, struct uv_record *rec);
/* Take at most some messages. True: there are more. */
bool uv_link_take(struct uv_link *link, unsigned int budget, bool waiter);
void uv_link_poll_begin(struct uv_link *link);
void uv_link_poll_end(struct uv_link *link);
/* Waiting for the model would be in vain: this CPU runs it, or there is no other. */
bool uv_link_wait_is_vain(const struct uv_link *link);
static inline bool uv_link_attached(const struct uv_link *link)
{
	return READ_ONCE(link->state) == UV_LINK_ATTACHED;
}

/* ---- linkmsg.c ---- */

/* Carry out link->message; take_lock held, interrupts off. What is wrong with it. */
enum uv_link_reason uv_link_carry_out(struct uv_link *link);
/* Completions of reads that waited for room. False: there still is none. */
bool uv_link_answer_reads(struct uv_link *link);
void uv_link_control(struct work_struct *work);

/* ---- linkhome.c ---- */

/* Make the model look; send_lock held. */
void uv_link_notify(struct uv_link *link, u64 signals);

/* ---- linkdev.c ---- */

int uv_linkdev_init(struct uv_link *link);
void uv_linkdev_exit(struct uv_link *link);
void uv_linkdev_notify(struct uv_link *link);

#endif /* _UVBUS_LINKS_H */
