// SPDX-License-Identifier: Apache-2.0

// Sessions between speakers in one process, under a warped clock.

#include "bfd.h"
#include "pair.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static void both_dial_and_one_session_is_left(void **state)
{
	struct pair *p = pair_two(0, 0);
	uint32_t flaps;
	int links = 0;

	pair_run(p, 10000);
	assert_true(pair_established(p, 0, 1) && pair_established(p, 1, 0));
	flaps = peer_fsm(pair_find(p, 0, 1))->flaps;
	for (int i = 0; i < PAIR_LINKS; i++)
		links += p->link[i].used;
	assert_int_equal(links, 1);
	pair_run(p, 600000);
	assert_int_equal(peer_fsm(pair_find(p, 0, 1))->flaps, flaps);
	pair_free(p);
}

static void routes_go_round_and_away(void **state)
{
	struct pair *p = pair_two(0, API_BGP_PEER_PASSIVE);
	struct api_bgp_route r;

	pair_announce(p, 1, "10.1.0.0/16");
	pair_run(p, 100);
	assert_true(pair_best(p, 0, "10.1.0.0/16", &r));
	assert_string_equal(r.as_path, "65001");
	assert_true(ip_equal(&r.next_hop, &p->side[1].address));
	assert_int_equal(p->side[0].fib_sets, 1);
	pair_withdraw(p, 1, "10.1.0.0/16");
	pair_run(p, 100);
	assert_false(pair_best(p, 0, "10.1.0.0/16", &r));
	assert_int_equal(p->side[0].fib_dels, 1);
	pair_free(p);
}

static void silence_ends_the_session_after_the_hold_time(void **state)
{
	struct pair *p = pair_two(API_BGP_PEER_NO_RESTART, API_BGP_PEER_NO_RESTART);
	struct api_bgp_route r;

	pair_announce(p, 1, "10.1.0.0/16");
	pair_run(p, 100);
	pair_cut(p, 0, 1);
	pair_run(p, 5000);
	assert_true(pair_established(p, 0, 1)); // 9 s were agreed
	assert_true(pair_best(p, 0, "10.1.0.0/16", &r));
	p->side[1].refuse = p->side[0].refuse = true;
	pair_run(p, 5000);
	assert_false(pair_established(p, 0, 1));
	assert_int_equal(peer_fsm(pair_find(p, 0, 1))->last_error.code, BGP_ERR_HOLD_TIMER);
	assert_false(pair_best(p, 0, "10.1.0.0/16", &r));
	p->side[1].refuse = p->side[0].refuse = false;
	pair_run(p, 60000);
	assert_true(pair_established(p, 0, 1));
	assert_true(pair_best(p, 0, "10.1.0.0/16", &r));
	pair_free(p);
}

static void wrong_as_is_refused_with_bad_peer_as(void **state)
{
	struct pair *p = pair_two(0, 0);
	struct api_bgp_peer cfg = pair_config(p, 0, 1);

	cfg.asn = 65999;
	pair_peer(p, 0, 1, &cfg);
	pair_run(p, 2000);
	assert_false(pair_established(p, 0, 1));
	assert_int_equal(peer_fsm(pair_find(p, 1, 0))->last_error.code, BGP_ERR_OPEN);
	assert_int_equal(peer_fsm(pair_find(p, 1, 0))->last_error.subcode, BGP_OPEN_BAD_PEER_AS);
	pair_free(p);
}

static void roles_that_do_not_fit_are_refused(void **state)
{
	struct pair *p = pair_two(0, 0);
	struct api_bgp_peer a = pair_config(p, 0, 1), b = pair_config(p, 1, 0);

	a.flags = b.flags = API_BGP_PEER_HAS_ROLE;
	a.role = BGP_ROLE_PROVIDER;
	b.role = BGP_ROLE_PROVIDER;
	pair_peer(p, 0, 1, &a);
	pair_peer(p, 1, 0, &b);
	pair_run(p, 3000);
	assert_false(pair_established(p, 0, 1));
	assert_int_equal(peer_fsm(pair_find(p, 0, 1))->last_error.subcode, BGP_OPEN_ROLE_MISMATCH);
	b.role = BGP_ROLE_CUSTOMER;
	pair_peer(p, 1, 0, &b);
	pair_run(p, 60000);
	assert_true(pair_established(p, 0, 1));
	pair_free(p);
}

