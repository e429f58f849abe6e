// SPDX-License-Identifier: Apache-2.0
#pragma once

// What isthmus-bgp says, for reports: the state of peers, and the routes learnt from them, each
// shown at the connection it points to. Learnt routes of a connection are reported in pages, so
// that one change costs one page. After a restart of isthmus-bgp, or where it takes a slot over,
// pages wait until it has learnt all again, and what was learnt before stands so long.

#include <stdbool.h>
#include <stdint.h>

#include "bgp.h"
#include "client.h"
#include "desired.h"
#include "map.h"
#include "report.h"

#define PEERS_ROUTES_MAX 100000 // learnt routes of a VRF that are reported
#define PEERS_PAGE       1000   // of a connection, in one reported object

struct event_base;

struct peers {
	struct api_client *bgp; // NULL: not there
	struct report *report;
	const struct desired_set *desired; // static routes say which connection a next hop is on
	void (*changed)(void *ctx);        // there is something to report
	void *ctx;
	struct event *states_timer, *pages_timer;
	struct map states;           // struct peers_state by the key of api_bgp_peer_state
	struct map routes;           // struct peers_route by (vrf, slot, prefix)
	struct map blocks;           // struct peers_block by (vrf, connection)
	struct map vrfs;             // struct peers_vrf: what there is of each
	struct map ways;             // struct peers_way: next hops resolved since the last tick
	struct map settling;         // struct peers_settling by (vrf, slot): pages are not written
	unsigned round, route_round; // of asking for everything
	bool asking_states, asking_routes, ask_again;
	bool resolve; // static routes have changed: next hops may be on other connections
};

void peers_init(struct peers *p, struct event_base *base, struct report *report,
	const struct desired_set *desired, void (*changed)(void *ctx), void *ctx);
void peers_fini(struct peers *p);
// isthmus-bgp is there (again), or NULL. While it is away what it said last stands: so do its
// routes in the forwarder.
void peers_set_bgp(struct peers *p, struct api_client *bgp);
void peers_on_state(struct peers *p, const struct api_bgp_peer_state *state);
void peers_on_route(struct peers *p, const struct api_bgp_route *route);
// Static routes are others than before: next hops may be on other connections.
void peers_routes_changed(struct peers *p);
