// SPDX-License-Identifier: Apache-2.0
#include "capacity.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

// [MS-NCNBI] 3.1.5.4.1.2.2: 22 connections of 307200 + 307200 on a gateway of 104857600.
static void rule_2016_gives_the_published_vector(void **state)
{
	struct capacity_load load = {.kbps = {[PLAN_CONN_IPSEC] = 20 * 614400,
					     [PLAN_CONN_GRE] = 614400,
					     [PLAN_CONN_L3] = 614400}};

	assert_int_equal(capacity_available(PLAN_CAPACITY_2016, 104857600, &load), 18636800);
}

// The documentation's 25 Gbit/s gateway: 2 of IPsec leave 15, that is 3 of IPsec or 9 of GRE.
static void rule_2019_gives_the_documented_example(void **state)
{
	struct capacity_load load = {.kbps = {[PLAN_CONN_IPSEC] = 2000000}};

	assert_int_equal(capacity_available(PLAN_CAPACITY_2019, 25000000, &load), 15000000);
	assert_true(capacity_fits(PLAN_CAPACITY_2019, 25000000, &load, PLAN_CONN_IPSEC, 3000000));
	assert_false(capacity_fits(PLAN_CAPACITY_2019, 25000000, &load, PLAN_CONN_IPSEC, 3000001));
	assert_true(capacity_fits(PLAN_CAPACITY_2019, 25000000, &load, PLAN_CONN_GRE, 9000000));
	assert_false(capacity_fits(PLAN_CAPACITY_2019, 25000000, &load, PLAN_CONN_GRE, 9000001));
}

static void rule_2019_on_a_small_gateway_counts_one_for_one(void **state)
{
	struct capacity_load load = {.kbps = {[PLAN_CONN_L3] = 400000, [PLAN_CONN_GRE] = 100000}};

	assert_int_equal(capacity_available(PLAN_CAPACITY_2019, 1000000, &load), 500000);
}

static void over_provisioned_is_negative_and_takes_nothing_more(void **state)
{
	struct capacity_load load = {.kbps = {[PLAN_CONN_L3] = 1100000}};

	assert_int_equal(capacity_available(PLAN_CAPACITY_2019, 1000000, &load), -100000);
	assert_false(capacity_fits(PLAN_CAPACITY_2019, 1000000, &load, PLAN_CONN_GRE, 1));
	assert_true(capacity_fits(PLAN_CAPACITY_2019, 1000000, &load, PLAN_CONN_GRE, 0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rule_2016_gives_the_published_vector),
		cmocka_unit_test(rule_2019_gives_the_documented_example),
		cmocka_unit_test(rule_2019_on_a_small_gateway_counts_one_for_one),
		cmocka_unit_test(over_provisioned_is_negative_and_takes_nothing_more),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
