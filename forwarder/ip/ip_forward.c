// SPDX-License-Identifier: Apache-2.0

// The route lookup inside a tenant's network: inner header checked, source allowed, longest prefix
// found, TTL lowered, and on to what the adjacency says.

#include <rte_prefetch.h>

#include "adj/adj.h"
#include "fib/fib.h"
#include "flow.h"
#include "graph.h"
#include "icmp/icmp.h"
#include "ip/fragment.h"
#include "ip/tcp_mss.h"
#include "ip/wire.h"
#include "offload.h"
#include "rcu.h"
#include "subnet/subnet.h"
#include "vrf/vrf.h"
#include "worker.h"

struct vector4 {
	struct rte_mbuf *m[NODE_VECTOR];
	uint32_t vrf[NODE_VECTOR], dst[NODE_VECTOR], nh[NODE_VECTOR];
	uint16_t len;
};

struct vector6 {
	struct rte_mbuf *m[NODE_VECTOR];
	uint32_t vrf[NODE_VECTOR], nh[NODE_VECTOR];
	struct fib_addr6 dst[NODE_VECTOR];
	uint16_t len;
};

// -- sources

static bool is_own4(const struct vrf_fwd *v, uint32_t src)
{
	for (unsigned i = 0; i < v->prefix4_count; i++)
		if ((src & v->prefix4[i].mask) == v->prefix4[i].addr)
			return true;
	return false;
}

static bool is_own6(const struct vrf_fwd *v, struct ip_addr_words src)
{
	for (unsigned i = 0; i < v->prefix6_count; i++) {
		const struct vrf_prefix6 *p = &v->prefix6[i];

		if ((src.hi & p->mask_hi) == p->hi && (src.lo & p->mask_lo) == p->lo)
			return true;
	}
	return false;
}

// Whether the tenant's routes lead to this source over its overlay.
static bool is_overlay_route(uint32_t nh)
{
	const struct adj *adj = rcu_load(&adj_table[nh]);

	if (adj->type == ADJ_GROUP)
		adj = rcu_load(&adj_table[adj->group->member[0]]);
	return adj->type == ADJ_OVERLAY ||
	       (adj->type == ADJ_DROP && adj->reason == DROP_HOST_UNKNOWN);
}

// A site may not speak with an address of the tenant's own subnets; a host speaks with one, or with
// one that is routed to the overlay.
static bool source_allowed4(const struct packet_meta *meta, const struct vrf_fwd *v, uint32_t src)
{
	uint32_t nh, vrf = meta->vrf, host = be32(src);

	if (likely(v->prefixes_complete && meta->source == PACKET_FROM_CONN))
		return !is_own4(v, src);
	if (likely(is_own4(v, src)))
		return meta->source == PACKET_FROM_OVERLAY;
	fib_lookup4_n(vrf_fib, &vrf, &host, &nh, 1);
	return is_overlay_route(nh) == (meta->source == PACKET_FROM_OVERLAY);
}

static bool source_allowed6(
	const struct packet_meta *meta, const struct vrf_fwd *v, struct ip_addr_words src)
{
	struct fib_addr6 addr = {src.hi, src.lo};
	uint32_t nh, vrf = meta->vrf;

	if (likely(v->prefixes_complete && meta->source == PACKET_FROM_CONN))
		return !is_own6(v, src);
	if (likely(is_own6(v, src)))
		return meta->source == PACKET_FROM_OVERLAY;
	fib_lookup6_n(vrf_fib, &vrf, &addr, &nh, 1);
	return is_overlay_route(nh) == (meta->source == PACKET_FROM_OVERLAY);
}

static inline bool is_martian4(uint32_t host_order) // 0/8, 127/8, 224/3
{
	uint32_t top = host_order >> 24;

	return top == 0 || top == 127 || top >= 224;
}

// -- headers

static inline enum drop_reason check4(
	struct rte_mbuf *m, const struct ip4_hdr *ip, const struct packet_meta *meta)
{
	uint16_t have = rte_pktmbuf_data_len(m), header, size;
	const struct vrf_fwd *v;

	if (unlikely(have < IP4_SIZE))
		return DROP_IP4_SHORT;
	header = (uint16_t)((ip->version_ihl & 0xf) * 4);
	size = be16(ip->size);
	if (unlikely(header < IP4_SIZE))
		return DROP_IP4_BAD_HEADER;
	if (unlikely(size < header || header > have || size > rte_pktmbuf_pkt_len(m)))
		return DROP_IP4_SHORT;
	if (unlikely(header != IP4_SIZE ? sum_bytes(ip, header, 0) != 0xffff
					: sum_ip4(ip) != 0xffff))
		return DROP_IP4_BAD_CHECKSUM;
	if (size < rte_pktmbuf_pkt_len(m))
		rte_pktmbuf_trim(m, (uint16_t)(rte_pktmbuf_pkt_len(m) - size));
	if (unlikely(is_martian4(be32(ip->dst))))
		return DROP_MARTIAN_DESTINATION;
	if (unlikely(meta->source == PACKET_FROM_LOCAL))
		return DROP_NONE;
	if (unlikely(is_martian4(be32(ip->src))))
		return DROP_MARTIAN_SOURCE;
	v = rcu_load(&vrf_fwd_table[meta->vrf]);
	if (unlikely(!v))
		return DROP_NO_ROUTE;
	return likely(source_allowed4(meta, v, ip->src)) ? DROP_NONE : DROP_SPOOFED_SOURCE;
}

