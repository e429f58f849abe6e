// SPDX-License-Identifier: Apache-2.0

// RFC 2439: what flaps is not used until it has been quiet.

#include "pair.h"
#include "speaker_impl.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static void penalties_decay_by_half_in_a_half_life(void **state)
{
	static const double eighth[] = {
		1, 0.917004, 0.840896, 0.771105, 0.707107, 0.648420, 0.594604, 0.545254};
	uint32_t last = 1000000;

	for (unsigned i = 0; i < 32; i++) {
		double want = 1000000 * eighth[i % 8] / (1u << i / 8);
		uint32_t got = damp_decay(1000000, i * 112500, 900000);

		assert_true(got > want - 3000 && got < want + 3000 && got <= last);
		last = got;
	}
	assert_int_equal(damp_decay(12000, 900000, 900000), 6000);
	assert_int_equal(damp_decay(UINT32_MAX, UINT64_MAX, 1000), 0);
}

static struct pair *damping(uint32_t b_asn)
{
	struct pair *p = pair_new();
	struct api_bgp_router cfg = {.vrf = 1,
		.slot = 1,
		.asn = 64512,
		.router_id = 0x0a000001,
		.flags = API_BGP_ROUTER_DAMPENING,
		.dampening_half_life_s = 60};
	struct api_error error;

	pair_add(p, 64512, "10.0.0.1", 0);
	pair_add(p, b_asn, "10.0.0.2", 0);
	cfg.address[0] = p->side[0].address;
	assert_int_equal(speaker_set_router(p->side[0].speaker, &cfg, &error), 1);
	pair_join(p, 0, 1, 0, 0);
	pair_run(p, 2000);
	return p;
}

static void flap(struct pair *p)
{
	pair_announce(p, 1, "10.1.0.0/16");
	pair_run(p, 100);
	pair_withdraw(p, 1, "10.1.0.0/16");
	pair_run(p, 100);
}

struct seen {
	char *text;
	size_t size;
};

static bool see(void *ctx, const struct api_bgp_route *route)
{
	struct seen *s = ctx;

	snprintf(s->text, s->size, "%u %s", route->verdict, route->reason);
	return true;
}

static const char *reason(struct pair *p, char *text, size_t size)
{
	const struct api_bgp_route filter = {.view = API_BGP_VIEW_RECEIVED};
	struct seen s = {text, size};
	uint64_t cursor[4] = {0};

	text[0] = 0;
	speaker_walk(p->side[0].speaker, &filter, cursor, see, &s);
	return text;
}

static void a_flapping_route_is_suppressed_and_used_again_when_quiet(void **state)
{
	struct pair *p = damping(65001);
	struct api_bgp_route r;
	char text[160], want[160];

	flap(p);
	pair_announce(p, 1, "10.1.0.0/16");
	pair_announce(p, 1, "10.2.0.0/16");
	pair_run(p, 100);
	assert_true(pair_best(p, 0, "10.1.0.0/16", &r)); // once is no flapping
	pair_withdraw(p, 1, "10.1.0.0/16");
	pair_run(p, 100);
	flap(p);
	pair_announce(p, 1, "10.1.0.0/16");
	pair_run(p, 100);
	assert_false(pair_best(p, 0, "10.1.0.0/16", &r));
	assert_true(pair_best(p, 0, "10.2.0.0/16", &r));
	pair_withdraw(p, 1, "10.2.0.0/16");
	pair_run(p, 100);
	snprintf(want, sizeof(want), "%u flaps too often", API_BGP_REJECT_DAMPED);
	assert_string_equal(reason(p, text, sizeof(text)), want);
	// About 3000 of penalty against 750: two half-lives.
	pair_run(p, 110000);
	assert_false(pair_best(p, 0, "10.1.0.0/16", &r));
	pair_run(p, 15000);
	assert_true(pair_best(p, 0, "10.1.0.0/16", &r));
	pair_run(p, 180000); // and is a good one again
	flap(p);
	pair_announce(p, 1, "10.1.0.0/16");
	pair_run(p, 100);
	assert_true(pair_best(p, 0, "10.1.0.0/16", &r));
	pair_free(p);
}

static void internal_neighbours_and_lost_sessions_cost_nothing(void **state)
{
	struct pair *p = damping(64512);
	struct api_bgp_route r;

	for (int i = 0; i < 5; i++)
		flap(p);
	pair_announce(p, 1, "10.1.0.0/16");
	pair_run(p, 100);
	assert_true(pair_best(p, 0, "10.1.0.0/16", &r));
	pair_free(p);
	p = damping(65001);
	pair_announce(p, 1, "10.1.0.0/16");
	for (int i = 0; i < 5; i++) {
		fsm_reset(peer_fsm(pair_find(p, 0, 1)),
			&(struct bgp_error){.code = BGP_ERR_CEASE, .subcode = BGP_CEASE_RESET});
		pair_run(p, 60000);
	}
	assert_true(pair_best(p, 0, "10.1.0.0/16", &r));
	pair_free(p);
}

static void switching_it_off_frees_what_was_suppressed(void **state)
{
	struct pair *p = damping(65001);
	struct api_bgp_router cfg = {.vrf = 1,
		.slot = 1,
		.asn = 64512,
		.router_id = 0x0a000001,
		.address = {p->side[0].address}};
	struct api_bgp_route r;
	struct api_error error;

	for (int i = 0; i < 4; i++)
		flap(p);
	pair_announce(p, 1, "10.1.0.0/16");
	pair_run(p, 100);
	assert_false(pair_best(p, 0, "10.1.0.0/16", &r));
	assert_int_equal(speaker_set_router(p->side[0].speaker, &cfg, &error), 1);
	pair_run(p, 100);
	assert_true(pair_best(p, 0, "10.1.0.0/16", &r));
	assert_int_equal(peer_fsm(pair_find(p, 0, 1))->flaps, 0);
	pair_free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(penalties_decay_by_half_in_a_half_life),
		cmocka_unit_test(a_flapping_route_is_suppressed_and_used_again_when_quiet),
		cmocka_unit_test(internal_neighbours_and_lost_sessions_cost_nothing),
		cmocka_unit_test(switching_it_off_frees_what_was_suppressed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
