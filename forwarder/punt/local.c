// SPDX-License-Identifier: Apache-2.0

// Packets for the gateway itself. Echo requests are answered here, in the underlay and in tenants'
// networks; TCP and UDP of a tenant go to the TUN in its VRF's namespace, and BGP of the provider's
// routers with the gateway's own address to that of the underlay. Data starts at the IP header;
// meta.vrf 0 is the underlay.

#include "arp/tenant_reply.h"
#include "bfd/peers.h"
#include "control.h"
#include "graph.h"
#include "ip/wire.h"
#include "punt/tun.h"
#include "rcu.h"
#include "vrf/vrf.h"
#include "worker.h"

#define BGP_PORT 179
#define TCP_SIZE 20

#define ICMP4_ECHO  8
#define ICMP4_REPLY 0
#define ICMP6_ECHO  128
#define ICMP6_REPLY 129

#define ICMP4_UNREACHABLE    3
#define ICMP4_NEEDS_FRAGMENT 4
#define ICMP6_TOO_BIG        2

// In an underlay the answer goes back by the link it came by; in a tenant it is routed.
static void send_back(struct worker *w, struct rte_mbuf *m, struct packet_meta *meta)
{
	uint8_t *ip = rte_pktmbuf_mtod(m, uint8_t *);

	if (meta->vrf == 0) {
		tenant_reply(w, m);
		return;
	}
	if (ip[0] >> 4 == 4)
		swap_bytes(ip + 12, ip + 16, 4);
	else
		swap_bytes(ip + 8, ip + 24, 16);
	meta->source = PACKET_FROM_LOCAL;
	node_push(w, NODE_IP_FORWARD, m);
}

static enum drop_reason echo4(struct rte_mbuf *m, struct ip4_hdr *ip)
{
	uint16_t header = (uint16_t)((ip->version_ihl & 0xf) * 4);
	struct icmp_hdr *icmp = rte_pktmbuf_mtod_offset(m, struct icmp_hdr *, header);
	uint16_t old;

	if (rte_pktmbuf_data_len(m) < header + sizeof(*icmp))
		return DROP_ICMP_BAD;
	if (m->nb_segs == 1 && !packet_meta(m)->csum_start &&
		sum_bytes(icmp, (size_t)(rte_pktmbuf_data_len(m) - header), 0) != 0xffff)
		return DROP_ICMP_BAD;
	if (icmp->type != ICMP4_ECHO || icmp->code)
		return DROP_ICMP_DONE;
	old = load16(icmp);
	icmp->type = ICMP4_REPLY;
	checksum_replace(&icmp->checksum, old, load16(icmp));
	old = load16(&ip->ttl);
	ip->ttl = 64;
	checksum_replace(&ip->checksum, old, load16(&ip->ttl));
	return DROP_NONE;
}

static enum drop_reason echo6(struct rte_mbuf *m, struct ip6_hdr *ip)
{
	struct icmp_hdr *icmp = (struct icmp_hdr *)(ip + 1);
	uint32_t size = rte_pktmbuf_pkt_len(m) - IP6_SIZE, sum;
	uint16_t old;

	if (rte_pktmbuf_data_len(m) < IP6_SIZE + sizeof(*icmp))
		return DROP_ICMP_BAD;
	sum = sum_bytes(ip->src, 32, (uint32_t)be16((uint16_t)size) + be16(IP_PROTO_ICMP6));
	if (m->nb_segs == 1 && !packet_meta(m)->csum_start && sum_bytes(icmp, size, sum) != 0xffff)
		return DROP_ICMP_BAD;
	if (icmp->type != ICMP6_ECHO || icmp->code)
		return DROP_ICMP_DONE;
	old = load16(icmp);
	icmp->type = ICMP6_REPLY;
	checksum_replace(&icmp->checksum, old, load16(icmp));
	ip->hop_limit = 64;
	return DROP_NONE;
}

