// SPDX-License-Identifier: Apache-2.0
#include "speaker_impl.h"

#include <stdio.h>
#include <string.h>

// What people and the agent see: states, counters, routes with the reason for each decision.
// Times in reports are the owner's business (they need the wall clock); here all are monotonic.

static uint32_t agreed_flags(const struct conn *c)
{
	return (c->rx.family[BGP_IPV4] ? 0 : API_BGP_PEER_NO_IPV4) |
	       (c->rx.family[BGP_IPV6] ? API_BGP_PEER_IPV6 : 0) |
	       (c->rx.ipv6_nexthop ? API_BGP_PEER_IPV6_NEXTHOP : 0) |
	       (c->tx.add_path[0] || c->tx.add_path[1] ? API_BGP_PEER_ADD_PATH_SEND : 0) |
	       (c->rx.add_path[0] || c->rx.add_path[1] ? API_BGP_PEER_ADD_PATH_RECEIVE : 0) |
	       (c->max_rx > BGP_MESSAGE_MAX ? API_BGP_PEER_EXTENDED_MESSAGE : 0) |
	       (c->remote.graceful_restart ? 0 : API_BGP_PEER_NO_RESTART);
}

static struct api_bgp_message_stats message_stats(const struct peer *p, enum bgp_message_type type)
{
	const struct fsm_count *c = &p->fsm.count[type];

	return (struct api_bgp_message_stats){
		c->sent, c->received, (int64_t)c->last_sent_ms, (int64_t)c->last_received_ms};
}

static void write_error(const struct peer *p, char *text, size_t size)
{
	const struct fsm *f = &p->fsm;
	char name[48], words[64];

	text[0] = 0;
	if (!f->last_error.code)
		return;
	bgp_error_text(&f->last_error, words, sizeof(words));
	snprintf(text, size, "%s%s%s%s",
		f->last_error_sent ? "sent "
		: f->last_reason   ? ""
				   : "received ",
		bgp_error_name(&f->last_error, name, sizeof(name)),
		f->last_reason || words[0] ? ": " : "", f->last_reason ? f->last_reason : words);
}

static const char *warning_of(const struct peer *p)
{
	const struct policy_slot *in = p->policy_in, *out = p->policy_out;
	bool closed = p->router->cfg.flags & API_BGP_ROUTER_NEEDS_POLICY;

	if (p->router->full)
		return "the router's limit of routes is reached; no more are accepted";
	if (p->over_limit)
		return "the peer's limit of prefixes is exceeded";
	if ((in && !in->policy) || (out && !out->policy))
		return "a policy map it names does not exist; its routes are held back";
	if (p->crowded)
		return "it tells more paths to one prefix than are kept";
	if (p->near_limit)
		return "the peer's number of prefixes is close to its limit";
	if (peer_is_internal(p) || (in && out))
		return "";
	return closed ? "no policy map: denies all (RFC 8212)"
		      : "no policy map: accepts and announces all (RFC 8212)";
}

void peer_report(const struct peer *p, struct api_bgp_peer_state *ret_state)
{
	const struct fsm *f = &p->fsm;
	struct api_bgp_peer_state s = {.vrf = p->cfg.vrf,
		.slot = p->cfg.slot,
		.address = p->cfg.address,
		.state = (uint8_t)fsm_state(f),
		.asn = p->cfg.asn,
		.remote_id = p->remote.identifier,
		.flaps = f->flaps,
		.restarting = p->stale[0] || p->stale[1],
		.bfd = p->bfd,
		.settling = p->router->deferring || p->router->settle_due,
		.established_ms = (int64_t)f->established_ms,
		.closed_ms = (int64_t)f->closed_ms,
		.treated_as_withdraw = f->withdrawn,
		.attributes_discarded = f->discarded,
		.open = message_stats(p, BGP_OPEN),
		.update = message_stats(p, BGP_UPDATE),
		.notification = message_stats(p, BGP_NOTIFICATION),
		.keepalive = message_stats(p, BGP_KEEPALIVE),
		.refresh = message_stats(p, BGP_ROUTE_REFRESH)};

	if (f->established) {
		s.hold_time_s = f->established->hold_time_s;
		s.flags = agreed_flags(f->established);
	}
	for (int i = 0; i < BGP_FAMILIES; i++) {
		s.family[i] = p->stats[i];
		s.received[i] = p->received[i];
		s.accepted[i] = p->accepted[i];
		s.advertised[i] = p->advertised[i];
	}
	write_error(p, s.last_error, sizeof(s.last_error));
	snprintf(s.warning, sizeof(s.warning), "%s", warning_of(p));
	*ret_state = s;
}

