// SPDX-License-Identifier: Apache-2.0
#include "speaker_impl.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "xmalloc.h"

// What the router announces of its own: subnets, redistributed routes, aggregates. Each is a path
// of source 0 in the table. An aggregate (RFC 4271 9.2.2.2) is one while something inside it is
// known; its AS_PATH is empty and it says ATOMIC_AGGREGATE (AS_SETs are deprecated, RFC 9774).

enum { LOCAL_WEIGHT = 32768 };

static bool is_aggregate(const struct network *n)
{
	return n->cfg.kind >= API_BGP_AGGREGATE;
}

static struct attrs attrs_of(const struct router *r, const struct network *n)
{
	struct attrs a = {.has = ATTR_HAS_ORIGIN | ATTR_HAS_AS_PATH | ATTR_HAS_NEXT_HOP,
		.weight = LOCAL_WEIGHT,
		.next_hop = n->cfg.next_hop};

	if (n->cfg.kind == API_BGP_STATIC || n->cfg.kind == API_BGP_CONNECTED)
		a.origin = BGP_ORIGIN_INCOMPLETE;
	if (n->cfg.has_med) {
		a.has |= ATTR_HAS_MED;
		a.med = n->cfg.med;
	}
	if (is_aggregate(n)) {
		a.has |= ATTR_HAS_ATOMIC_AGGREGATE | ATTR_HAS_AGGREGATOR;
		a.aggregator_as = r->cfg.asn;
		a.aggregator_id = r->cfg.router_id;
	}
	return a;
}

static void announce(struct router *r, struct network *n)
{
	struct speaker *s = router_speaker(r);
	int f = nlri_family(&n->cfg.prefix);
	struct table *t = &r->table[f];
	uint32_t dest = table_get(t, &n->cfg.prefix);
	uint32_t path = table_find_path(t, dest, 0, 0);
	struct attrs attrs = attrs_of(r, n);

	if (!path)
		path = table_add_path(t, dest);
	attrstore_put(s->attrs, table_path(t, path)->attrs);
	table_path(t, path)->attrs = attrstore_take(s->attrs, &attrs);
	n->announced = true;
	select_changed(r, f, dest, path, false);
}

static void withdraw(struct router *r, struct network *n)
{
	int f = nlri_family(&n->cfg.prefix);
	struct table *t = &r->table[f];
	uint32_t dest = table_find(t, &n->cfg.prefix);
	uint32_t path = dest ? table_find_path(t, dest, 0, 0) : 0;
	bool best;

	n->announced = false;
	if (!path)
		return;
	best = table_dest(t, dest)->flags & DEST_HAS_BEST && table_dest(t, dest)->paths == path;
	attrstore_put(router_speaker(r)->attrs, table_path(t, path)->attrs);
	table_del_path(t, dest, path);
	select_changed(r, f, dest, 0, best);
}

static bool is_inside(const struct network *n, const struct ip_prefix *prefix)
{
	return n->cfg.prefix.len < prefix->len && prefix_covers(&n->cfg.prefix, prefix);
}

static void count_inside(struct router *r, struct network *n)
{
	struct table *t = &r->table[nlri_family(&n->cfg.prefix)];

	n->inside = 0;
	for (uint32_t i = 1; i < t->dest_end; i++) {
		struct ip_prefix prefix;

		if (!(table_dest(t, i)->flags & DEST_HAS_BEST))
			continue;
		prefix = table_prefix(t, i);
		n->inside += is_inside(n, &prefix);
	}
}

// What lies inside a summary-only aggregate is told or hidden anew.
static void requeue_inside(struct router *r, const struct network *n)
{
	int f = nlri_family(&n->cfg.prefix);
	struct table *t = &r->table[f];

	for (uint32_t i = 1; i < t->dest_end; i++) {
		struct ip_prefix prefix;

		if (!(table_dest(t, i)->flags & DEST_USED))
			continue;
		prefix = table_prefix(t, i);
		for (uint16_t p = 1; is_inside(n, &prefix) && p < r->peers_end; p++)
			if (r->peers[p] && r->peers[p]->out[f].active)
				export_queue(r->peers[p], f, i);
	}
}

static size_t find(const struct router *r, const struct ip_prefix *prefix)
{
	size_t i = 0;

	while (i < r->networks_len && !prefix_equal(&r->networks[i]->cfg.prefix, prefix))
		i++;
	return i;
}

int network_set(struct router *r, const struct api_bgp_network *cfg, struct api_error *ret_error)
{
	size_t i = find(r, &cfg->prefix);
	struct network *n;

	if (cfg->kind < API_BGP_NETWORK || cfg->kind > API_BGP_AGGREGATE_ONLY ||
		!cfg->prefix.addr.family) {
		snprintf(ret_error->text, sizeof(ret_error->text), "kind or prefix: not valid");
		return -EINVAL;
	}
	if (i < r->networks_len) {
		if (!memcmp(&r->networks[i]->cfg, cfg, sizeof(*cfg)))
			return 0;
		if (is_aggregate(r->networks[i]) || cfg->kind >= API_BGP_AGGREGATE)
			network_del(r, &cfg->prefix);
	}
	i = find(r, &cfg->prefix);
	if (i == r->networks_len) {
		r->networks = xgrow(
			r->networks, &r->networks_cap, r->networks_len + 1, sizeof(*r->networks));
		r->networks[r->networks_len++] = xcalloc(1, sizeof(*n));
	}
	n = r->networks[i];
	n->cfg = *cfg;
	if (is_aggregate(n)) {
		r->aggregates++;
		count_inside(r, n);
	}
	if (!is_aggregate(n) || n->inside)
		announce(r, n);
	if (cfg->kind == API_BGP_AGGREGATE_ONLY)
		requeue_inside(r, n);
	return 1;
}

int network_del(struct router *r, const struct ip_prefix *prefix)
{
	size_t i = find(r, prefix);
	struct network *n;

	if (i == r->networks_len)
		return 0;
	n = r->networks[i];
	r->networks[i] = r->networks[--r->networks_len];
	r->aggregates -= is_aggregate(n);
	withdraw(r, n);
	if (n->cfg.kind == API_BGP_AGGREGATE_ONLY)
		requeue_inside(r, n);
	free(n);
	return 1;
}

void network_free_all(struct router *r)
{
	while (r->networks_len)
		free(r->networks[--r->networks_len]);
	free(r->networks);
}

void network_best_changed(struct router *r, const struct ip_prefix *prefix, bool has_best)
{
	for (size_t i = 0; i < r->networks_len; i++) {
		struct network *n = r->networks[i];

		if (!is_aggregate(n) || !is_inside(n, prefix))
			continue;
		n->inside += has_best ? 1 : -1;
		if (n->inside && !n->announced)
			announce(r, n);
		else if (!n->inside && n->announced)
			withdraw(r, n);
	}
}

bool network_suppresses(const struct router *r, const struct ip_prefix *prefix)
{
	for (size_t i = 0; r->aggregates && i < r->networks_len; i++)
		if (r->networks[i]->cfg.kind == API_BGP_AGGREGATE_ONLY &&
			is_inside(r->networks[i], prefix))
			return true;
	return false;
}
