// SPDX-License-Identifier: GPL-2.0
/*
 * uvctl: drives uvbus.ko from a shell script. Static, so that it runs in any
 * guest. Exit code 0 done, 1 the kernel said no, 2 wrong usage.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "uvbus.h"

#define DEVICE		"/dev/uvbus0"
#define TEXT_MAX	(1 << 20)

static const char usage[] =
	"usage: uvctl info                       state of the module\n"
	"       uvctl select BDF...              choose functions, in this order\n"
	"       uvctl select-id VVVV:DDDD...     choose every function with that ID\n"
	"       uvctl deselect                   forget the choice\n"
	"       uvctl ring BYTES POLICY [memory] size of the slots; drop, stop or overwrite;\n"
	"                                        contents of memory, too\n"
	"       uvctl start | stop | stats\n"
	"       uvctl mark TEXT                  a mark in the recording\n"
	"       uvctl meta TOPIC < TEXT          metadata: session, console, result, converted\n"
	"       uvctl save FILE                  drain the ring to a file of raw slots\n"
	"select takes --rebind first: bind drivers anew when recording starts\n";

__attribute__((format(printf, 1, 2), noreturn))
static void die(const char *format, ...)
{
	va_list arguments;

	fputs("uvctl: ", stderr);
	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fputc('\n', stderr);
	exit(1);
}

__attribute__((noreturn))
static void misused(void)
{
	fputs(usage, stderr);
	exit(2);
}

static int open_device(void)
{
	int fd = open(DEVICE, O_RDWR | O_CLOEXEC);

	if (fd < 0)
		die("%s: %s%s", DEVICE, strerror(errno),
		    errno == ENOENT ? " (is uvbus.ko loaded?)" : "");
	return fd;
}

static void control(int fd, unsigned long request, void *argument, const char *what)
{
	if (ioctl(fd, request, argument))
		die("%s: %s", what, strerror(errno));
}

static int do_info(int fd)
{
	struct uv_info info;

	control(fd, UV_IOC_INFO, &info, "info");
	printf("abi=%u\nrecord_version=%u\nfunctions=%u\nstate=%u\nring_bytes=%" PRIu64
	       "\nshared=%u\nunhooked=%u\n",
	       info.abi, info.record_version, info.functions, info.state,
	       (uint64_t)info.ring_bytes, info.shared, info.unhooked);
	return 0;
}

static void selected(const struct uv_select *select, const char *what)
{
	printf("%s index=%u bound=%u\n", what, select->index, select->bound);
}

static int do_select(int fd, char **names, bool rebind, bool by_id)
{
	unsigned int domain, bus, slot, function, vendor, device;
	struct uv_select select;

	for (; *names; names++) {
		char rest;

		memset(&select, 0, sizeof(select));
		select.flags = rebind ? UV_SELECT_REBIND : 0;
		if (by_id) {
			if (sscanf(*names, "%4x:%4x%c", &vendor, &device, &rest) != 2)
				die("%s: not of the form VVVV:DDDD", *names);
			select.flags |= UV_SELECT_BY_ID | UV_SELECT_ALL;
			select.vendor = vendor;
			select.device = device;
		} else {
			if (sscanf(*names, "%8x:%2x:%2x.%1u%c", &domain, &bus, &slot, &function,
				   &rest) != 4 || slot > 31 || function > 7)
				die("%s: not of the form DDDD:BB:DD.F", *names);
			select.domain = domain;
			select.bus = bus;
			select.devfn = slot << 3 | function;
		}
		control(fd, UV_IOC_SELECT, &select, *names);
		selected(&select, *names);
	}
	return 0;
}

static int do_ring(int fd, const char *bytes, const char *policy, const char *what)
{
	static const char *const policies[] = { "drop", "stop", "overwrite" };
	struct uv_ring_setup setup = { 0 };
	char *end;

	setup.bytes = strtoull(bytes, &end, 0);
	if (end == bytes || *end)
		die("%s: not a number of bytes", bytes);
	for (setup.policy = 0; setup.policy < 3; setup.policy++)
		if (!strcmp(policy, policies[setup.policy]))
			break;
	if (setup.policy == 3)
		die("%s: not a policy (drop, stop, overwrite)", policy);
	if (what && strcmp(what, "memory"))
		die("%s: not memory", what);
	setup.flags = what ? UV_SETUP_MEMORY : 0;
	control(fd, UV_IOC_RING, &setup, "ring");
	return 0;
}

static int do_stats(int fd)
{
	struct uv_stats stats;

	control(fd, UV_IOC_STATS, &stats, "stats");
#define SHOW(field) printf(#field "=%" PRIu64 "\n", (uint64_t)stats.field)
	SHOW(records);
	SHOW(lost);
	SHOW(traps);
	SHOW(string_traps);
	SHOW(undecoded);
	SHOW(stray);
	SHOW(stack_faults);
	SHOW(trapped_mappings);
	SHOW(port_accesses);
	SHOW(hook_calls);
	SHOW(hooks_missed);
	SHOW(sites);
	SHOW(functions_bound);
#undef SHOW
	return 0;
}

static int write_text(int fd, const char *text, size_t length, uint32_t topic)
{
	struct uv_mark mark = {
		.text = (uintptr_t)text,
		.length = length,
		.topic = topic,
	};

	control(fd, UV_IOC_MARK, &mark, topic ? "meta" : "mark");
	return 0;
}

static int do_meta(int fd, const char *topic)
{
	static const char *const topics[] = {
		[UV_TOPIC_SESSION] = "session",
		[UV_TOPIC_CONSOLE] = "console",
		[UV_TOPIC_RESULT] = "result",
		[UV_TOPIC_CONVERTED] = "converted",
	};
	static char text[TEXT_MAX];
	size_t length, number;

	for (number = 1; number < sizeof(topics) / sizeof(*topics); number++)
		if (topics[number] && !strcmp(topic, topics[number]))
			break;
	if (number == sizeof(topics) / sizeof(*topics))
		die("%s: not a topic (session, console, result, converted)", topic);
	length = fread(text, 1, sizeof(text), stdin);
	if (ferror(stdin))
		die("standard input: %s", strerror(errno));
	if (length == sizeof(text))
		die("standard input: longer than %d bytes", TEXT_MAX - 1);
	return write_text(fd, text, length, number);
}

static void put(int fd, const void *data, size_t length)
{
	const char *from = data;

	while (length) {
		ssize_t written = write(fd, from, length);

		if (written < 0)
			die("writing: %s", strerror(errno));
		from += written;
		length -= written;
	}
}

/* Committed slots from tail on, to the file; returns how many. */
static uint64_t drain(struct uv_ring_header *header, int to)
{
	const char *slots = (const char *)header + header->data_offset;
	uint64_t position = header->tail, taken = 0;

	while (taken < header->slots) {
		const char *slot = slots + (position & (header->slots - 1)) * UV_RECORD_SIZE;
		const struct uv_record *record = (const void *)slot;

		/* Pairs with the release in uv_ring_commit(). */
		if (__atomic_load_n(&record->seq, __ATOMIC_ACQUIRE) != position + 1)
			break;
		put(to, slot, UV_RECORD_SIZE);
		position++;
		taken++;
	}
	/* Pairs with the acquire of tail in uv_ring_reserve(). */
	__atomic_store_n(&header->tail, position, __ATOMIC_RELEASE);
	return taken;
}

