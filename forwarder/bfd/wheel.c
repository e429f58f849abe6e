// SPDX-License-Identifier: Apache-2.0

#include "wheel.h"

#include <string.h>

#define MASK (WHEEL_SLOTS - 1)

void wheel_init(struct wheel *w, uint64_t now_us)
{
	memset(w, 0, sizeof(*w));
	w->tick = now_us / WHEEL_TICK_US;
}

void wheel_clear(struct wheel *w, struct wheel_entry *e)
{
	if (!e->set)
		return;
	LIST_REMOVE(e, link);
	e->set = false;
	if (LIST_EMPTY(&w->slots[e->slot]))
		w->used[e->slot / 64] &= ~(1ull << e->slot % 64);
}

void wheel_set(struct wheel *w, struct wheel_entry *e, uint64_t at_us)
{
	uint64_t tick = at_us / WHEEL_TICK_US;

	wheel_clear(w, e);
	if (tick < w->tick)
		tick = w->tick;
	e->at_us = at_us;
	e->slot = tick & MASK;
	e->set = true;
	LIST_INSERT_HEAD(&w->slots[e->slot], e, link);
	w->used[e->slot / 64] |= 1ull << e->slot % 64;
}

struct wheel_entry *wheel_take(struct wheel *w, uint64_t now_us)
{
	uint64_t now = now_us / WHEEL_TICK_US;

	if (now > w->tick + WHEEL_SLOTS)
		w->tick = now - WHEEL_SLOTS;
	for (;; w->tick++) {
		struct wheel_entry *e;

		LIST_FOREACH(e, &w->slots[w->tick & MASK], link)
		if (e->at_us <= now_us) {
			wheel_clear(w, e);
			return e;
		}
		if (w->tick >= now)
			return NULL;
	}
}

// The first slot with entries at or after `from`, in wheel order; WHEEL_SLOTS: none.
static unsigned first_used(const struct wheel *w, unsigned from)
{
	for (unsigned n = 0; n <= WHEEL_SLOTS / 64; n++) {
		unsigned word = (from / 64 + n) % (WHEEL_SLOTS / 64);
		uint64_t bits = w->used[word];

		if (n == 0)
			bits &= ~0ull << from % 64;
		if (bits)
			return word * 64 + (unsigned)__builtin_ctzll(bits);
	}
	return WHEEL_SLOTS;
}

uint64_t wheel_next_us(const struct wheel *w)
{
	unsigned slot = first_used(w, w->tick & MASK);
	uint64_t end, least = UINT64_MAX;
	const struct wheel_entry *e;

	if (slot == WHEEL_SLOTS)
		return UINT64_MAX;
	end = (w->tick + ((slot - w->tick) & MASK) + 1) * WHEEL_TICK_US;
	LIST_FOREACH(e, &w->slots[slot], link)
	least = e->at_us < least ? e->at_us : least;
	return least < end ? least : end; // all of a later round: looked at again then
}
