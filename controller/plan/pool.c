// SPDX-License-Identifier: Apache-2.0
// Pools and gateways: how many are active, who holds which slot, who takes over.
//
// M = gateways - redundantGatewayCount (at least 1) are to be active. An active gateway gets its
// slots once, when it becomes active; a gateway without slots is redundant and carries a copy of
// all of its pool's. Nothing moves but from a gateway that is lost, draining or gone: to the first
// redundant gateway, else to what active ones have room for, else it stays where it is.
#include "state.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "copy.h"
#include "xmalloc.h"

// -- pools

struct pool *pool_ref(struct plan *p, const char *name)
{
	struct pool *pool = map_find_str(&p->pools, name);

	if (!pool) {
		pool = xcalloc(1, sizeof(*pool));
		pool->name = xstrdup(name);
		TAILQ_INIT(&pool->gateways);
		TAILQ_INIT(&pool->slots);
		TAILQ_INIT(&pool->waiting);
		map_set_str(&p->pools, pool->name, pool);
	}
	pool->uses++;
	return pool;
}

static void clear_input(struct plan_pool *in)
{
	copy_free(in->name, in->ref, in->pa, in->gre, in->vip);
	*in = (struct plan_pool){0};
}

static void copy_input(struct plan_pool *to, const struct plan_pool *in)
{
	*to = *in;
	to->name = copy_text(in->name);
	to->ref = copy_text(in->ref);
	to->pa = copy_bytes(in->pa, in->pa_len * sizeof(*in->pa));
	to->gre = copy_bytes(in->gre, in->gre_len * sizeof(*in->gre));
	to->vip = copy_bytes(in->vip, in->vip_len * sizeof(*in->vip));
	if (!to->slots_per_active)
		to->slots_per_active = PLAN_SLOTS_PER_ACTIVE;
}

void pool_settle_later(struct plan *p, struct pool *pool)
{
	pool->settle_ms = p->now_ms + PLAN_SETTLE_MS;
	if (!pool->settling)
		TAILQ_INSERT_TAIL(&p->settling, pool, of_settling);
	pool->settling = true;
}

static void settled(struct plan *p, struct pool *pool)
{
	if (pool->settling)
		TAILQ_REMOVE(&p->settling, pool, of_settling);
	pool->settling = false;
}

void pool_free(struct plan *p, struct pool *pool)
{
	settled(p, pool);
	plan_unqueue(p, WORK_POOL, &pool->todo);
	map_del_str(&p->pools, pool->name);
	clear_input(&pool->in);
	plan_discard(p, pool->name);
	free(pool);
}

static void free_if_unused(struct plan *p, struct pool *pool)
{
	if (!pool->defined && !pool->uses)
		pool_free(p, pool);
}

void pool_unref(struct plan *p, struct pool *pool)
{
	pool->uses--;
	free_if_unused(p, pool);
}

static void queue_connections(struct plan *p, struct pool *pool)
{
	struct connection *c;
	struct slot *s;

	TAILQ_FOREACH (s, &pool->slots, of_pool) {
		TAILQ_FOREACH (c, &s->connections, of_slot)
			plan_queue(p, WORK_CONNECTION, &c->todo);
	}
}

void plan_set_pool(struct plan *p, const struct plan_pool *in)
{
	struct pool *pool = pool_ref(p, in->name);
	struct slot *s;
	bool told_otherwise = pool->in.refuse_weak != in->refuse_weak;

	clear_input(&pool->in);
	copy_input(&pool->in, in);
	if (!pool->defined)
		rows_load_pool(p, pool);
	pool->defined = true;
	pool->uses--;
	pool->retry |= pool->waiting_len;
	TAILQ_FOREACH (s, &pool->slots, of_pool)
		plan_queue(p, WORK_SLOT, &s->todo);
	plan_queue(p, WORK_POOL, &pool->todo);
	if (told_otherwise)
		queue_connections(p, pool);
}

void plan_set_rebalance(struct plan *p, const char *name, uint64_t number)
{
	struct pool *pool = map_find_str(&p->pools, name);

	if (!pool || !pool->defined || pool->in.rebalance == number)
		return;
	pool->in.rebalance = number;
	plan_queue(p, WORK_POOL, &pool->todo);
}

