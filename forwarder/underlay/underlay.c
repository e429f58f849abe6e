// SPDX-License-Identifier: Apache-2.0

#include "underlay.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fib/fib.h"
#include "ip/wire.h"
#include "map.h"
#include "neighbour/neighbour.h"
#include "objects.h"
#include "port.h"
#include "hot.h"
#include "rcu.h"
#include "route/route.h"
#include "serve/refuse.h"
#include "server.h"
#include "vrf/vrf.h"
#include "xmalloc.h"

#define OWN_MAX 64

uint16_t underlay_links[16][4096];
struct table underlay_local4, underlay_local6, underlay_interned6;

// The gateway's own addresses, for sources of ARP and replies.
static struct {
	struct api_underlay_addr api;
	struct nexthop *connected;
} own[OWN_MAX];
static unsigned own_len;

// The on-link prefixes of those, for workers.
struct on_link {
	unsigned len;
	struct ip_prefix prefix[OWN_MAX];
};

static const struct on_link *on_link; // ctl: rw, worker: ro

struct interned {
	struct ip_addr addr;
	uint32_t number;
	uint32_t refs;
};

static struct map interned;
static uint32_t next_number = 1;

struct underlay_dest {
	struct ip_addr addr;
	uint32_t refs;
	uint32_t hop;
	uint16_t port;
	struct neighbour *neighbour;
	struct neighbour_user user;
};

static struct map dests;
static struct underlay_dest **by_hop; // [HOP_MAX]

// -- addresses held here

static uint64_t pack(struct underlay_local l)
{
	return 1 | (uint64_t)l.kinds << 8 | (uint64_t)l.port << 16 | (uint64_t)l.vlan << 32 |
	       (uint64_t)l.slot << 48;
}

static struct table *table_of(const struct ip_addr *addr, struct table_key *ret_key)
{
	struct ip_addr_words w;

	if (addr->family == IP_V4) {
		*ret_key = underlay_key4(load32(addr->bytes));
		return &underlay_local4;
	}
	w = ip6_words(addr->bytes);
	*ret_key = (struct table_key){w.hi, w.lo};
	return &underlay_local6;
}

struct underlay_local underlay_find(const struct ip_addr *addr)
{
	struct table_key key;
	struct table *t = table_of(addr, &key);

	return underlay_unpack(table_find(t, key));
}

static void count_link(struct underlay_local l, int by)
{
	if (l.kinds)
		underlay_links[l.port][l.vlan] = (uint16_t)(underlay_links[l.port][l.vlan] + by);
}

int underlay_hold(const struct ip_addr *addr, struct underlay_local local)
{
	struct underlay_local had = underlay_find(addr);
	struct table_key key;
	struct table *t = table_of(addr, &key);

	// A VIP may be one of several kinds of one slot, but is never of two slots.
	if (had.kinds && had.slot != local.slot)
		return -EEXIST;
	local.kinds |= had.kinds;
	count_link(had, -1);
	count_link(local, 1);
	table_set(t, key, pack(local));
	neighbour_announce(local.port, local.vlan, addr);
	return 0;
}

void underlay_release(const struct ip_addr *addr, uint8_t kinds)
{
	struct underlay_local had = underlay_find(addr);
	struct table_key key;
	struct table *t = table_of(addr, &key);

	count_link(had, -1);
	had.kinds &= (uint8_t)~kinds;
	count_link(had, 1);
	table_set(t, key, had.kinds ? pack(had) : 0);
}

struct ip_addr underlay_source(uint16_t port, uint16_t vlan, const struct ip_addr *towards)
{
	struct ip_addr any = {0};

	for (unsigned i = 0; i < own_len; i++) {
		const struct api_underlay_addr *a = &own[i].api;
		struct ip_prefix p = prefix_make(&a->addr, a->prefix_len);

		if (a->port != port || a->vlan != vlan || a->addr.family != towards->family)
			continue;
		if (prefix_contains(&p, towards))
			return a->addr;
		any = a->addr;
	}
	return any;
}

// -- numbers for IPv6 addresses

uint32_t underlay_intern(const struct ip_addr *addr)
{
	struct interned *n = map_find(&interned, addr, sizeof(*addr));
	struct ip_addr_words w = ip6_words(addr->bytes);

	if (!n) {
		n = xcalloc(1, sizeof(*n));
		n->addr = *addr;
		n->number = next_number++;
		map_set(&interned, &n->addr, sizeof(n->addr), n);
		table_set(&underlay_interned6, (struct table_key){w.hi, w.lo}, n->number);
	}
	n->refs++;
	return n->number;
}

