// SPDX-License-Identifier: Apache-2.0

// The wheel against a list that is searched: same timers, same order of time, none lost.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdlib.h>

#include "wheel.h"

#define LEN 500

static struct wheel_entry timers[LEN];

static uint64_t oldest(void)
{
	uint64_t at = UINT64_MAX;

	for (unsigned i = 0; i < LEN; i++)
		if (timers[i].set && timers[i].at_us < at)
			at = timers[i].at_us;
	return at;
}

static void random_timers_fire_once_each_and_never_early(void **state)
{
	struct wheel *w = malloc(sizeof(*w));
	uint64_t now = 123456789;
	unsigned fired = 0;

	srandom(1);
	wheel_init(w, now);
	for (unsigned step = 0; step < 20000; step++) {
		struct wheel_entry *e = &timers[random() % LEN];
		// Up to ten rounds ahead, and now and then the past.
		uint64_t ahead = (uint64_t)random() % (random() % 4 ? 50000 : 40000000);

		if (random() % 5 == 0)
			wheel_clear(w, e);
		else
			wheel_set(w, e, random() % 50 ? now + ahead : now - ahead);
		assert_true(wheel_next_us(w) <= oldest());
		now += (uint64_t)random() % (random() % 1000 ? 3000 : 9000000);
		while ((e = wheel_take(w, now))) {
			assert_false(e->set);
			assert_true(e->at_us <= now);
			fired++;
		}
		assert_true(oldest() > now);
	}
	assert_true(fired > 1000);
	free(w);
}

static void waiting_for_the_next_time_reaches_a_far_timer(void **state)
{
	struct wheel *w = malloc(sizeof(*w));
	struct wheel_entry e = {0};
	uint64_t now = 5;
	unsigned wakes = 0;

	wheel_init(w, now);
	assert_true(wheel_next_us(w) == UINT64_MAX);
	wheel_set(w, &e, 60000000);
	while (!wheel_take(w, now)) {
		assert_true(wheel_next_us(w) > now);
		now = wheel_next_us(w);
		wakes++;
	}
	assert_true(now >= 60000000 && now < 60000000 + WHEEL_TICK_US);
	assert_true(wakes < 30);
	free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_timers_fire_once_each_and_never_early),
		cmocka_unit_test(waiting_for_the_next_time_reaches_a_far_timer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
