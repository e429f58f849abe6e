// SPDX-License-Identifier: Apache-2.0
#include "update.h"

#include <string.h>

// Reading an UPDATE. Every attribute has a row in `rules`: the flags it must carry and the function
// that reads exactly its value and says, after RFC 7606 section 7 (and the attribute's own RFC),
// what its errors lead to. The strongest verdict wins (section 3 h).

struct reader {
	const struct update_options *options;
	struct update *u;
	uint64_t seen[4]; // attribute codes met, a bit each
	struct span as4_path;
	uint32_t as4_aggregator_as, as4_aggregator_id;
	bool has_as4_path, has_as4_aggregator, unreach_present;
	bool reach_met; // MP_REACH_NLRI or NLRI is there, whatever its family
	struct ip_addr next_hop;
	uint8_t *scratch;
	size_t scratch_left;
};

static bool code_seen(const struct reader *rd, uint8_t code)
{
	return rd->seen[code / 64] >> (code % 64) & 1;
}

static void note(struct reader *rd, enum update_verdict verdict, uint8_t code, const char *reason)
{
	if (verdict <= rd->u->verdict)
		return;
	rd->u->verdict = verdict;
	rd->u->reason = reason;
	rd->u->bad_attribute = code;
}

static void note_reset(struct reader *rd, uint8_t subcode, uint8_t code, const void *data,
	size_t size, const char *reason)
{
	if (rd->u->verdict == UPDATE_RESET)
		return;
	note(rd, UPDATE_RESET, code, reason);
	rd->u->error = bgp_error_make(BGP_ERR_UPDATE, subcode, data, size);
}

static uint8_t *scratch_take(struct reader *rd, size_t size)
{
	uint8_t *p = rd->scratch;

	if (size > rd->scratch_left)
		return NULL;
	rd->scratch += size;
	rd->scratch_left -= size;
	return p;
}

static struct span rest(struct buf_reader *r)
{
	struct span s = {.size = (uint16_t)r->left};

	s.bytes = buf_get_span(r, r->left);
	return s;
}

// -- one function an attribute; r holds exactly the value

static void read_origin(struct reader *rd, struct buf_reader *r)
{
	uint8_t origin = buf_get_u8(r);

	if (r->failed || r->left || origin > BGP_ORIGIN_INCOMPLETE) {
		note(rd, UPDATE_WITHDRAW, BGP_ATTR_ORIGIN, "ORIGIN of wrong length or value");
		return;
	}
	rd->u->attrs.origin = origin;
	rd->u->attrs.has |= ATTR_HAS_ORIGIN;
}

// Wire form to ours; false when it is no path.
static bool take_path(struct reader *rd, struct span wire, bool as4, struct span *ret_path)
{
	uint8_t *out;

	if (aspath_check(wire, as4) != ASPATH_OK)
		return false;
	*ret_path = wire;
	if (as4 || !wire.size)
		return true;
	out = scratch_take(rd, 2u * wire.size);
	if (!out)
		return false;
	ret_path->size = (uint16_t)aspath_widen(wire, out, 2u * wire.size);
	ret_path->bytes = out;
	return true;
}

static void read_as_path(struct reader *rd, struct buf_reader *r)
{
	if (!take_path(rd, rest(r), rd->options->as4, &rd->u->attrs.as_path)) {
		note(rd, UPDATE_WITHDRAW, BGP_ATTR_AS_PATH, "AS_PATH malformed or with AS 0");
		return;
	}
	rd->u->attrs.has |= ATTR_HAS_AS_PATH;
}

static void read_next_hop(struct reader *rd, struct buf_reader *r)
{
	if (r->left != 4) {
		note(rd, UPDATE_WITHDRAW, BGP_ATTR_NEXT_HOP, "NEXT_HOP of wrong length");
		return;
	}
	rd->next_hop = ip_from_v4(buf_get_be32(r));
}

