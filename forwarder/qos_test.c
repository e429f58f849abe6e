// SPDX-License-Identifier: Apache-2.0

// Policing, by warped time: over ten seconds the set rate is kept within two per cent whatever the
// size of packets and however they come, in both directions, for GRE and L3; what is counted.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <pthread.h>

#include "conn/conn.h"
#include "gateway.h"
#include "gatewaykit.h"

#define SECONDS  10
#define START_NS UINT64_C(2000000000)

enum way { GRE_OUT, GRE_IN, L3_OUT, L3_IN, WAYS };

struct load {
	enum way way;
	uint16_t size;    // of the inner packet
	uint64_t kbps;    // the rate set
	unsigned percent; // of it that is offered
	unsigned burst;   // packets that come at once
};

struct outcome {
	uint64_t passed, dropped; // packets
	uint64_t now_ns;          // the end
};

static uint64_t start_ns; // each run begins where the last ended

static void set_rates(struct kit *k, uint64_t in_kbps, uint64_t out_kbps)
{
	struct api_conn l3 = {.conn = 200,
		.vrf = 10,
		.slot = 1,
		.type = API_CONN_L3,
		.flags = API_CONN_F_ENABLED,
		.l3_port = 1,
		.l3_vlan = kit_vlan(0),
		.l3_addr_count = 1,
		.l3_addr = {{ip_from_v4(KIT_L3_OWN), 29}},
		.l3_peer_count = 1,
		.l3_peer = {ip_from_v4(KIT_L3_PEER)},
		.in_kbps = in_kbps,
		.out_kbps = out_kbps};

	k->gre[0].in_kbps = in_kbps;
	k->gre[0].out_kbps = out_kbps;
	assert_true(kit_set(API_TYPE_CONN, &k->gre[0], sizeof(k->gre[0])) >= 0);
	assert_true(kit_set(API_TYPE_CONN, &l3, sizeof(l3)) >= 0);
}

static void send(struct kit *k, enum way way, uint16_t size)
{
	switch (way) {
	case GRE_OUT: kit_from_host(k, 0, KIT_VM, KIT_SITE, size); break;
	case GRE_IN: kit_from_gre(k, 0, kit_gre_key(0), KIT_SITE, KIT_VM, size); break;
	case L3_OUT: kit_from_host(k, 0, KIT_VM, KIT_L3_SITE, size); break;
	default: kit_from_vlan(k, kit_vlan(0), KIT_L3_SITE, KIT_VM, size); break;
	}
}

static bool is_out(enum way way)
{
	return way == GRE_OUT || way == L3_OUT;
}

// The gateway asks its neighbours now and then.
static bool is_arp(const struct testbed_result *r)
{
	const uint8_t *p = testbed_bytes(r, &(size_t){0});
	uint16_t type = be16(load16(p + 12));

	return type == ETH_TYPE_ARP ||
	       (type == ETH_TYPE_VLAN && be16(load16(p + 16)) == ETH_TYPE_ARP);
}

static void count(struct kit *k, const struct load *l, struct outcome *o)
{
	struct testbed_result r;

	while (kit_take(k, &r)) {
		if (r.end == TESTBED_TX) {
			o->passed += !is_arp(&r);
		} else {
			assert_int_equal(r.end, TESTBED_DROP);
			assert_int_equal(
				r.reason, is_out(l->way) ? DROP_POLICER_OUT : DROP_POLICER_IN);
			o->dropped++;
		}
		testbed_put(&r);
	}
}

// Else the gateway would give them up before ten seconds are over.
static void neighbours_answer(struct kit *k)
{
	struct testbed_result r;

	kit_arp_reply(k, 0, 0, KIT_ROUTER);
	kit_arp_reply(k, 1, kit_vlan(0), KIT_L3_PEER);
	kit_control(k);
	while (kit_take(k, &r))
		testbed_put(&r);
}

static struct outcome run(struct kit *k, const struct load *l)
{
	uint64_t gap_ns = l->size * UINT64_C(8000000) * 100 / (l->kbps * l->percent) * l->burst;
	uint64_t end_ns = start_ns + SECONDS * UINT64_C(1000000000), tick_ns = start_ns;
	struct outcome o = {0};

	for (uint64_t now = start_ns; now < end_ns; now += gap_ns) {
		for (; tick_ns <= now; tick_ns += 100000000) {
			gateway_tick(tick_ns / 1000000);
			neighbours_answer(k);
		}
		testbed_set_now(k->tb, now);
		for (unsigned i = 0; i < l->burst; i++) {
			send(k, l->way, l->size);
			count(k, l, &o);
		}
	}
	for (; tick_ns <= end_ns; tick_ns += 100000000)
		gateway_tick(tick_ns / 1000000);
	o.now_ns = end_ns;
	start_ns = end_ns + 1000000000;
	return o;
}

