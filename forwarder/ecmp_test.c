// SPDX-License-Identifier: Apache-2.0

// Several connections of a tenant to one prefix: how flows spread over them, by weight, and that a
// connection that goes or comes moves its own flows only. IPv4 and IPv6 inside.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "conn/conn.h"
#include "framekit.h"
#include "gateway.h"
#include "gatewaykit.h"

#define CONNS 4
#define FLOWS 8000
#define FIRST 310 // connection id and GRE key

static const uint8_t gateway_mac[6] = {2, 0, 0, 0, 0, 0xa0}, vm_mac[6] = {2, 0, 0, 0, 0, 0x10};
static const uint8_t port_mac[6] = {2}, router_mac[6] = {2, 0, 0, 0, 0, 0xfe};

// From one machine to one address: only the ports tell the flows apart.
struct flow_set {
	struct ip_addr from, to;
	bool vary_address;
};

static struct flow_set flows4(void)
{
	return (struct flow_set){ip_from_v4(KIT_VM), frame_addr("77.0.0.1"), false};
}

static struct flow_set flows6(void)
{
	return (struct flow_set){frame_addr("fd00:5::5"), frame_addr("fd00:77::1"), false};
}

static void set_conn(unsigned i, uint8_t weight, bool enabled)
{
	struct api_conn c = {.conn = FIRST + i,
		.vrf = 10,
		.slot = 1,
		.type = API_CONN_GRE,
		.weight = weight,
		.flags = API_CONN_F_GRE_KEY | (enabled ? API_CONN_F_ENABLED : 0),
		.gre_key = FIRST + i,
		.local = ip_from_v4(KIT_SLOT_PA),
		.remote = ip_from_v4(KIT_GRE_REMOTE + 100 + i)};

	assert_true(kit_set(API_TYPE_CONN, &c, sizeof(c)) >= 0);
}

static void set_route(const char *prefix, unsigned len, const uint8_t *weight)
{
	struct ip_addr addr = frame_addr(prefix);
	struct api_route r = {.vrf = 10,
		.prefix = prefix_make(&addr, (uint8_t)len),
		.source = API_ROUTE_STATIC,
		.preference = 1,
		.path_count = CONNS};

	for (unsigned i = 0; i < CONNS; i++) {
		r.path[i].type = API_PATH_CONN;
		r.path[i].id = FIRST + i;
		r.path[i].weight = weight ? weight[i] : 0;
	}
	assert_true(kit_set(API_TYPE_ROUTE, &r, offsetof(struct api_route, path[CONNS])) >= 0);
}

static void set_all(const uint8_t weight[CONNS])
{
	struct api_subnet subnet = {
		.vni = kit_vni(0), .vrf = 10, .encap = API_ENCAP_VXLAN, .prefix_count = 2};
	struct ip_addr v4 = ip_from_v4(KIT_VM), v6 = frame_addr("fd00:5::5");

	subnet.prefix[0] = prefix_make(&v4, 24);
	subnet.prefix[1] = prefix_make(&v6, 64);
	assert_true(kit_set(API_TYPE_SUBNET, &subnet, sizeof(subnet)) >= 0);
	for (unsigned i = 0; i < CONNS; i++)
		set_conn(i, weight[i], true);
	set_route("77.0.0.0", 8, NULL);
	set_route("fd00:77::", 32, NULL);
}

static unsigned conn_of_flow(struct kit *k, const struct flow_set *s, unsigned flow)
{
	struct ip_addr host = ip_from_v4(KIT_HOST_PA), slot = ip_from_v4(KIT_SLOT_PA), to = s->to;
	struct testbed_result r;
	unsigned key;
	struct frame f;

	if (s->vary_address)
		to.bytes[s->to.family == IP_V4 ? 2 : 14] = (uint8_t)flow;
	frame_payload(&f, 20);
	frame_udp(&f, (uint16_t)(s->vary_address ? 5 : 1024 + flow), 53);
	frame_ip(&f, &s->from, &to);
	frame_eth(&f, gateway_mac, vm_mac);
	frame_vxlan(&f, kit_vni(0));
	frame_ip(&f, &host, &slot);
	frame_eth(&f, port_mac, router_mac);
	testbed_receive(k->tb, 0, f.p, f.size);
	testbed_run(k->tb);
	assert_true(kit_take(k, &r));
	if (r.end == TESTBED_DROP)
		fail_msg("dropped as '%s'", drop_name(r.reason));
	key = be32(load32(testbed_bytes(&r, &(size_t){0}) + 38));
	testbed_put(&r);
	assert_false(kit_take(k, &r));
	assert_in_range(key, FIRST, FIRST + CONNS - 1);
	return key - FIRST;
}

static void spread(struct kit *k, const struct flow_set *s, unsigned len, uint8_t *ret_conn,
	unsigned ret_share[CONNS])
{
	memset(ret_share, 0, CONNS * sizeof(*ret_share));
	for (unsigned i = 0; i < len; i++) {
		ret_conn[i] = (uint8_t)conn_of_flow(k, s, i);
		ret_share[ret_conn[i]]++;
	}
}

static uint8_t before[FLOWS], after[FLOWS];

