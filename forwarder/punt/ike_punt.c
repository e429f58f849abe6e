// SPDX-License-Identifier: Apache-2.0

// IKE datagrams to an address held here, on their way to the control thread. Data starts at the
// outer IP header, m->l3_len is its size, and the UDP header has been checked.

#include "control.h"
#include "graph.h"
#include "ip/wire.h"
#include "vip/vip.h"
#include "worker.h"

// RFC 7296 3.1: anything shorter than an IKE header is not IKE.
#define IKE_HEADER_SIZE 28

static bool is_ike(const struct rte_mbuf *m, const struct udp_hdr *udp)
{
	uint16_t marker = udp->dst == be16(UDP_PORT_IKENAT) ? 4 : 0;

	return be16(udp->size) >= UDP_SIZE + marker + IKE_HEADER_SIZE;
}

static bool is_held_elsewhere(const struct rte_mbuf *m)
{
	bool is_v6 = *rte_pktmbuf_mtod(m, const uint8_t *) >> 4 == 6;

	return vip_relay(is_v6, vip_slot_of_ike(m));
}

static void ike_punt_run(struct worker *w, struct rte_mbuf **pkts, uint16_t n)
{
	for (uint16_t i = 0; i < n; i++) {
		struct rte_mbuf *m = pkts[i];
		const struct udp_hdr *udp =
			rte_pktmbuf_mtod_offset(m, const struct udp_hdr *, m->l3_len);

		if (!is_ike(m, udp))
			packet_drop(w, m, DROP_UDP_BAD);
		else if (is_held_elsewhere(m))
			node_push(w, NODE_VIP_RELAY, m);
		else if (!control_push(w, CONTROL_PUNT_IKE, m))
			packet_drop(w, m, DROP_PUNT_QUEUE_FULL);
	}
}

const struct node node_ike_punt = {.name = "ike_punt", .run = ike_punt_run};