static bool read_u32(struct reader *rd, struct buf_reader *r, uint8_t code, uint32_t *ret_v)
{
	if (r->left != 4) {
		note(rd, UPDATE_WITHDRAW, code, "attribute is not 4 bytes long");
		return false;
	}
	*ret_v = buf_get_be32(r);
	return true;
}

static void read_med(struct reader *rd, struct buf_reader *r)
{
	if (read_u32(rd, r, BGP_ATTR_MED, &rd->u->attrs.med))
		rd->u->attrs.has |= ATTR_HAS_MED;
}

static void read_local_pref(struct reader *rd, struct buf_reader *r)
{
	if (!rd->options->internal)
		note(rd, UPDATE_DISCARD, BGP_ATTR_LOCAL_PREF, "LOCAL_PREF from an external peer");
	else if (read_u32(rd, r, BGP_ATTR_LOCAL_PREF, &rd->u->attrs.local_pref))
		rd->u->attrs.has |= ATTR_HAS_LOCAL_PREF;
}

static void read_atomic_aggregate(struct reader *rd, struct buf_reader *r)
{
	if (r->left)
		note(rd, UPDATE_DISCARD, BGP_ATTR_ATOMIC_AGGREGATE, "ATOMIC_AGGREGATE not empty");
	else
		rd->u->attrs.has |= ATTR_HAS_ATOMIC_AGGREGATE;
}

static void read_aggregator(struct reader *rd, struct buf_reader *r)
{
	bool as4 = rd->options->as4;
	uint32_t asn, id;

	if (r->left != (as4 ? 8 : 6)) {
		note(rd, UPDATE_DISCARD, BGP_ATTR_AGGREGATOR, "AGGREGATOR of wrong length");
		return;
	}
	asn = as4 ? buf_get_be32(r) : buf_get_be16(r);
	id = buf_get_be32(r);
	if (!asn) { // RFC 7607
		note(rd, UPDATE_DISCARD, BGP_ATTR_AGGREGATOR, "AGGREGATOR with AS 0");
		return;
	}
	rd->u->attrs.aggregator_as = asn;
	rd->u->attrs.aggregator_id = id;
	rd->u->attrs.has |= ATTR_HAS_AGGREGATOR;
}

// A list of equal elements that may not be empty.
static bool read_list(struct reader *rd, struct buf_reader *r, uint8_t code, size_t element,
	struct span *ret_list)
{
	if (!r->left || r->left % element) {
		note(rd, UPDATE_WITHDRAW, code, "list attribute of wrong length");
		return false;
	}
	*ret_list = rest(r);
	return true;
}

static void read_communities(struct reader *rd, struct buf_reader *r)
{
	read_list(rd, r, BGP_ATTR_COMMUNITIES, 4, &rd->u->attrs.communities);
}

static void read_ext_communities(struct reader *rd, struct buf_reader *r)
{
	read_list(rd, r, BGP_ATTR_EXT_COMMUNITIES, 8, &rd->u->attrs.ext_communities);
}

static void read_large_communities(struct reader *rd, struct buf_reader *r)
{
	read_list(rd, r, BGP_ATTR_LARGE_COMMUNITIES, 12, &rd->u->attrs.large_communities);
}

static void read_originator_id(struct reader *rd, struct buf_reader *r)
{
	if (!rd->options->internal)
		note(rd, UPDATE_DISCARD, BGP_ATTR_ORIGINATOR_ID,
			"ORIGINATOR_ID from external peer");
	else if (read_u32(rd, r, BGP_ATTR_ORIGINATOR_ID, &rd->u->attrs.originator_id))
		rd->u->attrs.has |= ATTR_HAS_ORIGINATOR_ID;
}

static void read_cluster_list(struct reader *rd, struct buf_reader *r)
{
	if (!rd->options->internal)
		note(rd, UPDATE_DISCARD, BGP_ATTR_CLUSTER_LIST, "CLUSTER_LIST from external peer");
	else
		read_list(rd, r, BGP_ATTR_CLUSTER_LIST, 4, &rd->u->attrs.cluster_list);
}

