// SPDX-License-Identifier: Apache-2.0
#include "speaker_impl.h"

#include <stdlib.h>
#include <string.h>

#include "xmalloc.h"

// From best paths to UPDATEs (RFC 4271 9.1.3, 9.2). A peer has a walk (after it came up, or when
// all is to be told again) and a queue of prefixes that changed; both are served a slice at a time
// while the peer takes bytes. Prefixes of one slice with equal attributes share a message.

struct told_paths { // add-path: what the peer has of one prefix
	uint32_t dest;
	uint32_t len;
	uint32_t ids[];
};

struct item {
	uint32_t attrs; // a reference held
	struct nlri nlri;
};

struct batch {
	struct item *reach;
	size_t reach_len, reach_cap;
	struct nlri *unreach;
	size_t unreach_len, unreach_cap;
	// The last translation of attributes, as neighbours in a table often have the same.
	uint32_t memo_in, memo_out;
	uint16_t memo_source;
};

// -- what may be told

static bool reflects(const struct router *r, const struct peer *from, const struct peer *to)
{
	bool client_from = from->cfg.flags & API_BGP_PEER_CLIENT;
	bool client_to = to->cfg.flags & API_BGP_PEER_CLIENT;

	if (client_from && client_to)
		return !(r->cfg.flags & API_BGP_ROUTER_NO_CLIENT_TO_CLIENT);
	return client_from || client_to;
}

// RFC 9234 5, egress. May add OTC.
static bool role_allows(const struct peer *p, struct attrs *a)
{
	uint8_t role = p->cfg.flags & API_BGP_PEER_HAS_ROLE ? p->cfg.role : BGP_ROLE_NONE;

	if (role == BGP_ROLE_NONE || peer_is_internal(p))
		return true;
	if (a->has & ATTR_HAS_OTC)
		return role == BGP_ROLE_PROVIDER || role == BGP_ROLE_RS;
	if (role == BGP_ROLE_PROVIDER || role == BGP_ROLE_PEER || role == BGP_ROLE_RS) {
		a->otc = p->router->cfg.asn;
		a->has |= ATTR_HAS_OTC;
	}
	return true;
}

static bool may_tell(const struct peer *p, const struct peer *from, const struct attrs *a)
{
	bool internal = peer_is_internal(p);

	if (from == p)
		return false;
	// Between a tenant's gateways only what was learnt: the plan tells each of them the rest.
	if (!from && p->cfg.flags & API_BGP_PEER_GENERATED)
		return false;
	if (internal && from && peer_is_internal(from) && !reflects(p->router, from, p))
		return false;
	if (attrs_has_community(a, BGP_NO_ADVERTISE))
		return false;
	if (!internal && (attrs_has_community(a, BGP_NO_EXPORT) ||
				 attrs_has_community(a, BGP_NO_EXPORT_SUBCONFED)))
		return false;
	return internal || !(p->router->cfg.flags & API_BGP_ROUTER_NEEDS_POLICY) || p->policy_out;
}

// -- how it is told

static uint8_t *scratch_take(struct speaker *s, size_t size)
{
	uint8_t *p = s->scratch.bytes + s->scratch.used;

	if (size > sizeof(s->scratch.bytes) - s->scratch.used)
		return NULL;
	s->scratch.used += size;
	return p;
}

// Our address as next hop for the family on this session; IP_NONE: there is none.
static struct ip_addr own_hop(const struct peer *p, int family)
{
	enum ip_family want = nlri_ip_family((unsigned)family);
	struct ip_addr local = peer_local(p);
	const struct conn *c = p->fsm.established;

	if (local.family == want)
		return local;
	if (family == BGP_IPV4 && local.family == IP_V6 && c && c->tx.ipv6_nexthop)
		return local;
	for (int i = 0; i < 2; i++)
		if (p->router->cfg.address[i].family == want)
			return p->router->cfg.address[i];
	return (struct ip_addr){0};
}

static bool hop_fits(const struct peer *p, int family, const struct ip_addr *hop)
{
	const struct conn *c = p->fsm.established;

	return hop->family == nlri_ip_family((unsigned)family) ||
	       (family == BGP_IPV4 && hop->family == IP_V6 && c && c->tx.ipv6_nexthop);
}

static bool set_own_hop(struct peer *p, int family, struct attrs *a)
{
	a->next_hop = own_hop(p, family);
	a->link_local = (struct ip_addr){0};
	return a->next_hop.family != IP_NONE;
}

