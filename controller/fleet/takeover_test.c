// SPDX-License-Identifier: Apache-2.0
// The take-over rule under a warped clock: gateways beat, fall silent, vote.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "takeover.h"

#define GATEWAYS 5

struct fleet_of {
	struct takeover *t;
	int64_t now_ms;
	uint64_t count[GATEWAYS];
	bool beats[GATEWAYS], works[GATEWAYS], cut_off[GATEWAYS];
	char opinion[GATEWAYS][GATEWAYS]; // [by][of]: 'U', 'D', or 0: none
	uint32_t bgp_dead_ms;             // of the first
	uint32_t lost;                    // events
};

static const char *const names[GATEWAYS] = {"gw0", "gw1", "gw2", "gw3", "gw4"};

static void on_health(void *arg, const char *gateway, enum plan_health health)
{
	struct fleet_of *f = arg;

	f->lost += health == PLAN_HEALTH_LOST;
}

static void beat(struct fleet_of *f, int g)
{
	struct takeover_vote votes[GATEWAYS];
	struct takeover_dead dead = {"bgp", f->bgp_dead_ms};
	struct takeover_beat b = {.cut_off = f->cut_off[g], .votes = votes};

	for (int of = 0; of < GATEWAYS; of++) {
		if (f->opinion[g][of])
			votes[b.votes_len++] =
				(struct takeover_vote){names[of], f->opinion[g][of] == 'D'};
	}
	if (!g && f->bgp_dead_ms) {
		b.dead = &dead;
		b.dead_len = 1;
	}
	f->count[g] += f->works[g];
	b.workers = f->count[g];
	takeover_beat(f->t, names[g], &b, f->now_ms);
}

// Beats of 100 ms, each gateway at a phase of its own; ticks as in the controller.
static void pass(struct fleet_of *f, int64_t ms)
{
	for (int64_t end = f->now_ms + ms; f->now_ms < end;) {
		f->now_ms += 10;
		for (int g = 0; g < GATEWAYS; g++) {
			if (f->beats[g] && f->now_ms % TAKEOVER_BEAT_MS == g * 20)
				beat(f, g);
		}
		if (f->now_ms % TAKEOVER_TICK_MS == 0)
			takeover_tick(f->t, f->now_ms);
	}
}

static void start(struct fleet_of *f, int gateways, uint32_t spare)
{
	*f = (struct fleet_of){.now_ms = 1000000};
	f->t = takeover_new(f->now_ms, on_health, f);
	takeover_spare(f->t, "pool", spare);
	for (int g = 0; g < gateways; g++) {
		takeover_add(f->t, names[g], "pool");
		f->beats[g] = f->works[g] = true;
	}
	pass(f, TAKEOVER_GRACE_MS + 500);
	for (int g = 0; g < gateways; g++)
		assert_int_equal(takeover_health(f->t, names[g]), PLAN_HEALTH_UP);
}

static void watch_each_other(struct fleet_of *f, int gateways)
{
	for (int by = 0; by < gateways; by++) {
		for (int of = 0; of < gateways; of++)
			f->opinion[by][of] = by == of ? 0 : 'U';
	}
}

static void everybody_says(struct fleet_of *f, int gateways, int of, char word)
{
	for (int by = 0; by < gateways; by++)
		f->opinion[by][of] = by == of ? 0 : word;
}

static bool is_lost(const struct fleet_of *f, int g)
{
	return takeover_health(f->t, names[g]) == PLAN_HEALTH_LOST;
}

static void a_silent_gateway_is_lost_within_half_a_second(void **state)
{
	struct fleet_of f;

	start(&f, 2, 1);
	f.beats[0] = false;
	pass(&f, 300);
	assert_false(is_lost(&f, 0));
	pass(&f, 250);
	assert_true(is_lost(&f, 0));
	assert_false(is_lost(&f, 1));
	takeover_free(f.t);
}

static void workers_that_stand_still_are_the_loss_of_their_gateway(void **state)
{
	struct fleet_of f;

	start(&f, 2, 1);
	f.works[0] = false;
	pass(&f, 600);
	assert_true(is_lost(&f, 0));
	takeover_free(f.t);
}

static void an_agent_without_working_workers_brings_no_gateway_back(void **state)
{
	struct fleet_of f;

	start(&f, 2, 1);
	f.beats[0] = f.works[0] = false;
	pass(&f, 1000);
	f.beats[0] = true;
	pass(&f, 1000);
	assert_true(is_lost(&f, 0));
	f.works[0] = true;
	pass(&f, 300);
	assert_int_equal(takeover_health(f.t, names[0]), PLAN_HEALTH_UP);
	takeover_free(f.t);
}

