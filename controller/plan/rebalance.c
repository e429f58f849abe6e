// SPDX-License-Identifier: Apache-2.0
// Evening out the load of a pool, when an operator asks for it, and giving up connections, when
// gateways are missing and what is left does not suffice. Nothing else moves what runs well.
#include "state.h"

#include <stdlib.h>

#include "xmalloc.h"

// -- rebalancing

// One gateway or slot while the moves are worked out; `used` is what it takes of a gateway.
struct gateway_use {
	struct gateway *gateway;
	struct capacity_load load;
	int64_t used;
};

struct slot_use {
	struct slot *slot;
	size_t at; // index of its gateway
	bool moved;
};

struct balance {
	const struct pool *pool;
	struct gateway_use *gateways;
	struct slot_use *slots;
	size_t gateways_len, slots_len;
};

static int64_t used(const struct pool *pool, const struct capacity_load *load)
{
	return (int64_t)pool->in.capacity_kbps -
	       capacity_available(pool->in.rule, pool->in.capacity_kbps, load);
}

static bool takes_part(const struct gateway *g)
{
	return g->held_len && gateway_takes(g) && g->in.health == PLAN_HEALTH_UP;
}

static void balance_init(struct balance *b, const struct pool *pool)
{
	struct gateway *g;
	struct slot *s;

	*b = (struct balance){.pool = pool};
	b->gateways = xcalloc(pool->gateways_len + 1, sizeof(*b->gateways));
	b->slots = xcalloc(PLAN_SLOT_MAX, sizeof(*b->slots));
	TAILQ_FOREACH (g, &pool->gateways, of_pool) {
		if (!takes_part(g))
			continue;
		b->gateways[b->gateways_len] =
			(struct gateway_use){g, g->load, used(pool, &g->load)};
		TAILQ_FOREACH (s, &g->held, of_holder) {
			if (s->pool == pool && s->connections_len && !s->moving_to)
				b->slots[b->slots_len++] =
					(struct slot_use){s, b->gateways_len, false};
		}
		b->gateways_len++;
	}
}

static void balance_fini(struct balance *b)
{
	free(b->gateways);
	free(b->slots);
}

static int64_t used_with(
	const struct balance *b, const struct gateway_use *g, const struct slot *s, int sign)
{
	struct capacity_load load = g->load;

	for (int t = 0; t < PLAN_CONN_TYPES; t++)
		load.kbps[t] += sign > 0 ? s->load.kbps[t] : -s->load.kbps[t];
	return used(b->pool, &load);
}

// The fuller of both gateways after the slot has moved.
static int64_t fuller_after(const struct balance *b, const struct slot_use *s, size_t to)
{
	int64_t from_used = used_with(b, &b->gateways[s->at], s->slot, -1);
	int64_t to_used = used_with(b, &b->gateways[to], s->slot, 1);

	return from_used > to_used ? from_used : to_used;
}

static void carry_over(struct balance *b, struct slot_use *s, size_t to)
{
	struct gateway_use *from = &b->gateways[s->at], *g = &b->gateways[to];

	for (int t = 0; t < PLAN_CONN_TYPES; t++)
		from->load.kbps[t] -= s->slot->load.kbps[t];
	capacity_add(&g->load, &s->slot->load);
	from->used = used(b->pool, &from->load);
	g->used = used(b->pool, &g->load);
	s->at = to;
	s->moved = true;
}

// One slot of the fullest gateway to the emptiest: that which leaves them most even. NULL: it would
// not get a hundredth of a gateway better.
static struct slot_use *next_move(struct balance *b, size_t *ret_to)
{
	struct slot_use *best = NULL;
	size_t full = 0, empty = 0;
	int64_t best_after, after;

	for (size_t i = 1; i < b->gateways_len; i++) {
		if (b->gateways[i].used > b->gateways[full].used)
			full = i;
		if (b->gateways[i].used < b->gateways[empty].used)
			empty = i;
	}
	if (!b->gateways_len || full == empty)
		return NULL;
	best_after = b->gateways[full].used - (int64_t)(b->pool->in.capacity_kbps / 100);
	for (size_t i = 0; i < b->slots_len; i++) {
		if (b->slots[i].at != full || b->slots[i].moved)
			continue;
		after = fuller_after(b, &b->slots[i], empty);
		if (after < best_after) {
			best = &b->slots[i];
			best_after = after;
		}
	}
	*ret_to = empty;
	return best;
}

void pool_rebalance(struct plan *p, struct pool *pool)
{
	struct balance b;
	struct slot_use *s;
	size_t to;

	if (pool->in.rebalance == pool->rebalanced)
		return;
	balance_init(&b, pool);
	while ((s = next_move(&b, &to))) {
		carry_over(&b, s, to);
		slot_stay(p, s->slot);
		slot_move(p, s->slot, b.gateways[to].gateway);
		s->slot->move_asked = s->slot->moving_to;
	}
	balance_fini(&b);
	pool->rebalanced = pool->in.rebalance;
	rows_of_pool(p, pool);
}

void plan_rebalance_proposal(const struct plan *p, const char *pool_name,
	void (*each)(void *arg, uint16_t slot, const char *from, const char *to, uint64_t kbps),
	void *arg)
{
	const struct pool *pool = map_find_str(&p->pools, pool_name);
	struct balance b;
	struct slot_use *s;
	size_t to;

	if (!pool || !pool->defined)
		return;
	balance_init(&b, pool);
	while ((s = next_move(&b, &to))) {
		const struct capacity_load *load = &s->slot->load;

		each(arg, s->slot->number, b.gateways[s->at].gateway->name,
			b.gateways[to].gateway->name,
			load->kbps[0] + load->kbps[1] + load->kbps[2]);
		carry_over(&b, s, to);
	}
	balance_fini(&b);
}

// -- shedding

struct victim {
	struct connection *connection;
	bool runs; // on the gateway that is to take the slot
};

// Highest shed priority first; of equal ones those that do not run any more, then the youngest.
static int compare(const void *a, const void *b)
{
	const struct victim *x = a, *y = b;
	const struct connection *c = x->connection, *d = y->connection;

	if (c->in.shed_priority != d->in.shed_priority)
		return c->in.shed_priority > d->in.shed_priority ? -1 : 1;
	if (x->runs != y->runs)
		return x->runs ? 1 : -1;
	return c->id > d->id ? -1 : c->id < d->id;
}

static size_t add_victims(struct plan *p, struct victim *list, struct slot *s, bool runs)
{
	struct connection *c;
	size_t len = 0;

	TAILQ_FOREACH (c, &s->connections, of_slot) {
		plan_read(p);
		if (c->in_kbps + c->out_kbps)
			list[len++] = (struct victim){c, runs};
	}
	return len;
}

void pool_shed(struct plan *p, struct slot *s, struct gateway *to)
{
	size_t most = s->connections_len + to->connections_len, len;
	struct victim *list = xcalloc(most + 1, sizeof(*list));
	struct slot *held;

	len = add_victims(p, list, s, false);
	TAILQ_FOREACH (held, &to->held, of_holder)
		len += add_victims(p, list + len, held, true);
	qsort(list, len, sizeof(*list), compare);
	for (size_t i = 0; i < len && !slot_fits(s, to); i++)
		place_shed(p, list[i].connection);
	free(list);
}
