// SPDX-License-Identifier: Apache-2.0

// A vector goes through in passes. Every look at a table is asked for one pass before it is needed:
// with thousands of tenants most of them are misses, and so they wait together.

#include <rte_prefetch.h>

#include "conn/conn_in.h"
#include "control.h"
#include "fib/fib.h"
#include "graph.h"
#include "ip/encap.h"
#include "ip/flow.h"
#include "ip/tcp_mss.h"
#include "plain/pattern.h"
#include "plain/plain.h"
#include "subnet/subnet.h"
#include "subnet/vtep.h"
#include "underlay/underlay.h"

#define PASTE(a, b, c) a##b##_##c
#define NAME(a, b, c)  PASTE(a, b, c)
#define PLAIN(name)    NAME(plain_, name, PLAIN_LEVEL)

#define OUTER_SIZE  (ETH_SIZE + IP4_SIZE)
#define VXLAN_INNER (OUTER_SIZE + UDP_SIZE + sizeof(struct vxlan_hdr) + ETH_SIZE)
#define GRE_INNER   (OUTER_SIZE + sizeof(struct gre_hdr) + 4)
#define MAC_MASK    UINT64_C(0xffffffffffff)

_Static_assert(VXLAN_INNER == PATTERN_SIZE, "the pattern ends where the inner packet begins");

// A packet on its way through the passes.
struct lane {
	uint8_t *inner; // its IP header
	union {
		const struct subnet_fwd *subnet;
		const struct conn_fwd *conn;
	} from;
	const struct vrf_fwd *vrf;
	union {
		struct table_key gre;
		struct {
			uint64_t gateway; // the inner frame's destination, and the slot it came to
			uint32_t vni, outer_src;
		} vxlan;
	} key;
	uint64_t vtep;
	uint16_t size;    // of the inner packet
	bool is_site;     // it came by a connection: GRE,
	bool is_admitted; // or ESP, and then it was policed and counted
};

struct passes {
	struct lane lane[NODE_VECTOR];
	uint32_t vrf[NODE_VECTOR], dst[NODE_VECTOR], nh[NODE_VECTOR];
	const struct adj *adj[NODE_VECTOR];
};

// What is the same for most packets of a vector.
struct input {
	struct pattern vxlan, gre;
	const struct port *port;
	uint64_t meta; // from meta.port on: port, and neither VLAN nor slot nor checksum owed
	uint32_t dst;  // last outer destination, and its slot
	bool is_known;
	uint16_t slot;
};

static const uint8_t is_martian[256] = {[0] = 1, [127] = 1, [224 ... 255] = 1}; // by first byte

// Is the ones' complement sum of an IPv4 header's 20 bytes, given as words, zero? It is if 65535
// divides the sum; multiplying by the inverse takes only the multiples below the bound.
static __rte_always_inline bool sum_is_right(uint64_t a, uint64_t b, uint32_t c)
{
	const uint64_t third = UINT64_C(0x0001000100010001); // 2^64 - 1 over 65535
	uint64_t sum = a + b;

	sum += sum < b;
	sum += c;
	sum += sum < c;
	return sum * -third <= third;
}

// -- the outer headers

static void patterns_make(struct input *in)
{
	static const uint8_t ip4[] = {0x08, 0x00, 0x45}, vxlan_port[] = {0x12, 0xb5};
	static const uint8_t gre[] = {0x20, 0x00, 0x08, 0x00}, udp[] = {IP_PROTO_UDP};
	static const uint8_t flags[] = {0x08};

	memset(&in->gre, 0, sizeof(in->gre));
	pattern_put(&in->gre, 0, in->port->mac.bytes, 6);
	pattern_put(&in->gre, 12, ip4, sizeof(ip4));
	in->gre.care[15] = 1;    // no mark of congestion
	in->gre.care[20] = 0x3f; // whole
	in->gre.care[21] = 0xff;
	in->vxlan = in->gre;
	pattern_put(&in->vxlan, 23, udp, sizeof(udp));
	pattern_put(&in->vxlan, OUTER_SIZE + 2, vxlan_port, sizeof(vxlan_port));
	pattern_put(&in->vxlan, OUTER_SIZE + UDP_SIZE, flags, sizeof(flags));
	in->vxlan.care[VXLAN_INNER - ETH_SIZE] = 1; // not to a group
	pattern_put(&in->vxlan, VXLAN_INNER - 2, ip4, 2);
	in->gre.want[23] = IP_PROTO_GRE;
	in->gre.care[23] = 0xff;
	pattern_put(&in->gre, OUTER_SIZE, gre, sizeof(gre));
}

