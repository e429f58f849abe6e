// SPDX-License-Identifier: Apache-2.0

// Frames from ports: whose link is it, what is in it. Leaves the data at the network header.

#include <rte_prefetch.h>

#include "conn/conn.h"
#include "graph.h"
#include "ip/wire.h"
#include "port.h"
#include "rcu.h"
#include "underlay/underlay.h"
#include "worker.h"

static inline bool is_for(const struct eth_hdr *eth, const struct port *port)
{
	return ((load32(eth->dst) ^ load32(port->mac.bytes)) |
		       (uint32_t)(load16(eth->dst + 4) ^ load16(port->mac.bytes + 4))) == 0;
}

// What is neither IP nor for our MAC: ARP, and multicast that ND uses.
static void eth_other(struct worker *w, struct rte_mbuf *m, uint16_t type, bool ours)
{
	if (type == be16(ETH_TYPE_ARP))
		node_push(w, NODE_ARP, m);
	else if (!ours)
		packet_drop(w, m, DROP_ETH_NOT_OURS);
	else
		packet_drop(w, m, DROP_ETH_UNKNOWN_TYPE);
}

static void eth_run(struct worker *w, struct rte_mbuf **pkts, uint16_t n)
{
	for (uint16_t i = 0; i < n; i++) {
		struct rte_mbuf *m = pkts[i];
		struct packet_meta *meta = packet_meta(m);
		const struct eth_hdr *eth = rte_pktmbuf_mtod(m, const struct eth_hdr *);
		uint16_t size = ETH_SIZE, type, vlan = 0;
		bool ours, is_group;

		if (i + 4 < n)
			rte_prefetch0(rte_pktmbuf_mtod(pkts[i + 4], const void *));
		if (unlikely(rte_pktmbuf_data_len(m) < ETH_SIZE + VLAN_TAG_SIZE)) {
			packet_drop(w, m, DROP_ETH_SHORT);
			continue;
		}
		type = eth->type;
		if (type == be16(ETH_TYPE_VLAN)) {
			const struct vlan_tag *tag = (const struct vlan_tag *)(eth + 1);

			vlan = be16(tag->tci) & 0xfff;
			type = tag->type;
			size += VLAN_TAG_SIZE;
		}
		meta->vlan = vlan;
		ours = is_for(eth, port_table[meta->port]);
		is_group = eth->dst[0] & 1;
		rte_pktmbuf_adj(m, size);
		m->l2_len = size;
		if (unlikely((!ours && !(is_group && type == be16(ETH_TYPE_IP6))) ||
			     (type != be16(ETH_TYPE_IP4) && type != be16(ETH_TYPE_IP6)))) {
			eth_other(w, m, type, ours);
			continue;
		}
		if (rcu_load(&l3_link_table[meta->port][vlan]))
			node_push(w, NODE_L3_IN, m);
		else if (likely(underlay_links[meta->port][vlan]))
			node_push(w, NODE_UNDERLAY_IP, m);
		else
			packet_drop(w, m, DROP_VLAN_UNKNOWN);
	}
}

const struct node node_eth = {.name = "eth", .run = eth_run};