// An ICMP error whose checksum was right: of those about the path of our tunnels the control thread
// learns. False: m is still the caller's.
static bool learn_path(struct worker *w, struct rte_mbuf *m)
{
	const uint8_t *ip = rte_pktmbuf_mtod(m, const uint8_t *), *icmp;

	if (packet_meta(m)->vrf != 0 || m->nb_segs != 1)
		return false;
	icmp = ip + (ip[0] >> 4 == 4 ? (ip[0] & 15) * 4 : IP6_SIZE);
	if (ip[0] >> 4 == 4 ? icmp[0] != ICMP4_UNREACHABLE || icmp[1] != ICMP4_NEEDS_FRAGMENT
			    : icmp[0] != ICMP6_TOO_BIG)
		return false;
	return control_push(w, CONTROL_ICMP_ERROR, m);
}

static bool is_bfd(const struct rte_mbuf *m)
{
	const uint8_t *ip = rte_pktmbuf_mtod(m, const uint8_t *);
	bool v4 = ip[0] >> 4 == 4;
	uint16_t header = v4 ? (uint16_t)((ip[0] & 0xf) * 4) : IP6_SIZE;
	const struct udp_hdr *udp = (const struct udp_hdr *)(ip + header);

	if (ip[v4 ? 9 : 6] != IP_PROTO_UDP || rte_pktmbuf_data_len(m) < header + UDP_SIZE)
		return false;
	if (v4 && load16(ip + 6) & be16(IP4_FRAG_MASK))
		return false;
	return udp->dst == be16(BFD_PORT) || udp->dst == be16(BFD_PORT_MULTIHOP);
}

// TCP from or to port 179, whole, to an address that does not float.
static bool is_provider_bgp(const struct rte_mbuf *m, const struct packet_meta *meta)
{
	const uint8_t *ip = rte_pktmbuf_mtod(m, const uint8_t *);
	bool v4 = ip[0] >> 4 == 4;
	uint16_t header = v4 ? (uint16_t)((ip[0] & 0xf) * 4) : IP6_SIZE;
	const uint16_t *ports = (const uint16_t *)(const void *)(ip + header);

	if (meta->slot || ip[v4 ? 9 : 6] != IP_PROTO_TCP ||
		rte_pktmbuf_data_len(m) < header + TCP_SIZE)
		return false;
	if (v4 && load16(ip + 6) & be16(IP4_FRAG_MASK))
		return false;
	return load16(&ports[0]) == be16(BGP_PORT) || load16(&ports[1]) == be16(BGP_PORT);
}

static bool has_tun(const struct rte_mbuf *m, const struct packet_meta *meta)
{
	const struct vrf_fwd *v;

	if (!meta->vrf)
		return atomic_load_explicit(&tun_underlay, memory_order_relaxed) &&
		       is_provider_bgp(m, meta);
	v = rcu_load(&vrf_fwd_table[meta->vrf]);
	return v && v->has_tun;
}

static void punt(struct worker *w, struct rte_mbuf *m, const struct packet_meta *meta)
{
	if (!has_tun(m, meta))
		packet_drop(w, m, meta->vrf ? DROP_PUNT_NO_TUN : DROP_UNDERLAY_PROTOCOL);
	else if (!control_push(w, CONTROL_PUNT_TUN, m))
		packet_drop(w, m, DROP_PUNT_QUEUE_FULL);
}

static void local_run(struct worker *w, struct rte_mbuf **pkts, uint16_t n)
{
	for (uint16_t i = 0; i < n; i++) {
		struct rte_mbuf *m = pkts[i];
		struct packet_meta *meta = packet_meta(m);
		uint8_t *p = rte_pktmbuf_mtod(m, uint8_t *);
		struct ip4_hdr *ip4 = (struct ip4_hdr *)p;
		struct ip6_hdr *ip6 = (struct ip6_hdr *)p;
		enum drop_reason reason;

		if (p[0] >> 4 == 4 && ip4->protocol == IP_PROTO_ICMP &&
			!(ip4->fragment & be16(IP4_FRAG_MASK))) {
			reason = echo4(m, ip4);
		} else if (p[0] >> 4 == 6 && ip6->next_header == IP_PROTO_ICMP6) {
			reason = echo6(m, ip6);
		} else if (is_bfd(m)) {
			node_push(w, NODE_BFD_IN, m);
			continue;
		} else {
			punt(w, m, meta);
			continue;
		}
		if (reason == DROP_NONE)
			send_back(w, m, meta);
		else if (reason != DROP_ICMP_DONE || !learn_path(w, m))
			packet_drop(w, m, reason);
	}
}

const struct node node_local = {.name = "local", .run = local_run};
