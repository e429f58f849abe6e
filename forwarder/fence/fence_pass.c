// SPDX-License-Identifier: Apache-2.0

#include "fence_pass.h"

#include "ip/wire.h"
#include "nd/nd_wire.h"
#include "packet.h"
#include "underlay/underlay.h"

struct link {
	uint16_t port, vlan, type;
	const uint8_t *at; // behind the Ethernet header
	uint32_t size;
};

static bool is_own(const struct link *l, uint64_t found)
{
	struct underlay_local local = underlay_unpack(found);

	return local.kinds == UNDERLAY_OWN && local.port == l->port && local.vlan == l->vlan;
}

static bool is_own4(const struct link *l, const void *addr)
{
	return is_own(l, table_find(&underlay_local4, underlay_key4(load32(addr))));
}

static bool is_own6(const struct link *l, const uint8_t *addr)
{
	struct ip_addr_words w = ip6_words(addr);

	return is_own(l, table_find(&underlay_local6, (struct table_key){w.hi, w.lo}));
}

static bool passes6(const struct link *l)
{
	const struct ip6_hdr *ip = (const struct ip6_hdr *)l->at;
	const struct nd_neighbour *nd = (const struct nd_neighbour *)(ip + 1);

	if (l->size < IP6_SIZE || !is_own6(l, ip->src))
		return false;
	// An answer may come from one address and speak for another.
	if (ip->next_header != IP_PROTO_ICMP6 || l->size < IP6_SIZE + sizeof(*nd) ||
		nd->type != ND_NEIGHBOUR_ADVERT)
		return true;
	return is_own6(l, nd->target);
}

bool fence_pass(const struct rte_mbuf *m)
{
	const struct eth_hdr *eth = rte_pktmbuf_mtod(m, const struct eth_hdr *);
	const struct vlan_tag *tag = (const struct vlan_tag *)(eth + 1);
	struct link l = {.port = packet_meta(m)->port, .size = rte_pktmbuf_data_len(m)};
	uint32_t header = ETH_SIZE;

	if (l.size < ETH_SIZE + VLAN_TAG_SIZE)
		return false;
	l.type = be16(eth->type);
	if (l.type == ETH_TYPE_VLAN) {
		l.vlan = be16(tag->tci) & 0xfff;
		l.type = be16(tag->type);
		header += VLAN_TAG_SIZE;
	}
	l.at = (const uint8_t *)eth + header;
	l.size -= header;
	switch (l.type) {
	case ETH_TYPE_ARP:
		return l.size >= sizeof(struct arp_hdr) &&
		       is_own4(&l, ((const struct arp_hdr *)l.at)->sender_ip);
	case ETH_TYPE_IP4:
		return l.size >= IP4_SIZE && is_own4(&l, &((const struct ip4_hdr *)l.at)->src);
	case ETH_TYPE_IP6: return passes6(&l);
	default: return false;
	}
}
