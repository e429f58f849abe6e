// SPDX-License-Identifier: Apache-2.0

// Neighbour discovery on tenants' subnets: solicitations for the gateway's own addresses and its
// link-local one are answered with the tenant slot's MAC, router solicitations with an
// advertisement, both back to the host the question came from. Hosts' addresses are the
// controller's to give: prefixes are on-link but not for autoconfiguration.
//
// Data starts at the outer IP header; meta.out is the size of what stands before the inner frame,
// meta.hash the VNI.

#include "arp/tenant_reply.h"
#include "graph.h"
#include "nd_message.h"
#include "rcu.h"
#include "subnet/subnet.h"
#include "underlay/underlay.h"
#include "worker.h"

// RFC 8319: hosts on an overlay without multicast hear no periodic advertisements.
#define ROUTER_LIFETIME_S    65535
#define VALID_LIFETIME_S     2592000 // RFC 4861 section 6.2.1
#define PREFERRED_LIFETIME_S 604800

struct nd_router { // section 4.2
	uint8_t type, code;
	uint16_t checksum;
	uint8_t hop_limit, flags;
	uint16_t lifetime_s;
	uint32_t reachable_ms, retransmit_ms;
} __attribute__((packed));

struct nd_mac_option {
	uint8_t option, len;
	uint8_t mac[6];
} __attribute__((packed));

struct nd_mtu_option {
	uint8_t option, len;
	uint16_t reserved;
	uint32_t mtu;
} __attribute__((packed));

struct nd_prefix_option {
	uint8_t option, len, prefix_len, flags;
	uint32_t valid_s, preferred_s, reserved;
	uint8_t prefix[16];
} __attribute__((packed));

#define ND_OPTION_PREFIX 3
#define ND_OPTION_MTU    5
#define ND_PREFIX_F_LINK 0x80

#define ADVERT_MAX                                                            \
	(IP6_SIZE + sizeof(struct nd_router) + sizeof(struct nd_mac_option) + \
		sizeof(struct nd_mtu_option) + SUBNET_PREFIXES * sizeof(struct nd_prefix_option))

// RFC 4291 appendix A.
static void link_local(uint8_t *addr, const uint8_t *mac)
{
	const uint8_t id[8] = {mac[0] ^ 2, mac[1], mac[2], 0xff, 0xfe, mac[3], mac[4], mac[5]};

	memset(addr, 0, 8);
	addr[0] = 0xfe;
	addr[1] = 0x80;
	memcpy(addr + 8, id, 8);
}

// The slot and MAC that answer for this address; 0: not ours.
static uint64_t owner_of(const struct subnet_fwd *s, const uint8_t *addr)
{
	struct ip_addr_words words = ip6_words(addr);
	uint8_t own[16], mac[6];
	uint64_t id;

	for (unsigned i = 0; i < s->gateway_count; i++) {
		mac_put(mac, s->gateway[i]);
		link_local(own, mac);
		if (memcmp(own, addr, 16) == 0)
			return s->gateway[i];
	}
	id = table_find(&underlay_interned6, (struct table_key){words.hi, words.lo});
	return id ? table_find(&local_table, (struct table_key){(uint64_t)s->vni << 8 | IP_V6, id})
		  : 0;
}

