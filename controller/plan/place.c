// SPDX-License-Identifier: Apache-2.0
// Which slot a connection goes to. It stays there for life.
//
// In this order: where it must be (IPsec with the same VIP and remote address as others), the
// tenant's home slot, the tenant's other slots, another slot of the home's holder, then the gateway
// it fills best (least left that is enough), there the least loaded slot. A slot that would need an
// address when there is none left is passed over, so connections then join slots in use.
#include "state.h"

#include <stdlib.h>
#include <string.h>

#include "xmalloc.h"

static bool pool_serves(const struct pool *pool, enum plan_conn_type type)
{
	static const bool serves[][PLAN_CONN_TYPES] = {
		[PLAN_POOL_ALL] = {true, true, true},
		[PLAN_POOL_IPSEC] = {[PLAN_CONN_IPSEC] = true},
		[PLAN_POOL_GRE] = {[PLAN_CONN_GRE] = true},
		[PLAN_POOL_FORWARDING] = {[PLAN_CONN_L3] = true},
	};

	return pool->defined && serves[pool->in.type][type];
}

// The tenant's pool that serves the type; else in *ret_wait the one to wait for.
static struct pool *choose_pool(
	struct plan *p, const struct tenant *t, enum plan_conn_type type, struct pool **ret_wait)
{
	*ret_wait = t->pools_len ? t->pools[0] : NULL;
	for (size_t i = 0; i < t->pools_len; i++) {
		plan_read(p);
		if (pool_serves(t->pools[i], type))
			return t->pools[i];
		if (!t->pools[i]->defined)
			*ret_wait = t->pools[i];
	}
	return NULL;
}

static bool offers_gre(const struct pool *pool, enum ip_family family)
{
	for (size_t i = 0; i < pool->in.gre_len; i++) {
		if (pool->in.gre[i].first.family == family)
			return true;
	}
	return false;
}

// -- keys: what must not, or must, be in one slot

static void make_key(
	const struct connection *c, const struct slot *s, struct conn_key_bytes *ret_key)
{
	struct conn_key_bytes *k = ret_key;

	memset(k, 0, sizeof(*k));
	k->type = c->in.type;
	k->remote = c->in.remote;
	if (c->in.type == PLAN_CONN_GRE) {
		k->slot = s->number;
		k->has_key = c->in.has_key;
		k->gre_key = c->in.has_key ? c->in.gre_key : 0;
	} else {
		k->vip = vip_of(s->pool, c->in.remote.family);
	}
}

static struct conn_key *key_find(struct plan *p, const struct connection *c, const struct slot *s)
{
	struct conn_key_bytes key;

	if (c->in.type == PLAN_CONN_L3)
		return NULL;
	make_key(c, s, &key);
	plan_read(p);
	return map_find(&p->conn_keys, &key, sizeof(key));
}

static void key_take(struct plan *p, struct connection *c, struct slot *s)
{
	struct conn_key *k;

	if (c->in.type == PLAN_CONN_L3)
		return;
	k = key_find(p, c, s);
	if (!k) {
		k = xcalloc(1, sizeof(*k));
		make_key(c, s, &k->key);
		k->slot = s;
		map_set(&p->conn_keys, &k->key, sizeof(k->key), k);
		if (c->in.type == PLAN_CONN_IPSEC)
			vips_tell_remote(p, k);
	}
	k->uses++;
	c->by_key = k;
}

static void key_drop(struct plan *p, struct connection *c)
{
	struct conn_key *k = c->by_key;

	c->by_key = NULL;
	if (!k || --k->uses)
		return;
	pub_clear(p, &k->pub);
	map_del(&p->conn_keys, &k->key, sizeof(k->key));
	free(k);
}

// -- candidates

static bool fits(const struct connection *c, const struct gateway *g)
{
	const struct plan_pool *in = &g->pool->in;

	struct capacity_load load = g->load;

	capacity_add(&load, &g->coming);
	return capacity_fits(
		in->rule, in->capacity_kbps, &load, c->in.type, c->in.in_kbps + c->in.out_kbps);
}

