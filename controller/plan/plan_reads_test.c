// SPDX-License-Identifier: Apache-2.0
// What one change costs does not grow with what is there: the plan reads as many entities for it
// among 10 000 connections as among 100.
#include "plan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

static void add_fleet(struct plan *p, uint32_t slots)
{
	struct plan_range pa = {ip_from_v4(0x0a000001), ip_from_v4(0x0a00ffff)};
	struct plan_range gre = {ip_from_v4(0x1f000001), ip_from_v4(0x1f00ffff)};
	char name[16];

	plan_set_pool(p, &(struct plan_pool){.name = "pool",
				 .redundant_count = 1,
				 .capacity_kbps = 1000000000,
				 .pa = &pa,
				 .pa_len = 1,
				 .gre = &gre,
				 .gre_len = 1,
				 .slots_per_active = slots});
	for (int i = 0; i < 3; i++) {
		snprintf(name, sizeof(name), "GW%d", i);
		plan_set_gateway(
			p, &(struct plan_gateway){
				   .name = name, .pool = "pool", .health = PLAN_HEALTH_UP});
	}
}

static void add_tenant(struct plan *p, uint32_t i)
{
	const char *pools[] = {"pool"};
	struct ip_addr base = ip_from_v4(0x0a000000);
	struct ip_prefix prefix = prefix_make(&base, 24);
	char name[16];

	snprintf(name, sizeof(name), "T%u", i);
	plan_set_subnet(p, &(struct plan_subnet){.network = name,
				   .name = "gw",
				   .vni = 5000 + i,
				   .prefix = &prefix,
				   .prefix_len = 1});
	plan_set_tenant(p, &(struct plan_tenant){.name = name,
				   .network = name,
				   .gateway_subnet = "gw",
				   .pools = pools,
				   .pools_len = 1});
}

static void add_connection(struct plan *p, uint32_t tenant, uint32_t i, uint64_t kbps)
{
	struct plan_route route = {.prefix = {ip_from_v4(0x32000000 + (i << 8)), 24, {0}}};
	char t[16], c[16];

	snprintf(t, sizeof(t), "T%u", tenant);
	snprintf(c, sizeof(c), "c%u", i);
	plan_set_connection(p, &(struct plan_connection){.tenant = t,
				       .name = c,
				       .enabled = true,
				       .type = PLAN_CONN_GRE,
				       .has_key = true,
				       .gre_key = i,
				       .remote = ip_from_v4(0x14000001),
				       .in_kbps = kbps,
				       .route = &route,
				       .route_len = 1});
}

struct cost {
	uint64_t add, change, remove, host, events;
};

static uint64_t step(struct plan *p, uint64_t *events)
{
	uint64_t before = plan_reads(p);

	*events += plan_step(p, 0).events_len;
	return plan_reads(p) - before;
}

// What it costs to add, change and remove one connection, and to move a host, of a tenant among
// `len` connections of `tenants` tenants.
static struct cost measure(uint32_t len, uint32_t tenants, uint32_t slots)
{
	struct plan *p = plan_new();
	struct plan_host host = {.network = "T0",
		.name = "vm",
		.addr = ip_from_v4(0x0a000009),
		.vni = 5000,
		.pa = {ip_from_v4(0x0a630001)}};
	struct cost c = {0};
	uint64_t ignored = 0;

	add_fleet(p, slots);
	for (uint32_t i = 0; i < tenants; i++)
		add_tenant(p, i);
	for (uint32_t i = 0; i < len; i++)
		add_connection(p, i % tenants, i, 1);
	plan_set_host(p, &host);
	step(p, &ignored);
	add_connection(p, 0, len, 1);
	c.add = step(p, &c.events);
	add_connection(p, 0, len, 2);
	c.change = step(p, &c.events);
	plan_del_connection(p, "T0", "nothing");
	{
		char name[16];

		snprintf(name, sizeof(name), "c%u", len);
		plan_del_connection(p, "T0", name);
	}
	c.remove = step(p, &c.events);
	host.pa[0] = ip_from_v4(0x0a630002);
	plan_set_host(p, &host);
	c.host = step(p, &c.events);
	plan_free(p);
	return c;
}

static void assert_same(struct cost few, struct cost many)
{
	print_message("reads: add %lu, change %lu, remove %lu, host %lu; events %lu\n",
		(unsigned long)few.add, (unsigned long)few.change, (unsigned long)few.remove,
		(unsigned long)few.host, (unsigned long)few.events);
	assert_true(few.add && few.change && few.remove && few.host && few.events);
	assert_int_equal(few.add, many.add);
	assert_int_equal(few.change, many.change);
	assert_int_equal(few.remove, many.remove);
	assert_int_equal(few.host, many.host);
	assert_int_equal(few.events, many.events);
}

static void one_change_reads_the_same_among_100_and_10000(void **state)
{
	assert_same(measure(100, 50, 16), measure(10000, 5000, 16));
}

static void also_when_all_are_in_one_slot(void **state)
{
	assert_same(measure(100, 50, 1), measure(10000, 5000, 1));
}

static void also_when_1000_are_in_one_tenant(void **state)
{
	assert_same(measure(100, 1, 16), measure(1000, 1, 16));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_change_reads_the_same_among_100_and_10000),
		cmocka_unit_test(also_when_all_are_in_one_slot),
		cmocka_unit_test(also_when_1000_are_in_one_tenant),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
