// SPDX-License-Identifier: Apache-2.0
#pragma once

// Follows packets through every node: a line a node, last what became of it and why.
//
// While armed, each worker follows up to TRACE_SLOTS packets at once. It costs nothing when not
// armed: workers look at one pointer per node call. One trace at a time.

#include <stdbool.h>
#include <stdint.h>

#include "worker.h"

#define TRACE_SLOTS     32 // a worker's
#define TRACE_TEXT_SIZE 1024

struct trace_config {
	uint32_t vrf, conn; // only packets that had these at some node; 0: any
	bool injected_only; // only those with PACKET_F_TRACED set by who injected them
};

// Called for each packet whose way has ended; text is valid during the call.
typedef void (*trace_fn)(void *ctx, const char *text);

// Control thread. -EBUSY: one is armed already.
int trace_arm(const struct trace_config *config);
// Hands over what is finished, at most `max`; returns how many.
uint32_t trace_collect(uint32_t max, trace_fn fn, void *ctx);
// Waits for the workers, so that none is in the middle of a line.
void trace_disarm(void);
