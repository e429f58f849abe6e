// SPDX-License-Identifier: Apache-2.0
#include "decision.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

static struct candidate plain(void)
{
	return (struct candidate){.local_pref = 100,
		.external = true,
		.path_len = 2,
		.neighbour_as = 65001,
		.router_id = 9,
		.peer = ip_from_v4(9),
		.path_id = 9};
}

struct step_case {
	enum decision_step step;
	struct candidate better;
};

static void each_step_decides_before_the_next(void **state)
{
	// Each wins by its own step although it loses all later ones.
	struct candidate weight = plain(), pref = plain(), local = plain(), len = plain();
	struct candidate origin = plain(), med = plain(), external = plain(), base = plain();

	base.origin = 1;
	base.med = 50;
	base.external = false;
	weight.weight = 1;
	weight.local_pref = 1;
	pref.local_pref = 101;
	pref.path_len = 9;
	local.local = true;
	local.path_len = 9;
	len.path_len = 1;
	len.origin = 2;
	origin.origin = 0;
	origin.med = 99;
	med.origin = 1;
	med.med = 1;
	med.external = false;
	external.origin = 1;
	external.med = 50;
	external.router_id = 99;
	const struct step_case cases[] = {{DECISION_WEIGHT, weight}, {DECISION_LOCAL_PREF, pref},
		{DECISION_LOCAL, local}, {DECISION_PATH_LEN, len}, {DECISION_ORIGIN, origin},
		{DECISION_MED, med}, {DECISION_EXTERNAL, external}};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(decision_compare(&cases[i].better, &base, false), cases[i].step);
		assert_int_equal(
			decision_compare(&base, &cases[i].better, false), -(int)cases[i].step);
		assert_false(decision_multipath(&cases[i].better, &base, false));
	}
}

static void ties_fall_to_identifier_cluster_list_and_address(void **state)
{
	struct candidate a = plain(), b = plain();

	b.path_id = 10;
	assert_int_equal(decision_compare(&a, &b, false), DECISION_PATH_ID);
	b.peer = ip_from_v4(8);
	assert_int_equal(decision_compare(&a, &b, false), -DECISION_PEER);
	a.cluster_len = 0;
	b.cluster_len = 1;
	assert_int_equal(decision_compare(&a, &b, false), DECISION_CLUSTER_LEN);
	b.router_id = 1;
	assert_int_equal(decision_compare(&a, &b, false), -DECISION_ROUTER_ID);
	assert_true(decision_multipath(&a, &b, false));
}

static void med_of_other_ases_does_not_count_unless_asked(void **state)
{
	struct candidate a = plain(), b = plain();

	b.neighbour_as = 65002;
	a.med = 50;
	b.med = 10;
	b.router_id = 10;
	assert_int_equal(decision_compare(&a, &b, false), DECISION_ROUTER_ID);
	assert_int_equal(decision_compare(&a, &b, true), -DECISION_MED);
}

// Without grouping, A beats B by MED, B beats C by identifier, C beats A by identifier: whoever
// came last would win.
static void outcome_does_not_depend_on_order(void **state)
{
	struct candidate c[3] = {plain(), plain(), plain()};
	static const int orders[6][3] = {
		{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};

	c[0].med = 10;
	c[0].router_id = 3;
	c[1].med = 20;
	c[1].router_id = 1;
	c[2].neighbour_as = 65002;
	c[2].router_id = 2;
	for (int i = 0; i < 6; i++) {
		const struct candidate in[3] = {c[orders[i][0]], c[orders[i][1]], c[orders[i][2]]};

		assert_int_equal(in[decision_best(in, 3, false)].router_id, 2);
	}
}

static void best_of_random_sets_is_the_same_in_any_order(void **state)
{
	unsigned seed = 7;

	for (int round = 0; round < 2000; round++) {
		struct candidate c[8], swap;
		size_t len = 1 + (size_t)rand_r(&seed) % 8, best;
		uint32_t id;

		for (size_t i = 0; i < len; i++) {
			c[i] = plain();
			c[i].med = (uint32_t)rand_r(&seed) % 3;
			c[i].neighbour_as = 65001 + (uint32_t)rand_r(&seed) % 3;
			c[i].external = rand_r(&seed) % 2;
			c[i].path_len = (uint16_t)(rand_r(&seed) % 2);
			c[i].path_id = (uint32_t)i;
		}
		best = decision_best(c, len, false);
		id = c[best].path_id;
		for (size_t i = len - 1; i > 0; i--) {
			size_t j = (size_t)rand_r(&seed) % (i + 1);

			swap = c[i];
			c[i] = c[j];
			c[j] = swap;
		}
		assert_int_equal(c[decision_best(c, len, false)].path_id, id);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_step_decides_before_the_next),
		cmocka_unit_test(ties_fall_to_identifier_cluster_list_and_address),
		cmocka_unit_test(med_of_other_ases_does_not_count_unless_asked),
		cmocka_unit_test(outcome_does_not_depend_on_order),
		cmocka_unit_test(best_of_random_sets_is_the_same_in_any_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
