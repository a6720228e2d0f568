# SPDX-License-Identifier: GPL-2.0
# Builds a subfolder's modules for one kernel, away from the sources. The folder's Makefile sets
# HERE, its own path with a slash behind, and NAME, and includes this.
#
#   make KERNEL=6.1.0-56-amd64            -> ../build/NAME-6.1.0-56-amd64/*.ko
#   make check KERNEL=...                 with W=1 and sparse
KERNEL	?= $(shell uname -r)
KDIR	?= $(firstword $(wildcard /lib/modules/$(KERNEL)/build /usr/src/linux-headers-$(KERNEL)))
BUILD	?= $(HERE)../build/$(NAME)-$(KERNEL)
COPIES	:= $(addprefix $(BUILD)/,Kbuild $(notdir $(wildcard $(HERE)*.c $(HERE)*.h)))
FLAGS	?=

.PHONY: all check

all: $(COPIES)
	@test -n "$(KDIR)" || { echo "no headers for $(KERNEL): apt-get install linux-headers-$(KERNEL)" >&2; exit 1; }
	$(MAKE) -C $(KDIR) M=$(BUILD) $(FLAGS) modules

check: FLAGS = W=1 C=2
check: all

# In place of the kernel's own rules for sources that are elsewhere.
$(BUILD)/%: $(HERE)%
	@mkdir -p $(@D)
	@cp $< $@
