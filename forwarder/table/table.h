// SPDX-License-Identifier: Apache-2.0
#pragma once

// An exact-match table for workers: 128-bit key to a non-zero 64-bit value (a number or a pointer).
//
// One writer (the control thread); readers see each entry wholly or not at all. Entries lie two in
// a cache line, probing is linear. A removed entry leaves its place empty only when the table is
// rebuilt, so that a reader never meets a half-written key.

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct table_key {
	uint64_t hi, lo;
};

struct table_entry {
	struct table_key key; // ctl: rw once, worker: ro
	uint64_t value;       // ctl: rw, worker: ro; 0: removed
	uint64_t used;        // ctl: rw once, worker: ro
};

struct table_slots {
	uint64_t mask;
	struct table_entry *entries; // mask + 1
};

struct table {
	struct table_slots *slots; // ctl: rw, worker: ro
	size_t len, used;          // live entries; those and removed ones
};

void table_init(struct table *t);
void table_fini(struct table *t);
// Control thread. value 0 removes. Returns the value it had, 0 if none.
uint64_t table_set(struct table *t, struct table_key key, uint64_t value);

static inline uint64_t table_hash(struct table_key key)
{
	uint64_t h = key.hi * UINT64_C(0x9e3779b97f4a7c15) ^ key.lo;

	h *= UINT64_C(0xd6e8feb86659fd93);
	return h ^ h >> 32;
}

static inline void table_prefetch(const struct table *t, struct table_key key)
{
	const struct table_slots *s = __atomic_load_n(&t->slots, __ATOMIC_ACQUIRE);

	__builtin_prefetch(&s->entries[table_hash(key) & s->mask]);
}

static inline uint64_t table_find(const struct table *t, struct table_key key)
{
	const struct table_slots *s = __atomic_load_n(&t->slots, __ATOMIC_ACQUIRE);

	for (uint64_t i = table_hash(key) & s->mask;; i = (i + 1) & s->mask) {
		const struct table_entry *e = &s->entries[i];

		if (!__atomic_load_n(&e->used, __ATOMIC_ACQUIRE))
			return 0;
		if (e->key.hi == key.hi && e->key.lo == key.lo)
			return __atomic_load_n(&e->value, __ATOMIC_ACQUIRE);
	}
}
