// SPDX-License-Identifier: Apache-2.0

// The common packet's whole way at once: IPv4 by VXLAN or GRE into a tenant's network, and out by
// GRE, VXLAN or VLAN. What is anything else, or odd in any way, goes on to eth as it came, and with
// it all that came after it: packets of one flow stay in order.
//
// Nothing is decided here but one thing: that the nodes of the long way would send this packet on,
// and how. So there are no drops (but by the outbound rate, when all else is settled), no errors,
// and nothing that is wrong is looked into. Nothing is written before the last step.
//
// Every look at a table is asked for one pass over the vector before it is needed: with thousands
// of tenants most of them are misses, and so they wait together. Who traces gets the long way.

#include <rte_prefetch.h>

#include "conn/conn_in.h"
#include "control.h"
#include "cpu.h"
#include "fib/fib.h"
#include "graph.h"
#include "ip/encap.h"
#include "ip/flow.h"
#include "ip/tcp_mss.h"
#include "subnet/subnet.h"
#include "subnet/vtep.h"
#include "underlay/underlay.h"

#define OUTER_SIZE (ETH_SIZE + IP4_SIZE)

// A packet on its way through the passes.
struct lane {
	uint8_t *inner;                  // its IP header
	const struct subnet_fwd *subnet; // it came by VXLAN, or
	const struct conn_fwd *conn;     // by GRE; else NULL
	const struct vrf_fwd *vrf;
	uint64_t vtep;
	struct table_key key; // of either
	uint32_t outer_src;
	uint16_t slot;
	uint16_t size; // of the inner packet
	bool is_gre;
};

struct passes {
	struct lane lane[NODE_VECTOR];
	uint32_t vrf[NODE_VECTOR], dst[NODE_VECTOR], nh[NODE_VECTOR];
	const struct adj *adj[NODE_VECTOR];
};

// What is the same for most packets of a vector.
struct input {
	const struct port *port;
	uint32_t dst; // last outer destination, and what it is
	uint64_t found;
};

static __rte_always_inline bool is_martian4(uint32_t host_order)
{
	uint32_t top = host_order >> 24;

	return top == 0 || top == 127 || top >= 224;
}

// A port whose untagged link is of the underlay alone.
static __rte_always_inline bool input_port(struct input *in, uint16_t port)
{
	if (likely(in->port && in->port->index == port))
		return true;
	if (rcu_load(&l3_link_table[port][0]) || !underlay_links[port][0])
		return false;
	in->port = port_table[port];
	return true;
}

static __rte_always_inline bool is_to(const uint8_t *mac, const struct port *port)
{
	return ((load32(mac) ^ load32(port->mac.bytes)) |
		       (uint32_t)(load16(mac + 4) ^ load16(port->mac.bytes + 4))) == 0;
}

// To one of our addresses, whole, in order, without a mark of congestion.
static __rte_always_inline bool outer_is_plain(struct input *in, struct lane *l,
	const struct packet_meta *meta, const uint8_t *frame, uint32_t size)
{
	const struct ip4_hdr *ip = (const struct ip4_hdr *)(frame + ETH_SIZE);
	struct underlay_local local;

	if (unlikely(!is_to(frame, in->port) || load16(frame + 12) != be16(ETH_TYPE_IP4) ||
		     ip->version_ihl != 0x45 || size != ETH_SIZE + (uint32_t)be16(ip->size) ||
		     (ip->fragment & be16(IP4_FRAG_MASK)) || (ip->tos & 1) ||
		     sum_ip4(ip) != 0xffff))
		return false;
	if (ip->dst != in->dst || !in->found) {
		in->dst = ip->dst;
		in->found = table_find(&underlay_local4, underlay_key4(ip->dst));
	}
	local = underlay_unpack(in->found);
	if (unlikely(!in->found || local.vlan || local.port != meta->port))
		return false;
	l->slot = local.slot;
	l->outer_src = ip->src;
	return true;
}

