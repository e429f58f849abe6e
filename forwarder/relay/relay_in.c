// SPDX-License-Identifier: Apache-2.0

// Packets relayed to us by IP-in-IP: the header in front goes, and the packet is looked at as if it
// had come directly. Only a neighbour on one of our own links may relay: an address there can not
// be forged from beyond the provider's border, which keeps forged inner sources out as well. Data
// starts at the outer IP header, m->l3_len its size.

#include "graph.h"
#include "ip/wire.h"
#include "underlay/underlay.h"
#include "worker.h"

static bool from_neighbour(const struct rte_mbuf *m)
{
	const uint8_t *p = rte_pktmbuf_mtod(m, const uint8_t *);
	bool v4 = p[0] >> 4 == 4;
	struct ip_addr src = ip_from_bytes(v4 ? IP_V4 : IP_V6, p + (v4 ? 12 : 8));

	return underlay_on_link(&src);
}

static void relay_in_run(struct worker *w, struct rte_mbuf **pkts, uint16_t n)
{
	for (uint16_t i = 0; i < n; i++) {
		struct rte_mbuf *m = pkts[i];
		uint8_t *p = rte_pktmbuf_mtod(m, uint8_t *) - m->l2_len;

		if (packet_meta(m)->flags & PACKET_F_RELAYED) {
			packet_drop(w, m, DROP_RELAY_TWICE);
			continue;
		}
		if (!from_neighbour(m)) {
			packet_drop(w, m, DROP_RELAY_STRANGER);
			continue;
		}
		// Answers need the link's header in front of what is left.
		memmove(p + m->l3_len, p, m->l2_len);
		rte_pktmbuf_adj(m, (uint16_t)m->l3_len);
		packet_meta(m)->flags |= PACKET_F_RELAYED;
		node_push(w, NODE_UNDERLAY_IP, m);
	}
}

const struct node node_relay_in = {.name = "relay_in", .run = relay_in_run};
