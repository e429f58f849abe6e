// SPDX-License-Identifier: Apache-2.0

#include "decap.h"

#include "ip/wire.h"
#include "ipsec/tos.h"

// What the tunnel met on its way goes into the inner header; DSCP stays (RFC 2983, RFC 6040).
bool decap_congestion(struct worker *w, struct rte_mbuf *m)
{
	uint8_t *p = rte_pktmbuf_mtod(m, uint8_t *);
	uint16_t have = rte_pktmbuf_data_len(m), word;
	uint8_t outer = packet_meta(m)->outer_tos;
	bool is_ip4 = have >= IP4_SIZE && p[0] >> 4 == 4;
	unsigned tos;

	if (!is_ip4 && (have < IP6_SIZE || p[0] >> 4 != 6))
		return true; // what it is else is the next node's to say
	word = load16(p);
	tos = tos_decap(is_ip4 ? p[1] : (uint8_t)(be16(word) >> 4), outer);
	if (tos == TOS_INVALID) {
		packet_drop(w, m, DROP_ECN_INVALID);
		return false;
	}
	if (is_ip4) {
		p[1] = (uint8_t)tos;
		checksum_replace(p + 10, word, load16(p));
	} else {
		word = be16((uint16_t)((be16(word) & 0xf00f) | tos << 4));
		memcpy(p, &word, sizeof(word));
	}
	return true;
}
