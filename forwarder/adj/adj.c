// SPDX-License-Identifier: Apache-2.0

#include "adj.h"

#include <stdlib.h>
#include <string.h>

#include "drop.h"
#include "hot.h"
#include "rcu.h"
#include "xmalloc.h"

const struct adj **adj_table;

static struct {
	uint32_t *free;
	size_t free_len, free_cap;
	uint32_t used;
} indices;

static struct adj no_route = {.type = ADJ_DROP, .reason = DROP_NO_ROUTE};

int adj_init(void)
{
	adj_table = hot_alloc(ADJ_MAX * sizeof(*adj_table));
	adj_table[0] = &no_route;
	indices.used = 1;
	return 0;
}

static void adj_free_now(void *p)
{
	struct adj *adj = p;

	if (adj == &no_route)
		return;
	if (adj->group) {
		for (unsigned i = 0; i < ADJ_GROUP_MAX; i++)
			if (adj->group->member[i])
				adj_index_free(adj->group->member[i]);
		hot_free((void *)(uintptr_t)adj->group);
	}
	hot_free(adj);
}

void adj_fini(void)
{
	// Groups give their members' indices back first, by another grace period.
	for (uint32_t i = 1; i < indices.used; i++)
		if (adj_table[i] && adj_table[i] != &no_route)
			adj_publish(i, &no_route);
	rcu_synchronize();
	hot_free(adj_table);
	adj_table = NULL;
	free(indices.free);
	memset(&indices, 0, sizeof(indices));
}

uint32_t adj_index_new(void)
{
	uint32_t index;

	if (indices.free_len)
		index = indices.free[--indices.free_len];
	else if (indices.used < ADJ_MAX)
		index = indices.used++;
	else
		return 0;
	rcu_store(&adj_table[index], &no_route);
	return index;
}

static void index_free_now(void *p)
{
	indices.free =
		xgrow(indices.free, &indices.free_cap, indices.free_len + 1, sizeof(*indices.free));
	indices.free[indices.free_len++] = (uint32_t)(uintptr_t)p;
}

void adj_index_free(uint32_t index)
{
	const struct adj *old = adj_table[index];

	if (!index)
		return;
	rcu_store(&adj_table[index], &no_route);
	adj_free_later(old);
	rcu_defer(index_free_now, (void *)(uintptr_t)index);
}

static uint8_t plain_kinds(const struct adj *adj)
{
	if (adj->flags & (ADJ_F_OUTER6 | ADJ_F_IPSEC))
		return 0;
	switch (adj->type) {
	case ADJ_ESP:
	case ADJ_GRE:
	case ADJ_L3: return ADJ_PLAIN_HOST | ADJ_PLAIN_SITE;
	case ADJ_OVERLAY: return ADJ_PLAIN_SITE;
	default: return 0;
	}
}

void adj_publish(uint32_t index, struct adj *adj)
{
	const struct adj *old = adj_table[index];

	adj->plain = plain_kinds(adj);
	rcu_store(&adj_table[index], adj);
	adj_free_later(old);
}

struct adj *adj_new(enum adj_type type, uint32_t vrf)
{
	struct adj *adj = hot_alloc(sizeof(*adj));

	adj->type = type;
	adj->vrf = vrf;
	return adj;
}

void adj_align(struct adj *adj)
{
	memmove(adj->bytes + ADJ_TEMPLATE_SIZE - adj->size, adj->bytes, adj->size);
}

struct adj *adj_new_drop(uint32_t reason)
{
	struct adj *adj = adj_new(ADJ_DROP, 0);

	adj->reason = (uint8_t)reason;
	return adj;
}

void adj_free_later(const struct adj *adj)
{
	if (adj && adj != &no_route)
		rcu_defer(adj_free_now, (void *)(uintptr_t)adj);
}
