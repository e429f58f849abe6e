// SPDX-License-Identifier: Apache-2.0
// Slots: numbered for the whole installation, so that (VRF, slot) names one thing in every pool.
// Who carries a slot: its holder, and every gateway of its pool that holds none.
#include "state.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "xmalloc.h"

struct slot *slot_new(struct plan *p, struct pool *pool, uint16_t number)
{
	struct slot *s = xcalloc(1, sizeof(*s)), *before = TAILQ_LAST(&pool->slots, slot_list);

	s->number = number;
	s->pool = pool;
	pool->uses++;
	audience_init(&s->carriers);
	TAILQ_INIT(&s->connections);
	TAILQ_INIT(&s->tenant_slots);
	while (before && before->number > number)
		before = TAILQ_PREV(before, slot_list, of_pool);
	if (before)
		TAILQ_INSERT_AFTER(&pool->slots, before, s, of_pool);
	else
		TAILQ_INSERT_HEAD(&pool->slots, s, of_pool);
	p->slots[number] = s;
	plan_queue(p, WORK_SLOT, &s->todo);
	return s;
}

static void release(struct plan *p, struct ip_addr *addr)
{
	for (int i = 0; i < 2; i++) {
		if (addr[i].family != IP_NONE)
			address_release(p, &addr[i]);
		addr[i] = (struct ip_addr){0};
	}
}

static void detach(struct slot *s)
{
	if (!s->holder)
		return;
	TAILQ_REMOVE(&s->holder->held, s, of_holder);
	s->holder->held_len--;
	s->holder->connections_len -= s->connections_len;
	for (int t = 0; t < PLAN_CONN_TYPES; t++)
		s->holder->load.kbps[t] -= s->load.kbps[t];
	s->holder = NULL;
}

void slot_attach(struct slot *s, struct gateway *g)
{
	s->holder = g;
	TAILQ_INSERT_TAIL(&g->held, s, of_holder);
	g->held_len++;
	g->connections_len += s->connections_len;
	for (int t = 0; t < PLAN_CONN_TYPES; t++)
		g->load.kbps[t] += s->load.kbps[t];
}

static void stop_relay(struct plan *p, struct slot *s)
{
	if (s->hand_over == HAND_OVER_NONE)
		return;
	s->old_holder = NULL;
	s->hand_over = HAND_OVER_NONE;
	TAILQ_REMOVE(&p->relaying, s, of_relaying);
	pool_settle_later(p, s->pool);
	plan_queue(p, WORK_SLOT, &s->todo);
}

static void untell(struct plan *p, struct slot *s, size_t i)
{
	plan_tell(p, s->told[i].gateway, s->told[i].object, true);
	plan_object_put(s->told[i].object);
	s->told[i] = s->told[--s->told_len];
}

void slot_free(struct plan *p, struct slot *s)
{
	while (s->told_len)
		untell(p, s, s->told_len - 1);
	while (!TAILQ_EMPTY(&s->carriers.pubs))
		pub_clear(p, TAILQ_FIRST(&s->carriers.pubs));
	vips_drop(p, s);
	stop_relay(p, s);
	slot_stay(p, s);
	detach(s);
	release(p, s->pa);
	release(p, s->gre_vip);
	rows_of_slot(p, s, true);
	plan_unqueue(p, WORK_SLOT, &s->todo);
	p->slots[s->number] = NULL;
	TAILQ_REMOVE(&s->pool->slots, s, of_pool);
	s->pool->uses--;
	audience_fini(&s->carriers);
	free(s->told);
	free(s);
}

// The VLANs of L3 connections are on a port of the holder's: normally the same all over the pool.
void slot_l3_port_changed(struct plan *p, struct slot *s)
{
	struct connection *c;

	TAILQ_FOREACH (c, &s->connections, of_slot)
		if (c->in.type == PLAN_CONN_L3)
			plan_queue(p, WORK_CONNECTION, &c->todo);
}

