// SPDX-License-Identifier: Apache-2.0

// Neighbour discovery on links: solicitations for addresses held here are answered with the port's
// MAC, what others say about themselves goes to the control thread, which keeps the neighbours.
// Data starts at the IPv6 header.

#include "conn/conn.h"
#include "control.h"
#include "graph.h"
#include "nd_message.h"
#include "port.h"
#include "rcu.h"
#include "slot/slot.h"
#include "underlay/underlay.h"
#include "worker.h"

static bool is_held(const struct packet_meta *meta, const uint8_t *addr)
{
	const struct l3_link *l = rcu_load(&l3_link_table[meta->port][meta->vlan]);
	struct ip_addr_words words = ip6_words(addr);
	struct underlay_local local;

	if (!l) {
		local = underlay_unpack(
			table_find(&underlay_local6, (struct table_key){words.hi, words.lo}));
		return local.kinds && local.port == meta->port && local.vlan == meta->vlan &&
		       !rcu_load(&slot_yields[local.slot]);
	}
	if (l->conn->refused || rcu_load(&slot_yields[l->conn->slot]))
		return false;
	for (unsigned i = 0; i < l->addr_count; i++)
		if (l->addr[i].addr.family == IP_V6 && memcmp(l->addr[i].addr.bytes, addr, 16) == 0)
			return true;
	return false;
}

// Link header of what came, the other way round, to the MAC in the option or the frame's source.
static void answer(struct worker *w, const struct rte_mbuf *asked, const struct nd_message *nd)
{
	const struct packet_meta *meta = packet_meta(asked);
	const uint8_t *own = port_table[meta->port]->mac.bytes;
	const struct eth_hdr *from =
		(const struct eth_hdr *)(rte_pktmbuf_mtod(asked, const uint8_t *) - asked->l2_len);
	struct rte_mbuf *m = packet_new(w);
	struct eth_hdr *eth;

	if (!m)
		return;
	eth = (struct eth_hdr *)rte_pktmbuf_append(
		m, (uint16_t)(asked->l2_len + IP6_SIZE + sizeof(struct nd_neighbour)));
	memcpy(eth, from, asked->l2_len);
	memcpy(eth->src, own, 6);
	memcpy(eth->dst, nd->source_mac ? nd->source_mac : from->src, 6);
	if (nd->is_from_nobody) {
		static const uint8_t all[6] = {0x33, 0x33, 0, 0, 0, 1};

		memcpy(eth->dst, all, 6);
	}
	nd_put_advert((uint8_t *)eth + asked->l2_len, nd, own);
	port_tx(w, meta->port, m);
}

static enum drop_reason look(struct worker *w, struct rte_mbuf *m)
{
	struct nd_message nd;

	if (!nd_read(rte_pktmbuf_mtod(m, const struct ip6_hdr *), rte_pktmbuf_data_len(m), &nd))
		return DROP_ND_INVALID;
	if (nd.type == ND_NEIGHBOUR_ADVERT)
		return DROP_NONE;
	if (nd.type != ND_NEIGHBOUR_SOLICIT || !is_held(packet_meta(m), nd.target))
		return DROP_ND_NOT_OURS;
	answer(w, m, &nd);
	return DROP_NONE;
}

static void nd_run(struct worker *w, struct rte_mbuf **pkts, uint16_t n)
{
	for (uint16_t i = 0; i < n; i++) {
		enum drop_reason reason = look(w, pkts[i]);

		if (reason != DROP_NONE) {
			packet_drop(w, pkts[i], reason);
			continue;
		}
		w->drops[DROP_ND_DONE]++;
		packet_meta(pkts[i])->out = 0; // something learnt, nothing waits
		if (!control_push(w, CONTROL_NEIGHBOUR, pkts[i]))
			rte_pktmbuf_free(pkts[i]);
	}
}

const struct node node_nd = {.name = "nd", .run = nd_run};
