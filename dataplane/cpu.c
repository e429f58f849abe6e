// SPDX-License-Identifier: Apache-2.0
#include "cpu.h"

#include <stdlib.h>
#include <string.h>

uint8_t cpu_level;

static uint8_t level_of_processor(void)
{
#ifdef __x86_64__
	__builtin_cpu_init();
	if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("bmi") ||
		!__builtin_cpu_supports("bmi2") || !__builtin_cpu_supports("popcnt"))
		return CPU_ANY;
	if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
		__builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
		__builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512vbmi2") &&
		__builtin_cpu_supports("avx512vpopcntdq"))
		return CPU_V4;
	return CPU_V3;
#else
	return CPU_ANY;
#endif
}

__attribute__((constructor)) static void cpu_init(void)
{
	const char *most = getenv("ISTHMUS_CPU");
	uint8_t level = level_of_processor();

	if (most && strcmp(most, "any") == 0)
		level = CPU_ANY;
	if (most && strcmp(most, "v3") == 0 && level > CPU_V3)
		level = CPU_V3;
	cpu_level = level;
}
