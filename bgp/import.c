// SPDX-License-Identifier: Apache-2.0
#include "speaker_impl.h"

// From an UPDATE to paths in the table (RFC 4271 9.1.1): checks, policy, limits. What is rejected
// is kept with the reason, so that a changed policy needs no refresh and people can ask why.

struct incoming { // what all prefixes of one run share
	struct peer *peer;
	int family;
	struct attrs attrs;
	uint32_t attrs_in;
	uint8_t verdict; // enum api_bgp_verdict, 0: fine so far
};

static bool hop_is_usable(const struct router *r, const struct ip_addr *hop)
{
	if (ip_is_zero(hop))
		return false;
	if (hop->family == IP_V4 && (hop->bytes[0] == 127 || hop->bytes[0] >= 224))
		return false;
	if (hop->family == IP_V6 && hop->bytes[0] == 0xff)
		return false;
	return !ip_equal(hop, &r->cfg.address[0]) && !ip_equal(hop, &r->cfg.address[1]);
}

static bool is_loop(const struct peer *p, const struct attrs *a)
{
	const struct api_bgp_router *router = &p->router->cfg;
	unsigned allowed = p->cfg.flags & API_BGP_PEER_ALLOW_OWN_AS ? 1 : 0;

	if (aspath_count(a->as_path, router->asn) > allowed)
		return true;
	if (!peer_is_internal(p))
		return false;
	// RFC 4456 8
	return (a->has & ATTR_HAS_ORIGINATOR_ID && a->originator_id == router->router_id) ||
	       attrs_in_cluster(a, router->cluster_id);
}

// RFC 9234 5, ingress. False: a leaked route. May add OTC.
static bool check_role(const struct peer *p, struct attrs *a)
{
	uint8_t role = p->cfg.flags & API_BGP_PEER_HAS_ROLE ? p->cfg.role : BGP_ROLE_NONE;
	bool has = a->has & ATTR_HAS_OTC;

	if (role == BGP_ROLE_NONE || peer_is_internal(p))
		return true;
	if (has && (role == BGP_ROLE_PROVIDER || role == BGP_ROLE_RS))
		return false;
	if (has && role == BGP_ROLE_PEER && a->otc != p->cfg.asn)
		return false;
	if (!has && role != BGP_ROLE_PROVIDER && role != BGP_ROLE_RS) {
		a->otc = p->cfg.asn;
		a->has |= ATTR_HAS_OTC;
	}
	return true;
}

static uint8_t check_common(const struct peer *p, struct attrs *a)
{
	if (is_loop(p, a))
		return API_BGP_REJECT_LOOP;
	if (!hop_is_usable(p->router, &a->next_hop))
		return API_BGP_REJECT_NEXT_HOP;
	if (!check_role(p, a))
		return API_BGP_REJECT_ROLE;
	if (p->router->cfg.flags & API_BGP_ROUTER_NEEDS_POLICY && !peer_is_internal(p) &&
		!p->policy_in)
		return API_BGP_REJECT_NO_POLICY;
	return 0;
}

// Sets path->attrs and its verdict from attrs_in.
static void evaluate(struct incoming *in, const struct ip_prefix *prefix, struct path *path)
{
	struct speaker *s = router_speaker(in->peer->router);
	const struct policy_slot *slot = in->peer->policy_in;
	struct policy_outcome outcome = {.permit = true};
	struct attrs attrs = in->attrs;
	uint32_t old = path->attrs;

	path->flags &= (uint8_t) ~(PATH_REJECTED | PATH_POLICY);
	path->verdict = in->verdict;
	if (!in->verdict && damp_suppresses(in->peer, prefix, path->path_id))
		path->verdict = API_BGP_REJECT_DAMPED;
	if (!path->verdict && slot) {
		s->scratch.used = 0;
		outcome.permit = false;
		if (slot->policy)
			outcome = policy_run(slot->policy, prefix, &attrs, &s->scratch);
		path->flags |= PATH_POLICY;
		if (!outcome.permit)
			path->verdict = API_BGP_REJECT_POLICY;
		else if (outcome.next_hop_set && !hop_is_usable(in->peer->router, &attrs.next_hop))
			path->verdict = API_BGP_REJECT_NEXT_HOP;
	}
	if (path->verdict)
		path->flags |= PATH_REJECTED;
	path->attrs = slot && !path->verdict ? attrstore_take(s->attrs, &attrs)
					     : attrstore_ref(s->attrs, in->attrs_in);
	attrstore_put(s->attrs, old);
}