void plan_del_pool(struct plan *p, const char *name)
{
	struct pool *pool = map_find_str(&p->pools, name);

	if (!pool || !pool->defined)
		return;
	pool->defined = false;
	plan_queue(p, WORK_POOL, &pool->todo);
}

// -- gateways

#define IV_BLOCK 256 // numbers granted ahead for starts of a gateway's forwarder

struct gateway *gateway_find(const struct plan *p, const char *name)
{
	return map_find_str(&p->gateways, name);
}

// Exists from the first mention: a loaded slot names its holder before the gateway is known.
struct gateway *gateway_get(struct plan *p, const char *name)
{
	struct gateway *g = gateway_find(p, name);

	if (g)
		return g;
	g = xcalloc(1, sizeof(*g));
	g->name = xstrdup(name);
	TAILQ_INIT(&g->held);
	audience_init(&g->self);
	map_set_str(&p->gateways, g->name, g);
	rows_load_gateway(p, g);
	return g;
}

static void gateway_clear_input(struct plan_gateway *in)
{
	copy_free(in->name, in->ref, in->pool, in->underlay, in->default_gateway, in->bgp_peer);
	*in = (struct plan_gateway){0};
}

static void gateway_copy_input(struct plan_gateway *to, const struct plan_gateway *in)
{
	*to = *in;
	to->name = copy_text(in->name);
	to->ref = copy_text(in->ref);
	to->pool = copy_text(in->pool);
	to->underlay = copy_bytes(in->underlay, in->underlay_len * sizeof(*in->underlay));
	to->default_gateway = copy_bytes(
		in->default_gateway, in->default_gateway_len * sizeof(*in->default_gateway));
	to->bgp_peer = copy_bytes(in->bgp_peer, in->bgp_peer_len * sizeof(*in->bgp_peer));
}

// Whether a gateway is alone in its pool is told to it, and where the others are.
static void queue_others(struct plan *p, struct pool *pool)
{
	struct gateway *g;

	TAILQ_FOREACH (g, &pool->gateways, of_pool)
		plan_queue(p, WORK_GATEWAY, &g->todo);
}

static void join_pool(struct plan *p, struct gateway *g, const char *name)
{
	struct pool *pool = pool_ref(p, name);
	struct gateway *before = TAILQ_LAST(&pool->gateways, gateway_list);

	while (before && strcmp(before->name, g->name) > 0)
		before = TAILQ_PREV(before, gateway_list, of_pool);
	if (before)
		TAILQ_INSERT_AFTER(&pool->gateways, before, g, of_pool);
	else
		TAILQ_INSERT_HEAD(&pool->gateways, g, of_pool);
	pool->gateways_len++;
	g->pool = pool;
	plan_queue(p, WORK_POOL, &pool->todo);
	queue_others(p, pool);
}

static void leave_pool(struct plan *p, struct gateway *g)
{
	struct pool *pool = g->pool;
	struct slot *s;

	if (!pool)
		return;
	TAILQ_FOREACH (s, &pool->slots, of_pool) {
		if (s->moving_to == g)
			slot_stay(p, s);
	}
	TAILQ_REMOVE(&pool->gateways, g, of_pool);
	pool->gateways_len--;
	g->pool = NULL;
	plan_queue(p, WORK_POOL, &pool->todo);
	queue_others(p, pool);
	pool->uses--;
}

void plan_set_gateway(struct plan *p, const struct plan_gateway *in)
{
	struct gateway *g = gateway_get(p, in->name);
	bool known = g->defined;
	enum plan_health health = g->in.health;
	bool drain = g->in.drain, announces = g->in.asn;
	uint16_t l3_port = g->in.l3_port;
	struct slot *s;

	if (!g->pool || strcmp(g->pool->name, in->pool)) {
		leave_pool(p, g);
		join_pool(p, g, in->pool);
	}
	gateway_clear_input(&g->in);
	gateway_copy_input(&g->in, in);
	queue_others(p, g->pool);
	if (known) {
		g->in.health = health;
		g->in.drain = drain;
	}
	if (!known) {
		audience_join(p, &g->self, g);
		rows_load_gateway(p, g);
	}
	g->defined = true;
	if (l3_port != g->in.l3_port)
		TAILQ_FOREACH (s, &g->held, of_holder)
			slot_l3_port_changed(p, s);
	if (announces != (g->in.asn != 0))
		TAILQ_FOREACH (s, &g->pool->slots, of_pool)
			plan_queue(p, WORK_SLOT, &s->todo);
	plan_queue(p, WORK_GATEWAY, &g->todo);
}