static void graceful_restart_keeps_routes_until_end_of_rib(void **state)
{
	struct pair *p = pair_two(0, 0);
	struct api_bgp_route r;

	pair_announce(p, 1, "10.1.0.0/16");
	pair_announce(p, 1, "10.2.0.0/16");
	pair_run(p, 1000);
	assert_true(pair_best(p, 0, "10.2.0.0/16", &r));
	p->side[1].refuse = true;
	pair_crash(p, 1);
	pair_run(p, 3000);
	assert_false(pair_established(p, 0, 1));
	assert_true(pair_best(p, 0, "10.1.0.0/16", &r));
	assert_true(r.stale);
	assert_int_equal(p->side[0].fib_dels, 0);
	// It comes back with one of the two: the other goes at End-of-RIB, the first never does.
	p->side[1].refuse = false;
	pair_announce(p, 1, "10.1.0.0/16");
	struct api_bgp_peer cfg = pair_config(p, 1, 0);
	pair_peer(p, 1, 0, &cfg);
	pair_run(p, 30000);
	assert_true(pair_established(p, 0, 1));
	assert_true(pair_best(p, 0, "10.1.0.0/16", &r));
	assert_false(r.stale);
	assert_false(pair_best(p, 0, "10.2.0.0/16", &r));
	assert_int_equal(p->side[0].fib_dels, 1);
	assert_int_equal(p->side[1].settled, 1); // the restarted one selected after our End-of-RIB
	pair_free(p);
}

static void bfd_says(struct pair *p, uint8_t state, uint8_t remote_state, uint8_t c_bit)
{
	const struct api_bfd_state said = {.vrf = 1,
		.local = p->side[0].address,
		.remote = p->side[1].address,
		.state = state,
		.remote_state = remote_state,
		.remote_c_bit = c_bit,
		.diag = 1};

	speaker_on_bfd(p->side[0].speaker, &said);
}

static struct pair *watched_by_bfd(uint32_t flags)
{
	struct pair *p = pair_two(API_BGP_PEER_BFD | flags, API_BGP_PEER_PASSIVE | flags);

	pair_announce(p, 1, "10.1.0.0/16");
	pair_run(p, 100);
	assert_true(pair_established(p, 0, 1));
	bfd_says(p, API_BFD_UP, API_BFD_UP, 0);
	return p;
}

// RFC 5882 4.3.2: its forwarding is gone too, so its routes go although it can restart gracefully.
static void bfd_down_with_the_c_bit_ends_the_session_and_its_routes(void **state)
{
	struct pair *p = watched_by_bfd(0);
	struct api_bgp_peer_state s;
	struct api_bgp_route r;

	bfd_says(p, API_BFD_DOWN, API_BFD_UP, 1);
	pair_settle(p);
	assert_false(pair_established(p, 0, 1));
	assert_false(pair_best(p, 0, "10.1.0.0/16", &r));
	peer_report(pair_find(p, 0, 1), &s);
	assert_non_null(strstr(s.last_error, "sent Cease/BFD Down: no BFD packet within"));
	assert_int_equal(s.bfd, API_BFD_DOWN + 1);
	pair_run(p, 20000); // it may come back, whatever BFD says
	assert_true(pair_established(p, 0, 1));
	bfd_says(p, API_BFD_DOWN, API_BFD_UP, 1);
	pair_run(p, 1000);
	assert_true(pair_established(p, 0, 1)); // only going down ends it
	pair_free(p);
}

