// SPDX-License-Identifier: Apache-2.0
#include "decision.h"

void candidate_init(struct candidate *c, const struct attrs *a)
{
	c->weight = a->weight;
	c->local_pref = attrs_local_pref(a);
	c->origin = a->origin;
	c->path_len = (uint16_t)aspath_len(a->as_path);
	c->cluster_len = a->cluster_list.size / 4;
	c->med = attrs_med(a);
	c->neighbour_as = aspath_first(a->as_path);
	if (a->has & ATTR_HAS_ORIGINATOR_ID)
		c->router_id = a->originator_id;
}

// step when a wins, -step when b does, 0 when equal. Lower values win; callers turn others round.
static int lower(uint32_t a, uint32_t b, enum decision_step step)
{
	return a == b ? 0 : a < b ? (int)step : -(int)step;
}

static int higher(uint32_t a, uint32_t b, enum decision_step step)
{
	return -lower(a, b, step);
}

// Steps that rank paths by preference: what is equal in all of them may share traffic.
static int compare_preference(const struct candidate *a, const struct candidate *b, bool med)
{
	int c = higher(a->weight, b->weight, DECISION_WEIGHT);

	c = c ? c : higher(a->local_pref, b->local_pref, DECISION_LOCAL_PREF);
	c = c ? c : higher(a->local, b->local, DECISION_LOCAL);
	c = c ? c : lower(a->path_len, b->path_len, DECISION_PATH_LEN);
	c = c ? c : lower(a->origin, b->origin, DECISION_ORIGIN);
	if (!c && med)
		c = lower(a->med, b->med, DECISION_MED);
	return c ? c : higher(a->external, b->external, DECISION_EXTERNAL);
}

static int compare_tie(const struct candidate *a, const struct candidate *b)
{
	int c = lower(a->router_id, b->router_id, DECISION_ROUTER_ID);
	int peer = ip_compare(&a->peer, &b->peer);

	c = c ? c : lower(a->cluster_len, b->cluster_len, DECISION_CLUSTER_LEN);
	if (!c && peer)
		c = peer < 0 ? DECISION_PEER : -DECISION_PEER;
	return c ? c : lower(a->path_id, b->path_id, DECISION_PATH_ID);
}

static bool med_comparable(const struct candidate *a, const struct candidate *b, bool always_med)
{
	return always_med || a->neighbour_as == b->neighbour_as;
}

int decision_compare(const struct candidate *a, const struct candidate *b, bool always_med)
{
	int c = compare_preference(a, b, med_comparable(a, b, always_med));

	return c ? c : compare_tie(a, b);
}

// Best among the paths of one neighbour AS, where the comparison is a total order.
static size_t best_of_group(const struct candidate *c, size_t len, uint32_t neighbour_as)
{
	size_t best = len;

	for (size_t i = 0; i < len; i++)
		if (c[i].neighbour_as == neighbour_as &&
			(best == len || decision_compare(&c[i], &c[best], true) > 0))
			best = i;
	return best;
}

size_t decision_best(const struct candidate *c, size_t len, bool always_med)
{
	size_t best = always_med ? 0 : best_of_group(c, len, c[0].neighbour_as);

	for (size_t i = 1; i < len; i++) {
		size_t other = always_med ? i : best_of_group(c, len, c[i].neighbour_as);

		if (other != best && decision_compare(&c[other], &c[best], always_med) > 0)
			best = other;
	}
	return best;
}

bool decision_multipath(const struct candidate *best, const struct candidate *c, bool always_med)
{
	return !c->local && !best->local &&
	       compare_preference(best, c, med_comparable(best, c, always_med)) == 0;
}

const char *decision_text(enum decision_step step)
{
	static const char *const texts[] = {
		[DECISION_ONLY] = "only path",
		[DECISION_WEIGHT] = "higher weight",
		[DECISION_LOCAL_PREF] = "higher LOCAL_PREF",
		[DECISION_LOCAL] = "originated here",
		[DECISION_PATH_LEN] = "shorter AS_PATH",
		[DECISION_ORIGIN] = "lower ORIGIN",
		[DECISION_MED] = "lower MED",
		[DECISION_EXTERNAL] = "eBGP over iBGP",
		[DECISION_ROUTER_ID] = "lower BGP Identifier",
		[DECISION_CLUSTER_LEN] = "shorter CLUSTER_LIST",
		[DECISION_PEER] = "lower peer address",
		[DECISION_PATH_ID] = "lower path identifier",
	};

	return texts[step];
}