// Whose slots it holds: their home may be elsewhere now.
static void queue_tenants(struct plan *p, const struct gateway *g)
{
	struct tenant_slot *ts;
	struct slot *s;

	TAILQ_FOREACH (s, &g->held, of_holder) {
		TAILQ_FOREACH (ts, &s->tenant_slots, of_slot)
			plan_queue(p, WORK_TENANT, &ts->tenant->todo);
	}
}

void plan_del_gateway(struct plan *p, const char *name)
{
	struct gateway *g = gateway_find(p, name);

	if (!g || !g->defined)
		return;
	g->defined = false;
	leave_pool(p, g);
	queue_tenants(p, g);
	plan_queue(p, WORK_GATEWAY, &g->todo);
}

void plan_set_health(struct plan *p, const char *gateway, enum plan_health health)
{
	struct gateway *g = gateway_find(p, gateway);

	if (!g || !g->defined || g->in.health == health)
		return;
	g->in.health = health;
	g->pool->retry |= g->pool->waiting_len;
	plan_queue(p, WORK_POOL, &g->pool->todo);
}

bool plan_set_iv_next(struct plan *p, const char *gateway, uint64_t next)
{
	struct gateway *g = gateway_find(p, gateway);

	if (!g || !g->iv_first || next < g->iv_first + IV_BLOCK / 2)
		return false;
	g->iv_first = 0; // the next block is granted as the first was
	plan_queue(p, WORK_GATEWAY, &g->todo);
	return true;
}

bool plan_renew_iv(struct plan *p, const char *gateway)
{
	struct gateway *g = gateway_find(p, gateway);

	if (!g || !g->iv_first)
		return false;
	g->iv_first = 0;
	plan_queue(p, WORK_GATEWAY, &g->todo);
	for (uint32_t n = g->held_len; n; n--) // each goes to the list's end
		slot_activate(p, TAILQ_FIRST(&g->held), g, false);
	return true;
}

void plan_expect_reports(struct plan *p)
{
	p->reports = true;
}

bool plan_set_reached(struct plan *p, const char *gateway, uint64_t step)
{
	struct gateway *g = gateway_find(p, gateway);

	if (!g || !g->defined || step <= g->reached_step)
		return false;
	g->reached_step = step;
	return slots_reached(p, g);
}

void plan_set_drain(struct plan *p, const char *gateway, bool drain)
{
	struct gateway *g = gateway_find(p, gateway);

	if (!g || !g->defined || g->in.drain == drain)
		return;
	g->in.drain = drain;
	g->pool->retry |= g->pool->waiting_len;
	plan_queue(p, WORK_POOL, &g->pool->todo);
}

bool gateway_takes(const struct gateway *g)
{
	return g->defined && !g->in.drain && g->in.health != PLAN_HEALTH_LOST;
}

void gateway_free(struct plan *p, struct gateway *g)
{
	pub_clear(p, &g->pub);
	pub_clear(p, &g->watch);
	rows_of_gateway(p, g, true);
	plan_unqueue(p, WORK_GATEWAY, &g->todo);
	map_del_str(&p->gateways, g->name);
	gateway_clear_input(&g->in);
	audience_fini(&g->self);
	plan_discard(p, g->name);
	free(g);
}

static void write_bgp(struct text *t, const struct gateway *g)
{
	text_open(t, "bgp", '{');
	text_u64(t, "asn", g->in.asn);
	text_open(t, "peers", '[');
	for (size_t i = 0; i < g->in.bgp_peer_len; i++) {
		text_open(t, NULL, '{');
		text_ip(t, "address", &g->in.bgp_peer[i].addr);
		text_u64(t, "asn", g->in.bgp_peer[i].asn);
		text_close(t, '}');
	}
	text_close(t, ']');
	text_close(t, '}');
}

