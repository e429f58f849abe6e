// SPDX-License-Identifier: Apache-2.0

#include "nd.h"

#include <string.h>

#include "graph.h"
#include "nd_message.h"
#include "nd_wire.h"
#include "neighbour/neighbour_impl.h"
#include "port.h"
#include "worker.h"

static const uint8_t all_nodes[16] = {0xff, 0x02, [15] = 1};

struct frame {
	struct rte_mbuf *m;
	struct eth_hdr *eth;
	struct ip6_hdr *ip;
	struct nd_neighbour *nd;
};

// A frame with Ethernet and IPv6 headers filled for a group or unicast destination.
static bool frame_new(struct frame *f, uint16_t port, uint16_t vlan, const uint8_t *dst)
{
	uint16_t header = vlan ? ETH_SIZE + VLAN_TAG_SIZE : ETH_SIZE;
	struct vlan_tag tag = {be16(vlan), be16(ETH_TYPE_IP6)};

	f->m = worker_table[0] ? rte_pktmbuf_alloc(worker_table[0]->pool) : NULL;
	if (!f->m)
		return false;
	packet_meta_reset(f->m);
	packet_meta(f->m)->port = port;
	f->eth = (struct eth_hdr *)rte_pktmbuf_append(
		f->m, (uint16_t)(header + IP6_SIZE + sizeof(*f->nd)));
	f->ip = (struct ip6_hdr *)((uint8_t *)f->eth + header);
	f->nd = (struct nd_neighbour *)(f->ip + 1);
	memcpy(f->eth->src, port_table[port]->mac.bytes, 6);
	f->eth->dst[0] = f->eth->dst[1] = 0x33; // RFC 2464 section 7
	memcpy(f->eth->dst + 2, dst + 12, 4);
	f->eth->type = vlan ? be16(ETH_TYPE_VLAN) : be16(ETH_TYPE_IP6);
	if (vlan)
		memcpy(f->eth + 1, &tag, sizeof(tag));
	memset(f->ip, 0, IP6_SIZE + sizeof(*f->nd));
	f->ip->version_class_flow = be32(6u << 28);
	f->ip->payload_size = be16(sizeof(*f->nd));
	f->ip->next_header = IP_PROTO_ICMP6;
	f->ip->hop_limit = 255;
	memcpy(f->ip->dst, dst, 16);
	f->nd->option_len = 1;
	memcpy(f->nd->mac, port_table[port]->mac.bytes, 6);
	return true;
}

static void frame_send(struct frame *f)
{
	f->nd->checksum = nd_checksum(f->ip, f->nd, sizeof(*f->nd));
	if (!worker_inject(0, NODE_PORT_OUT, f->m))
		rte_pktmbuf_free(f->m);
}

void neighbour_nd_ask(const struct neighbour_key *key, const struct mac_addr *known)
{
	uint8_t group[16] = {0xff, 0x02, [11] = 1, [12] = 0xff};
	struct ip_addr source = neighbour_source(key);
	struct frame f;

	memcpy(group + 13, key->addr.bytes + 13, 3);
	if (!frame_new(&f, key->port, key->vlan, group))
		return;
	memcpy(f.ip->src, source.bytes, 16);
	if (known) {
		memcpy(f.eth->dst, known->bytes, 6);
		memcpy(f.ip->dst, key->addr.bytes, 16);
	}
	f.nd->type = ND_NEIGHBOUR_SOLICIT;
	f.nd->option = ND_OPTION_SOURCE_MAC;
	memcpy(f.nd->target, key->addr.bytes, 16);
	frame_send(&f);
}

// Section 7.2.6: unsolicited, overriding.
void nd_announce(uint16_t port, uint16_t vlan, const struct ip_addr *addr)
{
	struct frame f;

	if (!frame_new(&f, port, vlan, all_nodes))
		return;
	memcpy(f.ip->src, addr->bytes, 16);
	f.nd->type = ND_NEIGHBOUR_ADVERT;
	f.nd->flags = be32(ND_F_ROUTER | ND_F_OVERRIDE);
	f.nd->option = ND_OPTION_TARGET_MAC;
	memcpy(f.nd->target, addr->bytes, 16);
	frame_send(&f);
}

// Who is asked by unicast may leave its MAC out (section 7.2.4), as Linux does: the known one
// holds.
void nd_learn(const struct rte_mbuf *m)
{
	const struct packet_meta *meta = packet_meta(m);
	struct nd_message nd;
	struct ip_addr addr;
	struct mac_addr mac;
	bool is_advert;

	if (!nd_read(rte_pktmbuf_mtod(m, const struct ip6_hdr *), rte_pktmbuf_data_len(m), &nd))
		return;
	is_advert = nd.type == ND_NEIGHBOUR_ADVERT;
	if (is_advert && !nd.target_mac) {
		addr = ip_from_bytes(IP_V6, nd.target);
		if (nd.is_solicited)
			neighbour_confirmed(meta->port, meta->vlan, &addr);
	} else if (is_advert || (nd.type == ND_NEIGHBOUR_SOLICIT && nd.source_mac)) {
		addr = ip_from_bytes(IP_V6, is_advert ? nd.target : nd.ip->src);
		memcpy(mac.bytes, is_advert ? nd.target_mac : nd.source_mac, 6);
		neighbour_heard(meta->port, meta->vlan, &addr, &mac);
	}
}
