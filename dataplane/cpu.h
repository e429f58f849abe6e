// SPDX-License-Identifier: Apache-2.0
#pragma once

// What the workers' loops are built for: any processor that DPDK runs on; one with AVX2 and BMI2
// (x86-64-v3), whose shifts and bit counts are half the work; or one with AVX-512 as of Ice Lake
// or Zen 4, which does eight at once. All do the same; who calls them asks for the level.

#include <stdint.h>

enum cpu_level {
	CPU_ANY = 0,
	CPU_V3,
	CPU_V4,
};

// Known before main(). ISTHMUS_CPU=any or v3 in the environment lowers it, for tests.
extern uint8_t cpu_level;

#ifdef __x86_64__
#define CPU_TARGET_V3 __attribute__((target("avx2,bmi,bmi2,lzcnt,popcnt")))
#define CPU_TARGET_V4                                                                          \
	__attribute__((target("avx2,bmi,bmi2,lzcnt,popcnt,avx512f,avx512bw,avx512cd,avx512dq," \
			      "avx512vl,avx512vbmi2,avx512vpopcntdq")))
#else
#define CPU_TARGET_V3
#endif
