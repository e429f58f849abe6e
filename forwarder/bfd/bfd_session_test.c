// SPDX-License-Identifier: Apache-2.0

// Two sessions in one process under a warped clock, over links that lose, double and reorder.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <string.h>

#include "session.h"

#define MS       1000ull
#define SECOND   1000000ull
#define LINK_LEN 256

struct flight {
	struct bfd_packet packet;
	uint64_t at;
	unsigned to;
};

// Two ends and the packets between them; everything in the order of time.
struct pair {
	struct bfd_session end[2];
	struct flight link[LINK_LEN];
	unsigned flying;
	uint64_t now, random;
	unsigned loss, doubled; // of 100
	uint64_t delay, spread; // microseconds; a spread reorders
	bool cut[2];            // towards that end
	uint64_t heard_at[2];
	uint64_t good_until[2]; // by the formula of 6.8.4
	unsigned sent[2];
	void (*on_send)(struct pair *p, unsigned from, const struct bfd_packet *packet);
};

static uint32_t next_random(struct pair *p)
{
	p->random = p->random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (uint32_t)(p->random >> 32);
}

static void fly(struct pair *p, unsigned to, const struct bfd_packet *packet)
{
	if (p->cut[to] || next_random(p) % 100 < p->loss || p->flying == LINK_LEN)
		return;
	p->link[p->flying++] = (struct flight){
		*packet, p->now + p->delay + (p->spread ? next_random(p) % p->spread : 0), to};
}

static void emit(struct pair *p, unsigned i)
{
	struct bfd_packet packet;

	for (unsigned n = 0; n < 4; n++) {
		if (!bfd_session_poll(&p->end[i], p->now, next_random(p), &packet))
			return;
		if (p->on_send)
			p->on_send(p, i, &packet);
		p->sent[i]++;
		fly(p, !i, &packet);
		if (next_random(p) % 100 < p->doubled)
			fly(p, !i, &packet);
	}
	fail_msg("end %u does not stop sending", i);
}

static void heard(struct pair *p, unsigned to, const struct bfd_packet *packet)
{
	uint64_t rx = p->end[to].used_rx_us, tx = packet->min_tx_us;

	p->heard_at[to] = p->now;
	p->good_until[to] = p->now + packet->multiplier * (rx > tx ? rx : tx);
}

static void land(struct pair *p)
{
	for (unsigned i = 0; i < p->flying; i++) {
		struct flight f = p->link[i];

		if (f.at > p->now)
			continue;
		p->link[i--] = p->link[--p->flying];
		if (bfd_session_receive(&p->end[f.to], &f.packet, p->now))
			heard(p, f.to, &f.packet);
		emit(p, f.to);
	}
}

static uint64_t next_time(const struct pair *p)
{
	uint64_t at = UINT64_MAX;

	for (unsigned i = 0; i < 2; i++)
		if (bfd_session_deadline(&p->end[i]) < at)
			at = bfd_session_deadline(&p->end[i]);
	for (unsigned i = 0; i < p->flying; i++)
		if (p->link[i].at < at)
			at = p->link[i].at;
	return at;
}

static void run_until(struct pair *p, uint64_t until)
{
	for (unsigned n = 0; n < 1000000; n++) {
		uint64_t at = next_time(p);

		if (at > until)
			break;
		p->now = at > p->now ? at : p->now;
		land(p);
		emit(p, 0);
		emit(p, 1);
	}
	p->now = until;
}

static void run_for(struct pair *p, uint64_t us)
{
	run_until(p, p->now + us);
}

static struct bfd_config config_of(uint32_t ms, uint8_t multiplier)
{
	return (struct bfd_config){
		.min_tx_us = ms * 1000, .min_rx_us = ms * 1000, .multiplier = multiplier};
}

static struct pair pair_of(struct bfd_config a, struct bfd_config b)
{
	struct pair p = {.now = SECOND, .random = 7, .delay = 2 * MS};

	bfd_session_init(&p.end[0], &a, 100, false, p.now);
	bfd_session_init(&p.end[1], &b, 200, false, p.now);
	return p;
}