// RFC 4456 8.
static bool reflect(struct peer *p, const struct peer *from, struct attrs *a)
{
	uint32_t id = p->router->cfg.cluster_id;
	size_t size = a->cluster_list.size + 4u;
	uint8_t *list = scratch_take(router_speaker(p->router), size);

	if (!list)
		return false;
	if (!(a->has & ATTR_HAS_ORIGINATOR_ID)) {
		a->originator_id = from->remote.identifier;
		a->has |= ATTR_HAS_ORIGINATOR_ID;
	}
	for (int i = 0; i < 4; i++)
		list[i] = (uint8_t)(id >> (24 - 8 * i));
	if (a->cluster_list.size)
		memcpy(list + 4, a->cluster_list.bytes, a->cluster_list.size);
	a->cluster_list = (struct span){list, (uint16_t)size};
	return true;
}

static bool run_policy(struct peer *p, const struct ip_prefix *prefix, struct attrs *a,
	struct policy_outcome *ret_outcome)
{
	*ret_outcome = (struct policy_outcome){.permit = true};
	if (!p->policy_out)
		return true;
	if (!p->policy_out->policy)
		return false;
	*ret_outcome =
		policy_run(p->policy_out->policy, prefix, a, &router_speaker(p->router)->scratch);
	return ret_outcome->permit;
}

static bool for_internal(struct peer *p, int family, const struct ip_prefix *prefix,
	const struct peer *from, struct attrs *a)
{
	bool reflected = from && peer_is_internal(from);
	struct policy_outcome outcome;
	bool self = !reflected && (!from || p->cfg.flags & API_BGP_PEER_NEXT_HOP_SELF);

	if (reflected && !reflect(p, from, a))
		return false;
	if (self && (from || !a->next_hop.family) && !set_own_hop(p, family, a))
		return false;
	a->local_pref = attrs_local_pref(a);
	a->has |= ATTR_HAS_LOCAL_PREF;
	return run_policy(p, prefix, a, &outcome);
}

static bool is_private_as(uint32_t asn)
{
	return (asn >= 64512 && asn <= 65534) || (asn >= 4200000000u && asn <= 4294967294u);
}

// Replaces the peer's AS by ours, or leaves out private numbers (sequences only, as is usual).
static bool rewrite_path(struct peer *p, struct attrs *a)
{
	bool override = p->cfg.flags & API_BGP_PEER_AS_OVERRIDE;
	bool strip = p->cfg.flags & API_BGP_PEER_REMOVE_PRIVATE_AS;
	struct buf_writer w;
	uint8_t *out, *len = NULL;
	uint32_t at = 0, asn;

	if ((!override && !strip) || !a->as_path.size || a->as_path.bytes[0] != BGP_AS_SEQUENCE ||
		a->as_path.size != 2 + 4 * a->as_path.bytes[1])
		return true;
	out = scratch_take(router_speaker(p->router), a->as_path.size);
	if (!out)
		return false;
	buf_writer_init(&w, out, a->as_path.size);
	buf_put_u8(&w, BGP_AS_SEQUENCE);
	len = buf_put_span(&w, 1);
	*len = 0;
	while (aspath_next(a->as_path, &at, &asn)) {
		if (strip && is_private_as(asn))
			continue;
		buf_put_be32(&w, override && asn == p->cfg.asn ? p->router->cfg.asn : asn);
		++*len;
	}
	a->as_path = (struct span){out, *len ? (uint16_t)buf_written(&w) : 0};
	return true;
}

static bool prepend_self(struct peer *p, struct attrs *a)
{
	size_t size = a->as_path.size + 6u;
	uint8_t *out = scratch_take(router_speaker(p->router), size);

	if (!out)
		return false;
	size = aspath_prepend(a->as_path, p->router->cfg.asn, 1, out, size);
	a->as_path = (struct span){out, (uint16_t)size};
	return size != 0;
}

