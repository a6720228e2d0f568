// SPDX-License-Identifier: GPL-2.0
/*
 * uvlink: a small model behind a link, for tests: an honest one, a faulty one, a
 * hostile one. Static, so that it runs in any guest.
 *
 * Its function has one BAR of 4 KiB with registers (uvlink.h), MSI and MSI-X.
 * tests/uvtraffic.c is the driver.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "uvlink.h"

#define SLOTS		256
#define DATA		1024
#define ATTACH_MS	5000

static const char usage[] =
	"usage: uvlink [options] MEMORY OFFSET WAKE_FD KICK_FD [COMMAND]   a VM's link, on its host\n"
	"       uvlink [options] /dev/uvbusN [COMMAND]                     a link of this machine\n"
	"COMMAND: serve (the default) | fuzz SEED COUNT\n"
	"  --spin US         look so long before going to sleep\n"
	"  --mute-after N    answer only so many reads\n"
	"  --late N:MS       answer the nth read late\n"
	"  --twice           answer every read twice\n"
	"  --timeout MS      ask for this completion timeout\n"
	"  --device ID       PCI device ID (default 0xfffe)\n"
	"  --bare            no capabilities\n";

volatile int stopped;

void die(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	fputs("uvlink: ", stderr);
	vfprintf(stderr, format, arguments);
	fputc('\n', stderr);
	va_end(arguments);
	exit(1);
}

uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000ULL + now.tv_nsec;
}

static void on_signal(int number)
{
	(void)number;
	stopped = 1;
}

/* ---- the link ---- */

static void model_kick(struct model *model)
{
	uint64_t signals = model->local ? UV_SIGNAL_MESSAGES : 1;

	if (write(model->kick_fd, &signals, sizeof(signals)) != sizeof(signals) && errno != EAGAIN)
		die("kick: %s", strerror(errno));
}

void model_flush(struct model *model)
{
	if (uv_link_publish(&model->send))
		model_kick(model);
}

void model_sleep(struct model *model, int timeout_ms)
{
	struct pollfd look = { .fd = model->wake_fd, .events = POLLIN };
	uint64_t signals;

	model_flush(model);
	if (uv_link_arm(&model->take))
		return;
	model->sleeps++;
	if (poll(&look, 1, timeout_ms) > 0 &&
	    read(model->wake_fd, &signals, sizeof(signals)) < 0 && errno != EAGAIN && errno != EINTR)
		die("wake: %s", strerror(errno));
	uv_link_disarm(&model->take);
}

/* Out of the ring, so that the kernel has room again. */
static void model_collect(struct model *model)
{
	struct item *item;
	int found = 1;

	while (model->backlog_count < BACKLOG) {
		item = &model->backlog[(model->backlog_first + model->backlog_count) % BACKLOG];
		found = uv_link_next(&model->take, &item->message);
		if (found != 1)
			break;
		if (item->message.type == UV_MSG_COMPLETION &&
		    item->message.length <= uv_link_data_bytes(&model->geometry))
			uv_link_data(&model->take, item->data, item->message.length);
		uv_link_taken(&model->take);
		model->tags[model->messages++ % TAGS] = item->message.tag;
		model->backlog_count++;
	}
	if (found == UV_LINK_BROKEN)
		die("the kernel's position cannot be");
	if (uv_link_free(&model->take))
		model_kick(model);
}

bool model_send(struct model *model, struct uv_message *message, const void *data, uint32_t length)
{
	uint64_t deadline = 0;
	int64_t room;

	while ((room = uv_link_room(&model->send, 1)) < 1) {
		model_flush(model);
		model_collect(model);	/* the kernel may wait for room, too */
		if (room == UV_LINK_BROKEN || (deadline && now_ns() > deadline) || stopped)
			return false;
		if (!deadline)
			deadline = now_ns() + ATTACH_MS * 1000000ULL;
		if (!uv_link_wait_for_room(&model->send))
			usleep(50);
	}
	message->number = model->number++;
	uv_link_put(&model->send, message, data, length);
	return true;
}

/* ---- the device ---- */

static void send_interrupt(struct model *model, uint32_t vector)
{
	struct uv_message message = { .type = UV_MSG_INTERRUPT, .vector = vector };

	model_send(model, &message, NULL, 0);
}

/* Requests for at most `limit` bytes each, none across a boundary of 4 KiB. */
static void dma_requests(struct model *model, uint8_t type, uint32_t limit)
{
	uint64_t address = model->registers[REG_DMA_LOW / 4] |
			   (uint64_t)model->registers[REG_DMA_HIGH / 4] << 32;
	uint32_t length = model->registers[REG_DMA_LENGTH / 4], at = 0, part;

	while (at < length) {
		struct uv_message message = { .type = type, .address = address + at, .tag = at + 1 };

		part = length - at < limit ? length - at : limit;
		if (part > limit - (address + at) % limit)
			part = limit - (address + at) % limit;
		message.length = part;
		model_send(model, &message, model->dma + at, type == UV_MSG_DMA_WRITE ? part : 0);
		at += part;
	}
}