static void bfd_down_without_the_c_bit_keeps_routes_as_for_a_restart(void **state)
{
	struct pair *p = watched_by_bfd(0);
	struct api_bgp_route r;

	bfd_says(p, API_BFD_DOWN, API_BFD_UP, 0);
	assert_false(pair_established(p, 0, 1));
	assert_true(pair_best(p, 0, "10.1.0.0/16", &r) && r.stale);
	pair_run(p, 20000);
	assert_true(pair_established(p, 0, 1));
	assert_true(pair_best(p, 0, "10.1.0.0/16", &r) && !r.stale);
	pair_free(p);
}

static void bfd_down_without_graceful_restart_ends_the_session_and_its_routes(void **state)
{
	struct pair *p = watched_by_bfd(API_BGP_PEER_NO_RESTART);
	struct api_bgp_route r;

	bfd_says(p, API_BFD_DOWN, API_BFD_UP, 0);
	pair_settle(p);
	assert_false(pair_best(p, 0, "10.1.0.0/16", &r));
	pair_free(p);
}

// RFC 5882 3.2, 4.1.
static void bfd_switched_off_by_the_peer_or_never_up_says_nothing(void **state)
{
	struct pair *p = watched_by_bfd(0);

	bfd_says(p, API_BFD_DOWN, API_BFD_ADMIN_DOWN, 1);
	pair_run(p, 1000);
	assert_true(pair_established(p, 0, 1));
	bfd_says(p, API_BFD_UP, API_BFD_UP, 1);
	speaker_forget_bfd(p->side[0].speaker); // the forwarder starts anew
	bfd_says(p, API_BFD_DOWN, API_BFD_DOWN, 1);
	pair_run(p, 1000);
	assert_true(pair_established(p, 0, 1));
	pair_free(p);
}

static void graceful_restart_that_does_not_come_ends_after_the_restart_time(void **state)
{
	struct pair *p = pair_two(0, 0);
	struct api_bgp_route r;

	pair_announce(p, 1, "10.1.0.0/16");
	pair_run(p, 1000);
	p->side[1].refuse = true;
	pair_crash(p, 1);
	pair_run(p, 119000);
	assert_true(pair_best(p, 0, "10.1.0.0/16", &r));
	pair_run(p, 2000);
	assert_false(pair_best(p, 0, "10.1.0.0/16", &r));
	pair_free(p);
}

static void a_restarted_speaker_installs_nothing_before_end_of_rib(void **state)
{
	struct pair *p = pair_two(0, 0);
	struct api_bgp_peer cfg;

	pair_announce(p, 1, "10.1.0.0/16");
	pair_run(p, 1000);
	pair_crash(p, 0);
	p->side[0].fib_sets = 0;
	pair_run(p, 5000);
	assert_int_equal(p->side[0].settled, 0);
	cfg = pair_config(p, 0, 1);
	pair_peer(p, 0, 1, &cfg);
	pair_run(p, 30000);
	assert_true(pair_established(p, 0, 1));
	assert_int_equal(p->side[0].settled, 1);
	assert_int_equal(p->side[0].fib_sets, 1);
	assert_int_equal(p->side[0].fib_dels, 0);
	pair_free(p);
}

