// SPDX-License-Identifier: Apache-2.0

// L3 connections: a VLAN towards the site, our addresses on it, the neighbours there.

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <rte_mbuf.h>

#include "adj/adj.h"
#include "conn_impl.h"
#include "port.h"
#include "hot.h"
#include "rcu.h"
#include "route/route.h"
#include "serve/refuse.h"
#include "subnet/subnet.h"
#include "vrf/vrf.h"
#include "xmalloc.h"

static int check_addr(const struct api_conn_addr *a, unsigned i, struct api_error *ret_error)
{
	if (!a->addr.family || !a->prefix_len || a->prefix_len > ip_bits(&a->addr))
		return refuse(ret_error, -EINVAL, "l3_addr[%u]: not an address with a prefix", i);
	return 0;
}

int conn_l3_check(const struct api_conn *o, struct api_error *ret_error)
{
	if (o->l3_port >= PORT_MAX || !port_table[o->l3_port])
		return refuse(ret_error, -ENOENT, "l3_port: %u does not exist", o->l3_port);
	if (o->l3_vlan > 4094)
		return refuse(ret_error, -EINVAL, "l3_vlan: %u is not 0..4094", o->l3_vlan);
	if (o->l3_addr_count < 1 || o->l3_addr_count > API_CONN_ADDRS)
		return refuse(ret_error, -EINVAL, "l3_addr_count: %u is not 1..%u",
			o->l3_addr_count, API_CONN_ADDRS);
	if (o->l3_peer_count > API_CONN_ADDRS)
		return refuse(ret_error, -EINVAL, "l3_peer_count: %u is more than %u",
			o->l3_peer_count, API_CONN_ADDRS);
	for (unsigned i = 0; i < o->l3_addr_count; i++) {
		int r = check_addr(&o->l3_addr[i], i, ret_error);

		if (r < 0)
			return r;
	}
	return 0;
}

struct neighbour *conn_l3_neighbour(struct conn *c, const struct ip_addr *addr)
{
	struct neighbour *n;

	for (unsigned i = 0; i < c->neighbour_count; i++)
		if (ip_equal(&neighbour_key(c->neighbours[i])->addr, addr))
			return c->neighbours[i];
	if (c->neighbour_count == CONN_L3_NEIGHBOURS)
		return NULL;
	n = neighbour_get(c->api.l3_port, c->api.l3_vlan, addr, NULL);
	if (!n)
		return NULL;
	c->neighbour_adj[c->neighbour_count] = 0;
	c->neighbours[c->neighbour_count++] = n;
	return n;
}

static bool on_link(const struct conn *c, const struct ip_addr *addr)
{
	for (unsigned i = 0; i < c->api.l3_addr_count; i++) {
		const struct api_conn_addr *a = &c->api.l3_addr[i];
		struct ip_prefix p = prefix_make(&a->addr, a->prefix_len);

		if (prefix_contains(&p, addr))
			return true;
	}
	return false;
}

// A destination on the link itself gets an adjacency and a host route of its own.
static void demand_add(struct conn *c, struct neighbour *n)
{
	const struct ip_addr *addr = &neighbour_key(n)->addr;
	struct ip_prefix host = prefix_make(addr, ip_bits(addr));
	unsigned weight = 1, at = 0;
	uint32_t index;

	while (c->neighbours[at] != n)
		at++;
	index = c->neighbour_adj[at] ? 0 : adj_index_new();
	if (!index)
		return;
	c->neighbour_adj[at] = index;
	adj_publish(index, conn_adj_new(c->api.conn, c->vrf->index, addr, &weight));
	route_set(c->vrf->index, &host, ROUTE_NEIGHBOUR, ROUTE_RANK_NEIGHBOUR, index);
}

void conn_neighbour_wait(uint32_t index, const struct ip_addr *addr, struct rte_mbuf *m)
{
	struct conn *c = conn_by_index(index);
	struct neighbour *n = NULL;

	if (c && c->has_routes && on_link(c, addr))
		n = conn_l3_neighbour(c, addr);
	if (!n) {
		rte_pktmbuf_free(m);
		return;
	}
	demand_add(c, n);
	neighbour_wait(n, m);
}

