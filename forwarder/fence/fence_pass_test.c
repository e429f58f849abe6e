// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <string.h>

#include "fence.h"
#include "fence/fence_pass.h"
#include "gatewaykit.h"
#include "neighbour/neighbour.h"

static int setup(void **state)
{
	int r = kit_setup(state);

	return r ? r : fence_init(fence_pass);
}

static int teardown(void **state)
{
	fence_fini();
	return kit_teardown(state);
}

static void from_tunnels_and_vlans(struct kit *k)
{
	kit_from_host(k, 0, KIT_VM, KIT_SITE, 100);
	kit_from_gre(k, 0, kit_gre_key(0), KIT_SITE, KIT_VM, 100);
	kit_ping(k, 0, KIT_VM, KIT_GATEWAY_CA);
}

static unsigned sent(struct kit *k)
{
	struct testbed_result r;
	unsigned len = 0;

	kit_run(k);
	kit_control(k);
	while (kit_take(k, &r)) {
		len += r.end == TESTBED_TX;
		testbed_put(&r);
	}
	return len;
}

static void while_it_is_up_nothing_of_a_tenant_leaves(void **state)
{
	struct kit *k = *state;

	from_tunnels_and_vlans(k);
	assert_int_equal(sent(k), 3);
	fence_raise();
	from_tunnels_and_vlans(k);
	assert_int_equal(sent(k), 0);
	assert_true(fence_lift(fence_number()));
	from_tunnels_and_vlans(k);
	assert_int_equal(sent(k), 3);
}

static void while_it_is_up_only_own_addresses_are_answered_for(void **state)
{
	struct kit *k = *state;

	fence_raise();
	kit_arp(k, 0, 0, KIT_ROUTER, KIT_SLOT_PA);
	assert_int_equal(sent(k), 0);
	kit_arp(k, 1, kit_vlan(1), KIT_L3_PEER, KIT_L3_OWN);
	assert_int_equal(sent(k), 0);
	kit_arp(k, 0, 0, KIT_ROUTER, KIT_OWN);
	kit_expect_arp_reply(k, 0, 0, KIT_OWN);
}

// -- announcements

static unsigned announced(struct kit *k)
{
	struct testbed_result r;
	unsigned len = 0;

	kit_run(k);
	while (kit_take(k, &r)) {
		size_t size;
		const uint8_t *p = testbed_bytes(&r, &size);
		uint32_t pa = be32(KIT_SLOT_PA);

		len += r.end == TESTBED_TX && load16(p + 12) == be16(ETH_TYPE_ARP) &&
		       memcmp(p + 28, &pa, 4) == 0 && memcmp(p + 38, &pa, 4) == 0;
		testbed_put(&r);
	}
	return len;
}

static void an_address_that_arrives_is_announced_three_times_within_a_second(void **state)
{
	struct kit *k = *state;
	unsigned len;

	for (uint64_t t = 0; t < 3000; t += 100)
		neighbour_tick(10000 + t);
	announced(k);
	kit_set_slot(k, 1002, false);
	assert_true(kit_try_slot(k, 1003, true) >= 0);
	len = announced(k);
	assert_int_equal(len, 1);
	for (uint64_t t = 0; t < 900; t += 100)
		neighbour_tick(20000 + t);
	len += announced(k);
	assert_int_equal(len, 3);
	for (uint64_t t = 900; t < 3000; t += 100)
		neighbour_tick(20000 + t);
	assert_int_equal(announced(k), 0);
}

static void an_address_that_left_meanwhile_is_announced_no_more(void **state)
{
	struct kit *k = *state;

	kit_set_slot(k, 1002, false);
	assert_true(kit_try_slot(k, 1003, true) >= 0);
	assert_int_equal(announced(k), 1);
	kit_set_slot(k, 1004, false);
	for (uint64_t t = 0; t < 2000; t += 100)
		neighbour_tick(30000 + t);
	assert_int_equal(announced(k), 0);
}

#define fence_test(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		fence_test(while_it_is_up_nothing_of_a_tenant_leaves),
		fence_test(while_it_is_up_only_own_addresses_are_answered_for),
		fence_test(an_address_that_arrives_is_announced_three_times_within_a_second),
		fence_test(an_address_that_left_meanwhile_is_announced_no_more),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
