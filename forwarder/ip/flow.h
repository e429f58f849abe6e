// SPDX-License-Identifier: Apache-2.0
#pragma once

// The flow of a packet: addresses, protocol, and ports where they are in this packet. Symmetry is
// not wanted: each direction keeps to itself.

#include "ip/wire.h"
#include "packet.h"

static inline uint32_t flow_mix(uint64_t h)
{
	h *= UINT64_C(0x9e3779b97f4a7c15);
	return (uint32_t)(h >> 32) ^ (uint32_t)h >> 7;
}

static inline uint32_t flow_ports(const uint8_t *p, uint8_t protocol, uint16_t at, uint16_t have)
{
	bool has_ports = protocol == IP_PROTO_TCP || protocol == IP_PROTO_UDP;

	return has_ports && have >= at + 4 ? load32(p + at) : 0;
}

// p: the IP header, which has been checked, and `have` bytes with it.
static inline uint32_t flow_hash_at(const uint8_t *p, uint16_t have)
{
	uint64_t h;

	if (p[0] >> 4 == 4) {
		const struct ip4_hdr *ip = (const struct ip4_hdr *)p;
		uint32_t ports = 0;

		// Fragments of one packet have no ports in common; the packet's flow does without.
		if (!(ip->fragment & be16(IP4_FRAG_MASK)))
			ports = flow_ports(p, ip->protocol, (uint16_t)((p[0] & 0xf) * 4), have);
		h = load64(&ip->src) * UINT64_C(0xd6e8feb86659fd93) ^
		    ((uint64_t)ports << 8 | ip->protocol);
	} else {
		const struct ip6_hdr *ip = (const struct ip6_hdr *)p;
		uint32_t ports = flow_ports(p, ip->next_header, IP6_SIZE, have);

		h = load64(ip->src) * 3 ^ load64(ip->src + 8) * 5 ^ load64(ip->dst) * 7 ^
		    load64(ip->dst + 8) * 11;
		h = h * UINT64_C(0xd6e8feb86659fd93) ^ ((uint64_t)ports << 8 | ip->next_header);
	}
	return flow_mix(h ^ h >> 29);
}

// Data starts at the IP header.
static inline uint32_t flow_hash(const struct rte_mbuf *m)
{
	return flow_hash_at(rte_pktmbuf_mtod(m, const uint8_t *), rte_pktmbuf_data_len(m));
}
