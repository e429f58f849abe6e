// SPDX-License-Identifier: Apache-2.0
// Random fleets under random edits, seeded. After every step: a fresh plan fed the persisted rows
// and the present inputs says the same as the one that lived through it all; no gateway carries
// more than it can; nothing that runs has moved without need; the same edits give the same answer.
#include "plan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "view_fixture.h"

#define GATEWAYS    6
#define TENANTS     5
#define CONNECTIONS 24
#define CAPACITY    1000000
#define SLOTS_SEEN  64 // numbers are used again, the lowest first

// What exists at present, so that it can be fed again.
struct model {
	uint64_t rng;
	uint32_t redundant;
	uint64_t rebalance;
	struct {
		bool exists, drain;
		enum plan_health health;
	} gateway[GATEWAYS];
	struct {
		bool exists, router;
		uint32_t host_pa; // 0: no host
	} tenant[TENANTS];
	struct {
		bool exists;
		uint32_t tenant, type, remote, key, kbps, route, shed;
	} conn[CONNECTIONS];
};

static uint32_t rnd(struct model *m, uint32_t below)
{
	m->rng ^= m->rng << 13;
	m->rng ^= m->rng >> 7;
	m->rng ^= m->rng << 17;
	return (uint32_t)(m->rng >> 33) % below;
}

static const char *name(const char *what, uint32_t i)
{
	static char names[4][16];
	static unsigned at;
	char *s = names[at++ % 4];

	snprintf(s, 16, "%s%u", what, i);
	return s;
}

static void feed_pool(struct plan *p, const struct model *m)
{
	struct plan_range pa = {ip_from_v4(0x0a000101), ip_from_v4(0x0a000109)};
	struct plan_range gre = {ip_from_v4(0x1f000001), ip_from_v4(0x1f000008)};
	struct ip_addr vip = ip_from_v4(0x28000001);

	plan_set_pool(p, &(struct plan_pool){.name = "pool",
				 .ref = "p",
				 .redundant_count = m->redundant,
				 .rebalance = m->rebalance,
				 .capacity_kbps = CAPACITY,
				 .pa = &pa,
				 .pa_len = 1,
				 .gre = &gre,
				 .gre_len = 1,
				 .vip = &vip,
				 .vip_len = 1,
				 .slots_per_active = 3});
}

static void feed_gateway(struct plan *p, const struct model *m, uint32_t i)
{
	plan_set_gateway(p, &(struct plan_gateway){.name = name("GW", i),
				    .ref = "g",
				    .pool = "pool",
				    .health = m->gateway[i].health,
				    .drain = m->gateway[i].drain});
}

static void feed_tenant(struct plan *p, const struct model *m, uint32_t i)
{
	const char *pools[] = {"pool"}, *t = name("T", i);
	struct ip_addr base = ip_from_v4(0x0a000000);
	struct ip_prefix prefix = prefix_make(&base, 24);

	plan_set_subnet(p, &(struct plan_subnet){.network = t,
				   .name = "gw",
				   .ref = "s",
				   .vni = 5000 + i,
				   .prefix = &prefix,
				   .prefix_len = 1});
	plan_set_tenant(p, &(struct plan_tenant){.name = t,
				   .ref = "t",
				   .rdid = "r",
				   .network = t,
				   .gateway_subnet = "gw",
				   .pools = pools,
				   .pools_len = 1});
	if (m->tenant[i].router) {
		plan_set_bgp_router(p, &(struct plan_bgp_router){
					       .tenant = t, .name = "r", .ref = "r", .asn = 64512});
		plan_set_bgp_peer(p, &(struct plan_bgp_peer){.tenant = t,
					     .name = "r/p",
					     .ref = "b",
					     .address = ip_from_v4(0x32010101),
					     .asn = 64521});
	}
	if (m->tenant[i].host_pa)
		plan_set_host(p, &(struct plan_host){.network = t,
					 .name = name("vm", i),
					 .ref = "h",
					 .addr = ip_from_v4(0x0a000005),
					 .vni = 5000 + i,
					 .pa = {ip_from_v4(m->tenant[i].host_pa)}});
}

