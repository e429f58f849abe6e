// SPDX-License-Identifier: Apache-2.0
//
// The way out: a worker's buffered packets of one port, with what they still owe completed as far
// as the port cannot do it.
#include <netinet/in.h>
#include <rte_cycles.h>

#include "fence.h"
#include "offload.h"
#include "worker_loop.h"

static void drop_all(struct worker *w, struct rte_mbuf **pkts, uint16_t n, enum drop_reason reason)
{
	for (uint16_t i = 0; i < n; i++)
		packet_drop(w, pkts[i], reason);
}

static void send_vector(struct worker *w, struct port *p, struct rte_mbuf **pkts, uint16_t n)
{
	uint16_t sent = p->ops->tx(p, w->index, pkts, n);

	if (unlikely(sent < n))
		drop_all(w, pkts + sent, n - sent, DROP_TX_FULL);
}

struct outbox {
	struct worker *w;
	struct port *port;
	uint16_t len;
	struct rte_mbuf *pkts[NODE_VECTOR];
};

static void outbox_add(struct outbox *o, struct rte_mbuf *m)
{
	o->pkts[o->len++] = m;
	if (o->len == NODE_VECTOR) {
		send_vector(o->w, o->port, o->pkts, o->len);
		o->len = 0;
	}
}

static bool is_tunnelled(const struct rte_mbuf *m)
{
	struct packet_layers layers;
	unsigned ip = 0;

	if (packet_layers(m, PACKET_FIRST_ETHERNET, &layers) < 0)
		return true;
	for (uint16_t i = 0; i < layers.len; i++)
		ip += layers.layer[i].protocol == IPPROTO_IPIP ||
		      layers.layer[i].protocol == IPPROTO_IPV6;
	return ip > 1;
}

static void outbox_add_segments(struct outbox *o, struct rte_mbuf *m)
{
	struct packet_segments s;

	if (packet_segments_init(&s, m, PACKET_FIRST_ETHERNET) < 0) {
		packet_drop(o->w, m, DROP_FRAGMENT_FAILED);
		return;
	}
	while (packet_segments_left(&s)) {
		struct rte_mbuf *segment = packet_segments_next(&s, o->w->pool);

		if (!segment) {
			packet_drop(o->w, m, DROP_NO_BUFFER);
			return;
		}
		outbox_add(o, segment);
	}
	rte_pktmbuf_free(m);
}

static void complete(struct outbox *o, struct rte_mbuf *m)
{
	bool gso = packet_meta(m)->flags & PACKET_F_GSO;
	uint8_t can = gso ? PORT_F_GSO : PORT_F_CSUM;

	if (!packet_meta(m)->csum_start || (o->port->flags & can && !is_tunnelled(m))) {
		outbox_add(o, m);
	} else if (gso) {
		outbox_add_segments(o, m);
	} else {
		packet_csum_complete(m);
		outbox_add(o, m);
	}
}

static bool any_owes(struct rte_mbuf **pkts, uint16_t n)
{
	uint16_t owes = 0;

	for (uint16_t i = 0; i < n; i++)
		owes |= packet_meta(pkts[i])->csum_start;
	return owes;
}

static void transmit(struct worker *w, struct port *p, struct rte_mbuf **pkts, uint16_t n)
{
	struct outbox o = {.w = w, .port = p};

	if (likely(!any_owes(pkts, n))) {
		send_vector(w, p, pkts, n);
		return;
	}
	for (uint16_t i = 0; i < n; i++)
		complete(&o, pkts[i]);
	if (o.len)
		send_vector(w, p, o.pkts, o.len);
}

// What the fence lets pass, in its order.
static uint16_t fence_filter(struct worker *w, struct rte_mbuf **pkts, uint16_t n)
{
	uint16_t kept = 0;

	for (uint16_t i = 0; i < n; i++) {
		if (fence_passes(pkts[i]))
			pkts[kept++] = pkts[i];
		else
			packet_drop(w, pkts[i], DROP_FENCED);
	}
	return kept;
}

void port_flush(struct worker *w, uint16_t port)
{
	struct tx_buffer *b = &w->tx[port];
	struct port *p = port_table[port];
	uint16_t n = b->len;
	uint64_t start;

	b->len = 0;
	if (unlikely(fence.limit_ns)) {
		uint64_t now = clock_ns();

		fence_look(now, w->ran_ns);
		w->ran_ns = now;
	}
	if (unlikely(fence_is_up()))
		n = fence_filter(w, b->pkts, n);
	if (unlikely(w->observer != NULL) && w->observer->tx)
		w->observer->tx(w, port, b->pkts, n);
	w->tx_stats.calls++;
	w->tx_stats.packets += n;
	if (unlikely(!p || !p->up)) {
		drop_all(w, b->pkts, n, DROP_TX_PORT_DOWN);
		return;
	}
	if (likely(!w->timed)) {
		transmit(w, p, b->pkts, n);
		return;
	}
	start = rte_rdtsc();
	transmit(w, p, b->pkts, n);
	w->tx_stats.timed_cycles += rte_rdtsc() - start;
	w->tx_stats.timed_packets += n;
}