static bool for_external(struct peer *p, int family, const struct ip_prefix *prefix,
	const struct peer *from, struct attrs *a)
{
	const uint16_t inside = ATTR_HAS_LOCAL_PREF | ATTR_HAS_ORIGINATOR_ID;
	struct policy_outcome outcome;
	bool kept_hop = !from && a->next_hop.family;

	a->has &= (uint16_t)~inside;
	a->local_pref = a->originator_id = 0;
	a->cluster_list = (struct span){0};
	if (from) { // RFC 4271 5.1.4: a neighbour's MED goes no further
		a->has &= (uint16_t)~ATTR_HAS_MED;
		a->med = 0;
	}
	if (!run_policy(p, prefix, a, &outcome))
		return false;
	a->has &= (uint16_t)~ATTR_HAS_LOCAL_PREF;
	a->local_pref = 0;
	if (!outcome.next_hop_set && !kept_hop && !set_own_hop(p, family, a))
		return false;
	return rewrite_path(p, a) && prepend_self(p, a);
}

bool export_attrs(struct peer *p, int family, uint32_t dest, uint32_t path, struct attrs *ret_attrs)
{
	struct router *r = p->router;
	struct speaker *s = router_speaker(r);
	const struct path *record = table_path(&r->table[family], path);
	const struct peer *from = record->source ? r->peers[record->source] : NULL;
	struct ip_prefix prefix = table_prefix(&r->table[family], dest);
	struct attrs a;

	attrstore_view(s->attrs, record->attrs, &a);
	a.weight = 0;
	s->scratch.used = 0;
	if (!may_tell(p, from, &a) || network_suppresses(r, &prefix) || !role_allows(p, &a))
		return false;
	if (peer_is_internal(p) ? !for_internal(p, family, &prefix, from, &a)
				: !for_external(p, family, &prefix, from, &a))
		return false;
	if (!hop_fits(p, family, &a.next_hop) && !set_own_hop(p, family, &a))
		return false;
	*ret_attrs = a;
	return true;
}

// -- batches

static void batch_add(struct batch *b, uint32_t attrs, const struct nlri *nlri)
{
	b->reach = xgrow(b->reach, &b->reach_cap, b->reach_len + 1, sizeof(*b->reach));
	b->reach[b->reach_len++] = (struct item){attrs, *nlri};
}

static void batch_withdraw(struct batch *b, const struct nlri *nlri)
{
	b->unreach = xgrow(b->unreach, &b->unreach_cap, b->unreach_len + 1, sizeof(*b->unreach));
	b->unreach[b->unreach_len++] = *nlri;
}

// Outgoing attributes of a path, a reference; ATTRS_NONE: it is not told.
static uint32_t translate(struct peer *p, int family, uint32_t dest, uint32_t path, struct batch *b)
{
	struct speaker *s = router_speaker(p->router);
	const struct path *record = table_path(&p->router->table[family], path);
	bool by_prefix = p->policy_out || p->router->aggregates;
	struct attrs a;
	uint32_t out;

	if (!by_prefix && b->memo_out && b->memo_in == record->attrs &&
		b->memo_source == record->source)
		return attrstore_ref(s->attrs, b->memo_out);
	if (!export_attrs(p, family, dest, path, &a))
		return ATTRS_NONE;
	out = attrstore_take(s->attrs, &a);
	attrstore_put(s->attrs, b->memo_out);
	b->memo_out = attrstore_ref(s->attrs, out);
	b->memo_in = record->attrs;
	b->memo_source = record->source;
	return out;
}

static bool originates_default(const struct peer *p, const struct dest *d)
{
	return d->len == 0 && p->cfg.flags & API_BGP_PEER_DEFAULT_ORIGINATE;
}

static void tell_best(struct peer *p, int family, uint32_t dest, struct batch *b)
{
	struct table *t = &p->router->table[family];
	const struct dest *d = table_dest(t, dest);
	struct out *out = &p->out[family];
	bool told = bitset_has(&out->told, dest);
	uint32_t attrs = d->flags & DEST_HAS_BEST ? translate(p, family, dest, d->paths, b) : 0;
	struct nlri nlri = {.prefix = table_prefix(t, dest)};

	if (originates_default(p, d)) {
		attrstore_put(router_speaker(p->router)->attrs, attrs);
		return; // ours stands
	}
	if (attrs) {
		batch_add(b, attrs, &nlri);
		bitset_add(&out->told, dest);
		p->advertised[family] += !told;
	} else if (told) {
		batch_withdraw(b, &nlri);
		bitset_del(&out->told, dest);
		p->advertised[family]--;
	}
}

static bool id_among(uint32_t id, const uint32_t *ids, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (ids[i] == id)
			return true;
	return false;
}

