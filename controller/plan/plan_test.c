// SPDX-License-Identifier: Apache-2.0
#include "plan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "view_fixture.h"

struct world {
	struct plan *plan;
	struct views views;
	int64_t now_ms;
};

static struct ip_addr ip(const char *s)
{
	struct ip_addr addr = {0};

	assert_int_equal(ip_parse(s, &addr), 0);
	return addr;
}

static struct ip_prefix net(const char *s)
{
	struct ip_prefix prefix;

	assert_int_equal(prefix_parse(s, &prefix), 0);
	return prefix;
}

static void add_pool(struct world *w, const char *name, uint32_t redundant, uint64_t kbps)
{
	struct plan_range pa = {ip("10.0.1.1"), ip("10.0.1.200")};
	struct plan_range gre = {ip("31.0.0.1"), ip("31.0.0.200")};
	struct ip_addr vip = ip("40.0.0.1");

	plan_set_pool(w->plan, &(struct plan_pool){.name = name,
				       .ref = "/GatewayPools/default",
				       .redundant_count = redundant,
				       .capacity_kbps = kbps,
				       .pa = &pa,
				       .pa_len = 1,
				       .gre = &gre,
				       .gre_len = 1,
				       .vip = &vip,
				       .vip_len = 1,
				       .slots_per_active = 4});
}

static void add_gateway(struct world *w, const char *name, const char *pool)
{
	struct plan_underlay u = {.addr = ip("10.0.0.11"), .prefix_len = 16};

	plan_set_gateway(w->plan, &(struct plan_gateway){.name = name,
					  .ref = "/Gateways/x",
					  .pool = pool,
					  .health = PLAN_HEALTH_UP,
					  .underlay = &u,
					  .underlay_len = 1});
}

static void add_tenant(struct world *w, const char *name, uint32_t vni)
{
	const char *pools[] = {"default"};
	struct ip_prefix prefix = net("10.0.0.0/24");

	plan_set_subnet(w->plan, &(struct plan_subnet){.network = name,
					 .name = "gw",
					 .ref = "/virtualNetworks/n/subnets/gw",
					 .vni = vni,
					 .prefix = &prefix,
					 .prefix_len = 1});
	plan_set_tenant(w->plan, &(struct plan_tenant){.name = name,
					 .ref = "/VirtualGateways/x",
					 .rdid = "rdid",
					 .network = name,
					 .gateway_subnet = "gw",
					 .pools = pools,
					 .pools_len = 1});
}

static void add_gre(struct world *w, const char *tenant, const char *name, const char *remote,
	uint32_t key, uint64_t kbps)
{
	struct plan_route route = {.prefix = net("50.1.1.0/24"), .metric = 10};

	plan_set_connection(w->plan, &(struct plan_connection){.tenant = tenant,
					     .name = name,
					     .ref = "/VirtualGateways/x/NetworkConnections/y",
					     .type = PLAN_CONN_GRE,
					     .enabled = true,
					     .has_key = true,
					     .gre_key = key,
					     .remote = ip(remote),
					     .in_kbps = kbps,
					     .out_kbps = kbps,
					     .route = &route,
					     .route_len = 1});
}

// A pool of one gateway with 1 Gbit/s, and tenant A.
static void add_single(struct world *w)
{
	add_pool(w, "default", 0, 1000000);
	add_gateway(w, "GW1", "default");
	add_tenant(w, "A", 5001);
}

static void step(struct world *w)
{
	views_step(&w->views, w->plan, w->now_ms);
}

static struct plan_connection_status status(struct world *w, const char *tenant, const char *name)
{
	struct plan_connection_status st;

	assert_int_equal(plan_connection_status(w->plan, tenant, name, &st), 0);
	return st;
}

static int setup(void **state)
{
	struct world *w = test_calloc(1, sizeof(*w));

	w->plan = plan_new();
	views_init(&w->views);
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;

	plan_free(w->plan);
	views_fini(&w->views);
	test_free(w);
	return 0;
}

static void a_single_gateway_holds_all_slots_of_its_pool(void **state)
{
	struct world *w = *state;
	struct plan_gateway_status st;

	add_pool(w, "default", 1, 1000000);
	add_gateway(w, "GW1", "default");
	step(w);
	assert_int_equal(plan_gateway_status(w->plan, "GW1", &st), 0);
	assert_int_equal(st.slots, 4);
	assert_int_equal(st.state, PLAN_GATEWAY_ACTIVE);
	assert_string_equal(views_get(&w->views, "GW1", "slot", "1"),
		"{\"slot\":1,\"active\":true,\"epoch\":1,\"ivEpoch\":1,\"port\":0,\"vlan\":0}");
}