static void write_gateway(struct plan *p, const struct gateway *g)
{
	struct text *t = &p->text;

	text_reset(t);
	text_open(t, NULL, '{');
	text_str(t, "name", g->name);
	text_str(t, "pool", g->in.pool);
	text_bool(t, "alone", g->pool->gateways_len == 1);
	text_open(t, "ivBlock", '[');
	text_u64(t, NULL, g->iv_first);
	text_u64(t, NULL, IV_BLOCK);
	text_close(t, ']');
	text_open(t, "underlay", '[');
	for (size_t i = 0; i < g->in.underlay_len; i++) {
		const struct plan_underlay *u = &g->in.underlay[i];
		char addr[IP_TEXT_SIZE], both[IP_TEXT_SIZE + 8];

		snprintf(both, sizeof(both), "%s/%u", ip_format(&u->addr, addr), u->prefix_len);
		text_open(t, NULL, '{');
		text_u64(t, "port", u->port);
		text_u64(t, "vlan", u->vlan);
		text_str(t, "address", both);
		text_close(t, '}');
	}
	text_close(t, ']');
	text_ips(t, "defaultGateways", g->in.default_gateway, g->in.default_gateway_len);
	text_u64(t, "l3Port", g->in.l3_port);
	if (g->in.asn)
		write_bgp(t, g);
	text_close(t, '}');
}

void gateway_work(struct plan *p, struct gateway *g)
{
	plan_read(p);
	if (g->defined) {
		if (!g->iv_first) {
			g->iv_first = p->next_epoch;
			p->next_epoch += IV_BLOCK;
			rows_of_gateway(p, g, false);
		}
		write_gateway(p, g);
		pub_set(p, &g->pub, &g->self, PLAN_KIND_GATEWAY, "self", g->in.ref);
		watch_tell(p, g);
		return;
	}
	pub_clear(p, &g->pub);
	pub_clear(p, &g->watch);
	slot_relay_forget(p, g);
	if (!g->held_len)
		gateway_free(p, g);
}

// Something was given back: who waits is tried again.
void pool_freed(struct plan *p, struct pool *pool)
{
	pool->retry |= pool->waiting_len;
	if (pool->stuck)
		plan_queue(p, WORK_POOL, &pool->todo);
}

// -- roles

int64_t gateway_room(const struct gateway *g)
{
	struct capacity_load with = g->load;

	capacity_add(&with, &g->coming);
	return capacity_available(g->pool->in.rule, g->pool->in.capacity_kbps, &with);
}

static int64_t room(struct plan *p, const struct gateway *g)
{
	plan_read(p);
	return gateway_room(g);
}

// The first that waits for work: up, not draining, without slots.
static struct gateway *first_redundant(struct plan *p, struct pool *pool)
{
	struct gateway *g;

	TAILQ_FOREACH (g, &pool->gateways, of_pool) {
		plan_read(p);
		if (!g->held_len && !g->incoming && gateway_takes(g) &&
			g->in.health == PLAN_HEALTH_UP)
			return g;
	}
	return NULL;
}

bool slot_fits(const struct slot *s, const struct gateway *g)
{
	struct capacity_load with = g->load;

	capacity_add(&with, &g->coming);
	capacity_add(&with, &s->load);
	return capacity_available(s->pool->in.rule, s->pool->in.capacity_kbps, &with) >= 0;
}

static uint32_t slots_to_be(const struct gateway *g)
{
	return g->held_len + g->incoming;
}

// By room; of equal ones, that with the fewest slots. A slot without load goes by their number
// first: so several share what one had, and what will yet be put into it.
static bool is_better(const struct slot *s, const struct gateway *g, int64_t left,
	const struct gateway *best, int64_t best_room)
{
	bool fewer = slots_to_be(g) < slots_to_be(best),
	     as_many = slots_to_be(g) == slots_to_be(best);

	if (!s->connections_len)
		return fewer || (as_many && left > best_room);
	return left > best_room || (left == best_room && fewer);
}

// The best active gateway (that can carry the slot as well).
static struct gateway *roomiest_active(struct plan *p, const struct slot *s, bool must_fit)
{
	struct gateway *g, *best = NULL;
	int64_t best_room = 0;