static struct table *table_of(const struct peer *p, int family)
{
	return &p->router->table[family];
}

// -- how old a path is: see struct path_ages

static uint16_t age_of(const struct path_ages *a, const struct path *path)
{
	return (uint16_t)(a->epoch - path->epoch);
}

bool path_is_stale(const struct peer *p, int family, const struct path *path)
{
	const struct path_ages *a = &p->age[family];

	return age_of(a, path) && age_of(a, path) <= (uint16_t)(a->epoch - a->kept_from);
}

bool path_is_gone(const struct peer *p, int family, const struct path *path)
{
	const struct path_ages *a = &p->age[family];

	return age_of(a, path) > (uint16_t)(a->epoch - a->kept_from);
}

// Adds the path to what is counted, or (by -1) takes it out.
static void count(struct peer *p, int family, const struct path *path, int by)
{
	struct path_ages *a = &p->age[family];
	bool usable = !(path->flags & PATH_REJECTED);

	if (path_is_gone(p, family, path)) {
		a->gone += (unsigned)by;
		return;
	}
	p->received[family] += (unsigned)by;
	p->accepted[family] += usable ? (unsigned)by : 0;
	if (path_is_stale(p, family, path)) {
		a->stale += (unsigned)by;
		a->stale_accepted += usable ? (unsigned)by : 0;
	}
}

// The neighbour says it (again), though it may be stale or about to be freed.
static void freshen(struct peer *p, int family, struct path *path)
{
	count(p, family, path, -1);
	path->epoch = p->age[family].epoch;
	count(p, family, path, 1);
}

static void forget_path(struct peer *p, int family, uint32_t dest, uint32_t path)
{
	struct speaker *s = router_speaker(p->router);
	struct table *t = table_of(p, family);
	const struct path *gone = table_path(t, path);
	bool best =
		table_dest(t, dest)->flags & DEST_HAS_BEST && table_dest(t, dest)->paths == path;

	count(p, family, gone, -1);
	p->router->paths--;
	attrstore_put(s->attrs, gone->attrs_in);
	attrstore_put(s->attrs, gone->attrs);
	table_del_path(t, dest, path);
	select_changed(p->router, family, dest, 0, best);
}

static void withdraw(struct peer *p, int family, const struct nlri *nlri)
{
	struct table *t = table_of(p, family);
	uint32_t dest = table_find(t, &nlri->prefix);
	uint32_t path = dest ? table_find_path(t, dest, p->number, nlri->path_id) : 0;

	p->stats[family].withdrawal_received++;
	if (!path)
		return;
	forget_path(p, family, dest, path);
	damp_flap(p, nlri, DAMP_WITHDRAWN);
}

static void limit_reset(struct peer *p, int family)
{
	uint32_t max = p->cfg.max_prefixes;
	const uint8_t data[] = {0, family == BGP_IPV4 ? BGP_AFI_IPV4 : BGP_AFI_IPV6,
		BGP_SAFI_UNICAST, (uint8_t)(max >> 24), (uint8_t)(max >> 16), (uint8_t)(max >> 8),
		(uint8_t)max};
	struct bgp_error error = bgp_error_make(
		BGP_ERR_CEASE, BGP_CEASE_MAX_PREFIX, data, sizeof(data)); // RFC 4486 4

	fsm_block(&p->fsm, &error);
	peer_timer_changed(p);
}

