// SPDX-License-Identifier: Apache-2.0

// ARP on tenants' subnets: the gateway's own addresses are answered with the tenant slot's MAC,
// back to the host the question came from. Data starts at the outer IP header; meta.out is the
// size of what stands before the inner frame, meta.hash the VNI.

#include "conn/conn.h"
#include "graph.h"
#include "ip/wire.h"
#include "subnet/subnet.h"
#include "tenant_reply.h"
#include "worker.h"

static bool is_question(const struct rte_mbuf *m, uint16_t header)
{
	const struct arp_hdr *arp =
		rte_pktmbuf_mtod_offset(m, const struct arp_hdr *, header + ETH_SIZE);

	return rte_pktmbuf_data_len(m) >= header + ETH_SIZE + sizeof(*arp) &&
	       arp->hw_type == be16(1) && arp->proto_type == be16(ETH_TYPE_IP4) &&
	       arp->hw_size == 6 && arp->proto_size == 4;
}

static void answer(struct worker *w, struct rte_mbuf *m, uint16_t header, uint64_t mac)
{
	struct eth_hdr *eth = rte_pktmbuf_mtod_offset(m, struct eth_hdr *, header);
	struct arp_hdr *arp = (struct arp_hdr *)(eth + 1);
	uint32_t own = load32(arp->target_ip);

	memcpy(eth->dst, arp->sender_mac, 6);
	mac_put(eth->src, mac);
	arp->op = be16(2);
	memcpy(arp->target_mac, arp->sender_mac, 6);
	memcpy(arp->target_ip, arp->sender_ip, 4);
	mac_put(arp->sender_mac, mac);
	memcpy(arp->sender_ip, &own, 4);
	tunnel_reply(w, m);
}

static void arp_tenant_run(struct worker *w, struct rte_mbuf **pkts, uint16_t n)
{
	for (uint16_t i = 0; i < n; i++) {
		struct rte_mbuf *m = pkts[i];
		struct packet_meta *meta = packet_meta(m);
		uint16_t header = (uint16_t)meta->out;
		const struct arp_hdr *arp;
		uint64_t found;

		if (!is_question(m, header)) {
			packet_drop(w, m, DROP_ARP_INVALID);
			continue;
		}
		arp = rte_pktmbuf_mtod_offset(m, const struct arp_hdr *, header + ETH_SIZE);
		found = table_find(
			&local_table, (struct table_key){(uint64_t)meta->hash << 8 | IP_V4,
					      load32(arp->target_ip)});
		if (arp->op != be16(1) || !found || (uint16_t)(found >> 48) != meta->slot) {
			packet_drop(w, m, DROP_ARP_NOT_OURS);
			continue;
		}
		w->drops[DROP_ARP_DONE]++;
		answer(w, m, header, found & 0xffffffffffff);
	}
}

const struct node node_arp_tenant = {.name = "arp_tenant", .run = arp_tenant_run};
