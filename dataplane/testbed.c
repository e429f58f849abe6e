// SPDX-License-Identifier: Apache-2.0
#include "testbed.h"

#include <rte_mempool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "env.h"
#include "rcu.h"
#include "xmalloc.h"

#define POOL_SIZE   8192
#define POOL_LARGE  128
#define RESULTS_MAX 16384

struct testbed {
	struct worker worker;
	struct node stop_node;
	const struct node *nodes[NODE_MAX];
	struct graph graph;
	struct port ports[TESTBED_PORTS];
	uint16_t entering; // node about to run
	size_t len, taken;
	struct testbed_result results[RESULTS_MAX];
};

static struct testbed *current;
static struct rte_mempool *pool, *large_pool;

static void die(const char *what)
{
	fprintf(stderr, "testbed: %s\n", what);
	abort();
}

static void environment_init(void)
{
	static const struct env_config config = {.name = "testbed", .memory_mib = 128};
	static bool done;

	if (done)
		return;
	done = true;
	if (env_init(&config) < 0)
		die("no DPDK environment");
	pool = rte_pktmbuf_pool_create(
		"testbed", POOL_SIZE, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
	large_pool = rte_pktmbuf_pool_create(
		"testbed-large", POOL_LARGE, 0, 0, UINT16_MAX, SOCKET_ID_ANY);
	if (!pool || !large_pool)
		die("no packet buffers");
}

static void add(struct testbed_result r)
{
	if (current->len == RESULTS_MAX)
		die("too many results not taken");
	current->results[current->len++] = r;
}

// A reference of our own to every segment: the drop that follows frees the graph's.
static void hold(struct rte_mbuf *m)
{
	for (; m; m = m->next)
		rte_mbuf_refcnt_update(m, 1);
}

static void observe_node(struct worker *w, uint16_t node, struct rte_mbuf **pkts, uint16_t n)
{
	current->entering = node;
}

static void observe_drop(struct worker *w, struct rte_mbuf *m, enum drop_reason reason)
{
	hold(m);
	add((struct testbed_result){.end = TESTBED_DROP, .reason = reason, .m = m});
}

static struct worker_observer observer = {.node = observe_node, .drop = observe_drop};

static void stop_run(struct worker *w, struct rte_mbuf **pkts, uint16_t n)
{
	for (uint16_t i = 0; i < n; i++)
		add((struct testbed_result){
			.end = TESTBED_STOP, .node = current->entering, .m = pkts[i]});
}

static uint16_t port_tx_collect(struct port *p, uint16_t queue, struct rte_mbuf **pkts, uint16_t n)
{
	for (uint16_t i = 0; i < n; i++)
		add((struct testbed_result){.end = TESTBED_TX, .port = p->index, .m = pkts[i]});
	return n;
}

static const struct port_ops collect_ops = {.kind = "testbed", .tx = port_tx_collect};

static void control_collect(struct rte_mbuf *m)
{
	add((struct testbed_result){.end = TESTBED_CONTROL, .what = packet_meta(m)->node, .m = m});
}

struct testbed *testbed_new(const struct graph *graph)
{
	struct testbed *tb;

	environment_init();
	if (current)
		die("one at a time");
	tb = current = xcalloc(1, sizeof(*tb));
	memcpy(tb->nodes, graph->nodes, graph->len * sizeof(tb->nodes[0]));
	tb->stop_node = (struct node){.name = "stop", .run = stop_run};
	tb->graph = (struct graph){tb->nodes, graph->len, graph->input};
	if (control_init() < 0 || worker_init(&tb->worker, &tb->graph, pool, 1024) < 0)
		die("no worker");
	observer.every_node = false;
	tb->worker.observer = &observer;
	for (uint16_t i = 0; i < TESTBED_PORTS; i++) {
		struct port *p = &tb->ports[i];

		*p = (struct port){.ops = &collect_ops, .index = i, .mtu = 1500, .up = true};
		p->mac = (struct mac_addr){{2, 0, 0, 0, 0, (uint8_t)i}};
		snprintf(p->name, sizeof(p->name), "test%u", i);
		port_table[i] = p;
	}
	for (int i = 0; i < CONTROL_WHAT_COUNT; i++)
		control_handle(i, control_collect);
	return tb;
}

void testbed_free(struct testbed *tb)
{
	struct testbed_result r;

	if (!tb)
		return;
	while (testbed_take(tb, &r))
		testbed_put(&r);
	worker_fini(&tb->worker);
	control_fini();
	for (int i = 0; i < CONTROL_WHAT_COUNT; i++)
		control_handle(i, NULL);
	for (uint16_t i = 0; i < TESTBED_PORTS; i++)
		port_table[i] = NULL;
	current = NULL;
	free(tb);
}

struct worker *testbed_worker(struct testbed *tb)
{
	return &tb->worker;
}

struct port *testbed_port(struct testbed *tb, uint16_t port)
{
	return &tb->ports[port];
}

void testbed_set_now(struct testbed *tb, uint64_t now_ns)
{
	tb->worker.now_ns = now_ns;
}

void testbed_every_node(struct testbed *tb, bool on)
{
	observer.every_node = on;
}

void testbed_stop_at(struct testbed *tb, uint16_t node)
{
	tb->nodes[node] = &tb->stop_node;
}

struct rte_mbuf *testbed_packet(struct testbed *tb, const void *bytes, size_t size)
{
	bool large = size > RTE_MBUF_DEFAULT_DATAROOM;
	struct rte_mbuf *m = rte_pktmbuf_alloc(large ? large_pool : pool);

	if (!m || size > rte_pktmbuf_tailroom(m))
		die("no buffer for this packet");
	packet_meta_reset(m);
	memcpy(rte_pktmbuf_append(m, (uint16_t)size), bytes, size);
	return m;
}

void testbed_receive(struct testbed *tb, uint16_t port, const void *frame, size_t size)
{
	struct rte_mbuf *m = testbed_packet(tb, frame, size);

	packet_meta(m)->port = port;
	testbed_push(tb, tb->graph.input, m);
}

void testbed_push(struct testbed *tb, uint16_t node, struct rte_mbuf *m)
{
	node_push(&tb->worker, node, m);
}

static bool take_from_inbox(struct worker *w)
{
	struct rte_mbuf *m;
	bool any = false;

	for (; rte_ring_dequeue(w->inbox, (void **)&m) == 0; any = true)
		node_push(w, packet_meta(m)->node, m);
	return any;
}

void testbed_run(struct testbed *tb)
{
	do {
		graph_run(&tb->worker);
		for (uint16_t i = 0; i < PORT_MAX; i++) {
			if (tb->worker.tx[i].len)
				port_flush(&tb->worker, i);
		}
		control_drain();
	} while (take_from_inbox(&tb->worker));
	rcu_reclaim();
}

bool testbed_take(struct testbed *tb, struct testbed_result *ret_result)
{
	if (tb->taken == tb->len) {
		tb->taken = tb->len = 0;
		return false;
	}
	*ret_result = tb->results[tb->taken++];
	return true;
}

void testbed_put(struct testbed_result *result)
{
	rte_pktmbuf_free(result->m);
	result->m = NULL;
}

const uint8_t *testbed_bytes(const struct testbed_result *result, size_t *ret_size)
{
	static uint8_t flat[1 << 17];
	const struct rte_mbuf *m = result->m;

	*ret_size = m->pkt_len;
	if (m->pkt_len > sizeof(flat))
		die("packet too large");
	return rte_pktmbuf_read(m, 0, m->pkt_len, flat);
}

size_t testbed_buffers_out(struct testbed *tb)
{
	return rte_mempool_in_use_count(pool) + rte_mempool_in_use_count(large_pool);
}