static uint16_t put_router(uint8_t *p, const struct subnet_fwd *s, const struct nd_message *asked)
{
	struct ip6_hdr *ip = (struct ip6_hdr *)p;
	struct nd_router *ra = (struct nd_router *)(ip + 1);
	struct nd_mac_option mac = {.option = ND_OPTION_SOURCE_MAC, .len = 1};
	uint8_t *at = (uint8_t *)(ra + 1);
	uint16_t size;

	*ip = (struct ip6_hdr){.version_class_flow = be32(6u << 28 | 0xc0u << 20),
		.next_header = IP_PROTO_ICMP6,
		.hop_limit = 255};
	*ra = (struct nd_router){
		.type = ND_ROUTER_ADVERT, .hop_limit = 64, .lifetime_s = be16(ROUTER_LIFETIME_S)};
	mac_put(mac.mac, s->router);
	link_local(ip->src, mac.mac);
	memcpy(ip->dst, asked->is_from_nobody ? nd_all_nodes : asked->ip->src, 16);
	memcpy(at, &mac, sizeof(mac));
	at += sizeof(mac);
	if (s->mtu) {
		struct nd_mtu_option mtu = {ND_OPTION_MTU, 1, 0, be32(s->mtu)};

		memcpy(at, &mtu, sizeof(mtu));
		at += sizeof(mtu);
	}
	for (unsigned i = 0; i < s->prefix6_count; i++) {
		struct nd_prefix_option o = {.option = ND_OPTION_PREFIX,
			.len = 4,
			.prefix_len = s->prefix6[i].len,
			.flags = ND_PREFIX_F_LINK,
			.valid_s = be32(VALID_LIFETIME_S),
			.preferred_s = be32(PREFERRED_LIFETIME_S)};

		memcpy(o.prefix, s->prefix6[i].addr.bytes, 16);
		memcpy(at, &o, sizeof(o));
		at += sizeof(o);
	}
	size = (uint16_t)(at - (uint8_t *)ra);
	ip->payload_size = be16(size);
	ra->checksum = nd_checksum(ip, ra, size);
	return (uint16_t)(IP6_SIZE + size);
}

// What to say, and who says it. 0: nothing.
static uint16_t answer_put(
	const struct subnet_fwd *s, const struct nd_message *nd, uint8_t *p, uint64_t *ret_owner)
{
	uint8_t mac[6];

	if (nd->type == ND_ROUTER_SOLICIT) {
		*ret_owner = s->router;
		return s->router ? put_router(p, s, nd) : 0;
	}
	if (nd->type != ND_NEIGHBOUR_SOLICIT)
		return 0;
	*ret_owner = owner_of(s, nd->target);
	mac_put(mac, *ret_owner);
	nd_put_advert(p, nd, mac);
	return *ret_owner ? IP6_SIZE + sizeof(struct nd_neighbour) : 0;
}

// The inner packet is replaced by p; the tunnel's headers are kept and turned round.
static void send(struct worker *w, struct rte_mbuf *m, uint16_t header, const uint8_t *p,
	uint16_t size, uint64_t owner)
{
	uint32_t want = (uint32_t)header + ETH_SIZE + size, have = rte_pktmbuf_pkt_len(m);
	struct eth_hdr *eth;

	if (m->nb_segs != 1 || (want > have && !rte_pktmbuf_append(m, (uint16_t)(want - have)))) {
		packet_drop(w, m, DROP_NO_BUFFER);
		return;
	}
	if (want < have)
		rte_pktmbuf_trim(m, (uint16_t)(have - want));
	eth = rte_pktmbuf_mtod_offset(m, struct eth_hdr *, header);
	memcpy(eth->dst, eth->src, 6);
	mac_put(eth->src, owner);
	memcpy(eth + 1, p, size);
	w->drops[DROP_ND_DONE]++;
	tunnel_reply(w, m);
}

static void take(struct worker *w, struct rte_mbuf *m)
{
	const struct packet_meta *meta = packet_meta(m);
	uint16_t header = (uint16_t)meta->out, at = (uint16_t)(header + ETH_SIZE), size;
	const struct subnet_fwd *s = subnet_of_vni(meta->hash);
	uint8_t bytes[ADVERT_MAX];
	struct nd_message nd;
	uint64_t owner = 0;

	if (!s || !nd_read(rte_pktmbuf_mtod_offset(m, const struct ip6_hdr *, at),
			  (size_t)(rte_pktmbuf_data_len(m) - at), &nd)) {
		packet_drop(w, m, DROP_ND_INVALID);
		return;
	}
	size = answer_put(s, &nd, bytes, &owner);
	if (!size || (uint16_t)(owner >> 48) != meta->slot)
		packet_drop(w, m, DROP_ND_NOT_OURS);
	else
		send(w, m, header, bytes, size, owner);
}

static void nd_tenant_run(struct worker *w, struct rte_mbuf **pkts, uint16_t n)
{
	for (uint16_t i = 0; i < n; i++)
		take(w, pkts[i]);
}

const struct node node_nd_tenant = {.name = "nd_tenant", .run = nd_tenant_run};
