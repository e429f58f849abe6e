// SPDX-License-Identifier: Apache-2.0

// BFD for an address held here, in the underlay or in a tenant's network, on its way to the control
// thread. Data starts at the IP header; the UDP ports are BFD's.

#include "control.h"
#include "graph.h"
#include "ip/wire.h"
#include "peers.h"
#include "worker.h"

#define BUCKETS   256 // by VRF; some share one
#define SECOND_NS 1000000000ull

struct bucket {
	uint64_t since_ns;
	uint32_t count;
};

static struct bucket buckets[WORKER_MAX][BUCKETS]; // each worker's own

// One tenant's noise neither fills the ring nor hides another's packets.
static bool within_rate(struct worker *w, uint32_t vrf)
{
	struct bucket *b = &buckets[w->index][vrf % BUCKETS];

	if (worker_now(w) - b->since_ns >= SECOND_NS) {
		b->since_ns = worker_now(w);
		b->count = 0;
	}
	return b->count++ < BFD_VRF_RATE;
}

static uint16_t ip_size(const uint8_t *ip)
{
	return ip[0] >> 4 == 4 ? (uint16_t)((ip[0] & 0xf) * 4) : IP6_SIZE;
}

static enum drop_reason check(struct worker *w, struct rte_mbuf *m)
{
	const uint8_t *ip = rte_pktmbuf_mtod(m, const uint8_t *);
	const struct udp_hdr *udp;
	uint16_t size;

	m->l3_len = ip_size(ip);
	if (rte_pktmbuf_data_len(m) < m->l3_len + UDP_SIZE)
		return DROP_UDP_BAD;
	udp = (const struct udp_hdr *)(ip + m->l3_len);
	size = be16(udp->size);
	if (size < UDP_SIZE || size > rte_pktmbuf_data_len(m) - m->l3_len)
		return DROP_UDP_BAD;
	// RFC 5881 5 (GTSM, RFC 5082): nobody beyond the link can send this.
	if (udp->dst == be16(BFD_PORT) && ip[ip[0] >> 4 == 4 ? 8 : 7] != 255)
		return DROP_BFD_TTL;
	return within_rate(w, packet_meta(m)->vrf) ? DROP_NONE : DROP_PUNT_RATE;
}

static void bfd_in_run(struct worker *w, struct rte_mbuf **pkts, uint16_t n)
{
	for (uint16_t i = 0; i < n; i++) {
		enum drop_reason reason = check(w, pkts[i]);

		if (reason == DROP_NONE && !control_push(w, CONTROL_PUNT_BFD, pkts[i]))
			reason = DROP_PUNT_QUEUE_FULL;
		if (reason != DROP_NONE)
			packet_drop(w, pkts[i], reason);
	}
}

const struct node node_bfd_in = {.name = "bfd_in", .run = bfd_in_run};
