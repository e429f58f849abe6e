// SPDX-License-Identifier: Apache-2.0
#include "buf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

static void reads_and_stops_at_the_end(void **state)
{
	static const uint8_t bytes[] = {1, 2, 3, 4, 5, 6, 7};
	struct buf_reader r;

	buf_reader_init(&r, bytes, sizeof(bytes));
	assert_int_equal(buf_get_u8(&r), 1);
	assert_int_equal(buf_get_be16(&r), 0x0203);
	assert_int_equal(buf_get_be24(&r), 0x040506);
	assert_false(r.failed);
	assert_int_equal(buf_get_be16(&r), 0);
	assert_true(r.failed);
	assert_int_equal(buf_get_u8(&r), 0); // sticky, though a byte is left
}

static void sub_reader_is_bounded(void **state)
{
	static const uint8_t bytes[] = {1, 2, 3, 4};
	struct buf_reader r, s;

	buf_reader_init(&r, bytes, sizeof(bytes));
	s = buf_get_sub(&r, 2);
	assert_int_equal(buf_get_be16(&s), 0x0102);
	assert_int_equal(buf_get_u8(&s), 0);
	assert_true(s.failed);
	assert_false(r.failed);
	s = buf_get_sub(&r, 3);
	assert_true(s.failed && r.failed);
}

static void writes_and_stops_at_the_end(void **state)
{
	uint8_t bytes[8] = {0};
	struct buf_writer w;

	buf_writer_init(&w, bytes, 7);
	buf_put_be32(&w, 0x01020304);
	buf_put_be16(&w, 0x0506);
	assert_int_equal(buf_written(&w), 6);
	buf_put_be16(&w, 0xffff);
	assert_true(w.failed);
	assert_int_equal(buf_written(&w), 6);
	assert_int_equal(bytes[6], 0);
	assert_memory_equal(bytes, "\1\2\3\4\5\6", 6);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_and_stops_at_the_end),
		cmocka_unit_test(sub_reader_is_bounded),
		cmocka_unit_test(writes_and_stops_at_the_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
