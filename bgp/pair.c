// SPDX-License-Identifier: Apache-2.0
#include "pair.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "xmalloc.h"

static struct pair_end *end_of(struct conn *c)
{
	return c->io;
}

static struct pair_end *other_end(struct pair_end *e)
{
	return &e->link->end[e == &e->link->end[0]];
}

static int side_by_address(struct pair *p, const struct ip_addr *address)
{
	for (size_t i = 0; i < p->sides; i++)
		if (ip_equal(&p->side[i].address, address))
			return (int)i;
	return -1;
}

static void op_dial(void *ctx, struct peer *peer)
{
	struct pair_side *side = ctx;
	struct pair *p = side->pair;

	for (int i = 0; i < PAIR_LINKS; i++) {
		struct pair_link *l = &p->link[i];

		if (l->used)
			continue;
		free(l->end[0].bytes); // what the last one's ends did not hear
		free(l->end[1].bytes);
		*l = (struct pair_link){.used = true, .dialling = true, .dialler = peer};
		l->side[0] = (int)(side - p->side);
		l->side[1] = side_by_address(p, &peer_config(peer)->address);
		l->end[0].link = l->end[1].link = l;
		return;
	}
	abort();
}

static void op_dial_cancel(void *ctx, struct peer *peer)
{
	struct pair *p = ((struct pair_side *)ctx)->pair;

	for (int i = 0; i < PAIR_LINKS; i++)
		if (p->link[i].dialling && p->link[i].dialler == peer)
			p->link[i].used = p->link[i].dialling = false;
}

static void op_send(void *ctx, struct conn *c, const uint8_t *bytes, size_t size)
{
	struct pair_end *to = other_end(end_of(c));

	if (((struct pair_side *)ctx)->dead)
		return;
	to->bytes = xgrow(to->bytes, &to->cap, to->size + size, 1);
	memcpy(to->bytes + to->size, bytes, size);
	to->size += size;
}

static void op_close(void *ctx, struct conn *c)
{
	end_of(c)->conn = NULL;
}

static bool op_unread(void *ctx, struct conn *c)
{
	return false;
}

static bool op_slice_over(void *ctx)
{
	return ((struct pair_side *)ctx)->pair->chop;
}

static bool op_full(void *ctx, struct conn *c)
{
	return false;
}

static void op_state(void *ctx, struct peer *peer)
{
}

static void op_fib(void *ctx, const struct api_route *route, bool present)
{
	struct pair_side *side = ctx;

	if (side->dead)
		return;
	side->fib_sets += present;
	side->fib_dels += !present;
	side->last_fib = *route;
}

static bool op_fib_full(void *ctx)
{
	return false;
}

static void op_fib_settled(void *ctx, uint32_t vrf)
{
	((struct pair_side *)ctx)->settled++;
}

static const struct speaker_ops ops = {
	.dial = op_dial,
	.dial_cancel = op_dial_cancel,
	.send = op_send,
	.close = op_close,
	.unread = op_unread,
	.slice_over = op_slice_over,
	.full = op_full,
	.state = op_state,
	.fib = op_fib,
	.fib_full = op_fib_full,
	.fib_settled = op_fib_settled,
};

struct pair *pair_new(void)
{
	struct pair *p = xcalloc(1, sizeof(*p));

	p->now_ms = 1000;
	return p;
}

void pair_free(struct pair *p)
{
	for (size_t i = 0; i < p->sides; i++)
		speaker_free(p->side[i].speaker);
	for (int i = 0; i < PAIR_LINKS; i++) {
		free(p->link[i].end[0].bytes);
		free(p->link[i].end[1].bytes);
	}
	free(p);
}

static void set_router(struct pair *p, int a, uint32_t asn, uint32_t flags)
{
	struct api_bgp_router cfg = {.vrf = 1,
		.slot = 1,
		.asn = asn,
		.flags = flags,
		.router_id = ip_to_v4(&p->side[a].address),
		.address = {p->side[a].address}};
	struct api_error error;

	if (speaker_set_router(p->side[a].speaker, &cfg, &error) != 1)
		abort();
}

int pair_add(struct pair *p, uint32_t asn, const char *address, uint32_t flags)
{
	struct pair_side *side = &p->side[p->sides];

	side->pair = p;
	if (ip_parse(address, &side->address))
		abort();
	side->speaker = speaker_new(&ops, side, p->sides + 1);
	speaker_set_time(side->speaker, p->now_ms);
	set_router(p, (int)p->sides, asn, flags);
	return (int)p->sides++;
}