static void the_next_iv_block_is_granted_when_half_of_one_is_used(void **state)
{
	struct world *w = *state;
	unsigned long long first, next;
	const char *value;

	add_pool(w, "default", 1, 1000000);
	add_gateway(w, "GW1", "default");
	step(w);
	value = strstr(views_get(&w->views, "GW1", "gateway", "self"), "\"ivBlock\":[");
	first = strtoull(value + strlen("\"ivBlock\":["), NULL, 10);
	assert_false(plan_set_iv_next(w->plan, "GW1", first + 1));
	assert_true(plan_set_iv_next(w->plan, "GW1", first + 200));
	step(w);
	value = strstr(views_get(&w->views, "GW1", "gateway", "self"), "\"ivBlock\":[");
	next = strtoull(value + strlen("\"ivBlock\":["), NULL, 10);
	assert_true(next >= first + 256);
	assert_false(plan_set_iv_next(w->plan, "GW1", first + 201)); // not heard of it yet
}

static void a_gateway_that_joins_again_uses_no_iv_epoch_of_before(void **state)
{
	struct world *w = *state;
	unsigned long long first, next;
	const char *value;

	add_pool(w, "default", 1, 1000000);
	add_gateway(w, "GW1", "default");
	assert_false(plan_renew_iv(w->plan, "GW1")); // nothing was granted
	step(w);
	value = strstr(views_get(&w->views, "GW1", "gateway", "self"), "\"ivBlock\":[");
	first = strtoull(value + strlen("\"ivBlock\":["), NULL, 10);
	assert_true(plan_renew_iv(w->plan, "GW1"));
	step(w);
	value = strstr(views_get(&w->views, "GW1", "gateway", "self"), "\"ivBlock\":[");
	next = strtoull(value + strlen("\"ivBlock\":["), NULL, 10);
	assert_true(next >= first + 256);
	for (unsigned slot = 1; slot <= 4; slot++) {
		char key[8];

		snprintf(key, sizeof(key), "%u", slot);
		value = strstr(views_get(&w->views, "GW1", "slot", key), "\"ivEpoch\":");
		assert_true(strtoull(value + strlen("\"ivEpoch\":"), NULL, 10) >= first + 256);
	}
	assert_false(plan_renew_iv(w->plan, "GW9"));
}

static void a_slot_takes_addresses_with_its_first_connection_and_gives_them_back(void **state)
{
	struct world *w = *state;
	struct plan_slot_status st;
	uint16_t at = 0;

	add_pool(w, "default", 0, 1000000);
	add_gateway(w, "GW1", "default");
	add_tenant(w, "Contoso", 5001);
	add_gre(w, "Contoso", "c1", "20.0.0.1", 7, 1000);
	step(w);
	assert_true(plan_slot_next(w->plan, &at, &st));
	assert_int_equal(st.pa[0].family, IP_V4);
	assert_int_equal(st.gre_vip[0].family, IP_V4);
	assert_true(plan_address_taken(w->plan, &st.pa[0]));
	assert_true(ip_equal(&status(w, "Contoso", "c1").source[0], &st.gre_vip[0]));
	assert_non_null(views_get(&w->views, "GW1", "connection", "1"));
	assert_non_null(views_get(&w->views, "GW1", "routes", "1/1"));
	assert_non_null(views_get(&w->views, "GW1", "tenantSlot", "1/1"));
	assert_non_null(views_get(&w->views, "GW1", "localAddress", "1/10.0.0.1"));
	assert_non_null(views_get(&w->views, PLAN_HOSTS, "hostRoute", "1/50.1.1.0/24/1"));
	assert_non_null(views_get(&w->views, PLAN_HOSTS, "hostSubnet", "5001"));
	plan_del_connection(w->plan, "Contoso", "c1");
	step(w);
	at = 0;
	assert_true(plan_slot_next(w->plan, &at, &st));
	assert_int_equal(st.pa[0].family + st.gre_vip[0].family, 0);
	assert_int_equal(views_len(&w->views, PLAN_HOSTS), 0);
	assert_int_equal(views_len(&w->views, "GW1"), 5); // itself and four slots
}

static void an_unchanged_input_tells_nobody_anything(void **state)
{
	struct world *w = *state;
	uint64_t sets;

	add_pool(w, "default", 0, 1000000);
	add_gateway(w, "GW1", "default");
	add_tenant(w, "Contoso", 5001);
	add_gre(w, "Contoso", "c1", "20.0.0.1", 7, 1000);
	step(w);
	sets = w->views.sets;
	add_pool(w, "default", 0, 1000000);
	add_gateway(w, "GW1", "default");
	add_tenant(w, "Contoso", 5001);
	add_gre(w, "Contoso", "c1", "20.0.0.1", 7, 1000);
	step(w);
	assert_int_equal(w->views.sets, sets);
	assert_int_equal(w->views.gones, 0);
}

