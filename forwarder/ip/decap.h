// SPDX-License-Identifier: Apache-2.0
#pragma once

// Taking outer headers off.

#include "packet.h"
#include "worker.h"

// A checksum still to be completed belongs to the header it was left in: when that was an outer
// one, it ends with it.
static inline void decap(struct rte_mbuf *m, uint16_t size)
{
	struct packet_meta *meta = packet_meta(m);

	rte_pktmbuf_adj(m, size);
	if (unlikely(meta->csum_start && meta->csum_start < m->data_off)) {
		meta->csum_start = 0;
		meta->flags &= (uint8_t)~PACKET_F_GSO;
	}
}

bool decap_congestion(struct worker *w, struct rte_mbuf *m);

// RFC 6040 figure 4, after decap(); only an outer ECT(1) or CE has a say. False: dropped.
static inline bool decap_ecn(struct worker *w, struct rte_mbuf *m)
{
	return likely(!(packet_meta(m)->outer_tos & 1)) || decap_congestion(w, m);
}
