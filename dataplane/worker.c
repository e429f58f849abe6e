// SPDX-License-Identifier: Apache-2.0
#include "worker.h"

#include <errno.h>
#include <rte_cycles.h>
#include <rte_ring.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "control.h"
#include "hot.h"

#define INBOX_SIZE 4096 // packets

struct worker *worker_table[WORKER_MAX];
uint16_t worker_count;

int worker_init(
	struct worker *w, const struct graph *graph, struct rte_mempool *pool, uint32_t conns_size)
{
	char name[RTE_RING_NAMESIZE];

	if (worker_count == WORKER_MAX || graph->len > NODE_MAX)
		return -ENOSPC;
	memset(w, 0, sizeof(*w));
	w->graph = graph;
	w->pool = pool;
	w->index = worker_count;
	w->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (w->wake_fd < 0)
		return -errno;
	snprintf(name, sizeof(name), "inbox-%u", w->index);
	w->inbox = rte_ring_create(name, INBOX_SIZE, SOCKET_ID_ANY, RING_F_SC_DEQ);
	w->conns = hot_alloc(conns_size * sizeof(*w->conns));
	w->conn_drops = hot_alloc((size_t)conns_size * DROP_COUNT * sizeof(*w->conn_drops));
	w->conns_size = conns_size;
	if (!w->inbox || !w->conns || !w->conn_drops) {
		worker_fini(w);
		return -ENOMEM;
	}
	worker_table[worker_count++] = w;
	return 0;
}

// Workers end in any order, at the end of the process or of a test.
void worker_fini(struct worker *w)
{
	struct rte_mbuf *m;

	for (uint16_t i = 0; i < NODE_MAX; i++)
		rte_pktmbuf_free_bulk(w->pkts[i], w->len[i]);
	for (uint16_t i = 0; i < PORT_MAX; i++)
		rte_pktmbuf_free_bulk(w->tx[i].pkts, w->tx[i].len);
	while (w->inbox && rte_ring_dequeue(w->inbox, (void **)&m) == 0)
		rte_pktmbuf_free(m);
	rte_ring_free(w->inbox);
	hot_free(w->conns);
	hot_free(w->conn_drops);
	close(w->wake_fd);
	if (worker_table[w->index] == w) {
		worker_table[w->index] = NULL;
		while (worker_count && !worker_table[worker_count - 1])
			worker_count--;
	}
}

void node_run(struct worker *w, uint16_t node)
{
	uint16_t n = w->len[node];
	struct node_stats *stats = &w->stats[node];
	struct rte_mbuf *pkts[NODE_VECTOR];
	uint64_t start;

	// A copy, since the node's own pushes may come round to this vector.
	memcpy(pkts, w->pkts[node], n * sizeof(pkts[0]));
	w->len[node] = 0;
	stats->calls++;
	stats->packets += n;
	if (unlikely(w->observer != NULL) && w->observer->node)
		w->observer->node(w, node, pkts, n);
	if (likely(!w->timed)) {
		w->graph->nodes[node]->run(w, pkts, n);
		return;
	}
	start = rte_rdtsc();
	w->graph->nodes[node]->run(w, pkts, n);
	stats->timed_cycles += rte_rdtsc() - start;
	stats->timed_packets += n;
}

void graph_run(struct worker *w)
{
	bool again;

	do {
		again = false;
		for (uint16_t i = 0; i < w->graph->len; i++) {
			if (w->len[i]) {
				node_run(w, i);
				again = true;
			}
		}
	} while (again);
}

void packet_drop_observed(struct worker *w, struct rte_mbuf *m, enum drop_reason reason)
{
	if (w->observer->drop)
		w->observer->drop(w, m, reason);
}

static void wake(struct worker *w)
{
	// Pairs with the fence between setting `asleep` and the last look at the inbox.
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (__atomic_load_n(&w->asleep, __ATOMIC_RELAXED))
		eventfd_write(w->wake_fd, 1);
}

bool worker_inject(uint16_t to, uint16_t node, struct rte_mbuf *m)
{
	struct worker *w = to < WORKER_MAX ? worker_table[to] : NULL;

	packet_meta(m)->node = (uint8_t)node;
	if (!w || rte_ring_enqueue(w->inbox, m) != 0)
		return false;
	wake(w);
	return true;
}

void worker_handoff(struct worker *w, uint16_t to, uint16_t node, struct rte_mbuf *m)
{
	if (to == w->index)
		node_push(w, node, m);
	else if (!worker_inject(to, node, m))
		packet_drop(w, m, DROP_HANDOFF_FULL);
}

bool control_push(struct worker *w, uint8_t what, struct rte_mbuf *m)
{
	packet_meta(m)->node = what;
	if (unlikely(w->observer != NULL) && w->observer->control)
		w->observer->control(w, what, m);
	if (!control_enqueue(m))
		return false;
	w->control_pending = true;
	return true;
}