// A hub between two sites moves to another gateway. The first site to be back must not lose the
// other's routes before that one is back too; packets need not wait for either.
static void a_router_that_was_taken_over_withdraws_nothing(void **state)
{
	struct pair *p = pair_new();
	struct api_bgp_peer cfg;
	struct api_bgp_route r;

	pair_add(p, 64512, "10.0.0.1", 0);
	pair_add(p, 65001, "10.0.0.2", 0);
	pair_add(p, 65002, "10.0.0.3", 0);
	pair_join(p, 0, 1, 0, 0);
	pair_join(p, 0, 2, 0, 0);
	pair_announce(p, 1, "10.1.0.0/16");
	pair_announce(p, 2, "10.2.0.0/16");
	pair_run(p, 5000);
	assert_true(pair_best(p, 1, "10.2.0.0/16", &r));
	p->side[0].refuse = p->side[2].refuse = true; // only the hub's dialling, to the first
	pair_move(p, 0);
	p->side[0].fib_sets = 0;
	for (int i = 1; i <= 2; i++) {
		cfg = pair_config(p, 0, i);
		pair_peer(p, 0, i, &cfg);
	}
	pair_run(p, 10000);
	assert_true(pair_established(p, 0, 1));
	assert_int_equal(p->side[0].fib_sets, 1); // at once
	assert_true(pair_best(p, 1, "10.2.0.0/16", &r));
	assert_int_equal(p->side[1].fib_dels, 0);
	p->side[0].refuse = p->side[2].refuse = false;
	pair_run(p, 30000);
	assert_true(pair_established(p, 0, 2));
	assert_true(pair_best(p, 1, "10.2.0.0/16", &r));
	assert_false(r.stale);
	assert_int_equal(p->side[1].fib_dels, 0);
	pair_free(p);
}

// RFC 4271 9.2.1.1
static void changes_are_told_once_in_an_interval(void **state)
{
	struct pair *p = pair_two(0, 0);
	struct api_bgp_peer cfg = pair_config(p, 1, 0);
	struct api_bgp_peer_state before, after;
	struct api_bgp_route r;

	cfg.advertise_interval_ms = 5000;
	pair_peer(p, 1, 0, &cfg);
	pair_announce(p, 1, "10.1.0.0/16");
	pair_run(p, 20000);
	assert_true(pair_best(p, 0, "10.1.0.0/16", &r));
	pair_announce(p, 1, "10.2.0.0/16"); // the first after a pause goes at once
	pair_run(p, 100);
	assert_true(pair_best(p, 0, "10.2.0.0/16", &r));
	peer_report(pair_find(p, 0, 1), &before);
	for (int i = 0; i < 10; i++) {
		pair_withdraw(p, 1, "10.2.0.0/16");
		pair_run(p, 100);
		pair_announce(p, 1, "10.2.0.0/16");
		pair_announce(p, 1, "10.3.0.0/16");
		pair_run(p, 100);
	}
	assert_false(pair_best(p, 0, "10.3.0.0/16", &r));
	pair_run(p, 3500);
	peer_report(pair_find(p, 0, 1), &after);
	assert_true(pair_best(p, 0, "10.3.0.0/16", &r));
	assert_int_equal(after.family[0].update_received, before.family[0].update_received + 2);
	assert_int_equal(after.family[0].withdrawal_received, before.family[0].withdrawal_received);
	pair_free(p);
}

// RFC 9687: a neighbour that says keepalives but takes no bytes is no neighbour.
static void who_takes_no_bytes_is_left_after_the_send_hold_time(void **state)
{
	for (int slow = 0; slow < 2; slow++) {
		struct pair *p = pair_two(API_BGP_PEER_NO_RESTART, API_BGP_PEER_NO_RESTART);
		struct api_bgp_peer cfg = pair_config(p, 0, 1);
		struct peer *peer;
		struct conn *c;

		cfg.send_hold_time_s = slow ? 0 : 20;
		cfg.flags = API_BGP_PEER_NO_RESTART;
		pair_peer(p, 0, 1, &cfg);
		pair_run(p, 60000);
		peer = pair_find(p, 0, 1);
		c = peer_fsm(peer)->established;
		assert_non_null(c);
		c->stuck_at_ms = p->now_ms; // as its owner says of a full socket
		peer_timer_changed(peer);
		pair_run(p, slow ? 479000 : 19000); // 480 s where nothing is said
		assert_ptr_equal(peer_fsm(peer)->established, c);
		p->side[0].refuse = p->side[1].refuse = true;
		pair_run(p, 2000);
		assert_null(peer_fsm(peer)->established);
		assert_int_equal(peer_fsm(peer)->last_error.code, BGP_ERR_SEND_HOLD_TIMER);
		assert_int_equal(
			peer_fsm(pair_find(p, 1, 0))->last_error.code, BGP_ERR_SEND_HOLD_TIMER);
		assert_int_equal(BGP_ERR_SEND_HOLD_TIMER, 8); // RFC 9687 5
		pair_free(p);
	}
}