// PLAN_WAIT_NONE if the slot can take the connection, else why not.
static enum plan_wait refuses(struct plan *p, const struct connection *c, const struct slot *s)
{
	plan_read(p);
	if (!s->holder || !s->holder->pool || !gateway_takes(s->holder))
		return PLAN_WAIT_GATEWAY;
	if (!fits(c, s->holder))
		return PLAN_WAIT_CAPACITY;
	if (c->in.type == PLAN_CONN_GRE && key_find(p, c, s))
		return PLAN_WAIT_CONFLICT;
	if (!slot_has_room(p, s, c->in.type))
		return PLAN_WAIT_ADDRESS;
	return PLAN_WAIT_NONE;
}

static uint64_t slot_kbps(const struct slot *s)
{
	return s->load.kbps[0] + s->load.kbps[1] + s->load.kbps[2];
}

static bool lighter(const struct slot *a, const struct slot *b)
{
	if (slot_kbps(a) != slot_kbps(b))
		return slot_kbps(a) < slot_kbps(b);
	if (a->connections_len != b->connections_len)
		return a->connections_len < b->connections_len;
	return a->number < b->number;
}

static struct slot *lightest_slot(
	struct plan *p, const struct connection *c, const struct gateway *g, enum plan_wait *why)
{
	struct slot *s, *best = NULL;

	TAILQ_FOREACH (s, &g->held, of_holder) {
		enum plan_wait no;

		plan_read(p);
		if (s->pool != g->pool || (best && !lighter(s, best)))
			continue;
		no = refuses(p, c, s);
		if (no == PLAN_WAIT_NONE)
			best = s;
		else
			*why = no;
	}
	return best;
}

static struct slot *of_tenant(struct plan *p, const struct connection *c, const struct pool *pool)
{
	struct tenant *t = c->tenant;
	struct tenant_slot *ts;

	if (t->home && t->home->slot->pool == pool && !refuses(p, c, t->home->slot))
		return t->home->slot;
	TAILQ_FOREACH (ts, &t->slots, of_tenant) {
		if (ts != t->home && ts->slot->pool == pool && !refuses(p, c, ts->slot))
			return ts->slot;
	}
	return NULL;
}

static struct slot *of_best_gateway(
	struct plan *p, const struct connection *c, const struct pool *pool, enum plan_wait *why)
{
	struct gateway *g;
	struct slot *best = NULL;
	int64_t best_left = 0;

	TAILQ_FOREACH (g, &pool->gateways, of_pool) {
		enum plan_wait no = PLAN_WAIT_GATEWAY;
		struct slot *s;
		int64_t left;

		plan_read(p);
		if (!g->held_len || !gateway_takes(g))
			continue;
		left = capacity_available(pool->in.rule, pool->in.capacity_kbps, &g->load);
		if (!fits(c, g)) {
			if (*why == PLAN_WAIT_GATEWAY)
				*why = PLAN_WAIT_CAPACITY;
			continue;
		}
		if (best && left >= best_left)
			continue;
		s = lightest_slot(p, c, g, &no);
		if (s) {
			best = s;
			best_left = left;
		} else {
			*why = no;
		}
	}
	return best;
}

static struct slot *choose_slot(
	struct plan *p, const struct connection *c, const struct pool *pool, enum plan_wait *why)
{
	struct gateway *home = c->tenant->home ? c->tenant->home->slot->holder : NULL;
	struct slot *s;

	if (c->in.type == PLAN_CONN_IPSEC && !TAILQ_EMPTY(&pool->slots)) {
		struct conn_key *k = key_find(p, c, TAILQ_FIRST(&pool->slots));

		if (k) {
			*why = refuses(p, c, k->slot);
			return *why ? NULL : k->slot;
		}
	}
	s = of_tenant(p, c, pool);
	if (!s && home && home->pool == pool)
		s = lightest_slot(p, c, home, why);
	*why = PLAN_WAIT_GATEWAY;
	return s ? s : of_best_gateway(p, c, pool, why);
}

// -- in and out

static void stop_waiting(struct connection *c)
{
	if (!c->waits_in)
		return;
	TAILQ_REMOVE(&c->waits_in->waiting, c, of_waiting);
	c->waits_in->waiting_len--;
	c->waits_in = NULL;
}

