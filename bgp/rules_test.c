// SPDX-License-Identifier: Apache-2.0

// One test a rule of an RFC or a switch of a peer, on sessions of one process.

#include "pair.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "update.h"

static struct pair *chain(uint32_t a_asn, uint32_t a_flags, uint32_t b_flags)
{
	struct pair *p = pair_new();

	// 1 -- 0 -- 2
	pair_add(p, 64512, "10.0.0.1", 0);
	pair_add(p, a_asn, "10.0.0.2", 0);
	pair_add(p, 65002, "10.0.0.3", 0);
	pair_join(p, 0, 1, a_flags, 0);
	pair_join(p, 0, 2, b_flags, 0);
	pair_announce(p, 1, "10.1.0.0/16");
	pair_run(p, 5000);
	return p;
}

static struct api_bgp_peer_state state_of(struct pair *p, int a, int b)
{
	struct api_bgp_peer_state s;

	peer_report(pair_find(p, a, b), &s);
	return s;
}

// What 1 says to 0: one prefix, 10.7.0.0/16, with these attributes.
static void say(struct pair *p, const struct attrs *a)
{
	const struct conn *c = peer_fsm(pair_find(p, 1, 0))->established;
	struct ip_addr addr = ip_from_v4(0x0a070000);
	const struct nlri nlri = {.prefix = prefix_make(&addr, 16)};
	uint8_t bytes[BGP_MESSAGE_MAX];
	size_t used, size = update_write_reach(bytes, sizeof(bytes), &c->tx, a, &nlri, 1, &used);

	assert_int_not_equal(size, 0);
	pair_inject(p, 0, 1, bytes, size);
	pair_run(p, 100);
}

static struct attrs attrs_by(uint32_t asn, uint8_t path[6])
{
	struct attrs a = {.has = ATTR_HAS_ORIGIN | ATTR_HAS_AS_PATH | ATTR_HAS_NEXT_HOP,
		.next_hop = ip_from_v4(0x0a000002)};

	path[0] = BGP_AS_SEQUENCE;
	path[1] = 1;
	for (int i = 0; i < 4; i++)
		path[2 + i] = (uint8_t)(asn >> (24 - 8 * i));
	a.as_path = (struct span){path, 6};
	return a;
}

struct verdict {
	uint8_t verdict;
	char reason[API_TEXT_SIZE];
};

static bool see(void *ctx, const struct api_bgp_route *route)
{
	struct verdict *v = ctx;

	v->verdict = route->verdict;
	snprintf(v->reason, sizeof(v->reason), "%s", route->reason);
	return true;
}

static struct verdict judged(struct pair *p)
{
	const struct api_bgp_route filter = {
		.view = API_BGP_VIEW_RECEIVED, .peer = p->side[1].address};
	struct verdict v = {0};
	uint64_t cursor[4] = {0};

	speaker_walk(p->side[0].speaker, &filter, cursor, see, &v);
	return v;
}

static void without_policy_a_strict_router_takes_and_tells_nothing(void **state)
{
	for (int strict = 0; strict < 2; strict++) {
		struct pair *p = pair_new();
		struct api_bgp_route r;

		pair_add(p, 64512, "10.0.0.1", strict ? API_BGP_ROUTER_NEEDS_POLICY : 0);
		pair_add(p, 65001, "10.0.0.2", 0);
		pair_join(p, 0, 1, 0, 0);
		pair_announce(p, 0, "10.9.0.0/16");
		pair_announce(p, 1, "10.1.0.0/16");
		pair_run(p, 5000);
		assert_int_equal(pair_best(p, 0, "10.1.0.0/16", &r), !strict);
		assert_int_equal(pair_best(p, 1, "10.9.0.0/16", &r), !strict);
		assert_non_null(strstr(state_of(p, 0, 1).warning, "RFC 8212"));
		if (strict)
			assert_int_equal(judged(p).verdict, API_BGP_REJECT_NO_POLICY);
		pair_free(p);
	}
}