void underlay_unintern(const struct ip_addr *addr)
{
	struct interned *n = map_find(&interned, addr, sizeof(*addr));
	struct ip_addr_words w = ip6_words(addr->bytes);

	if (!n || --n->refs)
		return;
	table_set(&underlay_interned6, (struct table_key){w.hi, w.lo}, 0);
	map_del(&interned, &n->addr, sizeof(n->addr));
	free(n);
}

// -- outer destinations

// The destination's entry shows the neighbour's own hop: thousands of destinations behind one
// router look at one cache line.
static void mirror(struct underlay_dest *d)
{
	rcu_store(&hop_table[d->hop], d->neighbour ? hop_table[neighbour_hop(d->neighbour)] : NULL);
}

static void neighbour_changed(struct neighbour_user *user, struct neighbour *n)
{
	mirror((struct underlay_dest *)((char *)user - offsetof(struct underlay_dest, user)));
}

// The first port path of the underlay's best route.
static const struct api_path *path_towards(const struct ip_addr *addr)
{
	struct nexthop *n = nexthop_of(fib_lookup(vrf_fib, 0, addr));
	const struct api_path *paths;
	unsigned len;

	if (!n)
		return NULL;
	paths = nexthop_paths(n, &len);
	for (unsigned i = 0; i < len; i++)
		if (paths[i].type == API_PATH_PORT)
			return &paths[i];
	return NULL;
}

static void dest_resolve(struct underlay_dest *d)
{
	const struct api_path *p = path_towards(&d->addr);
	struct neighbour *old = d->neighbour;

	d->neighbour = NULL;
	if (old)
		LIST_REMOVE(&d->user, link);
	if (p) {
		d->port = (uint16_t)(p->id >> 16);
		d->neighbour = neighbour_get(
			d->port, (uint16_t)p->id, p->via.family ? &p->via : &d->addr, &d->user);
	}
	mirror(d);
	neighbour_put(old, NULL);
}

struct underlay_dest *underlay_dest_get(const struct ip_addr *addr)
{
	struct underlay_dest *d = map_find(&dests, addr, sizeof(*addr));
	uint32_t hop;

	if (d) {
		d->refs++;
		return d;
	}
	hop = hop_new();
	d = xcalloc(1, sizeof(*d));
	d->addr = *addr;
	d->refs = 1;
	d->hop = hop;
	d->user.changed = neighbour_changed;
	map_set(&dests, &d->addr, sizeof(d->addr), d);
	if (hop) {
		by_hop[hop] = d;
		dest_resolve(d);
	}
	return d;
}

void underlay_dest_put(struct underlay_dest *d)
{
	if (!d || --d->refs)
		return;
	map_del(&dests, &d->addr, sizeof(d->addr));
	if (d->hop) {
		by_hop[d->hop] = NULL;
		hop_free(d->hop); // before the neighbour may free what it shows
	}
	if (d->neighbour)
		neighbour_put(d->neighbour, &d->user);
	free(d);
}

uint32_t underlay_dest_hop(const struct underlay_dest *d)
{
	return d->hop;
}

uint16_t underlay_dest_mtu(const struct underlay_dest *d)
{
	return port_table[d->port] ? port_table[d->port]->mtu : 1500;
}

void underlay_routes_changed(const struct ip_prefix *prefix)
{
	struct underlay_dest *d;
	size_t at = 0;

	while ((d = map_next(&dests, &at)))
		if (d->hop && prefix_contains(prefix, &d->addr))
			dest_resolve(d);
}

void underlay_wait(uint32_t hop, struct rte_mbuf *m)
{
	struct underlay_dest *d = hop < HOP_MAX ? by_hop[hop] : NULL;

	if (d && d->neighbour)
		neighbour_wait(d->neighbour, m);
	else
		rte_pktmbuf_free(m);
}

// -- API_TYPE_UNDERLAY_ADDR

static unsigned own_find(const struct api_underlay_addr *o)
{
	unsigned i = 0;

	while (i < own_len && (own[i].api.port != o->port || own[i].api.vlan != o->vlan ||
				      !ip_equal(&own[i].api.addr, &o->addr)))
		i++;
	return i;
}

static void on_link_publish(void)
{
	const struct on_link *old = on_link;
	struct on_link *now = xcalloc(1, sizeof(*now));

	for (unsigned i = 0; i < own_len; i++)
		now->prefix[now->len++] = prefix_make(&own[i].api.addr, own[i].api.prefix_len);
	rcu_store(&on_link, now);
	if (old)
		rcu_defer(free, (void *)old);
}