// Who is kept longer also comes back first.
static void wait_in(struct connection *c, struct pool *pool)
{
	struct connection *before;

	if (c->waits_in == pool)
		return;
	stop_waiting(c);
	if (!pool)
		return;
	before = TAILQ_LAST(&pool->waiting, waiting_list);
	while (before && before->in.shed_priority > c->in.shed_priority)
		before = TAILQ_PREV(before, waiting_list, of_waiting);
	if (before)
		TAILQ_INSERT_AFTER(&pool->waiting, before, c, of_waiting);
	else
		TAILQ_INSERT_HEAD(&pool->waiting, c, of_waiting);
	pool->waiting_len++;
	c->waits_in = pool;
}

static void set_wait(struct plan *p, struct connection *c, enum plan_wait wait)
{
	bool waited = c->wait != PLAN_WAIT_NONE && !c->slot;

	if (c->wait != wait)
		plan_changed(p, c->key);
	c->wait = wait;
	if (waited != (wait != PLAN_WAIT_NONE && !c->slot))
		c->tenant->waiting_len += waited ? -1u : 1u;
}

static void put_in(struct plan *p, struct connection *c, struct tenant_slot *ts)
{
	bool waited = c->wait != PLAN_WAIT_NONE && !c->slot;

	if (waited)
		c->tenant->waiting_len--;
	c->wait = PLAN_WAIT_NONE;
	stop_waiting(c);
	if (!c->id) {
		c->id = p->next_connection++;
		p->counters_changed = true;
	}
	slot_add(p, ts->slot, c);
	key_take(p, c, ts->slot);
	c->tenant_slot = ts;
	ts->connections_len++;
	plan_changed(p, c->key);
}

// As loaded: no questions but those without which it cannot be told.
bool place_restore(struct plan *p, struct connection *c, struct slot *s)
{
	struct pool *wait;
	struct tenant_slot *ts;

	if (choose_pool(p, c->tenant, c->in.type, &wait) != s->pool)
		return false;
	ts = tenant_slot_get(p, c->tenant, s);
	if (!ts)
		return false;
	put_in(p, c, ts);
	return true;
}

static enum plan_wait unservable(const struct pool *pool, const struct connection *c)
{
	if (c->in.type == PLAN_CONN_GRE && !offers_gre(pool, c->in.remote.family))
		return PLAN_WAIT_ADDRESS;
	if (c->in.type == PLAN_CONN_IPSEC && !vip_of(pool, c->in.remote.family).family)
		return PLAN_WAIT_ADDRESS;
	return PLAN_WAIT_NONE;
}

static bool wait_for(struct plan *p, struct connection *c, struct pool *pool, enum plan_wait why)
{
	wait_in(c, pool);
	if (c->wait != PLAN_WAIT_SHED || why != PLAN_WAIT_CAPACITY || c->slot)
		set_wait(p, c, why);
	return false;
}

// The address of a PA or GRE VIP is taken by slot_add(); the tenant slot may take one in the
// gateway subnet: undone if it is not used.
bool place(struct plan *p, struct connection *c)
{
	struct pool *wait, *pool = choose_pool(p, c->tenant, c->in.type, &wait);
	enum plan_wait why = PLAN_WAIT_GATEWAY;
	struct tenant_slot *ts;
	struct slot *s;

	if (!pool)
		return wait_for(p, c, wait, PLAN_WAIT_POOL);
	why = unservable(pool, c);
	if (why)
		return wait_for(p, c, pool, why);
	s = choose_slot(p, c, pool, &why);
	if (!s)
		return wait_for(p, c, pool, why);
	ts = tenant_slot_get(p, c->tenant, s);
	if (!ts)
		return wait_for(p, c, pool, PLAN_WAIT_NETWORK);
	c->in_kbps = c->in.in_kbps;
	c->out_kbps = c->in.out_kbps;
	c->row_changed = true;
	put_in(p, c, ts);
	return true;
}

