// SPDX-License-Identifier: Apache-2.0
#pragma once

// A timer wheel: setting and clearing cost the same whatever the number of timers. One timer an
// entry, which lies inside its owner. Times are microseconds of one monotonic clock; a timer
// further away than the wheel's round is looked at once a round.

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#define WHEEL_SLOTS   4096 // a power of two
#define WHEEL_TICK_US 1000

struct wheel_entry {
	LIST_ENTRY(wheel_entry) link;
	uint64_t at_us;
	uint16_t slot;
	bool set;
};

LIST_HEAD(wheel_list, wheel_entry);

struct wheel {
	uint64_t tick; // slots before it are done
	struct wheel_list slots[WHEEL_SLOTS];
	uint64_t used[WHEEL_SLOTS / 64]; // bitmap of slots with entries
};

void wheel_init(struct wheel *w, uint64_t now_us);
void wheel_set(struct wheel *w, struct wheel_entry *e, uint64_t at_us); // again: moves it
void wheel_clear(struct wheel *w, struct wheel_entry *e);
// One that is due, cleared; NULL: none is left.
struct wheel_entry *wheel_take(struct wheel *w, uint64_t now_us);
// When to call wheel_take() next: not after the first timer, perhaps before. UINT64_MAX: never.
uint64_t wheel_next_us(const struct wheel *w);