static void feed_connection(struct plan *p, const struct model *m, uint32_t i)
{
	struct plan_route route = {.prefix = {.len = 24}, .metric = 10};

	route.prefix.addr = ip_from_v4(0x32000000 | m->conn[i].route << 8);
	plan_set_connection(p, &(struct plan_connection){.tenant = name("T", m->conn[i].tenant),
				       .name = name("c", i),
				       .ref = "c",
				       .type = m->conn[i].type,
				       .enabled = true,
				       .has_key = true,
				       .gre_key = m->conn[i].key,
				       .remote = ip_from_v4(0x14000000 | m->conn[i].remote),
				       .in_kbps = m->conn[i].kbps,
				       .out_kbps = m->conn[i].kbps,
				       .shed_priority = (uint8_t)m->conn[i].shed,
				       .route = &route,
				       .route_len = 1});
}

static void feed_all(struct plan *p, const struct model *m)
{
	feed_pool(p, m);
	for (uint32_t i = 0; i < GATEWAYS; i++) {
		if (m->gateway[i].exists)
			feed_gateway(p, m, i);
	}
	for (uint32_t i = 0; i < TENANTS; i++) {
		if (m->tenant[i].exists)
			feed_tenant(p, m, i);
	}
	for (uint32_t i = 0; i < CONNECTIONS; i++) {
		if (m->conn[i].exists)
			feed_connection(p, m, i);
	}
}

// -- edits

static void edit_gateway(struct plan *p, struct model *m)
{
	uint32_t i = rnd(m, GATEWAYS);

	if (!m->gateway[i].exists) {
		m->gateway[i].exists = true;
		m->gateway[i].drain = false;
		m->gateway[i].health = PLAN_HEALTH_UP;
		feed_gateway(p, m, i);
	} else if (!rnd(m, 4)) {
		m->gateway[i].exists = false;
		plan_del_gateway(p, name("GW", i));
	} else if (rnd(m, 2)) {
		m->gateway[i].health = rnd(m, 2) ? PLAN_HEALTH_LOST : PLAN_HEALTH_UP;
		plan_set_health(p, name("GW", i), m->gateway[i].health);
	} else {
		m->gateway[i].drain = rnd(m, 2);
		plan_set_drain(p, name("GW", i), m->gateway[i].drain);
	}
}

static void edit_tenant(struct plan *p, struct model *m)
{
	uint32_t i = rnd(m, TENANTS);
	const char *t = name("T", i);

	if (!m->tenant[i].exists || rnd(m, 3)) {
		bool had_router = m->tenant[i].exists && m->tenant[i].router;

		m->tenant[i].router = rnd(m, 2);
		m->tenant[i].host_pa = rnd(m, 3) ? 0x0a090000 + rnd(m, 3) : m->tenant[i].host_pa;
		m->tenant[i].exists = true;
		feed_tenant(p, m, i);
		if (had_router && !m->tenant[i].router) {
			plan_del_bgp_peer(p, t, "r/p");
			plan_del_bgp_router(p, t, "r");
		}
		return;
	}
	m->tenant[i].exists = false;
	plan_del_tenant(p, t);
	plan_del_subnet(p, t, "gw");
	if (m->tenant[i].host_pa)
		plan_del_host(p, name("vm", i));
	if (m->tenant[i].router) {
		plan_del_bgp_router(p, t, "r");
		plan_del_bgp_peer(p, t, "r/p");
	}
	m->tenant[i].host_pa = 0;
}

static void edit_connection(struct plan *p, struct model *m)
{
	uint32_t i = rnd(m, CONNECTIONS);

	if (m->conn[i].exists && !rnd(m, 3)) {
		m->conn[i].exists = false;
		plan_del_connection(p, name("T", m->conn[i].tenant), name("c", i));
		return;
	}
	if (!m->conn[i].exists)
		m->conn[i].tenant = rnd(m, TENANTS);
	m->conn[i].exists = true;
	m->conn[i].type = rnd(m, 3);
	m->conn[i].remote = 1 + rnd(m, 4);
	m->conn[i].key = rnd(m, 3);
	m->conn[i].kbps = rnd(m, 5) * 50000;
	m->conn[i].shed = rnd(m, 3);
	m->conn[i].route = rnd(m, 6);
	feed_connection(p, m, i);
}

