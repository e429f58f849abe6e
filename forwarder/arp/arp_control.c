// SPDX-License-Identifier: Apache-2.0

// The control thread's half of ARP: asking, announcing, and learning from what workers pass on.

#include "arp.h"

#include <string.h>

#include "conn/conn.h"
#include "control.h"
#include "graph.h"
#include "ip/wire.h"
#include "neighbour/neighbour_impl.h"
#include "port.h"
#include "underlay/underlay.h"
#include "worker.h"

static const struct mac_addr broadcast = {{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}};
static const struct mac_addr unknown;

void neighbour_send_arp(uint16_t port, uint16_t vlan, uint16_t op, const struct mac_addr *dst_mac,
	const struct ip_addr *sender, const struct mac_addr *target_mac,
	const struct ip_addr *target)
{
	const struct mac_addr *own = &port_table[port]->mac;
	struct rte_mbuf *m = worker_table[0] ? rte_pktmbuf_alloc(worker_table[0]->pool) : NULL;
	struct vlan_tag tag = {be16(vlan), be16(ETH_TYPE_ARP)};
	struct eth_hdr *eth;
	struct arp_hdr *arp;

	if (!m)
		return;
	packet_meta_reset(m);
	packet_meta(m)->port = port;
	eth = (struct eth_hdr *)rte_pktmbuf_append(
		m, ETH_SIZE + (vlan ? VLAN_TAG_SIZE : 0) + sizeof(*arp));
	memcpy(eth->dst, dst_mac->bytes, 6);
	memcpy(eth->src, own->bytes, 6);
	eth->type = vlan ? be16(ETH_TYPE_VLAN) : be16(ETH_TYPE_ARP);
	if (vlan)
		memcpy(eth + 1, &tag, sizeof(tag));
	arp = (struct arp_hdr *)((uint8_t *)(eth + 1) + (vlan ? VLAN_TAG_SIZE : 0));
	*arp = (struct arp_hdr){be16(1), be16(ETH_TYPE_IP4), 6, 4, be16(op)};
	memcpy(arp->sender_mac, own->bytes, 6);
	memcpy(arp->sender_ip, sender->bytes, 4);
	memcpy(arp->target_mac, target_mac->bytes, 6);
	memcpy(arp->target_ip, target->bytes, 4);
	if (!worker_inject(0, NODE_PORT_OUT, m))
		rte_pktmbuf_free(m);
}

struct ip_addr neighbour_source(const struct neighbour_key *key)
{
	const struct l3_link *l = l3_link_table[key->port][key->vlan];
	struct ip_addr any = {0};

	if (!l)
		return underlay_source(key->port, key->vlan, &key->addr);
	for (unsigned i = 0; i < l->addr_count; i++) {
		struct ip_prefix p = prefix_make(&l->addr[i].addr, l->addr[i].prefix_len);

		if (prefix_contains(&p, &key->addr))
			return l->addr[i].addr;
		if (l->addr[i].addr.family == key->addr.family)
			any = l->addr[i].addr;
	}
	return any;
}

void neighbour_arp_ask(const struct neighbour_key *key, const struct mac_addr *known)
{
	struct ip_addr source = neighbour_source(key);

	neighbour_send_arp(key->port, key->vlan, 1, known ? known : &broadcast, &source,
		known ? known : &unknown, &key->addr);
}

// RFC 5227 section 3: an announcement is a request with both addresses ours.
void arp_announce(uint16_t port, uint16_t vlan, const struct ip_addr *addr)
{
	neighbour_send_arp(port, vlan, 1, &broadcast, addr, &unknown, addr);
}

void arp_learn(const struct rte_mbuf *m)
{
	const struct packet_meta *meta = packet_meta(m);
	const struct arp_hdr *arp = rte_pktmbuf_mtod(m, const struct arp_hdr *);
	struct ip_addr addr;
	struct mac_addr mac;

	if (rte_pktmbuf_data_len(m) < sizeof(*arp))
		return;
	addr = ip_from_bytes(IP_V4, arp->sender_ip);
	memcpy(mac.bytes, arp->sender_mac, 6);
	neighbour_heard(meta->port, meta->vlan, &addr, &mac);
}
