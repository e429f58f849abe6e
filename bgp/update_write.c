// SPDX-License-Identifier: Apache-2.0
#include "update.h"

// Writing an UPDATE: attributes in ascending order of type code (RFC 4271 5), MP_REACH_NLRI first
// (RFC 7606 5.1), then as many prefixes as fit.

enum {
	WELL_KNOWN = BGP_FLAG_TRANSITIVE,
	OPTIONAL = BGP_FLAG_OPTIONAL,
	OPTIONAL_TRANSITIVE = BGP_FLAG_OPTIONAL | BGP_FLAG_TRANSITIVE
};

static const uint16_t family_afi[BGP_FAMILIES] = {BGP_AFI_IPV4, BGP_AFI_IPV6};

static void put_head(struct buf_writer *w, uint8_t flags, uint8_t code, size_t size)
{
	bool extended = size > 255;

	buf_put_u8(w, flags | (extended ? BGP_FLAG_EXTENDED : 0));
	buf_put_u8(w, code);
	if (extended)
		buf_put_be16(w, (uint16_t)size);
	else
		buf_put_u8(w, (uint8_t)size);
}

static void put_span(struct buf_writer *w, uint8_t flags, uint8_t code, struct span s)
{
	if (!s.size)
		return;
	put_head(w, flags, code, s.size);
	buf_put_bytes(w, s.bytes, s.size);
}

static void put_u32(struct buf_writer *w, uint8_t flags, uint8_t code, uint32_t v)
{
	put_head(w, flags, code, 4);
	buf_put_be32(w, v);
}

static void put_as_path(struct buf_writer *w, const struct attrs *a, bool as4)
{
	uint8_t narrow[BGP_MESSAGE_MAX];
	struct span path = a->as_path;

	if (!as4) {
		path.size = (uint16_t)aspath_narrow(a->as_path, narrow, sizeof(narrow));
		path.bytes = narrow;
		w->failed |= !path.size && a->as_path.size; // too long for such a session
	}
	put_head(w, WELL_KNOWN, BGP_ATTR_AS_PATH, path.size);
	buf_put_bytes(w, path.bytes, path.size);
}

static void put_aggregator(struct buf_writer *w, const struct attrs *a, bool as4)
{
	put_head(w, OPTIONAL_TRANSITIVE, BGP_ATTR_AGGREGATOR, as4 ? 8 : 6);
	if (as4)
		buf_put_be32(w, a->aggregator_as);
	else
		buf_put_be16(w,
			a->aggregator_as > UINT16_MAX ? BGP_AS_TRANS : (uint16_t)a->aggregator_as);
	buf_put_be32(w, a->aggregator_id);
}

static void put_as4_attributes(struct buf_writer *w, const struct attrs *a)
{
	if (aspath_needs_as4(a->as_path))
		put_span(w, OPTIONAL_TRANSITIVE, BGP_ATTR_AS4_PATH, a->as_path);
	if (a->has & ATTR_HAS_AGGREGATOR && a->aggregator_as > UINT16_MAX) {
		put_head(w, OPTIONAL_TRANSITIVE, BGP_ATTR_AS4_AGGREGATOR, 8);
		buf_put_be32(w, a->aggregator_as);
		buf_put_be32(w, a->aggregator_id);
	}
}

static void put_attributes(
	struct buf_writer *w, const struct attrs *a, const struct update_options *o, bool next_hop)
{
	put_head(w, WELL_KNOWN, BGP_ATTR_ORIGIN, 1);
	buf_put_u8(w, a->origin);
	put_as_path(w, a, o->as4);
	if (next_hop)
		put_u32(w, WELL_KNOWN, BGP_ATTR_NEXT_HOP, ip_to_v4(&a->next_hop));
	if (a->has & ATTR_HAS_MED)
		put_u32(w, OPTIONAL, BGP_ATTR_MED, a->med);
	if (o->internal)
		put_u32(w, WELL_KNOWN, BGP_ATTR_LOCAL_PREF, attrs_local_pref(a));
	if (a->has & ATTR_HAS_ATOMIC_AGGREGATE)
		put_head(w, WELL_KNOWN, BGP_ATTR_ATOMIC_AGGREGATE, 0);
	if (a->has & ATTR_HAS_AGGREGATOR)
		put_aggregator(w, a, o->as4);
	put_span(w, OPTIONAL_TRANSITIVE, BGP_ATTR_COMMUNITIES, a->communities);
	if (o->internal && a->has & ATTR_HAS_ORIGINATOR_ID)
		put_u32(w, OPTIONAL, BGP_ATTR_ORIGINATOR_ID, a->originator_id);
	if (o->internal)
		put_span(w, OPTIONAL, BGP_ATTR_CLUSTER_LIST, a->cluster_list);
	put_span(w, OPTIONAL_TRANSITIVE, BGP_ATTR_EXT_COMMUNITIES, a->ext_communities);
	if (!o->as4)
		put_as4_attributes(w, a);
	put_span(w, OPTIONAL_TRANSITIVE, BGP_ATTR_LARGE_COMMUNITIES, a->large_communities);
	if (a->has & ATTR_HAS_OTC)
		put_u32(w, OPTIONAL_TRANSITIVE, BGP_ATTR_OTC, a->otc);
	buf_put_bytes(w, a->unknown.bytes, a->unknown.size);
}

