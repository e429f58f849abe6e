// SPDX-License-Identifier: Apache-2.0

#include "overlay.h"

#include <rte_prefetch.h>

#include "graph.h"
#include "ip/decap.h"
#include "nd/nd_message.h"
#include "subnet/vtep.h"
#include "underlay/underlay.h"

static inline uint64_t vtep_number(const struct rte_mbuf *m)
{
	const struct ip4_hdr *ip4 = rte_pktmbuf_mtod(m, const struct ip4_hdr *);

	if (likely(ip4->version_ihl >> 4 == 4))
		return table_find(&vtep_numbers4, vtep_key4(ip4->src));
	return table_find(&vtep_numbers6, vtep_key6(((const struct ip6_hdr *)ip4)->src));
}

// The slot of the tenant's gateway that has this MAC, 0: none.
static inline uint16_t gateway_slot(const struct subnet_fwd *s, uint64_t mac)
{
	for (unsigned i = 0; i < s->gateway_count; i++)
		if ((s->gateway[i] & 0xffffffffffff) == mac)
			return (uint16_t)(s->gateway[i] >> 48);
	if (s->gateway_count < SUBNET_GATEWAYS)
		return 0;
	return (uint16_t)table_find(&gateway_table, gateway_key(s->vrf, mac));
}

static enum drop_reason take_frame(const struct overlay_frame *f, const struct eth_hdr *eth)
{
	struct packet_meta *meta = packet_meta(f->m);
	const struct subnet_fwd *s = f->subnet;
	uint16_t slot;

	if (!vtep_accepted(f->vtep_word, f->vtep))
		return DROP_VXLAN_UNKNOWN_VTEP;
	meta->vrf = s->vrf;
	meta->source = PACKET_FROM_OVERLAY;
	if (unlikely(eth->dst[0] & 1)) // broadcast and multicast: ARP and ND only
		return eth->type == be16(ETH_TYPE_ARP) || eth->type == be16(ETH_TYPE_IP6)
			       ? DROP_NONE
			       : DROP_INNER_NOT_GATEWAY_MAC;
	slot = gateway_slot(
		s, be32(load32(eth->dst)) * UINT64_C(0x10000) + be16(load16(eth->dst + 4)));
	if (!slot)
		return DROP_INNER_NOT_GATEWAY_MAC;
	if (slot != meta->slot)
		return DROP_VXLAN_WRONG_SLOT;
	return DROP_NONE;
}

static inline bool is_nd(const struct overlay_frame *f, const struct eth_hdr *eth)
{
	return eth->type == be16(ETH_TYPE_IP6) &&
	       nd_is((const uint8_t *)(eth + 1),
		       (size_t)(rte_pktmbuf_data_len(f->m) - f->header - ETH_SIZE));
}

// What stands before the frame is needed for the answer.
static void ask(struct worker *w, const struct overlay_frame *f, uint16_t node)
{
	packet_meta(f->m)->out = f->header;
	packet_meta(f->m)->hash = f->vni;
	node_push(w, node, f->m);
}

static void pass_on(struct worker *w, const struct overlay_frame *f, const struct eth_hdr *eth)
{
	uint16_t type = eth->type;
	bool is_group = eth->dst[0] & 1;

	if (unlikely(is_nd(f, eth))) {
		ask(w, f, NODE_ND_TENANT);
	} else if (likely(!is_group &&
			   (type == be16(ETH_TYPE_IP4) || type == be16(ETH_TYPE_IP6)))) {
		decap(f->m, (uint16_t)(f->header + ETH_SIZE));
		if (decap_ecn(w, f->m))
			node_push(w, NODE_IP_FORWARD, f->m);
	} else if (type == be16(ETH_TYPE_ARP)) {
		ask(w, f, NODE_ARP_TENANT);
	} else {
		packet_drop(w, f->m, DROP_INNER_UNKNOWN_TYPE);
	}
}

void overlay_input(struct worker *w, struct overlay_frame *frames, uint16_t len, uint8_t encap)
{
	uint16_t kept = 0;

	for (uint16_t i = 0; i < len; i++) {
		const struct subnet_fwd *s = subnet_of_vni(frames[i].vni);

		if (unlikely(!s || s->encap != encap)) {
			packet_drop(w, frames[i].m, DROP_VXLAN_UNKNOWN_VNI);
			continue;
		}
		rte_prefetch0(s);
		frames[kept] = frames[i];
		frames[kept++].subnet = s;
	}
	for (uint16_t i = 0; i < kept; i++) {
		frames[i].vtep = vtep_number(frames[i].m);
		rte_prefetch0(rcu_load(&vtep_sets[frames[i].subnet->vrf]));
	}
	for (uint16_t i = 0; i < kept; i++) {
		frames[i].vtep_word = vtep_word(frames[i].subnet->vrf, frames[i].vtep);
		rte_prefetch0(frames[i].vtep_word);
	}
	for (uint16_t i = 0; i < kept; i++) {
		const struct overlay_frame *f = &frames[i];
		const struct eth_hdr *eth =
			rte_pktmbuf_mtod_offset(f->m, const struct eth_hdr *, f->header);
		enum drop_reason reason = take_frame(f, eth);

		if (likely(reason == DROP_NONE))
			pass_on(w, f, eth);
		else
			packet_drop(w, f->m, reason);
	}
}