static void peers_that_see_it_outvote_the_controller(void **state)
{
	struct fleet_of f;

	start(&f, 3, 1);
	watch_each_other(&f, 3);
	pass(&f, 200);
	f.beats[0] = false; // it lost the controller only
	pass(&f, 5000);
	assert_false(is_lost(&f, 0));
	everybody_says(&f, 3, 0, 'D');
	pass(&f, 200);
	assert_true(is_lost(&f, 0));
	takeover_free(f.t);
}

static void peers_outvote_a_heartbeat_that_goes_on(void **state)
{
	struct fleet_of f;

	start(&f, 3, 1);
	watch_each_other(&f, 3);
	f.opinion[1][0] = 'D';
	pass(&f, 1000);
	assert_false(is_lost(&f, 0)); // 1 of 3
	f.opinion[2][0] = 'D';
	pass(&f, 200);
	assert_true(is_lost(&f, 0)); // 2 of 3
	takeover_free(f.t);
}

static void who_is_cut_off_has_no_vote_and_is_lost_itself(void **state)
{
	struct fleet_of f;

	start(&f, 3, 1);
	watch_each_other(&f, 3);
	// gw2 sees nobody; the others see each other.
	f.cut_off[2] = true;
	f.opinion[2][0] = f.opinion[2][1] = 'D';
	f.opinion[0][2] = f.opinion[1][2] = 'D';
	pass(&f, 300);
	assert_true(is_lost(&f, 2));
	assert_false(is_lost(&f, 0));
	assert_false(is_lost(&f, 1));
	takeover_free(f.t);
}

static void a_controller_that_hears_nobody_takes_nobody_over(void **state)
{
	struct fleet_of f;

	start(&f, 3, 1);
	memset(f.beats, 0, sizeof(f.beats));
	pass(&f, TAKEOVER_LIMIT_MS - 1000);
	assert_int_equal(f.lost, 0);
	for (int g = 0; g < 3; g++)
		f.beats[g] = true;
	pass(&f, 3 * TAKEOVER_GRACE_MS);
	assert_int_equal(f.lost, 0);
	takeover_free(f.t);
}

static void who_does_not_come_back_with_the_others_is_lost_then(void **state)
{
	struct fleet_of f;

	start(&f, 3, 1);
	memset(f.beats, 0, sizeof(f.beats));
	pass(&f, 2 * TAKEOVER_LIMIT_MS);
	assert_true(is_lost(&f, 0)); // by then nobody is there to take over, and it is said so
	f.beats[1] = f.beats[2] = true;
	pass(&f, 200);
	assert_false(is_lost(&f, 0)); // who held what is not known yet
	pass(&f, TAKEOVER_GRACE_MS + 500);
	assert_true(is_lost(&f, 0));
	assert_false(is_lost(&f, 1));
	takeover_free(f.t);
}

static void the_controllers_word_alone_loses_no_more_than_are_spare(void **state)
{
	struct fleet_of f;

	start(&f, 5, 1);
	f.beats[0] = f.beats[1] = false;
	pass(&f, 1000);
	assert_int_equal(f.lost, 1);
	pass(&f, TAKEOVER_LIMIT_MS);
	assert_int_equal(f.lost, 2);
	takeover_free(f.t);
}

// gw0, gw1, gw2 | gw3, gw4, the controller: those three may live, see one another, and go on.
static void the_smaller_part_of_a_pool_takes_nothing_from_the_larger(void **state)
{
	struct fleet_of f;

	start(&f, 5, 2);
	watch_each_other(&f, 5);
	for (int g = 0; g < 3; g++)
		f.beats[g] = false;
	pass(&f, 300); // until BFD sees it
	for (int g = 0; g < 3; g++)
		f.opinion[3][g] = f.opinion[4][g] = 'D';
	pass(&f, TAKEOVER_LIMIT_MS - 1000);
	assert_int_equal(f.lost, 0);
	for (int g = 0; g < 3; g++)
		f.beats[g] = true;
	watch_each_other(&f, 5);
	pass(&f, TAKEOVER_LIMIT_MS);
	assert_int_equal(f.lost, 0);
	// Two of them are the smaller part.
	for (int g = 0; g < 2; g++) {
		f.beats[g] = false;
		everybody_says(&f, 5, g, 'D');
	}
	pass(&f, 600);
	assert_int_equal(f.lost, 2);
	takeover_free(f.t);
}

