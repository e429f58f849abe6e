// SPDX-License-Identifier: Apache-2.0

// Packets on the VLAN of an L3 connection.

#include "conn/conn_in.h"
#include "graph.h"
#include "rcu.h"
#include "worker.h"

static void l3_in_run(struct worker *w, struct rte_mbuf **pkts, uint16_t n)
{
	for (uint16_t i = 0; i < n; i++) {
		const struct packet_meta *meta = packet_meta(pkts[i]);
		const struct l3_link *l = rcu_load(&l3_link_table[meta->port][meta->vlan]);

		if (likely(l != NULL))
			conn_in(w, pkts[i], l->conn);
		else
			packet_drop(w, pkts[i], DROP_VLAN_UNKNOWN);
	}
}

const struct node node_l3_in = {.name = "l3_in", .run = l3_in_run};
