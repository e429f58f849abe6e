// SPDX-License-Identifier: Apache-2.0
#pragma once

// The lookups eight addresses a register, for processors of CPU_V4.

#include "fib.h"

void fib_wide_lookup4(const struct fib *f, const uint32_t *vrf, const uint32_t *dst_host_order,
	uint32_t *ret_nh, unsigned n);
void fib_wide_lookup6(const struct fib *f, const uint32_t *vrf, const struct fib_addr6 *dst,
	uint32_t *ret_nh, unsigned n);