static void edit(struct plan *p, struct model *m)
{
	uint32_t what = rnd(m, 20);

	if (what == 0) {
		if (rnd(m, 2))
			m->rebalance++;
		else
			m->redundant = rnd(m, 3);
		feed_pool(p, m);
	} else if (what < 5) {
		edit_gateway(p, m);
	} else if (what < 8) {
		edit_tenant(p, m);
	} else {
		edit_connection(p, m);
	}
}

// -- what must hold

static void capacity_holds(struct plan *p)
{
	for (uint32_t i = 0; i < GATEWAYS; i++) {
		struct plan_gateway_status st;

		if (!plan_gateway_status(p, name("GW", i), &st))
			assert_true(st.available_kbps >= 0);
	}
}

static void gre_keys_are_apart(struct plan *p, const struct model *m)
{
	for (uint32_t i = 0; i < CONNECTIONS; i++) {
		for (uint32_t j = 0; j < i; j++) {
			struct plan_connection_status a, b;

			if (!m->conn[i].exists || !m->conn[j].exists || m->conn[i].type ||
				m->conn[j].type || m->conn[i].remote != m->conn[j].remote ||
				m->conn[i].key != m->conn[j].key)
				continue;
			plan_connection_status(p, name("T", m->conn[i].tenant), name("c", i), &a);
			plan_connection_status(p, name("T", m->conn[j].tenant), name("c", j), &b);
			assert_true(!a.slot || a.slot != b.slot);
		}
	}
}

struct places {
	uint16_t slot[CONNECTIONS];
	char holder[SLOTS_SEEN + 1][8]; // "": none, or no connections
};

static void note_places(struct plan *p, const struct model *m, struct places *at)
{
	struct plan_slot_status slot;
	uint16_t n = 0;

	memset(at, 0, sizeof(*at));
	while (plan_slot_next(p, &n, &slot)) {
		assert_true(n <= SLOTS_SEEN);
		snprintf(
			at->holder[n], 8, "%s", slot.holder && slot.connections ? slot.holder : "");
	}
	for (uint32_t i = 0; i < CONNECTIONS; i++) {
		struct plan_connection_status st;

		if (m->conn[i].exists &&
			!plan_connection_status(p, name("T", m->conn[i].tenant), name("c", i), &st))
			at->slot[i] = st.slot;
	}
}

static bool is_well(const struct model *m, uint32_t gateway)
{
	return m->gateway[gateway].exists && m->gateway[gateway].health == PLAN_HEALTH_UP;
}

static bool had_well_holder(const struct model *m, const struct places *was, uint16_t slot)
{
	for (uint32_t i = 0; i < GATEWAYS; i++) {
		if (!strcmp(was->holder[slot], name("GW", i)))
			return is_well(m, i);
	}
	return false;
}

// A gateway is there no longer, or nobody could take yet what one had that went before: connections
// may be given up for others.
static bool lost_one(const struct model *before, const struct model *m, const struct places *was)
{
	for (uint16_t n = 1; n <= SLOTS_SEEN; n++) {
		if (*was->holder[n] && !had_well_holder(before, was, n))
			return true;
	}
	for (uint32_t i = 0; i < GATEWAYS; i++) {
		if (is_well(before, i) && !is_well(m, i))
			return true;
	}
	return false;
}

