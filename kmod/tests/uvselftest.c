// SPDX-License-Identifier: GPL-2.0
/*
 * Every form of MMIO access, each checked against what memory must hold then.
 *
 * Binds to QEMU's bochs-display, whose BAR 0 is plain memory
 * (the frame buffer; no display needed): an access that uvbus
 * carries out wrongly is seen in the next one. Strays (in front of, behind and
 * after a mapping) must read ones and change nothing. Probe fails when a check
 * fails; each check has a line in the kernel log.
 */
#include <linux/io.h>
#include <linux/kdebug.h>
#include <linux/kprobes.h>
#include <linux/module.h>
#include <linux/pci.h>
#include <linux/slab.h>
#include <asm/fpu/api.h>
#include <asm/trapnr.h>

#define BAR		0
#define BYTES		65536
#define BLOCK		333	/* odd, so that head and tail of block copies are bytes */

static u64 wide_sink;

struct selftest {
	struct device	*dev;
	void __iomem	*io;
	u8		*out, *in;
	unsigned int	failed;
};

static void check(struct selftest *t, const char *what, bool good)
{
	if (!good)
		t->failed++;
	dev_info(t->dev, "selftest %s: %s\n", what, good ? "ok" : "FAILED");
}

static void test_widths(struct selftest *t)
{
	void __iomem *p = t->io;

	writel(0x12345678, p);
	check(t, "writel readl", readl(p) == 0x12345678);
	check(t, "readw", readw(p + 2) == 0x1234);
	check(t, "readb", readb(p + 1) == 0x56);
	writeb(0xaa, p + 1);
	check(t, "writeb", readl(p) == 0x1234aa78);
	writew(0xbbcc, p + 2);
	check(t, "writew", readl(p) == 0xbbccaa78);
	writeq(0x1122334455667788ULL, p + 8);
	check(t, "writeq readq", readq(p + 8) == 0x1122334455667788ULL);
	iowrite32(0xcafebabe, p + 16);
	check(t, "iowrite32 ioread32", ioread32(p + 16) == 0xcafebabe);
	check(t, "ioread32be", ioread32be(p + 16) == 0xbebafeca);
}

static void test_blocks(struct selftest *t)
{
	void __iomem *p = t->io + 0x1000;

	memset_io(p, 0x5a, BLOCK);
	memcpy_fromio(t->in, p, BLOCK);
	check(t, "memset_io", !memchr_inv(t->in, 0x5a, BLOCK));
	memcpy_toio(p + 513, t->out, BLOCK);
	memset(t->in, 0, BLOCK);
	memcpy_fromio(t->in, p + 513, BLOCK);
	check(t, "memcpy_toio memcpy_fromio", !memcmp(t->in, t->out, BLOCK));
	__iowrite32_copy(p + 1024, t->out, 64);
	memcpy_fromio(t->in, p + 1024, 256);
	check(t, "__iowrite32_copy", !memcmp(t->in, t->out, 256));
	__iowrite64_copy(p + 2048, t->out, 32);
	memcpy_fromio(t->in, p + 2048, 256);
	check(t, "__iowrite64_copy", !memcmp(t->in, t->out, 256));
	iowrite32_rep(p + 32, t->out, 8);
	check(t, "iowrite32_rep", readl(p + 32) == *(u32 *)(t->out + 28));
	ioread8_rep(p + 32, t->in, 3);
	check(t, "ioread8_rep", t->in[0] == t->out[28] && t->in[2] == t->out[28]);
	/* longer than one trap may last: taken up again in the middle */
	memset_io(t->io + 0x4000, 0xc3, 0xa000);
	check(t, "long memset_io", readl(t->io + 0xdffc) == 0xc3c3c3c3);
}

