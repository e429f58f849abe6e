// SPDX-License-Identifier: Apache-2.0
#include "vtep.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

#define VRFS  5
#define VTEPS 700 // more than one cache line of bits

static struct ip_addr vtep_addr(unsigned i)
{
	struct ip_addr a = ip_from_v4(0x0a000000 + i);

	if (i % 3 == 0) { // the same first bytes, of the other version
		a.family = IP_V6;
		a.bytes[15] = 1;
	}
	return a;
}

static bool accepted(uint32_t vrf, const struct ip_addr *a)
{
	uint64_t number = a->family == IP_V4
				  ? table_find(&vtep_numbers4, vtep_key4(load32(a->bytes)))
				  : table_find(&vtep_numbers6, vtep_key6(a->bytes));

	return vtep_accepted(vtep_word(vrf, number), number);
}

// Random additions and removals against plain counts.
static void accepts_exactly_what_was_added_and_not_removed(void **state)
{
	static unsigned count[VRFS][VTEPS];

	srand(7);
	for (int round = 0; round < 200000; round++) {
		uint32_t vrf = (uint32_t)rand() % VRFS, i = (uint32_t)rand() % VTEPS;
		struct ip_addr a = vtep_addr(i);

		if (rand() % 2) {
			vtep_add(vrf, &a);
			count[vrf][i]++;
		} else if (count[vrf][i]) {
			vtep_del(vrf, &a);
			count[vrf][i]--;
		}
		assert_int_equal(accepted(vrf, &a), count[vrf][i] != 0);
	}
	for (uint32_t vrf = 0; vrf < VRFS; vrf++) {
		for (unsigned i = 0; i < VTEPS; i++) {
			struct ip_addr a = vtep_addr(i);

			assert_int_equal(accepted(vrf, &a), count[vrf][i] != 0);
			for (; count[vrf][i]; count[vrf][i]--)
				vtep_del(vrf, &a);
			assert_false(accepted(vrf, &a));
		}
	}
}

static void number_is_not_given_out_while_a_reader_may_hold_it(void **state)
{
	struct ip_addr one = ip_from_v4(1), two = ip_from_v4(2);
	uint64_t held;

	rcu_reader_online(0);
	vtep_add(1, &one);
	held = table_find(&vtep_numbers4, vtep_key4(load32(one.bytes)));
	vtep_del(1, &one);
	vtep_add(1, &two);
	assert_false(vtep_accepted(vtep_word(1, held), held));
	vtep_del(1, &two);
	rcu_reader_quiescent(0);
	rcu_reader_offline(0);
}

static int setup(void **state)
{
	return rcu_init() | vtep_init();
}

static int teardown(void **state)
{
	rcu_synchronize();
	vtep_fini();
	rcu_fini();
	return 0;
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(accepts_exactly_what_was_added_and_not_removed),
		cmocka_unit_test(number_is_not_given_out_while_a_reader_may_hold_it),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
