// SPDX-License-Identifier: Apache-2.0
#include "speaker_impl.h"

#include <stdio.h>
#include <string.h>

// From paths to the one in use, and from there to the forwarder. The best path of a prefix is the
// first of its list. The FIB entry of a prefix is computed over all routers of the VRF (a tenant
// has one per slot) when its turn comes, so a burst of changes costs one message.

static void fill_candidate(struct router *r, int family, uint32_t path, struct candidate *c)
{
	const struct path *record = table_path(&r->table[family], path);
	const struct peer *p = record->source ? r->peers[record->source] : NULL;
	struct attrs attrs;

	attrstore_view(router_speaker(r)->attrs, record->attrs, &attrs);
	*c = (struct candidate){
		.local = !p, .external = record->flags & PATH_EXTERNAL, .path_id = record->path_id};
	if (p) {
		c->peer = p->cfg.address;
		c->router_id = p->remote.identifier;
	} else {
		c->router_id = r->cfg.router_id;
	}
	candidate_init(c, &attrs);
}

size_t select_candidates(struct router *r, int family, uint32_t dest, struct candidate *c,
	uint32_t *paths, size_t max)
{
	struct table *t = &r->table[family];
	size_t len = 0;

	for (uint32_t path = table_dest(t, dest)->paths; path && len < max;
		path = table_path(t, path)->next) {
		if (table_path(t, path)->flags & PATH_REJECTED)
			continue;
		fill_candidate(r, family, path, &c[len]);
		paths[len++] = path;
	}
	return len;
}

// Puts the best path first; 0: none. One path alone needs no comparison.
static uint32_t choose(struct router *r, int family, uint32_t dest)
{
	struct table *t = &r->table[family];
	struct candidate c[DECISION_MAX];
	uint32_t paths[DECISION_MAX];
	uint32_t first = table_dest(t, dest)->paths;
	size_t len;

	if (!first)
		return 0;
	if (!table_path(t, first)->next)
		return table_path(t, first)->flags & PATH_REJECTED ? 0 : first;
	len = select_candidates(r, family, dest, c, paths, DECISION_MAX);
	if (!len)
		return 0;
	first = paths[decision_best(c, len, r->cfg.flags & API_BGP_ROUTER_ALWAYS_MED)];
	table_first_path(t, dest, first);
	return first;
}

static void queue_fib(struct router *r, int family, uint32_t dest)
{
	if (r->cfg.flags & API_BGP_ROUTER_NO_FIB)
		return;
	if (queue_add(&r->fib[family], dest))
		table_dest(&r->table[family], dest)->queued++;
	job_schedule(&r->fib_job);
}

void select_changed(struct router *r, int family, uint32_t dest, uint32_t changed, bool best_lost)
{
	struct table *t = &r->table[family];
	struct dest *d = table_dest(t, dest);
	bool had = d->flags & DEST_HAS_BEST;
	uint32_t old = had ? d->paths : 0, best = choose(r, family, dest);
	bool best_changed = best_lost || best != old || (best && best == changed);
	struct ip_prefix prefix;

	d->flags = (uint8_t)(best ? d->flags | DEST_HAS_BEST : d->flags & ~DEST_HAS_BEST);
	// Losers matter to ECMP and to peers that are told several paths.
	if (best_changed || r->cfg.multipath > 1)
		queue_fib(r, family, dest);
	for (uint16_t i = 1; i < r->peers_end; i++)
		if (r->peers[i] && r->peers[i]->out[family].active &&
			(best_changed || r->peers[i]->fsm.established->tx.add_path[family]))
			export_queue(r->peers[i], family, dest);
	if (best_changed)
		best_queue(r, family, dest);
	if (had != (best != 0) && r->aggregates) {
		prefix = table_prefix(t, dest);
		network_best_changed(r, &prefix, best != 0);
	}
	table_release(t, dest);
}

// -- FIB

static size_t vrf_candidates(struct router *first, int family, const struct ip_prefix *prefix,
	struct candidate *c, struct ip_addr *hops)
{
	uint32_t paths[DECISION_MAX];
	size_t len = 0;

	for (struct router *r = first->vrf->routers; r; r = r->next) {
		uint32_t dest = table_find(&r->table[family], prefix);
		size_t n = dest ? select_candidates(
					  r, family, dest, c + len, paths, DECISION_MAX - len)
				: 0;

		for (size_t i = 0; i < n; i++) {
			struct attrs attrs;

			attrstore_view(router_speaker(r)->attrs,
				table_path(&r->table[family], paths[i])->attrs, &attrs);
			hops[len + i] = attrs.next_hop;
		}
		len += n;
	}
	return len;
}

static void add_hop(struct api_route *route, const struct ip_addr *hop)
{
	for (unsigned i = 0; i < route->path_count; i++)
		if (ip_equal(&route->path[i].via, hop))
			return;
	route->path[route->path_count++] = (struct api_path){.type = API_PATH_VIA, .via = *hop};
}

// Several candidates: best first, then all that may share its traffic. False: nothing to install.
static bool fill_paths(struct router *r, int family, struct api_route *route)
{
	struct candidate c[DECISION_MAX];
	struct ip_addr hops[DECISION_MAX];
	size_t len = vrf_candidates(r, family, &route->prefix, c, hops), best;
	bool always_med = r->cfg.flags & API_BGP_ROUTER_ALWAYS_MED;

	if (!len)
		return false;
	best = decision_best(c, len, always_med);
	if (c[best].local) // the network is there by itself
		return false;
	route->preference = c[best].external ? 20 : 200;
	route->metric = c[best].med;
	add_hop(route, &hops[best]);
	for (size_t i = 0; i < len && route->path_count < r->cfg.multipath; i++)
		if (i != best && decision_multipath(&c[best], &c[i], always_med))
			add_hop(route, &hops[i]);
	return true;
}

