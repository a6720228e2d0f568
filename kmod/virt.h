/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Virtual functions: PCI functions that exist only in this module and in a model
 * behind a link (include/uapi/uvbus_link.h). One concern a file:
 *
 *   virt.c       a virtual function's life: described, plugged, dead, alive, gone
 *   virtbus.c    the host bridge: domain, root bus, windows, scan and removal
 *   virtconfig.c its config space, in the kernel: masks, BARs, MSI, MSI-X, power
 *   virtmem.c    DMA: synthetic IOVAs, dma_map_ops, the device's accesses
 *   virtirq.c    INTx, MSI and MSI-X as the function sends them; table and PBA
 *   virtdomain.c its interrupt controllers: how the CPU gets them
 *   virtmmio.c   the driver's accesses become requests; waits for completions
 *   link.c       rings of a link: send, take, credits, signals
 *   linkmsg.c    what a model says: validated, then carried out in order
 *   linkhome.c   where links live: ivshmem with doorbells, or linkdev.c
 *   linkdev.c    /dev/uvbusN: the link of a model on this machine
 */
#ifndef _UVBUS_VIRT_H
#define _UVBUS_VIRT_H

#include <linux/pci.h>
#include <linux/types.h>

#include "uvbus.h"
#include "include/uapi/uvbus_link.h"

#define UV_VIRT_MAX		UV_LINKS_MAX
#define UV_VIRT_TAGS		64	/* host requests outstanding at once, per function */

struct uv_link;
struct uv_virt_memory;		/* virtmem.c */
struct uv_virt_interrupts;	/* virtirq.c */
struct uv_virt_requests;	/* virtmmio.c */

/* What a model has described: config space at power-on, and what software can change. */
struct uv_virt_images {
	u8	values[PCI_CFG_SPACE_EXP_SIZE];
	u8	writable[PCI_CFG_SPACE_EXP_SIZE];
	u8	clearable[PCI_CFG_SPACE_EXP_SIZE];
	u16	size;		/* 256 or 4096 */
	u16	pm, msi, msix, exp;	/* offsets of capabilities; 0 none */
	u64	bar_length[PCI_STD_NUM_BARS];	/* 0: none, or the upper half of a 64-bit one */
};

/* virtconfig.c: config space as it is. Images change only while there is no pdev. */
struct uv_virt_config {
	struct uv_virt_images	images;
	u8			values[PCI_CFG_SPACE_EXP_SIZE];
	raw_spinlock_t		lock;	/* of values; innermost */
};

enum uv_virt_state {
	UV_VIRT_EMPTY,		/* no function: nothing plugged */
	UV_VIRT_DESCRIBED,	/* HELLO seen, PLUG not yet */
	UV_VIRT_ALIVE,
	UV_VIRT_DEAD,		/* all ones until the next HELLO + PLUG */
	UV_VIRT_GONE,		/* being removed */
};

/**
 * struct uv_virt - a virtual function
 * @index: its number, which is its link's and its device number on the bus
 * @state: enum uv_virt_state; read anywhere, changed under @lock
 * @lock: of @state and of what is wanted; innermost but for config.lock
 * @pdev: the PCI device once plugged; a reference is held
 * @config: its config space
 * @bar_address: bus addresses that mappings of its BARs lead to; it decodes them as long
 *	as its BARs say the same
 * @limits: what the bus allows it
 * @staged: what the model is describing; the link's worker's alone
 * @wanted: described and plugged, not carried out yet; under @lock
 * @remove_wanted: the same of an unplug; under @lock
 * @hellos: counts models; under @lock
 * @settle: carries out what is wanted: adds, revives, removes the device. Not the
 *	link's worker, as drivers probe in it, whose reads that worker must serve
 *
 * Allocated for every link when virtual mode begins; freed at unload, when
 * nobody can reach it any more.
 */
struct uv_virt {
	unsigned int			index;
	enum uv_virt_state		state;
	raw_spinlock_t			lock;
	struct pci_dev			*pdev;
	struct uv_virt_config		config;
	u64				bar_address[PCI_STD_NUM_BARS];
	struct uv_link_limits		limits;
	u64				timeout_ns;	/* completion timeout; the link's to set */
	struct uv_link			*link;
	struct uv_virt_images		*staged;
	struct uv_virt_images		*wanted;
	bool				remove_wanted;
	u64				hellos;
	struct work_struct		settle;
	struct uv_virt_memory		*memory;
	struct uv_virt_interrupts	*interrupts;
	struct uv_virt_requests		*requests;
};