static void router_asn(void *ctx, const void *object, size_t size)
{
	*(uint32_t *)ctx = ((const struct api_bgp_router *)object)->asn;
}

uint32_t pair_asn(struct pair *p, int b)
{
	uint32_t asn = 0;

	speaker_each_config(p->side[b].speaker, API_TYPE_BGP_ROUTER, router_asn, &asn);
	return asn;
}

struct api_bgp_peer pair_config(struct pair *p, int a, int b)
{
	return (struct api_bgp_peer){.vrf = 1,
		.slot = 1,
		.address = p->side[b].address,
		.asn = pair_asn(p, b),
		.hold_time_s = 9,
		.connect_retry_s = 1};
}

void pair_peer(struct pair *p, int a, int b, const struct api_bgp_peer *cfg)
{
	struct api_error error;

	if (speaker_set_peer(p->side[a].speaker, cfg, &error) < 0)
		abort();
}

void pair_join(struct pair *p, int a, int b, uint32_t a_flags, uint32_t b_flags)
{
	struct api_bgp_peer cfg = pair_config(p, a, b);

	cfg.flags = a_flags;
	pair_peer(p, a, b, &cfg);
	cfg = pair_config(p, b, a);
	cfg.flags = b_flags;
	pair_peer(p, b, a, &cfg);
}

struct pair *pair_two(uint32_t a_flags, uint32_t b_flags)
{
	struct pair *p = pair_new();

	pair_add(p, 64512, "10.0.0.1", 0);
	pair_add(p, 65001, "10.0.0.2", 0);
	pair_join(p, 0, 1, a_flags, b_flags);
	return p;
}

void pair_announce(struct pair *p, int a, const char *prefix)
{
	struct api_bgp_network n = {.vrf = 1, .slot = 1, .kind = API_BGP_NETWORK};
	struct api_error error;

	if (prefix_parse(prefix, &n.prefix) ||
		speaker_set_network(p->side[a].speaker, &n, &error) < 0)
		abort();
}

void pair_withdraw(struct pair *p, int a, const char *prefix)
{
	struct ip_prefix parsed;

	if (prefix_parse(prefix, &parsed))
		abort();
	speaker_del_network(p->side[a].speaker, 1, 1, &parsed);
}

// -- the network

static void connect_link(struct pair *p, struct pair_link *l)
{
	struct pair_side *to = l->side[1] < 0 ? NULL : &p->side[l->side[1]];
	struct peer *remote =
		to ? speaker_find_peer(to->speaker, 1, &to->address, &p->side[l->side[0]].address)
		   : NULL;
	struct peer *dialler = l->dialler;

	l->dialling = false;
	if (!remote || to->refuse) {
		l->used = false;
		fsm_dial_failed(peer_fsm(dialler));
		return;
	}
	l->end[0].conn = &peer_fsm(dialler)->conn[CONN_OUT];
	l->end[1].conn = &peer_fsm(remote)->conn[CONN_IN];
	fsm_dialled(peer_fsm(dialler), &l->end[0]);
	if (!fsm_accept(peer_fsm(remote), &l->end[1]))
		l->end[1].conn = NULL;
}

static bool deliver(struct pair_end *e)
{
	uint8_t *bytes = e->bytes;
	size_t size = e->size;

	if (!size)
		return false;
	e->bytes = NULL;
	e->size = e->cap = 0;
	if (e->conn && !e->link->cut)
		conn_receive(e->conn, bytes, size);
	while (e->conn && e->conn->more)
		conn_receive(e->conn, NULL, 0);
	free(bytes);
	return true;
}

// An end that is closed is seen by the other once everything on its way has arrived.
static bool hang_up(struct pair_link *l)
{
	for (int i = 0; i < 2; i++) {
		struct conn *c = l->end[!i].conn;

		if (l->end[i].conn || l->cut)
			continue;
		l->end[!i].conn = NULL;
		if (c)
			conn_lost(c);
		l->used = false;
		return true;
	}
	return false;
}

