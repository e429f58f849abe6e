// SPDX-License-Identifier: Apache-2.0
#include "trace.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "testbed.h"

enum { FIRST, SECOND };

// Bytes: 0 is dropped, 1 sent, 2 handed to the control thread; the second byte is the connection.
static void first_run(struct worker *w, struct rte_mbuf **pkts, uint16_t n)
{
	for (uint16_t i = 0; i < n; i++) {
		packet_meta(pkts[i])->conn = rte_pktmbuf_mtod(pkts[i], const uint8_t *)[1];
		node_push(w, SECOND, pkts[i]);
	}
}

static void second_run(struct worker *w, struct rte_mbuf **pkts, uint16_t n)
{
	for (uint16_t i = 0; i < n; i++) {
		switch (*rte_pktmbuf_mtod(pkts[i], const uint8_t *)) {
		case 0: packet_drop(w, pkts[i], DROP_TTL_EXPIRED); break;
		case 1: port_tx(w, 2, pkts[i]); break;
		default: control_push(w, CONTROL_PUNT_TUN, pkts[i]);
		}
	}
}

static void second_trace(const struct rte_mbuf *m, char *buf, size_t size)
{
	snprintf(buf, size, "kind %u", *rte_pktmbuf_mtod(m, const uint8_t *));
}

static const struct node first = {.name = "first", .run = first_run};
static const struct node second = {.name = "second", .run = second_run, .trace = second_trace};
static const struct node *const nodes[] = {&first, &second};
static const struct graph graph = {nodes, 2, FIRST};

static char seen[8][TRACE_TEXT_SIZE];
static unsigned seen_len;

static void keep(void *ctx, const char *text)
{
	snprintf(seen[seen_len++], TRACE_TEXT_SIZE, "%s", text);
}

static uint32_t collect(void)
{
	seen_len = 0;
	return trace_collect(8, keep, NULL);
}

static void pass(struct testbed *tb, uint8_t kind, uint8_t conn)
{
	uint8_t bytes[4] = {kind, conn};

	testbed_receive(tb, 3, bytes, sizeof(bytes));
	testbed_run(tb);
}

static void packet_is_followed_to_its_verdict(void **state)
{
	static const struct trace_config any = {0};
	static const char *const ends[] = {
		"drop: ttl_expired: ", "tx: 4 bytes on port 2 (test2)\n", "control: "};
	struct testbed *tb = testbed_new(&graph);

	assert_int_equal(trace_arm(&any), 0);
	assert_int_equal(trace_arm(&any), -EBUSY);
	for (uint8_t kind = 0; kind < 3; kind++) {
		char want[64];

		pass(tb, kind, 5);
		assert_int_equal(collect(), 1);
		snprintf(want, sizeof(want),
			"second: 4 bytes, port 3, vlan 0, vrf 0, conn 5: kind %u\n", kind);
		assert_non_null(strstr(seen[0], "first: 4 bytes, port 3"));
		assert_non_null(strstr(seen[0], want));
		assert_non_null(strstr(seen[0], ends[kind]));
	}
	trace_disarm();
	pass(tb, 1, 5);
	assert_int_equal(collect(), 0);
	testbed_free(tb);
}

static void filter_lets_only_its_connection_through(void **state)
{
	static const struct trace_config conn7 = {.conn = 7};
	struct testbed *tb = testbed_new(&graph);

	assert_int_equal(trace_arm(&conn7), 0);
	for (uint8_t conn = 1; conn < 100; conn++) // more than there are slots
		pass(tb, 0, conn);
	assert_int_equal(collect(), 1);
	assert_non_null(strstr(seen[0], "conn 7"));
	trace_disarm();
	testbed_free(tb);
}

static void only_the_injected_packet_is_followed(void **state)
{
	static const struct trace_config injected = {.injected_only = true};
	struct testbed *tb = testbed_new(&graph);
	struct rte_mbuf *m = testbed_packet(tb, "\1\2\3\4", 4);

	assert_int_equal(trace_arm(&injected), 0);
	pass(tb, 0, 1);
	packet_meta(m)->flags = PACKET_F_TRACED;
	testbed_push(tb, FIRST, m);
	pass(tb, 0, 1);
	assert_int_equal(collect(), 1);
	assert_non_null(strstr(seen[0], "tx: "));
	trace_disarm();
	testbed_free(tb);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(packet_is_followed_to_its_verdict),
		cmocka_unit_test(filter_lets_only_its_connection_through),
		cmocka_unit_test(only_the_injected_packet_is_followed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
