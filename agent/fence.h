// SPDX-License-Identifier: Apache-2.0
#pragma once

// Keeps the forwarder's fence (api/api_fence.h): what it may send from may be another gateway's by
// now. Goes up when the forwarder did not run, or when this gateway is cut off from the controller
// and from most of its pool at once. Comes down when an answer of the controller to a question
// asked since then says which slots are ours; those that are not are taken away first.

#include <stdbool.h>
#include <stdint.h>

#define FENCE_LIMIT_US   240000 // without running: less than it takes to be replaced
#define FENCE_SILENCE_MS 300    // of the controller: the same
#define FENCE_CUT_MS     5000   // losing both within this is a cut, not two deaths

struct agent;
struct api_fence_state;

struct fence {
	uint64_t number; // of the last raise
	uint64_t asked;  // the raise that the heartbeat under way asks about; 0: none
	uint32_t limit_us;
	bool up;
	bool hold; // cut off
};

// The forwarder was learnt: what of it is up, and how it is to be.
void fence_on_ready(struct agent *a);
void fence_on_state(struct agent *a, const struct api_fence_state *state);
// The gateway's being alone in its pool, or being cut off, may have changed.
void fence_update(struct agent *a);
// A heartbeat leaves; its answer has been obeyed.
void fence_on_asked(struct agent *a);
void fence_on_answered(struct agent *a);