void conn_l3_show(struct conn *c, const struct conn_fwd *f)
{
	const struct l3_link **place, *old;
	struct l3_link *l;

	if (c->api.type != API_CONN_L3)
		return;
	place = &l3_link_table[c->api.l3_port][c->api.l3_vlan];
	old = *place;
	l = hot_alloc(sizeof(*l));
	l->conn = f;
	l->addr_count = c->api.l3_addr_count;
	memcpy(l->addr, c->api.l3_addr, sizeof(l->addr));
	rcu_store(place, l);
	rcu_defer(hot_free, (void *)(uintptr_t)old);
	c->has_link = true;
}

static void routes_add(struct conn *c)
{
	struct adj *link = adj_new(ADJ_L3_LINK, c->vrf->index);

	link->conn = c->index;
	link->slot = c->api.slot;
	link->meter = c->meter_out;
	link->mtu = port_table[c->api.l3_port]->mtu;
	c->link_adj = adj_index_new();
	adj_publish(c->link_adj, link);
	for (unsigned i = 0; i < c->api.l3_addr_count; i++) {
		const struct api_conn_addr *a = &c->api.l3_addr[i];
		struct ip_prefix own = prefix_make(&a->addr, ip_bits(&a->addr));
		struct ip_prefix net = prefix_make(&a->addr, a->prefix_len);

		route_set(c->vrf->index, &own, ROUTE_LOCAL, ROUTE_RANK_LOCAL, local_addr_adj());
		if (a->prefix_len < ip_bits(&a->addr))
			route_set(c->vrf->index, &net, ROUTE_LINK, ROUTE_RANK_LINK, c->link_adj);
	}
	c->has_routes = true;
}

static void routes_del(struct conn *c)
{
	for (unsigned i = 0; i < c->api.l3_addr_count; i++) {
		const struct api_conn_addr *a = &c->api.l3_addr[i];
		struct ip_prefix own = prefix_make(&a->addr, ip_bits(&a->addr));
		struct ip_prefix net = prefix_make(&a->addr, a->prefix_len);

		route_del(c->vrf->index, &own, ROUTE_LOCAL);
		route_del(c->vrf->index, &net, ROUTE_LINK);
	}
	adj_index_free(c->link_adj);
	c->link_adj = 0;
	c->has_routes = false;
}

// Neighbours found on demand are given up; they are found again when wanted.
static void demand_del(struct conn *c)
{
	for (unsigned i = 0; i < c->neighbour_count; i++) {
		const struct ip_addr *addr = &neighbour_key(c->neighbours[i])->addr;
		struct ip_prefix host = prefix_make(addr, ip_bits(addr));

		if (!c->neighbour_adj[i])
			continue;
		route_del(c->vrf->index, &host, ROUTE_NEIGHBOUR);
		adj_index_free(c->neighbour_adj[i]);
		c->neighbour_adj[i] = 0;
	}
}

void conn_l3_routes(struct conn *c)
{
	bool want = c->api.type == API_CONN_L3 && slot_is_active(c->api.slot);

	if (c->api.type != API_CONN_L3)
		return;
	demand_del(c);
	if (c->has_routes)
		routes_del(c);
	if (want)
		routes_add(c);
}

void conn_l3_announce(struct conn *c)
{
	for (unsigned i = 0; i < c->api.l3_addr_count; i++)
		neighbour_announce(c->api.l3_port, c->api.l3_vlan, &c->api.l3_addr[i].addr);
}

void conn_l3_detach(struct conn *c, const struct api_conn *next)
{
	const struct l3_link **place;

	if (c->api.type != API_CONN_L3)
		return;
	place = &l3_link_table[c->api.l3_port][c->api.l3_vlan];
	demand_del(c);
	if (c->has_routes)
		routes_del(c);
	for (unsigned i = 0; i < c->neighbour_count; i++)
		neighbour_put(c->neighbours[i], NULL);
	c->neighbour_count = 0;
	if (!c->has_link || (next && next->type == API_CONN_L3 && next->l3_port == c->api.l3_port &&
				    next->l3_vlan == c->api.l3_vlan))
		return;
	rcu_defer(hot_free, (void *)(uintptr_t)*place);
	rcu_store(place, NULL);
	c->has_link = false;
}