struct speaker_size speaker_size(const struct speaker *s)
{
	struct speaker_size size = {.attribute_sets = attrstore_len(s->attrs),
		.attribute_bytes = attrstore_bytes(s->attrs)};
	const struct vrf *vrf;
	size_t at = 0;

	while ((vrf = map_next(&s->vrfs, &at)))
		for (const struct router *r = vrf->routers; r; r = r->next) {
			size.routers++;
			for (uint16_t i = 1; i < r->peers_end; i++)
				size.peers += r->peers[i] != NULL;
			for (int f = 0; f < BGP_FAMILIES; f++) {
				size.prefixes += r->table[f].dest_len;
				size.paths += r->table[f].path_len;
				size.table_bytes += table_bytes(&r->table[f]);
			}
		}
	return size;
}

// -- routes

static void write_communities(struct span s, char *text, size_t size)
{
	size_t at = 0;

	text[0] = 0;
	for (size_t i = 0; i + 4 <= s.size && at < size; i += 4)
		at += (size_t)snprintf(text + at, size - at, "%s%u:%u", at ? " " : "",
			s.bytes[i] << 8 | s.bytes[i + 1], s.bytes[i + 2] << 8 | s.bytes[i + 3]);
}

static void fill_attrs(struct api_bgp_route *route, const struct attrs *a)
{
	route->origin = a->origin;
	route->med = attrs_med(a);
	route->local_pref = attrs_local_pref(a);
	route->weight = a->weight;
	route->next_hop = a->next_hop;
	aspath_format(a->as_path, route->as_path, sizeof(route->as_path));
	write_communities(a->communities, route->communities, sizeof(route->communities));
}

// Runs the policy again to learn which entry decided.
static void write_entry(struct router *r, int family, uint32_t dest, const struct path *path,
	char *text, size_t size)
{
	struct speaker *s = router_speaker(r);
	const struct policy_slot *slot = r->peers[path->source]->policy_in;
	struct ip_prefix prefix = table_prefix(&r->table[family], dest);
	struct policy_outcome outcome;
	struct attrs attrs;

	if (!slot || !slot->policy) {
		snprintf(text, size, "the policy map does not exist");
		return;
	}
	attrstore_view(s->attrs, path->attrs_in, &attrs);
	s->scratch.used = 0;
	outcome = policy_run(slot->policy, &prefix, &attrs, &s->scratch);
	if (outcome.entry < 0)
		snprintf(text, size, "policy map '%s': no entry decided", slot->name);
	else
		snprintf(text, size, "policy map '%s' entry '%s'", slot->name, outcome.name);
}

static void write_rejection(struct router *r, int family, uint32_t dest, const struct path *path,
	char *text, size_t size)
{
	static const char *const words[] = {
		[API_BGP_REJECT_LOOP] = "own AS, identifier or cluster in the path",
		[API_BGP_REJECT_NEXT_HOP] = "next hop not usable",
		[API_BGP_REJECT_ROLE] = "route leak by its Only-To-Customer attribute",
		[API_BGP_REJECT_DAMPED] = "flaps too often",
		[API_BGP_REJECT_NO_POLICY] = "no policy map (RFC 8212)",
	};

	if (path->verdict == API_BGP_REJECT_POLICY)
		write_entry(r, family, dest, path, text, size);
	else
		snprintf(text, size, "%s", words[path->verdict]);
}

// Compares with the best path: how it lost, or that it shares the traffic.
static void judge(
	struct router *r, int family, uint32_t dest, uint32_t path, struct api_bgp_route *route)
{
	bool always_med = r->cfg.flags & API_BGP_ROUTER_ALWAYS_MED;
	struct candidate c[DECISION_MAX];
	uint32_t paths[DECISION_MAX];
	size_t len = select_candidates(r, family, dest, c, paths, DECISION_MAX);
	int second = 0;