// The usual case by far: one router, one path.
static bool fill_single(struct router *r, int family, const struct dest *d, struct api_route *route)
{
	const struct path *path = table_path(&r->table[family], d->paths);
	struct attrs attrs;

	if (!path->source)
		return false;
	attrstore_view(router_speaker(r)->attrs, path->attrs, &attrs);
	route->preference = path->flags & PATH_EXTERNAL ? 20 : 200;
	route->metric = attrs_med(&attrs);
	add_hop(route, &attrs.next_hop);
	return true;
}

static void fib_one(struct router *r, int family, uint32_t dest)
{
	struct speaker *s = router_speaker(r);
	struct table *t = &r->table[family];
	struct dest *d = table_dest(t, dest);
	struct api_route route = {
		.vrf = r->cfg.vrf, .prefix = table_prefix(t, dest), .source = API_ROUTE_BGP};
	bool alone = !r->vrf->routers->next && d->flags & DEST_HAS_BEST &&
		     !table_path(t, d->paths)->next;
	bool present = alone ? fill_single(r, family, d, &route) : fill_paths(r, family, &route);

	if (present || d->flags & DEST_IN_FIB)
		s->ops->fib(s->ctx, &route, present);
	d->flags = (uint8_t)(present ? d->flags | DEST_IN_FIB : d->flags & ~DEST_IN_FIB);
}

static bool vrf_is_deferring(const struct vrf *vrf)
{
	for (const struct router *r = vrf->routers; r; r = r->next)
		if (r->deferring)
			return true;
	return false;
}

static void tell_settled(struct router *r)
{
	struct speaker *s = router_speaker(r);

	for (uint16_t i = 1; i < r->peers_end; i++)
		if (r->peers[i])
			s->ops->state(s->ctx, r->peers[i]);
}

static bool fib_run(struct job *job)
{
	struct router *r =
		(struct router *)(void *)((char *)job - offsetof(struct router, fib_job));
	struct speaker *s = router_speaker(r);
	unsigned n = 0;

	if (r->deferring && !r->taken_over)
		return false;
	for (int f = 0; f < BGP_FAMILIES; f++) {
		while (n < JOB_SLICE && !queue_is_empty(&r->fib[f])) {
			uint32_t dest;

			if (s->ops->fib_full(s->ctx)) {
				job_wait(&r->fib_job, &s->fib_waiting);
				return false;
			}
			dest = queue_take(&r->fib[f]);
			table_dest(&r->table[f], dest)->queued--;
			fib_one(r, f, dest);
			table_release(&r->table[f], dest);
			n = slice_over(s) ? JOB_SLICE : n + 1;
		}
	}
	if (!queue_is_empty(&r->fib[0]) || !queue_is_empty(&r->fib[1]))
		return true;
	if (r->settle_due && !vrf_is_deferring(r->vrf)) {
		r->settle_due = false;
		s->ops->fib_settled(s->ctx, r->cfg.vrf);
		tell_settled(r);
	}
	router_check_gone(r);
	return false;
}

void fib_init(struct router *r)
{
	r->fib_job = (struct job){.run = fib_run, .vrf = r->vrf};
}

void speaker_fib_writable(struct speaker *s)
{
	jobs_resume(&s->fib_waiting);
}

static void refill(struct vrf *vrf)
{
	for (struct router *r = vrf->routers; r; r = r->next)
		for (int f = 0; f < BGP_FAMILIES; f++)
			for (uint32_t i = 1; i < r->table[f].dest_end; i++)
				if (table_dest(&r->table[f], i)->flags & DEST_USED)
					queue_fib(r, f, i);
}

void speaker_refill_vrf(struct speaker *s, uint32_t vrf)
{
	struct vrf *v = map_find(&s->vrfs, &vrf, sizeof(vrf));

	if (v)
		refill(v);
}

void speaker_refill_fib(struct speaker *s)
{
	struct vrf *vrf;
	size_t at = 0;

	while ((vrf = map_next(&s->vrfs, &at)))
		refill(vrf);
}

// -- our own restart (RFC 4724 4.1)

void router_end_deferral(struct router *r)
{
	struct speaker *s = router_speaker(r);

	if (!r->deferring)
		return;
	r->deferring = false;
	r->settle_due = true;
	timers_set(&s->timers, &r->timer, UINT64_MAX);
	job_schedule(&r->fib_job);
	for (uint16_t i = 1; i < r->peers_end; i++) {
		struct peer *p = r->peers[i];

		if (!p || p->dying)
			continue;
		p->fsm.config.open.restarting = false;
		for (int f = 0; f < BGP_FAMILIES; f++)
			p->fsm.config.open.restart[f].forwarding = false;
		peer_schedule(p);
	}
}

static bool peer_has_told_all(const struct peer *p)
{
	if (p->cfg.flags & API_BGP_PEER_DISABLED)
		return true;
	if (!p->fsm.established)
		return false;
	if (!p->remote.graceful_restart || p->remote.restarting)
		return true;
	for (int f = 0; f < BGP_FAMILIES; f++)
		if (p->fsm.established->rx.family[f] && !p->end_received[f])
			return false;
	return true;
}

void router_check_deferral(struct router *r)
{
	unsigned peers = 0;

	for (uint16_t i = 1; r->deferring && i < r->peers_end; i++) {
		if (!r->peers[i] || r->peers[i]->dying)
			continue;
		if (!peer_has_told_all(r->peers[i]))
			return;
		peers++;
	}
	if (peers)
		router_end_deferral(r);
}