static void set_l3_port(struct world *w, const char *gateway, uint16_t port)
{
	plan_set_gateway(w->plan, &(struct plan_gateway){.name = gateway,
					  .ref = "/Gateways/x",
					  .pool = "default",
					  .health = PLAN_HEALTH_UP,
					  .l3_port = port});
}

static void an_l3_connection_is_told_the_vlan_port_of_its_slots_holder(void **state)
{
	struct world *w = *state;
	struct plan_conn_addr addr = {ip("10.127.134.1"), 29};

	add_pool(w, "default", 0, 1000000);
	set_l3_port(w, "GW1", 1);
	add_tenant(w, "Contoso", 5001);
	plan_set_connection(w->plan, &(struct plan_connection){.tenant = "Contoso",
					     .name = "l3",
					     .ref = "/VirtualGateways/x/NetworkConnections/l3",
					     .type = PLAN_CONN_L3,
					     .l3_vlan = 1001,
					     .addr = &addr,
					     .addr_len = 1});
	step(w);
	assert_non_null(strstr(
		views_get(&w->views, "GW1", "connection", "1"), "\"l3Port\":1,\"l3Vlan\":1001"));
	set_l3_port(w, "GW1", 2);
	step(w);
	assert_non_null(strstr(views_get(&w->views, "GW1", "connection", "1"), "\"l3Port\":2,"));
}

static void equal_remote_and_key_are_never_in_one_slot(void **state)
{
	struct world *w = *state;
	char name[8];
	uint32_t seen = 0;

	add_single(w);
	for (int i = 0; i < 5; i++) {
		snprintf(name, sizeof(name), "c%d", i);
		add_gre(w, "A", name, "20.0.0.1", 7, 10);
	}
	step(w);
	for (int i = 0; i < 4; i++) {
		snprintf(name, sizeof(name), "c%d", i);
		assert_false(seen & 1u << status(w, "A", name).slot);
		seen |= 1u << status(w, "A", name).slot;
	}
	assert_int_equal(status(w, "A", "c4").slot, 0);
	assert_int_equal(status(w, "A", "c4").wait, PLAN_WAIT_CONFLICT);
}

static void ipsec_with_one_remote_address_shares_a_slot(void **state)
{
	struct world *w = *state;

	add_single(w);
	add_tenant(w, "B", 5002);
	for (int i = 0; i < 2; i++)
		plan_set_connection(w->plan, &(struct plan_connection){.tenant = i ? "B" : "A",
						     .name = "c",
						     .ref = "",
						     .type = PLAN_CONN_IPSEC,
						     .enabled = true,
						     .remote = ip("20.0.0.9")});
	step(w);
	assert_int_not_equal(status(w, "A", "c").slot, 0);
	assert_int_equal(status(w, "A", "c").slot, status(w, "B", "c").slot);
}

static void a_lost_gateway_is_replaced_by_the_redundant_one_in_one_object_a_slot(void **state)
{
	struct world *w = *state;
	struct plan_gateway_status st;
	uint64_t epoch_before = 0;
	struct plan_slot_status slot;
	struct plan_result r;
	uint16_t at = 0;

	add_pool(w, "default", 1, 1000000);
	add_gateway(w, "GW1", "default");
	add_gateway(w, "GW2", "default");
	add_tenant(w, "A", 5001);
	add_gre(w, "A", "c1", "20.0.0.1", 7, 1000);
	step(w);
	assert_string_equal(status(w, "A", "c1").gateway, "GW1");
	assert_non_null(views_get(&w->views, "GW2", "connection", "1"));
	assert_non_null(views_get(&w->views, "GW2", "routes", "1/1"));
	while (plan_slot_next(w->plan, &at, &slot))
		epoch_before = slot.epoch > epoch_before ? slot.epoch : epoch_before;
	w->now_ms = 1000;
	plan_set_health(w->plan, "GW1", PLAN_HEALTH_LOST);
	r = plan_step(w->plan, w->now_ms);
	for (size_t i = 0; i < r.events_len; i++) {
		assert_int_equal(r.events[i].object->kind, PLAN_KIND_SLOT);
		assert_false(r.events[i].gone);
	}
	assert_int_equal(r.events_len, 8);
	views_apply(&w->views, &r);
	assert_string_equal(status(w, "A", "c1").gateway, "GW2");
	// Each number is granted once: higher than all before, and higher from slot to slot.
	for (at = 0; plan_slot_next(w->plan, &at, &slot);) {
		assert_true(slot.epoch > epoch_before);
		epoch_before = slot.epoch;
	}
	plan_set_health(w->plan, "GW1", PLAN_HEALTH_UP);
	w->now_ms = 60000;
	step(w);
	assert_int_equal(plan_gateway_status(w->plan, "GW1", &st), 0);
	assert_int_equal(st.state, PLAN_GATEWAY_REDUNDANT);
	assert_string_equal(status(w, "A", "c1").gateway, "GW2");
	assert_non_null(views_get(&w->views, "GW1", "connection", "1"));
}

