// SPDX-License-Identifier: Apache-2.0

// ARP on links (RFC 826): answers for addresses held here, passes what others say about themselves
// to the control thread, which keeps the neighbours.

#include "conn/conn.h"
#include "control.h"
#include "graph.h"
#include "ip/wire.h"
#include "port.h"
#include "rcu.h"
#include "slot/slot.h"
#include "underlay/underlay.h"
#include "worker.h"

static bool is_valid(const struct rte_mbuf *m)
{
	const struct arp_hdr *arp = rte_pktmbuf_mtod(m, const struct arp_hdr *);

	return rte_pktmbuf_data_len(m) >= sizeof(*arp) && arp->hw_type == be16(1) &&
	       arp->proto_type == be16(ETH_TYPE_IP4) && arp->hw_size == 6 && arp->proto_size == 4 &&
	       !(arp->sender_mac[0] & 1);
}

static bool is_held(const struct packet_meta *meta, const uint8_t *ip)
{
	const struct l3_link *l = rcu_load(&l3_link_table[meta->port][meta->vlan]);
	struct underlay_local local;

	if (!l) {
		local = underlay_unpack(table_find(&underlay_local4, underlay_key4(load32(ip))));
		return local.kinds && local.port == meta->port && local.vlan == meta->vlan &&
		       !rcu_load(&slot_yields[local.slot]);
	}
	if (l->conn->refused || rcu_load(&slot_yields[l->conn->slot]))
		return false;
	for (unsigned i = 0; i < l->addr_count; i++)
		if (l->addr[i].addr.family == IP_V4 && load32(l->addr[i].addr.bytes) == load32(ip))
			return true;
	return false;
}

static void answer(struct worker *w, const struct rte_mbuf *asked)
{
	const struct packet_meta *meta = packet_meta(asked);
	const struct arp_hdr *request = rte_pktmbuf_mtod(asked, const struct arp_hdr *);
	const uint8_t *own = port_table[meta->port]->mac.bytes;
	struct vlan_tag tag = {be16(meta->vlan), be16(ETH_TYPE_ARP)};
	uint16_t header = meta->vlan ? ETH_SIZE + VLAN_TAG_SIZE : ETH_SIZE;
	struct rte_mbuf *m = packet_new(w);
	struct eth_hdr *eth;
	struct arp_hdr *arp;

	if (!m)
		return;
	eth = (struct eth_hdr *)rte_pktmbuf_append(m, (uint16_t)(header + sizeof(*arp)));
	memcpy(eth->dst, request->sender_mac, 6);
	memcpy(eth->src, own, 6);
	eth->type = meta->vlan ? be16(ETH_TYPE_VLAN) : be16(ETH_TYPE_ARP);
	if (meta->vlan)
		memcpy(eth + 1, &tag, sizeof(tag));
	arp = (struct arp_hdr *)((uint8_t *)eth + header);
	*arp = (struct arp_hdr){be16(1), be16(ETH_TYPE_IP4), 6, 4, be16(2)};
	memcpy(arp->sender_mac, own, 6);
	memcpy(arp->sender_ip, request->target_ip, 4);
	memcpy(arp->target_mac, request->sender_mac, 6);
	memcpy(arp->target_ip, request->sender_ip, 4);
	port_tx(w, meta->port, m);
}

static void arp_run(struct worker *w, struct rte_mbuf **pkts, uint16_t n)
{
	for (uint16_t i = 0; i < n; i++) {
		struct rte_mbuf *m = pkts[i];
		const struct arp_hdr *arp = rte_pktmbuf_mtod(m, const struct arp_hdr *);
		bool announced;

		if (!is_valid(m)) {
			packet_drop(w, m, DROP_ARP_INVALID);
			continue;
		}
		announced = load32(arp->sender_ip) == load32(arp->target_ip);
		if (!announced && !is_held(packet_meta(m), arp->target_ip)) {
			packet_drop(w, m, DROP_ARP_NOT_OURS);
			continue;
		}
		if (arp->op == be16(1) && !announced)
			answer(w, m);
		w->drops[DROP_ARP_DONE]++;
		packet_meta(m)->out = 0; // something learnt, nothing waits
		if (!control_push(w, CONTROL_NEIGHBOUR, m))
			rte_pktmbuf_free(m);
	}
}

const struct node node_arp = {.name = "arp", .run = arp_run};