static void test_strings(struct selftest *t)
{
	void __iomem *p = t->io + 0x3000;
	unsigned long count = 4;
	void __iomem *to = p;
	const void *from = t->out;

	asm volatile("rep movsl" : "+D"(to), "+S"(from), "+c"(count) : : "memory");
	check(t, "rep movsl registers", to == p + 16 && from == t->out + 16 && !count);
	check(t, "rep movsl", readl(p + 12) == *(u32 *)(t->out + 12));
	to = p + 28;
	from = t->out + 28;
	count = 3;
	asm volatile("std; rep movsl; cld" : "+D"(to), "+S"(from), "+c"(count) : : "memory");
	check(t, "rep movsl down", to == p + 16 && readl(p + 20) == *(u32 *)(t->out + 20));
	to = p + 64;
	count = 5;
	asm volatile("rep stosq" : "+D"(to), "+c"(count) : "a"(0x0102030405060708ULL) : "memory");
	check(t, "rep stosq", readq(p + 96) == 0x0102030405060708ULL && to == p + 104);
	count = 0;
	asm volatile("rep stosb" : "+D"(to), "+c"(count) : "a"(0) : "memory");
	check(t, "rep stosb of nothing", to == p + 104);
}

/* Forms that compilers and inline assembly produce beside readl's. */
static void test_operands(struct selftest *t)
{
	void __iomem *p = t->io + 0x3800;
	u64 wide = 0;
	u32 v = 0;

	writel(0x77, p + 0x40);
	asm volatile("push %%rbp; mov %1, %%rbp; mov 0x40(%%rbp), %0; pop %%rbp"
		     : "=r"(v) : "r"(p) : "memory");
	check(t, "rbp base", v == 0x77);
	asm volatile("mov 0x20(%1,%2,4), %0" : "=r"(v) : "r"(p), "r"(8UL) : "memory");
	check(t, "scaled index", v == 0x77);
	asm volatile("movl $0x99, 0x40(%0)" : : "r"(p) : "memory");
	check(t, "immediate", readl(p + 0x40) == 0x99);
	asm volatile("mov %1, %%r12; movzwl 0x40(%%r12), %0" : "=r"(v) : "r"(p) : "r12", "memory");
	check(t, "movzx", v == 0x99);
	asm volatile("movsbq 0x40(%1), %0" : "=r"(wide) : "r"(p) : "memory");
	check(t, "movsx", wide == 0xffffffffffffff99ULL);
	asm volatile("movb $0x12, %%ah; movb %%ah, 0x41(%0)" : : "c"(p) : "rax", "memory");
	check(t, "high byte register", readl(p + 0x40) == 0x1299);
}

/* Not decoded: logged with their bytes and single-stepped. */
static void test_stepped(struct selftest *t)
{
	void __iomem *p = t->io + 0x3c00;
	u8 pattern[16], back[16];
	u32 v = 5;
	bool equal;

	writel(0x10, p);
	asm volatile("addl %1, (%0)" : : "r"(p), "r"(v) : "memory");
	check(t, "add to memory", readl(p) == 0x15);
	asm volatile("cmpl $0x15, (%1)" : "=@ccz"(equal) : "r"(p) : "memory");
	check(t, "compare with memory", equal);
	asm volatile("xchgl %0, (%1)" : "+r"(v) : "r"(p) : "memory");
	check(t, "xchg", v == 0x15 && readl(p) == 5);
	asm volatile("lock orl $0x30, (%0)" : : "r"(p) : "memory");
	check(t, "lock or", readl(p) == 0x35);
	memset(pattern, 0xe7, sizeof(pattern));
	kernel_fpu_begin();
	asm volatile("movdqu (%0), %%xmm0; movdqu %%xmm0, (%1)" : : "r"(pattern), "r"(p + 16)
		     : "memory");
	asm volatile("movdqu (%0), %%xmm1; movdqu %%xmm1, (%1)" : : "r"(p + 16), "r"(back)
		     : "memory");
	kernel_fpu_end();
	check(t, "SSE", !memcmp(pattern, back, 16));
	asm volatile("pushq (%1); popq %0" : "=r"(wide_sink) : "r"(p + 16) : "memory");
	check(t, "push", wide_sink == 0xe7e7e7e7e7e7e7e7ULL);
}

/*
 * Hardware raises #SS when the base is rbp or rsp; QEMU's TCG raises #GP. So the
 * kernel's own dispatch of a #SS is called with registers as one would leave them.
 */
static int (*selftest_notify_die)(enum die_val val, const char *str, struct pt_regs *regs,
				  long err, int trap, int sig);

