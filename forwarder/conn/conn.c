// SPDX-License-Identifier: Apache-2.0

// The connections' table and handler, and the adjacencies of GRE and L3 connections. IPsec
// connections are registered here like the others; their tunnels are ipsec/'s.

#include "conn.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "adj/adj.h"
#include "conn_impl.h"
#include "drop.h"
#include "gre/keepalive.h"
#include "ip/wire.h"
#include "map.h"
#include "port.h"
#include "punt/ike.h"
#include "hot.h"
#include "rcu.h"
#include "route/route.h"
#include "serve/refuse.h"
#include "server.h"
#include "subnet/subnet.h"
#include "underlay/underlay.h"
#include "vrf/vrf.h"
#include "worker.h"
#include "xmalloc.h"

#define METER_BURST_NS 20000000 // 20 ms at the rate
#define IPSEC_MTU      1400     // while no SA says what its ciphers leave

const struct conn_fwd *conn_fwd_table[CONN_MAX];
uint16_t conn_mtu_table[CONN_MAX];
struct table conn_gre_table;
const struct l3_link *l3_link_table[16][4096];

static struct map conns;
static struct conn *by_index[CONN_MAX];
static uint32_t next_index = 1;
static uint32_t limit = CONN_MAX;

int conn_init(void)
{
	map_init(&conns);
	table_init(&conn_gre_table);
	keepalive_init();
	return 0;
}

void conn_set_limit(uint32_t conns_size)
{
	limit = conns_size < CONN_MAX ? conns_size : CONN_MAX;
}

struct conn *conn_find(uint32_t id)
{
	return map_find(&conns, &id, sizeof(id));
}

struct conn *conn_by_index(uint32_t index)
{
	return index < CONN_MAX ? by_index[index] : NULL;
}

uint32_t conn_index(const struct conn *c)
{
	return c->index;
}

const struct api_conn *conn_api(const struct conn *c)
{
	return &c->api;
}

static uint32_t index_new(void)
{
	for (uint32_t n = 1; n < limit; n++) {
		uint32_t i = next_index;

		next_index = i + 1 < limit ? i + 1 : 1;
		if (!by_index[i])
			return i;
	}
	return 0;
}

// -- meters

static void meter_set(struct meter **meter, uint64_t kbps)
{
	struct meter *old = *meter, *m;

	if (!kbps) {
		*meter = NULL;
		rcu_defer(hot_free, old);
		return;
	}
	if (old) {
		__atomic_store_n(&old->ns_q24, (UINT64_C(8000000) << 24) / kbps, __ATOMIC_RELAXED);
		return;
	}
	m = hot_alloc(sizeof(*m));
	m->ns_q24 = (UINT64_C(8000000) << 24) / kbps;
	m->burst_ns = METER_BURST_NS;
	*meter = m;
}

// -- adjacencies

static uint8_t refusal(const struct conn *c)
{
	if (!(c->api.flags & API_CONN_F_ENABLED))
		return DROP_CONN_DISABLED;
	if (!slot_is_active(c->api.slot))
		return DROP_SLOT_INACTIVE;
	return DROP_NONE;
}

static uint16_t conn_mtu(const struct conn *c, uint16_t link_mtu, unsigned overhead)
{
	uint16_t mtu = (uint16_t)(link_mtu - overhead);

	return c->api.mtu && c->api.mtu < mtu ? c->api.mtu : mtu;
}

static struct adj *gre_adj(const struct conn *c)
{
	struct adj *adj = adj_new(ADJ_GRE, c->vrf->index);
	bool keyed = c->api.flags & API_CONN_F_GRE_KEY;
	uint32_t key = be32(c->api.gre_key);
	struct gre_hdr *gre;

