// SPDX-License-Identifier: Apache-2.0
#pragma once

// Whether this gateway may use the floating addresses of a slot (DESIGN: fencing). What was read
// from disk may be stale: another gateway may hold the slot by now. So an active slot is given to
// the forwarder as inactive until its epoch is confirmed: by the controller in this life of the
// agent (its list of objects, or the answer to a heartbeat), or because the gateway is alone in
// its pool, or because the forwarder already uses it under that epoch.

#include <stdbool.h>
#include <stdint.h>

#define SLOTS_MAX 4096

struct slots {
	bool alone;                 // no other gateway in the pool could have taken over
	bool confirmed;             // the controller's own words, not the disk's, are what we hold
	uint64_t epochs[SLOTS_MAX]; // confirmed, by slot; 0: none
	uint64_t denied[SLOTS_MAX]; // this epoch and lower ones are another's, or nobody's
	uint64_t asked;             // highest epoch known when the heartbeat under way left
	bool withheld[SLOTS_MAX];   // given as inactive
	bool starved[SLOTS_MAX];    // withheld because no IV epoch is left
	bool held[SLOTS_MAX];       // used here: BGP and IKE may speak for it
	bool changed;               // held[] is to be looked at again
};

bool slots_may_activate(const struct slots *s, uint16_t slot, uint64_t epoch);
// The controller's answer does not name the slot under this epoch, although it was asked when the
// epoch was known: it will never be ours again. True if that is news.
bool slots_deny(struct slots *s, uint16_t slot, uint64_t epoch);
// Notes a confirmation; true if the slot was withheld and may now go.
bool slots_confirm(struct slots *s, uint16_t slot, uint64_t epoch);
