// SPDX-License-Identifier: Apache-2.0
#include "ipaddr.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

static void text_round_trips(void **state)
{
	static const char *const good[] = {"0.0.0.0/0", "10.0.0.0/24", "255.255.255.255/32",
		"2001:db8::/32", "::/0", "fe80::1/128", "10.0.0.128/25"};
	char text[PREFIX_TEXT_SIZE];
	struct ip_prefix p;

	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
		assert_int_equal(prefix_parse(good[i], &p), 0);
		assert_string_equal(prefix_format(&p, text), good[i]);
	}
}

static void bad_text_is_refused(void **state)
{
	static const char *const bad[] = {"", "10.0.0.0/33", "10.0.0/24", "10.0.0.0/",
		"10.0.0.0/-1", "10.0.0.0/ 8", "::/129", "2221.1.1.0/24", "10.0.0.0/8x",
		" 10.0.0.0/8"};
	struct ip_prefix p;

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_int_equal(prefix_parse(bad[i], &p), -EINVAL);
	assert_int_equal(prefix_parse("10.0.0.1/24", &p), -EDOM);
}

static void containment(void **state)
{
	struct ip_prefix outer, inner;
	struct ip_addr a;

	assert_int_equal(prefix_parse("10.0.0.128/25", &outer), 0);
	assert_int_equal(ip_parse("10.0.0.127", &a), 0);
	assert_false(prefix_contains(&outer, &a));
	assert_int_equal(ip_parse("10.0.0.129", &a), 0);
	assert_true(prefix_contains(&outer, &a));
	assert_int_equal(prefix_parse("10.0.0.192/26", &inner), 0);
	assert_true(prefix_covers(&outer, &inner));
	assert_false(prefix_covers(&inner, &outer));
	assert_true(prefix_overlaps(&inner, &outer));
	assert_int_equal(prefix_parse("::/0", &inner), 0);
	assert_false(prefix_overlaps(&inner, &outer));
}

static void macs(void **state)
{
	struct mac_addr m;
	char text[MAC_TEXT_SIZE];

	assert_int_equal(mac_parse("001DA8B71C00", &m), 0);
	assert_string_equal(mac_format(&m, text), "00:1d:a8:b7:1c:00");
	assert_int_equal(mac_parse("00-1D-A8-B7-1C-01", &m), 0);
	assert_int_equal(m.bytes[5], 1);
	assert_int_equal(mac_parse("00:1d:a8:b7:1c:0", &m), -EINVAL);
	assert_int_equal(mac_parse("00:1d-a8:b7:1c:00", &m), -EINVAL);
	assert_int_equal(mac_parse("", &m), -EINVAL);
}

static void addition(void **state)
{
	struct ip_addr a, b;

	assert_int_equal(ip_parse("10.0.0.255", &a), 0);
	assert_int_equal(ip_add(&a, 1, &b), 0);
	assert_int_equal(ip_to_v4(&b), 0x0a000100);
	assert_int_equal(ip_parse("255.255.255.255", &a), 0);
	assert_int_equal(ip_add(&a, 1, &b), -ERANGE);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_round_trips),
		cmocka_unit_test(bad_text_is_refused),
		cmocka_unit_test(containment),
		cmocka_unit_test(macs),
		cmocka_unit_test(addition),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