static void assert_both(const struct pair *p, uint8_t state)
{
	assert_int_equal(p->end[0].state, state);
	assert_int_equal(p->end[1].state, state);
}

// -- the machine

static void sessions_come_up_by_the_three_way_handshake(void **state)
{
	struct pair p = pair_of(config_of(300, 3), config_of(300, 3));

	run_for(&p, 1500 * MS);
	assert_both(&p, BFD_UP);
	assert_int_equal(p.end[0].remote_discr, 200);
	assert_int_equal(p.end[1].remote_discr, 100);
	assert_int_equal(p.end[0].remote_state, BFD_UP);
	assert_int_equal(p.end[0].transitions, 1);
	run_for(&p, 60 * SECOND);
	assert_both(&p, BFD_UP);
	assert_int_equal(p.end[0].transitions, 1);
}

static void nothing_is_sent_faster_than_a_second_until_up(void **state)
{
	struct pair p = pair_of(config_of(50, 3), config_of(50, 3));

	p.cut[0] = p.cut[1] = true;
	run_for(&p, 100 * SECOND);
	assert_both(&p, BFD_DOWN);
	// 75 % to 100 % of a second each.
	assert_in_range(p.sent[0], 100, 134);
	assert_int_equal(p.end[0].min_tx_us, BFD_SLOW_TX_US);
}

static void intervals_are_negotiated_each_way_with_poll_and_final(void **state)
{
	struct bfd_config a = {.min_tx_us = 100000, .min_rx_us = 200000, .multiplier = 3};
	struct bfd_config b = {.min_tx_us = 50000, .min_rx_us = 400000, .multiplier = 5};
	struct pair p = pair_of(a, b);

	run_for(&p, 5 * SECOND);
	assert_both(&p, BFD_UP);
	assert_false(p.end[0].polling || p.end[1].polling);
	assert_int_equal(bfd_session_tx_interval_us(&p.end[0]), 400000);
	assert_int_equal(bfd_session_tx_interval_us(&p.end[1]), 200000);
	assert_int_equal(bfd_session_detection_us(&p.end[0]), 5 * 200000);
	assert_int_equal(bfd_session_detection_us(&p.end[1]), 3 * 400000);
	assert_int_equal(bfd_session_remote_detection_us(&p.end[0]), 3 * 400000);
}

static void loss_is_seen_after_the_detection_time_and_not_before(void **state)
{
	struct pair p = pair_of(config_of(300, 3), config_of(300, 3));
	uint64_t due;

	run_for(&p, 10 * SECOND);
	p.cut[0] = p.cut[1] = true;
	p.flying = 0;
	due = p.heard_at[0] + 900 * MS;
	run_until(&p, due - 1);
	assert_int_equal(p.end[0].state, BFD_UP);
	run_until(&p, due);
	assert_int_equal(p.end[0].state, BFD_DOWN);
	assert_int_equal(p.end[0].diag, BFD_DIAG_EXPIRED);
	assert_int_equal(p.end[0].remote_discr, 0);
	p.cut[0] = p.cut[1] = false;
	run_for(&p, 5 * SECOND);
	assert_both(&p, BFD_UP);
}

static void a_one_way_cut_brings_both_ends_down(void **state)
{
	struct pair p = pair_of(config_of(100, 3), config_of(100, 3));

	run_for(&p, 5 * SECOND);
	p.cut[1] = true;
	run_for(&p, 350 * MS);
	assert_int_equal(p.end[1].state, BFD_DOWN);
	assert_int_equal(p.end[1].diag, BFD_DIAG_EXPIRED);
	// The other hears of it at once: a change of state does not wait for its turn.
	assert_int_equal(p.end[0].state, BFD_DOWN);
	assert_int_equal(p.end[0].diag, BFD_DIAG_NEIGHBOUR_DOWN);
}

