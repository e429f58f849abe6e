// SPDX-License-Identifier: Apache-2.0

// Packets for outer addresses that are not held here: wrapped and sent to their slot's new holder
// if one is known. Data starts at the IP header, which has been checked.

#include "graph.h"
#include "ip/encap.h"
#include "ip/fragment.h"
#include "relay.h"
#include "sa.h"
#include "underlay/underlay.h"
#include "vip/vip.h"

static const struct relay_fwd *find(const struct rte_mbuf *m)
{
	const struct ip4_hdr *ip4 = rte_pktmbuf_mtod(m, const struct ip4_hdr *);
	const struct packet_meta *meta = packet_meta(m);
	const struct relay_fwd *f;
	struct ip_addr_words dst;

	if (ip4->version_ihl >> 4 == 4) {
		f = (const struct relay_fwd *)(uintptr_t)table_find(
			&relay_table4, underlay_key4(ip4->dst));
	} else {
		dst = ip6_words(((const struct ip6_hdr *)ip4)->dst);
		f = (const struct relay_fwd *)(uintptr_t)table_find(
			&relay_table6, (struct table_key){dst.hi, dst.lo});
	}
	return f && f->port == meta->port && f->vlan == meta->vlan ? f : NULL;
}

static bool wrap(struct worker *w, struct rte_mbuf *m, const struct relay_fwd *f)
{
	const uint8_t *inner = rte_pktmbuf_mtod(m, const uint8_t *);
	uint8_t protocol = inner[0] >> 4 == 4 ? IP_PROTO_IPIP : IP_PROTO_IP6IN;
	uint8_t tos = inner_tos(inner);
	uint32_t size = rte_pktmbuf_pkt_len(m);
	struct ip4_hdr *ip4;
	struct ip6_hdr *ip6;

	if (f->dst.family == IP_V4) {
		ip4 = (struct ip4_hdr *)rte_pktmbuf_prepend(m, IP4_SIZE);
		if (!ip4)
			return false;
		*ip4 = (struct ip4_hdr){.version_ihl = 0x45,
			.tos = tos,
			.size = be16((uint16_t)(size + IP4_SIZE)),
			.id = encap_id[w->index].next++,
			.ttl = 64,
			.protocol = protocol,
			.src = load32(f->src.bytes),
			.dst = load32(f->dst.bytes)};
		ip4->checksum = (uint16_t)~sum_ip4(ip4);
		return true;
	}
	ip6 = (struct ip6_hdr *)rte_pktmbuf_prepend(m, IP6_SIZE);
	if (!ip6)
		return false;
	*ip6 = (struct ip6_hdr){.version_class_flow = be32(6u << 28 | (uint32_t)tos << 20),
		.payload_size = be16((uint16_t)size),
		.next_header = protocol,
		.hop_limit = 64};
	memcpy(ip6->src, f->src.bytes, 16);
	memcpy(ip6->dst, f->dst.bytes, 16);
	return true;
}

static void send(struct worker *w, struct rte_mbuf *m, const struct relay_fwd *f)
{
	packet_meta(m)->out = f->hop;
	if (rte_pktmbuf_pkt_len(m) <= f->mtu)
		node_push(w, NODE_HOP_OUT, m);
	else if (f->dst.family == IP_V4)
		ip_too_big(w, m, f->mtu, NODE_HOP_OUT);
	else
		packet_drop(w, m, DROP_MTU_EXCEEDED);
}

void relay_send(struct worker *w, struct rte_mbuf *m, const struct relay_fwd *f)
{
	if (packet_meta(m)->flags & PACKET_F_RELAYED)
		packet_drop(w, m, DROP_RELAY_TWICE);
	else if (!wrap(w, m, f))
		packet_drop(w, m, DROP_NO_BUFFER);
	else
		send(w, m, f);
}

// Relayed to the slot's PA already, by one who has not heard yet that the slot has moved: goes on
// as it is, so that its holder takes off one header.
static bool is_relayed_there(const struct rte_mbuf *m, const struct relay_fwd *f)
{
	const uint8_t *ip = rte_pktmbuf_mtod(m, const uint8_t *);
	bool v4 = ip[0] >> 4 == 4;
	uint8_t protocol = v4 ? ip[9] : ip[6];
	struct ip_addr dst = ip_from_bytes(v4 ? IP_V4 : IP_V6, ip + (v4 ? 16 : 24));

	return (protocol == IP_PROTO_IPIP || protocol == IP_PROTO_IP6IN) && ip_equal(&dst, &f->dst);
}

// ESP to a public address that has moved, of a slot that is elsewhere again: straight there, since
// the address's new holder may not pass on what was passed on to it.
static const struct relay_fwd *by_spi(const struct rte_mbuf *m, const struct relay_fwd *f)
{
	const uint8_t *ip = rte_pktmbuf_mtod(m, const uint8_t *);
	bool is_v6 = ip[0] >> 4 == 6;
	const struct udp_hdr *udp = (const struct udp_hdr *)(ip + m->l3_len);
	const void *spi = (is_v6 ? ip[6] : ip[9]) == IP_PROTO_ESP ? (const void *)udp : udp + 1;
	const struct relay_fwd *there;

	if (rte_pktmbuf_data_len(m) < m->l3_len + UDP_SIZE + 4u)
		return f;
	if (spi != udp &&
		((is_v6 ? ip[6] : ip[9]) != IP_PROTO_UDP || udp->dst != be16(UDP_PORT_IKENAT)))
		return f;
	there = vip_relay(is_v6, (uint16_t)API_SPI_SLOT(be32(load32(spi))));
	return there ? there : f;
}

static void take(struct worker *w, struct rte_mbuf *m)
{
	const struct relay_fwd *f = find(m);

	if (!f)
		packet_drop(w, m, DROP_UNDERLAY_NOT_LOCAL);
	else if (is_relayed_there(m, f))
		send(w, m, f);
	else
		relay_send(w, m, by_spi(m, f));
}

static void relay_out_run(struct worker *w, struct rte_mbuf **pkts, uint16_t n)
{
	for (uint16_t i = 0; i < n; i++)
		take(w, pkts[i]);
}

const struct node node_relay_out = {.name = "relay_out", .run = relay_out_run};