static __rte_always_inline bool vxlan_is_plain(struct lane *l, uint8_t *frame, uint32_t size)
{
	const struct udp_hdr *udp = (const struct udp_hdr *)(frame + OUTER_SIZE);
	const struct vxlan_hdr *vxlan = (const struct vxlan_hdr *)(udp + 1);
	const struct eth_hdr *eth = (const struct eth_hdr *)(vxlan + 1);

	if (unlikely(size < OUTER_SIZE + UDP_SIZE + sizeof(*vxlan) + ETH_SIZE + IP4_SIZE ||
		     udp->dst != be16(UDP_PORT_VXLAN) || be16(udp->size) < UDP_SIZE ||
		     be16(udp->size) > size - OUTER_SIZE || vxlan->flags != 0x08 ||
		     (eth->dst[0] & 1) || eth->type != be16(ETH_TYPE_IP4)))
		return false;
	l->is_gre = false;
	l->key = subnet_key(be32(load32(vxlan->vni)) >> 8);
	l->inner = (uint8_t *)(uintptr_t)(eth + 1);
	table_prefetch(&subnet_table, l->key);
	return true;
}

static __rte_always_inline bool gre_is_plain(struct lane *l, uint8_t *frame, uint32_t size)
{
	const struct ip4_hdr *ip = (const struct ip4_hdr *)(frame + ETH_SIZE);
	const struct gre_hdr *gre = (const struct gre_hdr *)(ip + 1);
	uint32_t key;

	if (unlikely(size < OUTER_SIZE + sizeof(*gre) + 4 + IP4_SIZE ||
		     gre->flags != be16(GRE_KEY) || gre->protocol != be16(ETH_TYPE_IP4)))
		return false;
	key = be32(load32(gre + 1));
	l->is_gre = true;
	l->key = conn_gre_key(4, ip->dst, ip->src, true, key);
	l->inner = (uint8_t *)(uintptr_t)(gre + 1) + 4;
	table_prefetch(&conn_gre_table, l->key);
	return true;
}

// Each pass returns how many lanes from the first one on are still plain.

static __rte_always_inline uint16_t pass_outer(struct passes *v, struct rte_mbuf **pkts, uint16_t n)
{
	struct input in = {0};

	for (uint16_t i = 0; i < n; i++) {
		struct rte_mbuf *m = pkts[i];
		const struct packet_meta *meta = packet_meta(m);
		struct lane *l = &v->lane[i];
		uint8_t *frame = rte_pktmbuf_mtod(m, uint8_t *), protocol;
		uint32_t size = rte_pktmbuf_data_len(m);

		if (i + 4 < n)
			rte_prefetch0(rte_pktmbuf_mtod(pkts[i + 4], const void *));
		if (unlikely(m->nb_segs != 1 || meta->csum_start || meta->flags ||
			     size < OUTER_SIZE + UDP_SIZE || !input_port(&in, meta->port) ||
			     !outer_is_plain(&in, l, meta, frame, size)))
			return i;
		protocol = ((const struct ip4_hdr *)(frame + ETH_SIZE))->protocol;
		if (protocol == IP_PROTO_UDP) {
			if (unlikely(!vxlan_is_plain(l, frame, size)))
				return i;
		} else if (unlikely(protocol != IP_PROTO_GRE || !gre_is_plain(l, frame, size))) {
			return i;
		}
		l->size = (uint16_t)(size - (uint32_t)(l->inner - frame));
	}
	return n;
}

static __rte_always_inline uint16_t pass_tunnel(struct passes *v, uint16_t n)
{
	for (uint16_t i = 0; i < n; i++) {
		struct lane *l = &v->lane[i];
		const struct table *t = l->is_gre ? &conn_gre_table : &subnet_table;
		uint64_t found = table_find(t, l->key);

		if (unlikely(!found))
			return i;
		rte_prefetch0((const void *)(uintptr_t)found);
		l->conn = l->is_gre ? (const struct conn_fwd *)(uintptr_t)found : NULL;
		l->subnet = (const struct subnet_fwd *)(uintptr_t)found;
	}
	return n;
}

static __rte_always_inline bool subnet_is_plain(struct lane *l)
{
	const struct subnet_fwd *s = l->subnet;
	uint64_t gateway = (uint64_t)l->slot << 48 |
			   be32(load32(l->inner - ETH_SIZE)) * 0x10000ull |
			   be16(load16(l->inner - ETH_SIZE + 4));
	bool held = false;

	for (unsigned i = 0; i < s->gateway_count; i++)
		held |= s->gateway[i] == gateway;
	if (unlikely(s->encap != API_ENCAP_VXLAN || !held || !l->slot))
		return false;
	l->vtep = table_find(&vtep_numbers4, vtep_key4(l->outer_src));
	rte_prefetch0(rcu_load(&vtep_sets[s->vrf]));
	return l->vtep != 0;
}

