// SPDX-License-Identifier: GPL-2.0 OR Apache-2.0
/*
 * The decoder and the executor, driven from test_decode.py over stdin and stdout.
 *
 *	decode_harness describe		instructions in, one line of fields each out
 *	decode_harness walk		text in, every instruction's offset out
 *	decode_harness execute		cases in; each runs on the processor, then in
 *					uv_execute(), and must leave the same behind
 *	decode_harness fuzz COUNT	random bytes at the very end of a buffer
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "emulate.h"

/* Below 2 GiB, so that absolute and 32-bit addresses reach it; test_decode.py knows. */
#define CODE_ADDRESS	0x10000000UL
#define INSN_ADDRESS	(CODE_ADDRESS + 0x200)
#define DATA_ADDRESS	0x20000000UL
#define DATA_BYTES	0x10000UL
#define DATA_HALF	(DATA_BYTES / 2)

/* One instruction to describe. */
struct sample {
	__u8 length;
	__u8 bytes[15];
};

/* One instruction to execute. */
struct test_case {
	struct sample insn;
	__u8 direction;		/* of string instructions: 1 downwards */
	__u8 device;		/* bit 0: lower half of the data, bit 1: upper half */
	__u8 limit;		/* uv_bus_ops.string_limit */
	__u8 reserved[5];
	__u64 regs[16];
};

struct bus {
	__u8 device;		/* as in struct test_case */
	__u64 accesses;
};

/* ------------------------------------------------------------------- describe */

static void describe(void)
{
	struct sample sample;

	while (fread(&sample, sizeof(sample), 1, stdin) == 1) {
		struct uv_port_insn port = { 0 };
		struct uv_insn insn;
		int result = uv_decode(sample.bytes, sample.length, &insn);
		int is_port = uv_decode_port(sample.bytes, sample.length, &port) == 0;

		printf("%d %u %u %u %u %u %u %u %u %u %u %lld %u %u %u %u %u %u %u %u\n", result,
		       insn.length, insn.op, insn.width, insn.dest_width, insn.memory, insn.writes,
		       insn.address_size, insn.base, insn.index, insn.scale, (long long)insn.disp,
		       uv_base_is_stack(&insn), is_port, port.write, port.string, port.width,
		       port.has_port, port.port, port.repeat);
	}
}

/* ----------------------------------------------------------------------- walk */

static void walk(void)
{
	static __u8 text[64 << 20];
	size_t bytes = fread(text, 1, sizeof(text), stdin);
	size_t at = 0;

	while (at < bytes) {
		int length = uv_insn_length(text + at, bytes - at > 15 ? 15 : bytes - at);

		printf("%zx\n", at);
		at += length > 0 ? length : 1;
	}
}

/* -------------------------------------------------------------------- execute */

static __u64 outputs[16];	/* registers after the instruction */

static __u8 *emit(__u8 *at, const void *bytes, size_t count)
{
	memcpy(at, bytes, count);
	return at + count;
}

/* mov between a register and an absolute address, rip-relative; opcode 8b or 89 */
static __u8 *emit_move(__u8 *at, __u8 opcode, int reg, const void *place)
{
	__u8 code[7] = { 0x48 | (reg >> 3 << 2), opcode, 0x05 | (reg & 7) << 3 };
	__s32 distance = (__s32)((const __u8 *)place - (at + sizeof(code)));

	memcpy(code + 3, &distance, 4);
	return emit(at, code, sizeof(code));
}

/*
 * shared: 16 registers and flags to load, 16 registers stored, the stack pointer.
 * rbx, rbp, r12..r15 pushed; flags and registers loaded; the instruction at
 * INSN_ADDRESS; registers stored; all restored.
 */
static void emit_frame(__u8 *code, const struct sample *insn, __u64 *shared)
{
	__u8 *at = code;
	int reg;

	memset(code, 0x90, 0x400);
	at = emit(at, "\x53\x55\x41\x54\x41\x55\x41\x56\x41\x57", 10);
	at = emit_move(at, 0x89, 4, &shared[33]);
	at = emit_move(at, 0x8b, 0, &shared[16]);
	at = emit(at, "\x50\x9d", 2);			/* push rax; popfq */
	for (reg = 0; reg < 16; reg++)
		at = emit_move(at, 0x8b, reg, &shared[reg]);
	at = emit((__u8 *)INSN_ADDRESS, insn->bytes, insn->length);
	for (reg = 0; reg < 16; reg++)
		at = emit_move(at, 0x89, reg, &shared[17 + reg]);
	at = emit_move(at, 0x8b, 4, &shared[33]);
	emit(at, "\xfc\x41\x5f\x41\x5e\x41\x5d\x41\x5c\x5d\x5b\xc3", 12);
}

static void run_native(const struct test_case *test, __u64 *shared)
{
	emit_frame((__u8 *)CODE_ADDRESS, &test->insn, shared);
	memcpy(shared, test->regs, sizeof(test->regs));
	shared[16] = 2 | (test->direction ? UV_EFLAGS_DF : 0);
	((void (*)(void))CODE_ADDRESS)();
	memcpy(outputs, shared + 17, sizeof(outputs));
}

static bool is_device(void *context, __u64 address)
{
	const struct bus *bus = context;

	return bus->device >> (address >= DATA_ADDRESS + DATA_HALF) & 1;
}

