// SPDX-License-Identifier: Apache-2.0

// To a host of the tenant: the virtual machine's MAC, VXLAN or NVGRE, the host's PA.

#include "control.h"
#include "graph.h"
#include "ip/encap.h"
#include "ip/flow.h"
#include "worker.h"

#include <rte_prefetch.h>

static void overlay_out_run(struct worker *w, struct rte_mbuf **pkts, uint16_t n)
{
	for (uint16_t i = 0; i < n; i++) {
		const struct adj *adj = rcu_load(&adj_table[packet_meta(pkts[i])->out]);

		rte_prefetch0((const uint8_t *)adj + 64);
		rte_prefetch0(&hop_table[adj->hop]);
	}
	hop_prefetch(pkts, n);
	for (uint16_t i = 0; i < n; i++) {
		struct rte_mbuf *m = pkts[i];
		const struct adj *adj = rcu_load(&adj_table[packet_meta(m)->out]);
		const uint8_t *inner = rte_pktmbuf_mtod(m, const uint8_t *);
		bool is_ip6 = inner[0] >> 4 == 6;
		uint32_t hash = flow_hash(m);
		uint16_t ip_size;
		uint8_t *p;

		if (unlikely(adj->type != ADJ_OVERLAY)) { // changed since the lookup
			packet_drop(w, m, DROP_HOST_UNKNOWN);
			continue;
		}
		p = encap_put(w, m, adj, inner_tos(inner));
		if (unlikely(!p))
			continue;
		if (is_ip6)
			((struct eth_hdr *)(p + adj->size - ETH_SIZE))->type = be16(ETH_TYPE_IP6);
		ip_size = adj->flags & ADJ_F_OUTER6 ? IP6_SIZE : IP4_SIZE;
		encap_flow(p + ip_size, adj, hash, (uint16_t)(rte_pktmbuf_pkt_len(m) - ip_size));
		hop_send(w, m, adj->hop);
	}
}

const struct node node_overlay_out = {.name = "overlay_out", .run = overlay_out_run};
