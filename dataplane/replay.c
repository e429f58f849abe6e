// SPDX-License-Identifier: Apache-2.0
//
// A port for benches that costs no I/O: frames of a file come in as fast as they are taken, what
// goes out is counted, one in CHECK_EVERY compared byte for byte. "u=replay:FILE". One worker.
// rx_packets, tx_packets and tx_dropped (wrong ones) are what the bench reads; it runs from the
// first resolved next hop on.
#include "replay.h"

#include <errno.h>
#include <rte_mempool.h>
#include <rte_prefetch.h>
#include <stdlib.h>
#include <string.h>

#include "cpu.h"
#include "node.h"
#include "port.h"
#include "xmalloc.h"

#define CHECK_EVERY 1024
#define ANSWERS_MAX 64
#define AHEAD       NODE_VECTOR // records fetched before they are taken

struct replay_port {
	struct replay replay;
	struct rte_mempool *pool;
	uint32_t next, fetched; // of the records
	uint32_t answers_len;
	struct rte_mbuf *answers[ANSWERS_MAX]; // to ARP requests
	// worker: rw, ctl: ro
	uint64_t rx_packets, rx_bytes, tx_packets, tx_bytes, wrong;
};

static void fill(struct rte_mempool *mp, void *arg, void *obj, unsigned i)
{
	replay_fill_buffer(obj);
}

static int replay_open(struct port *p, const char *path, uint16_t queues, struct rte_mempool *pool)
{
	static const struct mac_addr mac = {{2, 0, 0, 0, 0, 0xa0}};
	struct replay_port *rp = xcalloc(1, sizeof(*rp));
	int r = queues == 1 ? replay_load(&rp->replay, path) : -EDOM;

	if (r < 0) {
		free(rp);
		return r;
	}
	rp->pool = pool;
	rte_mempool_obj_iter(pool, fill, NULL);
	p->priv = rp;
	p->mac = mac;
	p->mtu = 9000;
	p->up = true;
	return 0;
}

static void replay_close(struct port *p)
{
	struct replay_port *rp = p->priv;

	rte_pktmbuf_free_bulk(rp->answers, rp->answers_len);
	replay_unload(&rp->replay);
	free(rp);
}

static uint16_t take_answers(struct replay_port *rp, struct rte_mbuf **pkts, uint16_t n)
{
	uint16_t len = 0;

	while (len < n && rp->answers_len)
		pkts[len++] = rp->answers[--rp->answers_len];
	return len;
}

// Memory answers while the graph and the way out work on other packets.
static void fetch_ahead(struct replay_port *rp, uint32_t n)
{
	for (; n && rp->fetched - rp->next < AHEAD; n--, rp->fetched++)
		replay_prefetch(&rp->replay, rp->fetched);
}

// What a driver sets of a packet that it took from the pool.
static __rte_always_inline void begin(struct rte_mbuf *m, uint32_t size)
{
	m->data_off = RTE_PKTMBUF_HEADROOM;
	m->ol_flags = 0;
	m->packet_type = 0;
	m->pkt_len = size;
	m->data_len = (uint16_t)size;
	m->tx_offload = 0;
}

static __rte_always_inline uint16_t take(struct replay_port *rp, struct rte_mbuf **pkts, uint16_t n)
{
	const struct replay_header *h = rp->replay.header;
	uint32_t stride = rp->replay.in_stride, size = h->in_size;

	for (uint16_t i = 0; i < n; i++) {
		const uint8_t *from = rp->replay.in + (size_t)rp->next * stride;

		begin(pkts[i], size);
		if (h->in_tail)
			replay_write(&rp->replay, rp->next, pkts[i]);
		else
			replay_copy(rte_pktmbuf_mtod(pkts[i], uint8_t *), from, h->in_stored);
		if (++rp->next == h->count)
			rp->next = rp->fetched = 0;
		fetch_ahead(rp, i & 1);
	}
	return n;
}

static CPU_TARGET_V3 uint16_t take_v3(struct replay_port *rp, struct rte_mbuf **pkts, uint16_t n)
{
	return take(rp, pkts, n);
}

static uint16_t replay_rx(struct port *p, uint16_t queue, struct rte_mbuf **pkts, uint16_t n)
{
	struct replay_port *rp = p->priv;

	if (rp->answers_len)
		return take_answers(rp, pkts, n);
	if (rte_mempool_get_bulk(rp->pool, (void **)pkts, n) < 0)
		return 0;
	if (cpu_level >= CPU_V3)
		take_v3(rp, pkts, n);
	else
		take(rp, pkts, n);
	rp->rx_packets += n;
	rp->rx_bytes += (uint64_t)n * rp->replay.header->in_size;
	return n;
}

static void sink(struct replay_port *rp, const struct rte_mbuf *m)
{
	rp->tx_packets++;
	rp->tx_bytes += m->pkt_len;
	if (rp->tx_packets % CHECK_EVERY == 0 && !replay_check(&rp->replay, m))
		rp->wrong++;
}

static uint16_t replay_tx(struct port *p, uint16_t queue, struct rte_mbuf **pkts, uint16_t n)
{
	struct replay_port *rp = p->priv;
	uint32_t size = rp->replay.header->out_size;
	struct rte_mbuf *done[NODE_VECTOR];
	unsigned len = 0;

	for (uint16_t i = 0; i < n; i++) {
		struct rte_mbuf *m = pkts[i];

		if (likely(m->pkt_len == size)) {
			sink(rp, m);
		} else if (rp->answers_len < ANSWERS_MAX && replay_answer_arp(&rp->replay, m)) {
			rp->answers[rp->answers_len++] = m;
			continue;
		}
		if (unlikely(m->nb_segs != 1 || m->pool != rp->pool))
			rte_pktmbuf_free(m);
		else if (likely(rte_pktmbuf_prefree_seg(m) != NULL))
			done[len++] = m;
		fetch_ahead(rp, i & 1);
	}
	rte_mempool_put_bulk(rp->pool, (void **)done, len);
	return n;
}

static int replay_wait_fd(struct port *p, uint16_t queue)
{
	return -1;
}

static void replay_refresh(struct port *p)
{
	const struct replay_port *rp = p->priv;

	p->rx_packets = rp->rx_packets;
	p->rx_bytes = rp->rx_bytes;
	p->tx_packets = rp->tx_packets;
	p->tx_bytes = rp->tx_bytes;
	p->tx_dropped = rp->wrong;
}

const struct port_ops replay_ops = {
	.kind = "replay",
	.open = replay_open,
	.close = replay_close,
	.rx = replay_rx,
	.tx = replay_tx,
	.wait_fd = replay_wait_fd,
	.refresh = replay_refresh,
};
