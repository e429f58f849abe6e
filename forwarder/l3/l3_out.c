// SPDX-License-Identifier: Apache-2.0

// To sites by VLAN: policed, counted, rewritten to the neighbour.

#include "control.h"
#include "graph.h"
#include "ip/encap.h"
#include "worker.h"

#include <rte_prefetch.h>

// The destination itself is the neighbour, and not known yet: the control thread finds it.
static void want_neighbour(struct worker *w, struct rte_mbuf *m, const struct adj *adj)
{
	packet_meta(m)->conn = adj->conn;
	packet_meta(m)->out = HOP_MAX;
	if (!control_push(w, CONTROL_NEIGHBOUR, m))
		packet_drop(w, m, DROP_NEIGHBOUR_UNRESOLVED);
}

static void l3_out_run(struct worker *w, struct rte_mbuf **pkts, uint16_t n)
{
	for (uint16_t i = 0; i < n; i++) {
		const struct adj *adj = rcu_load(&adj_table[packet_meta(pkts[i])->out]);

		rte_prefetch0(&w->conns[adj->conn]);
		rte_prefetch0(&hop_table[adj->hop]);
		if (adj->meter)
			rte_prefetch0(adj->meter);
	}
	hop_prefetch(pkts, n);
	for (uint16_t i = 0; i < n; i++) {
		struct rte_mbuf *m = pkts[i];
		const struct adj *adj = rcu_load(&adj_table[packet_meta(m)->out]);

		if (unlikely(adj->type != ADJ_L3 && adj->type != ADJ_L3_LINK)) {
			packet_drop(w, m, DROP_CONN_DOWN);
			continue;
		}
		if (!conn_out(w, m, adj))
			continue;
		if (likely(adj->type == ADJ_L3))
			hop_send(w, m, adj->hop);
		else
			want_neighbour(w, m, adj);
	}
}

const struct node node_l3_out = {.name = "l3_out", .run = l3_out_run};