static void shutdown_text_arrives(void **state)
{
	struct pair *p = pair_two(0, 0);
	struct api_bgp_peer cfg = pair_config(p, 0, 1);
	struct api_bgp_peer_state s;

	pair_run(p, 1000);
	cfg.flags = API_BGP_PEER_DISABLED;
	snprintf(cfg.shutdown_text, sizeof(cfg.shutdown_text), "moving house");
	pair_peer(p, 0, 1, &cfg);
	pair_run(p, 1000);
	peer_report(pair_find(p, 1, 0), &s);
	assert_string_equal(s.last_error, "received Cease/Administrative Shutdown: moving house");
	assert_int_equal(s.state != API_BGP_ESTABLISHED, 1);
	pair_free(p);
}

static void announce_many(struct pair *p, int a, int len)
{
	char text[64];

	for (int i = 0; i < len; i++) {
		snprintf(text, sizeof(text), "10.%d.%d.0/24", 1 + i / 256, i % 256);
		pair_announce(p, a, text);
	}
}

static void max_prefix_resets_stops_or_warns_and_counts_entries(void **state)
{
	for (int mode = API_BGP_MAX_RESET; mode <= API_BGP_MAX_WARN; mode++) {
		struct pair *p = pair_two(0, 0);
		struct api_bgp_peer cfg = pair_config(p, 0, 1);
		struct api_bgp_peer_state s;

		cfg.max_prefixes = 100;
		cfg.max_mode = (uint8_t)mode;
		pair_peer(p, 0, 1, &cfg);
		announce_many(p, 1, 100);
		pair_run(p, 3000);
		for (int i = 0; i < 5; i++) { // updates of what is there count nothing
			pair_withdraw(p, 1, "10.1.5.0/24");
			pair_announce(p, 1, "10.1.5.0/24");
			pair_run(p, 100);
		}
		peer_report(pair_find(p, 0, 1), &s);
		assert_int_equal(s.state, API_BGP_ESTABLISHED);
		assert_int_equal(s.received[0], 100);
		announce_many(p, 1, 120);
		pair_run(p, 100);
		peer_report(pair_find(p, 0, 1), &s);
		assert_int_equal(s.state == API_BGP_ESTABLISHED, mode != API_BGP_MAX_RESET);
		assert_int_equal(s.received[0], mode == API_BGP_MAX_RESET  ? 0
						: mode == API_BGP_MAX_STOP ? 100
									   : 120);
		if (mode == API_BGP_MAX_RESET)
			assert_string_equal(
				s.last_error, "sent Cease/Maximum Number of Prefixes Reached");
		pair_free(p);
	}
}

static void reflector_serves_clients_and_stops_loops(void **state)
{
	struct pair *p = pair_new();
	struct api_bgp_route r;

	// site -- 0 (reflector) -- 1, 2 clients, 3 not a client
	for (int i = 0; i < 4; i++) {
		char address[16];

		snprintf(address, sizeof(address), "10.0.0.%d", i + 1);
		pair_add(p, 64512, address, 0);
	}
	pair_add(p, 65001, "10.0.0.9", 0);
	pair_join(p, 0, 1, API_BGP_PEER_CLIENT, 0);
	pair_join(p, 0, 2, API_BGP_PEER_CLIENT, 0);
	pair_join(p, 0, 3, 0, 0);
	pair_join(p, 0, 4, 0, 0);
	pair_announce(p, 1, "10.1.0.0/16");
	pair_announce(p, 3, "10.3.0.0/16");
	pair_announce(p, 4, "10.9.0.0/16");
	pair_run(p, 3000);
	assert_true(pair_best(p, 2, "10.1.0.0/16", &r)); // client to client
	assert_true(ip_equal(&r.next_hop, &p->side[1].address));
	assert_true(pair_best(p, 3, "10.1.0.0/16", &r)); // client to non-client
	assert_true(pair_best(p, 1, "10.3.0.0/16", &r)); // non-client to client
	for (int i = 1; i <= 3; i++) {
		assert_true(pair_best(p, i, "10.9.0.0/16", &r));
		assert_true(ip_equal(&r.next_hop, &p->side[4].address));
		assert_string_equal(r.as_path, "65001");
	}
	assert_true(pair_best(p, 4, "10.1.0.0/16", &r));
	assert_string_equal(r.as_path, "64512");
	assert_true(ip_equal(&r.next_hop, &p->side[0].address));
	pair_free(p);
}

