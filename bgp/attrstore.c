// SPDX-License-Identifier: Apache-2.0
#include "attrstore.h"

#include <stdlib.h>
#include <string.h>

#include "map.h"
#include "xmalloc.h"

enum { SPAN_PATH, SPAN_COMMUNITIES, SPAN_EXT, SPAN_LARGE, SPAN_CLUSTERS, SPAN_UNKNOWN, SPANS };

struct set {
	uint32_t refs;
	uint32_t next; // in the bucket
	uint32_t hash;
	uint16_t has;
	uint8_t origin;
	uint8_t hop_family, link_local_family;
	uint8_t pad;
	uint16_t size[SPANS];
	uint32_t med, local_pref, aggregator_as, aggregator_id, originator_id, otc, weight;
	uint8_t bytes[]; // next hop, link-local, spans
};

struct attrstore {
	struct set **sets; // by id; 0 unused
	size_t cap, end;
	uint32_t *free_ids;
	size_t free_cap, free_len;
	uint32_t *buckets;
	size_t bucket_len; // a power of two
	size_t len, set_bytes;
	uint64_t hash_seed;
};

static size_t hop_size(uint8_t family)
{
	return family == IP_V6 ? 16 : family == IP_V4 ? 4 : 0;
}

static void spans_of(const struct attrs *a, struct span *ret)
{
	ret[SPAN_PATH] = a->as_path;
	ret[SPAN_COMMUNITIES] = a->communities;
	ret[SPAN_EXT] = a->ext_communities;
	ret[SPAN_LARGE] = a->large_communities;
	ret[SPAN_CLUSTERS] = a->cluster_list;
	ret[SPAN_UNKNOWN] = a->unknown;
}

struct attrstore *attrstore_new(uint64_t hash_seed)
{
	struct attrstore *s = xcalloc(1, sizeof(*s));

	s->end = 1;
	s->hash_seed = hash_seed;
	s->bucket_len = 64;
	s->buckets = xcalloc(s->bucket_len, sizeof(*s->buckets));
	return s;
}

void attrstore_free(struct attrstore *s)
{
	if (!s)
		return;
	for (size_t i = 1; i < s->end; i++)
		free(s->sets[i]);
	free(s->sets);
	free(s->free_ids);
	free(s->buckets);
	free(s);
}

static uint32_t hash_attrs(const struct attrs *a, uint64_t seed)
{
	const uint32_t words[] = {a->has, a->origin, a->med, a->local_pref, a->aggregator_as,
		a->aggregator_id, a->originator_id, a->otc, a->weight};
	uint64_t h = hash_bytes(words, sizeof(words), seed);
	struct span spans[SPANS];

	spans_of(a, spans);
	h = hash_bytes(a->next_hop.bytes, 16, h);
	for (int i = 0; i < SPANS; i++)
		if (spans[i].size)
			h = hash_bytes(spans[i].bytes, spans[i].size, h + (unsigned)i);
	return (uint32_t)(h ^ h >> 32);
}

static struct set *set_new(const struct attrs *a, uint32_t hash, size_t *ret_size)
{
	struct span spans[SPANS];
	size_t size =
		sizeof(struct set) + hop_size(a->next_hop.family) + hop_size(a->link_local.family);
	struct set *set;
	uint8_t *p;

	spans_of(a, spans);
	for (int i = 0; i < SPANS; i++)
		size += spans[i].size;
	set = xmalloc(size);
	*set = (struct set){.refs = 1,
		.hash = hash,
		.has = a->has,
		.origin = a->origin,
		.hop_family = a->next_hop.family,
		.link_local_family = a->link_local.family,
		.med = a->med,
		.local_pref = a->local_pref,
		.aggregator_as = a->aggregator_as,
		.aggregator_id = a->aggregator_id,
		.originator_id = a->originator_id,
		.otc = a->otc,
		.weight = a->weight};
	p = set->bytes;
	memcpy(p, a->next_hop.bytes, hop_size(a->next_hop.family));
	p += hop_size(a->next_hop.family);
	memcpy(p, a->link_local.bytes, hop_size(a->link_local.family));
	p += hop_size(a->link_local.family);
	for (int i = 0; i < SPANS; i++) {
		set->size[i] = spans[i].size;
		if (spans[i].size)
			memcpy(p, spans[i].bytes, spans[i].size);
		p += spans[i].size;
	}
	*ret_size = size;
	return set;
}

static size_t set_size(const struct set *set)
{
	size_t size = sizeof(*set) + hop_size(set->hop_family) + hop_size(set->link_local_family);

	for (int i = 0; i < SPANS; i++)
		size += set->size[i];
	return size;
}

