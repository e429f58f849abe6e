// SPDX-License-Identifier: Apache-2.0
#pragma once

// Who of the gateways lives. A gateway is lost when a majority of the watchers that are not cut off
// themselves say so: the controller by heartbeats, and the gateways of its pool by BFD, whose word
// comes with their own heartbeats. In a pool whose gateways do not watch one another the
// controller's word stands alone. Pure: time is an argument.
//
// Against a confused watcher: what the controller missed while it did not run counts against
// nobody; when all gateways fall silent together it is the controller that is cut off, and nobody
// is taken over for TAKEOVER_LIMIT_MS nor right after they are heard again; and in that time a pool
// loses no more gateways than it has spare on the controller's word alone. Nor is anybody taken
// over for that time when most of a pool fell silent at once: it may be alive on the other side of
// a cut, where the larger part of a pool goes on by itself.

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "plan.h"

#define TAKEOVER_TICK_MS      20    // the watching is done this often
#define TAKEOVER_BEAT_MS      100   // between heartbeats
#define TAKEOVER_BEAT_LOST_MS 300   // without a heartbeat: the controller's vote
#define TAKEOVER_STALL_MS     300   // the workers' count stands still: likewise
#define TAKEOVER_WITNESS_MS   200   // somebody was heard so lately: the controller is not cut off
#define TAKEOVER_OPINION_MS   500   // a watcher's word is good for so long
#define TAKEOVER_GRACE_MS     3000  // after the start, or after being cut off: nobody is missed
#define TAKEOVER_LIMIT_MS     10000 // the time of the limit

struct takeover;

// What became of a process of a gateway, as its agent says.
struct takeover_dead {
	const char *process; // "ike", "bgp"
	uint32_t dead_ms;
};

struct takeover_vote {
	const char *gateway; // of the same pool
	bool down;
};

struct takeover_beat {
	uint64_t workers; // a count that moves while all workers do
	bool cut_off;     // says of itself that its underlay is gone
	const struct takeover_vote *votes;
	size_t votes_len;
	const struct takeover_dead *dead;
	size_t dead_len;
};

typedef void takeover_health_fn(void *arg, const char *gateway, enum plan_health health);

struct takeover *takeover_new(int64_t now_ms, takeover_health_fn *health, void *arg);
void takeover_free(struct takeover *t);
void takeover_add(struct takeover *t, const char *gateway, const char *pool);
void takeover_remove(struct takeover *t, const char *gateway);
void takeover_spare(struct takeover *t, const char *pool, uint32_t redundant_count);
void takeover_beat(
	struct takeover *t, const char *gateway, const struct takeover_beat *beat, int64_t now_ms);
// It asked for something, which tells nothing about its forwarder.
void takeover_heard(struct takeover *t, const char *gateway, int64_t now_ms);
// Call every TAKEOVER_TICK_MS.
void takeover_tick(struct takeover *t, int64_t now_ms);
enum plan_health takeover_health(const struct takeover *t, const char *gateway);