// A port whose untagged link is of the underlay alone.
static bool input_port(struct input *in, uint64_t meta)
{
	uint16_t port = (uint16_t)meta;

	if (meta >> 16 || rcu_load(&l3_link_table[port][0]) || !underlay_links[port][0])
		return false;
	in->meta = meta;
	in->port = port_table[port];
	in->is_known = false;
	patterns_make(in);
	return true;
}

static bool input_dst(struct input *in, uint32_t dst)
{
	uint64_t found = table_find(&underlay_local4, underlay_key4(dst));
	struct underlay_local local = underlay_unpack(found);

	if (!found || local.vlan || local.port != in->port->index)
		return false;
	in->dst = dst;
	in->slot = local.slot;
	in->is_known = true;
	return true;
}

// One segment, nothing owed or marked, and the bytes a pattern looks at.
static __rte_always_inline bool mbuf_is_plain(
	struct input *in, const struct rte_mbuf *m, uint32_t size)
{
	const struct packet_meta *meta = packet_meta(m);
	uint64_t from_port = load64(&meta->port);

	if (unlikely(m->nb_segs != 1 || meta->flags || size < PATTERN_SIZE))
		return false;
	return likely(in->port && from_port == in->meta) || input_port(in, from_port);
}

static __rte_always_inline void vxlan_read(struct lane *l, const struct input *in, uint8_t *frame)
{
	const uint8_t *eth = frame + VXLAN_INNER - ETH_SIZE;

	l->is_site = false;
	l->key.vxlan.vni = be32(load32(eth - 4)) >> 8;
	l->key.vxlan.gateway = (load64(eth) & MAC_MASK) | (uint64_t)in->slot << 48;
	l->key.vxlan.outer_src = load32(frame + ETH_SIZE + 12);
	l->inner = frame + VXLAN_INNER;
	rte_prefetch0(&subnet_by_vni[l->key.vxlan.vni]);
}

static __rte_always_inline void gre_read(struct lane *l, uint8_t *frame)
{
	const uint8_t *ip = frame + ETH_SIZE;

	l->is_site = true;
	l->is_admitted = false;
	l->key.gre = conn_gre_key(
		4, load32(ip + 16), load32(ip + 12), true, be32(load32(frame + GRE_INNER - 4)));
	l->inner = frame + GRE_INNER;
	table_prefetch(&conn_gre_table, l->key.gre);
}

// To one of our addresses, whole, in order.
static __rte_always_inline bool outer_read(
	struct input *in, struct lane *l, uint8_t *frame, uint32_t size)
{
	uint64_t a = load64(frame + ETH_SIZE), b = load64(frame + ETH_SIZE + 8);
	uint32_t dst = load32(frame + ETH_SIZE + 16);
	bool is_vxlan = pattern_matches(&in->vxlan, frame);

	if (unlikely(!is_vxlan && !pattern_matches(&in->gre, frame)))
		return false;
	if (unlikely(be16((uint16_t)(a >> 16)) != size - ETH_SIZE || !sum_is_right(a, b, dst)))
		return false;
	if (unlikely(dst != in->dst || !in->is_known) && !input_dst(in, dst))
		return false;
	if (!is_vxlan) {
		gre_read(l, frame);
	} else {
		if (unlikely(be16(load16(frame + OUTER_SIZE + 4)) != size - OUTER_SIZE))
			return false;
		vxlan_read(l, in, frame);
	}
	l->size = (uint16_t)(size - (is_vxlan ? VXLAN_INNER : GRE_INNER));
	return true;
}

// Each pass returns how many lanes from the first one on are still plain.

static __rte_always_inline uint16_t pass_outer(struct passes *v, struct rte_mbuf **pkts, uint16_t n)
{
	struct input in;

	in.port = NULL;
	for (uint16_t i = 0; i < n; i++) {
		struct rte_mbuf *m = pkts[i];
		uint32_t size = rte_pktmbuf_data_len(m);

		if (i + 4 < n)
			rte_prefetch0(rte_pktmbuf_mtod(pkts[i + 4], const void *));
		if (unlikely(!mbuf_is_plain(&in, m, size) ||
			     !outer_read(&in, &v->lane[i], rte_pktmbuf_mtod(m, uint8_t *), size)))
			return i;
	}
	return n;
}

