// SPDX-License-Identifier: Apache-2.0
#include "aspath.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#define SPAN(a) ((struct span){a, sizeof(a)})

static const uint8_t two[] = {2, 2, 0, 0, 0xfd, 0xe9, 0, 3, 0, 1}; // 65001 196609
static const uint8_t with_set[] = {2, 1, 0, 0, 0, 1, 1, 2, 0, 0, 0, 2, 0, 0, 0, 3};

static void counts_a_set_as_one(void **state)
{
	char text[64];

	assert_int_equal(aspath_len(SPAN(two)), 2);
	assert_int_equal(aspath_len(SPAN(with_set)), 2);
	assert_string_equal(aspath_format(SPAN(with_set), text, sizeof(text)), "1 {2 3}");
	assert_int_equal(aspath_first(SPAN(two)), 65001);
	assert_int_equal(aspath_origin(SPAN(two)), 196609);
	assert_int_equal(aspath_origin(SPAN(with_set)), 0);
	assert_true(aspath_contains(SPAN(with_set), 3));
	assert_false(aspath_contains(SPAN(with_set), 4));
}

static void prepends_into_the_leading_sequence(void **state)
{
	uint8_t out[2048], full[2 + 255 * 4];
	struct span path;
	size_t size;

	size = aspath_prepend(SPAN(two), 64512, 3, out, sizeof(out));
	path = (struct span){out, (uint16_t)size};
	assert_int_equal(aspath_len(path), 5);
	assert_int_equal(path.size, sizeof(two) + 12);
	assert_int_equal(aspath_count(path, 64512), 3);
	size = aspath_prepend((struct span){0}, 64512, 1, out, sizeof(out));
	assert_int_equal(size, 6);
	// A sequence of 255 takes no more: a new segment is started.
	memset(full, 1, sizeof(full));
	full[0] = BGP_AS_SEQUENCE;
	full[1] = 255;
	size = aspath_prepend(SPAN(full), 7, 1, out, sizeof(out));
	path = (struct span){out, (uint16_t)size};
	assert_int_equal(size, sizeof(full) + 6);
	assert_int_equal(aspath_len(path), 256);
	assert_int_equal(aspath_prepend(SPAN(two), 7, 1, out, 5), 0);
}

static void narrows_and_merges_as_old_speakers_need(void **state)
{
	uint8_t narrow[16], wide[32], merged[64];
	struct span old, path;
	size_t size;

	assert_true(aspath_needs_as4(SPAN(two)));
	assert_false(aspath_needs_as4(SPAN(with_set)));
	size = aspath_narrow(SPAN(two), narrow, sizeof(narrow));
	assert_int_equal(size, 6);
	assert_int_equal(narrow[4] << 8 | narrow[5], BGP_AS_TRANS);
	// An old speaker 7 prepends itself to 65001 AS_TRANS: the numbers behind it come back.
	const uint8_t seen[] = {2, 3, 0, 7, 0xfd, 0xe9, 0x5b, 0xa0};
	size = aspath_widen(SPAN(seen), wide, sizeof(wide));
	old = (struct span){wide, (uint16_t)size};
	size = aspath_merge_as4(old, SPAN(two), merged, sizeof(merged));
	path = (struct span){merged, (uint16_t)size};
	assert_int_equal(aspath_len(path), 3);
	assert_int_equal(aspath_first(path), 7);
	assert_int_equal(aspath_origin(path), 196609);
	// A shorter AS_PATH than AS4_PATH: the latter is ignored.
	size = aspath_merge_as4(SPAN(two), old, merged, sizeof(merged));
	assert_int_equal(size, sizeof(two));
}

static void refuses_what_is_no_path(void **state)
{
	static const uint8_t as0[] = {2, 1, 0, 0, 0, 0}, cut[] = {2, 2, 0, 0, 0, 1};
	static const uint8_t empty_segment[] = {2, 0}, confed[] = {3, 1, 0, 0, 0, 1};

	assert_int_equal(aspath_check(SPAN(two), true), ASPATH_OK);
	assert_int_equal(aspath_check((struct span){0}, true), ASPATH_OK);
	assert_int_equal(aspath_check(SPAN(as0), true), ASPATH_AS0);
	assert_int_equal(aspath_check(SPAN(cut), true), ASPATH_MALFORMED);
	assert_int_equal(aspath_check(SPAN(empty_segment), true), ASPATH_MALFORMED);
	assert_int_equal(aspath_check(SPAN(confed), true), ASPATH_MALFORMED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(counts_a_set_as_one),
		cmocka_unit_test(prepends_into_the_leading_sequence),
		cmocka_unit_test(narrows_and_merges_as_old_speakers_need),
		cmocka_unit_test(refuses_what_is_no_path),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