/* mov 0x40(%rbp), %eax */
static const u8 selftest_stack_load[] = { 0x8b, 0x45, 0x40 };

static void test_stack_fault(struct selftest *t)
{
	unsigned long (*lookup)(const char *name);
	struct kprobe probe = { .symbol_name = "kallsyms_lookup_name" };
	struct pt_regs regs = {
		.ip = (unsigned long)selftest_stack_load,
		.bp = (unsigned long __force)(t->io + 0x3900),
		.cs = __KERNEL_CS,
		.flags = X86_EFLAGS_IF,
	};
	int verdict;

	writel(0x55, t->io + 0x3940);
	if (register_kprobe(&probe)) {
		check(t, "#SS: lookup", false);
		return;
	}
	lookup = (void *)((unsigned long)probe.addr & ~0xfUL);
	unregister_kprobe(&probe);
	selftest_notify_die = (void *)lookup("notify_die");
	verdict = selftest_notify_die(DIE_TRAP, "stack segment", &regs, 0, X86_TRAP_SS, SIGBUS);
	check(t, "#SS is taken", verdict == NOTIFY_STOP);
	check(t, "#SS load", regs.ax == 0x55 &&
	      regs.ip == (unsigned long)selftest_stack_load + sizeof(selftest_stack_load));
	verdict = selftest_notify_die(DIE_TRAP, "other", &regs, 0, X86_TRAP_NP, SIGBUS);
	check(t, "#NP is not taken", verdict != NOTIFY_STOP);
}

static void test_strays(struct selftest *t, struct pci_dev *pdev)
{
	resource_size_t start = pci_resource_start(pdev, BAR);
	void __iomem *p = ioremap(start + 0x8000, 0x100), *q = ioremap(start + 0x9000, 0x1000);

	if (!p || !q) {
		check(t, "ioremap", false);
		return;
	}
	writel(0x600d, q);
	check(t, "in front", readl(p - 4) == ~0U);
	check(t, "behind the page", readl(p + 0x1000) == ~0U);
	writel(0xbad, p + 0x1000);
	check(t, "neighbour unharmed", readl(q) == 0x600d);
	iounmap(p);
	check(t, "after iounmap", readl(p) == ~0U);
	writel(0xbad, p);
	iounmap(p);
	iounmap(q);
	p = ioremap(start + 0x8000, 0x100);
	check(t, "late write did not arrive", readl(p) == 0xc3c3c3c3);
	iounmap(p);
}

static int selftest_probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	struct selftest t = { .dev = &pdev->dev };
	unsigned int i;
	int err = pci_enable_device(pdev);

	if (err)
		return err;
	err = -ENOMEM;
	t.out = kmalloc(BYTES, GFP_KERNEL);
	t.in = kmalloc(BYTES, GFP_KERNEL);
	t.io = ioremap(pci_resource_start(pdev, BAR), BYTES);
	if (!t.out || !t.in || !t.io)
		goto out;
	for (i = 0; i < BYTES; i++)
		t.out[i] = i * 7 + 1;
	test_widths(&t);
	test_blocks(&t);
	test_strings(&t);
	test_operands(&t);
	test_stepped(&t);
	/* strays and stack faults only where somebody takes them */
	if ((unsigned long __force)t.io >> 56 == 0x9f) {
		test_stack_fault(&t);
		test_strays(&t, pdev);
	}
	dev_info(&pdev->dev, "selftest: %u failed\n", t.failed);
	err = t.failed ? -EIO : 0;
out:
	if (t.io)
		iounmap(t.io);
	kfree(t.in);
	kfree(t.out);
	if (err)
		pci_disable_device(pdev);
	return err;
}

static void selftest_remove(struct pci_dev *pdev)
{
	pci_disable_device(pdev);
}

static const struct pci_device_id selftest_ids[] = {
	{ PCI_DEVICE(0x1234, 0x1111) },
	{ }
};
MODULE_DEVICE_TABLE(pci, selftest_ids);

static struct pci_driver selftest_driver = {
	.name		= "uvselftest",
	.id_table	= selftest_ids,
	.probe		= selftest_probe,
	.remove		= selftest_remove,
};
module_pci_driver(selftest_driver);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Exercises every form of MMIO access on QEMU's bochs-display");