static void read_otc(struct reader *rd, struct buf_reader *r)
{
	if (read_u32(rd, r, BGP_ATTR_OTC, &rd->u->attrs.otc))
		rd->u->attrs.has |= ATTR_HAS_OTC;
}

// RFC 6793 6: errors in the two AS4 attributes discard them; a new speaker never sends them.
static void read_as4_path(struct reader *rd, struct buf_reader *r)
{
	if (rd->options->as4)
		return;
	if (!r->left || !take_path(rd, rest(r), true, &rd->as4_path))
		note(rd, UPDATE_DISCARD, BGP_ATTR_AS4_PATH, "AS4_PATH malformed");
	else
		rd->has_as4_path = true;
}

static void read_as4_aggregator(struct reader *rd, struct buf_reader *r)
{
	if (rd->options->as4)
		return;
	rd->as4_aggregator_as = buf_get_be32(r);
	rd->as4_aggregator_id = buf_get_be32(r);
	if (r->failed || r->left || !rd->as4_aggregator_as)
		note(rd, UPDATE_DISCARD, BGP_ATTR_AS4_AGGREGATOR, "AS4_AGGREGATOR malformed");
	else
		rd->has_as4_aggregator = true;
}

static int family_of(uint16_t afi, uint8_t safi)
{
	if (safi != BGP_SAFI_UNICAST)
		return -1;
	return afi == BGP_AFI_IPV4 ? BGP_IPV4 : afi == BGP_AFI_IPV6 ? BGP_IPV6 : -1;
}

static bool family_agreed(const struct reader *rd, int family)
{
	return family >= 0 && rd->options->family[family];
}

// RFC 4760 3, 2545 3, 8950 3: one address, or an IPv6 one and a link-local one.
static bool read_mp_next_hop(struct reader *rd, int family, struct span hop,
	struct ip_addr *ret_hop, struct ip_addr *ret_link_local)
{
	static const uint8_t link_local[] = {0xfe, 0x80};
	bool v6 = family == BGP_IPV6 || rd->options->ipv6_nexthop;

	*ret_link_local = (struct ip_addr){0};
	if (family == BGP_IPV4 && hop.size == 4) {
		*ret_hop = ip_from_bytes(IP_V4, hop.bytes);
		return true;
	}
	if (!v6 || (hop.size != 16 && hop.size != 32))
		return false;
	*ret_hop = ip_from_bytes(IP_V6, hop.bytes);
	if (hop.size == 32 && !memcmp(hop.bytes + 16, link_local, sizeof(link_local)))
		*ret_link_local = ip_from_bytes(IP_V6, hop.bytes + 16);
	return true;
}

static void add_reach(
	struct reader *rd, struct nlri_run run, struct ip_addr hop, struct ip_addr link_local)
{
	struct update *u = rd->u;

	u->reach[u->reach_len] = run;
	u->reach_next_hop[u->reach_len] = hop;
	u->reach_link_local[u->reach_len] = link_local;
	u->reach_len++;
}

// Wrong next hop or NLRI bytes leave no way to know which prefixes are meant (RFC 7606 3 j, 7.11).
static void read_mp_reach(struct reader *rd, struct buf_reader *r)
{
	uint16_t afi = buf_get_be16(r);
	int family = family_of(afi, buf_get_u8(r));
	struct span hop = {.size = buf_get_u8(r)};
	struct ip_addr addr, link_local;
	struct nlri_run run = {.family = (uint8_t)family};

	rd->reach_met = true;
	hop.bytes = buf_get_span(r, hop.size);
	buf_get_u8(r); // reserved
	if (r->failed) {
		note_reset(rd, BGP_UPDATE_OPTIONAL_ATTRIBUTE, BGP_ATTR_MP_REACH, NULL, 0,
			"MP_REACH_NLRI too short");
		return;
	}
	if (!family_agreed(rd, family))
		return;
	run.add_path = rd->options->add_path[family];
	run.size = (uint16_t)r->left;
	run.bytes = buf_get_span(r, r->left);
	if (!read_mp_next_hop(rd, family, hop, &addr, &link_local) || !nlri_check(&run)) {
		note_reset(rd, BGP_UPDATE_OPTIONAL_ATTRIBUTE, BGP_ATTR_MP_REACH, NULL, 0,
			"MP_REACH_NLRI with malformed next hop or prefixes");
		return;
	}
	add_reach(rd, run, addr, link_local);
}

