// SPDX-License-Identifier: Apache-2.0
#pragma once

// The fence of a forwarder: while it is up nothing leaves from floating addresses, and nobody is
// answered for them; only what the gateway sends from its own addresses passes. It goes up by
// itself when the process, one of its threads, or the control thread has not run for longer than
// the limit: another gateway may have been given its slots meanwhile. The agent finds out which of
// them are still its own, takes the others away, and lifts the fence.
//
// Both types have one object and no key. Whoever lifts SUBSCRIBEs to API_TYPE_FENCE_STATE and then
// DUMPs it; each raise is told by an EVENT.

#include <stdint.h>

struct api_fence {
	uint32_t limit_us; // 0: never goes up by itself; the gateway is alone in its pool
	uint8_t hold;      // raises it, and keeps it up for as long as it is set
	uint8_t pad[3];
	// The number of the raise that has been looked into; lifted if there was none since. 0:
	// none.
	uint64_t lift;
};

struct api_fence_state {
	uint64_t number; // how often it was raised
	uint8_t up;
	uint8_t pad[7];
};
