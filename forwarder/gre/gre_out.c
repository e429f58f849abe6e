// SPDX-License-Identifier: Apache-2.0

// To sites by GRE: policed, counted, wrapped.

#include "control.h"
#include "graph.h"
#include "ip/encap.h"
#include "worker.h"

#include <rte_prefetch.h>

static void gre_out_run(struct worker *w, struct rte_mbuf **pkts, uint16_t n)
{
	for (uint16_t i = 0; i < n; i++) {
		const struct adj *adj = rcu_load(&adj_table[packet_meta(pkts[i])->out]);

		rte_prefetch0(&w->conns[adj->conn]);
		rte_prefetch0((const uint8_t *)adj + 64);
		rte_prefetch0(&hop_table[adj->hop]);
		if (adj->meter)
			rte_prefetch0(adj->meter);
	}
	hop_prefetch(pkts, n);
	for (uint16_t i = 0; i < n; i++) {
		struct rte_mbuf *m = pkts[i];
		const struct adj *adj = rcu_load(&adj_table[packet_meta(m)->out]);
		const uint8_t *inner = rte_pktmbuf_mtod(m, const uint8_t *);
		bool is_ip6 = inner[0] >> 4 == 6;
		struct gre_hdr *gre;
		uint8_t *p;

		if (unlikely(adj->type != ADJ_GRE)) { // changed since the lookup
			packet_drop(w, m, DROP_CONN_DOWN);
			continue;
		}
		if (!conn_out(w, m, adj))
			continue;
		p = encap_put(w, m, adj, inner_tos(inner));
		if (unlikely(!p))
			continue;
		gre = (struct gre_hdr *)(p + (adj->flags & ADJ_F_OUTER6 ? IP6_SIZE : IP4_SIZE));
		gre->protocol = is_ip6 ? be16(ETH_TYPE_IP6) : be16(ETH_TYPE_IP4);
		if (unlikely(adj->flags & ADJ_F_IPSEC))
			node_push(w, NODE_ESP_OUT, m);
		else
			hop_send(w, m, adj->hop);
	}
}

const struct node node_gre_out = {.name = "gre_out", .run = gre_out_run};
