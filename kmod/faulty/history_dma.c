// SPDX-License-Identifier: GPL-2.0
#include "faulty.h"
const struct faulty_choice faulty_history_dma[] = {
	FAULTY_END
};
