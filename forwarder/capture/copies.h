// SPDX-License-Identifier: Apache-2.0
#pragma once

// A capture: workers copy the packets that match into one ring, the control thread takes them out.
// One at a time. Off, it costs nothing: workers have no observer then.

#include <stdbool.h>
#include <stdint.h>

struct rte_mbuf;

#define CAPTURE_RING_SIZE 1024 // copies on their way

struct capture_config {
	uint32_t vrf, conn; // indices; 0: any
	uint32_t rate;      // packets a second, of all workers together
	uint32_t snap;      // bytes
	bool decrypt;       // show what IPsec protects in clear, too
};

// Control thread. 0, -EBUSY or -errno.
int capture_start(const struct capture_config *config);
// The next copy, the caller's: its data is a struct api_captured. NULL: none now.
struct rte_mbuf *capture_take(void);
void capture_stop(void); // and frees what was not taken
