// SPDX-License-Identifier: Apache-2.0

// The ring of bits against the plainest possible model: the set of all numbers ever accepted.

#include "esp_replay.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define SPAN 100000

static uint64_t ring[REPLAY_WORDS_MAX];
static const unsigned windows[] = {32, 33, 64, 100, 128, 1000, 1024, 4095, 4096};

#define WINDOWS (sizeof(windows) / sizeof(windows[0]))

// Numbers wander forward with some disorder.
static uint64_t wander(uint64_t top, unsigned window)
{
	long kind = random() % 100;

	if (kind < 50)
		return top + 1;
	if (kind < 90)
		return top - (uint64_t)random() % (2 * window);
	return top + 1 + (uint64_t)random() % (3 * window);
}

static void run(unsigned window, bool esn, uint64_t base)
{
	static uint8_t seen[SPAN];
	struct esp_replay r;
	uint64_t top = base;

	memset(seen, 0, sizeof(seen));
	esp_replay_init(&r, ring, window, esn, base);
	r.closed = 0;
	for (int i = 0; i < 20000; i++) {
		uint64_t seq = wander(top, window), full;
		bool fresh;

		if (seq <= base || seq >= base + SPAN)
			continue;
		full = esp_replay_infer(&r, (uint32_t)seq);
		if (esn)
			assert_true(full == seq || top - seq >= window);
		else
			assert_true(full == (uint32_t)seq);
		fresh = seq > top || (top - seq < window && !seen[seq - base]);
		if (full != seq)
			fresh = false; // left of the window, taken for the next subspace: ICV fails
		if (full == seq) {
			assert_int_equal(esp_replay_check(&r, seq), fresh);
			assert_int_equal(esp_replay_accept(&r, seq), fresh);
		}
		if (!fresh)
			continue;
		seen[seq - base] = 1;
		if (seq > top)
			top = seq;
		assert_false(esp_replay_check(&r, seq));
	}
	assert_true(r.top == top);
}

static void window_accepts_each_number_once(void **state)
{
	srandom(1);
	for (size_t i = 0; i < WINDOWS; i++) {
		run(windows[i], false, 0);
		run(windows[i], false, 1u << 31);
		run(windows[i], true, 0);
		run(windows[i], true, 5);
		run(windows[i], true, (1ULL << 32) - 2000); // crosses into the next subspace
		run(windows[i], true, (7ULL << 32) - 5);
		run(windows[i], true, 7ULL << 32);
	}
}

static void without_esn_the_numbers_end(void **state)
{
	struct esp_replay r;

	esp_replay_init(&r, ring, 64, false, UINT32_MAX - 1);
	assert_true(esp_replay_accept(&r, esp_replay_infer(&r, UINT32_MAX)));
	assert_false(esp_replay_check(&r, esp_replay_infer(&r, 1)));
	assert_false(esp_replay_check(&r, 0));
}

static void zero_is_no_sequence_number(void **state)
{
	struct esp_replay r;

	esp_replay_init(&r, ring, 64, false, 0);
	assert_false(esp_replay_check(&r, 0));
	esp_replay_init(&r, ring, 64, true, 0);
	assert_false(esp_replay_check(&r, esp_replay_infer(&r, 0)) && esp_replay_infer(&r, 0) == 0);
}

static void esn_does_not_go_below_its_first_subspace(void **state)
{
	struct esp_replay r;

	esp_replay_init(&r, ring, 64, true, 0);
	assert_true(esp_replay_accept(&r, 3));
	// Looks like a straggler of the subspace before the first one.
	assert_false(esp_replay_check(&r, esp_replay_infer(&r, UINT32_MAX - 5)));
}

static void nothing_at_or_below_a_closed_top_passes(void **state)
{
	struct esp_replay r;

	esp_replay_init(&r, ring, 128, true, 1000);
	for (uint64_t seq = 900; seq <= 1000; seq++)
		assert_false(esp_replay_check(&r, seq));
	assert_true(esp_replay_accept(&r, 1002));
	assert_true(esp_replay_accept(&r, 1001));
	assert_false(esp_replay_accept(&r, 1000));
}

static void exported_window_goes_on_exactly(void **state)
{
	static uint64_t other[REPLAY_WORDS_MAX];
	uint64_t words[4096 / 64];
	struct esp_replay a, b;

	srandom(2);
	for (size_t i = 0; i < WINDOWS; i++) {
		esp_replay_init(&a, ring, windows[i], true, 0);
		for (int n = 0; n < 5000; n++)
			esp_replay_accept(&a, a.top + 3 - (uint64_t)random() % 20);
		esp_replay_export(&a, words, 4096 / 64);
		esp_replay_init(&b, other, windows[i], true, 0);
		esp_replay_import(&b, a.top, words, 4096 / 64);
		for (uint64_t seq = a.top > 9000 ? a.top - 9000 : 0; seq < a.top + 100; seq++)
			assert_int_equal(esp_replay_check(&a, seq), esp_replay_check(&b, seq));
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(window_accepts_each_number_once),
		cmocka_unit_test(without_esn_the_numbers_end),
		cmocka_unit_test(zero_is_no_sequence_number),
		cmocka_unit_test(esn_does_not_go_below_its_first_subspace),
		cmocka_unit_test(nothing_at_or_below_a_closed_top_passes),
		cmocka_unit_test(exported_window_goes_on_exactly),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