static void admin_down_is_told_and_lifted(void **state)
{
	struct pair p = pair_of(config_of(300, 3), config_of(300, 3));
	struct bfd_config off = config_of(300, 3), on = off;

	off.admin_down = true;
	run_for(&p, 5 * SECOND);
	bfd_session_configure(&p.end[0], &off, p.now);
	run_for(&p, 10 * MS);
	assert_int_equal(p.end[0].state, BFD_ADMIN_DOWN);
	assert_int_equal(p.end[1].state, BFD_DOWN);
	assert_int_equal(p.end[1].remote_state, BFD_ADMIN_DOWN);
	assert_int_equal(p.end[1].remote_diag, BFD_DIAG_ADMIN_DOWN);
	run_for(&p, 10 * SECOND);
	assert_int_equal(p.end[0].state, BFD_ADMIN_DOWN);
	assert_int_equal(p.end[1].state, BFD_DOWN);
	bfd_session_configure(&p.end[0], &on, p.now);
	run_for(&p, 3 * SECOND);
	assert_both(&p, BFD_UP);
}

static void two_passive_ends_stay_silent_and_one_active_wakes_a_passive(void **state)
{
	struct bfd_config passive = config_of(300, 3);
	struct pair p;

	passive.passive = true;
	p = pair_of(passive, passive);
	run_for(&p, 10 * SECOND);
	assert_int_equal(p.sent[0] + p.sent[1], 0);
	p = pair_of(passive, config_of(300, 3));
	run_for(&p, 5 * SECOND);
	assert_both(&p, BFD_UP);
}

static void slower_wishes_wait_for_the_final_and_lose_no_session(void **state)
{
	struct pair p = pair_of(config_of(100, 3), config_of(100, 3));
	struct bfd_config slow = config_of(1000, 3), fast = config_of(100, 3);

	run_for(&p, 5 * SECOND);
	p.cut[0] = true; // no Final arrives
	bfd_session_configure(&p.end[0], &slow, p.now);
	run_for(&p, 200 * MS);
	assert_true(p.end[0].polling);
	assert_int_equal(p.end[0].used_tx_us, 100000);
	p.cut[0] = false;
	run_for(&p, 5 * SECOND);
	assert_both(&p, BFD_UP);
	assert_int_equal(bfd_session_tx_interval_us(&p.end[0]), 1000000);
	assert_int_equal(bfd_session_detection_us(&p.end[1]), 3000000);
	bfd_session_configure(&p.end[0], &fast, p.now);
	run_for(&p, 5 * SECOND);
	assert_both(&p, BFD_UP);
	assert_int_equal(p.end[0].transitions, 1);
	assert_int_equal(bfd_session_detection_us(&p.end[0]), 300000);
}

static void a_shorter_detection_waits_until_the_peer_sends_faster(void **state)
{
	struct bfd_config b = {.min_tx_us = 100000, .min_rx_us = 100000, .multiplier = 3};
	struct pair p = pair_of(config_of(1000, 3), b);
	struct bfd_config fast = config_of(100, 3);

	run_for(&p, 10 * SECOND);
	assert_int_equal(bfd_session_detection_us(&p.end[0]), 3000000);
	p.cut[0] = true;
	bfd_session_configure(&p.end[0], &fast, p.now);
	assert_int_equal(bfd_session_detection_us(&p.end[0]), 3000000);
	run_for(&p, 900 * MS);
	assert_int_equal(p.end[0].state, BFD_UP);
	p.cut[0] = false;
	run_for(&p, 2 * SECOND);
	assert_int_equal(bfd_session_detection_us(&p.end[0]), 300000);
	assert_both(&p, BFD_UP);
}

static void no_detection_time_falls_below_the_floor(void **state)
{
	struct bfd_config a = config_of(50, 3);
	struct pair p;

	a.floor_us = 700000;
	p = pair_of(a, config_of(10, 2));
	run_for(&p, 5 * SECOND);
	assert_both(&p, BFD_UP);
	assert_int_equal(bfd_session_detection_us(&p.end[0]), 700000);
	assert_in_range(bfd_session_detection_us(&p.end[1]), 700000, 700100);
	assert_int_equal(
		bfd_session_remote_detection_us(&p.end[0]), bfd_session_detection_us(&p.end[1]));
	p.cut[1] = true; // its packets stay away as in a take-over
	run_for(&p, 460 * MS);
	assert_both(&p, BFD_UP);
}

