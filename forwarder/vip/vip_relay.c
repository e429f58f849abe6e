// SPDX-License-Identifier: Apache-2.0

// IKE and ESP to a public address answered for here, of a slot that another gateway holds: wrapped
// and sent to that slot's PA. Data starts at the outer IP header, m->l3_len its size; who pushes
// here has found that the slot's relay was there.

#include "graph.h"
#include "ip/wire.h"
#include "vip.h"
#include "worker.h"

#define SPI_SLOT_SHIFT 20

// Of ESP, plain or in UDP, else of IKE.
static uint16_t slot_of(const struct rte_mbuf *m)
{
	const uint8_t *ip = rte_pktmbuf_mtod(m, const uint8_t *);
	const struct udp_hdr *udp = (const struct udp_hdr *)(ip + m->l3_len);
	uint8_t protocol = ip[0] >> 4 == 4 ? ip[9] : ip[6];

	if (protocol == IP_PROTO_ESP)
		return (uint16_t)(be32(load32(udp)) >> SPI_SLOT_SHIFT);
	if (udp->dst == be16(UDP_PORT_IKENAT) && load32(udp + 1) != 0)
		return (uint16_t)(be32(load32(udp + 1)) >> SPI_SLOT_SHIFT);
	return vip_slot_of_ike(m);
}

static void vip_relay_run(struct worker *w, struct rte_mbuf **pkts, uint16_t n)
{
	for (uint16_t i = 0; i < n; i++) {
		struct rte_mbuf *m = pkts[i];
		bool is_v6 = *rte_pktmbuf_mtod(m, const uint8_t *) >> 4 == 6;
		const struct relay_fwd *f = vip_relay(is_v6, slot_of(m));

		if (f)
			relay_send(w, m, f);
		else
			packet_drop(w, m, DROP_SLOT_INACTIVE); // it came here just now
	}
}

const struct node node_vip_relay = {.name = "vip_relay", .run = vip_relay_run};