static void a_draining_gateway_relays_for_five_seconds(void **state)
{
	struct world *w = *state;

	add_pool(w, "default", 1, 1000000);
	add_gateway(w, "GW1", "default");
	add_gateway(w, "GW2", "default");
	add_tenant(w, "A", 5001);
	add_gre(w, "A", "c1", "20.0.0.1", 7, 1000);
	step(w);
	plan_set_drain(w->plan, "GW1", true);
	step(w);
	assert_string_equal(status(w, "A", "c1").gateway, "GW2");
	assert_non_null(
		strstr(views_get(&w->views, "GW1", "slot", "1"), "\"relayTo\":\"10.0.1.1\""));
	w->now_ms += PLAN_RELAY_MS;
	step(w);
	assert_null(strstr(views_get(&w->views, "GW1", "slot", "1"), "relayTo"));
}

// A pool of N+1 gateways with connections of tenant A, each in a slot of its own: they are equal.
static void add_twins(struct world *w, int gateways, uint32_t redundant, int connections)
{
	char name[8];

	add_pool(w, "default", redundant, 1000000);
	for (int i = 1; i <= gateways; i++) {
		snprintf(name, sizeof(name), "GW%d", i);
		add_gateway(w, name, "default");
	}
	add_tenant(w, "A", 5001);
	for (int i = 1; i <= connections; i++) {
		snprintf(name, sizeof(name), "c%d", i);
		add_gre(w, "A", name, "20.0.0.1", 7, 100000);
	}
	step(w);
}

static bool says(struct world *w, const char *gateway, const char *words)
{
	const char *text = views_get(&w->views, gateway, "slot", "1");

	return text && strstr(text, words);
}

static void note_slot(void *arg, uint16_t slot, uint64_t epoch)
{
	if (slot == 1)
		*(uint64_t *)arg = epoch;
}

// What the answer to a heartbeat confirms; 0: nothing.
static uint64_t confirmed(struct world *w, const char *gateway)
{
	uint64_t epoch = 0;

	plan_gateway_slots(w->plan, gateway, note_slot, &epoch);
	return epoch;
}

static void reach(struct world *w, const char *gateway)
{
	struct plan_result r = plan_step(w->plan, w->now_ms);

	views_apply(&w->views, &r);
	plan_set_reached(w->plan, gateway, r.step);
	step(w);
}

static void a_planned_move_waits_for_the_new_holder_before_and_after(void **state)
{
	struct world *w = *state;
	uint64_t before;

	plan_expect_reports(w->plan);
	add_twins(w, 2, 1, 1);
	before = confirmed(w, "GW1");
	plan_set_drain(w->plan, "GW1", true);
	step(w);
	// Not filled yet, as far as is known: nothing has moved.
	assert_string_equal(status(w, "A", "c1").gateway, "GW1");
	assert_true(says(w, "GW2", "\"active\":false"));
	reach(w, "GW2");
	// Filled; the holder is to say first that it answers for the addresses no more.
	assert_string_equal(status(w, "A", "c1").gateway, "GW1");
	assert_true(says(w, "GW1", "\"yields\":true"));
	assert_true(says(w, "GW1", "\"active\":true"));
	assert_true(says(w, "GW2", "\"active\":false"));
	reach(w, "GW1");
	assert_string_equal(status(w, "A", "c1").gateway, "GW2");
	assert_false(says(w, "GW2", "yields"));
	// Both work until the new one says that it does, and 150 ms more; one answers.
	assert_true(says(w, "GW1", "\"yields\":true"));
	assert_true(says(w, "GW2", "\"active\":true"));
	assert_true(says(w, "GW1", "\"active\":true"));
	assert_true(confirmed(w, "GW2") > before);
	assert_int_equal(confirmed(w, "GW1"), before);
	reach(w, "GW2");
	w->now_ms += PLAN_UNDER_WAY_MS - 1;
	step(w);
	assert_true(says(w, "GW1", "\"active\":true"));
	w->now_ms++;
	step(w);
	assert_true(says(w, "GW1", "\"active\":false"));
	assert_int_equal(confirmed(w, "GW1"), 0);
	assert_true(says(w, "GW1", "\"relayTo\":\"10.0.1.1\""));
	w->now_ms += PLAN_RELAY_MS;
	step(w);
	assert_false(says(w, "GW1", "relayTo"));
}