static void without_a_reflector_internal_routes_go_one_hop(void **state)
{
	struct pair *p = pair_new();
	struct api_bgp_route r;

	pair_add(p, 64512, "10.0.0.1", 0);
	pair_add(p, 64512, "10.0.0.2", 0);
	pair_add(p, 64512, "10.0.0.3", 0);
	pair_join(p, 0, 1, 0, 0);
	pair_join(p, 0, 2, 0, 0);
	pair_announce(p, 1, "10.1.0.0/16");
	pair_run(p, 3000);
	assert_true(pair_best(p, 0, "10.1.0.0/16", &r));
	assert_false(pair_best(p, 2, "10.1.0.0/16", &r));
	pair_free(p);
}

static void equal_paths_share_in_the_fib(void **state)
{
	struct pair *p = pair_new();

	pair_add(p, 64512, "10.0.0.1", 0);
	pair_add(p, 65001, "10.0.0.2", 0);
	pair_add(p, 65001, "10.0.0.3", 0);
	pair_join(p, 0, 1, 0, 0);
	pair_join(p, 0, 2, 0, 0);
	pair_announce(p, 1, "10.1.0.0/16");
	pair_run(p, 3000);
	assert_int_equal(p->side[0].last_fib.path_count, 1);
	pair_announce(p, 2, "10.1.0.0/16");
	pair_run(p, 3000);
	assert_int_equal(p->side[0].last_fib.path_count, 2);
	pair_withdraw(p, 1, "10.1.0.0/16");
	pair_run(p, 3000);
	assert_int_equal(p->side[0].last_fib.path_count, 1);
	assert_true(ip_equal(&p->side[0].last_fib.path[0].via, &p->side[2].address));
	pair_free(p);
}

static void own_as_in_the_path_is_a_loop(void **state)
{
	struct pair *p = pair_new();
	struct api_bgp_route r;

	// 0 and 2 are of one AS with another between them.
	pair_add(p, 65001, "10.0.0.1", 0);
	pair_add(p, 64512, "10.0.0.2", 0);
	pair_add(p, 65001, "10.0.0.3", 0);
	pair_join(p, 0, 1, 0, 0);
	pair_join(p, 1, 2, 0, 0);
	pair_announce(p, 0, "10.1.0.0/16");
	pair_run(p, 3000);
	assert_false(pair_best(p, 2, "10.1.0.0/16", &r));
	struct api_bgp_peer cfg = pair_config(p, 2, 1);
	uint32_t flaps = peer_fsm(pair_find(p, 2, 1))->flaps;
	cfg.flags = API_BGP_PEER_ALLOW_OWN_AS;
	pair_peer(p, 2, 1, &cfg); // softly: no session is lost
	pair_run(p, 3000);
	assert_true(pair_best(p, 2, "10.1.0.0/16", &r));
	assert_int_equal(peer_fsm(pair_find(p, 2, 1))->flaps, flaps);
	pair_free(p);
}