// RFC 7911: every usable path, each under the number it has in the table.
static size_t tell_usable(struct peer *p, int family, uint32_t dest, struct batch *b, uint32_t *ids)
{
	struct table *t = &p->router->table[family];
	size_t len = 0;

	for (uint32_t path = table_dest(t, dest)->paths; path && len < DECISION_MAX;
		path = table_path(t, path)->next) {
		struct nlri nlri = {.prefix = table_prefix(t, dest), .path_id = path};
		uint32_t attrs;

		if (table_path(t, path)->flags & PATH_REJECTED)
			continue;
		attrs = translate(p, family, dest, path, b);
		if (!attrs)
			continue;
		batch_add(b, attrs, &nlri);
		ids[len++] = path;
	}
	return len;
}

static void tell_all(struct peer *p, int family, uint32_t dest, struct batch *b)
{
	struct out *out = &p->out[family];
	struct told_paths *old = map_del(&out->told_paths, &dest, sizeof(dest)), *now;
	uint32_t ids[DECISION_MAX];
	size_t len = tell_usable(p, family, dest, b, ids);

	for (uint32_t i = 0; old && i < old->len; i++) {
		struct nlri nlri = {.path_id = old->ids[i]};

		if (id_among(old->ids[i], ids, len))
			continue;
		nlri.prefix = table_prefix(&p->router->table[family], dest);
		batch_withdraw(b, &nlri);
	}
	p->advertised[family] += (uint32_t)len - (old ? old->len : 0);
	free(old);
	if (!len)
		return;
	now = xmalloc(sizeof(*now) + len * sizeof(now->ids[0]));
	now->dest = dest;
	now->len = (uint32_t)len;
	memcpy(now->ids, ids, len * sizeof(ids[0]));
	map_set(&out->told_paths, &now->dest, sizeof(now->dest), now);
}

static int by_attrs(const void *a, const void *b)
{
	const struct item *x = a, *y = b;

	return x->attrs < y->attrs ? -1 : x->attrs > y->attrs;
}

static void send_unreach(struct peer *p, struct conn *c, struct batch *b, int family)
{
	static uint8_t bytes[BGP_EXTENDED_MAX];
	size_t used, size;

	for (size_t at = 0; at < b->unreach_len; at += used) {
		size = update_write_unreach(
			bytes, sizeof(bytes), &c->tx, b->unreach + at, b->unreach_len - at, &used);
		if (!size)
			return;
		conn_send(c, BGP_UPDATE, bytes, size);
	}
	p->stats[family].withdrawal_sent += b->unreach_len;
}

// Attributes too long for one message cannot be told: the prefix is withdrawn (RFC 8654 5).
static size_t send_group(struct peer *p, struct conn *c, struct batch *b, const struct attrs *a,
	const struct nlri *nlri, size_t len)
{
	static uint8_t bytes[BGP_EXTENDED_MAX];
	size_t used, size;

	for (size_t at = 0; at < len; at += used) {
		size = update_write_reach(
			bytes, sizeof(bytes), &c->tx, a, nlri + at, len - at, &used);
		if (!size) {
			for (; at < len; at++)
				batch_withdraw(b, &nlri[at]);
			return at;
		}
		conn_send(c, BGP_UPDATE, bytes, size);
	}
	return len;
}

static void send_reach(struct peer *p, struct conn *c, struct batch *b, int family)
{
	struct speaker *s = router_speaker(p->router);
	struct nlri *nlri = xmalloc((b->reach_len + 1) * sizeof(*nlri));

	if (b->reach_len)
		qsort(b->reach, b->reach_len, sizeof(*b->reach), by_attrs);
	for (size_t i = 0, end; i < b->reach_len; i = end) {
		struct attrs a;

		for (end = i; end < b->reach_len && b->reach[end].attrs == b->reach[i].attrs; end++)
			nlri[end - i] = b->reach[end].nlri;
		attrstore_view(s->attrs, b->reach[i].attrs, &a);
		send_group(p, c, b, &a, nlri, end - i);
	}
	for (size_t i = 0; i < b->reach_len; i++)
		attrstore_put(s->attrs, b->reach[i].attrs);
	p->stats[family].update_sent += b->reach_len;
	free(nlri);
}