/* Bytes of a request where the model has set no limit: the profile "uvPCI". */
#define UV_VIRT_REQUEST_DEFAULT	128

/* ---- virt.c ---- */

extern bool uv_virtual;			/* module parameter virtual=1 */
extern struct uv_virt *uv_virts[UV_VIRT_MAX];	/* constant between init and exit */

int uv_virt_init(void);			/* after the hooks and the trap are armed */
/* Removes all functions (their drivers may still talk to their models), then the links. */
void uv_virt_exit(void);
/*
 * From uv_links_init(), for every link that it finds: a function for it, which is in
 * uv_virts[index] then; -errno as a pointer. Freed by uv_virt_exit() after uv_links_exit().
 */
struct uv_virt *uv_virt_new(unsigned int index, struct uv_link *link);
/* The virtual function behind a PCI device, or NULL. Any context. */
struct uv_virt *uv_virt_of(const struct pci_dev *pdev);
/* The virtual function whose memory BAR holds a CPU physical address. Any context. */
struct uv_virt *uv_virt_of_range(u64 phys, u8 *bar, u64 *offset);
struct uv_virt *uv_virt_of_port(u32 port, u8 *bar, u64 *offset);
static inline bool uv_virt_alive(const struct uv_virt *virt)
{
	return READ_ONCE(virt->state) == UV_VIRT_ALIVE;
}

/*
 * The model did not answer or broke the protocol: all ones from now on. Tells the link
 * (uv_link_dead) and fails who waits. Any context; no lock of the link is held.
 */
void uv_virt_die(struct uv_virt *virt, enum uv_link_reason reason);
/*
 * From linkmsg.c, in the link's worker (process context). They do not wait for drivers:
 * the device appears and disappears later, and UV_MSG_PLUGGED and UV_MSG_UNPLUGGED are
 * sent then, from virt.c. UV_REASON_NONE, or why not.
 */
enum uv_link_reason uv_virt_hello(struct uv_virt *virt);
enum uv_link_reason uv_virt_plug(struct uv_virt *virt);	/* add the device, or revive it */
void uv_virt_unplug(struct uv_virt *virt);		/* surprise removal */

/* ---- virtbus.c ---- */

int uv_virtbus_init(void);		/* domain, windows, root bus, empty */
void uv_virtbus_exit(void);		/* stops and removes the bus with all functions */
int uv_virtbus_add(struct uv_virt *virt);	/* scan slot virt->index, assign, add; sets pdev */
void uv_virtbus_remove(struct uv_virt *virt);
u64 uv_virtbus_number(const struct uv_virt *virt);	/* domain << 16 | bus/devfn */

/* ---- virtconfig.c ---- */

/* From linkmsg.c, between HELLO and PLUG: 0, or -EINVAL: out of range or out of turn. */
int uv_virtconfig_image(struct uv_virt *virt, enum uv_config_image which, u32 offset,
			const void *data, u32 length);
/* Is it a type 0 function's? Finds capabilities, and puts right what software can write. */
enum uv_link_reason uv_virtconfig_check(struct uv_virt_images *images);
bool uv_virtconfig_has_ports(const struct uv_virt_images *images);
bool uv_virtconfig_same(const struct uv_virt *virt, const struct uv_virt_images *images);
void uv_virtconfig_install(struct uv_virt *virt, const struct uv_virt_images *images);
/* Values as at power-on; with_bars: but BARs as they were assigned. */
void uv_virtconfig_reset(struct uv_virt *virt, bool with_bars);
/* Bits that the bus itself changes: Status, pending bits. Any context. */
void uv_virtconfig_change(struct uv_virt *virt, u16 where, u8 size, u32 clear, u32 set);
int uv_virtconfig_read(struct uv_virt *virt, int where, int size, u32 *value);
int uv_virtconfig_write(struct uv_virt *virt, int where, int size, u32 value);
int uv_virtconfig_set(struct uv_virt *virt, u32 where, u32 size, u32 value);	/* by the model */
u32 uv_virtconfig_get(struct uv_virt *virt, u16 where, u8 size);	/* any context */
bool uv_virtconfig_memory_on(struct uv_virt *virt);	/* decode on, in D0 */
bool uv_virtconfig_io_on(struct uv_virt *virt);
bool uv_virtconfig_master(struct uv_virt *virt);	/* bus mastering on, in D0 */

/* ---- virtmem.c ---- */