static inline bool is_martian6(struct ip_addr_words a) // ::/8, ff00::/8, link-local
{
	return a.hi >> 56 == 0 || a.hi >> 56 == 0xff || a.hi >> 54 == 0x3fa;
}

static inline enum drop_reason check6(
	struct rte_mbuf *m, const struct ip6_hdr *ip, const struct packet_meta *meta)
{
	const struct vrf_fwd *v;
	struct ip_addr_words src;
	uint32_t size;

	if (unlikely(rte_pktmbuf_data_len(m) < IP6_SIZE))
		return DROP_IP6_SHORT;
	size = IP6_SIZE + be16(ip->payload_size);
	if (unlikely(size > rte_pktmbuf_pkt_len(m)))
		return DROP_IP6_SHORT;
	if (size < rte_pktmbuf_pkt_len(m))
		rte_pktmbuf_trim(m, (uint16_t)(rte_pktmbuf_pkt_len(m) - size));
	if (unlikely(is_martian6(ip6_words(ip->dst))))
		return DROP_MARTIAN_DESTINATION;
	if (unlikely(meta->source == PACKET_FROM_LOCAL))
		return DROP_NONE;
	src = ip6_words(ip->src);
	if (unlikely(is_martian6(src)))
		return DROP_MARTIAN_SOURCE;
	v = rcu_load(&vrf_fwd_table[meta->vrf]);
	if (unlikely(!v))
		return DROP_NO_ROUTE;
	return likely(source_allowed6(meta, v, src)) ? DROP_NONE : DROP_SPOOFED_SOURCE;
}

// -- where to

static void error(struct worker *w, struct rte_mbuf *m, enum icmp_error_kind kind, uint16_t mtu)
{
	packet_meta(m)->out = icmp_error_word(kind, mtu);
	node_push(w, NODE_ICMP_ERROR, m);
}

// False: the packet has ended.
static inline bool lower_ttl(struct worker *w, struct rte_mbuf *m)
{
	uint8_t *p = rte_pktmbuf_mtod(m, uint8_t *);
	struct ip4_hdr *ip4 = (struct ip4_hdr *)p;
	struct ip6_hdr *ip6 = (struct ip6_hdr *)p;

	if (unlikely(packet_meta(m)->source == PACKET_FROM_LOCAL))
		return true;
	if (p[0] >> 4 == 4) {
		uint32_t sum;

		if (unlikely(ip4->ttl <= 1)) {
			error(w, m, ICMP_ERROR_TTL, 0);
			return false;
		}
		ip4->ttl--;
		sum = (uint32_t)ip4->checksum + be16(0x0100);
		ip4->checksum = (uint16_t)(sum + (sum >= 0xffff));
		return true;
	}
	if (unlikely(ip6->hop_limit <= 1)) {
		error(w, m, ICMP_ERROR_TTL, 0);
		return false;
	}
	ip6->hop_limit--;
	return true;
}

static void send_drop(struct worker *w, struct rte_mbuf *m, const struct adj *adj)
{
	switch (adj->reason) {
	case DROP_NO_ROUTE: error(w, m, ICMP_ERROR_NO_ROUTE, 0); break;
	case DROP_HOST_UNKNOWN: error(w, m, ICMP_ERROR_HOST, 0); break;
	default: packet_drop(w, m, adj->reason); break;
	}
}

static const uint8_t output_node[] = {
	[ADJ_OVERLAY] = NODE_OVERLAY_OUT,
	[ADJ_GRE] = NODE_GRE_OUT,
	[ADJ_ESP] = NODE_ESP_OUT,
	[ADJ_L3] = NODE_L3_OUT,
	[ADJ_L3_LINK] = NODE_L3_OUT,
};

// From the overlay back into it goes only what a host sends to a prefix behind another of the
// tenant's gateways, and that once: a frame from a gateway (its MAC still stands before the packet)
// is for what is here.
static bool may_go_back(const struct rte_mbuf *m, const struct adj *adj)
{
	const uint8_t *src = rte_pktmbuf_mtod(m, const uint8_t *) - ETH_SIZE + 6;

	return adj->flags & ADJ_F_GATEWAY &&
	       !table_find(&gateway_table, gateway_key_elsewhere(adj->vrf, mac_word(src)));
}

