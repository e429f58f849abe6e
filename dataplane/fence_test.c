// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fence.h"

#define MS    UINT64_C(1000000)
#define LIMIT 240

static int setup(void **state)
{
	return fence_init(NULL);
}

static int teardown(void **state)
{
	fence_fini();
	return 0;
}

static void unarmed_it_stays_down(void **state)
{
	fence_look(100000 * MS, 0);
	fence_control_ran(200000 * MS);
	assert_false(fence_is_up());
}

static void a_worker_that_ran_within_the_limit_raises_nothing(void **state)
{
	fence_arm(LIMIT * 1000, 1000 * MS);
	fence_control_ran(1200 * MS);
	fence_look(1239 * MS, 1000 * MS);
	assert_false(fence_is_up());
}

static void a_process_that_was_stopped_raises_it_whoever_wakes_first(void **state)
{
	fence_arm(LIMIT * 1000, 1000 * MS);
	fence_look(1000 * MS + LIMIT * MS + 1, 1000 * MS);
	assert_true(fence_is_up());
	assert_true(fence_lift(fence_number()));
	fence_control_ran(3000 * MS);
	assert_true(fence_is_up());
}

static void one_worker_stopped_alone_raises_it_later(void **state)
{
	fence_arm(LIMIT * 1000, 1000 * MS);
	for (uint64_t t = 1000; t <= 1400; t += 20)
		fence_control_ran(t * MS);
	fence_look((1000 + LIMIT * 3 / 2) * MS, 1000 * MS);
	assert_false(fence_is_up());
	fence_look((1000 + LIMIT * 3 / 2) * MS + 1, 1000 * MS);
	assert_true(fence_is_up());
}

static void workers_watch_the_control_thread(void **state)
{
	fence_arm(LIMIT * 1000, 1000 * MS);
	fence_look((1000 + LIMIT) * MS, (990 + LIMIT) * MS);
	assert_false(fence_is_up());
	fence_look((1001 + LIMIT) * MS, (1000 + LIMIT) * MS);
	assert_true(fence_is_up());
	assert_int_equal(fence_number(), 1);
	fence_look((1002 + LIMIT) * MS, (1001 + LIMIT) * MS);
	assert_int_equal(fence_number(), 1); // once is enough
}

static void what_was_asked_before_it_was_raised_again_does_not_lift_it(void **state)
{
	uint64_t asked;

	fence_raise();
	asked = fence_number();
	fence_raise();
	assert_false(fence_lift(asked));
	assert_true(fence_is_up());
	assert_true(fence_lift(fence_number()));
	assert_false(fence_is_up());
	assert_false(fence_lift(fence_number()));
}

static void nothing_passes_without_a_filter(void **state)
{
	assert_false(fence_passes(NULL));
}

#define fence_test(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		fence_test(unarmed_it_stays_down),
		fence_test(a_worker_that_ran_within_the_limit_raises_nothing),
		fence_test(a_process_that_was_stopped_raises_it_whoever_wakes_first),
		fence_test(one_worker_stopped_alone_raises_it_later),
		fence_test(workers_watch_the_control_thread),
		fence_test(what_was_asked_before_it_was_raised_again_does_not_lift_it),
		fence_test(nothing_passes_without_a_filter),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
