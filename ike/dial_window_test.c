// SPDX-License-Identifier: GPL-3.0-or-later
#include "dial_window.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static uint32_t wait_ms;

static int begin(void **state)
{
	for (uint32_t conn = 1; conn <= 3 * DIAL_WINDOW; conn++)
		dial_window_add(conn);
	return 0;
}

static int end(void **state)
{
	for (uint32_t conn = 1; conn <= 1000; conn++)
		dial_window_settle(conn);
	dial_window_fini();
	return 0;
}

static void take_window(uint64_t now_ms, uint32_t first)
{
	for (uint32_t i = 0; i < DIAL_WINDOW; i++)
		assert_int_equal(dial_window_take(now_ms, &wait_ms), first + i);
	assert_int_equal(dial_window_take(now_ms, &wait_ms), 0);
}

static void no_more_than_the_window_are_dialled_at_a_time(void **state)
{
	take_window(1000, 1);
	assert_int_equal(wait_ms, DIAL_PLACE_MS);
	dial_window_settle(5);
	dial_window_settle(5);
	assert_int_equal(dial_window_take(1010, &wait_ms), DIAL_WINDOW + 1);
	assert_int_equal(dial_window_take(1010, &wait_ms), 0);
	assert_int_equal(wait_ms, DIAL_PLACE_MS - 10);
}

static void the_silent_hold_their_place_for_a_while_only(void **state)
{
	take_window(1000, 1);
	assert_int_equal(dial_window_take(1000 + DIAL_PLACE_MS - 1, &wait_ms), 0);
	assert_int_equal(wait_ms, 1);
	take_window(1000 + DIAL_PLACE_MS, 1 + DIAL_WINDOW);
}

static void who_waits_waits_once(void **state)
{
	dial_window_add(1);
	dial_window_add(3 * DIAL_WINDOW);
	for (uint32_t i = 1; i <= 3 * DIAL_WINDOW; i++)
		assert_int_equal(dial_window_take(i * DIAL_PLACE_MS, &wait_ms), i);
	assert_int_equal(dial_window_take(5000000, &wait_ms), 0);
	assert_int_equal(wait_ms, 0);
	dial_window_add(1);
	assert_int_equal(dial_window_take(5000000, &wait_ms), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			no_more_than_the_window_are_dialled_at_a_time, begin, end),
		cmocka_unit_test_setup_teardown(
			the_silent_hold_their_place_for_a_while_only, begin, end),
		cmocka_unit_test_setup_teardown(who_waits_waits_once, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