	TAILQ_FOREACH (g, &s->pool->gateways, of_pool) {
		int64_t left = room(p, g);

		if (g == s->holder || !g->held_len || !gateway_takes(g) ||
			(must_fit && !slot_fits(s, g)))
			continue;
		if (!best || is_better(s, g, left, best, best_room)) {
			best = g;
			best_room = left;
		}
	}
	return best;
}

static bool must_move(const struct slot *s)
{
	return !s->holder || s->holder->pool != s->pool || !gateway_takes(s->holder);
}

// Known to work and able to hear: it hands over, the new holder being ready. Else the slot is
// simply activated elsewhere.
static bool is_planned(const struct slot *s)
{
	return s->holder && s->holder->defined && s->holder->in.health == PLAN_HEALTH_UP;
}

static bool is_bereft(const struct slot *s)
{
	return !s->holder || !s->holder->defined || s->holder->in.health == PLAN_HEALTH_LOST;
}

static void go(struct plan *p, struct slot *s, struct gateway *to)
{
	if (is_planned(s))
		slot_move(p, s, to);
	else
		slot_activate(p, s, to, false);
	if (s->moving_to)
		capacity_add(&to->coming, &s->load);
}

// What is being filled for it goes on being so, as long as it can take the slot.
static bool is_still_good(const struct slot *s)
{
	const struct gateway *to = s->moving_to;

	return to && to->pool == s->pool && gateway_takes(to) && to->in.health == PLAN_HEALTH_UP &&
	       slot_fits(s, to);
}

// A slot that must move. All of one holder go to one redundant gateway, so that the others stay in
// reserve; if that is full, to the next; with none left the active ones share them.
static void move_slot(struct plan *p, struct slot *s, struct gateway **to)
{
	struct gateway *target = NULL;

	if (is_still_good(s))
		target = s->moving_to;
	if (!target && *to && !slot_fits(s, *to))
		*to = first_redundant(p, s->pool);
	if (!target && *to && slot_fits(s, *to))
		target = *to;
	if (!target)
		target = roomiest_active(p, s, true);
	if (!target && is_bereft(s)) {
		target = *to ? *to : roomiest_active(p, s, false);
		if (target)
			pool_shed(p, s, target);
	}
	if (target) {
		go(p, s, target);
	} else {
		slot_stay(p, s);
		s->pool->stuck = true;
	}
}

static void move_slots(struct plan *p, struct pool *pool)
{
	struct gateway *from = NULL, *to = NULL, *g;
	struct slot *s;

	pool->stuck = false;
	TAILQ_FOREACH (g, &pool->gateways, of_pool)
		g->coming = (struct capacity_load){0};
	TAILQ_FOREACH (s, &pool->slots, of_pool) {
		plan_read(p);
		if (!must_move(s)) {
			if (s->move_asked && is_still_good(s))
				go(p, s, s->moving_to);
			else
				slot_stay(p, s);
			continue;
		}
		if (!to || from != s->holder) {
			from = s->holder;
			to = s->moving_to ? s->moving_to : first_redundant(p, pool);
		}
		move_slot(p, s, &to);
	}
}

static uint16_t free_number(struct plan *p)
{
	for (uint16_t n = 1; n <= PLAN_SLOT_MAX; n++) {
		if (!p->slots[n])
			return n;
	}
	return 0;
}

static bool make_active(struct plan *p, struct pool *pool, struct gateway *g)
{
	uint32_t made = 0;

	while (made < pool->in.slots_per_active) {
		uint16_t number = free_number(p);

		if (!number)
			break;
		slot_activate(p, slot_new(p, pool, number), g, false);
		made++;
	}
	return made;
}

static void fill_roles(struct plan *p, struct pool *pool)
{
	uint32_t n = pool->gateways_len, redundant = pool->in.redundant_count, active = 0;
	uint32_t want = n - (redundant < n / 2 ? redundant : n / 2); // N of M+N is never above M
	struct gateway *g;

	TAILQ_FOREACH (g, &pool->gateways, of_pool)
		active += slots_to_be(g) > 0;
	while (active < want && (g = first_redundant(p, pool)) && make_active(p, pool, g))
		active++;
}

static void drop_empty_slots(struct plan *p, struct pool *pool)
{
	struct slot *s, *next;

	for (s = TAILQ_FIRST(&pool->slots); s; s = next) {
		next = TAILQ_NEXT(s, of_pool);
		if (!s->connections_len)
			slot_free(p, s);
	}
}