static void a_holder_that_never_yields_is_waited_for_in_vain_for_two_seconds(void **state)
{
	struct world *w = *state;

	plan_expect_reports(w->plan);
	add_twins(w, 2, 1, 1);
	plan_set_drain(w->plan, "GW1", true);
	step(w);
	reach(w, "GW2");
	w->now_ms += PLAN_TAKE_MS - 1;
	step(w);
	assert_string_equal(status(w, "A", "c1").gateway, "GW1");
	w->now_ms++;
	step(w);
	assert_string_equal(status(w, "A", "c1").gateway, "GW2");
}

static void a_holder_that_is_to_stay_answers_again(void **state)
{
	struct world *w = *state;

	plan_expect_reports(w->plan);
	add_twins(w, 2, 1, 1);
	plan_set_drain(w->plan, "GW1", true);
	step(w);
	reach(w, "GW2");
	assert_true(says(w, "GW1", "\"yields\":true"));
	plan_set_drain(w->plan, "GW1", false);
	step(w);
	assert_string_equal(status(w, "A", "c1").gateway, "GW1");
	assert_true(says(w, "GW1", "\"active\":true"));
	assert_false(says(w, "GW1", "yields"));
}

static void a_new_holder_that_never_reports_ends_the_old_ones_work_all_the_same(void **state)
{
	struct world *w = *state;

	plan_expect_reports(w->plan);
	add_twins(w, 2, 1, 1);
	plan_set_drain(w->plan, "GW1", true);
	step(w);
	reach(w, "GW2");
	reach(w, "GW1");
	w->now_ms += PLAN_TAKE_MS;
	step(w);
	assert_true(says(w, "GW1", "\"relayTo\":\"10.0.1.1\""));
}

static void a_gateway_lost_while_it_is_drained_is_taken_over_at_once(void **state)
{
	struct world *w = *state;

	plan_expect_reports(w->plan);
	add_twins(w, 2, 1, 1);
	plan_set_drain(w->plan, "GW1", true);
	step(w);
	plan_set_health(w->plan, "GW1", PLAN_HEALTH_LOST);
	step(w);
	assert_string_equal(status(w, "A", "c1").gateway, "GW2");
	assert_true(says(w, "GW1", "\"active\":false"));
}

static void several_share_what_a_gateway_had_when_none_is_redundant(void **state)
{
	struct world *w = *state;
	struct plan_gateway_status st;

	add_twins(w, 3, 0, 4);
	for (int lost = 0; lost < 2; lost++) {
		if (lost)
			plan_set_health(w->plan, "GW1", PLAN_HEALTH_LOST);
		step(w);
		plan_gateway_status(w->plan, "GW2", &st);
		assert_int_equal(st.connections, lost ? 2 : 0);
		assert_int_equal(st.slots, lost ? 6 : 4);
		plan_gateway_status(w->plan, "GW3", &st);
		assert_int_equal(st.connections, lost ? 2 : 0);
		assert_int_equal(st.slots, lost ? 6 : 4);
	}
}

static void slots_without_connections_are_shared_too(void **state)
{
	struct world *w = *state;
	struct plan_gateway_status a, b;

	add_twins(w, 3, 0, 1);
	step(w);
	plan_set_health(w->plan, "GW1", PLAN_HEALTH_LOST);
	step(w);
	plan_gateway_status(w->plan, "GW2", &a);
	plan_gateway_status(w->plan, "GW3", &b);
	assert_int_equal(a.connections + b.connections, 1);
	assert_int_equal(a.slots, 6);
	assert_int_equal(b.slots, 6);
}

static void add_gre_to_shed(struct world *w, const char *name, uint32_t key, uint8_t shed)
{
	plan_set_connection(w->plan, &(struct plan_connection){.tenant = "A",
					     .name = name,
					     .ref = "",
					     .type = PLAN_CONN_GRE,
					     .enabled = true,
					     .has_key = true,
					     .gre_key = key,
					     .remote = ip("20.0.0.1"),
					     .in_kbps = 200000,
					     .out_kbps = 200000,
					     .shed_priority = shed});
}

