// SPDX-License-Identifier: Apache-2.0
#pragma once

// When a gateway counts as lost, as far as the controller's own watching goes: its heartbeats stop,
// or they go on and the count that the forwarder's workers advance stands still. Pure.

#include <stdbool.h>
#include <stdint.h>

struct takeover_watch {
	bool seen;           // it was heard of in this term
	int64_t beat_ms;     // last heartbeat
	int64_t advanced_ms; // when the workers' count last moved
	uint64_t workers;
	bool beaten; // `workers` is of a heartbeat
	bool moves;  // the count was seen to move since the last silence
};

void takeover_seen(struct takeover_watch *w, int64_t now_ms);
void takeover_beat(struct takeover_watch *w, uint64_t workers, int64_t now_ms);
bool takeover_silent(const struct takeover_watch *w, int64_t now_ms);
// Heard of, and its workers do work: an agent without a forwarder does not bring a gateway back.
bool takeover_alive(const struct takeover_watch *w, int64_t now_ms);
// The watcher was away for so long.
void takeover_forgive(struct takeover_watch *w, int64_t ms);
