// SPDX-License-Identifier: Apache-2.0
#pragma once

// The other gateways of the pool as this one sees them by BFD: its votes on who is lost, told with
// each heartbeat. Sessions are the forwarder's; whom to watch is told by the controller's `watch`
// object.

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "bfd.h"
#include "ipaddr.h"

#define WATCH_PEERS        127
#define WATCH_DETECTION_US 400000 // a session slower than this does not vouch for a peer's life

struct api_client;

struct watch_peer {
	char name[64];
	struct ip_addr addr;
	bool was_up; // since it is watched
	bool up;
	bool prompt; // its silence would be noticed at once; not so for a while after it came up
};

struct watch {
	struct ip_addr local;
	struct watch_peer peers[WATCH_PEERS];
	size_t len;
};

// The `watch` object as it is now; NULL: nobody is to be watched.
void watch_set(struct watch *w, const json_t *value);
// True: somebody came up or went down, or is vouched for from now on or no more.
bool watch_on_state(struct watch *w, const struct api_bfd_state *state);
// The forwarder went away: what it said is no longer known.
void watch_forget(struct watch *w);
// {"gw2":"Up"}, or NULL: no word on anybody. The caller's.
json_t *watch_votes(const struct watch *w);
// Every one that was up is down, and those are at least two.
bool watch_all_down(const struct watch *w);
// This gateway and those it sees are no more than half of the pool, and some were seen before.
bool watch_is_minority(const struct watch *w);