// Whether one table entry more is allowed; counts entries, never messages. May end the session.
static bool within_limits(struct peer *p, int family)
{
	uint32_t max = p->cfg.max_prefixes, have = p->received[0] + p->received[1];
	uint32_t warn = p->cfg.max_warn_percent ? p->cfg.max_warn_percent : 80;
	size_t gone = p->age[0].gone + p->age[1].gone, most = p->router->cfg.max_routes;

	// What is gone counts for memory only, so that a neighbour that comes back with another
	// table is not refused for its last one.
	p->router->full = p->router->paths - gone >= most || p->router->paths / 2 >= most;
	if (p->router->full) {
		p->over_limit = true;
		return false;
	}
	if (!max)
		return true;
	p->near_limit |= (uint64_t)(have + 1) * 100 >= (uint64_t)max * warn;
	if (have < max)
		return true;
	p->over_limit = true;
	if (p->cfg.max_mode == API_BGP_MAX_WARN)
		return true;
	if (p->cfg.max_mode == API_BGP_MAX_RESET)
		limit_reset(p, family);
	return false;
}

static uint32_t new_path(struct incoming *in, uint32_t dest, uint32_t path_id)
{
	struct peer *p = in->peer;
	uint32_t path = table_add_path(table_of(p, in->family), dest);
	struct path *record = table_path(table_of(p, in->family), path);

	record->source = p->number;
	record->path_id = path_id;
	record->flags = peer_is_internal(p) ? 0 : PATH_EXTERNAL;
	record->epoch = p->age[in->family].epoch;
	count(p, in->family, record, 1);
	p->router->paths++;
	return path;
}

// Whether so many paths of it to one prefix are kept already that one more would cost others time.
static bool crowds(struct peer *p, const struct table *t, uint32_t dest)
{
	unsigned n = 0;

	for (uint32_t i = dest ? table_dest(t, dest)->paths : 0; i; i = table_path(t, i)->next)
		n += table_path(t, i)->source == p->number;
	p->crowded |= n >= SOURCE_PATHS_MAX;
	return n >= SOURCE_PATHS_MAX;
}

static void announce(struct incoming *in, const struct nlri *nlri)
{
	struct peer *p = in->peer;
	struct speaker *s = router_speaker(p->router);
	struct table *t = table_of(p, in->family);
	uint32_t dest = table_find(t, &nlri->prefix);
	uint32_t path = dest ? table_find_path(t, dest, p->number, nlri->path_id) : 0;
	struct path *record;
	bool was_best = false;

	p->stats[in->family].update_received++;
	if (path && path_is_gone(p, in->family, table_path(t, path)) &&
		!within_limits(p, in->family))
		return; // of the session before: counts as a new one
	if (path)
		freshen(p, in->family, table_path(t, path));
	if (path && table_path(t, path)->attrs_in == in->attrs_in)
		return;
	if (path) {
		damp_flap(p, nlri, DAMP_CHANGED);
		was_best = table_dest(t, dest)->flags & DEST_HAS_BEST &&
			   table_dest(t, dest)->paths == path;
	} else {
		if (crowds(p, t, dest) || !within_limits(p, in->family))
			return;
		dest = table_get(t, &nlri->prefix);
		path = new_path(in, dest, nlri->path_id);
	}
	record = table_path(t, path);
	attrstore_put(s->attrs, record->attrs_in);
	record->attrs_in = attrstore_ref(s->attrs, in->attrs_in);
	count(p, in->family, record, -1);
	evaluate(in, &nlri->prefix, record);
	count(p, in->family, record, 1);
	select_changed(p->router, in->family, dest, path, was_best);
}

static struct incoming incoming_of(struct peer *p, int family, const struct attrs *attrs)
{
	struct incoming in = {.peer = p, .family = family, .attrs = *attrs};

	in.attrs.weight = p->cfg.weight;
	in.verdict = check_common(p, &in.attrs);
	in.attrs_in = attrstore_take(router_speaker(p->router)->attrs, &in.attrs);
	return in;
}

// The prefixes of an UPDATE come one after the other, in slices: `left` were handled before.
struct progress {
	uint32_t at, before;
	uint32_t *done;
};