static void clients_need_not_hear_each_other(void **state)
{
	for (int off = 0; off < 2; off++) {
		struct pair *p = pair_new();
		struct api_bgp_route r;

		pair_add(p, 64512, "10.0.0.1", off ? API_BGP_ROUTER_NO_CLIENT_TO_CLIENT : 0);
		for (int i = 2; i <= 4; i++) {
			char address[16];

			snprintf(address, sizeof(address), "10.0.0.%d", i);
			pair_add(p, 64512, address, 0);
			pair_join(p, 0, i - 1, i < 4 ? API_BGP_PEER_CLIENT : 0, 0);
		}
		pair_announce(p, 1, "10.1.0.0/16");
		pair_run(p, 5000);
		assert_int_equal(pair_best(p, 2, "10.1.0.0/16", &r), !off);
		assert_true(pair_best(p, 3, "10.1.0.0/16", &r)); // who is no client, always
		pair_free(p);
	}
}

static void paths_are_rewritten_as_the_peer_says(void **state)
{
	static const struct {
		uint32_t asn, flags;
		const char *path;
	} cases[] = {
		{65001, 0, "64512 65001"},
		{65001, API_BGP_PEER_REMOVE_PRIVATE_AS, "64512"},
		{3000, API_BGP_PEER_REMOVE_PRIVATE_AS, "64512 3000"},
	};
	struct api_bgp_route r;
	struct pair *p;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		p = chain(cases[i].asn, 0, cases[i].flags);
		assert_true(pair_best(p, 2, "10.1.0.0/16", &r));
		assert_string_equal(r.as_path, cases[i].path);
		pair_free(p);
	}
	for (int override = 0; override < 2; override++) { // two sites of one AS
		p = chain(65002, 0, override ? API_BGP_PEER_AS_OVERRIDE : 0);
		assert_int_equal(pair_best(p, 2, "10.1.0.0/16", &r), override);
		if (override)
			assert_string_equal(r.as_path, "64512 64512");
		pair_free(p);
	}
}

static void the_first_as_must_be_the_neighbours_unless_it_need_not(void **state)
{
	for (int ignore = 0; ignore < 2; ignore++) {
		struct pair *p = chain(65001, ignore ? API_BGP_PEER_IGNORE_FIRST_AS : 0, 0);
		struct api_bgp_route r;
		uint8_t path[6];
		struct attrs a = attrs_by(65099, path);

		say(p, &a);
		assert_int_equal(pair_best(p, 0, "10.7.0.0/16", &r), ignore);
		assert_int_equal(state_of(p, 0, 1).treated_as_withdraw, !ignore);
		assert_true(pair_established(p, 0, 1));
		pair_free(p);
	}
}

static void next_hops_of_others_stay_inside_unless_it_is_to_be_us(void **state)
{
	for (int self = 0; self < 2; self++) {
		struct pair *p = pair_new();
		struct api_bgp_route r;

		pair_add(p, 64512, "10.0.0.1", 0);
		pair_add(p, 65001, "10.0.0.2", 0);
		pair_add(p, 64512, "10.0.0.3", 0);
		pair_join(p, 0, 1, 0, 0);
		pair_join(p, 0, 2, self ? API_BGP_PEER_NEXT_HOP_SELF : 0, 0);
		pair_announce(p, 1, "10.1.0.0/16");
		pair_run(p, 5000);
		assert_true(pair_best(p, 2, "10.1.0.0/16", &r));
		assert_true(ip_equal(&r.next_hop, &p->side[self ? 0 : 1].address));
		pair_free(p);
	}
}

// RFC 8538: a NOTIFICATION is no reason to forget routes, a Hard Reset is.
static void only_a_hard_reset_takes_the_routes_along(void **state)
{
	static const struct {
		uint8_t subcode;
		bool kept;
	} cases[] = {
		{BGP_CEASE_RESET, true},
		{BGP_CEASE_CONFIG_CHANGE, true},
		{BGP_CEASE_SHUTDOWN, false},
		{BGP_CEASE_DECONFIGURED, false},
		{BGP_CEASE_HARD_RESET, false},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct pair *p = chain(65001, 0, 0);
		const struct bgp_error error =
			bgp_error_make(BGP_ERR_CEASE, cases[i].subcode, NULL, 0);
		struct api_bgp_route r;

		p->side[0].refuse = p->side[1].refuse = true;
		fsm_reset(peer_fsm(pair_find(p, 1, 0)), &error); // 1 ends it, 0 hears
		pair_run(p, 1000);
		assert_false(pair_established(p, 0, 1));
		assert_int_equal(pair_best(p, 0, "10.1.0.0/16", &r), cases[i].kept);
		assert_int_equal(pair_best(p, 2, "10.1.0.0/16", &r), cases[i].kept);
		if (cases[i].kept)
			assert_int_equal(state_of(p, 0, 1).restarting, 1);
		assert_int_equal(
			peer_fsm(pair_find(p, 0, 1))->last_error.subcode, cases[i].subcode);
		p->side[0].refuse = p->side[1].refuse = false;
		pair_run(p, 60000);
		assert_true(pair_best(p, 2, "10.1.0.0/16", &r) && !r.stale);
		pair_free(p);
	}
}