	route->verdict = API_BGP_CANDIDATE;
	for (size_t i = 1; i < len; i++) {
		int step = decision_compare(&c[0], &c[i], always_med);

		if (paths[i] == path) {
			bool shares = decision_multipath(&c[0], &c[i], always_med);

			route->verdict = shares ? API_BGP_MULTIPATH : API_BGP_CANDIDATE;
			snprintf(route->reason, sizeof(route->reason), "best path has %s",
				decision_text((enum decision_step)(step < 0 ? -step : step)));
		}
		if (!second || step < second)
			second = step;
	}
	if (len && paths[0] == path) {
		route->verdict = API_BGP_BEST;
		snprintf(route->reason, sizeof(route->reason), "%s",
			decision_text((enum decision_step)(second > 0 ? second : DECISION_ONLY)));
	}
}

static void fill_route(struct router *r, int family, uint32_t dest, uint32_t path, bool received,
	struct api_bgp_route *route)
{
	const struct path *record = table_path(&r->table[family], path);
	struct attrs attrs;

	attrstore_view(router_speaker(r)->attrs,
		received && record->attrs_in ? record->attrs_in : record->attrs, &attrs);
	fill_attrs(route, &attrs);
	route->path_id = record->path_id;
	route->stale = record->source && path_is_stale(r->peers[record->source], family, record);
	route->internal = record->source && !(record->flags & PATH_EXTERNAL);
	if (record->source)
		route->peer = r->peers[record->source]->cfg.address;
	if (record->flags & PATH_REJECTED) {
		route->verdict = record->verdict;
		write_rejection(r, family, dest, record, route->reason, sizeof(route->reason));
	} else {
		judge(r, family, dest, path, route);
	}
}

struct walk {
	const struct api_bgp_route *filter;
	route_fn *each;
	void *ctx;
	unsigned looked_at;
};

static bool is_gone(const struct router *r, int family, uint32_t path)
{
	const struct path *record = table_path(&r->table[family], path);

	return record->source && path_is_gone(r->peers[record->source], family, record);
}

// Before all else is worked out about it.
static bool is_wanted(const struct walk *w, const struct router *r, int family, uint32_t path)
{
	uint16_t source = table_path(&r->table[family], path)->source;

	if (w->filter->view != API_BGP_VIEW_RECEIVED)
		return true;
	return source && !is_gone(r, family, path) &&
	       (!w->filter->peer.family ||
		       ip_equal(&r->peers[source]->cfg.address, &w->filter->peer));
}

static bool walk_paths(const struct walk *w, struct router *r, int family, uint32_t dest)
{
	struct table *t = &r->table[family];
	bool received = w->filter->view == API_BGP_VIEW_RECEIVED;

	for (uint32_t path = table_dest(t, dest)->paths; path; path = table_path(t, path)->next) {
		struct api_bgp_route route = {.vrf = r->cfg.vrf,
			.slot = r->cfg.slot,
			.view = w->filter->view,
			.prefix = table_prefix(t, dest)};

		if (!is_wanted(w, r, family, path))
			continue;
		if (!received && !(table_dest(t, dest)->flags & DEST_HAS_BEST))
			break;
		fill_route(r, family, dest, path, received, &route);
		if (!received && route.verdict != API_BGP_BEST)
			break;
		if (!w->each(w->ctx, &route))
			return false;
		if (!received)
			break;
	}
	return true;
}