	if (c->api.local.family == IP_V4) {
		struct ip4_hdr *ip = (struct ip4_hdr *)adj->bytes;

		*ip = (struct ip4_hdr){.version_ihl = 0x45, .ttl = 64, .protocol = IP_PROTO_GRE};
		ip->src = load32(c->api.local.bytes);
		ip->dst = load32(c->api.remote.bytes);
		adj->sum = sum_fold(sum_ip4(ip));
		gre = (struct gre_hdr *)(ip + 1);
	} else {
		struct ip6_hdr *ip = (struct ip6_hdr *)adj->bytes;

		*ip = (struct ip6_hdr){.version_class_flow = be32(6u << 28),
			.next_header = IP_PROTO_GRE,
			.hop_limit = 64};
		memcpy(ip->src, c->api.local.bytes, 16);
		memcpy(ip->dst, c->api.remote.bytes, 16);
		adj->flags |= ADJ_F_OUTER6;
		gre = (struct gre_hdr *)(ip + 1);
	}
	gre->flags = keyed ? be16(GRE_KEY) : 0;
	gre->protocol = be16(ETH_TYPE_IP4);
	memcpy(gre + 1, &key, sizeof(key));
	adj->size = (uint8_t)((uint8_t *)(gre + 1) + (keyed ? 4 : 0) - adj->bytes);
	adj_align(adj);
	adj->hop = underlay_dest_hop(c->dest);
	adj->mtu = conn_mtu(c, underlay_dest_mtu(c->dest), adj->size);
	if (c->api.flags & API_CONN_F_GRE_OVER_IPSEC) {
		adj->flags |= ADJ_F_IPSEC;
		if (c->tunnel_mtu)
			adj->mtu = conn_mtu(c, c->tunnel_mtu, adj->size);
	}
	return adj;
}

static struct adj *l3_adj(struct conn *c, const struct ip_addr *via)
{
	const struct ip_addr *next = via;
	struct adj *adj;

	if (via->family == IP_NONE && c->api.l3_peer_count)
		next = &c->api.l3_peer[0];
	if (next->family == IP_NONE) {
		adj = adj_new(ADJ_L3_LINK, c->vrf->index);
	} else {
		struct neighbour *n = conn_l3_neighbour(c, next);

		if (!n)
			return adj_new_drop(DROP_NEIGHBOUR_UNRESOLVED);
		adj = adj_new(ADJ_L3, c->vrf->index);
		adj->hop = neighbour_hop(n);
	}
	adj->mtu = conn_mtu(c, port_table[c->api.l3_port]->mtu, 0);
	return adj;
}

struct adj *conn_adj_new(uint32_t id, uint32_t vrf, const struct ip_addr *via, unsigned *weight)
{
	struct conn *c = conn_find(id);
	struct adj *adj;

	if (!c)
		return adj_new_drop(DROP_CONN_DOWN);
	if (c->vrf->index != vrf)
		return adj_new_drop(DROP_CONN_CROSS_VRF);
	if (!*weight)
		*weight = c->api.weight;
	// Known here because this gateway may take its slot, or had it: it is reached where it is.
	if (refusal(c) == DROP_SLOT_INACTIVE)
		return tenant_slot_adj_new(vrf, c->api.slot);
	if (refusal(c))
		return adj_new_drop(refusal(c));
	if (c->is_down)
		return adj_new_drop(DROP_CONN_DOWN);
	switch (c->api.type) {
	case API_CONN_GRE: adj = gre_adj(c); break;
	case API_CONN_L3: adj = l3_adj(c, via); break;
	default:
		adj = adj_new(ADJ_ESP, vrf);
		adj->mtu = conn_mtu(c, c->tunnel_mtu ? c->tunnel_mtu : IPSEC_MTU, 0);
		break;
	}
	if (adj->type == ADJ_DROP)
		return adj;
	__atomic_store_n(&conn_mtu_table[c->index], adj->mtu, __ATOMIC_RELAXED);
	adj->conn = c->index;
	adj->slot = c->api.slot;
	adj->meter = c->meter_out;
	return adj;
}

// -- what workers see

static struct table_key gre_key(const struct conn *c)
{
	bool keyed = c->api.flags & API_CONN_F_GRE_KEY;
	uint32_t key = keyed ? c->api.gre_key : 0;

	if (c->api.local.family == IP_V4)
		return conn_gre_key(
			4, load32(c->api.local.bytes), load32(c->api.remote.bytes), keyed, key);
	return conn_gre_key(6, c->local_id, c->remote_id, keyed, key);
}