static struct ip_addr view_hop(uint8_t family, const uint8_t **p)
{
	struct ip_addr addr = {.family = family};

	memcpy(addr.bytes, *p, hop_size(family));
	*p += hop_size(family);
	return addr;
}

static struct span view_span(const struct set *set, int i, const uint8_t **p)
{
	struct span span = {.bytes = *p, .size = set->size[i]};

	*p += span.size;
	return span;
}

void attrstore_view(const struct attrstore *s, uint32_t id, struct attrs *ret_attrs)
{
	const struct set *set = s->sets[id];
	const uint8_t *p = set->bytes;

	*ret_attrs = (struct attrs){.has = set->has,
		.origin = set->origin,
		.med = set->med,
		.local_pref = set->local_pref,
		.aggregator_as = set->aggregator_as,
		.aggregator_id = set->aggregator_id,
		.originator_id = set->originator_id,
		.otc = set->otc,
		.weight = set->weight};
	ret_attrs->next_hop = view_hop(set->hop_family, &p);
	ret_attrs->link_local = view_hop(set->link_local_family, &p);
	ret_attrs->as_path = view_span(set, SPAN_PATH, &p);
	ret_attrs->communities = view_span(set, SPAN_COMMUNITIES, &p);
	ret_attrs->ext_communities = view_span(set, SPAN_EXT, &p);
	ret_attrs->large_communities = view_span(set, SPAN_LARGE, &p);
	ret_attrs->cluster_list = view_span(set, SPAN_CLUSTERS, &p);
	ret_attrs->unknown = view_span(set, SPAN_UNKNOWN, &p);
}

static void rehash(struct attrstore *s)
{
	free(s->buckets);
	s->bucket_len *= 2;
	s->buckets = xcalloc(s->bucket_len, sizeof(*s->buckets));
	for (size_t i = 1; i < s->end; i++) {
		uint32_t *bucket;

		if (!s->sets[i])
			continue;
		bucket = &s->buckets[s->sets[i]->hash & (s->bucket_len - 1)];
		s->sets[i]->next = *bucket;
		*bucket = (uint32_t)i;
	}
}

static uint32_t find(const struct attrstore *s, const struct attrs *a, uint32_t hash)
{
	struct attrs view;

	for (uint32_t id = s->buckets[hash & (s->bucket_len - 1)]; id; id = s->sets[id]->next) {
		if (s->sets[id]->hash != hash)
			continue;
		attrstore_view(s, id, &view);
		if (attrs_equal(a, &view))
			return id;
	}
	return ATTRS_NONE;
}

static uint32_t new_id(struct attrstore *s)
{
	if (s->free_len)
		return s->free_ids[--s->free_len];
	s->sets = xgrow(s->sets, &s->cap, s->end + 1, sizeof(*s->sets));
	return (uint32_t)s->end++;
}

uint32_t attrstore_take(struct attrstore *s, const struct attrs *a)
{
	uint32_t hash = hash_attrs(a, s->hash_seed), id = find(s, a, hash), *bucket;
	size_t size;

	if (id)
		return attrstore_ref(s, id);
	if (s->len >= s->bucket_len)
		rehash(s);
	id = new_id(s);
	s->sets[id] = set_new(a, hash, &size);
	bucket = &s->buckets[hash & (s->bucket_len - 1)];
	s->sets[id]->next = *bucket;
	*bucket = id;
	s->len++;
	s->set_bytes += size;
	return id;
}

uint32_t attrstore_ref(struct attrstore *s, uint32_t id)
{
	if (id)
		s->sets[id]->refs++;
	return id;
}

void attrstore_put(struct attrstore *s, uint32_t id)
{
	struct set *set;
	uint32_t *at;

	if (!id || --s->sets[id]->refs)
		return;
	set = s->sets[id];
	at = &s->buckets[set->hash & (s->bucket_len - 1)];
	while (*at != id)
		at = &s->sets[*at]->next;
	*at = set->next;
	s->len--;
	s->set_bytes -= set_size(set);
	free(set);
	s->sets[id] = NULL;
	s->free_ids = xgrow(s->free_ids, &s->free_cap, s->free_len + 1, sizeof(*s->free_ids));
	s->free_ids[s->free_len++] = id;
}

size_t attrstore_len(const struct attrstore *s)
{
	return s->len;
}

size_t attrstore_bytes(const struct attrstore *s)
{
	return s->set_bytes + s->cap * sizeof(*s->sets) + s->bucket_len * sizeof(*s->buckets) +
	       s->free_cap * sizeof(*s->free_ids);
}