// A new rightful holder, under a higher epoch.
void slot_activate(struct plan *p, struct slot *s, struct gateway *g, bool planned)
{
	struct gateway *before = s->holder;
	struct connection *c;

	stop_relay(p, s);
	slot_stay(p, s);
	detach(s);
	slot_attach(s, g);
	if (!before || before->in.l3_port != g->in.l3_port)
		slot_l3_port_changed(p, s);
	s->old_epoch = s->epoch;
	s->epoch = p->next_epoch++;
	p->counters_changed = true;
	s->row_changed = true;
	if (planned && before && s->connections_len) {
		s->old_holder = before;
		s->hand_over = p->reports ? HAND_OVER_TAKING : HAND_OVER_RELAY;
		s->ready_step = p->steps;
		s->relay_ms = p->now_ms + (p->reports ? PLAN_TAKE_MS : PLAN_RELAY_MS);
		TAILQ_INSERT_TAIL(&p->relaying, s, of_relaying);
	}
	if (before && !before->defined)
		plan_queue(p, WORK_GATEWAY, &before->todo);
	TAILQ_FOREACH (c, &s->connections, of_slot)
		plan_changed(p, c->key);
	plan_queue(p, WORK_SLOT, &s->todo);
}

static bool wants_copy(const struct slot *s, const struct gateway *g)
{
	return g == s->holder || g == s->old_holder || g == s->moving_to || !g->held_len;
}

static void join(struct plan *p, struct slot *s, struct gateway *g)
{
	struct tenant_slot *ts;

	if (audience_has(&s->carriers, g))
		return;
	audience_join(p, &s->carriers, g);
	vips_join(p, s, g);
	TAILQ_FOREACH (ts, &s->tenant_slots, of_slot)
		audience_join(p, &ts->tenant->audience, g);
	plan_queue(p, WORK_SLOT, &s->todo);
}

static void leave(struct plan *p, struct slot *s, struct gateway *g)
{
	struct tenant_slot *ts;

	audience_leave(p, &s->carriers, g);
	vips_leave(p, s, g);
	TAILQ_FOREACH (ts, &s->tenant_slots, of_slot)
		audience_leave(p, &ts->tenant->audience, g);
	plan_queue(p, WORK_SLOT, &s->todo);
}

static bool is_yielding(const struct slot *s)
{
	return s->hand_over == HAND_OVER_YIELDING || s->hand_over == HAND_OVER_YIELDED;
}

void slot_stay(struct plan *p, struct slot *s)
{
	if (is_yielding(s))
		stop_relay(p, s);
	if (s->moving_to)
		s->moving_to->incoming--;
	s->moving_to = NULL;
	s->move_asked = false;
}

// One gateway at a time answers for the slot's addresses: the holder stops to, then the new one
// begins. Who asks between hears the new one's announcement.
static bool has_yielded(struct plan *p, struct slot *s)
{
	if (s->hand_over == HAND_OVER_NONE || s->hand_over == HAND_OVER_RELAY) {
		stop_relay(p, s);
		s->hand_over = HAND_OVER_YIELDING;
		s->yield_step = p->steps;
		s->relay_ms = p->now_ms + PLAN_TAKE_MS;
		TAILQ_INSERT_TAIL(&p->relaying, s, of_relaying);
		plan_queue(p, WORK_SLOT, &s->todo);
	}
	return s->hand_over == HAND_OVER_YIELDED;
}

void slot_move(struct plan *p, struct slot *s, struct gateway *g)
{
	bool asked = s->move_asked;

	if (s->moving_to != g) {
		slot_stay(p, s);
		s->moving_to = g;
		s->move_asked = asked;
		g->incoming++;
		s->ready_step = p->steps;
		join(p, s, g);
	}
	if (p->reports && g->reached_step < s->ready_step)
		return;
	if (!p->reports || !s->connections_len || has_yielded(p, s))
		slot_activate(p, s, g, true);
}

static void yielded(struct plan *p, struct slot *s)
{
	s->hand_over = HAND_OVER_YIELDED;
	s->relay_ms = p->now_ms + PLAN_TAKE_MS;
	plan_queue(p, WORK_POOL, &s->pool->todo);
}

bool slots_reached(struct plan *p, struct gateway *g)
{
	bool due = false;
	struct slot *s;

	TAILQ_FOREACH (s, &g->held, of_holder) {
		if (s->hand_over == HAND_OVER_YIELDING && s->yield_step <= g->reached_step) {
			yielded(p, s);
			due = true;
		}
		if (s->hand_over != HAND_OVER_TAKING || s->ready_step > g->reached_step)
			continue;
		s->hand_over = HAND_OVER_TAKEN;
		s->relay_ms = -1; // counts from the next step
		due = true;
	}
	if (!g->incoming || !g->pool)
		return due;
	TAILQ_FOREACH (s, &g->pool->slots, of_pool) {
		if (s->moving_to == g && s->ready_step <= g->reached_step) {
			plan_queue(p, WORK_POOL, &g->pool->todo);
			return true;
		}
	}
	return due;
}