static __rte_always_inline uint16_t pass_tenant(struct passes *v, uint16_t n)
{
	for (uint16_t i = 0; i < n; i++) {
		struct lane *l = &v->lane[i];

		if (l->conn) {
			if (unlikely(l->conn->refused ||
				     (l->conn->flags & API_CONN_F_GRE_OVER_IPSEC)))
				return i;
			v->vrf[i] = l->conn->vrf;
			if (l->conn->meter)
				rte_prefetch0(l->conn->meter);
		} else {
			if (unlikely(!subnet_is_plain(l)))
				return i;
			v->vrf[i] = l->subnet->vrf;
		}
		l->vrf = rcu_load(&vrf_fwd_table[v->vrf[i]]);
		rte_prefetch0(l->vrf);
	}
	return n;
}

// As ip_forward allows it, without asking the routes.
static __rte_always_inline bool source_is_plain(const struct lane *l, uint32_t src)
{
	const struct vrf_fwd *v = l->vrf;
	bool own = false;

	for (unsigned i = 0; i < v->prefix4_count; i++)
		own |= (src & v->prefix4[i].mask) == v->prefix4[i].addr;
	return l->conn ? v->prefixes_complete && !own : own;
}

static __rte_always_inline bool is_syn(const struct ip4_hdr *ip, uint16_t size)
{
	return ip->protocol == IP_PROTO_TCP && !(ip->fragment & be16(0x1fff)) &&
	       size >= IP4_SIZE + 20 && (((const uint8_t *)ip)[IP4_SIZE + 13] & TCP_SYN);
}

// GRE inside GRE may be a keepalive.
static __rte_always_inline bool may_be_keepalive(const struct lane *l, const struct ip4_hdr *ip)
{
	return l->conn && ip->protocol == IP_PROTO_GRE;
}

static __rte_always_inline uint16_t pass_inner(struct passes *v, uint16_t n)
{
	for (uint16_t i = 0; i < n; i++) {
		const struct lane *l = &v->lane[i];
		const struct ip4_hdr *ip = (const struct ip4_hdr *)l->inner;

		if (unlikely(!l->vrf ||
			     (!l->conn && !vtep_accepted(vtep_word(v->vrf[i], l->vtep), l->vtep))))
			return i;
		if (unlikely(ip->version_ihl != 0x45 || be16(ip->size) != l->size || ip->ttl <= 1 ||
			     is_martian4(be32(ip->src)) || is_martian4(be32(ip->dst)) ||
			     sum_ip4(ip) != 0xffff || is_syn(ip, l->size) ||
			     may_be_keepalive(l, ip) || !source_is_plain(l, ip->src)))
			return i;
		v->dst[i] = be32(ip->dst);
	}
	return n;
}

static __rte_always_inline bool adj_is_plain(
	const struct lane *l, const struct adj *adj, uint32_t vrf)
{
	bool known = adj->type == ADJ_GRE || adj->type == ADJ_L3 ||
		     (adj->type == ADJ_OVERLAY && l->conn);

	return known && adj->vrf == vrf && l->size <= adj->mtu &&
	       !(adj->flags & (ADJ_F_OUTER6 | ADJ_F_IPSEC));
}

static __rte_always_inline uint16_t pass_route(struct worker *w, struct passes *v, uint16_t n)
{
	fib_lookup4_n(vrf_fib, v->vrf, v->dst, v->nh, n);
	for (uint16_t i = 0; i < n; i++)
		rte_prefetch0(&adj_table[v->nh[i]]);
	for (uint16_t i = 0; i < n; i++) {
		v->adj[i] = rcu_load(&adj_table[v->nh[i]]);
		rte_prefetch0(v->adj[i]);
		rte_prefetch0((const uint8_t *)v->adj[i] + RTE_CACHE_LINE_SIZE);
	}
	for (uint16_t i = 0; i < n; i++) {
		const struct adj *adj = v->adj[i];

		if (unlikely(!adj_is_plain(&v->lane[i], adj, v->vrf[i])))
			return i;
		rte_prefetch0(&hop_table[adj->hop]);
		if (adj->conn)
			rte_prefetch0(&w->conns[adj->conn]);
		if (v->lane[i].conn)
			rte_prefetch0(&w->conns[v->lane[i].conn->conn]);
		if (adj->meter)
			rte_prefetch0(adj->meter);
	}
	return n;
}