static void without_room_the_highest_shed_priority_goes_first_and_comes_back(void **state)
{
	struct world *w = *state;

	add_pool(w, "default", 0, 1000000);
	add_gateway(w, "GW1", "default");
	add_gateway(w, "GW2", "default");
	add_tenant(w, "A", 5001);
	add_gre_to_shed(w, "c1", 1, 5);
	add_gre_to_shed(w, "c2", 2, 0);
	add_gre_to_shed(w, "c3", 3, 9);
	add_gre_to_shed(w, "c4", 4, 1);
	step(w);
	assert_string_equal(status(w, "A", "c1").gateway, "GW1");
	assert_string_equal(status(w, "A", "c3").gateway, "GW2");
	plan_set_health(w->plan, "GW1", PLAN_HEALTH_LOST);
	step(w);
	// Room for two: one of the lost gateway's, one of the other's.
	assert_int_equal(status(w, "A", "c1").wait, PLAN_WAIT_SHED);
	assert_int_equal(status(w, "A", "c3").wait, PLAN_WAIT_SHED);
	assert_null(status(w, "A", "c3").gateway);
	assert_string_equal(status(w, "A", "c2").gateway, "GW2");
	assert_string_equal(status(w, "A", "c4").gateway, "GW2");
	assert_string_equal(status(w, "A", "c1").words,
		"given up (shedPriority 5) for others until gateways return: 400000 kbit/s of GRE "
		"wanted in pool default; the emptiest gateway, GW2, has 200000 kbit/s left");
	plan_set_health(w->plan, "GW1", PLAN_HEALTH_UP);
	w->now_ms += 60000;
	step(w);
	assert_string_equal(status(w, "A", "c1").gateway, "GW1");
	assert_string_equal(status(w, "A", "c3").gateway, "GW1");
}

static void note_move(void *arg, uint16_t slot, const char *from, const char *to, uint64_t kbps)
{
	size_t len = strlen(arg);

	snprintf((char *)arg + len, 256 - len, "%u %s>%s %u;", slot, from, to, (unsigned)kbps);
}

static void rebalancing_moves_only_when_asked_and_once(void **state)
{
	struct world *w = *state;
	struct plan_gateway_status st;
	char moves[256] = "";

	add_twins(w, 2, 0, 4);
	plan_gateway_status(w->plan, "GW1", &st);
	assert_int_equal(st.connections, 4);
	plan_rebalance_proposal(w->plan, "default", note_move, moves);
	assert_string_equal(moves, "1 GW1>GW2 200000;2 GW1>GW2 200000;");
	step(w);
	plan_gateway_status(w->plan, "GW1", &st);
	assert_int_equal(st.connections, 4);
	plan_set_rebalance(w->plan, "default", 1);
	step(w);
	plan_gateway_status(w->plan, "GW1", &st);
	assert_int_equal(st.connections, 2);
	plan_gateway_status(w->plan, "GW2", &st);
	assert_int_equal(st.connections, 2);
	moves[0] = 0;
	plan_rebalance_proposal(w->plan, "default", note_move, moves);
	assert_string_equal(moves, "");
}

static void shortage_says_how_much_is_missing_where_and_ends_by_itself(void **state)
{
	struct world *w = *state;

	add_single(w);
	add_gre(w, "A", "c1", "20.0.0.1", 7, 400000);
	add_gre(w, "A", "c2", "20.0.0.1", 8, 200000);
	step(w);
	assert_int_equal(status(w, "A", "c2").wait, PLAN_WAIT_CAPACITY);
	assert_string_equal(status(w, "A", "c2").words,
		"400000 kbit/s of GRE wanted in pool default; the emptiest gateway, GW1, has "
		"200000 "
		"kbit/s left");
	plan_del_connection(w->plan, "A", "c1");
	step(w);
	assert_int_equal(status(w, "A", "c2").wait, PLAN_WAIT_NONE);
	assert_string_equal(status(w, "A", "c2").gateway, "GW1");
}

static void more_bandwidth_than_there_is_leaves_the_old_grant_running(void **state)
{
	struct world *w = *state;

	add_single(w);
	add_gre(w, "A", "c1", "20.0.0.1", 7, 400000);
	step(w);
	add_gre(w, "A", "c1", "20.0.0.1", 7, 600000);
	step(w);
	assert_int_equal(status(w, "A", "c1").wait, PLAN_WAIT_CAPACITY);
	assert_int_not_equal(status(w, "A", "c1").slot, 0);
	assert_non_null(
		strstr(views_get(&w->views, "GW1", "connection", "1"), "\"inKbps\":400000"));
}

// Whoever takes it over takes all of it: nothing is given up then for what was granted meanwhile.
static void a_slot_without_a_holder_is_granted_no_more_than_one_gateway_carries(void **state)
{
	struct world *w = *state;

	add_single(w);
	add_gre(w, "A", "c1", "20.0.0.1", 1, 200000);
	add_gre(w, "A", "c2", "20.0.0.1", 2, 250000);
	step(w);
	plan_set_health(w->plan, "GW1", PLAN_HEALTH_LOST);
	plan_del_gateway(w->plan, "GW1");
	step(w);
	add_gre(w, "A", "c1", "20.0.0.1", 1, 300000);
	step(w);
	assert_int_equal(status(w, "A", "c1").wait, PLAN_WAIT_CAPACITY);
	add_gateway(w, "GW2", "default");
	step(w);
	assert_string_equal(status(w, "A", "c1").gateway, "GW2");
	assert_string_equal(status(w, "A", "c2").gateway, "GW2");
}

