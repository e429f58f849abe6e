// SPDX-License-Identifier: Apache-2.0

// Packets on the VLAN of an L3 connection.

#include "conn/conn_in.h"
#include "graph.h"
#include "nd/nd_message.h"
#include "rcu.h"
#include "worker.h"

static void l3_in_run(struct worker *w, struct rte_mbuf **pkts, uint16_t n)
{
	for (uint16_t i = 0; i < n; i++) {
		const struct packet_meta *meta = packet_meta(pkts[i]);
		const struct l3_link *l = rcu_load(&l3_link_table[meta->port][meta->vlan]);

		if (unlikely(l == NULL))
			packet_drop(w, pkts[i], DROP_VLAN_UNKNOWN);
		else if (nd_is(rte_pktmbuf_mtod(pkts[i], const uint8_t *),
				 rte_pktmbuf_data_len(pkts[i])))
			node_push(w, NODE_ND, pkts[i]);
		else
			conn_in(w, pkts[i], l->conn);
	}
}

const struct node node_l3_in = {.name = "l3_in", .run = l3_in_run};