static int do_save(int fd, const char *path)
{
	struct pollfd ready = { .fd = fd, .events = POLLIN };
	struct uv_ring_header *header;
	struct uv_info info;
	int to;

	control(fd, UV_IOC_INFO, &info, "info");
	header = mmap(NULL, info.ring_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (header == MAP_FAILED)
		die("mapping the ring: %s", strerror(errno));
	to = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (to < 0)
		die("%s: %s", path, strerror(errno));
	while (drain(header, to) || header->state == UV_RING_RUNNING)
		poll(&ready, 1, 100);
	if (close(to))
		die("%s: %s", path, strerror(errno));
	return 0;
}

static int do_deselect(int fd)
{
	control(fd, UV_IOC_DESELECT, NULL, "deselect");
	return 0;
}

static int do_start(int fd)
{
	control(fd, UV_IOC_START, NULL, "start");
	return 0;
}

static int do_stop(int fd)
{
	control(fd, UV_IOC_STOP, NULL, "stop");
	return 0;
}

static const struct plain_command {
	const char *name;
	int (*run)(int fd);
} plain_commands[] = {
	{ "info", do_info },
	{ "deselect", do_deselect },
	{ "start", do_start },
	{ "stop", do_stop },
	{ "stats", do_stats },
};

static int run(const char *command, int words, char **rest)
{
	bool rebind = words && !strcmp(*rest, "--rebind");
	size_t i;

	for (i = 0; i < sizeof(plain_commands) / sizeof(*plain_commands); i++)
		if (!strcmp(command, plain_commands[i].name) && !words)
			return plain_commands[i].run(open_device());
	if (!strcmp(command, "select") && words > rebind)
		return do_select(open_device(), rest + rebind, rebind, false);
	if (!strcmp(command, "select-id") && words > rebind)
		return do_select(open_device(), rest + rebind, rebind, true);
	if (!strcmp(command, "ring") && (words == 2 || words == 3))
		return do_ring(open_device(), rest[0], rest[1], words == 3 ? rest[2] : NULL);
	if (!strcmp(command, "mark") && words == 1)
		return write_text(open_device(), rest[0], strlen(rest[0]), 0);
	if (!strcmp(command, "meta") && words == 1)
		return do_meta(open_device(), rest[0]);
	if (!strcmp(command, "save") && words == 1)
		return do_save(open_device(), rest[0]);
	misused();
}

int main(int argc, char **argv)
{
	if (argc < 2)
		misused();
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h")) {
		fputs(usage, stdout);
		return 0;
	}
	return run(argv[1], argc - 2, argv + 2);
}