static bool walk_told(const struct walk *w, struct router *r, int family, uint32_t dest)
{
	struct peer *p =
		speaker_get_peer(router_speaker(r), r->cfg.vrf, r->cfg.slot, &w->filter->peer);
	struct table *t = &r->table[family];
	struct api_bgp_route route = {.vrf = r->cfg.vrf,
		.slot = r->cfg.slot,
		.view = w->filter->view,
		.peer = w->filter->peer,
		.prefix = table_prefix(t, dest),
		.verdict = API_BGP_BEST};
	struct attrs attrs;

	if (!p || !p->fsm.established)
		return true;
	if (!bitset_has(&p->out[family].told, dest) &&
		!map_find(&p->out[family].told_paths, &dest, sizeof(dest)))
		return true;
	if (!(table_dest(t, dest)->flags & DEST_HAS_BEST) ||
		!export_attrs(p, family, dest, table_dest(t, dest)->paths, &attrs))
		return true;
	fill_attrs(&route, &attrs);
	return w->each(w->ctx, &route);
}

// Prefixes looked at before others have their turn.
enum { WALK_SLICE = 4096 };

static bool walk_router(struct walk *w, struct router *r, uint64_t *cursor)
{
	for (; cursor[2] < BGP_FAMILIES; cursor[2]++, cursor[3] = 0)
		for (; cursor[3] < r->table[cursor[2]].dest_end; cursor[3]++) {
			uint32_t dest = (uint32_t)cursor[3];
			int f = (int)cursor[2];
			bool go_on = true;

			if (++w->looked_at > WALK_SLICE)
				return false;
			if (!dest || !(table_dest(&r->table[f], dest)->flags & DEST_USED))
				continue;
			if (w->filter->view == API_BGP_VIEW_ADVERTISED)
				go_on = walk_told(w, r, f, dest);
			else
				go_on = walk_paths(w, r, f, dest);
			if (!go_on) {
				cursor[3]++;
				return false;
			}
		}
	return true;
}

bool speaker_walk(struct speaker *s, const struct api_bgp_route *filter, uint64_t *cursor,
	route_fn *each, void *ctx)
{
	struct walk w = {.filter = filter, .each = each, .ctx = ctx};

	for (;; cursor[0]++) {
		size_t at = 0;
		struct vrf *vrf = NULL;

		for (uint64_t i = 0; i <= cursor[0]; i++) {
			vrf = map_next(&s->vrfs, &at);
			if (!vrf)
				return true;
		}
		for (; (!filter->vrf || vrf->vrf == filter->vrf); cursor[1]++) {
			struct router *r = vrf->routers;

			for (uint64_t i = 0; r && i < cursor[1]; i++)
				r = r->next;
			if (!r)
				break;
			if (!r->dying && (!filter->slot || r->cfg.slot == filter->slot) &&
				!walk_router(&w, r, cursor))
				return false;
			cursor[2] = cursor[3] = 0;
		}
		cursor[1] = cursor[2] = cursor[3] = 0;
	}
}

// -- what was set

static void each_in_router(const struct router *r, enum api_type type, config_fn *each, void *ctx)
{
	if (type == API_TYPE_BGP_ROUTER)
		each(ctx, &r->cfg, sizeof(r->cfg));
	for (uint16_t i = 1; type == API_TYPE_BGP_PEER && i < r->peers_end; i++)
		if (r->peers[i] && !r->peers[i]->dying)
			each(ctx, &r->peers[i]->cfg, sizeof(r->peers[i]->cfg));
	for (size_t i = 0; type == API_TYPE_BGP_NETWORK && i < r->networks_len; i++)
		each(ctx, &r->networks[i]->cfg, sizeof(r->networks[i]->cfg));
}

void speaker_each_config(struct speaker *s, enum api_type type, config_fn *each, void *ctx)
{
	const struct policy_slot *slot;
	const struct vrf *vrf;
	size_t at = 0;

	while ((vrf = map_next(&s->vrfs, &at)))
		for (const struct router *r = vrf->routers; r; r = r->next)
			if (!r->dying)
				each_in_router(r, type, each, ctx);
	for (size_t i = 0; type == API_TYPE_BGP_PEER && i < s->waiting_len; i++)
		each(ctx, &s->waiting_peers[i]->cfg, sizeof(s->waiting_peers[i]->cfg));
	for (at = 0; type == API_TYPE_BGP_POLICY && (slot = map_next(&s->policies, &at));)
		if (slot->cfg)
			each(ctx, slot->cfg,
				sizeof(*slot->cfg) +
					slot->cfg->line_count * sizeof(slot->cfg->line[0]));
}
