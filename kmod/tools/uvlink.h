/* SPDX-License-Identifier: GPL-2.0 */
/* What uvlink.c and uvlink_fuzz.c share: the model's end of one link. */
#ifndef UVLINK_H
#define UVLINK_H

#include <stdbool.h>
#include <stdint.h>

#include "link.h"

#define REGISTERS	1024	/* of 4 bytes: BAR 0 */
#define DMA_MAX		4096
#define BACKLOG		256
#define TAGS		16
#define MAX_PAYLOAD	256
#define MAX_READ	512

/* Registers that do something; the others hold what was written. */
#define REG_ID		0x00
#define REG_INTERRUPT	0x08	/* write: raises that vector */
#define REG_DMA_LOW	0x10
#define REG_DMA_HIGH	0x14
#define REG_DMA_LENGTH	0x18
#define REG_DMA_GO	0x1c	/* write 1: read memory, 2: write it; then vector 0 */
#define REG_DMA_DONE	0x20	/* how many have been done */
#define REG_DMA_SUM	0x24	/* of the bytes that were read */
#define DEVICE_ID	0x4b4c5655	/* what REG_ID reads */

struct options {
	unsigned long	spin_us;	/* look so long before going to sleep */
	long		mute_after;	/* reads that are answered; -1: all */
	long		late_after;	/* this read is answered late; -1: none */
	unsigned long	late_ms;
	bool		twice;		/* every read is answered twice */
	unsigned long	timeout_ms;	/* the completion timeout asked for; 0: the module's */
	unsigned long	device;		/* the PCI device ID */
	bool		bare;		/* no capabilities */
};

/* A message as it was taken. */
struct item {
	struct uv_message	message;
	uint8_t			data[UV_LINK_DATA_MAX];
};

struct model {
	struct uv_link_header	*header;
	struct uv_link_geometry	geometry;
	struct uv_link_sender	send;
	struct uv_link_taker	take;
	int			wake_fd, kick_fd;	/* of /dev/uvbusN: the same file */
	bool			local;
	struct options		options;
	uint32_t		number;
	bool			welcome, plugged, unplugged;
	uint64_t		domain;			/* PLUGGED's value */
	uint32_t		registers[REGISTERS];
	uint8_t			dma[DMA_MAX];
	uint32_t		dma_left;
	struct item		backlog[BACKLOG];	/* taken, not yet answered */
	uint32_t		backlog_first, backlog_count;
	uint64_t		tags[TAGS];		/* of requests seen lately */
	uint64_t		messages, reads, writes, sleeps;
};

__attribute__((format(printf, 1, 2), noreturn))
void die(const char *format, ...);
uint64_t now_ns(void);
extern volatile int stopped;		/* a signal has come */

/* Appends a message; takes what comes while there is no room. False: there is none at all. */
bool model_send(struct model *model, struct uv_message *message, const void *data,
		uint32_t length);
void model_flush(struct model *model);
/* Takes and answers what is there. */
void model_serve(struct model *model);
/* Until something comes, or so long. */
void model_sleep(struct model *model, int timeout_ms);
/* HELLO to PLUG. False: refused, or no answer in time. */
bool model_attach(struct model *model, int timeout_ms);
void fuzz(struct model *model, uint64_t seed, uint64_t count);

#endif /* UVLINK_H */