static void read_mp_unreach(struct reader *rd, struct buf_reader *r)
{
	uint16_t afi = buf_get_be16(r);
	int family = family_of(afi, buf_get_u8(r));
	struct nlri_run run = {.family = (uint8_t)family};

	if (r->failed) {
		note_reset(rd, BGP_UPDATE_OPTIONAL_ATTRIBUTE, BGP_ATTR_MP_UNREACH, NULL, 0,
			"MP_UNREACH_NLRI too short");
		return;
	}
	rd->unreach_present = true;
	if (!family_agreed(rd, family))
		return;
	run.add_path = rd->options->add_path[family];
	run.size = (uint16_t)r->left;
	run.bytes = buf_get_span(r, r->left);
	if (!nlri_check(&run)) {
		note_reset(rd, BGP_UPDATE_OPTIONAL_ATTRIBUTE, BGP_ATTR_MP_UNREACH, NULL, 0,
			"MP_UNREACH_NLRI with malformed prefixes");
		return;
	}
	rd->u->end_of_rib = !run.size;
	rd->u->end_of_rib_family = (uint8_t)family;
	rd->u->unreach[rd->u->unreach_len++] = run;
}

enum {
	WELL_KNOWN = BGP_FLAG_TRANSITIVE,
	OPTIONAL = BGP_FLAG_OPTIONAL,
	OPTIONAL_TRANSITIVE = BGP_FLAG_OPTIONAL | BGP_FLAG_TRANSITIVE
};

struct attribute_rule {
	uint8_t flags; // Optional and Transitive bits it must carry
	void (*read)(struct reader *rd, struct buf_reader *r);
};

static const struct attribute_rule rules[256] = {
	[BGP_ATTR_ORIGIN] = {WELL_KNOWN, read_origin},
	[BGP_ATTR_AS_PATH] = {WELL_KNOWN, read_as_path},
	[BGP_ATTR_NEXT_HOP] = {WELL_KNOWN, read_next_hop},
	[BGP_ATTR_MED] = {OPTIONAL, read_med},
	[BGP_ATTR_LOCAL_PREF] = {WELL_KNOWN, read_local_pref},
	[BGP_ATTR_ATOMIC_AGGREGATE] = {WELL_KNOWN, read_atomic_aggregate},
	[BGP_ATTR_AGGREGATOR] = {OPTIONAL_TRANSITIVE, read_aggregator},
	[BGP_ATTR_COMMUNITIES] = {OPTIONAL_TRANSITIVE, read_communities},
	[BGP_ATTR_ORIGINATOR_ID] = {OPTIONAL, read_originator_id},
	[BGP_ATTR_CLUSTER_LIST] = {OPTIONAL, read_cluster_list},
	[BGP_ATTR_MP_REACH] = {OPTIONAL, read_mp_reach},
	[BGP_ATTR_MP_UNREACH] = {OPTIONAL, read_mp_unreach},
	[BGP_ATTR_EXT_COMMUNITIES] = {OPTIONAL_TRANSITIVE, read_ext_communities},
	[BGP_ATTR_AS4_PATH] = {OPTIONAL_TRANSITIVE, read_as4_path},
	[BGP_ATTR_AS4_AGGREGATOR] = {OPTIONAL_TRANSITIVE, read_as4_aggregator},
	[BGP_ATTR_LARGE_COMMUNITIES] = {OPTIONAL_TRANSITIVE, read_large_communities},
	[BGP_ATTR_OTC] = {OPTIONAL_TRANSITIVE, read_otc},
};

