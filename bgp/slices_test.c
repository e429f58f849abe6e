// SPDX-License-Identifier: Apache-2.0

// Work in slices: whatever is interrupted and wherever, the outcome is the same.

#include "pair.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "update.h"

enum { MANY = 500 };

static void announce_many(struct pair *p, int a)
{
	char text[64];

	for (int i = 0; i < MANY; i++) {
		snprintf(text, sizeof(text), "10.%d.%d.0/24", 1 + i / 256, i % 256);
		pair_announce(p, a, text);
	}
}

static struct api_bgp_peer_state state(struct pair *p, int a, int b)
{
	struct api_bgp_peer_state s;

	peer_report(pair_find(p, a, b), &s);
	return s;
}

static void messages_cut_into_slices_are_handled_once(void **state_)
{
	struct pair *p = pair_two(0, 0);
	struct api_bgp_peer_state s;

	p->chop = true;
	announce_many(p, 1);
	pair_run(p, 2000);
	s = state(p, 0, 1);
	assert_int_equal(s.received[0], MANY);
	assert_int_equal(s.accepted[0], MANY);
	assert_int_equal(s.family[0].update_received, MANY);
	assert_int_equal(s.update.received, state(p, 1, 0).update.sent);
	assert_int_equal(p->side[0].fib_sets, MANY);
	pair_free(p);
}

static void a_session_that_ends_takes_all_its_routes_along(void **state_)
{
	struct pair *p = pair_two(API_BGP_PEER_NO_RESTART, API_BGP_PEER_NO_RESTART);
	struct bgp_error error = bgp_error_make(BGP_ERR_CEASE, BGP_CEASE_RESET, NULL, 0);

	p->chop = true;
	announce_many(p, 1);
	pair_run(p, 2000);
	p->side[0].refuse = p->side[1].refuse = true;
	fsm_reset(peer_fsm(pair_find(p, 0, 1)), &error);
	assert_int_equal(state(p, 0, 1).received[0], 0); // at once, however many
	assert_int_equal(p->side[0].fib_dels, 0);        // this takes slices
	pair_run(p, 2000);
	assert_int_equal(p->side[0].fib_dels, MANY);
	assert_int_equal(speaker_size(p->side[0].speaker).paths, 0);
	p->side[0].refuse = p->side[1].refuse = false;
	pair_run(p, 60000);
	assert_int_equal(state(p, 0, 1).received[0], MANY);
	pair_free(p);
}

static void a_deleted_router_is_gone_and_may_come_again_meanwhile(void **state_)
{
	for (int again = 0; again < 2; again++) {
		struct pair *p = pair_two(0, 0);
		struct api_bgp_router cfg = {.vrf = 1,
			.slot = 1,
			.asn = 64512,
			.router_id = 0x0a000001,
			.address = {p->side[0].address}};
		struct api_bgp_peer peer = pair_config(p, 0, 1);
		struct speaker *s = p->side[0].speaker;
		struct api_bgp_route r;
		struct api_error error;
		unsigned sets;

		p->chop = true;
		announce_many(p, 1);
		pair_run(p, 2000);
		assert_int_equal(speaker_size(s).paths, MANY);
		sets = p->side[0].fib_sets;
		assert_int_equal(speaker_del_router(s, 1, 1), 1);
		assert_null(pair_find(p, 0, 1));
		assert_int_equal(p->side[0].fib_dels, 0);
		if (again) {
			assert_int_equal(speaker_set_router(s, &cfg, &error), 1);
			pair_peer(p, 0, 1, &peer);
		}
		pair_run(p, 60000);
		assert_int_equal(speaker_size(s).routers, again);
		assert_int_equal(speaker_size(s).peers, again);
		assert_int_equal(speaker_size(s).paths, again * MANY);
		assert_int_equal(pair_best(p, 0, "10.1.7.0/24", &r), again);
		if (!again)
			assert_int_equal(p->side[0].fib_dels, sets);
		pair_free(p);
	}
}

static void a_deleted_peer_takes_its_routes_and_its_place_along(void **state_)
{
	struct pair *p = pair_two(0, 0);
	struct speaker *s = p->side[0].speaker;
	struct api_bgp_peer cfg = pair_config(p, 0, 1);

	p->chop = true;
	announce_many(p, 1);
	pair_run(p, 2000);
	for (int i = 0; i < 10; i++) {
		assert_int_equal(speaker_del_peer(s, 1, 1, &p->side[1].address), 1);
		assert_null(pair_find(p, 0, 1));
		pair_peer(p, 0, 1, &cfg);
	}
	pair_run(p, 60000);
	assert_int_equal(speaker_size(s).peers, 1);
	assert_int_equal(speaker_size(s).paths, MANY);
	assert_int_equal(state(p, 0, 1).received[0], MANY);
	pair_free(p);
}

// Epochs are numbers of 16 bits: a neighbour that begins a refresh again and again comes round.
static void refreshes_without_end_confuse_no_count(void **state_)
{
	static const struct bgp_refresh begin = {
		.afi = BGP_AFI_IPV4, .safi = BGP_SAFI_UNICAST, .subtype = BGP_REFRESH_BEGIN};
	uint8_t bytes[BGP_HEADER_SIZE + 4];
	size_t size = refresh_write(bytes, sizeof(bytes), &begin);
	struct pair *p = pair_two(0, 0);
	uint32_t last = MANY;

	announce_many(p, 1);
	pair_run(p, 2000);
	for (int i = 0; i < 140000; i++) {
		uint32_t now;

		pair_inject(p, 0, 1, bytes, size);
		now = state(p, 0, 1).received[0];
		assert_true(now == last || now == 0);
		last = now;
	}
	pair_run(p, 2000);
	assert_int_equal(last, 0); // none was told again in 65 000 refreshes
	assert_int_equal(speaker_size(p->side[0].speaker).paths, 0);
	fsm_reset(peer_fsm(pair_find(p, 0, 1)),
		&(struct bgp_error){.code = BGP_ERR_CEASE, .subcode = BGP_CEASE_RESET});
	pair_run(p, 60000);
	assert_int_equal(state(p, 0, 1).received[0], MANY);
	assert_int_equal(speaker_size(p->side[0].speaker).paths, MANY);
	pair_free(p);
}

