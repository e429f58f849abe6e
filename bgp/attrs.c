// SPDX-License-Identifier: Apache-2.0
#include "attrs.h"

static uint32_t span_u32(struct span s, size_t at)
{
	const uint8_t *p = s.bytes + at;

	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static bool span_has_u32(struct span s, uint32_t v)
{
	for (size_t at = 0; at + 4 <= s.size; at += 4)
		if (span_u32(s, at) == v)
			return true;
	return false;
}

static bool scalars_equal(const struct attrs *a, const struct attrs *b)
{
	return a->has == b->has && a->origin == b->origin && a->med == b->med &&
	       a->local_pref == b->local_pref && a->aggregator_as == b->aggregator_as &&
	       a->aggregator_id == b->aggregator_id && a->originator_id == b->originator_id &&
	       a->otc == b->otc && a->weight == b->weight;
}

bool attrs_equal(const struct attrs *a, const struct attrs *b)
{
	return scalars_equal(a, b) && ip_equal(&a->next_hop, &b->next_hop) &&
	       ip_equal(&a->link_local, &b->link_local) && span_equal(a->as_path, b->as_path) &&
	       span_equal(a->communities, b->communities) &&
	       span_equal(a->ext_communities, b->ext_communities) &&
	       span_equal(a->large_communities, b->large_communities) &&
	       span_equal(a->cluster_list, b->cluster_list) && span_equal(a->unknown, b->unknown);
}

uint32_t attrs_local_pref(const struct attrs *a)
{
	return a->has & ATTR_HAS_LOCAL_PREF ? a->local_pref : BGP_LOCAL_PREF;
}

uint32_t attrs_med(const struct attrs *a)
{
	return a->has & ATTR_HAS_MED ? a->med : 0;
}

bool attrs_has_community(const struct attrs *a, uint32_t community)
{
	return span_has_u32(a->communities, community);
}

bool attrs_in_cluster(const struct attrs *a, uint32_t cluster_id)
{
	return span_has_u32(a->cluster_list, cluster_id);
}