// Optional transitive attributes nobody here knows travel on with the Partial bit (RFC 4271 9).
static void read_unknown(struct reader *rd, uint8_t flags, uint8_t code, struct buf_reader *r)
{
	struct span *list = &rd->u->attrs.unknown;
	size_t size = r->left;
	uint8_t *out;

	if (!(flags & BGP_FLAG_OPTIONAL)) {
		note_reset(rd, BGP_UPDATE_UNKNOWN_WELL_KNOWN, code, &code, 1,
			"unrecognised well-known attribute");
		return;
	}
	if (!(flags & BGP_FLAG_TRANSITIVE))
		return;
	out = scratch_take(rd, size + 4);
	if (!out)
		return;
	out[0] = OPTIONAL_TRANSITIVE | BGP_FLAG_PARTIAL | BGP_FLAG_EXTENDED;
	out[1] = code;
	out[2] = (uint8_t)(size >> 8);
	out[3] = (uint8_t)size;
	buf_get_bytes(r, out + 4, size);
	// Known attributes take scratch in between only when a path is widened; then start anew.
	if (list->size && list->bytes + list->size != out) {
		uint8_t *joined = scratch_take(rd, list->size + size + 4);

		if (!joined)
			return;
		memcpy(joined, list->bytes, list->size);
		memcpy(joined + list->size, out, size + 4);
		out = joined;
		list->bytes = out;
	} else if (!list->size) {
		list->bytes = out;
	}
	list->size = (uint16_t)(list->size + size + 4);
}

static void read_value(struct reader *rd, uint8_t flags, uint8_t code, struct buf_reader *value)
{
	const struct attribute_rule *rule = &rules[code];

	if (code_seen(rd, code)) {
		// Section 3 g: a second MP attribute resets, of the others the first counts.
		if (code == BGP_ATTR_MP_REACH || code == BGP_ATTR_MP_UNREACH)
			note_reset(rd, BGP_UPDATE_MALFORMED_ATTRIBUTES, code, NULL, 0,
				"MP attribute twice");
		else
			note(rd, UPDATE_DISCARD, code, "attribute twice");
		return;
	}
	rd->seen[code / 64] |= 1ull << (code % 64);
	if (!rule->read) {
		read_unknown(rd, flags, code, value);
		return;
	}
	if ((flags & OPTIONAL_TRANSITIVE) != rule->flags) {
		// Section 3 c. The value is read nonetheless: its prefixes are to be withdrawn.
		note(rd, UPDATE_WITHDRAW, code, "attribute flags in conflict with its type");
	}
	rule->read(rd, value);
}

// Section 4: what does not fit withdraws; the total length still tells where the NLRI starts.
static void read_attributes(struct reader *rd, struct buf_reader r)
{
	while (r.left) {
		uint8_t flags = buf_get_u8(&r), code = buf_get_u8(&r);
		size_t size = flags & BGP_FLAG_EXTENDED ? buf_get_be16(&r) : buf_get_u8(&r);
		struct buf_reader value = buf_get_sub(&r, size);

		if (r.failed) {
			note(rd, UPDATE_WITHDRAW, code, "attribute longer than the attribute list");
			return;
		}
		read_value(rd, flags, code, &value);
	}
}

static void merge_as4(struct reader *rd)
{
	struct attrs *a = &rd->u->attrs;
	uint8_t *out;

	// RFC 6793 4.2.3: an AGGREGATOR with a real number means the AS4 attributes are stale.
	if (rd->has_as4_aggregator && a->has & ATTR_HAS_AGGREGATOR) {
		if (a->aggregator_as != BGP_AS_TRANS)
			return;
		a->aggregator_as = rd->as4_aggregator_as;
		a->aggregator_id = rd->as4_aggregator_id;
	}
	if (!rd->has_as4_path || !(a->has & ATTR_HAS_AS_PATH))
		return;
	out = scratch_take(rd, (size_t)a->as_path.size + rd->as4_path.size);
	if (!out)
		return;
	a->as_path.size = (uint16_t)aspath_merge_as4(
		a->as_path, rd->as4_path, out, (size_t)a->as_path.size + rd->as4_path.size);
	a->as_path.bytes = out;
}

