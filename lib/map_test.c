// SPDX-License-Identifier: Apache-2.0
#include "map.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

#define KEYS 512

// Random sets and deletes against a plain array.
static void agrees_with_an_array(void **state)
{
	static uint32_t key[KEYS];
	static bool live[KEYS];
	size_t len = 0, at = 0, seen = 0;
	struct map m;

	map_init(&m);
	srand(1);
	for (uint32_t i = 0; i < KEYS; i++)
		key[i] = i * 7919;
	for (int round = 0; round < 100000; round++) {
		size_t i = (size_t)rand() % KEYS;
		void *old;

		if (rand() % 2) {
			old = map_set(&m, &key[i], sizeof(key[i]), &key[i]);
			len += !live[i];
		} else {
			old = map_del(&m, &key[i], sizeof(key[i]));
			len -= live[i];
		}
		assert_ptr_equal(old, live[i] ? &key[i] : NULL);
		live[i] = map_find(&m, &key[i], sizeof(key[i])) != NULL;
		assert_int_equal(m.len, len);
	}
	while (map_next(&m, &at))
		seen++;
	assert_int_equal(seen, len);
	map_fini(&m);
}

static void string_keys(void **state)
{
	char one[] = "1", two[] = "2";
	struct map m;

	map_init(&m);
	assert_null(map_find_str(&m, "a"));
	assert_null(map_set_str(&m, "a", one));
	assert_null(map_set_str(&m, "ab", two));
	assert_ptr_equal(map_find_str(&m, "a"), one);
	assert_ptr_equal(map_del_str(&m, "ab"), two);
	assert_null(map_find_str(&m, "ab"));
	map_fini(&m);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(agrees_with_an_array),
		cmocka_unit_test(string_keys),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
