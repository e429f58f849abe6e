// SPDX-License-Identifier: Apache-2.0
#pragma once

// A worker: one thread that takes packets from its queue of every port and runs them through the
// graph to completion. What stands here is what nodes use; worker_loop.h runs the threads.
//
// A node's vector that is full runs at once, in the middle of whoever pushes: no packet is lost and
// those of one flow that take one path stay in order.

#include <rte_branch_prediction.h>
#include <rte_mbuf.h>
#include <stdbool.h>
#include <stdint.h>

#include "drop.h"
#include "node.h"
#include "packet.h"
#include "port.h"

#define WORKER_MAX 16
#define NODE_MAX   64 // in one graph

// The visible list. Packets enter at `input`; nodes are called in the order of the list.
struct graph {
	const struct node *const *nodes;
	uint16_t len;
	uint16_t input;
};

struct node_stats {
	uint64_t calls, packets;
	// Only every 16th loop reads the clock.
	uint64_t timed_packets, timed_cycles;
};

// Of one connection on one worker; the control thread sums them. Bytes are inner IP bytes.
struct conn_counters {
	uint64_t in_packets, in_bytes, out_packets, out_bytes;
};

// Sees what happens to packets: traces, captures, tests. NULL costs a compare per node call.
struct worker_observer {
	void (*node)(struct worker *w, uint16_t node, struct rte_mbuf **pkts, uint16_t n);
	void (*drop)(struct worker *w, struct rte_mbuf *m, enum drop_reason reason);
	void (*tx)(struct worker *w, uint16_t port, struct rte_mbuf **pkts, uint16_t n);
	void (*control)(struct worker *w, uint8_t what, struct rte_mbuf *m);
	bool every_node; // no node does the work of several at once
};

struct tx_buffer {
	uint16_t len;
	struct rte_mbuf *pkts[NODE_VECTOR];
};

struct worker {
	uint64_t now_ns; // monotonic, read once a loop
	uint64_t ran_ns; // when this thread was last seen to run, by itself
	const struct graph *graph;
	const struct worker_observer *observer; // ctl: rw, worker: ro
	struct rte_mempool *pool;
	struct conn_counters *conns; // [conns_size], worker: rw, ctl: ro
	uint64_t *conn_drops;        // [conns_size * DROP_COUNT]
	uint32_t conns_size;
	uint16_t index;
	bool timed; // this loop measures cycles
	bool control_pending;

	uint16_t len[NODE_MAX]; // of the pending vectors
	struct rte_mbuf *pkts[NODE_MAX][NODE_VECTOR];
	struct tx_buffer tx[PORT_MAX];

	// worker: rw, ctl: ro
	uint64_t drops[DROP_COUNT];
	struct node_stats stats[NODE_MAX];
	struct node_stats rx_stats, tx_stats;

	struct rte_ring *inbox; // packets from other threads, each with meta.node
	int wake_fd;            // eventfd
	bool asleep;            // worker: rw, others: ro; who fills the inbox then wakes it
};

// -- for nodes

// Passes m on to `node`, which owns it then.
static inline void node_push(struct worker *w, uint16_t node, struct rte_mbuf *m);
// Ends m: counts the reason, for its connection too, and frees it.
static inline void packet_drop(struct worker *w, struct rte_mbuf *m, enum drop_reason reason);
// Sends m, an Ethernet frame (meta.vlan has no say: the tag, if any, is in the frame). Buffered
// until the end of the loop. Partial checksums and GSO are completed there as the port needs.
static inline void port_tx(struct worker *w, uint16_t port, struct rte_mbuf *m);
// Nanoseconds, monotonic; the same through one loop.
static inline uint64_t worker_now(const struct worker *w);
// NULL and DROP_NO_BUFFER to be counted by the caller. Meta is reset.
static inline struct rte_mbuf *packet_new(struct worker *w);
// m goes on at `node` of worker `to`, in order with what went there before; dropped when the ring
// is full. To oneself: a push.
void worker_handoff(struct worker *w, uint16_t to, uint16_t node, struct rte_mbuf *m);
// The same from the control thread; false: the ring is full and m is still the caller's.
bool worker_inject(uint16_t to, uint16_t node, struct rte_mbuf *m);
// m goes to the control thread's handler of `what` (control.h), which owns it then; false: the
// ring is full and m is still the caller's.
bool control_push(struct worker *w, uint8_t what, struct rte_mbuf *m);

// -- for those who run graphs

extern struct worker *worker_table[WORKER_MAX]; // [worker_count]
extern uint16_t worker_count;

// 0 or -errno. Takes its place in worker_table; conns_size connections can be counted.
int worker_init(
	struct worker *w, const struct graph *graph, struct rte_mempool *pool, uint32_t conns_size);
void worker_fini(struct worker *w);
void node_run(struct worker *w, uint16_t node);   // its pending vector
void graph_run(struct worker *w);                 // until nothing is pending
void port_flush(struct worker *w, uint16_t port); // its buffered packets
void packet_drop_observed(struct worker *w, struct rte_mbuf *m, enum drop_reason reason);

static inline void node_push(struct worker *w, uint16_t node, struct rte_mbuf *m)
{
	uint16_t n = w->len[node];

	if (unlikely(n == NODE_VECTOR)) {
		node_run(w, node);
		n = w->len[node];
	}
	w->pkts[node][n] = m;
	w->len[node] = (uint16_t)(n + 1);
}

static inline void packet_drop(struct worker *w, struct rte_mbuf *m, enum drop_reason reason)
{
	uint32_t conn = packet_meta(m)->conn;

	w->drops[reason]++;
	if (conn && likely(conn < w->conns_size))
		w->conn_drops[(size_t)conn * DROP_COUNT + reason]++;
	if (unlikely(w->observer != NULL))
		packet_drop_observed(w, m, reason);
	rte_pktmbuf_free(m);
}

static inline void port_tx(struct worker *w, uint16_t port, struct rte_mbuf *m)
{
	struct tx_buffer *b = &w->tx[port];

	if (unlikely(b->len == NODE_VECTOR))
		port_flush(w, port);
	b->pkts[b->len++] = m;
}

static inline uint64_t worker_now(const struct worker *w)
{
	return w->now_ns;
}

static inline struct rte_mbuf *packet_new(struct worker *w)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(w->pool);

	if (likely(m != NULL))
		packet_meta_reset(m);
	return m;
}
