// SPDX-License-Identifier: Apache-2.0
//
// A number that nobody uses any more is given out again when workers are through with it: until
// then one of them could hold it and find another VTEP's bit.
#include "vtep.h"

#include <stdlib.h>
#include <string.h>

#include "hot.h"
#include "map.h"
#include "xmalloc.h"

struct vtep {
	struct ip_addr addr;
	uint32_t number;
	uint32_t refs; // VRFs that accept it
};

struct pair { // of a VRF and a VTEP
	struct {
		uint32_t vrf, number;
	} key;
	uint32_t refs;
};

struct table vtep_numbers4, vtep_numbers6;
struct vtep_set *vtep_sets[VRF_MAX];

static struct map vteps, pairs;
static uint32_t next_number;
static uint32_t *free_numbers;
static size_t free_len, free_cap;

int vtep_init(void)
{
	map_init(&vteps);
	map_init(&pairs);
	table_init(&vtep_numbers4);
	table_init(&vtep_numbers6);
	next_number = 1;
	return 0;
}

static void free_all(struct map *m)
{
	size_t at = 0;
	void *p;

	while ((p = map_next(m, &at)))
		free(p);
	map_fini(m);
}

void vtep_fini(void)
{
	free_all(&vteps);
	free_all(&pairs);
	table_fini(&vtep_numbers4);
	table_fini(&vtep_numbers6);
	for (unsigned i = 0; i < VRF_MAX; i++) {
		hot_free(vtep_sets[i]);
		vtep_sets[i] = NULL;
	}
	free(free_numbers);
	free_numbers = NULL;
	free_len = free_cap = 0;
}

// -- numbers

static void show_number(const struct ip_addr *addr, uint32_t number)
{
	if (addr->family == IP_V4)
		table_set(&vtep_numbers4, vtep_key4(load32(addr->bytes)), number);
	else
		table_set(&vtep_numbers6, vtep_key6(addr->bytes), number);
}

static struct vtep *vtep_get(const struct ip_addr *addr)
{
	struct vtep *v = map_find(&vteps, addr, sizeof(*addr));

	if (!v) {
		v = xcalloc(1, sizeof(*v));
		v->addr = *addr;
		v->number = free_len ? free_numbers[--free_len] : next_number++;
		map_set(&vteps, &v->addr, sizeof(v->addr), v);
		show_number(addr, v->number);
	}
	v->refs++;
	return v;
}

static void reuse_number(void *p)
{
	struct vtep *v = p;

	free_numbers = xgrow(free_numbers, &free_cap, free_len + 1, sizeof(*free_numbers));
	free_numbers[free_len++] = v->number;
	free(v);
}

static void vtep_put(struct vtep *v)
{
	if (--v->refs)
		return;
	show_number(&v->addr, 0);
	map_del(&vteps, &v->addr, sizeof(v->addr));
	rcu_defer(reuse_number, v);
}

// -- bits

static void grow_set(uint32_t vrf, uint32_t words)
{
	struct vtep_set *old = vtep_sets[vrf], *set;
	size_t size = sizeof(*set);

	while (size < sizeof(*set) + words * sizeof(set->bits[0]))
		size = size < 64 ? 64 : size * 2; // what hot_alloc() would round to
	set = hot_alloc(size);
	set->words = (uint32_t)((size - sizeof(*set)) / sizeof(set->bits[0]));
	if (old)
		memcpy(set->bits, old->bits, old->words * sizeof(old->bits[0]));
	rcu_store(&vtep_sets[vrf], set);
	rcu_defer(hot_free, old);
}

static void set_bit(uint32_t vrf, uint32_t number, bool on)
{
	uint32_t word = number / 64;
	uint64_t bit = UINT64_C(1) << number % 64, bits;

	if (!vtep_sets[vrf] || word >= vtep_sets[vrf]->words)
		grow_set(vrf, word + 1);
	bits = vtep_sets[vrf]->bits[word];
	__atomic_store_n(
		&vtep_sets[vrf]->bits[word], on ? bits | bit : bits & ~bit, __ATOMIC_RELEASE);
}

void vtep_add(uint32_t vrf, const struct ip_addr *pa)
{
	struct vtep *v;
	struct pair *p, want = {0};

	if (!pa->family)
		return;
	v = vtep_get(pa);
	want.key.vrf = vrf;
	want.key.number = v->number;
	p = map_find(&pairs, &want.key, sizeof(want.key));
	if (p) {
		p->refs++;
		vtep_put(v); // a pair holds it once
		return;
	}
	p = xmalloc(sizeof(*p));
	*p = want;
	p->refs = 1;
	map_set(&pairs, &p->key, sizeof(p->key), p);
	set_bit(vrf, v->number, true);
}

void vtep_del(uint32_t vrf, const struct ip_addr *pa)
{
	struct vtep *v = pa->family ? map_find(&vteps, pa, sizeof(*pa)) : NULL;
	struct pair *p, want = {0};

	if (!v)
		return;
	want.key.vrf = vrf;
	want.key.number = v->number;
	p = map_find(&pairs, &want.key, sizeof(want.key));
	if (!p || --p->refs)
		return;
	set_bit(vrf, v->number, false);
	map_del(&pairs, &p->key, sizeof(p->key));
	free(p);
	vtep_put(v);
}