static void show(struct conn *c)
{
	const struct conn_fwd *old = conn_fwd_table[c->index];
	struct conn_fwd *f = hot_alloc(sizeof(*f));

	f->conn = c->index;
	f->id = c->api.conn;
	f->vrf = c->vrf->index;
	f->slot = c->api.slot;
	f->type = c->api.type;
	f->refused = refusal(c);
	f->meter = c->meter_in;
	f->flags = c->api.flags;
	f->gre_key = c->api.gre_key;
	f->hop = c->dest ? underlay_dest_hop(c->dest) : 0;
	f->keepalive = keepalive_probe(c->keepalive);
	f->local = c->api.local;
	f->remote = c->api.remote;
	rcu_store(&conn_fwd_table[c->index], f);
	if (c->api.type == API_CONN_GRE)
		table_set(&conn_gre_table, gre_key(c), (uintptr_t)f);
	conn_l3_show(c, f);
	rcu_defer(hot_free, (void *)(uintptr_t)old);
	nexthop_changed(NEXTHOP_ON_CONN, 0, c->api.conn);
}

// While it may send. One that ends leaves the connection up.
static void watch(struct conn *c)
{
	const struct keepalive_config config = {.conn = c->api.conn,
		.local = c->api.local,
		.remote = c->api.remote,
		.has_key = c->api.flags & API_CONN_F_GRE_KEY,
		.key = c->api.gre_key,
		.hop = c->dest ? underlay_dest_hop(c->dest) : 0,
		.interval_ms = c->api.keepalive_interval_ms,
		.retries = c->api.keepalive_retries};
	bool wanted = c->api.flags & API_CONN_F_GRE_KEEPALIVE && !refusal(c);

	if (!wanted && c->keepalive)
		c->is_down = false;
	c->keepalive = keepalive_set(c->keepalive, wanted ? &config : NULL);
}

static void slot_changed(struct slot_user *user)
{
	struct conn *c = (struct conn *)((char *)user - offsetof(struct conn, slot_user));

	conn_l3_routes(c);
	watch(c);
	show(c);
	if (c->api.type == API_CONN_L3 && slot_is_active(c->api.slot))
		conn_l3_announce(c);
}

void conn_set_up(uint32_t id, bool up, uint8_t reason)
{
	struct conn *c = conn_find(id);

	if (!c || c->is_down == !up)
		return;
	c->is_down = !up;
	nexthop_changed(NEXTHOP_ON_CONN, 0, id);
	conn_event(c, up, reason);
}

void conn_set_tunnel_mtu(uint32_t id, uint16_t mtu)
{
	struct conn *c = conn_find(id);

	if (!c || c->tunnel_mtu == mtu)
		return;
	c->tunnel_mtu = mtu;
	nexthop_changed(NEXTHOP_ON_CONN, 0, id);
}

// -- building up and taking down

static void attach(struct conn *c)
{
	if (c->api.remote.family)
		c->dest = underlay_dest_get(&c->api.remote);
	ike_peer(&c->api.remote, 1);
	if (c->api.local.family == IP_V6 && c->api.type == API_CONN_GRE) {
		c->local_id = underlay_intern(&c->api.local);
		c->remote_id = underlay_intern(&c->api.remote);
	}
	meter_set(&c->meter_in, c->api.in_kbps);
	meter_set(&c->meter_out, c->api.out_kbps);
	slot_join(c->api.slot, &c->slot_user);
	conn_l3_routes(c);
	watch(c);
	show(c);
}

// Leaves the meters, so that a change of something else does not refill them.
static void detach(struct conn *c, const struct api_conn *next)
{
	if (c->api.type == API_CONN_GRE) {
		if (!next || memcmp(&c->api.local, &next->local, 2 * sizeof(next->local)) != 0 ||
			memcmp(&c->api.gre_key, &next->gre_key, sizeof(next->gre_key)) != 0 ||
			((c->api.flags ^ next->flags) & API_CONN_F_GRE_KEY))
			table_set(&conn_gre_table, gre_key(c), 0);
	}
	if (c->local_id) {
		underlay_unintern(&c->api.local);
		underlay_unintern(&c->api.remote);
		c->local_id = c->remote_id = 0;
	}
	ike_peer(&c->api.remote, -1);
	conn_l3_detach(c, next);
	slot_leave(&c->slot_user);
}

