// SPDX-License-Identifier: Apache-2.0
#pragma once

// Functions that are built twice: for any processor that DPDK runs on, and, with CPU_V3, for one
// with AVX2 and BMI2 (x86-64-v3), whose shifts and bit counts are half the work. Who calls them
// asks which may run. What they share is always_inline, so that it is built for each.

#include <stdbool.h>

#ifdef __x86_64__
#define CPU_V3 __attribute__((target("avx2,bmi,bmi2")))
static inline bool cpu_is_v3(void)
{
	return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi2");
}
#else
#define CPU_V3
static inline bool cpu_is_v3(void)
{
	return false;
}
#endif