static void refresh(struct pair *p, uint16_t afi, uint8_t subtype)
{
	const struct bgp_refresh r = {.afi = afi, .safi = BGP_SAFI_UNICAST, .subtype = subtype};
	uint8_t bytes[BGP_HEADER_SIZE + 4];

	pair_inject(p, 0, 1, bytes, refresh_write(bytes, sizeof(bytes), &r));
	pair_run(p, 100);
}

// RFC 7313: what is not told again between begin and end is gone; RFC 2918: other families' matter
// not.
static void a_refresh_sweeps_what_was_not_told_again(void **state)
{
	struct pair *p = chain(65001, 0, 0);
	struct api_bgp_route r;
	uint8_t path[6];
	struct attrs a = attrs_by(65001, path);

	say(p, &a);
	assert_true(pair_best(p, 0, "10.7.0.0/16", &r));
	refresh(p, BGP_AFI_IPV6, BGP_REFRESH_BEGIN); // not agreed on: ignored
	refresh(p, BGP_AFI_IPV6, BGP_REFRESH_END);
	refresh(p, BGP_AFI_IPV4, BGP_REFRESH_BEGIN);
	assert_true(pair_best(p, 0, "10.1.0.0/16", &r));
	assert_true(r.stale);
	say(p, &a);
	refresh(p, BGP_AFI_IPV4, BGP_REFRESH_END);
	assert_false(pair_best(p, 0, "10.1.0.0/16", &r));
	assert_true(pair_best(p, 0, "10.7.0.0/16", &r));
	assert_false(r.stale);
	assert_int_equal(state_of(p, 0, 1).received[0], 1);
	assert_true(pair_established(p, 0, 1));
	pair_free(p);
}

// RFC 9234 5: what came with Only-To-Customer from a customer has leaked.
static void leaks_are_seen_by_their_attribute(void **state)
{
	struct pair *p = chain(65001, 0, 0);
	struct api_bgp_peer a = pair_config(p, 0, 1), b = pair_config(p, 1, 0);
	struct api_bgp_route r;
	uint8_t path[6];
	struct attrs attrs = attrs_by(65001, path);

	pair_withdraw(p, 1, "10.1.0.0/16");
	a.flags = b.flags = API_BGP_PEER_HAS_ROLE;
	a.role = BGP_ROLE_PROVIDER;
	b.role = BGP_ROLE_CUSTOMER;
	pair_peer(p, 0, 1, &a);
	pair_peer(p, 1, 0, &b);
	pair_run(p, 60000);
	say(p, &attrs);
	assert_true(pair_best(p, 0, "10.7.0.0/16", &r));
	attrs.has |= ATTR_HAS_OTC;
	attrs.otc = 65001;
	say(p, &attrs);
	assert_false(pair_best(p, 0, "10.7.0.0/16", &r));
	assert_int_equal(judged(p).verdict, API_BGP_REJECT_ROLE);
	pair_free(p);
}

// RFC 4456 8.
static void loops_of_reflectors_are_seen(void **state)
{
	static const uint8_t own[] = {10, 0, 0, 1}, other[] = {10, 9, 9, 9};

	for (int loop = 0; loop < 3; loop++) {
		struct pair *p = chain(64512, API_BGP_PEER_CLIENT, 0);
		struct api_bgp_route r;
		struct attrs a = {.has = ATTR_HAS_ORIGIN | ATTR_HAS_AS_PATH | ATTR_HAS_NEXT_HOP |
					 ATTR_HAS_LOCAL_PREF | ATTR_HAS_ORIGINATOR_ID,
			.local_pref = 100,
			.next_hop = ip_from_v4(0x0a000002),
			.originator_id = loop == 1 ? 0x0a000001 : 0x0a090909,
			.cluster_list = {loop == 2 ? own : other, 4}};

		say(p, &a);
		assert_int_equal(pair_best(p, 0, "10.7.0.0/16", &r), !loop);
		pair_free(p);
	}
}

