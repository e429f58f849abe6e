// SPDX-License-Identifier: Apache-2.0

// Outer IP headers: valid, for an address held here, and by which protocol. Leaves the data at the
// outer header, m->l3_len its size.

#include <rte_prefetch.h>

#include "bfd/peers.h"
#include "graph.h"
#include "ip/wire.h"
#include "nd/nd_message.h"
#include "underlay/underlay.h"
#include "vip/vip.h"
#include "worker.h"

struct last_local {
	uint32_t dst;
	uint64_t found;
};

static enum drop_reason check4(struct rte_mbuf *m, const struct ip4_hdr *ip)
{
	uint16_t have = rte_pktmbuf_data_len(m), header, size;

	if (have < IP4_SIZE)
		return DROP_IP4_SHORT;
	header = (uint16_t)((ip->version_ihl & 0xf) * 4);
	size = be16(ip->size);
	if (ip->version_ihl >> 4 != 4 || header < IP4_SIZE)
		return DROP_IP4_BAD_HEADER;
	if (size < header || header > have || size > rte_pktmbuf_pkt_len(m))
		return DROP_IP4_SHORT;
	if (likely(header == IP4_SIZE) ? sum_ip4(ip) != 0xffff : sum_bytes(ip, header, 0) != 0xffff)
		return DROP_IP4_BAD_CHECKSUM;
	if (size < rte_pktmbuf_pkt_len(m))
		rte_pktmbuf_trim(m, (uint16_t)(rte_pktmbuf_pkt_len(m) - size));
	m->l3_len = header;
	return DROP_NONE;
}

static enum drop_reason check6(struct rte_mbuf *m, const struct ip6_hdr *ip)
{
	uint32_t size;

	if (rte_pktmbuf_data_len(m) < IP6_SIZE)
		return DROP_IP6_SHORT;
	if ((be32(ip->version_class_flow) >> 28) != 6)
		return DROP_IP6_BAD_HEADER;
	size = IP6_SIZE + be16(ip->payload_size);
	if (size > rte_pktmbuf_pkt_len(m))
		return DROP_IP6_SHORT;
	if (size < rte_pktmbuf_pkt_len(m))
		rte_pktmbuf_trim(m, (uint16_t)(rte_pktmbuf_pkt_len(m) - size));
	m->l3_len = IP6_SIZE;
	return DROP_NONE;
}

// RFC 3948 2.2: four zero bytes where ESP has its SPI mean IKE.
static void by_nat_traversal(struct worker *w, struct rte_mbuf *m, const struct udp_hdr *udp)
{
	bool is_ike = be16(udp->size) >= UDP_SIZE + 4 && load32(udp + 1) == 0;

	node_push(w, is_ike ? NODE_IKE_PUNT : NODE_ESP_IN, m);
}

static void by_udp(struct worker *w, struct rte_mbuf *m)
{
	const struct udp_hdr *udp = rte_pktmbuf_mtod_offset(m, const struct udp_hdr *, m->l3_len);

	if (rte_pktmbuf_data_len(m) < m->l3_len + UDP_SIZE || be16(udp->size) < UDP_SIZE ||
		be16(udp->size) > rte_pktmbuf_pkt_len(m) - m->l3_len) {
		packet_drop(w, m, DROP_UDP_BAD);
		return;
	}
	switch (udp->dst) {
	case __builtin_bswap16(UDP_PORT_VXLAN): node_push(w, NODE_VXLAN_IN, m); break;
	case __builtin_bswap16(BFD_PORT):
	case __builtin_bswap16(BFD_PORT_MULTIHOP): node_push(w, NODE_BFD_IN, m); break;
	case __builtin_bswap16(UDP_PORT_IKE): node_push(w, NODE_IKE_PUNT, m); break;
	case __builtin_bswap16(UDP_PORT_IKENAT): by_nat_traversal(w, m, udp); break;
	default: packet_drop(w, m, DROP_UNDERLAY_PROTOCOL); break;
	}
}

static void by_protocol(struct worker *w, struct rte_mbuf *m, uint8_t protocol)
{
	switch (protocol) {
	case IP_PROTO_UDP: by_udp(w, m); break;
	case IP_PROTO_GRE: node_push(w, NODE_GRE_IN, m); break;
	case IP_PROTO_ESP: node_push(w, NODE_ESP_IN, m); break;
	case IP_PROTO_IPIP:
	case IP_PROTO_IP6IN: node_push(w, NODE_RELAY_IN, m); break;
	case IP_PROTO_TCP: // the provider's routers' BGP
	case IP_PROTO_ICMP:
	case IP_PROTO_ICMP6: node_push(w, NODE_LOCAL, m); break;
	default: packet_drop(w, m, DROP_UNDERLAY_PROTOCOL); break;
	}
}

