// SPDX-License-Identifier: Apache-2.0
#include "policy.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "xmalloc.h"

struct policy {
	uint32_t len;
	bool has_permit;
	struct api_bgp_policy_line line[];
};

struct run {
	const struct ip_prefix *prefix;
	struct attrs *attrs;
	struct policy_scratch *scratch;
	struct policy_outcome outcome;
	bool failed;
};

// -- criteria

static bool match_prefix(const struct run *r, const struct api_bgp_policy_line *l)
{
	return prefix_covers(&l->prefix, r->prefix);
}

static bool match_next_hop(const struct run *r, const struct api_bgp_policy_line *l)
{
	return ip_equal(&l->prefix.addr, &r->attrs->next_hop);
}

static bool match_asn_range(const struct run *r, const struct api_bgp_policy_line *l)
{
	uint32_t at = 0, asn;

	while (aspath_next(r->attrs->as_path, &at, &asn))
		if (asn >= l->v[0] && asn <= l->v[1])
			return true;
	return false;
}

static bool match_community(const struct run *r, const struct api_bgp_policy_line *l)
{
	return attrs_has_community(r->attrs, l->v[0]);
}

static void put_be(uint8_t *p, const uint32_t *v, size_t len)
{
	for (size_t i = 0; i < 4 * len; i++)
		p[i] = (uint8_t)(v[i / 4] >> (24 - 8 * (i % 4)));
}

static bool list_has(struct span list, const uint8_t *element, size_t size)
{
	for (size_t at = 0; at + size <= list.size; at += size)
		if (!memcmp(list.bytes + at, element, size))
			return true;
	return false;
}

static bool match_large_community(const struct run *r, const struct api_bgp_policy_line *l)
{
	uint8_t wire[12];

	put_be(wire, l->v, 3);
	return list_has(r->attrs->large_communities, wire, 12);
}

// -- changes

static uint8_t *take(struct run *r, size_t size)
{
	uint8_t *p = r->scratch->bytes + r->scratch->used;

	if (size > sizeof(r->scratch->bytes) - r->scratch->used) {
		r->failed = true;
		return NULL;
	}
	r->scratch->used += size;
	return p;
}

static void set_as_path(struct run *r, const struct api_bgp_policy_line *l)
{
	unsigned n = l->v[1] ? l->v[1] : 1;
	size_t size = r->attrs->as_path.size + 4 * n + 2;
	uint8_t *out = take(r, size);

	if (!out)
		return;
	size = aspath_prepend(r->attrs->as_path, l->v[0], n, out, size);
	r->attrs->as_path = (struct span){out, (uint16_t)size};
	r->attrs->has |= ATTR_HAS_AS_PATH;
	r->failed |= !size;
}

static void list_add(struct run *r, struct span *list, const uint8_t *element, size_t size)
{
	uint8_t *out;

	if (list_has(*list, element, size))
		return;
	out = take(r, list->size + size);
	if (!out)
		return;
	if (list->size)
		memcpy(out, list->bytes, list->size);
	memcpy(out + list->size, element, size);
	*list = (struct span){out, (uint16_t)(list->size + size)};
}

static void list_remove(struct run *r, struct span *list, const uint8_t *element, size_t size)
{
	size_t used = 0;
	uint8_t *out;

	if (!list_has(*list, element, size))
		return;
	out = take(r, list->size);
	if (!out)
		return;
	for (size_t at = 0; at + size <= list->size; at += size) {
		if (!memcmp(list->bytes + at, element, size))
			continue;
		memcpy(out + used, list->bytes + at, size);
		used += size;
	}
	*list = (struct span){out, (uint16_t)used};
}

static void set_add_community(struct run *r, const struct api_bgp_policy_line *l)
{
	uint8_t wire[4];

	put_be(wire, l->v, 1);
	list_add(r, &r->attrs->communities, wire, 4);
}

static void set_remove_community(struct run *r, const struct api_bgp_policy_line *l)
{
	uint8_t wire[4];

	put_be(wire, l->v, 1);
	list_remove(r, &r->attrs->communities, wire, 4);
}

static void set_remove_all_community(struct run *r, const struct api_bgp_policy_line *l)
{
	r->attrs->communities = (struct span){0};
}

static void set_med(struct run *r, const struct api_bgp_policy_line *l)
{
	r->attrs->med = l->v[0];
	r->attrs->has |= ATTR_HAS_MED;
	r->outcome.med_set = true;
}

static void set_clear_med(struct run *r, const struct api_bgp_policy_line *l)
{
	r->attrs->med = 0;
	r->attrs->has &= (uint16_t)~ATTR_HAS_MED;
	r->outcome.med_set = false;
}

static void set_weight(struct run *r, const struct api_bgp_policy_line *l)
{
	r->attrs->weight = l->v[0];
}

static void set_local_pref(struct run *r, const struct api_bgp_policy_line *l)
{
	r->attrs->local_pref = l->v[0];
	r->attrs->has |= ATTR_HAS_LOCAL_PREF;
}

static void set_next_hop(struct run *r, const struct api_bgp_policy_line *l)
{
	// An IPv4 map entry says nothing about IPv6 routes and the other way round.
	if (l->prefix.addr.family != r->prefix->addr.family)
		return;
	r->attrs->next_hop = l->prefix.addr;
	r->attrs->link_local = (struct ip_addr){0};
	r->outcome.next_hop_set = true;
}

static void set_add_large(struct run *r, const struct api_bgp_policy_line *l)
{
	uint8_t wire[12];

	put_be(wire, l->v, 3);
	list_add(r, &r->attrs->large_communities, wire, 12);
}

static void set_remove_large(struct run *r, const struct api_bgp_policy_line *l)
{
	uint8_t wire[12];

	put_be(wire, l->v, 3);
	list_remove(r, &r->attrs->large_communities, wire, 12);
}