// RFC 1997, well-known communities.
static void well_known_communities_are_obeyed(void **state)
{
	static const struct {
		uint32_t community;
		bool told;
	} cases[] = {
		{0x0000fde9, true}, {0xffffff01, false}, {0xffffff02, false}, {0xffffff03, false}};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct pair *p = chain(65001, 0, 0);
		uint32_t c = cases[i].community;
		const uint8_t bytes[] = {
			(uint8_t)(c >> 24), (uint8_t)(c >> 16), (uint8_t)(c >> 8), (uint8_t)c};
		struct api_bgp_route r;
		uint8_t path[6];
		struct attrs a = attrs_by(65001, path);

		a.communities = (struct span){bytes, 4};
		say(p, &a);
		assert_true(pair_best(p, 0, "10.7.0.0/16", &r));
		assert_int_equal(pair_best(p, 2, "10.7.0.0/16", &r), cases[i].told);
		pair_free(p);
	}
}

// RFC 4271 5.1.4: a neighbour's MED goes no further.
static void meds_go_no_further_than_the_next_as(void **state)
{
	struct pair *p = chain(65001, 0, 0);
	struct api_bgp_route r;
	uint8_t path[6];
	struct attrs a = attrs_by(65001, path);

	a.has |= ATTR_HAS_MED;
	a.med = 77;
	say(p, &a);
	assert_true(pair_best(p, 0, "10.7.0.0/16", &r));
	assert_int_equal(r.med, 77);
	assert_true(pair_best(p, 2, "10.7.0.0/16", &r));
	assert_int_equal(r.med, 0);
	pair_free(p);
}

// RFC 6286: equal identifiers are a mistake inside an AS only.
static void equal_identifiers_matter_inside_an_as(void **state)
{
	for (int internal = 0; internal < 2; internal++) {
		struct pair *p = pair_new();
		struct api_bgp_router cfg = {.vrf = 1,
			.slot = 1,
			.asn = internal ? 64512 : 65001,
			.router_id = 0x0a000001};
		struct api_error error;

		pair_add(p, 64512, "10.0.0.1", 0);
		pair_add(p, cfg.asn, "10.0.0.2", 0);
		cfg.address[0] = p->side[1].address;
		assert_int_equal(speaker_set_router(p->side[1].speaker, &cfg, &error), 1);
		pair_join(p, 0, 1, 0, 0);
		pair_run(p, 60000);
		assert_int_equal(pair_established(p, 0, 1), !internal);
		if (internal)
			assert_int_equal(peer_fsm(pair_find(p, 0, 1))->last_error.subcode,
				BGP_OPEN_BAD_IDENTIFIER);
		pair_free(p);
	}
}

static void hold_times_are_the_lesser_of_both(void **state)
{
	static const struct {
		uint16_t ours, theirs, agreed;
	} cases[] = {{9, 30, 9}, {30, 9, 9}, {3, 3, 3}, {65535, 30, 0}};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct pair *p = chain(65001, 0, 0);
		struct api_bgp_peer a = pair_config(p, 0, 1), b = pair_config(p, 1, 0);

		a.hold_time_s = cases[i].ours;
		b.hold_time_s = cases[i].theirs;
		pair_peer(p, 0, 1, &a);
		pair_peer(p, 1, 0, &b);
		pair_run(p, 60000);
		assert_true(pair_established(p, 0, 1));
		assert_int_equal(state_of(p, 0, 1).hold_time_s, cases[i].agreed);
		pair_free(p);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_policy_a_strict_router_takes_and_tells_nothing),
		cmocka_unit_test(clients_need_not_hear_each_other),
		cmocka_unit_test(paths_are_rewritten_as_the_peer_says),
		cmocka_unit_test(the_first_as_must_be_the_neighbours_unless_it_need_not),
		cmocka_unit_test(next_hops_of_others_stay_inside_unless_it_is_to_be_us),
		cmocka_unit_test(only_a_hard_reset_takes_the_routes_along),
		cmocka_unit_test(a_refresh_sweeps_what_was_not_told_again),
		cmocka_unit_test(leaks_are_seen_by_their_attribute),
		cmocka_unit_test(loops_of_reflectors_are_seen),
		cmocka_unit_test(well_known_communities_are_obeyed),
		cmocka_unit_test(meds_go_no_further_than_the_next_as),
		cmocka_unit_test(equal_identifiers_matter_inside_an_as),
		cmocka_unit_test(hold_times_are_the_lesser_of_both),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