static void check_mandatory(struct reader *rd, const struct nlri_run *nlri)
{
	uint16_t need = ATTR_HAS_ORIGIN | ATTR_HAS_AS_PATH;

	if (!rd->reach_met)
		return;
	if (rd->options->internal)
		need |= ATTR_HAS_LOCAL_PREF;
	if ((rd->u->attrs.has & need) != need)
		note(rd, UPDATE_WITHDRAW, 0, "a mandatory attribute is missing");
	if (nlri->size && !rd->next_hop.family)
		note(rd, UPDATE_WITHDRAW, BGP_ATTR_NEXT_HOP, "NEXT_HOP is missing");
}

// The two plain IPv4 fields. Unparsable prefixes reset the session (sections 3 i and j).
static bool check_run(struct reader *rd, struct nlri_run *run)
{
	if (nlri_check(run))
		return true;
	note_reset(rd, BGP_UPDATE_INVALID_NETWORK, 0, NULL, 0, "malformed IPv4 prefixes");
	return false;
}

static struct nlri_run take_run(struct reader *rd, struct buf_reader *r)
{
	struct nlri_run run = {.family = BGP_IPV4, .size = (uint16_t)r->left};

	run.add_path = rd->options->add_path[BGP_IPV4];
	run.bytes = buf_get_span(r, r->left);
	return run;
}

void update_read(const uint8_t *body, size_t size, const struct update_options *options,
	uint8_t *scratch, struct update *ret_update)
{
	struct reader rd = {.options = options,
		.u = ret_update,
		.scratch = scratch,
		.scratch_left = UPDATE_SCRATCH_SIZE};
	struct nlri_run withdrawn, nlri;
	struct buf_reader r, field;

	*ret_update = (struct update){.verdict = UPDATE_OK};
	buf_reader_init(&r, body, size);
	field = buf_get_sub(&r, buf_get_be16(&r));
	withdrawn = take_run(&rd, &field);
	field = buf_get_sub(&r, buf_get_be16(&r));
	if (r.failed) {
		note_reset(&rd, BGP_UPDATE_MALFORMED_ATTRIBUTES, 0, NULL, 0,
			"field lengths exceed the message");
		return;
	}
	nlri = take_run(&rd, &r);
	rd.reach_met = nlri.size;
	// An MP attribute may add one run to either list; the plain fields come last.
	if (field.left) {
		read_attributes(&rd, field);
		merge_as4(&rd);
	} else {
		ret_update->end_of_rib = !withdrawn.size && !nlri.size;
		ret_update->end_of_rib_family = BGP_IPV4;
	}
	if (!check_run(&rd, &withdrawn) || !check_run(&rd, &nlri))
		return;
	check_mandatory(&rd, &nlri);
	if (ret_update->end_of_rib && field.left)
		// RFC 4724 2: only an empty MP_UNREACH_NLRI and nothing else is the marker.
		ret_update->end_of_rib = rd.unreach_present && !rd.reach_met && !withdrawn.size &&
					 rd.seen[0] == 1ull << BGP_ATTR_MP_UNREACH;
	if (withdrawn.size && family_agreed(&rd, BGP_IPV4))
		ret_update->unreach[ret_update->unreach_len++] = withdrawn;
	if (nlri.size && family_agreed(&rd, BGP_IPV4))
		add_reach(&rd, nlri, rd.next_hop, (struct ip_addr){0});
	// Section 5.2: without prefixes there is nothing to withdraw instead.
	if (ret_update->verdict == UPDATE_WITHDRAW && !rd.reach_met)
		note_reset(&rd, BGP_UPDATE_MALFORMED_ATTRIBUTES, ret_update->bad_attribute, NULL, 0,
			ret_update->reason);
}