static void a_peer_in_demand_mode_is_not_sent_to_but_its_polls_are_answered(void **state)
{
	struct pair p = pair_of(config_of(100, 3), config_of(100, 3));
	struct bfd_packet demand = {.state = BFD_UP,
		.demand = true,
		.multiplier = 3,
		.my_discr = 200,
		.your_discr = 100,
		.min_tx_us = 100000,
		.min_rx_us = 100000};
	struct bfd_packet out;

	run_for(&p, 5 * SECOND);
	p.flying = 0;
	assert_true(bfd_session_receive(&p.end[0], &demand, p.now));
	for (unsigned i = 0; i < 20; i++) {
		p.now += 100 * MS;
		bfd_session_receive(&p.end[0], &demand, p.now);
		assert_false(bfd_session_poll(&p.end[0], p.now, 0, &out));
	}
	demand.poll = true;
	bfd_session_receive(&p.end[0], &demand, p.now);
	assert_true(bfd_session_poll(&p.end[0], p.now, 0, &out));
	assert_true(out.final && !out.poll);
}

static void a_peer_that_wants_no_packets_gets_none(void **state)
{
	struct pair p = pair_of(config_of(100, 3), config_of(100, 3));
	struct bfd_packet zero = {.state = BFD_UP,
		.multiplier = 3,
		.my_discr = 200,
		.your_discr = 100,
		.min_tx_us = 100000};
	struct bfd_packet out;

	run_for(&p, 5 * SECOND);
	bfd_session_receive(&p.end[0], &zero, p.now);
	assert_false(bfd_session_poll(&p.end[0], p.now + 200 * MS, 0, &out));
	assert_int_equal(bfd_session_tx_interval_us(&p.end[0]), 0);
}

static void a_packet_for_another_discriminator_has_no_effect(void **state)
{
	struct pair p = pair_of(config_of(100, 3), config_of(100, 3));
	struct bfd_packet stray = {
		.state = BFD_DOWN, .multiplier = 3, .my_discr = 5, .your_discr = 101};

	run_for(&p, 5 * SECOND);
	assert_false(bfd_session_receive(&p.end[0], &stray, p.now));
	assert_int_equal(p.end[0].state, BFD_UP);
	assert_int_equal(p.end[0].remote_discr, 200);
}

static void a_new_holder_resumes_without_the_peer_noticing(void **state)
{
	struct bfd_config c = config_of(300, 3);
	struct pair p = pair_of(c, c);

	run_for(&p, 10 * SECOND);
	// The holder dies; 400 ms later another one starts with the same discriminator.
	p.cut[1] = true;
	run_for(&p, 400 * MS);
	p.cut[1] = false;
	bfd_session_init(&p.end[0], &c, 100, true, p.now);
	run_for(&p, 400 * MS);
	assert_both(&p, BFD_UP);
	run_for(&p, 10 * SECOND);
	assert_int_equal(p.end[1].transitions, 1);
	// A peer that knows of no former life: the handshake starts after a second of listening.
	bfd_session_init(&p.end[0], &c, 100, true, p.now);
	bfd_session_init(&p.end[1], &c, 201, true, p.now);
	run_for(&p, 5 * SECOND);
	assert_both(&p, BFD_UP);
}

// -- properties

static uint64_t last_periodic[2];
static uint8_t last_state[2];
static uint64_t shortest, longest;

static void watch_gaps(struct pair *p, unsigned from, const struct bfd_packet *packet)
{
	const struct bfd_session *s = &p->end[from];
	uint64_t gap = p->now - last_periodic[from];
	uint64_t interval = bfd_session_tx_interval_us(s);

	if (packet->final)
		return;
	if (last_state[from] == BFD_UP && packet->state == BFD_UP && !packet->poll) {
		uint64_t percent10 = gap * 1000 / interval;

		shortest = percent10 < shortest ? percent10 : shortest;
		longest = percent10 > longest ? percent10 : longest;
	}
	last_periodic[from] = p->now;
	last_state[from] = packet->poll ? BFD_INIT : packet->state;
}