// An active gateway without connections, when the pool has more active ones than it should and
// too few to take over.
static void give_up_idle(struct plan *p, struct pool *pool)
{
	uint32_t n = pool->gateways_len, spare = 0, active = 0;
	uint32_t want = pool->in.redundant_count < n / 2 ? pool->in.redundant_count : n / 2;
	struct gateway *g;

	TAILQ_FOREACH (g, &pool->gateways, of_pool) {
		spare += !slots_to_be(g) && gateway_takes(g);
		active += slots_to_be(g) > 0;
	}
	TAILQ_FOREACH_REVERSE(g, &pool->gateways, gateway_list, of_pool)
	{
		plan_read(p);
		if (spare >= want || active <= n - want)
			return;
		if (!g->held_len || g->connections_len || g->incoming || !gateway_takes(g))
			continue;
		while (!TAILQ_EMPTY(&g->held))
			slot_free(p, TAILQ_FIRST(&g->held));
		spare++;
		active--;
	}
}

static void carry(struct plan *p, struct pool *pool, bool is_settled)
{
	struct slot *s;
	bool left = false;

	TAILQ_FOREACH (s, &pool->slots, of_pool) {
		plan_read(p);
		left |= slot_carry(p, s, is_settled);
	}
	if (left)
		pool_settle_later(p, pool);
	else
		settled(p, pool);
}

void pool_work(struct plan *p, struct pool *pool)
{
	plan_read(p);
	if (pool->defined) {
		pool_rebalance(p, pool);
		move_slots(p, pool);
		fill_roles(p, pool);
		give_up_idle(p, pool);
	} else if (!pool->gateways_len) {
		drop_empty_slots(p, pool);
	}
	// What decides about traffic is told first.
	plan_slots_now(p);
	carry(p, pool, false);
	pool_vips(p, pool);
	pool->retry |= pool->waiting_len;
	free_if_unused(p, pool);
}

void pools_settle(struct plan *p)
{
	struct pool *pool, *next;

	for (pool = TAILQ_FIRST(&p->settling); pool; pool = next) {
		next = TAILQ_NEXT(pool, of_settling);
		if (p->now_ms >= pool->settle_ms)
			carry(p, pool, true);
	}
}

// -- status

int plan_gateway_status(
	const struct plan *p, const char *name, struct plan_gateway_status *ret_status)
{
	const struct gateway *g = gateway_find(p, name);
	const struct pool *pool;

	if (!g || !g->defined)
		return -1;
	pool = g->pool;
	*ret_status = (struct plan_gateway_status){
		.state = g->held_len ? PLAN_GATEWAY_ACTIVE : PLAN_GATEWAY_REDUNDANT,
		.health = g->in.health,
		.drain = g->in.drain,
		.slots = g->held_len,
		.connections = g->connections_len,
		.total_kbps = pool->in.capacity_kbps,
		.available_kbps =
			capacity_available(pool->in.rule, pool->in.capacity_kbps, &g->load),
	};
	if (g->in.drain || (pool->defined && !g->held_len && g->in.health != PLAN_HEALTH_UP))
		ret_status->state = PLAN_GATEWAY_PASSIVE;
	return 0;
}

void plan_gateway_connections(const struct plan *p, const char *name,
	void (*each)(const char *tenant, const char *connection, void *arg), void *arg)
{
	const struct gateway *g = gateway_find(p, name);
	struct slot *s;
	struct connection *c;

	if (!g)
		return;
	TAILQ_FOREACH (s, &g->held, of_holder) {
		TAILQ_FOREACH (c, &s->connections, of_slot)
			each(c->tenant->name, c->in.name, arg);
	}
}

void plan_gateway_slots(const struct plan *p, const char *name,
	void (*each)(void *arg, uint16_t slot, uint64_t epoch), void *arg)
{
	const struct gateway *g = gateway_find(p, name);
	struct slot *s;

	if (!g)
		return;
	TAILQ_FOREACH (s, &g->held, of_holder)
		each(arg, s->number, s->epoch);
	TAILQ_FOREACH (s, &p->relaying, of_relaying) {
		if (slot_hands_over(s, g))
			each(arg, s->number, s->old_epoch);
	}
}
