// SPDX-License-Identifier: Apache-2.0

#include "wire.h"

uint32_t sum_bytes(const void *bytes, size_t size, uint32_t sum)
{
	const uint8_t *p = bytes;
	uint64_t total = sum;

	for (; size >= 4; size -= 4, p += 4)
		total += load32(p);
	if (size >= 2) {
		total += load16(p);
		p += 2;
		size -= 2;
	}
	if (size)
		total += *p;
	total = (total & 0xffffffff) + (total >> 32);
	total = (total & 0xffffffff) + (total >> 32);
	return (uint32_t)sum_fold((uint32_t)(total & 0xffff) + (uint32_t)(total >> 16));
}