static void aggregates_live_while_something_is_inside(void **state)
{
	struct pair *p = pair_two(0, 0);
	struct api_bgp_network n = {.vrf = 1, .slot = 1, .kind = API_BGP_AGGREGATE_ONLY};
	struct api_bgp_route r;
	struct api_error error;

	assert_int_equal(prefix_parse("10.0.0.0/8", &n.prefix), 0);
	assert_int_equal(speaker_set_network(p->side[1].speaker, &n, &error), 1);
	pair_run(p, 1000);
	assert_false(pair_best(p, 0, "10.0.0.0/8", &r));
	pair_announce(p, 1, "10.1.0.0/16");
	pair_announce(p, 1, "11.1.0.0/16");
	pair_run(p, 1000);
	assert_true(pair_best(p, 0, "10.0.0.0/8", &r));
	assert_false(pair_best(p, 0, "10.1.0.0/16", &r));
	assert_true(pair_best(p, 0, "11.1.0.0/16", &r));
	pair_withdraw(p, 1, "10.1.0.0/16");
	pair_run(p, 1000);
	assert_false(pair_best(p, 0, "10.0.0.0/8", &r));
	pair_free(p);
}

static void default_is_originated_to_who_should_have_it(void **state)
{
	struct pair *p = pair_two(API_BGP_PEER_DEFAULT_ORIGINATE, 0);
	struct api_bgp_route r;

	pair_run(p, 3000);
	assert_true(pair_best(p, 1, "0.0.0.0/0", &r));
	assert_string_equal(r.as_path, "64512");
	assert_false(pair_best(p, 0, "0.0.0.0/0", &r));
	pair_free(p);
}

static void add_path_tells_every_path(void **state)
{
	struct pair *p = pair_new();
	struct api_bgp_peer_state s;

	pair_add(p, 64512, "10.0.0.1", 0);
	pair_add(p, 65001, "10.0.0.2", 0);
	pair_add(p, 65002, "10.0.0.3", 0);
	pair_add(p, 64512, "10.0.0.4", 0);
	pair_join(p, 0, 1, 0, 0);
	pair_join(p, 0, 2, 0, 0);
	pair_join(p, 0, 3, API_BGP_PEER_ADD_PATH_SEND, API_BGP_PEER_ADD_PATH_RECEIVE);
	pair_announce(p, 1, "10.1.0.0/16");
	pair_announce(p, 2, "10.1.0.0/16");
	pair_run(p, 3000);
	peer_report(pair_find(p, 3, 0), &s);
	assert_int_equal(s.received[0], 2);
	pair_withdraw(p, 1, "10.1.0.0/16");
	pair_run(p, 1000);
	peer_report(pair_find(p, 3, 0), &s);
	assert_int_equal(s.received[0], 1);
	pair_free(p);
}

static void a_policy_change_is_soft(void **state)
{
	struct pair *p = pair_two(0, 0);
	struct api_bgp_peer cfg = pair_config(p, 0, 1);
	struct api_bgp_policy *map = calloc(1, sizeof(*map) + 2 * sizeof(map->line[0]));
	struct api_bgp_route r;
	struct api_error error;

	pair_announce(p, 1, "10.1.0.0/16");
	pair_announce(p, 1, "10.2.0.0/16");
	snprintf(cfg.policy_in, sizeof(cfg.policy_in), "MAP1");
	pair_peer(p, 0, 1, &cfg);
	pair_run(p, 1000);
	assert_false(pair_best(p, 0, "10.1.0.0/16", &r)); // the map has not come yet
	map->vrf = 1;
	snprintf(map->name, sizeof(map->name), "MAP1");
	map->line_count = 2;
	map->line[0] = (struct api_bgp_policy_line){.property = API_BGP_ENTRY, .v = {API_BGP_DENY}};
	map->line[1] = (struct api_bgp_policy_line){.property = API_BGP_MATCH_PREFIX};
	assert_int_equal(prefix_parse("10.1.0.0/16", &map->line[1].prefix), 0);
	assert_int_equal(speaker_set_policy(p->side[0].speaker, map, &error), 1);
	pair_run(p, 1000);
	assert_false(pair_best(p, 0, "10.1.0.0/16", &r));
	assert_true(pair_best(p, 0, "10.2.0.0/16", &r));
	map->line[0].v[0] = API_BGP_MODIFY;
	map->line[1].property = API_BGP_SET_LOCAL_PREF;
	map->line[1].v[0] = 333;
	assert_int_equal(speaker_set_policy(p->side[0].speaker, map, &error), 1);
	pair_run(p, 1000);
	assert_true(pair_best(p, 0, "10.1.0.0/16", &r));
	assert_int_equal(r.local_pref, 333);
	assert_int_equal(peer_fsm(pair_find(p, 0, 1))->flaps, 0);
	free(map);
	pair_free(p);
}