// A connection that was not edited stays in its slot; a slot in use whose holder is well stays with
// it, or is empty now.
static void nothing_moved_needlessly(const struct model *before, const struct model *m,
	const struct places *was, const struct places *is)
{
	bool may_be_given_up = lost_one(before, m, was);

	for (uint32_t i = 0; i < CONNECTIONS; i++) {
		if (was->slot[i] && !may_be_given_up &&
			!memcmp(&before->conn[i], &m->conn[i], sizeof(m->conn[i])) &&
			!memcmp(&before->tenant[m->conn[i].tenant], &m->tenant[m->conn[i].tenant],
				sizeof(m->tenant[0])))
			assert_int_equal(was->slot[i], is->slot[i]);
	}
	for (uint32_t n = 1; n <= SLOTS_SEEN && before->rebalance == m->rebalance; n++) {
		for (uint32_t g = 0; g < GATEWAYS; g++) {
			if (!strcmp(was->holder[n], name("GW", g)) && m->gateway[g].exists &&
				!m->gateway[g].drain && m->gateway[g].health == PLAN_HEALTH_UP)
				assert_true(
					!*is->holder[n] || !strcmp(was->holder[n], is->holder[n]));
		}
	}
}

static void compare_with_fresh(
	const struct views *lived, const struct model *m, uint64_t epoch, int64_t now_ms)
{
	struct plan *fresh = plan_new();
	struct views v;

	views_init(&v);
	views_load(lived, fresh);
	plan_set_epoch(fresh, epoch);
	feed_all(fresh, m);
	views_step(&v, fresh, now_ms);
	// The fresh one puts out only rows that it changed: none.
	views_assert_equal(lived, &v);
	views_fini(&v);
	plan_free(fresh);
}

// Every gateway has done all that it was told so far.
static void report(struct plan *p, uint64_t step)
{
	for (uint32_t i = 0; i < GATEWAYS; i++)
		plan_set_reached(p, name("GW", i), step);
}

static void run_fleet(uint64_t seed, int edits, struct views *v)
{
	struct plan *p = plan_new();
	struct model m = {.rng = seed * 0x9e3779b97f4a7c15u + 1, .redundant = 1};
	static struct places was, is;
	int64_t now_ms = 0;

	views_init(v);
	if (seed % 2)
		plan_expect_reports(p);
	feed_all(p, &m);
	for (int i = 0; i < edits; i++) {
		struct model before = m;

		note_places(p, &m, &was);
		edit(p, &m);
		views_step(v, p, now_ms);
		// Past relaying and settling: those are history, not state.
		for (int n = 0; n < 20; n++) {
			struct plan_result r = plan_step(p, now_ms);

			views_apply(v, &r);
			if (r.next_ms < 0 && !r.awaits)
				break;
			report(p, r.step);
			now_ms += r.awaits ? 1 : PLAN_SETTLE_MS;
			views_step(v, p, now_ms);
		}
		note_places(p, &m, &is);
		capacity_holds(p);
		gre_keys_are_apart(p, &m);
		nothing_moved_needlessly(&before, &m, &was, &is);
		compare_with_fresh(v, &m, plan_step(p, now_ms).next_epoch, now_ms);
	}
	plan_free(p);
}

static uint64_t env(const char *what, uint64_t fallback)
{
	const char *s = getenv(what);

	return s ? strtoull(s, NULL, 10) : fallback;
}

static uint64_t fleet_seed; // the present one, to be told when it fails

static void incremental_equals_full_over_random_fleets(void **state)
{
	uint64_t fleets = env("PLAN_FLEETS", 25), seed = env("PLAN_SEED", 1);

	for (uint64_t i = 0; i < fleets; i++) {
		struct views v;

		fleet_seed = seed + i;
		run_fleet(fleet_seed, 60, &v);
		views_fini(&v);
	}
}

static void same_input_same_answer(void **state)
{
	struct views a, b;

	for (uint64_t seed = 1000; seed < 1010; seed++) {
		run_fleet(seed, 60, &a);
		run_fleet(seed, 60, &b);
		views_assert_equal(&a, &b);
		views_fini(&a);
		views_fini(&b);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(incremental_equals_full_over_random_fleets),
		cmocka_unit_test(same_input_same_answer),
	};

	int failed = cmocka_run_group_tests(tests, NULL, NULL);

	if (failed)
		fprintf(stderr, "the last random fleet was PLAN_SEED=%llu\n",
			(unsigned long long)fleet_seed);
	return failed;
}