// Relayed to a slot of ours (whose PA is known by now) by who answers for a public address.
static bool is_shared(const struct rte_mbuf *m)
{
	const uint8_t *ip = rte_pktmbuf_mtod(m, const uint8_t *);
	bool is_v6 = ip[0] >> 4 == 6;

	return packet_meta(m)->flags & PACKET_F_RELAYED &&
	       vip_is_used(ip + (is_v6 ? 24 : 16), is_v6);
}

// Ours, and on the link it lives on.
static enum drop_reason take(const struct rte_mbuf *m, uint64_t found)
{
	struct underlay_local local = underlay_unpack(found);
	struct packet_meta *meta = packet_meta(m);

	if (unlikely(!found))
		return is_shared(m) ? DROP_NONE : DROP_UNDERLAY_NOT_LOCAL;
	if (unlikely(local.vlan != meta->vlan || local.port != meta->port) &&
		!(meta->flags & PACKET_F_RELAYED))
		return DROP_UNDERLAY_NOT_LOCAL;
	meta->slot = local.slot;
	meta->vrf = 0;
	return DROP_NONE;
}

// Not ours: perhaps its slot was, and has moved.
static void refuse(struct worker *w, struct rte_mbuf *m, enum drop_reason reason)
{
	if (reason == DROP_UNDERLAY_NOT_LOCAL)
		node_push(w, NODE_RELAY_OUT, m);
	else
		packet_drop(w, m, reason);
}

static void input4(struct worker *w, struct rte_mbuf *m, struct last_local *last)
{
	const struct ip4_hdr *ip = rte_pktmbuf_mtod(m, const struct ip4_hdr *);
	struct packet_meta *meta = packet_meta(m);
	enum drop_reason reason = check4(m, ip);

	if (unlikely(reason != DROP_NONE)) {
		packet_drop(w, m, reason);
		return;
	}
	if (ip->dst != last->dst || !last->found) {
		last->dst = ip->dst;
		last->found = table_find(&underlay_local4, underlay_key4(ip->dst));
	}
	reason = take(m, last->found);
	if (unlikely(reason != DROP_NONE)) {
		refuse(w, m, reason);
		return;
	}
	if (unlikely(ip->fragment & be16(IP4_FRAG_MASK))) {
		node_push(w, NODE_REASSEMBLY, m);
		return;
	}
	meta->outer_tos = ip->tos;
	by_protocol(w, m, ip->protocol);
}

static void input6(struct worker *w, struct rte_mbuf *m)
{
	const struct ip6_hdr *ip = rte_pktmbuf_mtod(m, const struct ip6_hdr *);
	struct packet_meta *meta = packet_meta(m);
	enum drop_reason reason = check6(m, ip);
	struct ip_addr_words dst;

	if (reason == DROP_NONE && nd_is((const uint8_t *)ip, rte_pktmbuf_data_len(m))) {
		node_push(w, NODE_ND, m);
		return;
	}
	if (reason == DROP_NONE) {
		dst = ip6_words(ip->dst);
		reason = take(m, table_find(&underlay_local6, (struct table_key){dst.hi, dst.lo}));
	}
	if (unlikely(reason != DROP_NONE)) {
		refuse(w, m, reason);
		return;
	}
	if (unlikely(ip->next_header == IP_PROTO_FRAG6)) {
		node_push(w, NODE_REASSEMBLY, m);
		return;
	}
	meta->outer_tos = (uint8_t)(be32(ip->version_class_flow) >> 20);
	by_protocol(w, m, ip->next_header);
}

static void underlay_ip_run(struct worker *w, struct rte_mbuf **pkts, uint16_t n)
{
	struct last_local last = {0};

	for (uint16_t i = 0; i < n; i++) {
		struct rte_mbuf *m = pkts[i];

		if (rte_pktmbuf_data_len(m) < 1)
			packet_drop(w, m, DROP_IP4_SHORT);
		else if (*rte_pktmbuf_mtod(m, const uint8_t *) >> 4 == 6)
			input6(w, m);
		else
			input4(w, m, &last);
	}
}

const struct node node_underlay_ip = {.name = "underlay_ip", .run = underlay_ip_run};