static void an_active_gateway_that_falls_idle_becomes_redundant_where_one_is_missing(void **state)
{
	struct world *w = *state;
	struct plan_gateway_status st;

	add_pool(w, "default", 0, 1000000);
	add_gateway(w, "GW1", "default");
	add_gateway(w, "GW2", "default");
	add_tenant(w, "A", 5001);
	add_gre(w, "A", "c1", "20.0.0.1", 1, 450000);
	add_gre(w, "A", "c2", "20.0.0.1", 2, 450000);
	step(w);
	assert_string_equal(status(w, "A", "c2").gateway, "GW2");
	add_pool(w, "default", 1, 1000000); // nobody is idle yet
	step(w);
	plan_del_connection(w->plan, "A", "c2");
	step(w);
	assert_int_equal(plan_gateway_status(w->plan, "GW2", &st), 0);
	assert_int_equal(st.state, PLAN_GATEWAY_REDUNDANT);
	assert_string_equal(status(w, "A", "c1").gateway, "GW1");
}

static void the_vip_belongs_to_the_lowest_slot_in_use(void **state)
{
	struct world *w = *state;

	add_single(w);
	add_tenant(w, "B", 5002);
	add_gre(w, "A", "c1", "20.0.0.1", 7, 10);
	add_gre(w, "B", "c1", "20.0.0.2", 7, 10);
	step(w);
	assert_non_null(strstr(views_get(&w->views, "GW1", "slot", "1"), "\"vip\":[\"40.0.0.1\"]"));
	assert_null(strstr(views_get(&w->views, "GW1", "slot", "2"), "vip"));
	plan_del_connection(w->plan, "A", "c1");
	step(w);
	assert_null(strstr(views_get(&w->views, "GW1", "slot", "1"), "vip"));
	assert_non_null(strstr(views_get(&w->views, "GW1", "slot", "2"), "\"vip\":[\"40.0.0.1\"]"));
}

static void add_ipsec(struct world *w, const char *tenant, const char *remote, uint64_t kbps)
{
	struct plan_connection c = {.tenant = tenant,
		.name = "c",
		.ref = "",
		.type = PLAN_CONN_IPSEC,
		.enabled = true,
		.in_kbps = kbps,
		.out_kbps = kbps};

	if (remote)
		c.remote = ip(remote);
	plan_set_connection(w->plan, &c);
}

static const char *where(struct world *w, const char *gateway, uint16_t slot)
{
	char key[32];

	snprintf(key, sizeof(key), "40.0.0.1/%u", slot);
	return views_get(&w->views, gateway, "vipSlot", key);
}

static const char *whose(struct world *w, const char *gateway, const char *remote)
{
	char key[64];

	snprintf(key, sizeof(key), "40.0.0.1/%s", remote);
	return views_get(&w->views, gateway, "vipRemote", key);
}

static void who_may_answer_for_a_vip_is_told_what_is_behind_it(void **state)
{
	struct world *w = *state;
	uint16_t a, b;
	char text[96];

	add_pool(w, "default", 1, 1000000);
	for (int i = 1; i <= 3; i++)
		add_gateway(w, (const char *[]){"", "GW1", "GW2", "GW3"}[i], "default");
	add_tenant(w, "A", 5001);
	add_tenant(w, "B", 5002);
	add_ipsec(w, "A", "20.0.0.1", 400000);
	add_ipsec(w, "B", NULL, 400000);
	step(w);
	a = status(w, "A", "c").slot;
	b = status(w, "B", "c").slot;
	assert_string_equal(status(w, "A", "c").gateway, "GW1");
	assert_string_equal(status(w, "B", "c").gateway, "GW2");
	// GW1 has the address, GW3 may take its slot, GW2 neither.
	for (int i = 1; i <= 3; i += 2) {
		const char *g = i == 1 ? "GW1" : "GW3";

		snprintf(text, sizeof(text), "\"slot\":%u,\"port\":0,\"vlan\":0,\"pa\":\"10.0.1.",
			b);
		assert_non_null(where(w, g, a));
		assert_non_null(strstr(where(w, g, b), text));
		snprintf(text, sizeof(text), "\"remote\":\"20.0.0.1\",\"slot\":%u", a);
		assert_non_null(strstr(whose(w, g, "20.0.0.1"), text));
		snprintf(text, sizeof(text), "{\"vip\":\"40.0.0.1\",\"slot\":%u}", b);
		assert_string_equal(whose(w, g, "any"), text);
	}
	assert_null(where(w, "GW2", a));
	assert_null(whose(w, "GW2", "any"));
	snprintf(text, sizeof(text), "%u", b);
	assert_non_null(
		strstr(views_get(&w->views, "GW2", "slot", text), "\"vipUsed\":[\"40.0.0.1\"]"));
	plan_set_health(w->plan, "GW1", PLAN_HEALTH_LOST);
	step(w);
	assert_non_null(where(w, "GW3", b));
	plan_del_gateway(w->plan, "GW1");
	add_gateway(w, "GW4", "default"); // the redundant one now: may have to answer
	step(w);
	assert_non_null(where(w, "GW4", b));
	assert_non_null(whose(w, "GW4", "20.0.0.1"));
	plan_del_connection(w->plan, "A", "c"); // now GW2 has the address
	step(w);
	assert_non_null(where(w, "GW2", b));
	assert_null(where(w, "GW2", a));
	assert_null(whose(w, "GW2", "20.0.0.1"));
	plan_del_connection(w->plan, "B", "c");
	step(w);
	assert_null(whose(w, "GW2", "any"));
}