static void conn_free(struct conn *c)
{
	const struct conn_fwd *old = conn_fwd_table[c->index];
	uint32_t id = c->api.conn;

	detach(c, NULL);
	c->keepalive = keepalive_set(c->keepalive, NULL);
	map_del(&conns, &c->api.conn, sizeof(c->api.conn));
	nexthop_changed(NEXTHOP_ON_CONN, 0, id);
	rcu_store(&conn_fwd_table[c->index], NULL);
	rcu_defer(hot_free, (void *)(uintptr_t)old);
	rcu_defer(hot_free, c->meter_in);
	rcu_defer(hot_free, c->meter_out);
	underlay_dest_put(c->dest);
	__atomic_store_n(&conn_mtu_table[c->index], 0, __ATOMIC_RELAXED);
	by_index[c->index] = NULL;
	c->vrf->users--;
	free(c);
}

// -- API_TYPE_CONN

static int check_tunnel(const struct api_conn *o, struct api_error *ret_error)
{
	if (!o->local.family)
		return refuse(ret_error, -EINVAL, "local: names no address");
	if (!o->remote.family && o->type != API_CONN_IPSEC)
		return refuse(ret_error, -EINVAL, "remote: names no address");
	if (o->remote.family && o->local.family != o->remote.family)
		return refuse(ret_error, -EINVAL, "remote: not of local's IP version");
	return 0;
}

static int check_keepalive(const struct api_conn *o, struct api_error *ret_error)
{
	if (!(o->flags & API_CONN_F_GRE_KEEPALIVE))
		return 0;
	if (o->type != API_CONN_GRE || o->flags & API_CONN_F_GRE_OVER_IPSEC)
		return refuse(ret_error, -EINVAL, "flags: keepalives are for GRE without IPsec");
	if (o->keepalive_interval_ms < KEEPALIVE_INTERVAL_MS_MIN)
		return refuse(ret_error, -EINVAL, "keepalive_interval_ms: %u is below %u",
			o->keepalive_interval_ms, KEEPALIVE_INTERVAL_MS_MIN);
	if (!o->keepalive_retries)
		return refuse(ret_error, -EINVAL, "keepalive_retries: starts at 1");
	return 0;
}

static int check(const struct api_conn *o, const struct vrf *v, struct api_error *ret_error)
{
	if (!o->conn)
		return refuse(ret_error, -EINVAL, "conn: ids start at 1");
	if (!v)
		return refuse(ret_error, -ENOENT, "vrf: %u is not known; set it first", o->vrf);
	if (o->slot < 1 || o->slot >= SLOT_MAX)
		return refuse(ret_error, -EINVAL, "slot: %u is not 1..4095", o->slot);
	if (o->mtu && o->mtu < 576)
		return refuse(ret_error, -EINVAL, "mtu: %u is below 576", o->mtu);
	if (check_keepalive(o, ret_error) < 0)
		return -EINVAL;
	switch (o->type) {
	case API_CONN_GRE:
	case API_CONN_IPSEC: return check_tunnel(o, ret_error);
	case API_CONN_L3: return conn_l3_check(o, ret_error);
	default: return refuse(ret_error, -EINVAL, "type: %u is unknown", o->type);
	}
}