static void expect_shares(const unsigned share[CONNS], const uint8_t weight[CONNS])
{
	unsigned total = 0;

	for (unsigned i = 0; i < CONNS; i++)
		total += weight[i];
	for (unsigned i = 0; i < CONNS; i++) {
		unsigned want = FLOWS * weight[i] / total;

		// 1024 buckets drawn by hash: three standard deviations of the lightest.
		assert_in_range(share[i], want - want / 5, want + want / 5);
	}
}

static void flows_spread_over_connections_by_ports_and_weight(void **state)
{
	static const uint8_t weights[][CONNS] = {{1, 1, 1, 1}, {1, 2, 3, 4}, {10, 10, 10, 20}};
	struct flow_set sets[] = {flows4(), flows6()};
	unsigned share[CONNS];

	for (unsigned w = 0; w < 3; w++) {
		set_all(weights[w]);
		for (unsigned s = 0; s < 2; s++) {
			spread(*state, &sets[s], FLOWS, before, share);
			print_message("weights %u %u %u %u: shares %u %u %u %u of %u\n",
				weights[w][0], weights[w][1], weights[w][2], weights[w][3],
				share[0], share[1], share[2], share[3], FLOWS);
			expect_shares(share, weights[w]);
			// The same again: a flow stays where it is.
			spread(*state, &sets[s], FLOWS, after, share);
			assert_memory_equal(before, after, FLOWS);
		}
	}
}

static void addresses_alone_spread_flows_too(void **state)
{
	struct flow_set sets[] = {flows4(), flows6()};
	unsigned share[CONNS];

	set_all((const uint8_t[CONNS]){1, 1, 1, 1});
	for (unsigned s = 0; s < 2; s++) {
		sets[s].vary_address = true;
		spread(*state, &sets[s], 256, before, share);
		for (unsigned i = 0; i < CONNS; i++)
			assert_in_range(share[i], 256 / CONNS / 2, 256 / CONNS * 2);
	}
}

// Of the flows that were not on `gone` none may have moved.
static void only_its_flows_moved(unsigned gone, const unsigned share[CONNS])
{
	assert_int_equal(share[gone], 0);
	for (unsigned i = 0; i < FLOWS; i++)
		if (before[i] != gone)
			assert_int_equal(before[i], after[i]);
}

static void a_connection_that_goes_moves_its_own_flows_only(void **state)
{
	static const uint8_t weight[CONNS] = {1, 2, 3, 4};
	struct flow_set s = flows4();
	unsigned share[CONNS], had[CONNS];

	set_all(weight);
	spread(*state, &s, FLOWS, before, had);
	for (unsigned gone = 0; gone < CONNS; gone++) {
		set_conn(gone, weight[gone], false);
		spread(*state, &s, FLOWS, after, share);
		only_its_flows_moved(gone, share);
		// They go to all others, not to one of them.
		for (unsigned i = 0; i < CONNS; i++)
			if (i != gone)
				assert_true(share[i] > had[i]);
		set_conn(gone, weight[gone], true);
		spread(*state, &s, FLOWS, after, share);
		assert_memory_equal(before, after, FLOWS); // all as it was
	}
}

static void a_connection_that_is_down_is_left_out(void **state)
{
	struct flow_set s = flows4();
	unsigned share[CONNS], had[CONNS];

	set_all((const uint8_t[CONNS]){1, 1, 1, 1});
	spread(*state, &s, FLOWS, before, had);
	conn_set_up(FIRST + 2, false, 1);
	spread(*state, &s, FLOWS, after, share);
	only_its_flows_moved(2, share);
	conn_set_up(FIRST + 2, true, 1);
	spread(*state, &s, FLOWS, after, share);
	assert_memory_equal(before, after, FLOWS);
}

static void a_deleted_connection_leaves_the_others_flows(void **state)
{
	struct flow_set s = flows4();
	unsigned share[CONNS], had[CONNS];
	struct api_conn key = {.conn = FIRST};

	set_all((const uint8_t[CONNS]){1, 1, 1, 1});
	spread(*state, &s, FLOWS, before, had);
	assert_true(kit_del(API_TYPE_CONN, &key) >= 0);
	spread(*state, &s, FLOWS, after, share);
	only_its_flows_moved(0, share);
}

static void a_heavier_weight_only_draws_flows_to_itself(void **state)
{
	struct flow_set s = flows4();
	unsigned share[CONNS], had[CONNS];

	set_all((const uint8_t[CONNS]){1, 1, 1, 1});
	spread(*state, &s, FLOWS, before, had);
	set_conn(3, 3, true); // the connection's
	spread(*state, &s, FLOWS, after, share);
	assert_true(share[3] > had[3]);
	for (unsigned i = 0; i < FLOWS; i++)
		assert_true(after[i] == before[i] || after[i] == 3);
	set_route("77.0.0.0", 8, (const uint8_t[CONNS]){4, 1, 1, 1}); // the path's counts more
	spread(*state, &s, FLOWS, after, share);
	assert_true(share[0] > had[0]);
	for (unsigned i = 0; i < FLOWS; i++)
		assert_true(after[i] == before[i] || after[i] == 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		kit_test(flows_spread_over_connections_by_ports_and_weight),
		kit_test(addresses_alone_spread_flows_too),
		kit_test(a_connection_that_goes_moves_its_own_flows_only),
		kit_test(a_connection_that_is_down_is_left_out),
		kit_test(a_deleted_connection_leaves_the_others_flows),
		kit_test(a_heavier_weight_only_draws_flows_to_itself),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