static void jitter_is_between_the_bounds_of_the_multiplier(void **state)
{
	static const struct {
		uint8_t multiplier;
		uint64_t most;
	} cases[] = {{3, 1000}, {1, 900}};

	for (unsigned i = 0; i < 2; i++) {
		struct bfd_config c = config_of(100, cases[i].multiplier);
		struct pair p = pair_of(c, c);

		// A lone packet a detection time needs a link without delay.
		p.delay = 0;
		shortest = UINT64_MAX;
		longest = 0;
		memset(last_state, 0, sizeof(last_state));
		p.on_send = watch_gaps;
		run_for(&p, 120 * SECOND);
		assert_both(&p, BFD_UP);
		assert_in_range(shortest, 749, 760);
		assert_in_range(longest, cases[i].most - 10, cases[i].most);
	}
}

// Whatever the link does: who is Up heard from its peer within the detection time; and once the
// link is well again both are Up within seconds and agree about the intervals.
static void lossy_and_reordering_links_never_break_the_machine(void **state)
{
	static const uint32_t intervals[] = {10, 50, 300, 1000};

	for (unsigned round = 0; round < 300; round++) {
		struct pair p;
		struct bfd_config a = config_of(intervals[round % 4], (uint8_t)(1 + round % 5)), b;

		b = config_of(intervals[round / 4 % 4], (uint8_t)(2 + round % 3));
		p = pair_of(a, b);
		p.random = round + 1;
		p.loss = next_random(&p) % 60;
		p.doubled = next_random(&p) % 30;
		p.spread = next_random(&p) % (400 * MS);
		for (unsigned step = 0; step < 50; step++) {
			run_for(&p, next_random(&p) % SECOND);
			p.cut[0] = next_random(&p) % 8 == 0;
			p.cut[1] = next_random(&p) % 8 == 0;
			if (next_random(&p) % 10 == 0)
				bfd_session_configure(&p.end[0],
					&(struct bfd_config){.min_tx_us = 20000,
						.min_rx_us = 90000,
						.multiplier = a.multiplier},
					p.now);
			for (unsigned i = 0; i < 2; i++)
				if (p.end[i].state == BFD_UP)
					assert_true(
						p.now - p.heard_at[i] <=
						bfd_session_detection_us(&p.end[i]) + SECOND * 5);
		}
		p.loss = p.doubled = 0;
		p.spread = 0;
		p.delay = 0;
		p.cut[0] = p.cut[1] = false;
		run_for(&p, 20 * SECOND);
		assert_both(&p, BFD_UP);
		assert_false(p.end[0].polling || p.end[1].polling);
		for (unsigned i = 0; i < 2; i++)
			assert_int_equal(bfd_session_detection_us(&p.end[i]),
				bfd_session_remote_detection_us(&p.end[!i]));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sessions_come_up_by_the_three_way_handshake),
		cmocka_unit_test(nothing_is_sent_faster_than_a_second_until_up),
		cmocka_unit_test(intervals_are_negotiated_each_way_with_poll_and_final),
		cmocka_unit_test(loss_is_seen_after_the_detection_time_and_not_before),
		cmocka_unit_test(a_one_way_cut_brings_both_ends_down),
		cmocka_unit_test(admin_down_is_told_and_lifted),
		cmocka_unit_test(two_passive_ends_stay_silent_and_one_active_wakes_a_passive),
		cmocka_unit_test(slower_wishes_wait_for_the_final_and_lose_no_session),
		cmocka_unit_test(a_shorter_detection_waits_until_the_peer_sends_faster),
		cmocka_unit_test(no_detection_time_falls_below_the_floor),
		cmocka_unit_test(a_peer_in_demand_mode_is_not_sent_to_but_its_polls_are_answered),
		cmocka_unit_test(a_peer_that_wants_no_packets_gets_none),
		cmocka_unit_test(a_packet_for_another_discriminator_has_no_effect),
		cmocka_unit_test(a_new_holder_resumes_without_the_peer_noticing),
		cmocka_unit_test(jitter_is_between_the_bounds_of_the_multiplier),
		cmocka_unit_test(lossy_and_reordering_links_never_break_the_machine),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
