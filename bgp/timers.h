// SPDX-License-Identifier: Apache-2.0
#pragma once

// Deadlines in a binary heap; the node lives in what it belongs to.

#include <stddef.h>
#include <stdint.h>

struct timer {
	uint64_t at_ms;
	size_t place;                      // in the heap, from 1; 0: not in it
	void (*fire)(struct timer *timer); // the owner's
};

struct timers {
	struct timer **heap;
	size_t len, cap;
};

void timers_fini(struct timers *t);
// UINT64_MAX takes it out.
void timers_set(struct timers *t, struct timer *timer, uint64_t at_ms);
uint64_t timers_next(const struct timers *t);                // UINT64_MAX: none
struct timer *timers_due(struct timers *t, uint64_t now_ms); // takes it out; NULL: none
