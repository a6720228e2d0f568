// SPDX-License-Identifier: GPL-2.0
/* What devices/{edu,e1000}/registers.rdl forbid: ADR006, ADR007, REG. */
#include "faulty.h"

/* Good octets received, of e1000: reading the upper half clears the counter. */
#define E1000_GORCL	0x4088
#define E1000_GORCH	0x408c
#define E1000_RDTR	0x2820

static noinline void faulty_adr006_high_first(struct faulty *f)
{
	readl(f->regs + E1000_GORCH);
	readl(f->regs + E1000_GORCL);
}

static noinline void near_adr006_low_first(struct faulty *f)
{
	readl(f->regs + E1000_GORCL);
	readl(f->regs + E1000_GORCH);
}

static noinline void faulty_adr007_wide(struct faulty *f)
{
	readq(f->regs + EDU_ID);
}

static noinline void near_adr007_wide_register(struct faulty *f)
{
	readq(f->regs + EDU_DMA_SOURCE);
}

static noinline void faulty_reg001_read_only(struct faulty *f)
{
	writel(~readl(f->regs + EDU_ID), f->regs + EDU_ID);
}

static noinline void near_reg001_same_value(struct faulty *f)
{
	writel(readl(f->regs + EDU_ID), f->regs + EDU_ID);
}

static noinline void faulty_reg002_write_only(struct faulty *f)
{
	readl(f->regs + EDU_IRQ_RAISE);
}

static noinline void near_reg002_written(struct faulty *f)
{
	writel(0, f->regs + EDU_IRQ_RAISE);
}

static noinline void faulty_reg008_hole(struct faulty *f)
{
	readl(f->regs + EDU_HOLE);
}

static noinline void near_reg008_beside(struct faulty *f)
{
	readl(f->regs + EDU_IRQ_STATUS);
}

/* The upper half of the receive delay timer is reserved; its top bit acts. */
static noinline void faulty_reg009_reserved(struct faulty *f)
{
	writel(BIT(16), f->regs + E1000_RDTR);
	writel(0, f->regs + E1000_RDTR);
}

static noinline void near_reg009_defined(struct faulty *f)
{
	writel(BIT(15), f->regs + E1000_RDTR);
	writel(0, f->regs + E1000_RDTR);
}

const struct faulty_choice faulty_registers[] = {
	FAULTY(faulty_adr006_high_first), FAULTY(near_adr006_low_first),
	FAULTY(faulty_adr007_wide), FAULTY(near_adr007_wide_register),
	FAULTY(faulty_reg001_read_only), FAULTY(near_reg001_same_value),
	FAULTY(faulty_reg002_write_only), FAULTY(near_reg002_written),
	FAULTY(faulty_reg008_hole), FAULTY(near_reg008_beside),
	FAULTY(faulty_reg009_reserved), FAULTY(near_reg009_defined),
	FAULTY_END
};
