// SPDX-License-Identifier: Apache-2.0
#include "worker.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include "testbed.h"

// A graph of three: `split` sends odd packets up the list to `twice`, which comes back once.
enum { SPLIT_UP, SPLIT, SINK };

static uint32_t number(const struct rte_mbuf *m)
{
	return *rte_pktmbuf_mtod(m, const uint32_t *);
}

static void up_run(struct worker *w, struct rte_mbuf **pkts, uint16_t n)
{
	for (uint16_t i = 0; i < n; i++)
		node_push(w, SINK, pkts[i]);
}

static void split_run(struct worker *w, struct rte_mbuf **pkts, uint16_t n)
{
	for (uint16_t i = 0; i < n; i++)
		node_push(w, number(pkts[i]) % 2 ? SPLIT_UP : SINK, pkts[i]);
}

static void sink_run(struct worker *w, struct rte_mbuf **pkts, uint16_t n)
{
	for (uint16_t i = 0; i < n; i++) {
		if (number(pkts[i]) % 5 == 0)
			packet_drop(w, pkts[i], DROP_NO_ROUTE);
		else
			port_tx(w, (uint16_t)(number(pkts[i]) % 2), pkts[i]);
	}
}

static const struct node up = {.name = "up", .run = up_run};
static const struct node split = {.name = "split", .run = split_run};
static const struct node sink = {.name = "sink", .run = sink_run};
static const struct node *const nodes[] = {&up, &split, &sink};
static const struct graph graph = {nodes, 3, SPLIT};

static void push_numbers(struct testbed *tb, uint32_t from, uint32_t to)
{
	for (uint32_t i = from; i < to; i++)
		testbed_push(tb, SPLIT, testbed_packet(tb, &i, sizeof(i)));
}

static void every_packet_comes_out_once_and_in_order(void **state)
{
	struct testbed *tb = testbed_new(&graph);
	uint32_t last[2] = {0, 0}, seen = 0, dropped = 0;
	struct testbed_result r;

	push_numbers(tb, 1, 1001); // far more than a vector holds
	testbed_run(tb);
	while (testbed_take(tb, &r)) {
		uint32_t n = number(r.m);

		seen++;
		if (n % 5 == 0) {
			assert_int_equal(r.end, TESTBED_DROP);
			assert_int_equal(r.reason, DROP_NO_ROUTE);
			dropped++;
		} else {
			assert_int_equal(r.end, TESTBED_TX);
			assert_int_equal(r.port, n % 2);
			assert_true(n > last[n % 2]);
			last[n % 2] = n;
		}
		testbed_put(&r);
	}
	assert_int_equal(seen, 1000);
	assert_int_equal(dropped, 200);
	assert_int_equal(testbed_worker(tb)->drops[DROP_NO_ROUTE], 200);
	assert_int_equal(testbed_worker(tb)->stats[SINK].packets, 1000);
	assert_int_equal(testbed_buffers_out(tb), 0);
	testbed_free(tb);
}

static void drop_is_counted_for_its_connection(void **state)
{
	struct testbed *tb = testbed_new(&graph);
	struct worker *w = testbed_worker(tb);
	struct rte_mbuf *m = testbed_packet(tb, "\0\0\0\0", 4);

	packet_meta(m)->conn = 7;
	packet_drop(w, m, DROP_POLICER_IN);
	assert_int_equal(w->conn_drops[7 * DROP_COUNT + DROP_POLICER_IN], 1);
	m = testbed_packet(tb, "\0\0\0\0", 4);
	packet_meta(m)->conn = w->conns_size; // beyond the table: counted for the worker alone
	packet_drop(w, m, DROP_POLICER_IN);
	assert_int_equal(w->drops[DROP_POLICER_IN], 2);
	testbed_free(tb);
	tb = testbed_new(&graph);
	assert_int_equal(testbed_buffers_out(tb), 0);
	testbed_free(tb);
}

static void down_port_drops_with_its_reason(void **state)
{
	struct testbed *tb = testbed_new(&graph);
	struct testbed_result r;

	testbed_port(tb, 1)->up = false;
	push_numbers(tb, 1, 2);
	testbed_run(tb);
	assert_true(testbed_take(tb, &r));
	assert_int_equal(r.end, TESTBED_DROP);
	assert_int_equal(r.reason, DROP_TX_PORT_DOWN);
	testbed_put(&r);
	testbed_free(tb);
}

static void full_inbox_drops_what_is_handed_over(void **state)
{
	static struct worker other;
	struct testbed *tb = testbed_new(&graph);
	struct worker *w = testbed_worker(tb);

	assert_int_equal(worker_init(&other, &graph, w->pool, 1), 0);
	for (uint32_t i = 0; i < 5000; i++)
		worker_handoff(w, other.index, SINK, testbed_packet(tb, &i, sizeof(i)));
	assert_int_equal(w->drops[DROP_HANDOFF_FULL], 5000 - 4095);
	worker_fini(&other);
	worker_handoff(w, 1, SINK, testbed_packet(tb, "\0\0\0\0", 4)); // nobody there
	assert_int_equal(w->drops[DROP_HANDOFF_FULL], 5000 - 4095 + 1);
	testbed_free(tb);
	tb = testbed_new(&graph);
	assert_int_equal(testbed_buffers_out(tb), 0);
	testbed_free(tb);
}

static void control_packets_reach_their_handler(void **state)
{
	struct testbed *tb = testbed_new(&graph);
	struct testbed_result r;

	assert_true(
		control_push(testbed_worker(tb), CONTROL_NEIGHBOUR, testbed_packet(tb, "abcd", 4)));
	testbed_run(tb);
	assert_true(testbed_take(tb, &r));
	assert_int_equal(r.end, TESTBED_CONTROL);
	assert_int_equal(r.what, CONTROL_NEIGHBOUR);
	testbed_put(&r);
	testbed_free(tb);
}

static void stop_collects_in_front_of_a_node(void **state)
{
	struct testbed *tb = testbed_new(&graph);
	struct testbed_result r;

	testbed_stop_at(tb, SINK);
	push_numbers(tb, 1, 3);
	testbed_run(tb);
	assert_true(testbed_take(tb, &r));
	assert_int_equal(r.end, TESTBED_STOP);
	assert_int_equal(r.node, SINK);
	testbed_put(&r);
	testbed_free(tb);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_packet_comes_out_once_and_in_order),
		cmocka_unit_test(drop_is_counted_for_its_connection),
		cmocka_unit_test(down_port_drops_with_its_reason),
		cmocka_unit_test(full_inbox_drops_what_is_handed_over),
		cmocka_unit_test(control_packets_reach_their_handler),
		cmocka_unit_test(stop_collects_in_front_of_a_node),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