static bool is_done(struct progress *g)
{
	return g->at++ < g->before;
}

// False: the slice is over.
static bool go_on(struct peer *p, struct progress *g)
{
	++*g->done;
	return !slice_over(router_speaker(p->router));
}

static bool announce_run(struct peer *p, struct update *u, unsigned i, struct progress *g)
{
	struct attrs attrs = u->attrs;
	struct nlri_run run = u->reach[i];
	struct incoming in;
	struct nlri nlri;
	bool more = true;

	attrs.next_hop = u->reach_next_hop[i];
	attrs.link_local = u->reach_link_local[i];
	in = incoming_of(p, run.family, &attrs);
	while (more && p->fsm.established && nlri_next(&run, &nlri)) {
		if (is_done(g))
			continue;
		announce(&in, &nlri);
		more = go_on(p, g);
	}
	attrstore_put(router_speaker(p->router)->attrs, in.attrs_in);
	return more;
}

static bool withdraw_run(struct peer *p, struct nlri_run run, struct progress *g)
{
	struct nlri nlri;
	bool more = true;

	while (more && nlri_next(&run, &nlri)) {
		if (is_done(g))
			continue;
		withdraw(p, run.family, &nlri);
		more = go_on(p, g);
	}
	return more;
}

static bool first_as_is_right(const struct peer *p, const struct update *u)
{
	return peer_is_internal(p) || p->cfg.flags & API_BGP_PEER_IGNORE_FIRST_AS ||
	       aspath_first(u->attrs.as_path) == p->cfg.asn;
}

bool import_update(struct peer *p, struct update *u, uint32_t *done)
{
	struct progress g = {.before = *done, .done = done};
	bool treat_as_withdraw = u->verdict == UPDATE_WITHDRAW;

	// RFC 4271 6.3 with RFC 7606 7.2: a path that does not begin with its sender.
	if (u->reach_len && !treat_as_withdraw && !first_as_is_right(p, u)) {
		treat_as_withdraw = true;
		p->fsm.withdrawn += !*done;
	}
	for (unsigned i = 0; i < u->unreach_len; i++)
		if (!withdraw_run(p, u->unreach[i], &g))
			return false;
	for (unsigned i = 0; i < u->reach_len && p->fsm.established; i++)
		if (!(treat_as_withdraw ? withdraw_run(p, u->reach[i], &g)
					: announce_run(p, u, i, &g)))
			return false;
	if (u->end_of_rib && p->fsm.established) {
		int f = u->end_of_rib_family;

		p->end_received[f] = true;
		if (p->stale[f]) {
			p->stale[f] = false;
			import_drop(p, f, true);
		}
		router_check_deferral(p->router);
	}
	return true;
}

// -- walks over the peer's paths

typedef void path_fn(struct peer *p, int family, uint32_t dest, uint32_t path);

// The peer's paths of one prefix that are gone, or those that are not.
static void each_path_of(struct peer *p, int family, uint32_t dest, bool gone, path_fn *fn)
{
	struct table *t = table_of(p, family);
	uint32_t found[SOURCE_PATHS_MAX];
	size_t len = 0;

	if (!(table_dest(t, dest)->flags & DEST_USED))
		return;
	// First found, then changed: changes reorder the list.
	for (uint32_t path = table_dest(t, dest)->paths; path && len < SOURCE_PATHS_MAX;
		path = table_path(t, path)->next)
		if (table_path(t, path)->source == p->number &&
			path_is_gone(p, family, table_path(t, path)) == gone)
			found[len++] = path;
	for (size_t i = 0; i < len; i++)
		fn(p, family, dest, found[i]);
}