struct property {
	bool (*match)(const struct run *r, const struct api_bgp_policy_line *l);
	void (*set)(struct run *r, const struct api_bgp_policy_line *l);
	bool negated;
};

static const struct property properties[] = {
	[API_BGP_MATCH_PREFIX] = {.match = match_prefix},
	[API_BGP_IGNORE_PREFIX] = {.match = match_prefix, .negated = true},
	[API_BGP_NEXT_HOP] = {.match = match_next_hop},
	[API_BGP_ASN_RANGE] = {.match = match_asn_range},
	[API_BGP_COMMUNITY] = {.match = match_community},
	[API_BGP_LARGE_COMMUNITY] = {.match = match_large_community},
	[API_BGP_SET_AS_PATH] = {.set = set_as_path},
	[API_BGP_SET_ADD_COMMUNITY] = {.set = set_add_community},
	[API_BGP_SET_REMOVE_COMMUNITY] = {.set = set_remove_community},
	[API_BGP_SET_REMOVE_ALL_COMMUNITY] = {.set = set_remove_all_community},
	[API_BGP_SET_MED] = {.set = set_med},
	[API_BGP_SET_CLEAR_MED] = {.set = set_clear_med},
	[API_BGP_SET_WEIGHT] = {.set = set_weight},
	[API_BGP_SET_LOCAL_PREF] = {.set = set_local_pref},
	[API_BGP_SET_NEXT_HOP] = {.set = set_next_hop},
	[API_BGP_SET_ADD_LARGE_COMMUNITY] = {.set = set_add_large},
	[API_BGP_SET_REMOVE_LARGE_COMMUNITY] = {.set = set_remove_large},
};

#define PROPERTIES (sizeof(properties) / sizeof(properties[0]))

static const char *line_error(const struct api_bgp_policy_line *l, bool first)
{
	if (first != (l->property == API_BGP_ENTRY))
		return "an entry starts with its ENTRY line and has one";
	if (l->property == API_BGP_ENTRY)
		return l->v[0] >= API_BGP_DENY && l->v[0] <= API_BGP_MODIFY ? NULL
									    : "unknown action";
	if (l->property >= PROPERTIES ||
		(!properties[l->property].match && !properties[l->property].set))
		return "unknown property";
	if (l->property == API_BGP_SET_AS_PATH && (l->v[0] == 0 || l->v[1] > 64))
		return "As-Path needs an AS number other than 0 and at most 64 repetitions";
	if (l->property == API_BGP_ASN_RANGE && l->v[0] > l->v[1])
		return "AsnRange ends before it starts";
	return NULL;
}

struct policy *policy_new(const struct api_bgp_policy *wire, struct api_error *ret_error)
{
	struct policy *p;

	for (uint32_t i = 0; i < wire->line_count; i++) {
		const struct api_bgp_policy_line *l = &wire->line[i];
		const char *text = line_error(l, i == 0 || l->entry != l[-1].entry);

		if (text) {
			snprintf(ret_error->text, sizeof(ret_error->text), "policy line %u: %s", i,
				text);
			errno = EINVAL;
			return NULL;
		}
	}
	p = xcalloc(1, sizeof(*p) + wire->line_count * sizeof(p->line[0]));
	p->len = wire->line_count;
	if (p->len)
		memcpy(p->line, wire->line, p->len * sizeof(p->line[0]));
	for (uint32_t i = 0; i < p->len; i++) {
		p->line[i].text[sizeof(p->line[i].text) - 1] = 0;
		p->has_permit |=
			p->line[i].property == API_BGP_ENTRY && p->line[i].v[0] == API_BGP_PERMIT;
	}
	return p;
}

void policy_free(struct policy *p)
{
	free(p);
}

// Criteria of equal property are alternatives, different ones must all hold. IgnorePrefix lines
// each exclude.
static bool entry_matches(const struct run *r, const struct api_bgp_policy_line *l, uint32_t len)
{
	uint64_t asked = 0, met = 0;

	for (uint32_t i = 0; i < len; i++) {
		const struct property *p = &properties[l[i].property];

		if (!p->match)
			continue;
		if (p->negated) {
			if (p->match(r, &l[i]))
				return false;
			continue;
		}
		asked |= 1ull << l[i].property;
		if (p->match(r, &l[i]))
			met |= 1ull << l[i].property;
	}
	return asked == met;
}

static void entry_apply(struct run *r, const struct api_bgp_policy_line *l, uint32_t len)
{
	for (uint32_t i = 0; i < len; i++)
		if (properties[l[i].property].set)
			properties[l[i].property].set(r, &l[i]);
}

struct policy_outcome policy_run(const struct policy *p, const struct ip_prefix *prefix,
	struct attrs *attrs, struct policy_scratch *scratch)
{
	struct run r = {.prefix = prefix, .attrs = attrs, .scratch = scratch};

	r.outcome = (struct policy_outcome){.permit = !p->has_permit, .entry = -1};
	for (uint32_t i = 0, next; i < p->len; i = next) {
		const struct api_bgp_policy_line *head = &p->line[i];

		for (next = i + 1; next < p->len && p->line[next].entry == head->entry;)
			next++;
		if (!entry_matches(&r, head + 1, next - i - 1))
			continue;
		if (head->v[0] != API_BGP_DENY)
			entry_apply(&r, head + 1, next - i - 1);
		if (head->v[0] == API_BGP_MODIFY)
			continue;
		r.outcome.permit = head->v[0] == API_BGP_PERMIT;
		r.outcome.entry = head->entry;
		r.outcome.name = head->text;
		break;
	}
	r.outcome.permit &= !r.failed;
	return r.outcome;
}