int uv_virtmem_init(struct uv_virt *virt);
void uv_virtmem_exit(struct uv_virt *virt);
void uv_virtmem_attach(struct pci_dev *pdev);	/* sets its dma_map_ops; at ADD and BIND */
void uv_virtmem_forget(struct uv_virt *virt);	/* the device has gone: no mapping is left */
/*
 * The device's access, checked as a whole before memory is touched: UV_STATUS_OK,
 * or UNSUPPORTED (no such mapping, direction, limits) and nothing touched.
 * Any context, interrupts off. Made records are the caller's (linkmsg.c).
 */
enum uv_status uv_virtmem_access(struct uv_virt *virt, u64 iova, void *data, u32 length,
				 bool write);

/* ---- virtirq.c ---- */

int uv_virtirq_init_domains(void);	/* bus-wide, before the bus */
void uv_virtirq_exit_domains(void);
struct irq_domain *uv_virtirq_msi_domain(void);
int uv_virtirq_init(struct uv_virt *virt);
int uv_virtirq_install(struct uv_virt *virt);	/* vectors of new images; no pdev yet */
void uv_virtirq_exit(struct uv_virt *virt);
unsigned int uv_virtirq_line(struct uv_virt *virt);	/* Linux irq of its INTx */
/* Any context, interrupts off. They make their records, also of what is refused. */
void uv_virtirq_raise(struct uv_virt *virt, u16 vector, u32 flags);
void uv_virtirq_intx(struct uv_virt *virt, bool assert);
void uv_virtirq_message(struct uv_virt *virt, u64 address, u32 data, u32 flags);
/* Config space changed (MSI/MSI-X control, Command): re-evaluate. */
void uv_virtirq_config_changed(struct uv_virt *virt);
/* MSI-X table and PBA live here: true if the access is theirs (read: *value set). */
bool uv_virtirq_table(struct uv_virt *virt, u8 bar, u64 offset, u8 width, bool write,
		      u64 *value);
void uv_virtirq_reset(struct uv_virt *virt);

/* ---- virtmmio.c: from trap.c and pio.c ---- */

/*
 * The driver's access to a virtual function: makes the request's and the
 * completion's records (rec: described by the caller, without phase and value;
 * NULL while not recording), sends the message and, for what is non-posted, waits.
 * Any context but NMI; interrupts as the driver had them. Reads give all ones on
 * failure.
 */
u64 uv_virtmmio_read(struct uv_virt *virt, struct uv_record *rec, u8 bar, u64 offset, u8 width);
void uv_virtmmio_write(struct uv_virt *virt, struct uv_record *rec, u8 bar, u64 offset, u8 width,
		       u64 value);
/* From linkmsg.c: a completion has come. False: nobody waits for that tag. */
bool uv_virtmmio_complete(struct uv_virt *virt, u64 tag, enum uv_status status, u64 value,
			  u32 length);
/* Everybody who waits gets all ones. Any context. */
void uv_virtmmio_fail_all(struct uv_virt *virt);
int uv_virtmmio_init(struct uv_virt *virt);
void uv_virtmmio_exit(struct uv_virt *virt);

/* ---- link.c, linkmsg.c, linkhome.c, linkdev.c ---- */

enum uv_credit {		/* one full class must not block what may pass it */
	UV_CREDIT_POSTED,
	UV_CREDIT_NONPOSTED,
	UV_CREDIT_COMPLETION,
};

/*
 * Append a message (number and time are set here). Any context but NMI; spins for
 * room at most until the function's completion timeout, then the function is dead. Takes
 * the model's messages while it spins: no lock of the function is held.
 * 0, -EPIPE (no model, dead), -ETIMEDOUT.
 */
int uv_link_send(struct uv_link *link, struct uv_message *message, const void *data, u32 length,
		 enum uv_credit credit);
/*
 * Take and carry out what the model has sent, in order, as long as nobody else on
 * another CPU is doing so. Any context but NMI; called by waiters too.
 */
void uv_link_drain(struct uv_link *link);
u32 uv_link_data_max(const struct uv_link *link);
/* The function has died: state and reason into the header, signal. Any context. */
void uv_link_dead(struct uv_link *link, enum uv_link_reason reason);
/*
 * Local home: this CPU runs the model's task, or has just interrupted it, so that an
 * interrupt must be raised elsewhere. False in a VM. Any context.
 */
bool uv_link_on_model_cpu(const struct uv_link *link);
int uv_links_init(void);		/* finds the homes; uv_virt_new() for each link */
void uv_links_start(void);		/* state WAITING; messages are taken from now on */
void uv_links_exit(void);		/* state CLOSED, after the functions have gone */

#endif /* _UVBUS_VIRT_H */