// Within two per cent of the set rate, and what is beyond it is counted.
static void expect_rate(struct kit *k, const struct load *l)
{
	struct api_conn_stats old, now;
	uint32_t conn = l->way == GRE_OUT || l->way == GRE_IN ? 100 : 200;
	struct outcome o;
	uint64_t kbps, bytes, packets, dropped, shown;

	set_rates(k, is_out(l->way) ? 0 : l->kbps, is_out(l->way) ? l->kbps : 0);
	kit_stats(conn, &old);
	o = run(k, l);
	kit_stats(conn, &now);
	kbps = o.passed * l->size * 8 / 1000 / SECONDS;
	bytes = is_out(l->way) ? now.out_bytes - old.out_bytes : now.in_bytes - old.in_bytes;
	packets = is_out(l->way) ? now.out_packets - old.out_packets
				 : now.in_packets - old.in_packets;
	dropped = is_out(l->way) ? now.out_rate_dropped - old.out_rate_dropped
				 : now.in_rate_dropped - old.in_rate_dropped;
	shown = is_out(l->way) ? now.out_kbps : now.in_kbps;
	print_message(
		"way %d, %4u bytes, bursts of %2u, %u %% offered: %lu kb/s of %lu set, shown %lu\n",
		l->way, l->size, l->burst, l->percent, kbps, l->kbps, shown);
	assert_int_equal(packets, o.passed);
	assert_int_equal(bytes, o.passed * l->size);
	assert_int_equal(dropped, o.dropped);
	if (l->percent >= 100) {
		assert_in_range(kbps, l->kbps * 98 / 100, l->kbps * 102 / 100);
		assert_in_range(shown, l->kbps * 97 / 100, l->kbps * 103 / 100);
	} else {
		assert_int_equal(o.dropped, 0);
	}
}

static int setup(void **state)
{
	start_ns = START_NS;
	return kit_setup(state);
}

static void the_rate_is_kept_within_two_per_cent(void **state)
{
	static const uint16_t sizes[] = {40, 64, 576, 1400};

	for (enum way way = 0; way < WAYS; way++)
		for (unsigned i = 0; i < 4; i++) {
			const struct load l = {
				way, sizes[i], sizes[i] < 100 ? 2000 : 20000, 200, 1};

			expect_rate(*state, &l);
		}
}

static void bursts_do_not_change_the_rate(void **state)
{
	for (enum way way = 0; way < WAYS; way++) {
		const struct load small = {way, 64, 2000, 150, 32};
		const struct load large = {way, 1400, 20000, 150, 16};

		expect_rate(*state, &small);
		expect_rate(*state, &large);
	}
}

static void a_slow_rate_is_kept_with_large_packets(void **state)
{
	const struct load l = {GRE_OUT, 1400, 512, 300, 1};

	expect_rate(*state, &l);
}

static void nothing_is_dropped_below_the_rate(void **state)
{
	for (enum way way = 0; way < WAYS; way++) {
		const struct load small = {way, 64, 2000, 98, 4};
		const struct load large = {way, 1400, 20000, 98, 4};

		expect_rate(*state, &small);
		expect_rate(*state, &large);
	}
}

static void a_new_rate_holds_at_once_and_none_means_all(void **state)
{
	struct kit *k = *state;
	struct load l = {GRE_OUT, 576, 8000, 200, 1};
	struct outcome o;

	expect_rate(k, &l);
	l.kbps = 2000;
	expect_rate(k, &l);
	l.kbps = 16000;
	expect_rate(k, &l);
	set_rates(k, 0, 0);
	o = run(k, &l);
	assert_int_equal(o.dropped, 0);
}

// -- several workers

#define THREADS     4
#define SHARED_KBPS 400000
#define SHARED_MS   400
#define SHARED_SIZE 64
#define STEP_NS     100 // ten times the rate is offered

static struct meter shared;
static uint64_t shared_ns; // one clock for all, advanced by whoever asks

static void *take_all(void *arg)
{
	uint64_t end = *(const uint64_t *)arg, now, taken = 0;

	while ((now = __atomic_fetch_add(&shared_ns, STEP_NS, __ATOMIC_RELAXED)) < end)
		taken += meter_take(&shared, now, SHARED_SIZE);
	return (void *)(uintptr_t)taken;
}

static void several_workers_share_a_rate(void **state)
{
	uint64_t end = START_NS + SHARED_MS * UINT64_C(1000000), taken = 0;
	uint64_t want = SHARED_KBPS * UINT64_C(1000) / 8 * SHARED_MS / 1000 / SHARED_SIZE;
	uint16_t count = worker_count;
	pthread_t threads[THREADS];

	worker_count = THREADS;
	shared_ns = START_NS;
	shared = (struct meter){.tat_ns = START_NS,
		.ns_q24 = (UINT64_C(8000000) << 24) / SHARED_KBPS,
		.burst_ns = 1000000};
	for (unsigned i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, take_all, &end), 0);
	for (unsigned i = 0; i < THREADS; i++) {
		void *part;

		pthread_join(threads[i], &part);
		taken += (uintptr_t)part;
	}
	worker_count = count;
	print_message("%lu of %lu packets taken by %u threads\n", taken, want, THREADS);
	assert_in_range(taken, want * 98 / 100, want * 102 / 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			the_rate_is_kept_within_two_per_cent, setup, kit_teardown),
		cmocka_unit_test(several_workers_share_a_rate),
		cmocka_unit_test_setup_teardown(bursts_do_not_change_the_rate, setup, kit_teardown),
		cmocka_unit_test_setup_teardown(
			a_slow_rate_is_kept_with_large_packets, setup, kit_teardown),
		cmocka_unit_test_setup_teardown(
			nothing_is_dropped_below_the_rate, setup, kit_teardown),
		cmocka_unit_test_setup_teardown(
			a_new_rate_holds_at_once_and_none_means_all, setup, kit_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
