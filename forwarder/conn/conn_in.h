// SPDX-License-Identifier: Apache-2.0
#pragma once

// The one way by which a site's packets enter a tenant's network, whatever tunnel they came by.

#include "conn.h"
#include "graph.h"
#include "worker.h"

static inline void conn_count_in(struct worker *w, const struct conn_fwd *c, uint32_t size)
{
	struct conn_counters *k = &w->conns[c->conn];

	k->in_packets++;
	k->in_bytes += size;
}

// m's data starts at the inner IP header: may it come in, at this rate? Counts it. False: it has
// ended.
static inline bool conn_admit(struct worker *w, struct rte_mbuf *m, const struct conn_fwd *c)
{
	struct packet_meta *meta = packet_meta(m);
	uint32_t size = rte_pktmbuf_pkt_len(m);

	meta->conn = c->conn;
	meta->vrf = c->vrf;
	meta->slot = c->slot;
	meta->source = PACKET_FROM_CONN;
	if (unlikely(c->refused)) {
		packet_drop(w, m, c->refused);
		return false;
	}
	if (c->meter && unlikely(!meter_take(c->meter, worker_now(w), size))) {
		packet_drop(w, m, DROP_POLICER_IN);
		return false;
	}
	conn_count_in(w, c, size);
	return true;
}

// Takes m, and passes it to the route lookup.
static inline void conn_in(struct worker *w, struct rte_mbuf *m, const struct conn_fwd *c)
{
	if (likely(conn_admit(w, m, c)))
		node_push(w, NODE_IP_FORWARD, m);
}