// Joins at once; who need not carry it any longer leaves when the pool has settled, so that an
// activation is not followed by a flood of removals.
bool slot_carry(struct plan *p, struct slot *s, bool settled)
{
	struct gateway *g;
	bool left = false;

	TAILQ_FOREACH (g, &s->pool->gateways, of_pool) {
		if (wants_copy(s, g))
			join(p, s, g);
	}
	for (size_t i = s->carriers.len; i-- > 0;) {
		g = s->carriers.members[i].gateway;
		if (g->pool == s->pool && wants_copy(s, g))
			continue;
		if (settled || g->pool != s->pool)
			leave(p, s, g);
		else
			left = true;
	}
	return left;
}

bool slot_hands_over(const struct slot *s, const struct gateway *g)
{
	return g == s->old_holder && s->hand_over != HAND_OVER_RELAY;
}

static void write_slot(struct plan *p, const struct slot *s, const struct gateway *g)
{
	bool hands_over = slot_hands_over(s, g);
	uint64_t epoch = hands_over ? s->old_epoch : s->epoch;
	struct text *t = &p->text;
	struct ip_addr vip[2];

	text_reset(t);
	text_open(t, NULL, '{');
	text_u64(t, "slot", s->number);
	text_bool(t, "active", s->holder == g || hands_over);
	if (hands_over || (s->holder == g && is_yielding(s)))
		text_bool(t, "yields", true);
	text_u64(t, "epoch", epoch);
	text_u64(t, "ivEpoch", epoch);
	text_u64(t, "port", s->pool->in.port);
	text_u64(t, "vlan", s->pool->in.vlan);
	text_ips(t, "pa", s->pa, 2);
	text_ips(t, "greVip", s->gre_vip, 2);
	text_ips(t, "vip", s->vip, 2);
	if (vip_used(s, vip))
		text_ips(t, "vipUsed", vip, 2);
	if (g->in.asn)
		text_bool(t, "announce", true);
	if (g == s->old_holder && !hands_over)
		text_ip(t, "relayTo", s->pa[0].family ? &s->pa[0] : &s->pa[1]);
	text_close(t, '}');
}

static void tell(struct plan *p, struct slot *s, struct gateway *g)
{
	struct slot_told *told = NULL;
	char key[8];

	for (size_t i = 0; i < s->told_len && !told; i++) {
		if (s->told[i].gateway == g)
			told = &s->told[i];
	}
	write_slot(p, s, g);
	if (told && !strcmp(told->object->text, p->text.s))
		return;
	if (!told) {
		s->told = xgrow(s->told, &s->told_cap, s->told_len + 1, sizeof(*s->told));
		told = &s->told[s->told_len++];
		*told = (struct slot_told){.gateway = g};
	}
	snprintf(key, sizeof(key), "%u", s->number);
	plan_object_put(told->object);
	told->object = object_new(PLAN_KIND_SLOT, key, p->text.s, "");
	plan_tell(p, g, told->object, false);
}

void slot_tell(struct plan *p, struct slot *s)
{
	plan_read(p);
	for (size_t i = s->told_len; i-- > 0;) {
		if (!audience_has(&s->carriers, s->told[i].gateway))
			untell(p, s, i);
	}
	for (size_t i = 0; i < s->carriers.len; i++)
		tell(p, s, s->carriers.members[i].gateway);
}

void slot_work(struct plan *p, struct slot *s)
{
	if (!s->connections_len && s->pa[0].family + s->pa[1].family) {
		release(p, s->pa);
		release(p, s->gre_vip);
		s->row_changed = true;
		pool_freed(p, s->pool);
	} else if (!s->of_type[PLAN_CONN_GRE] && s->gre_vip[0].family + s->gre_vip[1].family) {
		release(p, s->gre_vip);
		s->row_changed = true;
	}
	slot_tell(p, s);
	vips_tell_slot(p, s);
	if (s->row_changed)
		rows_of_slot(p, s, false);
	s->row_changed = false;
}