bool underlay_on_link(const struct ip_addr *addr)
{
	const struct on_link *links = rcu_load(&on_link);

	for (unsigned i = 0; links && i < links->len; i++)
		if (prefix_contains(&links->prefix[i], addr))
			return true;
	return false;
}

static int set(void *ctx, const void *object, size_t size, int fd, struct api_error *ret_error)
{
	const struct api_underlay_addr *o = object;
	struct underlay_local local = {UNDERLAY_OWN, (uint8_t)o->port, o->vlan, 0};
	const struct api_path path = {
		.type = API_PATH_PORT, .id = (uint32_t)o->port << 16 | o->vlan};
	struct ip_prefix net = prefix_make(&o->addr, o->prefix_len);
	unsigned i = own_find(o);
	struct nexthop *n;

	if (o->port >= PORT_MAX || !port_table[o->port])
		return refuse(ret_error, -ENOENT, "port: %u does not exist", o->port);
	if (o->vlan > 4094)
		return refuse(ret_error, -EINVAL, "vlan: %u is not 0..4094", o->vlan);
	if (!o->addr.family || o->prefix_len > ip_bits(&o->addr))
		return refuse(ret_error, -EINVAL, "addr: not an address with a prefix");
	if (i < own_len && own[i].api.prefix_len == o->prefix_len)
		return API_UNCHANGED;
	if (i < own_len)
		return refuse(ret_error, -EEXIST, "prefix_len: delete the address first");
	if (own_len == OWN_MAX)
		return refuse(ret_error, -ENOSPC, "addr: %u addresses are the limit", OWN_MAX);
	if (underlay_hold(&o->addr, local) < 0)
		return refuse(ret_error, -EEXIST, "addr: a slot holds it");
	n = nexthop_get(0, &path, 1);
	if (!n)
		return refuse(ret_error, -ENOSPC, "addr: no adjacency left");
	own[own_len].api = *o;
	own[own_len++].connected = n;
	route_set(0, &net, ROUTE_LINK, ROUTE_RANK_LINK, nexthop_index(n));
	on_link_publish();
	return API_CHANGED;
}

static int del(void *ctx, const void *key, struct api_error *ret_error)
{
	const struct api_underlay_addr *o = key;
	unsigned i = own_find(o);
	struct ip_prefix net;

	if (i == own_len)
		return API_UNCHANGED;
	net = prefix_make(&own[i].api.addr, own[i].api.prefix_len);
	underlay_release(&o->addr, UNDERLAY_OWN);
	route_del(0, &net, ROUTE_LINK);
	nexthop_put(own[i].connected);
	own[i] = own[--own_len];
	on_link_publish();
	return API_CHANGED;
}

static int dump(void *ctx, const void *filter, struct api_emit *emit)
{
	uint64_t *cursor = api_emit_cursor(emit);

	for (unsigned i = (unsigned)*cursor; i < own_len; i++) {
		int r;

		*cursor = i + 1;
		r = api_emit(emit, &own[i].api, sizeof(own[i].api));
		if (r < 0)
			return r;
	}
	return 0;
}

int underlay_init(void)
{
	map_init(&interned);
	map_init(&dests);
	table_init(&underlay_local4);
	table_init(&underlay_local6);
	table_init(&underlay_interned6);
	by_hop = xcalloc(HOP_MAX, sizeof(struct underlay_dest *));
	return 0;
}

void underlay_fini(void)
{
	struct interned *n;
	size_t at = 0;

	while (own_len) {
		struct api_error e;

		del(NULL, &own[0].api, &e);
	}
	rcu_defer(free, (void *)on_link);
	on_link = NULL;
	while ((n = map_next(&interned, &at))) {
		map_del(&interned, &n->addr, sizeof(n->addr));
		free(n);
	}
	map_fini(&interned);
	map_fini(&dests);
	table_fini(&underlay_local4);
	table_fini(&underlay_local6);
	table_fini(&underlay_interned6);
	free(by_hop);
	by_hop = NULL;
}

static const struct api_handler handlers[] = {
	{.type = API_TYPE_UNDERLAY_ADDR,
		.size = sizeof(struct api_underlay_addr),
		.min_size = sizeof(struct api_underlay_addr),
		.key_size = offsetof(struct api_underlay_addr, prefix_len),
		.name = "underlay address",
		.set = set,
		.del = del,
		.dump = dump},
};

int underlay_serve(struct api_server *s)
{
	return api_server_add(s, handlers, 1, NULL);
}