static void batch_send(struct peer *p, struct batch *b, int family)
{
	struct conn *c = p->fsm.established;

	send_reach(p, c, b, family);
	send_unreach(p, c, b, family);
	attrstore_put(router_speaker(p->router)->attrs, b->memo_out);
	free(b->reach);
	free(b->unreach);
}

// -- the walk and the queue

void export_queue(struct peer *p, int family, uint32_t dest)
{
	struct out *out = &p->out[family];

	if (!out->active || (out->cursor && dest >= out->cursor))
		return; // the walk will come by
	if (queue_add(&out->queue, dest))
		table_dest(&p->router->table[family], dest)->queued++;
	peer_schedule(p);
}

static void send_refresh(struct peer *p, int family, uint8_t subtype)
{
	const struct bgp_refresh refresh = {.afi = family == BGP_IPV4 ? BGP_AFI_IPV4 : BGP_AFI_IPV6,
		.safi = BGP_SAFI_UNICAST,
		.subtype = subtype};
	uint8_t bytes[BGP_HEADER_SIZE + 4];

	conn_send(p->fsm.established, BGP_ROUTE_REFRESH, bytes,
		refresh_write(bytes, sizeof(bytes), &refresh));
}

void export_start(struct peer *p, int family, bool end_of_rib, bool refresh)
{
	struct out *out = &p->out[family];

	out->active = true;
	out->cursor = 1;
	out->end_due |= end_of_rib;
	if (refresh && !out->refresh_end_due) {
		out->refresh_end_due = true;
		send_refresh(p, family, BGP_REFRESH_BEGIN);
	}
	peer_schedule(p);
}

static bool forget_paths(struct speaker *s, struct out *out)
{
	struct told_paths *told;

	while ((told = map_next(&out->old_paths, &out->old_at))) {
		free(told);
		if (slice_over(s))
			return true;
	}
	map_fini(&out->old_paths);
	map_init(&out->old_paths);
	out->old_at = 0;
	return false;
}

// A slice of what the last session left behind; true: more is left.
static bool clear_family(struct peer *p, int family)
{
	struct speaker *s = router_speaker(p->router);
	struct out *out = &p->out[family];
	struct table *t = &p->router->table[family];

	for (unsigned n = 0; n < JOB_SLICE && !queue_is_empty(&out->queue) && !slice_over(s); n++) {
		uint32_t dest = queue_take(&out->queue);

		table_dest(t, dest)->queued--;
		table_release(t, dest);
	}
	return !queue_is_empty(&out->queue) || forget_paths(s, out);
}

void export_stop(struct peer *p)
{
	for (int f = 0; f < BGP_FAMILIES; f++) {
		struct out *out = &p->out[f];
		struct out kept = {.queue = out->queue, .old_paths = out->told_paths};
		struct told_paths *told;

		while ((told = map_next(&out->old_paths, &out->old_at))) // of the one before it
			free(told);
		map_fini(&out->old_paths);
		bitset_clear(&out->told);
		*out = kept;
		map_init(&out->told_paths);
		p->advertised[f] = 0;
	}
	peer_schedule(p);
}

bool export_is_idle(const struct peer *p)
{
	for (int f = 0; f < BGP_FAMILIES; f++)
		if (!queue_is_empty(&p->out[f].queue) || p->out[f].old_paths.len)
			return false;
	return true;
}

void export_fini(struct peer *p)
{
	export_stop(p);
	for (int f = 0; f < BGP_FAMILIES; f++) {
		struct out *out = &p->out[f];
		struct told_paths *told;

		queue_clear(&out->queue);
		while ((told = map_next(&out->old_paths, &out->old_at)))
			free(told);
		map_fini(&out->old_paths);
	}
}

static void tell(struct peer *p, int family, uint32_t dest, struct batch *b)
{
	if (p->fsm.established->tx.add_path[family])
		tell_all(p, family, dest, b);
	else
		tell_best(p, family, dest, b);
}

static void tell_default(struct peer *p, int family, struct batch *b)
{
	struct speaker *s = router_speaker(p->router);
	uint8_t path[6];
	struct attrs a = {.has = ATTR_HAS_ORIGIN | ATTR_HAS_AS_PATH | ATTR_HAS_NEXT_HOP};
	struct ip_addr zero = {.family = nlri_ip_family((unsigned)family)};
	struct nlri nlri = {.prefix = prefix_make(&zero, 0)};

	if (!(p->cfg.flags & API_BGP_PEER_DEFAULT_ORIGINATE) || !set_own_hop(p, family, &a))
		return;
	if (!peer_is_internal(p)) {
		a.as_path.size = (uint16_t)aspath_prepend(
			a.as_path, p->router->cfg.asn, 1, path, sizeof(path));
		a.as_path.bytes = path;
	}
	batch_add(b, attrstore_take(s->attrs, &a), &nlri);
}