static void check_in_data(const struct uv_bus_access *access)
{
	if (access->address >= DATA_ADDRESS &&
	    access->address + access->width <= DATA_ADDRESS + DATA_BYTES &&
	    access->index < access->count)
		return;
	printf("stray access to %llx\n", access->address);
	exit(1);
}

static __u64 bus_read(void *context, const struct uv_bus_access *access)
{
	__u64 value = ~0ULL;	/* what is beyond the width must not matter */

	check_in_data(access);
	memcpy(&value, (void *)access->address, access->width);
	((struct bus *)context)->accesses++;
	return value;
}

static void bus_write(void *context, const struct uv_bus_access *access)
{
	check_in_data(access);
	if (access->value != uv_truncate(access->value, access->width)) {
		printf("value %llx is wider than %u\n", access->value, access->width);
		exit(1);
	}
	memcpy((void *)access->address, &access->value, access->width);
	((struct bus *)context)->accesses++;
}

static int run_emulated(const struct test_case *test, __u64 registers[16], struct bus *bus)
{
	const struct uv_bus_ops ops = { is_device, bus_read, bus_write, test->limit };
	enum uv_exec result = UV_EXEC_AGAIN;
	__u64 *regs[16];
	struct uv_insn insn;
	int reg;

	for (reg = 0; reg < 16; reg++)
		regs[reg] = &registers[reg];
	if (uv_decode(test->insn.bytes, test->insn.length, &insn) ||
	    insn.length != test->insn.length)
		return -1;
	while (result == UV_EXEC_AGAIN)
		result = uv_execute(&insn, regs, INSN_ADDRESS + insn.length,
				    test->direction ? UV_EFLAGS_DF : 0, &ops, bus);
	return result;
}

static void complain(size_t number, const struct test_case *test, const char *what)
{
	int i;

	printf("case %zu:", number);
	for (i = 0; i < test->insn.length; i++)
		printf(" %02x", test->insn.bytes[i]);
	printf(": %s\n", what);
}

/* Memory and registers after both; false when they differ. */
static bool compare(size_t number, const struct test_case *test, const __u8 *before,
		    __u64 *shared, struct bus *bus)
{
	static __u8 native[DATA_BYTES];
	__u64 registers[16];
	int result;

	memcpy((void *)DATA_ADDRESS, before, DATA_BYTES);
	run_native(test, shared);
	memcpy(native, (void *)DATA_ADDRESS, DATA_BYTES);
	memcpy((void *)DATA_ADDRESS, before, DATA_BYTES);
	memcpy(registers, test->regs, sizeof(registers));
	result = run_emulated(test, registers, bus);
	if (result == UV_EXEC_DONE && !memcmp(registers, outputs, sizeof(outputs)) &&
	    !memcmp(native, (void *)DATA_ADDRESS, DATA_BYTES))
		return true;
	complain(number, test, result < 0 ? "not decoded" : result != UV_EXEC_DONE ? "unsupported" :
		 memcmp(registers, outputs, sizeof(outputs)) ? "registers differ" : "memory differs");
	return false;
}

static int execute(void)
{
	static __u8 before[DATA_BYTES];
	size_t number, wrong = 0;
	struct test_case test;
	struct bus bus = { 0 };
	__u64 *shared;

	shared = mmap((void *)CODE_ADDRESS, 0x2000, PROT_READ | PROT_WRITE | PROT_EXEC,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
	if (shared != (void *)CODE_ADDRESS ||
	    mmap((void *)DATA_ADDRESS, DATA_BYTES, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0) != (void *)DATA_ADDRESS) {
		perror("mmap");
		return 1;
	}
	for (number = 0; number < DATA_BYTES; number++)
		before[number] = number * 2654435761u >> 13;
	for (number = 0; fread(&test, sizeof(test), 1, stdin) == 1; number++) {
		bus.device = test.device;
		wrong += !compare(number, &test, before, shared + 0x1000 / 8, &bus);
	}
	printf("executed %zu wrong %zu accesses %llu\n", number, wrong, bus.accesses);
	return wrong != 0;
}

/* ----------------------------------------------------------------------- fuzz */

static int fuzz(unsigned long count)
{
	unsigned long number, decoded = 0;

	srand(1);
	for (number = 0; number < count; number++) {
		unsigned int avail = rand() % 16, i;
		__u8 *bytes = malloc(avail);	/* the sanitizer guards its end */
		struct uv_port_insn port;
		struct uv_insn insn;
		int result;

		for (i = 0; i < avail; i++)	/* a third are prefixes and escapes */
			bytes[i] = rand() % 3 ? rand() :
				   "\x0f\x66\x67\xf2\xf3\x48\x62\xc4\xc5\x38"[rand() % 10];
		result = uv_decode(bytes, avail, &insn);
		if ((result == 0) != (insn.length != 0) || insn.length > avail ||
		    (result && result != -EINVAL && result != -ENODATA)) {
			printf("result %d, length %u of %u\n", result, insn.length, avail);
			return 1;
		}
		uv_decode_port(bytes, avail, &port);
		decoded += result == 0;
		free(bytes);
	}
	printf("decoded %lu of %lu\n", decoded, count);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc > 1 && !strcmp(argv[1], "describe"))
		describe();
	else if (argc > 1 && !strcmp(argv[1], "walk"))
		walk();
	else if (argc > 1 && !strcmp(argv[1], "execute"))
		return execute();
	else if (argc > 2 && !strcmp(argv[1], "fuzz"))
		return fuzz(strtoul(argv[2], NULL, 0));
	else
		return 2;
	return 0;
}