static void one_whose_management_alone_is_cut_is_not_lost(void **state)
{
	struct fleet_of f;

	start(&f, 2, 1);
	watch_each_other(&f, 2);
	f.beats[0] = false;
	pass(&f, 2 * TAKEOVER_LIMIT_MS);
	assert_false(is_lost(&f, 0));
	everybody_says(&f, 2, 0, 'D');
	pass(&f, 200);
	assert_true(is_lost(&f, 0));
	takeover_free(f.t);
}

static void one_that_comes_and_goes_is_taken_over_three_times_at_most(void **state)
{
	struct fleet_of f;

	start(&f, 2, 1);
	for (int i = 0; i < 6; i++) {
		f.beats[0] = false;
		pass(&f, 800);
		f.beats[0] = true;
		pass(&f, 400);
	}
	assert_int_equal(f.lost, 3);
	takeover_free(f.t);
}

static void a_peers_word_lifts_the_limit(void **state)
{
	struct fleet_of f;

	start(&f, 5, 1);
	watch_each_other(&f, 5);
	for (int g = 0; g < 2; g++) {
		everybody_says(&f, 5, g, 'D');
		f.beats[g] = false;
	}
	pass(&f, 1000);
	assert_int_equal(f.lost, 2);
	takeover_free(f.t);
}

static void time_the_controller_slept_counts_against_nobody(void **state)
{
	struct fleet_of f;

	start(&f, 2, 1);
	f.now_ms += 5000; // nothing was read, nothing was ticked
	takeover_tick(f.t, f.now_ms);
	pass(&f, 2000);
	assert_int_equal(f.lost, 0);
	takeover_free(f.t);
}

static void a_dead_process_moves_slots_only_by_the_table(void **state)
{
	struct fleet_of f;

	start(&f, 2, 1);
	f.bgp_dead_ms = 30000;
	pass(&f, 500);
	assert_false(is_lost(&f, 0));
	f.bgp_dead_ms = 61000;
	pass(&f, 500);
	assert_true(is_lost(&f, 0));
	takeover_free(f.t);
}

static void one_that_is_not_heard_in_a_new_term_is_lost_after_the_grace(void **state)
{
	struct fleet_of f = {.now_ms = 1000000};

	f.t = takeover_new(f.now_ms, on_health, &f);
	takeover_add(f.t, names[0], "pool");
	takeover_add(f.t, names[1], "pool");
	f.beats[1] = f.works[1] = true;
	pass(&f, TAKEOVER_GRACE_MS - 100);
	assert_false(is_lost(&f, 0));
	pass(&f, 600);
	assert_true(is_lost(&f, 0));
	// One that is new has not joined yet: nobody misses it.
	takeover_add(f.t, names[2], "pool");
	pass(&f, 2 * TAKEOVER_LIMIT_MS);
	assert_false(is_lost(&f, 2));
	takeover_remove(f.t, names[1]);
	takeover_free(f.t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_silent_gateway_is_lost_within_half_a_second),
		cmocka_unit_test(workers_that_stand_still_are_the_loss_of_their_gateway),
		cmocka_unit_test(an_agent_without_working_workers_brings_no_gateway_back),
		cmocka_unit_test(peers_that_see_it_outvote_the_controller),
		cmocka_unit_test(peers_outvote_a_heartbeat_that_goes_on),
		cmocka_unit_test(who_is_cut_off_has_no_vote_and_is_lost_itself),
		cmocka_unit_test(a_controller_that_hears_nobody_takes_nobody_over),
		cmocka_unit_test(who_does_not_come_back_with_the_others_is_lost_then),
		cmocka_unit_test(the_controllers_word_alone_loses_no_more_than_are_spare),
		cmocka_unit_test(the_smaller_part_of_a_pool_takes_nothing_from_the_larger),
		cmocka_unit_test(one_whose_management_alone_is_cut_is_not_lost),
		cmocka_unit_test(one_that_comes_and_goes_is_taken_over_three_times_at_most),
		cmocka_unit_test(a_peers_word_lifts_the_limit),
		cmocka_unit_test(time_the_controller_slept_counts_against_nobody),
		cmocka_unit_test(a_dead_process_moves_slots_only_by_the_table),
		cmocka_unit_test(one_that_is_not_heard_in_a_new_term_is_lost_after_the_grace),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