static void dma_go(struct model *model, uint32_t command)
{
	uint32_t length = model->registers[REG_DMA_LENGTH / 4], at;

	if (length > DMA_MAX || model->dma_left)
		return;
	if (command == 1) {
		model->dma_left = length;
		dma_requests(model, UV_MSG_DMA_READ, MAX_READ);
		return;
	}
	for (at = 0; at < length; at++)
		model->dma[at] = at * 7 + model->registers[REG_DMA_DONE / 4];
	dma_requests(model, UV_MSG_DMA_WRITE, MAX_PAYLOAD);
	model->registers[REG_DMA_DONE / 4]++;
	send_interrupt(model, 0);
}

/* A part of what was asked for: the tag says where it began. */
static void dma_completed(struct model *model, const struct item *item)
{
	const struct uv_message *message = &item->message;
	uint32_t sum = 0, at;

	if (!model->dma_left)
		return;
	if (message->status != UV_STATUS_OK || message->length > model->dma_left) {
		model->dma_left = 0;
		return;
	}
	for (at = 0; at < message->length; at++)
		sum += item->data[at];
	model->registers[REG_DMA_SUM / 4] += sum;
	model->dma_left -= message->length;
	if (!model->dma_left) {
		model->registers[REG_DMA_DONE / 4]++;
		send_interrupt(model, 0);
	}
}

static void register_write(struct model *model, const struct uv_message *message)
{
	uint64_t value = message->value;

	model->writes++;
	if (message->address + message->length > sizeof(model->registers) || message->length > 8)
		return;
	if (message->address != REG_ID)
		memcpy((uint8_t *)model->registers + message->address, &value, message->length);
	if (message->address == REG_INTERRUPT)
		send_interrupt(model, value);
	else if (message->address == REG_DMA_GO)
		dma_go(model, value);
}

static void register_read(struct model *model, const struct uv_message *message)
{
	struct uv_message answer = {
		.type = UV_MSG_COMPLETION, .tag = message->tag, .length = message->length,
	};
	const struct options *options = &model->options;
	long number = model->reads++;

	if (options->mute_after >= 0 && number >= options->mute_after)
		return;
	if (number == options->late_after) {
		model_flush(model);
		usleep(options->late_ms * 1000);
	}
	model->registers[REG_ID / 4] = DEVICE_ID;
	if (message->address + message->length <= sizeof(model->registers) && message->length <= 8)
		memcpy(&answer.value, (uint8_t *)model->registers + message->address,
		       message->length);
	model_send(model, &answer, NULL, 0);
	if (options->twice)
		model_send(model, &answer, NULL, 0);
}

static void model_answer(struct model *model, const struct item *item)
{
	const struct uv_message *message = &item->message;
	struct uv_message answer = { .type = UV_MSG_COMPLETION, .tag = message->tag };

	if (!model->welcome && message->type != UV_MSG_WELCOME)
		return;		/* an earlier model's */
	switch (message->type) {
	case UV_MSG_WELCOME:
		model->welcome = true;
		break;
	case UV_MSG_PLUGGED:
		model->plugged = true;
		model->domain = message->value;
		break;
	case UV_MSG_UNPLUGGED:
		model->unplugged = true;
		break;
	case UV_MSG_READ:
		register_read(model, message);
		break;
	case UV_MSG_WRITE:
		register_write(model, message);
		if (message->tag)
			model_send(model, &answer, NULL, 0);
		break;
	case UV_MSG_COMPLETION:
		dma_completed(model, item);
		break;
	case UV_MSG_RESET:
		model->dma_left = 0;
		break;
	}
}

void model_serve(struct model *model)
{
	struct item item;

	for (;;) {
		model_collect(model);
		if (!model->backlog_count)
			break;
		item = model->backlog[model->backlog_first];
		model->backlog_first = (model->backlog_first + 1) % BACKLOG;
		model->backlog_count--;
		model_answer(model, &item);
		model_flush(model);
	}
}

/* ---- becoming a device ---- */

static void put(uint8_t *image, unsigned int where, unsigned int bytes, uint32_t value)
{
	memcpy(image + where, &value, bytes);
}