// Two connections may not claim the same packets.
static int check_unique(const struct conn *c, const struct api_conn *o, struct api_error *ret_error)
{
	const struct conn_fwd *other = NULL;

	if (o->type == API_CONN_GRE) {
		struct conn probe = {.api = *o};

		if (o->local.family == IP_V6) {
			probe.local_id = underlay_intern(&o->local);
			probe.remote_id = underlay_intern(&o->remote);
		}
		other = (const struct conn_fwd *)(uintptr_t)table_find(
			&conn_gre_table, gre_key(&probe));
		if (o->local.family == IP_V6) {
			underlay_unintern(&o->local);
			underlay_unintern(&o->remote);
		}
		if (other && other->id != o->conn)
			return refuse(ret_error, -EEXIST,
				"local, remote, gre_key: connection %u has the same", other->id);
	}
	if (o->type == API_CONN_L3) {
		const struct l3_link *l = l3_link_table[o->l3_port][o->l3_vlan];

		if (l && l->conn->id != o->conn)
			return refuse(ret_error, -EEXIST, "l3_vlan: connection %u is on VLAN %u",
				l->conn->id, o->l3_vlan);
	}
	return 0;
}

static int set(void *ctx, const void *object, size_t size, int fd, struct api_error *ret_error)
{
	const struct api_conn *o = object;
	struct conn *c = conn_find(o->conn);
	struct vrf *v = vrf_find(o->vrf);
	struct underlay_dest *old_dest = NULL;
	uint32_t index;
	int r = check(o, v, ret_error);

	if (r == 0)
		r = check_unique(c, o, ret_error);
	if (r < 0)
		return r;
	if (c && memcmp(&c->api, o, sizeof(*o)) == 0)
		return API_UNCHANGED;
	if (c && c->vrf != v)
		return refuse(
			ret_error, -EINVAL, "vrf: a connection stays in its vrf, %u", c->vrf->id);
	if (c) {
		detach(c, o);
		old_dest = c->dest;
		c->dest = NULL;
	} else {
		index = index_new();
		if (!index)
			return refuse(ret_error, -ENOSPC, "conn: %u is the limit", limit - 1);
		c = xcalloc(1, sizeof(*c));
		c->index = index;
		c->vrf = v;
		v->users++;
		by_index[index] = c;
		c->slot_user.changed = slot_changed;
		c->is_down = o->type == API_CONN_IPSEC || (o->flags & API_CONN_F_GRE_OVER_IPSEC);
		c->api.conn = o->conn;
		map_set(&conns, &c->api.conn, sizeof(c->api.conn), c);
	}
	c->api = *o;
	attach(c);
	underlay_dest_put(old_dest);
	return API_CHANGED;
}

static int del(void *ctx, const void *key, struct api_error *ret_error)
{
	const struct api_conn *o = key;
	struct conn *c = conn_find(o->conn);

	if (!c)
		return API_UNCHANGED;
	conn_free(c);
	return API_CHANGED;
}

static int dump(void *ctx, const void *filter, struct api_emit *emit)
{
	const struct api_conn *want = filter;
	uint64_t *cursor = api_emit_cursor(emit);

	for (uint32_t i = (uint32_t)*cursor; i < CONN_MAX; i++) {
		int r;

		*cursor = i + 1;
		if (!by_index[i] || (want && want->conn && want->conn != by_index[i]->api.conn))
			continue;
		r = api_emit(emit, &by_index[i]->api, sizeof(by_index[i]->api));
		if (r < 0)
			return r;
	}
	return 0;
}

void conn_fini(void)
{
	for (uint32_t i = 0; i < CONN_MAX; i++)
		if (by_index[i])
			conn_free(by_index[i]);
	map_fini(&conns);
	table_fini(&conn_gre_table);
	next_index = 1;
}

static const struct api_handler handlers[] = {
	{.type = API_TYPE_CONN,
		.size = sizeof(struct api_conn),
		.min_size = sizeof(struct api_conn),
		.key_size = offsetof(struct api_conn, vrf),
		.name = "conn",
		.set = set,
		.del = del,
		.dump = dump},
	{.type = API_TYPE_CONN_STATS,
		.size = sizeof(struct api_conn_stats),
		.min_size = sizeof(uint32_t),
		.key_size = offsetof(struct api_conn_stats, up),
		.name = "connection statistics",
		.dump = conn_stats_dump},
};

int conn_serve(struct api_server *s)
{
	conn_server = s;
	return api_server_add(s, handlers, sizeof(handlers) / sizeof(handlers[0]), NULL);
}