void unplace(struct plan *p, struct connection *c)
{
	struct tenant_slot *ts = c->tenant_slot;

	stop_waiting(c);
	if (!c->slot) {
		set_wait(p, c, PLAN_WAIT_NONE);
		return;
	}
	connection_untell(p, c);
	key_drop(p, c);
	slot_remove(p, c->slot, c);
	c->tenant_slot = NULL;
	c->wait = PLAN_WAIT_NONE;
	c->row_changed = true;
	ts->connections_len--;
	tenant_slot_put(p, ts);
	plan_changed(p, c->key);
}

void place_shed(struct plan *p, struct connection *c)
{
	struct pool *pool = c->slot->pool;

	unplace(p, c);
	wait_in(c, pool);
	set_wait(p, c, PLAN_WAIT_SHED);
	rows_of_connection(p, c, false);
	c->row_changed = false;
}

// Whether the slot may stay as it is after the connection changed. Takes the new key if so.
static bool may_stay(struct plan *p, struct connection *c)
{
	struct slot *s = c->slot;
	struct conn_key_bytes key;
	struct pool *wait;

	if (c->in.type != c->placed_type ||
		choose_pool(p, c->tenant, c->in.type, &wait) != s->pool || unservable(s->pool, c))
		return false;
	if (c->in.type == PLAN_CONN_L3)
		return true;
	make_key(c, s, &key);
	if (!memcmp(&key, &c->by_key->key, sizeof(key)))
		return true;
	if (c->in.type == PLAN_CONN_GRE ? key_find(p, c, s) != NULL
					: key_find(p, c, s) && key_find(p, c, s)->slot != s)
		return false;
	key_drop(p, c);
	key_take(p, c, s);
	pool_freed(p, s->pool);
	return true;
}

// A slot whose holder is gone goes to one gateway with all that the holder had: no more is granted
// than that could carry.
static bool has_room_for(const struct slot *s, enum plan_conn_type type, uint64_t kbps)
{
	const struct capacity_load *load = s->holder ? &s->holder->load : &s->load;

	return capacity_fits(s->pool->in.rule, s->pool->in.capacity_kbps, load, type, kbps);
}

// More bandwidth is granted when the gateway has it; until then the connection runs on with what
// it had.
static void grant(struct plan *p, struct connection *c)
{
	struct slot *s = c->slot;
	uint64_t had = c->in_kbps + c->out_kbps, wants = c->in.in_kbps + c->in.out_kbps;
	struct gateway *g = s->holder;

	if (c->in_kbps == c->in.in_kbps && c->out_kbps == c->in.out_kbps) {
		stop_waiting(c);
		set_wait(p, c, PLAN_WAIT_NONE);
		return;
	}
	if (wants > had && !has_room_for(s, c->in.type, wants - had)) {
		wait_for(p, c, s->pool, PLAN_WAIT_CAPACITY);
		return;
	}
	s->load.kbps[c->placed_type] += wants - had;
	if (g)
		g->load.kbps[c->placed_type] += wants - had;
	if (wants < had)
		pool_freed(p, s->pool);
	c->in_kbps = c->in.in_kbps;
	c->out_kbps = c->in.out_kbps;
	c->row_changed = true;
	stop_waiting(c);
	set_wait(p, c, PLAN_WAIT_NONE);
}

bool place_keep(struct plan *p, struct connection *c)
{
	if (!may_stay(p, c))
		return false;
	grant(p, c);
	return true;
}

#define RETRIES_A_STEP 64

// A bounded part of those that wait, oldest first; the caller comes back while some are left.
void place_retry(struct plan *p, struct pool *pool)
{
	if (pool->retry)
		pool->retry_left = pool->waiting_len;
	pool->retry = false;
	for (int i = 0; i < RETRIES_A_STEP && pool->retry_left && pool->waiting_len; i++) {
		struct connection *c = TAILQ_FIRST(&pool->waiting);

		pool->retry_left--;
		TAILQ_REMOVE(&pool->waiting, c, of_waiting);
		TAILQ_INSERT_TAIL(&pool->waiting, c, of_waiting);
		connection_work(p, c);
	}
	if (!pool->waiting_len) {
		pool->retry_left = 0;
		pool->retry = false;
	}
}