static __rte_always_inline void lower_ttl(struct ip4_hdr *ip)
{
	uint32_t sum = (uint32_t)ip->checksum + be16(0x0100);

	ip->ttl--;
	ip->checksum = (uint16_t)(sum + (sum >= 0xffff));
}

// The outer headers; their start is returned.
static __rte_always_inline uint8_t *put_outer(
	struct worker *w, const struct lane *l, const struct adj *adj)
{
	uint8_t *p = l->inner - adj->size, *payload = p + IP4_SIZE;

	memcpy(l->inner - ADJ_TEMPLATE_SIZE, adj->bytes, ADJ_TEMPLATE_SIZE);
	encap_ip4(w, p, adj, l->inner[1], (uint32_t)(adj->size + l->size));
	if (adj->type == ADJ_GRE) {
		((struct gre_hdr *)payload)->protocol = be16(ETH_TYPE_IP4);
	} else {
		encap_flow(payload, adj, flow_hash_at(l->inner, l->size),
			(uint16_t)(adj->size - IP4_SIZE + l->size));
	}
	return p;
}

// False: to be dropped for its connection's rate.
static __rte_always_inline bool count(struct worker *w, const struct lane *l, const struct adj *adj)
{
	if (l->conn)
		conn_count_in(w, l->conn, l->size);
	return adj->type == ADJ_OVERLAY || conn_take_out(w, adj, l->size);
}

static __rte_always_inline bool output(
	struct worker *w, struct rte_mbuf *m, const struct lane *l, const struct adj *adj)
{
	const struct hop *h = rcu_load(&hop_table[adj->hop]);
	struct packet_meta *meta = packet_meta(m);
	uint8_t *p = l->inner;

	if (unlikely(!h || p - ADJ_TEMPLATE_SIZE - sizeof(h->bytes) < (uint8_t *)m->buf_addr))
		return false;
	if (l->conn && l->conn->meter &&
		unlikely(!meter_take(l->conn->meter, worker_now(w), l->size)))
		return false;
	meta->conn = l->conn ? l->conn->conn : 0;
	if (unlikely(!count(w, l, adj))) {
		meta->conn = adj->conn;
		packet_drop(w, m, DROP_POLICER_OUT);
		return true;
	}
	lower_ttl((struct ip4_hdr *)p);
	if (adj->type != ADJ_L3)
		p = put_outer(w, l, adj);
	p -= h->size;
	hop_put(p, h);
	m->data_off = (uint16_t)(p - (uint8_t *)m->buf_addr);
	m->data_len = (uint16_t)(l->inner - p + l->size);
	m->pkt_len = m->data_len;
	port_tx(w, h->port, m);
	return true;
}

static __rte_always_inline uint16_t plain_vector(
	struct worker *w, struct rte_mbuf **pkts, uint16_t n)
{
	struct passes v;

	n = pass_outer(&v, pkts, n);
	n = pass_tunnel(&v, n);
	n = pass_tenant(&v, n);
	n = pass_inner(&v, n);
	n = pass_route(w, &v, n);
	for (uint16_t i = 0; i < n; i++)
		rte_prefetch0(rcu_load(&hop_table[v.adj[i]->hop]));
	for (uint16_t i = 0; i < n; i++) {
		if (unlikely(!output(w, pkts[i], &v.lane[i], v.adj[i])))
			return i;
	}
	return n;
}

static CPU_TARGET_V3 uint16_t plain_vector_v3(struct worker *w, struct rte_mbuf **pkts, uint16_t n)
{
	return plain_vector(w, pkts, n);
}

static uint16_t plain_vector_any(struct worker *w, struct rte_mbuf **pkts, uint16_t n)
{
	return plain_vector(w, pkts, n);
}

static void plain_run(struct worker *w, struct rte_mbuf **pkts, uint16_t n)
{
	const struct worker_observer *o = rcu_load(&w->observer);
	uint16_t done = 0;

	if (likely(!o || !o->every_node))
		done = cpu_level >= CPU_V3 ? plain_vector_v3(w, pkts, n)
					   : plain_vector_any(w, pkts, n);
	for (uint16_t i = done; i < n; i++)
		node_push(w, NODE_ETH, pkts[i]);
}

const struct node node_plain = {.name = "plain", .run = plain_run};