static void reevaluate_one(struct peer *p, int family, uint32_t dest, uint32_t path)
{
	struct speaker *s = router_speaker(p->router);
	struct table *t = table_of(p, family);
	struct path *record = table_path(t, path);
	struct ip_prefix prefix = table_prefix(t, dest);
	bool was_best =
		table_dest(t, dest)->flags & DEST_HAS_BEST && table_dest(t, dest)->paths == path;
	uint32_t had = attrstore_ref(s->attrs, record->attrs);
	uint8_t had_verdict = record->verdict;
	struct incoming in = {.peer = p, .family = family, .attrs_in = record->attrs_in};

	attrstore_view(s->attrs, record->attrs_in, &in.attrs);
	in.verdict = check_common(p, &in.attrs);
	count(p, family, record, -1);
	evaluate(&in, &prefix, record);
	count(p, family, record, 1);
	if (record->attrs != had || record->verdict != had_verdict)
		select_changed(p->router, family, dest, path, was_best);
	attrstore_put(s->attrs, had);
}

void import_reevaluate_one(struct peer *p, const struct ip_prefix *prefix, uint32_t path_id)
{
	int f = nlri_family(prefix);
	struct table *t = table_of(p, f);
	uint32_t dest = table_find(t, prefix);
	uint32_t path = dest ? table_find_path(t, dest, p->number, path_id) : 0;

	if (path && !path_is_gone(p, f, table_path(t, path)))
		reevaluate_one(p, f, dest, path);
}

// Frees some; false: all are freed.
static bool sweep_family(struct peer *p, int family)
{
	struct speaker *s = router_speaker(p->router);
	struct table *t = table_of(p, family);

	for (unsigned n = 0; p->age[family].gone && n < JOB_SLICE && !slice_over(s); n++) {
		if (p->sweep_at[family] >= t->dest_end)
			p->sweep_at[family] = 1;
		each_path_of(p, family, p->sweep_at[family]++, true, forget_path);
	}
	return p->age[family].gone;
}

bool import_sweep(struct job *job)
{
	struct peer *p = (struct peer *)(void *)((char *)job - offsetof(struct peer, sweep));
	bool more = false;

	for (int f = 0; f < BGP_FAMILIES; f++)
		more |= sweep_family(p, f);
	if (!more)
		peer_reap(p);
	return more;
}

// Numbers of epochs come again after 65536. Before one does, what still bears it is freed at once.
static void next_epoch(struct peer *p, int family)
{
	struct path_ages *a = &p->age[family];

	if (!a->gone && !a->stale)
		a->oldest = a->epoch;
	if ((uint16_t)(a->epoch - a->oldest) > UINT16_MAX - 2) {
		if (a->stale)
			import_drop(p, family, true);
		while (a->gone)
			sweep_family(p, family);
		a->oldest = a->epoch;
	}
	a->epoch++;
}

void import_mark_stale(struct peer *p, int family)
{
	struct path_ages *a = &p->age[family];

	next_epoch(p, family);
	a->stale = p->received[family];
	a->stale_accepted = p->accepted[family];
	p->stale[family] = true;
}

void import_drop(struct peer *p, int family, bool stale_only)
{
	struct path_ages *a = &p->age[family];

	if (!stale_only)
		import_mark_stale(p, family);
	p->stale[family] = false;
	p->received[family] -= a->stale;
	p->accepted[family] -= a->stale_accepted;
	a->gone += a->stale;
	a->stale = a->stale_accepted = 0;
	a->kept_from = a->epoch;
	if (a->gone)
		job_schedule(&p->sweep);
}

bool import_review(struct job *job)
{
	struct peer *p = (struct peer *)(void *)((char *)job - offsetof(struct peer, review));
	struct speaker *s = router_speaker(p->router);
	bool more = false;

	for (int f = 0; f < BGP_FAMILIES; f++) {
		struct table *t = table_of(p, f);

		for (unsigned n = 0; p->review_at[f] && n < JOB_SLICE && !slice_over(s); n++) {
			if (p->review_at[f] >= t->dest_end || !p->received[f])
				p->review_at[f] = 0;
			else
				each_path_of(p, f, p->review_at[f]++, false, reevaluate_one);
		}
		more |= p->review_at[f] != 0;
	}
	return more;
}

void import_reevaluate(struct peer *p)
{
	for (int f = 0; f < BGP_FAMILIES; f++)
		p->review_at[f] = 1;
	job_schedule(&p->review);
}