// -- whose it is

static __rte_always_inline uint16_t pass_tunnel(struct passes *v, uint16_t n)
{
	for (uint16_t i = 0; i < n; i++) {
		struct lane *l = &v->lane[i];

		if (l->is_site) {
			l->from.conn = (const struct conn_fwd *)(uintptr_t)table_find(
				&conn_gre_table, l->key.gre);
		} else {
			l->from.subnet = subnet_of_vni(l->key.vxlan.vni);
			l->vtep = table_find(&vtep_numbers4, vtep_key4(l->key.vxlan.outer_src));
		}
		if (unlikely(!l->from.conn))
			return i;
		rte_prefetch0(l->from.conn);
	}
	return n;
}

static __rte_always_inline bool is_gateway(const struct subnet_fwd *s, uint64_t gateway)
{
	if (likely(s->gateway_raw[0] == gateway))
		return true;
	return s->gateway_raw[1] == gateway || s->gateway_raw[2] == gateway ||
	       s->gateway_raw[3] == gateway;
}

static __rte_always_inline uint16_t pass_tenant(struct passes *v, uint16_t n)
{
	for (uint16_t i = 0; i < n; i++) {
		struct lane *l = &v->lane[i];
		uint32_t vrf;

		if (l->is_site) {
			const struct conn_fwd *c = l->from.conn;

			if (unlikely(c->refused || (c->flags & API_CONN_F_GRE_OVER_IPSEC)))
				return i;
			vrf = c->vrf;
			if (c->meter)
				rte_prefetch0(c->meter);
		} else {
			const struct subnet_fwd *s = l->from.subnet;

			if (unlikely(s->encap != API_ENCAP_VXLAN ||
				     !is_gateway(s, l->key.vxlan.gateway)))
				return i;
			vrf = s->vrf;
			rte_prefetch0(rcu_load(&vtep_sets[vrf]));
		}
		v->vrf[i] = vrf;
		l->vrf = rcu_load(&vrf_fwd_table[vrf]);
		if (unlikely(!l->vrf))
			return i;
		rte_prefetch0(l->vrf);
	}
	return n;
}

// -- the inner header

static __rte_always_inline bool is_own(const struct vrf_fwd *v, uint32_t addr)
{
	bool own = false;

	for (unsigned i = 0; i < v->prefix4_count; i++)
		own |= (addr & v->prefix4[i].mask) == v->prefix4[i].addr;
	return own;
}

// As ip_forward allows it, without asking the routes.
static __rte_always_inline bool source_is_plain(const struct lane *l, uint32_t vrf, uint32_t src)
{
	bool own = is_own(l->vrf, src);

	if (l->is_site)
		return l->vrf->prefixes_complete && !own;
	return own && vtep_accepted(vtep_word(vrf, l->vtep), l->vtep);
}

// SYNs are changed; GRE inside GRE may be a keepalive.
static __rte_always_inline bool protocol_is_plain(const struct lane *l, uint8_t protocol)
{
	const struct ip4_hdr *ip = (const struct ip4_hdr *)l->inner;

	if (protocol == IP_PROTO_TCP)
		return (ip->fragment & be16(0x1fff)) || l->size < IP4_SIZE + 20 ||
		       !(l->inner[IP4_SIZE + 13] & TCP_SYN);
	return protocol != IP_PROTO_GRE || !l->is_site;
}

static __rte_always_inline uint16_t pass_inner(struct passes *v, uint16_t n)
{
	for (uint16_t i = 0; i < n; i++) {
		const struct lane *l = &v->lane[i];
		uint64_t a = load64(l->inner), b = load64(l->inner + 8);
		uint32_t dst = load32(l->inner + 16), src = (uint32_t)(b >> 32);

		if (unlikely((uint8_t)a != 0x45 || be16((uint16_t)(a >> 16)) != l->size ||
			     l->size < IP4_SIZE || (uint8_t)b <= 1 || !sum_is_right(a, b, dst)))
			return i;
		if (unlikely(is_martian[(uint8_t)src] | is_martian[(uint8_t)dst]))
			return i;
		if (unlikely(!protocol_is_plain(l, (uint8_t)(b >> 8)) ||
			     !source_is_plain(l, v->vrf[i], src)))
			return i;
		v->dst[i] = be32(dst);
	}
	return n;
}

