// SPDX-License-Identifier: Apache-2.0

// Workers' side of captures. A packet is met up to four times: where its tenant is known (the frame
// it came in lies before it in the buffer still), where it is routed, and as the frame that goes
// out; or where it is dropped. ESP is opened in place, so that of its frame the headers are left.
// What a connection protects by IPsec is copied in clear only if that was asked for.

#include "capture/copies.h"

#include <errno.h>
#include <rte_ring.h>
#include <stdio.h>
#include <time.h>

#include "adj/adj.h"
#include "capture.h"
#include "conn/conn.h"
#include "graph.h"
#include "observe.h"
#include "rcu.h"
#include "vrf/vrf.h"
#include "worker.h"
#include "worker_loop.h"

#define BURST 128 // packets beyond the rate at once

static struct {
	struct rte_ring *ring; // NULL: off
	struct capture_config config;
	uint64_t epoch_ns; // of 1970, on the workers' clock
	struct share {
		struct meter rate;
		uint32_t lost;
	} __attribute__((aligned(64))) shares[WORKER_MAX]; // worker: rw
} capture;

static bool matches(uint32_t vrf, uint32_t conn)
{
	return (!capture.config.vrf || vrf == capture.config.vrf) &&
	       (!capture.config.conn || conn == capture.config.conn);
}

// Nothing of this connection's contents may be shown as it is without its seal.
static bool is_secret(uint32_t conn)
{
	const struct conn_fwd *f = conn ? rcu_load(&conn_fwd_table[conn]) : NULL;

	return f && !capture.config.decrypt &&
	       (f->type == API_CONN_IPSEC || (f->flags & API_CONN_F_GRE_OVER_IPSEC));
}

static void identify(struct api_captured *c, uint32_t vrf, uint32_t conn)
{
	const struct vrf_fwd *v = vrf ? rcu_load(&vrf_fwd_table[vrf]) : NULL;
	const struct conn_fwd *f = conn ? rcu_load(&conn_fwd_table[conn]) : NULL;

	c->vrf = v ? v->id : 0;
	c->conn = f ? f->id : 0;
}

// `before`: bytes in front of the data, in the same buffer, that belong to it.
static uint16_t copy_bytes(uint8_t *to, const struct rte_mbuf *m, uint16_t before, uint32_t room)
{
	const uint8_t *data = rte_pktmbuf_mtod(m, const uint8_t *), *rest;
	uint32_t head = before < room ? before : room, tail = room - head;

	memcpy(to, data - before, head);
	if (tail > m->pkt_len)
		tail = m->pkt_len;
	rest = tail ? rte_pktmbuf_read(m, 0, tail, to + head) : NULL;
	if (rest && rest != to + head)
		memcpy(to + head, rest, tail);
	return (uint16_t)(head + tail);
}

static void record(struct worker *w, const struct rte_mbuf *m, uint16_t before, uint32_t vrf,
	uint32_t conn, struct api_captured head, uint32_t room)
{
	struct share *s = &capture.shares[w->index];
	struct rte_mbuf *copy;
	struct api_captured *c;

	copy = meter_take(&s->rate, worker_now(w), 1) ? rte_pktmbuf_alloc(w->pool) : NULL;
	if (!copy) {
		s->lost++;
		return;
	}
	c = rte_pktmbuf_mtod(copy, struct api_captured *);
	memcpy(c, &head, offsetof(struct api_captured, bytes));
	c->time_ns = worker_now(w) + capture.epoch_ns;
	c->size = m->pkt_len + before;
	c->lost = s->lost;
	identify(c, vrf, conn);
	c->kept = copy_bytes(
		c->bytes, m, before, room < capture.config.snap ? room : capture.config.snap);
	rte_pktmbuf_append(copy, (uint16_t)(offsetof(struct api_captured, bytes) + c->kept));
	if (rte_ring_enqueue(capture.ring, copy) != 0) {
		s->lost++;
		rte_pktmbuf_free(copy);
	}
}

// Bytes of the frame it came in that lie before the data; 0: not known.
static uint16_t before_data(const struct rte_mbuf *m)
{
	uint8_t start = packet_meta(m)->start;

	return start && start < m->data_off ? (uint16_t)(m->data_off - start) : 0;
}

static void on_arrival(struct rte_mbuf *m)
{
	packet_meta(m)->start = m->data_off <= UINT8_MAX ? (uint8_t)m->data_off : 0;
}