static void make_capabilities(uint8_t *values, uint8_t *writable)
{
	put(values, 0x06, 2, 0x10);		/* Status: there is a list */
	values[0x34] = 0x40;
	put(values, 0x40, 4, 0x00845005);	/* MSI: four vectors, 64 bits */
	put(writable, 0x42, 2, 0x71);
	put(writable, 0x44, 4, 0xfffffffc);
	put(writable, 0x48, 4, 0xffffffff);
	put(writable, 0x4c, 2, 0xffff);
	put(values, 0x50, 4, 0x00036001);	/* PM, version 3 */
	put(writable, 0x54, 2, 0x0003);
	put(values, 0x60, 4, 0x00030011);	/* MSI-X: four vectors */
	put(writable, 0x62, 2, 0xc000);
	put(values, 0x64, 4, 0x800);		/* table: BAR 0 */
	put(values, 0x68, 4, 0xc00);		/* PBA: BAR 0 */
	values[0x41] = 0x50;
	values[0x51] = 0x60;
}

static void make_config(const struct options *options, uint8_t *values, uint8_t *writable)
{
	put(values, 0x00, 4, (uint32_t)options->device << 16 | 0x5556);
	put(values, 0x08, 4, 0xff000001);	/* of no class */
	put(values, 0x2c, 4, 0x00015556);
	values[0x3d] = 1;			/* INTA */
	put(writable, 0x04, 2, 0x0406);
	put(writable, 0x10, 4, ~(REGISTERS * 4U - 1));
	writable[0x3c] = 0xff;
	if (!options->bare)
		make_capabilities(values, writable);
}

static void send_image(struct model *model, enum uv_config_image which, const uint8_t *image)
{
	uint32_t at, step = uv_link_data_bytes(&model->geometry);

	if (step > 256)
		step = 256;
	for (at = 0; at < 256; at += step) {
		struct uv_message message = { .type = UV_MSG_CONFIG, .bar = which, .address = at };

		message.length = 256 - at < step ? 256 - at : step;
		model_send(model, &message, image + at, message.length);
	}
}

static void describe(struct model *model)
{
	struct uv_link_limits limits = {
		.max_payload = MAX_PAYLOAD, .max_read_request = MAX_READ, .alignment = 1,
		.reads = 32, .timeout_ns = model->options.timeout_ms * 1000000ULL,
	};
	struct uv_message message = { .type = UV_MSG_LIMITS, .length = sizeof(limits) };
	uint8_t values[256] = { 0 }, writable[256] = { 0 }, clearable[256] = { 0 };

	if (limits.max_payload > uv_link_data_bytes(&model->geometry))
		limits.max_payload = 128;
	make_config(&model->options, values, writable);
	model_send(model, &message, &limits, sizeof(limits));
	send_image(model, UV_IMAGE_VALUES, values);
	send_image(model, UV_IMAGE_WRITABLE, writable);
	send_image(model, UV_IMAGE_CLEARABLE, clearable);
	message = (struct uv_message){ .type = UV_MSG_PLUG };
	model_send(model, &message, NULL, 0);
}

/* Wait for something that the kernel says; false: it says that the link is dead. */
static bool wait_until(struct model *model, const bool *said, uint64_t deadline)
{
	while (!*said && !stopped && now_ns() < deadline) {
		model_serve(model);
		if (!*said && uv_load_acquire(&model->header->state) == UV_LINK_DEAD &&
		    model->welcome)
			return false;
		if (!*said)
			model_sleep(model, 20);
	}
	return *said;
}

bool model_attach(struct model *model, int timeout_ms)
{
	struct uv_message hello = { .type = UV_MSG_HELLO, .value = UV_LINK_VERSION };
	uint64_t deadline = now_ns() + timeout_ms * 1000000ULL;

	uv_link_model_end(model->header, &model->geometry, &model->send, &model->take);
	model->number = 0;
	model->backlog_count = 0;
	model->welcome = model->plugged = model->unplugged = false;
	model->dma_left = 0;
	if (!model_send(model, &hello, NULL, 0))
		return false;
	/* told even if it did not ask: it may wait for the room that was made above */
	uv_link_publish(&model->send);
	model_kick(model);
	if (!wait_until(model, &model->welcome, deadline))
		return false;
	describe(model);
	return wait_until(model, &model->plugged, deadline);
}

static void serve(struct model *model)
{
	uint64_t idle_since = now_ns(), seen = 0;
	uint32_t state;

	while (!stopped) {
		model_serve(model);
		state = uv_load_acquire(&model->header->state);
		if (state == UV_LINK_WAITING || (state == UV_LINK_DEAD && model->options.mute_after < 0)) {
			fprintf(stderr, "uvlink: attaching again\n");
			model_attach(model, ATTACH_MS);
		}
		if (model->messages != seen) {
			seen = model->messages;
			idle_since = now_ns();
		} else if (now_ns() - idle_since >= model->options.spin_us * 1000) {
			model_sleep(model, 100);
		}
	}
}

/* ---- opening ---- */

