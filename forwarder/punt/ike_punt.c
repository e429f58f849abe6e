// SPDX-License-Identifier: Apache-2.0

// IKE datagrams to an address held here, on their way to the control thread. Data starts at the
// outer IP header, m->l3_len is its size, and the UDP header has been checked.

#include <string.h>

#include "control.h"
#include "graph.h"
#include "ike.h"
#include "ip/wire.h"
#include "underlay/addr_count.h"
#include "vip/vip.h"
#include "worker.h"

// RFC 7296 3.1: anything shorter than an IKE header is not IKE.
#define IKE_HEADER_SIZE 28

static bool is_ike(const struct rte_mbuf *m, const struct udp_hdr *udp)
{
	uint16_t marker = udp->dst == be16(UDP_PORT_IKENAT) ? 4 : 0;

	return be16(udp->size) >= UDP_SIZE + marker + IKE_HEADER_SIZE;
}

// -- strangers

// First messages from addresses that no connection names, a second and worker: each costs
// isthmus-ike some work before it knows better. What connections name, and what belongs to an
// IKE_SA, is not counted: a flood from random sources does not stand in its way.
#define STRANGERS_PER_S 500
#define STRANGERS_BURST 100

static struct table peers; // remote addresses of connections, counted
static struct {
	uint64_t tat_ns; // worker: rw
	uint64_t unused[7];
} strangers[WORKER_MAX];

void ike_peer(const struct ip_addr *remote, int by)
{
	addr_count(&peers, remote, by);
}

int ike_peers_init(void)
{
	table_init(&peers);
	memset(strangers, 0, sizeof(strangers));
	return 0;
}

void ike_peers_fini(void)
{
	table_fini(&peers);
}

// RFC 7296 3.1: the responder's SPI is zero in a first message, and nowhere else.
static bool is_first_message(const struct rte_mbuf *m, const struct udp_hdr *udp)
{
	const uint8_t *ike = (const uint8_t *)(udp + 1);

	ike += udp->dst == be16(UDP_PORT_IKENAT) ? 4 : 0;
	return load32(ike + 8) == 0 && load32(ike + 12) == 0;
}

static bool is_known_peer(const struct rte_mbuf *m)
{
	const uint8_t *ip = rte_pktmbuf_mtod(m, const uint8_t *);
	bool is_v6 = *ip >> 4 == 6;

	return addr_is_counted(&peers, ip + (is_v6 ? 8 : 12), is_v6);
}

static bool may_ask(struct worker *w)
{
	const uint64_t each_ns = 1000000000 / STRANGERS_PER_S;
	uint64_t *tat_ns = &strangers[w->index].tat_ns;

	if (*tat_ns > w->now_ns + STRANGERS_BURST * each_ns)
		return false;
	*tat_ns = (*tat_ns < w->now_ns ? w->now_ns : *tat_ns) + each_ns;
	return true;
}

// -- the node

static bool is_held_elsewhere(const struct rte_mbuf *m)
{
	bool is_v6 = *rte_pktmbuf_mtod(m, const uint8_t *) >> 4 == 6;

	return vip_relay(is_v6, vip_slot_of_ike(m));
}

static void ike_punt_run(struct worker *w, struct rte_mbuf **pkts, uint16_t n)
{
	for (uint16_t i = 0; i < n; i++) {
		struct rte_mbuf *m = pkts[i];
		const struct udp_hdr *udp =
			rte_pktmbuf_mtod_offset(m, const struct udp_hdr *, m->l3_len);

		if (!is_ike(m, udp))
			packet_drop(w, m, DROP_UDP_BAD);
		else if (is_held_elsewhere(m))
			node_push(w, NODE_VIP_RELAY, m);
		else if (is_first_message(m, udp) && !is_known_peer(m) && !may_ask(w))
			packet_drop(w, m, DROP_PUNT_RATE);
		else if (!control_push(w, CONTROL_PUNT_IKE, m))
			packet_drop(w, m, DROP_PUNT_QUEUE_FULL);
	}
}

const struct node node_ike_punt = {.name = "ike_punt", .run = ike_punt_run};