static void the_reflector_and_its_clients_are_told_of_each_other(void **state)
{
	struct world *w = *state;

	add_pool(w, "default", 0, 1000000);
	add_gateway(w, "GW1", "default");
	add_gateway(w, "GW2", "default");
	add_tenant(w, "A", 5001);
	add_gre(w, "A", "c1", "20.0.0.1", 7, 400000);
	add_gre(w, "A", "c2", "20.0.0.1", 8, 400000);
	plan_set_bgp_router(w->plan,
		&(struct plan_bgp_router){.tenant = "A", .name = "r", .ref = "r", .asn = 64512});
	plan_set_bgp_peer(w->plan, &(struct plan_bgp_peer){.tenant = "A",
					   .name = "r/p",
					   .ref = "p",
					   .address = ip("50.1.1.1"),
					   .asn = 64521});
	step(w);
	assert_int_equal(status(w, "A", "c1").slot, 1);
	assert_int_equal(status(w, "A", "c2").slot, 5);
	assert_non_null(
		strstr(views_get(&w->views, "GW1", "bgpRouter", "1/1"), "\"reflector\":true"));
	assert_non_null(
		strstr(views_get(&w->views, "GW2", "bgpRouter", "1/5"), "\"reflector\":false"));
	assert_non_null(views_get(&w->views, "GW1", "bgpPeer", "1/1/50.1.1.1"));
	assert_null(views_get(&w->views, "GW2", "bgpPeer", "1/1/50.1.1.1"));
	// .254 and .253 are the tenant's in its slots, .252 is the reflector's own.
	assert_non_null(strstr(
		views_get(&w->views, "GW1", "bgpPeer", "1/1/10.0.0.253"), "\"client\":true"));
	assert_non_null(views_get(&w->views, "GW2", "bgpPeer", "1/5/10.0.0.252"));
	assert_non_null(views_get(&w->views, "GW2", "localAddress", "1/10.0.0.252"));
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(a_single_gateway_holds_all_slots_of_its_pool),
		T(a_gateway_that_joins_again_uses_no_iv_epoch_of_before),
		T(a_gateway_that_joins_again_uses_no_iv_epoch_of_before),
		T(the_next_iv_block_is_granted_when_half_of_one_is_used),
		T(a_slot_takes_addresses_with_its_first_connection_and_gives_them_back),
		T(an_unchanged_input_tells_nobody_anything),
		T(an_l3_connection_is_told_the_vlan_port_of_its_slots_holder),
		T(equal_remote_and_key_are_never_in_one_slot),
		T(ipsec_with_one_remote_address_shares_a_slot),
		T(a_lost_gateway_is_replaced_by_the_redundant_one_in_one_object_a_slot),
		T(a_draining_gateway_relays_for_five_seconds),
		T(a_planned_move_waits_for_the_new_holder_before_and_after),
		T(a_holder_that_never_yields_is_waited_for_in_vain_for_two_seconds),
		T(a_holder_that_is_to_stay_answers_again),
		T(a_new_holder_that_never_reports_ends_the_old_ones_work_all_the_same),
		T(a_gateway_lost_while_it_is_drained_is_taken_over_at_once),
		T(several_share_what_a_gateway_had_when_none_is_redundant),
		T(slots_without_connections_are_shared_too),
		T(without_room_the_highest_shed_priority_goes_first_and_comes_back),
		T(rebalancing_moves_only_when_asked_and_once),
		T(shortage_says_how_much_is_missing_where_and_ends_by_itself),
		T(more_bandwidth_than_there_is_leaves_the_old_grant_running),
		T(a_slot_without_a_holder_is_granted_no_more_than_one_gateway_carries),
		T(an_active_gateway_that_falls_idle_becomes_redundant_where_one_is_missing),
		T(the_vip_belongs_to_the_lowest_slot_in_use),
		T(who_may_answer_for_a_vip_is_told_what_is_behind_it),
		T(the_reflector_and_its_clients_are_told_of_each_other),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
