// SPDX-License-Identifier: Apache-2.0

#include "tenant_reply.h"

static void fix_udp(struct udp_hdr *udp, size_t size)
{
	udp->size = be16((uint16_t)size);
	udp->checksum = 0; // as in all we send, RFC 7348 section 5 and RFC 6935
}

void tunnel_reply(struct worker *w, struct rte_mbuf *m)
{
	struct ip4_hdr *ip4 = rte_pktmbuf_mtod(m, struct ip4_hdr *);
	struct ip6_hdr *ip6 = (struct ip6_hdr *)ip4;
	uint32_t size = rte_pktmbuf_pkt_len(m);

	if (ip4->version_ihl >> 4 == 4) {
		uint16_t header = (uint16_t)((ip4->version_ihl & 0xf) * 4);

		ip4->size = be16((uint16_t)size);
		ip4->tos = 0;
		ip4->ttl = 64;
		ip4->checksum = 0;
		ip4->checksum = (uint16_t)~sum_bytes(ip4, header, 0);
		if (ip4->protocol == IP_PROTO_UDP)
			fix_udp((struct udp_hdr *)((uint8_t *)ip4 + header), size - header);
	} else {
		ip6->version_class_flow = be32(6u << 28);
		ip6->payload_size = be16((uint16_t)(size - IP6_SIZE));
		ip6->hop_limit = 64;
		if (ip6->next_header == IP_PROTO_UDP)
			fix_udp((struct udp_hdr *)(ip6 + 1), size - IP6_SIZE);
	}
	packet_meta(m)->csum_start = 0; // what was owed was the question's
	tenant_reply(w, m);
}