static void paths_to_one_prefix_are_kept_up_to_a_limit(void **state_)
{
	const struct update_options o = {.as4 = true, .family = {true}, .add_path = {true}};
	static const uint8_t path[] = {2, 1, 0, 0, 0xfd, 0xe9};
	const struct attrs a = {.has = ATTR_HAS_ORIGIN | ATTR_HAS_AS_PATH | ATTR_HAS_NEXT_HOP,
		.next_hop = ip_from_v4(0x0a000002),
		.as_path = {path, sizeof(path)}};
	struct pair *p = pair_two(API_BGP_PEER_ADD_PATH_RECEIVE, API_BGP_PEER_ADD_PATH_SEND);
	struct ip_addr addr = ip_from_v4(0x0a010000);
	struct nlri nlri[200];
	uint8_t bytes[BGP_MESSAGE_MAX];
	size_t used, size;

	for (uint32_t i = 0; i < 200; i++)
		nlri[i] = (struct nlri){.prefix = prefix_make(&addr, 16), .path_id = i + 1};
	pair_run(p, 2000);
	size = update_write_reach(bytes, sizeof(bytes), &o, &a, nlri, 200, &used);
	assert_int_equal(used, 200);
	pair_inject(p, 0, 1, bytes, size);
	pair_run(p, 1000);
	assert_int_equal(state(p, 0, 1).received[0], 64);
	assert_non_null(strstr(state(p, 0, 1).warning, "paths to one prefix"));
	size = update_write_unreach(bytes, sizeof(bytes), &o, nlri, 200, &used);
	pair_inject(p, 0, 1, bytes, size);
	pair_run(p, 1000);
	assert_int_equal(state(p, 0, 1).received[0], 0);
	pair_free(p);
}

static void tell(struct pair *p, uint32_t first, unsigned len)
{
	const struct update_options o = {.as4 = true, .family = {true}};
	static const uint8_t path[] = {2, 1, 0, 0, 0xfd, 0xe9};
	const struct attrs a = {.has = ATTR_HAS_ORIGIN | ATTR_HAS_AS_PATH | ATTR_HAS_NEXT_HOP,
		.next_hop = ip_from_v4(0x0a000002),
		.as_path = {path, sizeof(path)}};
	struct nlri nlri[MANY];
	uint8_t bytes[BGP_MESSAGE_MAX];
	size_t used, size;

	for (uint32_t i = 0; i < len; i++) {
		struct ip_addr addr = ip_from_v4(first + i * 256);

		nlri[i] = (struct nlri){.prefix = prefix_make(&addr, 24)};
	}
	size = update_write_reach(bytes, sizeof(bytes), &o, &a, nlri, len, &used);
	assert_int_equal(used, len);
	pair_inject(p, 0, 1, bytes, size);
}

static void what_is_not_freed_yet_counts_when_it_is_told_again(void **state_)
{
	struct pair *p = pair_two(API_BGP_PEER_NO_RESTART, API_BGP_PEER_NO_RESTART);
	struct bgp_error error = bgp_error_make(BGP_ERR_CEASE, BGP_CEASE_RESET, NULL, 0);
	struct api_bgp_peer cfg = pair_config(p, 0, 1);

	cfg.flags = API_BGP_PEER_NO_RESTART;
	cfg.max_prefixes = 100;
	cfg.max_mode = API_BGP_MAX_STOP;
	pair_peer(p, 0, 1, &cfg);
	pair_run(p, 2000);
	tell(p, 0x0a010000, 100);
	assert_int_equal(state(p, 0, 1).received[0], 100);
	p->lazy = true;
	fsm_reset(peer_fsm(pair_find(p, 0, 1)), &error);
	pair_run(p, 60000);
	assert_true(pair_established(p, 0, 1));
	assert_int_equal(state(p, 0, 1).received[0], 0);
	assert_int_equal(speaker_size(p->side[0].speaker).paths, 100);
	tell(p, 0x14010000, 90);
	assert_int_equal(state(p, 0, 1).received[0], 90);
	tell(p, 0x0a010000, 20); // ten of them fit
	assert_int_equal(state(p, 0, 1).received[0], 100);
	p->lazy = false;
	pair_run(p, 2000);
	assert_int_equal(state(p, 0, 1).received[0], 100);
	assert_int_equal(speaker_size(p->side[0].speaker).paths, 100);
	pair_free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(messages_cut_into_slices_are_handled_once),
		cmocka_unit_test(a_session_that_ends_takes_all_its_routes_along),
		cmocka_unit_test(a_deleted_router_is_gone_and_may_come_again_meanwhile),
		cmocka_unit_test(a_deleted_peer_takes_its_routes_and_its_place_along),
		cmocka_unit_test(refreshes_without_end_confuse_no_count),
		cmocka_unit_test(what_is_not_freed_yet_counts_when_it_is_told_again),
		cmocka_unit_test(paths_to_one_prefix_are_kept_up_to_a_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
