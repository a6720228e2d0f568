/* SPDX-License-Identifier: GPL-2.0 */
/* The one ring: written by log.c, set up by main.c, read through chardev.c. */
#ifndef _UVBUS_LOG_H
#define _UVBUS_LOG_H

#include <linux/wait.h>

#include "uvbus.h"
#include "ring.h"

extern struct uv_ring uv_ring;
extern void *uv_ring_memory;		/* header and slots; NULL before set-up */
extern u64 uv_ring_bytes;
extern bool uv_ring_is_shared;		/* lives in an ivshmem BAR */
extern wait_queue_head_t uv_ring_queue;

void uv_ring_wake(void);

/* main.c; all under uv_mutex */
int uv_ring_setup(u64 slot_bytes, u32 policy, u32 flags);
int uv_start(void);
int uv_stop(void);
u64 uv_counter_sum(enum uv_counter which);
u32 uv_state(void);
int uv_ring_use(int change);		/* mmaps of the ring; setup is refused while > 0 */

/* clock.c */
void uv_clock_start(void);

/* function.c */
int uv_function_select(struct uv_select *select);
int uv_function_deselect_all(void);
void uv_functions_snapshot(void);
void uv_functions_rebind(void);
u64 uv_functions_bound(void);
int uv_functions_init(void);
void uv_functions_exit(void);

/* chardev.c */
int uv_chardev_init(void);
void uv_chardev_exit(void);

#endif /* _UVBUS_LOG_H */