// Ends a walk: markers follow what was told.
static void walk_done(struct peer *p, int family)
{
	struct out *out = &p->out[family];
	struct conn *c = p->fsm.established;
	uint8_t bytes[64];

	out->cursor = 0;
	if (out->end_due)
		conn_send(c, BGP_UPDATE, bytes,
			update_write_end_of_rib(bytes, sizeof(bytes), (enum bgp_family)family));
	if (out->refresh_end_due)
		send_refresh(p, family, BGP_REFRESH_END);
	out->end_due = out->refresh_end_due = false;
}

// Each tells some prefixes and returns how many of this slice are used up.
static unsigned walk_some(struct peer *p, int family, struct batch *b)
{
	struct out *out = &p->out[family];
	struct table *t = &p->router->table[family];
	unsigned n = 0;

	if (out->cursor == 1)
		tell_default(p, family, b);
	while (out->cursor && out->cursor < t->dest_end && n < JOB_SLICE) {
		if (table_dest(t, out->cursor)->flags & DEST_USED)
			tell(p, family, out->cursor, b);
		out->cursor++;
		n = slice_over(router_speaker(p->router)) ? JOB_SLICE : n + 1;
	}
	return n;
}

static void tell_queued(struct peer *p, int family, struct batch *b, unsigned n)
{
	struct out *out = &p->out[family];
	struct table *t = &p->router->table[family];

	while (n < JOB_SLICE && !queue_is_empty(&out->queue)) {
		uint32_t dest = queue_take(&out->queue);

		table_dest(t, dest)->queued--;
		tell(p, family, dest, b);
		table_release(t, dest);
		n = slice_over(router_speaker(p->router)) ? JOB_SLICE : n + 1;
	}
}

// A slice of one family; true: more is left.
static bool run_family(struct peer *p, int family)
{
	struct out *out = &p->out[family];
	struct batch b = {0};
	bool walking = out->cursor != 0;

	if (!out->active || (!walking && queue_is_empty(&out->queue)))
		return false;
	tell_queued(p, family, &b, walk_some(p, family, &b));
	batch_send(p, &b, family);
	if (walking && out->cursor >= p->router->table[family].dest_end)
		walk_done(p, family);
	return out->cursor || !queue_is_empty(&out->queue);
}

static bool clear(struct peer *p)
{
	bool more = false;

	for (int f = 0; f < BGP_FAMILIES; f++)
		more |= clear_family(p, f);
	if (!more)
		peer_reap(p);
	return more;
}

static bool has_changes(const struct peer *p)
{
	return !queue_is_empty(&p->out[0].queue) || !queue_is_empty(&p->out[1].queue);
}

uint64_t export_deadline(const struct peer *p)
{
	return p->rests_until_ms && has_changes(p) ? p->rests_until_ms : UINT64_MAX;
}

// What changes again before the interval is over is told once, as it is then. A first telling of
// all waits for nothing.
static bool rests(struct peer *p)
{
	if (p->out[0].cursor || p->out[1].cursor || p->rests_until_ms <= p->fsm.env->now_ms)
		return false;
	peer_timer_changed(p);
	return true;
}

bool export_run(struct job *job)
{
	struct peer *p = (struct peer *)(void *)((char *)job - offsetof(struct peer, job));
	struct speaker *s = router_speaker(p->router);
	struct conn *c = p->fsm.established;
	bool more = false;

	if (!c)
		return clear(p);
	if (p->router->deferring || rests(p))
		return false;
	for (int f = 0; f < BGP_FAMILIES; f++) {
		if (s->ops->full(s->ctx, c))
			return false; // speaker_writable() comes
		more |= run_family(p, f);
		more |= p->out[f].old_paths.len && forget_paths(s, &p->out[f]);
	}
	p->rests_until_ms = !more && p->cfg.advertise_interval_ms
				    ? s->env.now_ms + p->cfg.advertise_interval_ms
				    : 0;
	return more;
}