static void malformed_updates_withdraw_and_keep_the_session(void **state)
{
	// An UPDATE for 10.1.0.0/16 whose ORIGIN has an undefined value.
	static const uint8_t bad[] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
		0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 46, 2, 0, 0, 0, 20, 0x40, 1, 1, 7, 0x40, 2,
		6, 2, 1, 0, 0, 0xfd, 0xe9, 0x40, 3, 4, 10, 0, 0, 2, 16, 10, 1};
	struct pair *p = pair_two(0, 0);
	struct api_bgp_peer_state s;
	struct api_bgp_route r;

	pair_announce(p, 1, "10.1.0.0/16");
	pair_announce(p, 1, "10.2.0.0/16");
	pair_run(p, 1000);
	assert_true(pair_best(p, 0, "10.1.0.0/16", &r));
	pair_inject(p, 0, 1, bad, sizeof(bad));
	pair_run(p, 1000);
	assert_true(pair_established(p, 0, 1));
	assert_false(pair_best(p, 0, "10.1.0.0/16", &r));
	assert_true(pair_best(p, 0, "10.2.0.0/16", &r));
	peer_report(pair_find(p, 0, 1), &s);
	assert_int_equal(s.treated_as_withdraw, 1);
	pair_free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_dial_and_one_session_is_left),
		cmocka_unit_test(routes_go_round_and_away),
		cmocka_unit_test(silence_ends_the_session_after_the_hold_time),
		cmocka_unit_test(wrong_as_is_refused_with_bad_peer_as),
		cmocka_unit_test(roles_that_do_not_fit_are_refused),
		cmocka_unit_test(graceful_restart_keeps_routes_until_end_of_rib),
		cmocka_unit_test(bfd_down_with_the_c_bit_ends_the_session_and_its_routes),
		cmocka_unit_test(bfd_down_without_the_c_bit_keeps_routes_as_for_a_restart),
		cmocka_unit_test(bfd_down_without_graceful_restart_ends_the_session_and_its_routes),
		cmocka_unit_test(bfd_switched_off_by_the_peer_or_never_up_says_nothing),
		cmocka_unit_test(graceful_restart_that_does_not_come_ends_after_the_restart_time),
		cmocka_unit_test(a_restarted_speaker_installs_nothing_before_end_of_rib),
		cmocka_unit_test(a_router_that_was_taken_over_withdraws_nothing),
		cmocka_unit_test(changes_are_told_once_in_an_interval),
		cmocka_unit_test(who_takes_no_bytes_is_left_after_the_send_hold_time),
		cmocka_unit_test(shutdown_text_arrives),
		cmocka_unit_test(max_prefix_resets_stops_or_warns_and_counts_entries),
		cmocka_unit_test(reflector_serves_clients_and_stops_loops),
		cmocka_unit_test(without_a_reflector_internal_routes_go_one_hop),
		cmocka_unit_test(equal_paths_share_in_the_fib),
		cmocka_unit_test(own_as_in_the_path_is_a_loop),
		cmocka_unit_test(aggregates_live_while_something_is_inside),
		cmocka_unit_test(default_is_originated_to_who_should_have_it),
		cmocka_unit_test(add_path_tells_every_path),
		cmocka_unit_test(a_policy_change_is_soft),
		cmocka_unit_test(malformed_updates_withdraw_and_keep_the_session),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