bool pair_step(struct pair *p)
{
	bool moved = false;

	for (int i = 0; i < PAIR_LINKS; i++) {
		struct pair_link *l = &p->link[i];

		if (!l->used)
			continue;
		if (l->dialling) {
			connect_link(p, l);
			moved = true;
			continue;
		}
		moved |= deliver(&l->end[0]);
		moved |= deliver(&l->end[1]);
		if (!l->end[0].size && !l->end[1].size)
			moved |= hang_up(l);
	}
	for (size_t i = 0; i < p->sides; i++) {
		speaker_set_time(p->side[i].speaker, p->now_ms);
		speaker_tick(p->side[i].speaker);
		while (!p->lazy && speaker_work(p->side[i].speaker))
			moved = true;
	}
	return moved;
}

static bool in_flight(const struct pair *p)
{
	for (int i = 0; i < PAIR_LINKS; i++)
		if (p->link[i].used &&
			(p->link[i].dialling || p->link[i].end[0].size || p->link[i].end[1].size))
			return true;
	return false;
}

void pair_settle(struct pair *p)
{
	for (int i = 0; i < 100000; i++)
		if (!pair_step(p) && !in_flight(p))
			return;
	abort(); // a storm of messages
}

void pair_run(struct pair *p, uint64_t ms)
{
	uint64_t end = p->now_ms + ms;

	pair_settle(p);
	while (p->now_ms < end) {
		uint64_t next = end;

		for (size_t i = 0; i < p->sides; i++)
			if (speaker_deadline(p->side[i].speaker) < next)
				next = speaker_deadline(p->side[i].speaker);
		p->now_ms = next > p->now_ms ? next : p->now_ms + 1;
		pair_settle(p);
	}
}

struct peer *pair_find(struct pair *p, int a, int b)
{
	return speaker_get_peer(p->side[a].speaker, 1, 1, &p->side[b].address);
}

bool pair_established(struct pair *p, int a, int b)
{
	return fsm_state(peer_fsm(pair_find(p, a, b))) == API_BGP_ESTABLISHED;
}

struct want {
	struct ip_prefix prefix;
	struct api_bgp_route *ret_route;
	bool found;
};

static bool match_route(void *ctx, const struct api_bgp_route *route)
{
	struct want *w = ctx;

	if (prefix_equal(&route->prefix, &w->prefix)) {
		*w->ret_route = *route;
		w->found = true;
	}
	return true;
}

bool pair_best(struct pair *p, int a, const char *prefix, struct api_bgp_route *ret_route)
{
	const struct api_bgp_route filter = {.view = API_BGP_VIEW_BEST};
	struct want w = {.ret_route = ret_route};
	uint64_t cursor[4] = {0};

	if (prefix_parse(prefix, &w.prefix))
		abort();
	while (!speaker_walk(p->side[a].speaker, &filter, cursor, match_route, &w))
		continue;
	return w.found;
}

void pair_inject(struct pair *p, int a, int b, const uint8_t *bytes, size_t size)
{
	struct conn *c = peer_fsm(pair_find(p, a, b))->established;

	if (c)
		conn_receive(c, bytes, size);
	while (c && c->more)
		conn_receive(c, NULL, 0);
}

static void detach(struct pair_link *l, int side)
{
	for (int i = 0; i < 2; i++)
		if (l->side[i] == side)
			l->end[i].conn = NULL;
}

static void begin_again(struct pair *p, int a, bool moved)
{
	struct pair_side *side = &p->side[a];
	uint32_t asn = pair_asn(p, a);

	for (int i = 0; i < PAIR_LINKS; i++)
		if (p->link[i].used && p->link[i].dialling && p->link[i].side[0] == a)
			p->link[i].used = false;
		else if (p->link[i].used)
			detach(&p->link[i], a);
	side->dead = true;
	speaker_free(side->speaker);
	side->dead = false;
	side->speaker = speaker_new(&ops, side, p->now_ms);
	speaker_set_time(side->speaker, p->now_ms);
	if (!moved)
		speaker_expect_restart(side->speaker, 1);
	set_router(p, a, asn, moved ? API_BGP_ROUTER_TAKEN_OVER : 0);
}

void pair_crash(struct pair *p, int a)
{
	begin_again(p, a, false);
}

void pair_move(struct pair *p, int a)
{
	begin_again(p, a, true);
}

void pair_cut(struct pair *p, int a, int b)
{
	for (int i = 0; i < PAIR_LINKS; i++) {
		struct pair_link *l = &p->link[i];

		if (l->used && ((l->side[0] == a && l->side[1] == b) ||
				       (l->side[0] == b && l->side[1] == a)))
			l->cut = true;
	}
}
