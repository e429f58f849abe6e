// SPDX-License-Identifier: Apache-2.0
#pragma once

// From where a VRF accepts tunnelled frames: the PAs of its hosts and of its gateways elsewhere.
//
// Every PA has a small number, and every VRF one bit for each: thousands of tenants on the same
// hosts cost a bit a pair, and what random packets look at stays in the cache.

#include <stdbool.h>
#include <stdint.h>

#include "ip/wire.h"
#include "rcu.h"
#include "table/table.h"
#include "vrf/vrf.h"

// Replaced whole when it grows; bits change in place.
struct vtep_set {
	uint32_t words;
	uint64_t bits[]; // [words], ctl: rw, worker: ro
};

extern struct table vtep_numbers4, vtep_numbers6; // outer source to its number, from 1
extern struct vtep_set *vtep_sets[VRF_MAX];       // by VRF index; NULL: none accepted

int vtep_init(void);
void vtep_fini(void);
// Control thread. Counts an outer source that this VRF accepts frames from; IP_NONE is passed over.
void vtep_add(uint32_t vrf, const struct ip_addr *pa);
void vtep_del(uint32_t vrf, const struct ip_addr *pa);

static inline struct table_key vtep_key4(uint32_t addr)
{
	return (struct table_key){4, addr};
}

static inline struct table_key vtep_key6(const uint8_t *addr)
{
	struct ip_addr_words w = ip6_words(addr);

	return (struct table_key){w.hi, w.lo};
}

static inline const uint64_t *vtep_word(uint32_t vrf, uint64_t number)
{
	const struct vtep_set *s = rcu_load(&vtep_sets[vrf]);

	return s && number / 64 < s->words ? &s->bits[number / 64] : NULL;
}

static inline bool vtep_accepted(const uint64_t *word, uint64_t number)
{
	return word && number && __atomic_load_n(word, __ATOMIC_RELAXED) >> number % 64 & 1;
}
