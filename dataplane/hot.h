// SPDX-License-Identifier: Apache-2.0
#pragma once

// Memory of what workers read for every packet: small objects side by side in one region of large
// pages, each on cache lines of its own. On ordinary pages, scattered among the control thread's
// other memory, random lookups would cost a TLB miss each.
//
// Control thread only. Objects are zeroed. Freed after readers are through: rcu_defer(hot_free, p).

#include <stddef.h>

#define HOT_MAX \
	(1u << 20) // bytes of one object of the region; larger ones get a mapping of their own

void *hot_alloc(size_t size) __attribute__((malloc, returns_nonnull)); // aborts when out of memory
void hot_free(void *p);                                                // NULL is fine