static void on_inside(struct worker *w, const struct rte_mbuf *m)
{
	const struct packet_meta *meta = packet_meta(m);
	uint16_t before = before_data(m);
	struct api_captured outer = {
		.where = API_CAPTURE_OUTER_IN, .flags = API_CAPTURE_F_FRAME, .port = meta->port};

	if (!matches(meta->vrf, meta->conn))
		return;
	if (before)
		record(w, m, before, meta->vrf, meta->conn, outer,
			is_secret(meta->conn) ? before : UINT32_MAX);
	if (!is_secret(meta->conn))
		record(w, m, 0, meta->vrf, meta->conn,
			(struct api_captured){.where = API_CAPTURE_INNER_IN}, UINT32_MAX);
}

static void on_way_out(struct worker *w, const struct rte_mbuf *m)
{
	struct packet_meta *meta = packet_meta(m);
	const struct adj *adj = rcu_load(&adj_table[meta->out]);
	uint32_t conn = adj->conn ? adj->conn : meta->conn;

	meta->start = 0; // what comes in front from here on is another frame
	if (meta->flags & PACKET_F_CAPTURED || !matches(adj->vrf, conn))
		return;
	meta->flags |= PACKET_F_CAPTURED;
	if (!is_secret(adj->conn))
		record(w, m, 0, adj->vrf, conn,
			(struct api_captured){.where = API_CAPTURE_INNER_OUT}, UINT32_MAX);
}

static void on_node(struct worker *w, uint16_t node, struct rte_mbuf **pkts, uint16_t n)
{
	for (uint16_t i = 0; i < n; i++) {
		switch (node) {
		case NODE_ETH: on_arrival(pkts[i]); break;
		case NODE_IP_FORWARD: on_inside(w, pkts[i]); break;
		case NODE_OVERLAY_OUT:
		case NODE_GRE_OUT:
		case NODE_ESP_OUT:
		case NODE_L3_OUT: on_way_out(w, pkts[i]); break;
		default: return;
		}
	}
}

static void on_tx(struct worker *w, uint16_t port, struct rte_mbuf **pkts, uint16_t n)
{
	for (uint16_t i = 0; i < n; i++) {
		struct packet_meta *meta = packet_meta(pkts[i]);
		struct api_captured head = {
			.where = API_CAPTURE_OUTER_OUT, .flags = API_CAPTURE_F_FRAME, .port = port};

		if (!(meta->flags & PACKET_F_CAPTURED))
			continue;
		meta->flags &= (uint8_t)~PACKET_F_CAPTURED;
		record(w, pkts[i], 0, meta->vrf, meta->conn, head, UINT32_MAX);
	}
}

static void on_drop(struct worker *w, struct rte_mbuf *m, enum drop_reason reason)
{
	const struct packet_meta *meta = packet_meta(m);
	uint16_t before = before_data(m);
	bool is_frame = before || reason == DROP_TX_FULL || reason == DROP_TX_PORT_DOWN;
	struct api_captured head = {.where = API_CAPTURE_DROPPED,
		.flags = is_frame ? API_CAPTURE_F_FRAME : 0,
		.port = meta->port};

	if (!matches(meta->vrf, meta->conn) && !(meta->flags & PACKET_F_CAPTURED))
		return;
	snprintf(head.reason, sizeof(head.reason), "%s", drop_name(reason));
	record(w, m, before, meta->vrf, meta->conn, head,
		is_secret(meta->conn) ? before : UINT32_MAX);
}

static const struct worker_observer observer = {.node = on_node, .drop = on_drop, .tx = on_tx};

static uint64_t clock_of(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

int capture_start(const struct capture_config *config)
{
	int r;

	if (capture.ring)
		return -EBUSY;
	capture.ring = rte_ring_create("capture", CAPTURE_RING_SIZE, SOCKET_ID_ANY, RING_F_SC_DEQ);
	if (!capture.ring)
		return -ENOMEM;
	capture.config = *config;
	capture.epoch_ns = clock_of(CLOCK_REALTIME) - clock_ns();
	for (unsigned i = 0; i < WORKER_MAX; i++) {
		uint64_t each_ns =
			UINT64_C(1000000000) * (worker_count ? worker_count : 1) / config->rate;

		capture.shares[i] = (struct share){
			.rate = {.ns_q24 = each_ns << 24, .burst_ns = each_ns * BURST}};
	}
	r = observe_start(&observer);
	if (r < 0) {
		rte_ring_free(capture.ring);
		capture.ring = NULL;
	}
	return r;
}

struct rte_mbuf *capture_take(void)
{
	struct rte_mbuf *m;

	return capture.ring && rte_ring_dequeue(capture.ring, (void **)&m) == 0 ? m : NULL;
}

void capture_stop(void)
{
	struct rte_mbuf *m;

	if (!capture.ring)
		return;
	observe_stop(&observer);
	while ((m = capture_take()))
		rte_pktmbuf_free(m);
	rte_ring_free(capture.ring);
	capture.ring = NULL;
}
