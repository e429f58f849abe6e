// SPDX-License-Identifier: Apache-2.0
#pragma once

// Sends a frame of a tenant's subnet back through the tunnel it came by: outer addresses and link
// addresses change places.

#include "ip/wire.h"
#include "packet.h"
#include "worker.h"

static inline void mac_put(uint8_t *dst, uint64_t mac)
{
	for (unsigned i = 0; i < 6; i++)
		dst[i] = (uint8_t)(mac >> (40 - 8 * i));
}

static inline void swap_bytes(uint8_t *a, uint8_t *b, size_t size)
{
	for (size_t i = 0; i < size; i++) {
		uint8_t t = a[i];

		a[i] = b[i];
		b[i] = t;
	}
}

// Data starts at the outer IP header; the link header of m->l2_len bytes stands before it still.
static inline void tenant_reply(struct worker *w, struct rte_mbuf *m)
{
	uint8_t *ip = rte_pktmbuf_mtod(m, uint8_t *);
	struct eth_hdr *eth;

	if (ip[0] >> 4 == 4)
		swap_bytes(ip + 12, ip + 16, 4);
	else
		swap_bytes(ip + 8, ip + 24, 16);
	eth = (struct eth_hdr *)rte_pktmbuf_prepend(m, m->l2_len);
	swap_bytes(eth->dst, eth->src, 6);
	port_tx(w, packet_meta(m)->port, m);
}

// The same for a tunnelled answer written in the place of the question: the outer lengths and
// checksums are made right for it.
void tunnel_reply(struct worker *w, struct rte_mbuf *m);