bool slot_has_room(struct plan *p, const struct slot *s, enum plan_conn_type type)
{
	const struct plan_pool *in = &s->pool->in;

	if (!s->connections_len && !address_any_free(p, in->pa, in->pa_len))
		return false;
	if (type == PLAN_CONN_GRE && !s->of_type[PLAN_CONN_GRE])
		return address_any_free(p, in->gre, in->gre_len);
	return true;
}

static bool none(const struct ip_addr addr[2])
{
	return !addr[0].family && !addr[1].family;
}

void slot_add(struct plan *p, struct slot *s, struct connection *c)
{
	const struct plan_pool *in = &s->pool->in;
	enum plan_conn_type type = c->in.type;
	uint64_t kbps = c->in_kbps + c->out_kbps;

	if (none(s->pa))
		s->row_changed |= address_take(p, in->pa, in->pa_len, s->pa);
	if (type == PLAN_CONN_GRE && none(s->gre_vip))
		s->row_changed |= address_take(p, in->gre, in->gre_len, s->gre_vip);
	TAILQ_INSERT_TAIL(&s->connections, c, of_slot);
	c->slot = s;
	c->placed_type = type;
	s->of_type[type]++;
	s->load.kbps[type] += kbps;
	if (s->holder) {
		s->holder->load.kbps[type] += kbps;
		s->holder->connections_len++;
	}
	if (!s->connections_len++)
		pool_vips(p, s->pool);
	plan_queue(p, WORK_SLOT, &s->todo);
}

void slot_remove(struct plan *p, struct slot *s, struct connection *c)
{
	uint64_t kbps = c->in_kbps + c->out_kbps;

	TAILQ_REMOVE(&s->connections, c, of_slot);
	c->slot = NULL;
	s->of_type[c->placed_type]--;
	s->load.kbps[c->placed_type] -= kbps;
	if (s->holder) {
		s->holder->load.kbps[c->placed_type] -= kbps;
		// Now idle, it may be wanted as a redundant one.
		if (!--s->holder->connections_len)
			plan_queue(p, WORK_POOL, &s->pool->todo);
	}
	if (!--s->connections_len)
		pool_vips(p, s->pool);
	pool_freed(p, s->pool);
	plan_queue(p, WORK_SLOT, &s->todo);
}

static void hand_over_goes_on(struct plan *p, struct slot *s)
{
	switch (s->hand_over) {
	case HAND_OVER_YIELDING:
	case HAND_OVER_YIELDED: yielded(p, s); break;
	case HAND_OVER_TAKEN:
		if (s->relay_ms < 0) {
			s->relay_ms = p->now_ms + PLAN_UNDER_WAY_MS;
			break;
		}
		// fallthrough
	case HAND_OVER_TAKING:
		s->hand_over = HAND_OVER_RELAY;
		s->relay_ms = p->now_ms + PLAN_RELAY_MS;
		plan_queue(p, WORK_SLOT, &s->todo);
		if (s->moving_to) // waits for this move's end
			plan_queue(p, WORK_POOL, &s->pool->todo);
		break;
	default: stop_relay(p, s); break;
	}
}

void slot_relay_over(struct plan *p)
{
	struct slot *s, *next;

	for (s = TAILQ_FIRST(&p->relaying); s; s = next) {
		next = TAILQ_NEXT(s, of_relaying);
		if (p->now_ms >= s->relay_ms)
			hand_over_goes_on(p, s);
	}
}

void slot_relay_forget(struct plan *p, const struct gateway *g)
{
	struct slot *s, *next;

	for (s = TAILQ_FIRST(&p->relaying); s; s = next) {
		next = TAILQ_NEXT(s, of_relaying);
		if (s->old_holder == g)
			stop_relay(p, s);
	}
}

bool plan_slot_next(const struct plan *p, uint16_t *slot, struct plan_slot_status *ret_status)
{
	while (*slot < PLAN_SLOT_MAX) {
		const struct slot *s = p->slots[++*slot];

		if (!s)
			continue;
		*ret_status = (struct plan_slot_status){
			.slot = s->number,
			.pool = s->pool->name,
			.holder = s->holder ? s->holder->name : NULL,
			.epoch = s->epoch,
			.connections = s->connections_len,
		};
		memcpy(ret_status->pa, s->pa, sizeof(s->pa));
		memcpy(ret_status->gre_vip, s->gre_vip, sizeof(s->gre_vip));
		for (int t = 0; t < PLAN_CONN_TYPES; t++)
			ret_status->kbps += s->load.kbps[t];
		return true;
	}
	return false;
}
