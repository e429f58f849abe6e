// SPDX-License-Identifier: Apache-2.0

#include "table.h"

#include <string.h>

#include "hot.h"
#include "rcu.h"

#define MIN_SIZE 64

static struct table_slots *slots_new(uint64_t size)
{
	struct table_slots *s = hot_alloc(sizeof(*s));

	s->entries = hot_alloc(size * sizeof(struct table_entry));
	s->mask = size - 1;
	return s;
}

static void slots_free(void *p)
{
	struct table_slots *s = p;

	hot_free(s->entries);
	hot_free(s);
}

static struct table_entry *slots_place(struct table_slots *s, struct table_key key)
{
	uint64_t i = table_hash(key) & s->mask;

	while (s->entries[i].used &&
		(s->entries[i].key.hi != key.hi || s->entries[i].key.lo != key.lo))
		i = (i + 1) & s->mask;
	return &s->entries[i];
}

void table_init(struct table *t)
{
	t->slots = slots_new(MIN_SIZE);
	t->len = t->used = 0;
}

void table_fini(struct table *t)
{
	if (t->slots)
		slots_free(t->slots);
	t->slots = NULL;
}

static void rebuild(struct table *t)
{
	struct table_slots *old = t->slots, *new;
	uint64_t size = MIN_SIZE;

	while (size < t->len * 4)
		size *= 2;
	new = slots_new(size);
	for (uint64_t i = 0; i <= old->mask; i++)
		if (old->entries[i].value)
			*slots_place(new, old->entries[i].key) = old->entries[i];
	t->used = t->len;
	rcu_store(&t->slots, new);
	rcu_defer(slots_free, old);
}

uint64_t table_set(struct table *t, struct table_key key, uint64_t value)
{
	struct table_entry *e = slots_place(t->slots, key);
	uint64_t old = e->used ? e->value : 0;

	if (!e->used) {
		if (!value)
			return 0;
		if ((t->used + 1) * 2 > t->slots->mask + 1) {
			t->len++;
			rebuild(t);
			t->len--;
			e = slots_place(t->slots, key);
		}
		e->key = key;
		t->used++;
	}
	__atomic_store_n(&e->value, value, __ATOMIC_RELEASE);
	__atomic_store_n(&e->used, 1, __ATOMIC_RELEASE);
	t->len += (value != 0) - (size_t)(old != 0);
	return old;
}
