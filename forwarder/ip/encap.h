// SPDX-License-Identifier: Apache-2.0
#pragma once

// Putting an adjacency's outer headers and the link's header in front of a packet.

#include <rte_prefetch.h>

#include "adj/adj.h"
#include "conn/conn.h"
#include "control.h"
#include "graph.h"
#include "ip/wire.h"
#include "neighbour/neighbour.h"
#include "rcu.h"

// IPv4 identification of outer headers; each worker counts for itself.
struct encap_id {
	uint16_t next;
} __attribute__((aligned(64)));

extern struct encap_id encap_id[WORKER_MAX];

static inline void hop_put(uint8_t *p, const struct hop *h)
{
	memcpy(p, h->bytes, 14);
	if (h->size != ETH_SIZE)
		memcpy(p + 14, h->bytes + 14, 4);
}

// Sends an IP packet to its hop, or parks it with the control thread until the hop is known.
static inline void hop_send(struct worker *w, struct rte_mbuf *m, uint32_t index)
{
	const struct hop *h = rcu_load(&hop_table[index]);
	uint8_t *p;

	if (unlikely(!h)) {
		packet_meta(m)->out = index;
		if (!index || !control_push(w, CONTROL_NEIGHBOUR, m))
			packet_drop(w, m, DROP_NEIGHBOUR_UNRESOLVED);
		return;
	}
	p = (uint8_t *)rte_pktmbuf_prepend(m, h->size);
	if (unlikely(!p)) {
		packet_drop(w, m, DROP_NO_BUFFER);
		return;
	}
	hop_put(p, h);
	port_tx(w, h->port, m);
}

// Second round of prefetching, when the entries of hop_table have come.
static inline void hop_prefetch(struct rte_mbuf **pkts, uint16_t n)
{
	for (uint16_t i = 0; i < n; i++) {
		const struct adj *adj = rcu_load(&adj_table[packet_meta(pkts[i])->out]);

		rte_prefetch0(rcu_load(&hop_table[adj->hop]));
	}
}

static inline uint8_t inner_tos(const uint8_t *ip)
{
	if (ip[0] >> 4 == 4)
		return ip[1];
	return (uint8_t)(load16(ip) >> 12 | (load16(ip) & 0xf) << 4);
}

// What the template of an outer IPv4 header leaves open.
static inline void encap_ip4(
	struct worker *w, uint8_t *p, const struct adj *adj, uint8_t tos, uint32_t size)
{
	struct ip4_hdr *ip = (struct ip4_hdr *)p;
	uint16_t id = encap_id[w->index].next++;
	uint32_t sum;

	ip->tos = tos;
	ip->size = be16((uint16_t)size);
	ip->id = id;
	sum = (uint32_t)adj->sum + (uint32_t)tos * 0x100 + ip->size + id;
	ip->checksum = (uint16_t)~sum_fold(sum);
}

// To hosts: the flow in the outer header at p, which is `size` bytes with all behind it: as the UDP
// source port (RFC 7348 section 5) or the NVGRE FlowID.
static inline void encap_flow(uint8_t *p, const struct adj *adj, uint32_t hash, uint16_t size)
{
	if (likely(adj->flags & ADJ_F_UDP)) {
		struct udp_hdr *udp = (struct udp_hdr *)p;

		udp->src = be16((uint16_t)(0xc000 | (hash & 0x3fff)));
		udp->size = be16(size);
	} else {
		p[sizeof(struct gre_hdr) + 3] = (uint8_t)hash;
	}
}

// The outer IP header in front of the template's rest: room made, lengths, DSCP and ECN (copied:
// RFC 2983 uniform, RFC 6040 normal mode), identification and checksum. NULL: no room, m is gone.
static inline uint8_t *encap_put(
	struct worker *w, struct rte_mbuf *m, const struct adj *adj, uint8_t tos)
{
	uint8_t *p = (uint8_t *)rte_pktmbuf_prepend(m, adj->size);
	uint32_t size = rte_pktmbuf_pkt_len(m);

	if (unlikely(!p)) {
		packet_drop(w, m, DROP_NO_BUFFER);
		return NULL;
	}
	// Templates end at the end of bytes[], so that a copy of fixed size serves all.
	memcpy(p + adj->size - ADJ_TEMPLATE_SIZE, adj->bytes, ADJ_TEMPLATE_SIZE);
	if (likely(!(adj->flags & ADJ_F_OUTER6))) {
		encap_ip4(w, p, adj, tos, size);
	} else {
		struct ip6_hdr *ip = (struct ip6_hdr *)p;

		ip->version_class_flow = be32(6u << 28 | (uint32_t)tos << 20);
		ip->payload_size = be16((uint16_t)(size - IP6_SIZE));
	}
	return p;
}

// Policing and counting of `size` bytes on the way out by a connection. False: over its rate.
static inline bool conn_take_out(struct worker *w, const struct adj *adj, uint32_t size)
{
	struct conn_counters *k = &w->conns[adj->conn];

	if (adj->meter && unlikely(!meter_take(adj->meter, worker_now(w), size)))
		return false;
	k->out_packets++;
	k->out_bytes += size;
	return true;
}

// The same for a packet. False: it has ended.
static inline bool conn_out(struct worker *w, struct rte_mbuf *m, const struct adj *adj)
{
	if (likely(conn_take_out(w, adj, rte_pktmbuf_pkt_len(m))))
		return true;
	packet_meta(m)->conn = adj->conn;
	packet_drop(w, m, DROP_POLICER_OUT);
	return false;
}