static void set_be16(uint8_t *p, size_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static size_t put_prefixes(struct buf_writer *w, const struct nlri *nlri, size_t len, bool add_path)
{
	size_t i;

	for (i = 0; i < len && nlri_size(&nlri[i], add_path) <= w->left; i++)
		nlri_write(w, &nlri[i], add_path);
	return i;
}

// The head of an MP attribute with a 2-byte length; returns where that length lies.
static uint8_t *mp_start(struct buf_writer *w, enum bgp_attribute code, enum bgp_family family)
{
	uint8_t *length;

	buf_put_u8(w, BGP_FLAG_OPTIONAL | BGP_FLAG_EXTENDED);
	buf_put_u8(w, code);
	length = buf_put_span(w, 2);
	buf_put_be16(w, family_afi[family]);
	buf_put_u8(w, BGP_SAFI_UNICAST);
	return length;
}

static void put_mp_next_hop(struct buf_writer *w, const struct attrs *a)
{
	bool v6 = a->next_hop.family == IP_V6, both = v6 && a->link_local.family == IP_V6;

	buf_put_u8(w, (uint8_t)(both ? 32 : v6 ? 16 : 4));
	buf_put_bytes(w, a->next_hop.bytes, v6 ? 16 : 4);
	if (both)
		buf_put_bytes(w, a->link_local.bytes, 16);
	buf_put_u8(w, 0);
}

static size_t finish(struct buf_writer *w, size_t used, size_t *ret_used)
{
	size_t size = used ? message_finish(w) : 0;

	*ret_used = size ? used : 0;
	return size;
}

// MP_REACH_NLRI goes first, so the space the other attributes need is measured beforehand.
static size_t write_mp_reach(struct buf_writer *w, const struct update_options *o,
	const struct attrs *a, const struct nlri *nlri, size_t len, size_t *ret_used)
{
	enum bgp_family family = nlri_family(&nlri[0].prefix);
	struct buf_writer probe = *w;
	size_t rest_size, used, all;
	uint8_t *total, *length;

	put_attributes(&probe, a, o, false);
	*ret_used = 0;
	if (probe.failed)
		return 0;
	rest_size = buf_written(&probe) - buf_written(w);
	buf_put_be16(w, 0);
	total = buf_put_span(w, 2);
	length = mp_start(w, BGP_ATTR_MP_REACH, family);
	put_mp_next_hop(w, a);
	if (w->failed || w->left < rest_size)
		return 0;
	w->left -= rest_size;
	used = put_prefixes(w, nlri, len, o->add_path[family]);
	w->left += rest_size;
	set_be16(length, (size_t)(w->p - length) - 2);
	put_attributes(w, a, o, false);
	all = (size_t)(w->p - total) - 2;
	set_be16(total, all);
	return finish(w, used, ret_used);
}

static size_t limit(size_t size, const struct update_options *o)
{
	size_t max = o->max_size ? o->max_size : BGP_MESSAGE_MAX;

	return size < max ? size : max;
}

size_t update_write_reach(uint8_t *bytes, size_t size, const struct update_options *options,
	const struct attrs *attrs, const struct nlri *nlri, size_t len, size_t *ret_used)
{
	struct buf_writer w;
	uint8_t *total;
	size_t used;

	message_start(&w, bytes, limit(size, options), BGP_UPDATE);
	if (nlri_family(&nlri[0].prefix) != BGP_IPV4 || attrs->next_hop.family != IP_V4)
		return write_mp_reach(&w, options, attrs, nlri, len, ret_used);
	buf_put_be16(&w, 0);
	total = buf_put_span(&w, 2);
	put_attributes(&w, attrs, options, true);
	if (w.failed) {
		*ret_used = 0;
		return 0;
	}
	set_be16(total, (size_t)(w.p - total) - 2);
	used = put_prefixes(&w, nlri, len, options->add_path[BGP_IPV4]);
	return finish(&w, used, ret_used);
}

size_t update_write_unreach(uint8_t *bytes, size_t size, const struct update_options *options,
	const struct nlri *nlri, size_t len, size_t *ret_used)
{
	enum bgp_family family = nlri_family(&nlri[0].prefix);
	uint8_t *total, *length;
	struct buf_writer w;
	size_t used;

	message_start(&w, bytes, limit(size, options), BGP_UPDATE);
	if (family == BGP_IPV4) {
		length = buf_put_span(&w, 2);
		w.left -= 2; // the attributes' length comes behind
		used = put_prefixes(&w, nlri, len, options->add_path[family]);
		w.left += 2;
		set_be16(length, (size_t)(w.p - length) - 2);
		buf_put_be16(&w, 0);
		return finish(&w, used, ret_used);
	}
	buf_put_be16(&w, 0);
	total = buf_put_span(&w, 2);
	length = mp_start(&w, BGP_ATTR_MP_UNREACH, family);
	used = put_prefixes(&w, nlri, len, options->add_path[family]);
	set_be16(length, (size_t)(w.p - length) - 2);
	set_be16(total, (size_t)(w.p - total) - 2);
	return finish(&w, used, ret_used);
}

size_t update_write_end_of_rib(uint8_t *bytes, size_t size, enum bgp_family family)
{
	struct buf_writer w;

	message_start(&w, bytes, size, BGP_UPDATE);
	buf_put_be16(&w, 0);
	if (family == BGP_IPV4) {
		buf_put_be16(&w, 0);
	} else {
		buf_put_be16(&w, 6);
		put_head(&w, OPTIONAL, BGP_ATTR_MP_UNREACH, 3);
		buf_put_be16(&w, family_afi[family]);
		buf_put_u8(&w, BGP_SAFI_UNICAST);
	}
	return message_finish(&w);
}