// -- where to

static __rte_always_inline uint16_t pass_route(struct worker *w, struct passes *v, uint16_t n)
{
	fib_lookup4_n(vrf_fib, v->vrf, v->dst, v->nh, n);
	for (uint16_t i = 0; i < n; i++)
		rte_prefetch0(&adj_table[v->nh[i]]);
	for (uint16_t i = 0; i < n; i++) {
		const struct adj *adj = rcu_load(&adj_table[v->nh[i]]);

		v->adj[i] = adj;
		rte_prefetch0(adj);
		rte_prefetch0((const uint8_t *)adj + RTE_CACHE_LINE_SIZE);
	}
	for (uint16_t i = 0; i < n; i++) {
		const struct adj *adj = v->adj[i];
		const struct lane *l = &v->lane[i];

		if (unlikely(!(adj->plain & (l->is_site ? ADJ_PLAIN_SITE : ADJ_PLAIN_HOST)) ||
			     adj->vrf != v->vrf[i] || l->size > adj->mtu))
			return i;
		rte_prefetch0(&hop_table[adj->hop]);
		rte_prefetch0(&w->conns[adj->conn]);
		if (adj->meter)
			rte_prefetch0(adj->meter);
		if (l->is_site && !l->is_admitted)
			rte_prefetch0(&w->conns[l->from.conn->conn]);
	}
	for (uint16_t i = 0; i < n; i++)
		rte_prefetch0(rcu_load(&hop_table[v->adj[i]->hop]));
	return n;
}

// -- the way out

static __rte_always_inline void lower_ttl(uint8_t *ip)
{
	uint32_t sum = (uint32_t)load16(ip + 10) + be16(0x0100);
	uint16_t checksum = (uint16_t)(sum + (sum >= 0xffff));

	ip[8]--;
	memcpy(ip + 10, &checksum, sizeof(checksum));
}

// The outer headers and the link's in front of them; where they begin. The template is copied
// whole, the link's header 16 bytes at once; what of it is too much is written over.
static __rte_always_inline uint8_t *put_outer(
	const struct lane *l, const struct adj *adj, const struct hop *h, uint16_t id)
{
	uint8_t *inner = l->inner, *p = inner - adj->size;
	uint64_t first = load64(adj->bytes + ADJ_TEMPLATE_SIZE - adj->size);
	uint16_t size = be16((uint16_t)(adj->size + l->size)), checksum;
	uint32_t sum = (uint32_t)adj->sum + (uint32_t)inner[1] * 0x100 + size + id;

	first |= (uint64_t)inner[1] << 8 | (uint64_t)size << 16 | (uint64_t)id << 32;
	checksum = (uint16_t)~sum_fold(sum);
	memcpy(inner - ADJ_TEMPLATE_SIZE, adj->bytes, ADJ_TEMPLATE_SIZE);
	if (likely(h->size == ETH_SIZE))
		memcpy(p - ETH_SIZE, h->bytes, 16);
	else
		hop_put(p - h->size, h);
	memcpy(p, &first, sizeof(first));
	memcpy(p + 10, &checksum, sizeof(checksum));
	if (adj->type == ADJ_GRE) {
		((struct gre_hdr *)(p + IP4_SIZE))->protocol = be16(ETH_TYPE_IP4);
	} else {
		encap_flow(p + IP4_SIZE, adj, flow_hash_at(inner, l->size),
			(uint16_t)(adj->size - IP4_SIZE + l->size));
	}
	return p - h->size;
}

// False: over its rate.
static __rte_always_inline bool admit(struct worker *w, struct rte_mbuf *m, const struct lane *l)
{
	const struct conn_fwd *c = l->from.conn;

	if (c->meter && unlikely(!meter_take(c->meter, worker_now(w), l->size)))
		return false;
	packet_meta(m)->conn = c->conn;
	conn_count_in(w, c, l->size);
	return true;
}