static void open_vm(struct model *model, char **words)
{
	uint64_t offset = strtoull(words[1], NULL, 0);
	int fd = open(words[0], O_RDWR | O_CLOEXEC);
	off_t size;
	void *memory;

	if (fd < 0)
		die("%s: %s", words[0], strerror(errno));
	size = lseek(fd, 0, SEEK_END);
	if (size < 0 || offset + UV_LINK_HEADER_SIZE > (uint64_t)size)
		die("%s: no link at %" PRIu64, words[0], offset);
	memory = mmap(NULL, size - offset, PROT_READ | PROT_WRITE, MAP_SHARED, fd, offset);
	if (memory == MAP_FAILED)
		die("%s: %s", words[0], strerror(errno));
	model->header = memory;
	model->wake_fd = atoi(words[2]);
	model->kick_fd = atoi(words[3]);
	if (uv_link_geometry_of(model->header, size - offset, &model->geometry))
		die("%s: no link of this version", words[0]);
}

static void open_local(struct model *model, const char *path)
{
	struct uv_link_make make = { .slots = SLOTS, .data = DATA };
	int fd = open(path, O_RDWR | O_CLOEXEC);
	void *memory;

	if (fd < 0)
		die("%s: %s", path, strerror(errno));
	if (ioctl(fd, UV_LINK_IOC_MAKE, &make))
		die("%s: %s", path, strerror(errno));
	memory = mmap(NULL, make.bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (memory == MAP_FAILED)
		die("%s: %s", path, strerror(errno));
	model->header = memory;
	model->local = true;
	model->wake_fd = model->kick_fd = fd;
	if (uv_link_geometry_of(model->header, make.bytes, &model->geometry))
		die("%s: no link of this version", path);
}

static void parse(struct options *options, int argc, char **argv)
{
	static const struct option known[] = {
		{ "spin", required_argument, NULL, 's' }, { "mute-after", required_argument, NULL, 'm' },
		{ "late", required_argument, NULL, 'l' }, { "twice", no_argument, NULL, 't' },
		{ "timeout", required_argument, NULL, 'o' }, { "device", required_argument, NULL, 'd' },
		{ "bare", no_argument, NULL, 'b' }, { NULL, 0, NULL, 0 },
	};
	int found;

	*options = (struct options){ .mute_after = -1, .late_after = -1, .device = 0xfffe };
	while ((found = getopt_long(argc, argv, "+", known, NULL)) != -1) {
		switch (found) {
		case 's':
			options->spin_us = strtoul(optarg, NULL, 0);
			break;
		case 'm':
			options->mute_after = strtol(optarg, NULL, 0);
			break;
		case 'l':
			if (sscanf(optarg, "%ld:%lu", &options->late_after, &options->late_ms) != 2)
				die("%s: not N:MS", optarg);
			break;
		case 't':
			options->twice = true;
			break;
		case 'o':
			options->timeout_ms = strtoul(optarg, NULL, 0);
			break;
		case 'd':
			options->device = strtoul(optarg, NULL, 0);
			break;
		case 'b':
			options->bare = true;
			break;
		default:
			fputs(usage, stderr);
			exit(2);
		}
	}
}

static void report(const struct model *model)
{
	printf("{\"messages\": %" PRIu64 ", \"reads\": %" PRIu64 ", \"writes\": %" PRIu64
	       ", \"sleeps\": %" PRIu64 "}\n", model->messages, model->reads, model->writes,
	       model->sleeps);
}

int main(int argc, char **argv)
{
	struct sigaction action = { .sa_handler = on_signal };
	static struct model model;
	char **words;
	int count;

	parse(&model.options, argc, argv);
	words = argv + optind;
	count = argc - optind;
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGINT, &action, NULL);
	if (count >= 1 && !strncmp(words[0], "/dev/uvbus", 10)) {
		open_local(&model, words[0]);
		words += 1;
		count -= 1;
	} else if (count >= 4) {
		open_vm(&model, words);
		words += 4;
		count -= 4;
	} else {
		fputs(usage, stderr);
		return 2;
	}
	setlinebuf(stdout);
	while (!stopped && uv_load(&model.header->state) == UV_LINK_ABSENT)
		usleep(20000);
	if (!model_attach(&model, 60000) && !stopped)
		die("refused (state %u, reason %u)", model.header->state, model.header->reason);
	printf("plugged %04x:%02x:%02x.0\n", (unsigned int)(model.domain >> 16),
	       (unsigned int)(model.domain >> 8 & 0xff), (unsigned int)(model.domain >> 3 & 0x1f));
	if (count == 3 && !strcmp(words[0], "fuzz"))
		fuzz(&model, strtoull(words[1], NULL, 0), strtoull(words[2], NULL, 0));
	else if (!count || (count == 1 && !strcmp(words[0], "serve")))
		serve(&model);
	else
		die("%s: no such command", words[0]);
	report(&model);
	return 0;
}
