// SPDX-License-Identifier: Apache-2.0
#pragma once

// The MSS option of TCP SYNs, lowered to what the way of the connection's packets takes, so that
// TCP works where path MTU discovery does not.

#include "wire.h"
#include "worker.h"

#define TCP_SYN 0x02

// Out of line: m is a SYN that goes by an adjacency of this MTU.
void tcp_mss_clamp(struct rte_mbuf *m, uint16_t mtu);

// Data starts at the IP header, which has been checked.
static inline bool tcp_is_syn(const struct rte_mbuf *m)
{
	const uint8_t *p = rte_pktmbuf_mtod(m, const uint8_t *);
	uint16_t header = IP6_SIZE;

	if (likely(p[0] >> 4 == 4)) {
		if (p[9] != IP_PROTO_TCP || (load16(p + 6) & be16(0x1fff)))
			return false;
		header = (uint16_t)((p[0] & 0xf) * 4);
	} else if (p[6] != IP_PROTO_TCP) {
		return false;
	}
	return rte_pktmbuf_data_len(m) >= header + 20 && (p[header + 13] & TCP_SYN);
}