// Unwrapped, as ip_forward would hand it on.
static __rte_always_inline void output_esp(
	struct worker *w, struct rte_mbuf *m, const struct lane *l, uint32_t vrf, uint32_t nh)
{
	struct packet_meta *meta = packet_meta(m);

	meta->vrf = vrf;
	meta->out = nh;
	if (!l->is_site) {
		meta->source = PACKET_FROM_OVERLAY;
		meta->slot = (uint16_t)(l->key.vxlan.gateway >> 48);
	} else if (!l->is_admitted) {
		meta->source = PACKET_FROM_CONN;
		meta->slot = l->from.conn->slot;
	}
	rte_pktmbuf_adj(m, (uint16_t)(l->inner - rte_pktmbuf_mtod(m, uint8_t *)));
	node_push(w, NODE_ESP_OUT, m);
}

static __rte_always_inline bool output(
	struct worker *w, struct rte_mbuf *m, const struct passes *v, uint16_t i, uint16_t *id)
{
	const struct lane *l = &v->lane[i];
	const struct adj *adj = v->adj[i];
	const struct hop *h = rcu_load(&hop_table[adj->hop]);
	bool is_esp = adj->type == ADJ_ESP;
	uint8_t *p = l->inner;

	if (unlikely(!is_esp &&
		     (!h || p - ADJ_TEMPLATE_SIZE - sizeof(h->bytes) < (uint8_t *)m->buf_addr)))
		return false;
	if (l->is_site && !l->is_admitted && unlikely(!admit(w, m, l)))
		return false;
	if (!is_esp && adj->type != ADJ_OVERLAY && unlikely(!conn_take_out(w, adj, l->size))) {
		packet_meta(m)->conn = adj->conn;
		packet_drop(w, m, DROP_POLICER_OUT);
		return true;
	}
	lower_ttl(p);
	if (is_esp) {
		output_esp(w, m, l, v->vrf[i], v->nh[i]);
		return true;
	}
	if (adj->type != ADJ_L3) {
		p = put_outer(l, adj, h, (*id)++);
	} else {
		p -= h->size;
		hop_put(p, h);
	}
	m->data_off = (uint16_t)(p - (uint8_t *)m->buf_addr);
	m->data_len = (uint16_t)(l->inner - p + l->size);
	m->pkt_len = m->data_len;
	port_tx(w, h->port, m);
	return true;
}

static __rte_always_inline uint16_t output_all(
	struct worker *w, struct rte_mbuf **pkts, const struct passes *v, uint16_t n)
{
	uint16_t id = encap_id[w->index].next, done = 0;

	while (done < n && likely(output(w, pkts[done], v, done, &id)))
		done++;
	encap_id[w->index].next = id;
	return done;
}

uint16_t PLAIN(vector)(struct worker *w, struct rte_mbuf **pkts, uint16_t n)
{
	struct passes v;

	n = pass_outer(&v, pkts, n);
	n = pass_tunnel(&v, n);
	n = pass_tenant(&v, n);
	n = pass_inner(&v, n);
	n = pass_route(w, &v, n);
	return output_all(w, pkts, &v, n);
}

static __rte_always_inline uint16_t pass_site(struct passes *v, struct rte_mbuf **pkts, uint16_t n)
{
	for (uint16_t i = 0; i < n; i++)
		rte_prefetch0(rcu_load(&vrf_fwd_table[packet_meta(pkts[i])->vrf]));
	for (uint16_t i = 0; i < n; i++) {
		struct rte_mbuf *m = pkts[i];
		const struct packet_meta *meta = packet_meta(m);
		struct lane *l = &v->lane[i];

		if (unlikely(m->nb_segs != 1 || meta->csum_start || meta->flags))
			return i;
		l->inner = rte_pktmbuf_mtod(m, uint8_t *);
		l->size = rte_pktmbuf_data_len(m);
		l->is_site = l->is_admitted = true;
		l->vrf = rcu_load(&vrf_fwd_table[meta->vrf]);
		v->vrf[i] = meta->vrf;
		if (unlikely(!l->vrf))
			return i;
	}
	return n;
}

uint16_t PLAIN(site_vector)(struct worker *w, struct rte_mbuf **pkts, uint16_t n)
{
	struct passes v;

	n = pass_site(&v, pkts, n);
	n = pass_inner(&v, n);
	n = pass_route(w, &v, n);
	return output_all(w, pkts, &v, n);
}