static inline void send(struct worker *w, struct rte_mbuf *m, uint32_t nh)
{
	struct packet_meta *meta = packet_meta(m);
	const struct adj *adj = rcu_load(&adj_table[nh]);

	if (unlikely(adj->type == ADJ_GROUP)) {
		meta->hash = flow_hash(m);
		nh = adj->group->member[adj->group->bucket[meta->hash % ADJ_GROUP_BUCKETS]];
		adj = rcu_load(&adj_table[nh]);
	}
	meta->out = nh;
	if (unlikely(adj->type == ADJ_LOCAL)) {
		node_push(w, NODE_LOCAL, m);
		return;
	}
	if (unlikely(adj->type == ADJ_DROP)) {
		send_drop(w, m, adj);
		return;
	}
	if (unlikely(adj->vrf != meta->vrf)) {
		packet_drop(w, m, DROP_CONN_CROSS_VRF);
		return;
	}
	if (unlikely(adj->type == ADJ_OVERLAY && meta->source == PACKET_FROM_OVERLAY &&
		     !may_go_back(m, adj))) {
		packet_drop(w, m, DROP_OVERLAY_TWICE);
		return;
	}
	if (!lower_ttl(w, m))
		return;
	if (unlikely(rte_pktmbuf_pkt_len(m) > adj->mtu && packet_wire_size(m) > adj->mtu)) {
		ip_too_big(w, m, adj->mtu, output_node[adj->type]);
		return;
	}
	if (unlikely(tcp_is_syn(m)))
		tcp_mss_clamp(m, adj->mtu);
	node_push(w, output_node[adj->type], m);
}

static void forward4(struct worker *w, struct vector4 *v)
{
	fib_lookup4_n(vrf_fib, v->vrf, v->dst, v->nh, v->len);
	for (uint16_t i = 0; i < v->len; i++)
		rte_prefetch0(&adj_table[v->nh[i]]);
	for (uint16_t i = 0; i < v->len; i++)
		rte_prefetch0(rcu_load(&adj_table[v->nh[i]]));
	for (uint16_t i = 0; i < v->len; i++)
		send(w, v->m[i], v->nh[i]);
}

static void forward6(struct worker *w, struct vector6 *v)
{
	fib_lookup6_n(vrf_fib, v->vrf, v->dst, v->nh, v->len);
	for (uint16_t i = 0; i < v->len; i++)
		rte_prefetch0(rcu_load(&adj_table[v->nh[i]]));
	for (uint16_t i = 0; i < v->len; i++)
		send(w, v->m[i], v->nh[i]);
}

static void ip_forward_run(struct worker *w, struct rte_mbuf **pkts, uint16_t n)
{
	struct vector4 v4;
	struct vector6 v6;

	v4.len = v6.len = 0;
	for (uint16_t i = 0; i < n; i++)
		rte_prefetch0(&vrf_fwd_table[packet_meta(pkts[i])->vrf]);
	for (uint16_t i = 0; i < n; i++)
		rte_prefetch0(rcu_load(&vrf_fwd_table[packet_meta(pkts[i])->vrf]));
	for (uint16_t i = 0; i < n; i++) {
		struct rte_mbuf *m = pkts[i];
		const struct packet_meta *meta = packet_meta(m);
		const uint8_t *p = rte_pktmbuf_mtod(m, const uint8_t *);
		const struct ip6_hdr *ip6 = (const struct ip6_hdr *)p;
		uint8_t version = rte_pktmbuf_data_len(m) ? p[0] >> 4 : 0;
		enum drop_reason reason;

		if (likely(version == 4)) {
			const struct ip4_hdr *ip4 = (const struct ip4_hdr *)p;

			reason = check4(m, ip4, meta);
			v4.m[v4.len] = m;
			v4.vrf[v4.len] = meta->vrf;
			v4.dst[v4.len] = be32(ip4->dst);
			v4.len = (uint16_t)(v4.len + (reason == DROP_NONE));
		} else if (version == 6) {
			reason = check6(m, ip6, meta);
			if (reason == DROP_NONE) {
				struct ip_addr_words dst = ip6_words(ip6->dst);

				v6.m[v6.len] = m;
				v6.vrf[v6.len] = meta->vrf;
				v6.dst[v6.len++] = (struct fib_addr6){dst.hi, dst.lo};
			}
		} else {
			reason = DROP_IP4_BAD_HEADER;
		}
		if (unlikely(reason != DROP_NONE))
			packet_drop(w, m, reason);
	}
	forward4(w, &v4);
	if (v6.len)
		forward6(w, &v6);
}

const struct node node_ip_forward = {.name = "ip_forward", .run = ip_forward_run};
